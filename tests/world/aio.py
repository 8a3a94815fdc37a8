"""aio.py FILE: aiohttp, both ends: pages, uploads, websockets, all at once."""
import asyncio
import sys

import aiohttp
from aiohttp import web

PAGE = open(sys.argv[1], "rb").read()


async def page(request):
    return web.Response(body=PAGE)


async def echo(request):
    return web.Response(body=await request.read())


async def talk(request):
    ws = web.WebSocketResponse(max_msg_size=0)
    await ws.prepare(request)
    async for msg in ws:
        await ws.send_bytes(msg.data[::-1])
    return ws


async def socket(session, url, n):
    async with session.ws_connect(url + "/talk", max_msg_size=0) as ws:
        for i in range(20):
            sent = bytes([n, i]) * (i * 500)
            await ws.send_bytes(sent)
            assert (await ws.receive(20)).data == sent[::-1]


async def fetch(session, url, body):
    async with session.request("POST" if body else "GET", url, data=body) as answer:
        assert await answer.read() == PAGE


async def main():
    app = web.Application(client_max_size=10**8)
    app.add_routes([web.get("/", page), web.post("/", echo), web.get("/talk", talk)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(
            *(fetch(session, url, PAGE if i % 2 else None) for i in range(10)),
            *(socket(session, url, n) for n in range(5)))
    await runner.cleanup()


asyncio.run(asyncio.wait_for(main(), 50))
