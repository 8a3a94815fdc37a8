"""beanstalkd: a hundred jobs go in and come out."""
import socket
import sys

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
f = sock.makefile("rwb")


def ask(line, body=None):
    f.write(line.encode() + b"\r\n" + (body + b"\r\n" if body is not None else b""))
    f.flush()
    return f.readline().decode().split()


jobs = {}
for i in range(100):
    body = bytes([i]) * (i * 1000)
    word, job = ask(f"put 0 0 60 {len(body)}", body)
    assert word == "INSERTED"
    jobs[job] = body
for i in range(100):
    word, job, size = ask("reserve-with-timeout 5")
    assert word == "RESERVED"
    assert f.read(int(size) + 2) == jobs.pop(job) + b"\r\n"
    assert ask(f"delete {job}") == ["DELETED"]
assert ask("reserve-with-timeout 0") == ["TIMED_OUT"]
