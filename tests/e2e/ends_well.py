"""A connection to itself: a megabyte there and back, and a clean end."""
import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()


def echo():
    while data := b.recv(1 << 16):
        b.sendall(data)
    b.close()


def fill():
    for _ in range(100):
        a.sendall(bytes(10000))
    a.shutdown(socket.SHUT_WR)


threads = [threading.Thread(target=f) for f in (echo, fill)]
for t in threads:
    t.start()
got = 0
while data := a.recv(1 << 16):
    got += len(data)
for t in threads:
    t.join()
assert got == 1000000, got
