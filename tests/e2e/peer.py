"""peer.py - small programs that a test needs a peer to be.

    peer.py refused HOST PORT           nobody is there: says so within 1 s,
                                        to a blocking and to a polling caller
    peer.py wait-server PORT            takes one connection, says "accepted",
                                        and waits for the end of it
    peer.py wait-client HOST PORT       says "connected", waits for the end
    peer.py last-words PORT BYTES       takes one connection, sends BYTES, and
                                        exits without having closed it
    peer.py stall-server PORT BYTES     sends BYTES to everyone who connects
    peer.py stall-client PORT N BYTES   N connections that do not read until a
                                        line comes in; then data is compared

The end of a connection is printed as "end: " and how it came, with the
seconds that were waited.
"""
import errno
import os
import selectors
import socket
import sys
import time


def fail(text):
    print(text)
    sys.exit(1)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def listener(port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(512)
    print("listening", flush=True)
    return sock


def refused(host, port):
    start = time.monotonic()
    sock = socket.socket(family(host))
    try:
        sock.connect((host, int(port)))
        fail("connected")
    except ConnectionRefusedError:
        pass
    polled = socket.socket(family(host))
    polled.setblocking(False)
    err = polled.connect_ex((host, int(port)))
    if err == errno.EINPROGRESS:
        with selectors.DefaultSelector() as sel:
            sel.register(polled, selectors.EVENT_WRITE)
            if not sel.select(5):
                fail("a polling caller hears nothing")
        err = polled.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if err != errno.ECONNREFUSED:
        fail(f"a polling caller hears {os.strerror(err)}")
    took = time.monotonic() - start
    print(f"{took:.3f} s")
    if took >= 1:
        fail("too late")


def wait_end(sock):
    start = time.monotonic()
    try:
        how = "data?" if sock.recv(1) else "FIN"
    except OSError as e:
        how = errno.errorcode[e.errno]
    print(f"end: {how} after {time.monotonic() - start:.1f} s", flush=True)


def wait_server(port):
    sock, _ = listener(int(port)).accept()
    print("accepted", flush=True)
    wait_end(sock)


def wait_client(host, port):
    sock = socket.create_connection((host, int(port)))
    print("connected", flush=True)
    wait_end(sock)


def pattern(count):
    return bytes((i * 7 + i // 256 * 13) & 255 for i in range(65536)) * (count // 65536 + 1)


def last_words(port, count):
    sock, _ = listener(int(port)).accept()
    sock.sendall(pattern(int(count))[:int(count)])
    os._exit(0)


def stall_server(port, count):
    count = int(count)
    data = memoryview(pattern(count))[:count]
    lsock = listener(int(port))
    lsock.setblocking(False)
    sel = selectors.DefaultSelector()
    sel.register(lsock, selectors.EVENT_READ)
    done = {}
    while True:
        for key, _ in sel.select():
            sock = key.fileobj
            if sock is lsock:
                conn, _ = lsock.accept()
                conn.setblocking(False)
                done[conn] = 0
                sel.register(conn, selectors.EVENT_WRITE)
                continue
            if done[sock] == count:
                sel.unregister(sock)
                sock.close()
                del done[sock]
                continue
            try:
                done[sock] += sock.send(data[done[sock]:])
                if done[sock] == count:
                    # Closed with data queued it might be reset for want of memory.
                    sock.shutdown(socket.SHUT_WR)
                    sel.modify(sock, selectors.EVENT_READ)
            except BlockingIOError:
                pass
            except OSError as e:
                print(f"send: {e}", flush=True)
                done[sock] = count


def stall_client(port, number, count):
    count = int(count)
    want = memoryview(pattern(count))[:count]
    socks = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(int(number))]
    print("stalled", flush=True)
    sys.stdin.readline()
    got = {}
    sel = selectors.DefaultSelector()
    for sock in socks:
        sock.setblocking(False)
        got[sock] = 0
        sel.register(sock, selectors.EVENT_READ)
    while got:
        events = sel.select(30)
        if not events:
            fail(f"nothing comes any more on {len(got)} connections")
        for key, _ in events:
            sock = key.fileobj
            data = sock.recv(65536)
            if not data:
                if got[sock] != count:
                    fail(f"end after {got[sock]} bytes")
                sel.unregister(sock)
                sock.close()
                del got[sock]
                continue
            if data != want[got[sock]:got[sock] + len(data)]:
                fail(f"wrong data near {got[sock]}")
            got[sock] += len(data)
    print("all right")


commands = {f.__name__.replace("_", "-"): f for f in
            (refused, wait_server, wait_client, last_words, stall_server, stall_client)}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    fail(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
