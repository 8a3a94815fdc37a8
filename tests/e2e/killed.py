"""killed.py COMMAND...: a listener is reset from outside, by the command with a
filter behind it. Connections that nobody accepted go with it, the one that was
accepted stays; who waits in accept() is told, and the number is free later."""
import errno
import select
import socket
import subprocess
import sys
import threading


def kill(port):
    command = sys.argv[1:] + ["state", "listening", "sport", "=", str(port)]
    try:
        out = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(77)
    if command[0] == "ss" and not out.stdout:
        sys.exit(77)                # a kernel without it says nothing
    assert out.returncode == 0 and out.stdout.count("\n") == 1, out


def fails(error, call, *args):
    try:
        got = call(*args)
    except OSError as e:
        assert e.errno == error, (call, e)
        return
    sys.exit("%s(%s) gave %s" % (call.__name__, args, got))


def connect(listener):
    s = socket.create_connection(listener.getsockname(), timeout=20)
    s.setblocking(True)
    return s


def shows(epoll, want):
    """HUP and ERR are two stores to who looks at the very moment."""
    for _ in range(1000):
        if epoll.poll(20)[0][1] == want:
            return
    sys.exit("poll shows %s, not %#x" % (epoll.poll(0), want))


def watched():
    listener = socket.create_server(("127.0.0.1", 0))
    name = listener.getsockname()
    mine = connect(listener)
    other, _ = listener.accept()
    waiting = [connect(listener) for _ in range(20)]    # more than lie in a mirror
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN | select.EPOLLRDHUP)
    assert epoll.poll(20)
    epoll.modify(listener, select.EPOLLRDHUP)
    kill(name[1])
    everything = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    shows(epoll, everything)
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNABORTED
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    shows(epoll, everything & ~select.EPOLLERR)
    fails(errno.EINVAL, listener.accept)
    assert listener.getsockname() == name
    fails(errno.ENOTCONN, listener.getpeername)
    for s in waiting:
        fails(errno.ECONNRESET, s.recv, 1)
    fails(errno.ECONNREFUSED, connect, listener)
    mine.sendall(b"still here")
    assert other.recv(100) == b"still here"
    other.close()
    assert mine.recv(1) == b""
    mine.close()
    listener.close()
    again = socket.create_server(name)
    connect(again).close()


def slept_in():
    """One of the kernel's sleepers is told; of ours, all."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends = threading.Semaphore(0)

    def accept():
        fails(errno.EINVAL, listener.accept)
        ends.release()

    for _ in range(4):
        threading.Thread(target=accept, daemon=True).start()
    kill(listener.getsockname()[1])
    for _ in range(4 if sys.argv[1] != "ss" else 1):
        assert ends.acquire(timeout=20), "a sleeper is not told"


watched()
slept_in()
