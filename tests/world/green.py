"""green.py FILE: gevent's server, and the standard library made to use it."""
from gevent import monkey, pool, pywsgi

monkey.patch_all()
import socket
import sys
import urllib.request

import gevent.server

PAGE = open(sys.argv[1], "rb").read()


def app(environ, start):
    body = environ["wsgi.input"].read() or PAGE
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def echo(sock, address):
    for line in sock.makefile("rb"):
        sock.sendall(line[::-1])


def fetch(body):
    with urllib.request.urlopen(url, body, 20) as answer:
        assert answer.read() == (body or PAGE)


def lines(n):
    with socket.create_connection(lined.address, 20) as sock:
        for i in range(50):
            text = b"%d %d" % (n, i)
            sock.sendall(text + b"\n")
            got = b""
            while len(got) <= len(text):
                got += sock.recv(100)
            assert got == b"\n" + text[::-1]


web = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
web.start()
url = "http://127.0.0.1:%d/" % web.server_port
lined = gevent.server.StreamServer(("127.0.0.1", 0), echo)
lined.start()
group = pool.Pool(20)
for _ in group.imap_unordered(fetch, [None, PAGE] * 5):
    pass
for _ in group.imap_unordered(lines, range(10)):
    pass
web.stop()
lined.stop()
