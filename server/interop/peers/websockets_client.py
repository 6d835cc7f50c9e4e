"""Python websockets as a client: websockets_client.py URL off|on. Prints what it
saw as one line of JSON."""

import asyncio
import json
import sys

import websockets

url, deflate = sys.argv[1:]
compression = "deflate" if deflate == "on" else None


def connect(protocols):
    return websockets.connect(url, subprotocols=protocols, compression=compression)


async def answer(ws, message):
    await ws.send(message)
    return await ws.recv()


async def main():
    saw = {}
    async with connect(["v9", "v1"]) as ws:
        saw["protocol"] = ws.subprotocol
        extensions = getattr(ws, "extensions", None)
        if extensions is None:
            extensions = ws.protocol.extensions
        saw["extensions"] = ", ".join(e.name for e in extensions)
        saw["text"] = await answer(ws, "grüß dich")
        saw["empty"] = await answer(ws, "")
        blob = bytes(i * 31 % 256 if i % 7 == 0 else b"The curlew calls. "[i % 18] for i in range(300000))
        saw["binary"] = await answer(ws, blob) == blob
        saw["again"] = await answer(ws, blob) == blob
        saw["fragments"] = await answer(ws, ["eins ", "zwei"])
        saw["received"] = await answer(ws, "!fragments")
        await asyncio.wait_for(await ws.ping("hello"), 10)
        saw["pong"] = "hello"
        saw["ping"] = await answer(ws, "!ping")
        await ws.close(4001, "bye")
        saw["close"] = f"{ws.close_code} {ws.close_reason}"

    async with connect(None) as ws:
        await ws.send("!close 4002 that is it")
        try:
            await ws.recv()
        except websockets.ConnectionClosed:
            pass
        saw["closedBy"] = f"{ws.close_code} {ws.close_reason}"

    try:
        async with connect(["v9"]):
            pass
    except websockets.InvalidHandshake as e:
        saw["refused"] = getattr(e, "status_code", None) or e.response.status_code
    print(json.dumps(saw))


asyncio.run(main())
