"""watch.py RUDPSTAT DOMAIN PID: rudpstat -w in a terminal of our own while PID,
which talks to itself, lives and dies. It draws, keys do what they say, the
window may have any size, and 'q' ends it with status 0."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

rudpstat, domain, talker = sys.argv[1:]


class Terminal:
    def __init__(self, term):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM=term, LC_ALL="C")
            os.execv(rudpstat, [rudpstat, "-w", "0.2", "-d", domain])
        self.screen = b""
        self.resize(40, 150)

    def resize(self, lines, columns):
        """Which the program hears of by a signal, as from a real terminal."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self):
        if select.select([self.fd], [], [], 1)[0]:
            self.screen += os.read(self.fd, 65536)

    def await_text(self, pattern, what):
        """Reads until the pattern was drawn; what was drawn."""
        end = time.monotonic() + 5
        while not re.search(pattern, self.screen):
            if time.monotonic() > end:
                sys.exit("%s: not seen in %r" % (what, self.screen[:2000]))
            self.read()
        seen, self.screen = self.screen, b""
        return seen

    def press(self, key, pattern, what):
        os.write(self.fd, key + b"\f")      # all is drawn, not what differs
        return self.await_text(pattern, what)

    def end(self):
        out = self.screen
        try:
            while data := os.read(self.fd, 65536):
                out += data
        except OSError:
            pass
        return os.WEXITSTATUS(os.waitpid(self.pid, 0)[1]), out


def rows(seen):
    """The lower row of every cursor movement."""
    return max(int(n) for n in re.findall(rb"\x1b\[(\d+)(?:;\d+)?[Hd]", seen))


t = Terminal("xterm")
t.await_text(rb"(?s)memory.*throughput.*Local.*ESTAB.*q quit", "the first screen")

# Graphs of both: the newest at the right, of what moves.
BLOCKS = rb"[^\r\n]{0,40}?[.:\-=+*%#]"
t.await_text(rb"[0-9.]+[KMG]bps", "two looks")
t.press(b"", rb"memory +[0-9.]+ [KM]iB" + BLOCKS, "a graph of memory")
t.press(b"", rb"throughput +[0-9.]+[KMG]bps" + BLOCKS, "a graph of throughput")

# Each key to sort by, in turn; the column that it is has another colour.
for column in ("State", "Local", "Peer", "Process", "Recv-Q", "Send-Q", "Rmem", "Wmem", "RTT ms",
               "Retrans", "Receives", "Sends"):
    t.press(b"s", rb"\x1b\[[0-9;]*7m *" + column.encode(), "sorted by " + column)
t.press(b"<", rb"\x1b\[[0-9;]*7m *Receives", "sorted by the column before")
t.press(b">>", rb"\x1b\[[0-9;]*7m *State", "round to the first")
t.press(b"", rb"(?s)Sends[^EL]*ESTAB.*?LISTEN", "connections above the listener")
t.press(b"r", rb"(?s)Sends[^EL]*LISTEN.*?ESTAB", "and in the other order")
t.press(b"r", rb"(?s)Sends[^EL]*ESTAB.*?LISTEN", "and back")

t.press(b"p", rb"Command", "processes")
t.press(b"p", rb"Recv-Q", "sockets")
t.press(b"h", rb"stand still", "help")
t.press(b"h", rb"Recv-Q", "no help")
t.press(b" ", rb"paused", "paused")
t.press(b" +", rb"0\.4 s", "a longer interval")
t.press(b"-", rb"0\.2 s", "a shorter one")

# Any size, with no key pressed; nothing is drawn outside.
for lines, columns in ((20, 80), (60, 200), (24, 80)):
    t.screen = b""
    t.resize(lines, columns)
    seen = t.await_text(rb"\x1b\[%d(;1)?[Hd].{0,20} q quit" % lines, "%d lines" % lines)
    assert rows(seen) <= max(lines, 60), (lines, rows(seen))
for lines, columns in ((3, 10), (1, 1), (24, 80)):
    t.resize(lines, columns)
    time.sleep(0.3)                 # nothing to wait for: it only has to live
t.screen = b""
t.press(b"", rb"q quit", "back from nothing")

# The process that it looks at dies while it does.
os.kill(int(talker), signal.SIGKILL)
t.press(b"p", rb"Command", "processes, one of which dies")
end = time.monotonic() + 5
while talker.encode() in t.press(b"", rb"(?s)Command.*q quit", "processes"):
    assert time.monotonic() < end, "a dead process is shown"
t.press(b"p", rb"Local", "it goes on")
os.write(t.fd, b"q")
status, out = t.end()
assert status == 0, status
assert b"\x1b[?1049l" in t.screen + out, "the terminal is not given back"

for term, why in (("dumb", b"cannot move its cursor"), ("no-such-terminal", b"is unknown")):
    t = Terminal(term)
    status, out = t.end()
    assert status == 1 and why in out and b"TERM=" + term.encode() in out, (status, out)
