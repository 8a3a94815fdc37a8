"""owners.py serve PORT HOW | ask PORT UID | self | bulk

serve: stay, drop (all of it becomes nobody after bind), forkdrop (a child for
each connection does, and connects back), chroot, seccomp. Each connection is
answered with the uid that serves it and what was sent.
"""
import ctypes
import encodings.idna  # noqa: what is needed later can be read by root alone
import os
import signal
import socket
import struct
import sys
import tempfile
import threading

NOBODY = 65534


def receive(conn, count):
    data = b""
    while len(data) < count:
        part = conn.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def become_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def answer(conn, uid):
    size, = struct.unpack("!I", receive(conn, 4))
    conn.sendall(struct.pack("!I", uid) + receive(conn, size))
    conn.close()


def sandbox():
    """What is not in the list kills: a connected socket needs no more."""
    allowed = {"x86_64": (0, 1, 3, 7, 9, 10, 11, 12, 13, 14, 15, 16, 20, 23, 24, 25, 28, 34, 35,
                          39, 44, 45, 46, 47, 48, 60, 72, 186, 202, 228, 230, 231, 232, 234,
                          270, 271, 281, 318)}
    numbers = allowed.get(os.uname().machine)
    if not numbers:
        return
    ld, jeq, ret = 0x20, 0x15, 0x06
    program = [(ld, 0, 0, 0)]
    for i, nr in enumerate(numbers):
        program.append((jeq, len(numbers) - i, 0, nr))
    program += [(ret, 0, 0, 0x80000000), (ret, 0, 0, 0x7fff0000)]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buf = ctypes.create_string_buffer(code)
    prog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buf))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.c_char_p(prog), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def connect_back(port):
    """A connection of the unprivileged child's own."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
        conn.sendall(struct.pack("!I", 3) + b"own")
        assert receive(conn, 7)[4:] == b"own"


def listen_too():
    with socket.create_server(("127.0.0.1", 0)) as lsock:
        with socket.create_connection(lsock.getsockname(), timeout=20) as a:
            b = lsock.accept()[0]
            a.sendall(b"x")
            assert b.recv(1) == b"x"
            b.close()


def child(conn, port):
    become_nobody()
    head = conn.recv(4, socket.MSG_PEEK)
    if head != struct.pack("!I", 3):
        connect_back(port)
        listen_too()
    answer(conn, os.getuid())


def confined(conn):
    """In a child: reads, writes, closes, in the sandbox."""
    sandbox()
    answer(conn, 0)


def forked(function, *args):
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
            os._exit(0)
        except BaseException as e:
            print("child:", repr(e), file=sys.stderr, flush=True)
            os._exit(1)


def serve(port, how):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    lsock = socket.create_server(("127.0.0.1", port), backlog=16)
    print("listening", flush=True)
    if how == "chroot":
        os.chroot(tempfile.mkdtemp())
        os.chdir("/")
    if how in ("drop", "chroot"):
        become_nobody()
    while True:
        conn, _ = lsock.accept()
        if how == "forkdrop":
            forked(child, conn, port)
        elif how == "seccomp":
            forked(confined, conn)
        else:
            threading.Thread(target=answer, args=(conn, os.getuid())).start()
            continue
        conn.close()


def ask(port, uid):
    data = os.urandom(500000)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as conn:
            conn.sendall(struct.pack("!I", len(data)) + data)
            got, = struct.unpack("!I", receive(conn, 4))
            assert got == uid, got
            assert receive(conn, len(data)) == data
            assert conn.recv(1) == b""


def exchange(lsock, size):
    sent = os.urandom(1 << 20)
    a = socket.create_connection(lsock.getsockname(), timeout=60)
    b = lsock.accept()[0]

    def send():
        for _ in range(size >> 20):
            a.sendall(sent)
        a.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send)
    t.start()
    count = 0
    while True:
        part = b.recv(1 << 18)
        if not part:
            break
        count += len(part)
    t.join()
    assert count == size, count
    a.close()
    b.close()


def all_by_itself(connections, size):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as lsock:
        threads = [threading.Thread(target=exchange, args=(lsock, size))
                   for _ in range(connections)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def main():
    what, *args = sys.argv[1:]
    if what == "serve":
        serve(int(args[0]), args[1])
    elif what == "ask":
        ask(int(args[0]), int(args[1]))
    elif what == "self":
        all_by_itself(1, 4 << 20)
    else:
        all_by_itself(20, 10 << 20)


main()
