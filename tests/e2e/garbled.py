"""UDP where no TCP is, and what connect() says to it.

garbled.py before PORT: passes datagrams on to PORT and back, but sends the
caller something that makes no sense before each of the first three, as somebody
who forges the server's name might.

garbled.py puzzled | silent: answers with that alone, or with nothing.

garbled.py call PORT: connects, and says how it ended, and after what time.
"""
import errno
import select
import socket
import sys
import time

NONSENSE = b"\x00\x01\x80\x01" + bytes(8)
HERE = "127.0.0.1"


def named():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HERE, 0))
    print("port", s.getsockname()[1], flush=True)
    return s


def before(port):
    front, back, caller, lies = named(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), None, 3
    back.connect((HERE, port))
    while True:
        ready = select.select([front, back], [], [])[0]
        if front in ready:
            data, caller = front.recvfrom(65536)
            for _ in range(min(lies, 1)):
                front.sendto(NONSENSE, caller)
                lies -= 1
            back.send(data)
        if back in ready:
            front.sendto(back.recv(65536), caller)


def alone(puzzled):
    s = named()
    while True:
        _, who = s.recvfrom(65536)
        if puzzled:
            s.sendto(NONSENSE, who)


def call(port):
    s = socket.socket()
    began = time.monotonic()
    err = s.connect_ex((HERE, port))
    print(errno.errorcode.get(err, "connected"), "%.1f" % (time.monotonic() - began))
    if not err:
        s.sendall(b"ping")
        print(s.recv(4, socket.MSG_WAITALL).decode())


if sys.argv[1] == "before":
    before(int(sys.argv[2]))
elif sys.argv[1] == "call":
    call(int(sys.argv[2]))
else:
    alone(sys.argv[1] == "puzzled")
