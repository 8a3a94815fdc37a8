"""group.py PORT SECONDS: processes that listen on one port with SO_REUSEPORT
come and go, every third by kill -9, while two others call them. Who calls may
be refused or reset, as over TCP, but is not left waiting, and what is answered
is right. Says what happened.
"""
import contextlib
import os
import random
import select
import signal
import socket
import sys
import time

port, seconds = int(sys.argv[1]), float(sys.argv[2])
PATIENCE = 15


def member():
    with socket.socket() as lsock:
        lsock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        lsock.bind(("127.0.0.1", port))
        lsock.listen(64)
        end = time.monotonic() + random.uniform(0.2, 0.5)
        while time.monotonic() < end:
            if select.select([lsock], [], [], 0.02)[0]:
                with lsock.accept()[0] as sock, contextlib.suppress(ConnectionError):
                    sock.sendall(sock.recv(10) * 1000)
    if random.random() < 0.33:
        os.kill(os.getpid(), signal.SIGKILL)


def caller():
    got = failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end or not got:
        want = random.randbytes(10)
        answer = b""
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                sock.sendall(want)
                while data := sock.recv(65536):
                    answer += data
        except TimeoutError:
            sys.exit("nobody answers")
        except OSError:
            failed += 1
            time.sleep(0.005)
            continue
        # a reset is told of; an end without an answer is one that nobody made
        if answer != want * 1000:
            sys.exit(f"{len(answer)} bytes are wrong")
        got += 1
    print(f"{got} answered, {failed} failed", flush=True)


def start(what):
    pid = os.fork()
    if pid == 0:
        random.seed()
        what()
        sys.stdout.flush()
        os._exit(0)
    return pid


members = {start(member) for _ in range(3)}
callers = {start(caller) for _ in range(2)}
status = 0
while callers:
    pid, ended = os.wait()
    if pid in callers:
        callers.discard(pid)
        status |= ended
    else:
        members.discard(pid)
        members.add(start(member))
for pid in members:
    os.kill(pid, signal.SIGKILL)
sys.exit(status != 0)
