"""memcached_client.py HOST PORT CONNECTIONS COUNT: a thread for each
connection sets COUNT values of all sizes, every tenth large, and gets them
back, some in batches; exit status 0 if everything was as it should be."""
import random
import socket
import sys
import threading

host, port, connections, count = sys.argv[1], *map(int, sys.argv[2:5])
failures = []


def value(rng):
    return rng.randbytes(rng.randrange(100000) if rng.random() < 0.1
                         else rng.randrange(300))


def client(number):
    rng = random.Random(number)
    sock = socket.create_connection((host, port))
    sock.settimeout(30)
    stream = sock.makefile("rb")

    def line(want):
        got = stream.readline().rstrip()
        if got != want:
            raise ValueError(f"got {got[:80]!r}, wanted {want!r}")

    stored = {}
    for i in range(count):
        key = f"c{number}k{i % 50}"
        stored[key] = data = value(rng)
        sock.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(data), data))
        line(b"STORED")
        keys = list(stored)[:20] if i % 100 == 99 else [key]
        sock.sendall(b"get " + " ".join(keys).encode() + b"\r\n")
        for k in keys:
            line(b"VALUE %s 0 %d" % (k.encode(), len(stored[k])))
            if stream.read(len(stored[k])) != stored[k]:
                raise ValueError(f"{k}: wrong data")
            line(b"")
        line(b"END")
    sock.sendall(b"quit\r\n")
    if stream.read():
        raise ValueError("data after quit")


def guarded(number):
    try:
        client(number)
    except Exception as e:                                      # noqa: BLE001
        failures.append(f"connection {number}: {e!r}")


threads = [threading.Thread(target=guarded, args=(n,)) for n in range(connections)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("\n".join(failures) or f"{connections * count} sets and gets")
sys.exit(bool(failures))
