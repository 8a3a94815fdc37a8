"""A writer whose domain has nothing left: SO_SNDTIMEO of 50 ms, ten times.

Both ends are in this process. Prints 'ready', waits for a line, then writes
until it is told EAGAIN and prints how long the last calls took, in ms."""
import errno
import socket
import struct
import sys
import time

server = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(server.getsockname())
b, _ = server.accept()
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400000)
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 50000))
print("ready", flush=True)
sys.stdin.readline()
took = []
while len(took) < 10:
    start = time.monotonic()
    try:
        a.send(bytes(20000))
    except OSError as e:
        if e.errno != errno.EAGAIN:
            raise
        took.append((time.monotonic() - start) * 1000)
print(" ".join(f"{ms:.1f}" for ms in took))
took.sort()
print(f"least {took[0]:.0f} middle {took[5]:.0f}")
