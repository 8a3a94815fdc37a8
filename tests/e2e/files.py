"""files.py HOW: a process with few descriptor numbers opens, or accepts, as many
connections as it can to, or from, one with many. Natively all numbers are had.
    client, server    the hard limit is the soft one
    lowered           client; set to that after half of them are there
Bytes go through all; they are closed; and then it can be done again. What is
said: "N of LIMIT, N again".
"""
import os
import resource
import select
import socket
import subprocess
import sys

LIMIT = 256
NAME = "127.0.0.1"
FREE = 3                    # 0, 1 and 2 are none of them


def set_limit(n):
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def peer_process(*args):
    """Of another family: it has numbers of its own."""
    return subprocess.Popen([sys.executable, sys.argv[0], *map(str, args)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def peer_of_client():
    """Sends each byte back."""
    listener = socket.create_server((NAME, 0), backlog=LIMIT * 4)
    print(listener.getsockname()[1], flush=True)
    p = select.epoll()
    p.register(listener, select.EPOLLIN)
    socks = {listener.fileno(): listener}
    while True:
        for fd, _ in p.poll():
            if fd == listener.fileno():
                s, _ = listener.accept()
                socks[s.fileno()] = s
                p.register(s, select.EPOLLIN)
            elif data := socks[fd].recv(16):
                socks[fd].sendall(data)
            else:
                socks.pop(fd).close()


def connect_all(name, halfway):
    socks = []
    while True:
        if len(socks) == LIMIT // 2:
            halfway()
        try:
            s = socket.socket()
        except OSError:
            return socks
        s.settimeout(60)
        try:
            s.connect(name)
        except OSError as e:        # of the last ones: no number for the driver
            assert e.errno == 24, e
            return socks
        socks.append(s)


def carried(socks):
    for s in socks:
        s.sendall(b"x")
    return sum(s.recv(1) == b"x" for s in socks)


def client(lowered):
    peer = peer_process("peer-of-client")
    name = NAME, int(peer.stdout.readline())
    if not lowered:
        set_limit(LIMIT)
    had = []
    for halfway in (lambda: set_limit(LIMIT)), (lambda: None):
        socks = connect_all(name, halfway)
        had.append(carried(socks))
        assert had[-1] == len(socks), (had, len(socks))
        for s in socks:
            s.close()
    peer.kill()
    peer.wait()
    return had


def peer_of_server(port, n):
    name = NAME, int(port)
    n = int(n)
    socks = []
    for _ in range(2):
        for _ in range(n):
            s = socket.socket()
            s.settimeout(60)
            s.connect(name)
            socks.append(s)
            s.sendall(b"x")
        print("there", flush=True)
        for s in socks:
            if s.recv(1):           # its end
                s.recv(1)
            s.close()
        socks = []


def accept_all(listener, n):
    """Those that find no number wait; for them some are closed."""
    socks, had, left = [], 0, n
    while left:
        try:
            listener.settimeout(0 if had else None)
            while left:
                socks.append(listener.accept()[0])
                left -= 1
        except (BlockingIOError, OSError):
            pass
        had = had or len(socks)
        for s in socks:
            s.settimeout(60)
        assert carried_back(socks) == len(socks)
        for s in socks:
            s.close()
        socks = []
        if left:
            select.select([listener], [], [], 60)
    return had


def carried_back(socks):
    n = sum(s.recv(1) == b"x" for s in socks)
    for s in socks:
        s.sendall(b"y")
    return n


def server():
    listener = socket.create_server((NAME, 0), backlog=LIMIT * 4)
    peer = peer_process("peer-of-server", listener.getsockname()[1], LIMIT + 20)
    set_limit(LIMIT)
    had = []
    for _ in range(2):
        peer.stdout.readline()
        had.append(accept_all(listener, LIMIT + 20))
    assert peer.wait() == 0
    return had


if sys.argv[1] == "peer-of-client":
    peer_of_client()
if sys.argv[1] == "peer-of-server":
    peer_of_server(*sys.argv[2:])
    sys.exit()
how = sys.argv[1]
first, again = server() if how == "server" else client(how == "lowered")
print(f"{first} of {LIMIT}, {again} again")
sys.exit(min(first, again) < LIMIT - int(sys.argv[2]))
