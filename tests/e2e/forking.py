"""Servers of Python's library that serve in processes of their own, and their clients.

forking.py threading|forking PORT        socketserver: an answer and its server's pid
forking.py prefork PORT WORKERS          all of them accept on one listener
forking.py passing PORT WORKERS          one accepts and passes connections by SCM_RIGHTS
forking.py strangers PORT WORKERS        as passing, to programs with sockets of their own
forking.py borrowed PORT WORKERS         these get the listener
forking.py manager PORT                  multiprocessing: objects that live elsewhere
forking.py ask HOST PORT COUNT LEAST     asks COUNT times, 8 at once; LEAST pids must answer
forking.py managed HOST PORT             several processes share a manager's objects
"""
import concurrent.futures
import hashlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.managers
import os
import signal
import socket
import socketserver
import subprocess
import sys

BLOB = hashlib.sha256(b"seed").digest() * 8192  # 256 KiB


def serve(conn):
    """LEN bytes come, as many and our pid go back."""
    with conn:
        head = receive(conn, 8)
        data = receive(conn, int(head))
        conn.sendall(b"%8d" % os.getpid() + hashlib.sha256(data).digest() + data)


def receive(conn, count):
    parts = []
    while count:
        part = conn.recv(min(count, 65536))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def ask(host, port):
    with socket.create_connection((host, port), timeout=30) as conn:
        conn.sendall(b"%8d" % len(BLOB) + BLOB)
        conn.shutdown(socket.SHUT_WR)
        pid = int(receive(conn, 8))
        assert receive(conn, 32) == hashlib.sha256(BLOB).digest()
        assert receive(conn, len(BLOB)) == BLOB
        assert conn.recv(1) == b""
    return pid


def ask_all(host, port, count, least):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pids = set(pool.map(lambda _: ask(host, port), range(count)))
    print(len(pids), "processes answered")
    return 0 if len(pids) >= least else 1


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        serve(self.request)


def of_library(kind, port):
    base = {"threading": socketserver.ThreadingTCPServer,
            "forking": socketserver.ForkingTCPServer}[kind]
    base.allow_reuse_address = True
    base.request_queue_size = 16
    with base(("127.0.0.1", port), Handler) as server:
        print("listening", flush=True)
        server.serve_forever()


def listener(port):
    lsock = socket.create_server(("127.0.0.1", port), backlog=64)
    print("listening", flush=True)
    return lsock


def accept_for_ever(lsock):
    while True:
        serve(lsock.accept()[0])


def until_told(children):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        signal.pause()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def fork_with(function, *args):
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
        finally:
            os._exit(1)
    return pid


def prefork(port, workers):
    lsock = listener(port)
    until_told([fork_with(accept_for_ever, lsock) for _ in range(workers)])


def serve_passed(channel):
    while True:
        _, fds, _, _ = socket.recv_fds(channel, 1, 1)
        serve(socket.socket(fileno=fds[0]))


def passing(port, workers):
    """The descriptor is closed as soon as it was passed."""
    pairs = [socket.socketpair() for _ in range(workers)]
    for mine, other in pairs:
        fork_with(serve_passed, other)
        other.close()
    lsock = listener(port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    turn = 0
    while True:
        conn, _ = lsock.accept()
        socket.send_fds(pairs[turn][0], [b"x"], [conn.fileno()])
        conn.close()
        turn = (turn + 1) % workers


def stranger(channel):
    """A program with a connection of its own: what it is passed is another's."""
    channel = socket.socket(fileno=int(channel))
    with socket.create_server(("127.0.0.1", 0)) as own, \
            socket.create_connection(own.getsockname()) as near:
        far = own.accept()[0]
        channel.send(b"r")
        while True:
            what, fds, _, _ = socket.recv_fds(channel, 1, 1)
            if not what:
                return 0
            given = socket.socket(fileno=fds[0])
            assert given.family == socket.AF_INET, given
            if what == b"l":
                return accept_for_ever(given)
            assert given.getpeername()[0] == "127.0.0.1"
            serve(given)
            near.sendall(b"still")
            assert receive(far, 5) == b"still"


def start_stranger():
    mine, other = socket.socketpair()
    program = subprocess.Popen([sys.executable, "-B", __file__, "stranger", str(other.fileno())],
                               pass_fds=[other.fileno()])
    other.close()
    assert mine.recv(1) == b"r"
    return mine, program


def strangers(port, workers):
    lsock = listener(port)
    started = [start_stranger() for _ in range(workers)]
    print("started", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    turn = 0
    while True:
        conn, _ = lsock.accept()
        socket.send_fds(started[turn][0], [b"c"], [conn.fileno()])
        conn.close()
        turn = (turn + 1) % workers


def borrowed(port, workers):
    lsock = listener(port)
    started = [start_stranger() for _ in range(workers)]
    for channel, _ in started:
        socket.send_fds(channel, [b"l"], [lsock.fileno()])
    print("started", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        signal.pause()
    finally:
        for _, program in started:
            program.kill()
            program.wait()


class Manager(multiprocessing.managers.SyncManager):
    pass


def manager(port):
    server = Manager(("127.0.0.1", port), authkey=b"key").get_server()
    print("listening", flush=True)
    server.serve_forever()


def count_up(host, port, shared, lock):
    me = Manager((host, port), authkey=b"key")
    me.connect()
    for _ in range(20):
        with lock:
            shared["n"] = shared["n"] + 1


def managed(host, port):
    me = Manager((host, port), authkey=b"key")
    me.connect()
    multiprocessing.current_process().authkey = b"key"
    shared, lock, queue = me.dict(), me.Lock(), me.Queue()
    shared["n"] = 0
    workers = [multiprocessing.Process(target=count_up, args=(host, port, shared, lock))
               for _ in range(3)]
    for w in workers:
        w.start()
    queue.put(BLOB)
    for w in workers:
        w.join()
    assert [w.exitcode for w in workers] == [0, 0, 0], workers
    assert shared["n"] == 60, shared["n"]
    assert queue.get() == BLOB
    connections(host)
    return 0


def answer_one(lis):
    with lis.accept() as conn:
        conn.send(conn.recv()[::-1])
        conn.send_bytes(BLOB)


def connections(host):
    """multiprocessing.connection: a listener made here, served by a child."""
    with multiprocessing.connection.Listener((host, 0), authkey=b"k") as lis:
        child = multiprocessing.Process(target=answer_one, args=(lis,))
        child.start()
        with multiprocessing.connection.Client(lis.address, authkey=b"k") as conn:
            conn.send([1, 2, 3])
            assert multiprocessing.connection.wait([conn], 30) == [conn]
            assert conn.recv() == [3, 2, 1]
            assert conn.recv_bytes() == BLOB
        child.join()
        assert child.exitcode == 0


def main():
    what, *args = sys.argv[1:]
    multiprocessing.set_start_method("fork")
    if what in ("threading", "forking"):
        return of_library(what, int(args[0]))
    makers = {"prefork": prefork, "passing": passing, "strangers": strangers,
              "borrowed": borrowed}
    if what in makers:
        return makers[what](int(args[0]), int(args[1]))
    if what == "stranger":
        return stranger(args[0])
    if what == "manager":
        return manager(int(args[0]))
    if what == "ask":
        return ask_all(args[0], int(args[1]), int(args[2]), int(args[3]))
    return managed(args[0], int(args[1]))


if __name__ == "__main__":
    sys.exit(main())
