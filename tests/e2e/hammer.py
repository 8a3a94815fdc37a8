"""hammer.py PORT PATH FILE: gets http://127.0.0.1:PORT/PATH, each time over a
new connection, and compares it with FILE, until there is a file `enough`. What
has been got so far is counted in the length of the file `got.count`. Anything
that goes wrong ends it.
"""
import os
import socket
import sys

port, path, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(name, "rb") as f:
    want = f.read()
request = f"GET /{path} HTTP/1.0\r\n\r\n".encode()


def get():
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    if body != want:
        sys.exit(f"{len(body)} of {len(want)} bytes after {head!r}")


done = 0
with open("got.count", "ab", buffering=0) as count:
    while not os.path.exists("enough"):
        try:
            get()
        except OSError as e:
            sys.exit(f"request {done}: {e!r}")
        done += 1
        count.write(b".")
print(f"{done} requests")
