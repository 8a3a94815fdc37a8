"""rudpstat -w in a terminal of our own: it draws, keys do what they say, 'q' ends
it with status 0."""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

rudpstat, domain = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(rudpstat, [rudpstat, "-w", "0.2", "-d", domain])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
screen = b""


def await_text(pattern, what):
    """Reads until the pattern was drawn."""
    global screen
    end = time.monotonic() + 20
    while not re.search(pattern, screen):
        if time.monotonic() > end:
            sys.exit("%s: not seen in %r" % (what, screen[-2000:]))
        if select.select([fd], [], [], 1)[0]:
            screen += os.read(fd, 65536)
    screen = b""


def press(key, pattern, what):
    os.write(fd, key + b"\f")      # all is drawn, not what differs
    await_text(pattern, what)


await_text(rb"(?s)memory.*throughput.*Local.*ESTAB.*q quit", "the first screen")
press(b"p", rb"Command", "processes")
press(b"p", rb"Recv-Q", "sockets")
press(b"h", rb"stand still", "help")
press(b"h", rb"Recv-Q", "no help")
press(b" ", rb"paused", "paused")
press(b" +", rb"0\.4 s", "a longer interval")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
press(b"sr", rb"State", "redrawn in a smaller window")
os.write(fd, b"q")
status = os.waitpid(pid, 0)[1]
sys.exit(0 if status == 0 else "ended with status %#x" % status)
