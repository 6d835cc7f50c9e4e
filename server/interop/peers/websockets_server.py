"""Python websockets as a server: websockets_server.py off|on. Prints its port,
then what ended each connection, as lines of JSON."""

import asyncio
import json
import re
import sys

import websockets


def say(**what):
    print(json.dumps(what), flush=True)


async def handle(ws, path=None):
    try:
        async for message in ws:
            close = isinstance(message, str) and re.fullmatch(r"!close (\d+) (.*)", message)
            if message == "!fragments":
                await ws.send(["one ", "two ", "three"])
            elif message == "!ping":
                pong = await ws.ping("are you there")

                async def tell():
                    await pong
                    await ws.send("pong")

                asyncio.ensure_future(tell())
            elif close:
                await ws.close(int(close[1]), close[2])
            else:
                await ws.send(message)
    except websockets.ConnectionClosed:
        pass
    await ws.wait_closed()
    say(code=ws.close_code, reason=ws.close_reason)


async def main():
    compression = "deflate" if sys.argv[1] == "on" else None
    server = await websockets.serve(
        handle, "127.0.0.1", 0, subprotocols=["v1"], compression=compression, max_size=2**20
    )
    say(port=server.sockets[0].getsockname()[1])
    await asyncio.Future()


asyncio.run(main())
