"""Python websockets echoes, with the flags of the other peers: see
bench/internal/peer."""

import argparse
import asyncio
import logging
import sys
from urllib.parse import quote

import websockets

flags = argparse.ArgumentParser()
flags.add_argument("-addr", default="127.0.0.1:8080")
flags.add_argument("-client")
flags.add_argument("-agent", default="websockets")
flags.add_argument("-from", dest="first", type=int, default=1)
flags.add_argument("-to", dest="last", type=int, default=0)
flags.add_argument("-deflate", default="")
flags.add_argument("-version", action="store_true")
flags = flags.parse_args()
options = {"max_size": 64 << 20, "compression": "deflate" if flags.deflate else None}
logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def echo(ws, message):
    try:
        async for p in ws:
            if message(p):
                await ws.send(p)
    except websockets.ConnectionClosed:
        pass


async def serve():
    host, port = flags.addr.split(":")
    async with websockets.serve(lambda ws, path=None: echo(ws, lambda p: True), host, int(port), **options):
        await asyncio.Future()


async def dial(path, message):
    try:
        async with websockets.connect(flags.client.rstrip("/") + path, **options) as ws:
            await echo(ws, message)
    except Exception as e:  # also what it does not mean to raise must not end the others
        print(f"{path}: {e}", file=sys.stderr)


async def walk():
    last = flags.last
    if not last:
        said = []
        await dial("/getCaseCount", lambda p: said.append(p))
        last = int(said[0])
    for n in range(flags.first, last + 1):
        print(n, flush=True)
        await dial(f"/runCase?case={n}&agent={quote(flags.agent)}", lambda p: True)
    await dial(f"/updateReports?agent={quote(flags.agent)}", lambda p: False)


if flags.version:
    print(websockets.__version__)
else:
    asyncio.run(walk() if flags.client else serve())
