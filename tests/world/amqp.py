"""amqp.py PORT: AMQP 0-9-1 by hand: a queue, a message in, the same one out."""
import socket
import struct
import sys

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
sock.settimeout(20)


def read(n):
    data = b""
    while len(data) < n:
        got = sock.recv(n - len(data))
        assert got, "closed"
        data += got
    return data


def frame():
    kind, channel, size = struct.unpack(">BHI", read(7))
    payload = read(size)
    assert read(1) == b"\xce"
    return kind, payload


def send(kind, channel, payload):
    sock.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")


def method(cls, number, args=b"", channel=1):
    send(1, channel, struct.pack(">HH", cls, number) + args)


def expect(cls, number):
    while True:
        kind, payload = frame()
        if kind == 1:
            assert struct.unpack(">HH", payload[:4]) == (cls, number), payload
            return payload[4:]


def short(text):
    return bytes([len(text)]) + text


def long(text):
    return struct.pack(">I", len(text)) + text


sock.sendall(b"AMQP\0\0\x09\x01")
expect(10, 10)
method(10, 11, long(b"") + short(b"PLAIN") + long(b"\0guest\0guest") + short(b"en_US"), 0)
tune = expect(10, 30)
method(10, 31, tune, 0)
method(10, 40, short(b"/") + short(b"") + b"\0", 0)
expect(10, 41)
method(20, 10, short(b""))
expect(20, 11)
method(50, 10, b"\0\0" + short(b"q") + b"\0" + long(b""))
expect(50, 11)
body = bytes(range(256)) * 400
for i in range(10):
    method(60, 40, b"\0\0" + short(b"") + short(b"q") + b"\0")
    send(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0))
    for at in range(0, len(body), 100000):
        send(3, 1, body[at:at + 100000])
method(60, 20, b"\0\0" + short(b"q") + short(b"t") + b"\x02" + long(b""))
expect(60, 21)
for i in range(10):
    expect(60, 60)
    kind, header = frame()
    size = struct.unpack(">Q", header[4:12])[0]
    got = b""
    while len(got) < size:
        got += frame()[1]
    assert got == body
print("ten messages of", len(body), "bytes")
