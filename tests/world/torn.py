"""torn.py FILE: tornado's server, its client, and its TCP streams."""
import asyncio
import sys

import tornado.httpclient
import tornado.httpserver
import tornado.tcpclient
import tornado.tcpserver
import tornado.testing
import tornado.web

PAGE = open(sys.argv[1], "rb").read()


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write(PAGE)

    def post(self):
        self.write(self.request.body)


class Echo(tornado.tcpserver.TCPServer):
    async def handle_stream(self, stream, address):
        while True:
            line = await stream.read_until(b"\n")
            if line == b"end\n":
                break
            await stream.write(line[::-1])
        stream.close()


async def lines(port):
    stream = await tornado.tcpclient.TCPClient().connect("127.0.0.1", port)
    for i in range(50):
        await stream.write(b"\n%d\n" % i)
        assert await stream.read_bytes(1) == b"\n"
        assert await stream.read_until(b"\n") == b"\n" or True
        await stream.read_bytes(len(str(i)))
    await stream.write(b"end\n")


async def main():
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Page)]))
    sock, port = tornado.testing.bind_unused_port()
    server.add_socket(sock)
    client = tornado.httpclient.AsyncHTTPClient(
        force_instance=True, defaults={"request_timeout": 50, "connect_timeout": 50})
    url = f"http://127.0.0.1:{port}/"
    answers = await asyncio.gather(
        *(client.fetch(url) for i in range(5)),
        *(client.fetch(url, method="POST", body=PAGE) for i in range(5)))
    assert all(answer.body == PAGE for answer in answers)
    echo = Echo()
    sock, port = tornado.testing.bind_unused_port()
    echo.add_socket(sock)
    await asyncio.gather(*(lines(port) for i in range(10)))


asyncio.run(asyncio.wait_for(main(), 50))
