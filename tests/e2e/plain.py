"""plain.py serve HOST: a plain echo server on TCP; with a third word, UDP of its
port is silent, or says that it does not understand ("puzzled").

plain.py call HOST PORT: connects in every manner and echoes; with one more word
once, and that word "rudp" says that it is not to be over TCP.

plain.py serve both PORT | workers PORT | reborn PORT | crowd HOST PORT N
"""
import errno
import os
import select
import socket
import subprocess
import sys
import threading
import time

family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET


def echo(c):
    while data := c.recv(65536):
        c.sendall(data)
    c.close()


def echo_all(s):
    while True:
        threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


def listener(port):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(200)
    return s


def puzzled(s):
    """As a name server, which takes it for a question that makes no sense."""
    while True:
        asked, who = s.recvfrom(65536)
        s.sendto(asked[:2] + b"\x80\x01" + asked[4:12], who)


def serve():
    if sys.argv[2] == "both":
        s = listener(int(sys.argv[3]))
        print("port", flush=True)
        echo_all(s)
    s = socket.socket(family)
    s.bind((sys.argv[2], 0))
    s.listen()
    if len(sys.argv) > 3:
        sink = socket.socket(family, socket.SOCK_DGRAM)
        sink.bind(s.getsockname())
        if sys.argv[3] == "puzzled":
            threading.Thread(target=puzzled, args=(sink,), daemon=True).start()
    print("port", s.getsockname()[1], flush=True)
    echo_all(s)


def workers(port):
    """The process that listens drives; another one accepts."""
    s = listener(port)
    pid = os.fork()
    if pid == 0:
        echo_all(s)
    a = socket.create_connection(("127.0.0.1", port))
    time.sleep(0.5)  # a caretaker stands by once a connection has lived
    print("driver", os.getpid(), flush=True)
    print("worker", pid, flush=True)
    print("port", flush=True)
    os.waitpid(pid, 0)


def reborn(port):
    """Beside the one that listens there none can be; then again and again."""
    try:
        listener(port)
        raise AssertionError("twice")
    except OSError as e:
        assert e.errno == errno.EADDRINUSE, e
    s = listener(0)
    port = s.getsockname()[1]
    for _ in range(20):
        s.close()
        s = listener(port)
    os.environ.pop("LD_PRELOAD")
    call = "import socket; socket.create_connection(('127.0.0.1', %d))" % port
    s.settimeout(5)
    assert subprocess.call([sys.executable, "-c", call]) == 0
    s.accept()
    s.close()
    time.sleep(0.2)
    assert subprocess.call([sys.executable, "-c", call], stderr=subprocess.DEVNULL) != 0


def crowd(to, n):
    all = [socket.create_connection(to) for _ in range(n)]
    for s in all:
        s.sendall(b"x" * 1000)
    for s in all:
        while s.recv(1000) != b"":
            s.shutdown(socket.SHUT_WR)


def is_plain(s):
    """The kernel shows a socket of TCP, not a mirror."""
    inode = "%d" % os.fstat(s.fileno()).st_ino
    path = "/proc/net/tcp6" if family == socket.AF_INET6 else "/proc/net/tcp"
    return any(line.split()[9] == inode for line in open(path))


def echoes(s):
    s.setblocking(True)
    s.settimeout(5)
    data = bytes(range(256)) * 1000
    threading.Thread(target=s.sendall, args=(data,)).start()
    got = b""
    while len(got) < len(data):
        got += s.recv(65536)
    assert got == data
    assert is_plain(s) == (sys.argv[4:] != ["rudp"])
    s.close()


def fresh():
    s = socket.socket(family)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    return s


def options(s):
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 100000
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77


def blocking(to):
    s = fresh()
    t = time.monotonic()
    s.connect(to)
    print("blocking: %.3f s" % (time.monotonic() - t))
    assert s.getpeername()[:2] == to
    options(s)
    echoes(s)


def polled(to):
    s = fresh()
    s.setblocking(False)
    assert s.connect_ex(to) == errno.EINPROGRESS
    p = select.poll()
    p.register(s, select.POLLOUT)
    assert p.poll(5000) == [(s.fileno(), select.POLLOUT)]
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    options(s)
    assert s.connect_ex(to) == 0 and s.connect_ex(to) == errno.EISCONN
    echoes(s)


def edges(to):
    """A set goes on with the socket, under its new file."""
    s = fresh()
    s.setblocking(False)
    e = select.epoll()
    e.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    assert s.connect_ex(to) == errno.EINPROGRESS
    while not e.poll(5)[0][1] & select.EPOLLOUT:
        pass
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    while e.poll(0):
        pass
    s.send(b"x")
    (fd, events), = e.poll(5)
    assert fd == s.fileno() and events & select.EPOLLIN
    assert s.recv(10) == b"x"
    echoes(s)


def duplicate(to):
    s = fresh()
    s.setblocking(False)
    d = s.dup()
    assert s.connect_ex(to) == errno.EINPROGRESS
    select.select([], [s], [], 5)
    d.send(b"abc")
    s.setblocking(True)
    assert s.recv(3) == b"abc"
    d.close()
    echoes(s)


def bound(to):
    s = fresh()
    s.bind((sys.argv[2], 0))
    s.connect(to)
    assert s.getsockname()[0] == sys.argv[2]
    echoes(s)


def given_up():
    """Nobody is there, on TCP neither."""
    listener = socket.socket(family)
    listener.bind((sys.argv[2], 0))
    to = listener.getsockname()[:2]
    listener.close()
    s = fresh()
    assert s.connect_ex(to) == errno.ECONNREFUSED
    s.close()
    s = fresh()
    s.setblocking(False)
    assert s.connect_ex(to) == errno.EINPROGRESS
    p = select.poll()
    p.register(s, select.POLLOUT)
    (_, events), = p.poll(5000)
    assert events & select.POLLERR and events & select.POLLHUP, events
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    s.close()


def closed_meanwhile(to):
    for _ in range(50):
        s = fresh()
        s.setblocking(False)
        s.connect_ex(to)
        s.close()


def reads(s):
    try:
        s.recv(1)
    except BlockingIOError:
        return 0
    return "an end"


def hurried(to):
    """Five do something as soon as they see anything."""
    asks = (lambda s: s.connect_ex(to), lambda s: s.send(b"x") - 1, reads)
    answers = []

    def one():
        for i in range(21):
            s = fresh()
            s.setblocking(False)
            s.connect_ex(to)
            p = select.poll()
            p.register(s, select.POLLIN | select.POLLOUT)
            p.poll(5000)
            answers.append(asks[i % 3](s))
            s.close()

    all = [threading.Thread(target=one) for _ in range(5)]
    for t in all:
        t.start()
    for t in all:
        t.join()
    assert answers == [0] * 105, answers


if sys.argv[1] == "serve":
    serve()
elif sys.argv[1] == "workers":
    workers(int(sys.argv[2]))
elif sys.argv[1] == "reborn":
    reborn(int(sys.argv[2]))
elif sys.argv[1] == "crowd":
    crowd((sys.argv[2], int(sys.argv[3])), int(sys.argv[4]))
elif sys.argv[4:]:
    echoes(socket.create_connection((sys.argv[2], int(sys.argv[3]))))
else:
    address = (sys.argv[2], int(sys.argv[3]))
    for f in (blocking, polled, edges, duplicate, bound):
        f(address)
    given_up()
    closed_meanwhile(address)
    hurried(address)
    blocking(address)
