"""What a writer leaves in the kernel's queue (T106, R3.15).

below.py reader HOST PORT         reads from whoever comes, until it is killed
below.py writer HOST PORT BYTES   writes so many as fast as it can; after the
                                  first line of input it goes on for 2 s only.
                                  Prints the most that lay in the kernel's queue,
                                  by /proc and by SO_MEMINFO, and the most that
                                  was queued in all beside the buffer's size.
below.py fan HOST PORT COUNT      writes as much as it can to so many who come,
                                  until it is killed
below.py crowd HOST PORT COUNT    comes so often, and reads until it is killed
below.py resetter HOST PORT       connects, and resets after a line of input."""
import select
import socket
import struct
import sys
import time

SO_MEMINFO = 55
WMEM_ALLOC, SNDBUF, WMEM_QUEUED = 2, 3, 5


def reader(host, port):
    with socket.create_server((host, port)) as listener:
        print("listening", flush=True)
        conn, _ = listener.accept()
        while conn.recv(1 << 20):
            pass


def kernel_queues():
    """Bytes in the send queues of this namespace's UDP sockets."""
    most = 0
    for name in ("udp", "udp6"):
        with open(f"/proc/self/net/{name}", encoding="ascii") as f:
            next(f)
            for line in f:
                most = max(most, int(line.split()[4].split(":")[0], 16))
    return most


def writer(host, port, left):
    sock = socket.create_connection((host, port))
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    told = select.poll()
    told.register(0, select.POLLIN)
    chunk = bytes(1 << 18)
    below = meminfo = 0
    queued = (0, 0)
    end = None
    print("writing", flush=True)
    while end is None or time.monotonic() < end:
        poll.poll(5)
        try:
            left -= sock.send(chunk[:left]) if left else 0
        except BlockingIOError:
            pass
        below = max(below, kernel_queues())
        words = struct.unpack("9I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
        meminfo = max(meminfo, words[WMEM_ALLOC])
        queued = max(queued, (words[WMEM_QUEUED], words[SNDBUF]))
        if end is None and told.poll(0):
            end = time.monotonic() + 2
    print("below", below, "meminfo", meminfo, "queued", *queued, "left", left)


def resetter(host, port):
    with socket.create_connection((host, port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        print("connected", flush=True)
        sys.stdin.readline()
    print("closed", flush=True)
    sys.stdin.readline()


def fan(host, port, count):
    """All from the listener's one UDP socket."""
    with socket.create_server((host, port), backlog=count) as listener:
        print("listening", flush=True)
        socks = [listener.accept()[0] for _ in range(count)]
    poll = select.poll()
    for sock in socks:
        sock.setblocking(False)
        poll.register(sock, select.POLLOUT)
    by_fd = {sock.fileno(): sock for sock in socks}
    chunk = bytes(1 << 18)
    while True:
        for fd, _ in poll.poll():
            try:
                by_fd[fd].send(chunk)
            except BlockingIOError:
                pass


def crowd(host, port, count):
    socks = [socket.create_connection((host, port)) for _ in range(count)]
    while True:
        for sock in select.select(socks, [], [])[0]:
            if not sock.recv(1 << 20):
                sys.exit("an end came")


if sys.argv[1] == "reader":
    reader(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] in ("fan", "crowd"):
    {"fan": fan, "crowd": crowd}[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
elif sys.argv[1] == "resetter":
    resetter(sys.argv[2], int(sys.argv[3]))
else:
    writer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
