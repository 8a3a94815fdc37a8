"""orphaned.py RUDP PROGRAM...: PROGRAM, which is this again with "hold", makes
sockets and has children that share them. Then it is killed, and with it who
would follow it (RUDP: rudp-caretaker), so that nobody drives what the children
have. They use what nothing was done with yet, and make new ones, in a row; and
when they are gone nothing is left.
"""
import os
import signal
import socket
import subprocess
import sys
import time

ANY = ("127.0.0.1", 0)


def caretakers():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/stat") as f:
                state = f.read().rsplit(")")[-1].split()[0]
        except OSError:
            continue
        # it is the loader's at first
        if (name == "rudp-caretaker" or name.startswith("ld-")) and state not in "ZX":
            found.append(int(pid))
    return found


def until(what, test):
    end = time.monotonic() + 60
    while not test():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def talk(listener, sock):
    sock.settimeout(30)
    sock.connect(listener.getsockname())
    other, _ = listener.accept()
    sock.sendall(b"ask")
    assert other.recv(3) == b"ask"
    if pid := os.fork():
        assert os.waitpid(pid, 0)[1] == 0
    else:
        other.sendall(b"answer")
        os._exit(0)
    other.close()
    assert sock.makefile("rb").read() == b"answer"
    sock.close()


def child(shared, bound, fresh):
    name = bound.getsockname()
    shared.settimeout(30)
    try:
        shared.recv(1)              # its end, or what the kernel's would have
    except OSError:
        pass
    bound.listen()
    assert bound.getsockname() == name, (bound.getsockname(), name)
    talk(bound, fresh)
    talk(bound, socket.socket())
    talk(socket.create_server(ANY), socket.socket())
    again = socket.socket()
    again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.close()
    again.bind(name)
    again.listen()
    talk(again, socket.socket())


def hold():
    listener = socket.create_server(ANY)
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    for _ in range(2):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(ANY)
        fresh = socket.socket()
        if os.fork() == 0:
            for s in client, listener:
                s.close()
            os.write(1, b"there\n")
            sys.stdin.read(1)
            child(server, bound, fresh)
            os.write(1, b"done\n")
            sys.exit()
        bound.close()
        fresh.close()
    os.write(1, b"there\n")
    signal.pause()


def main(rudp, *program):
    p = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        assert p.stdout.readline() == "there\n"
    if rudp:
        until("no caretaker", caretakers)
    p.kill()
    p.wait()
    until("caretakers are left", lambda: not [os.kill(c, signal.SIGKILL) for c in caretakers()])
    p.stdin.close()
    said = p.stdout.read()
    assert said == "done\ndone\n", said
    until("something is left", lambda: not caretakers())


hold() if sys.argv[1] == "hold" else main(int(sys.argv[1]), *sys.argv[2:])
