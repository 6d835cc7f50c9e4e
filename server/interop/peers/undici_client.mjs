// undici's WebSocket, which is the browser's interface: undici_client.mjs URL.
// Prints what it saw as one line of JSON.
import { WebSocket } from 'undici';

const url = process.argv[2];
const saw = {};
const event = (ws, name) => new Promise((done) => ws.addEventListener(name, done, { once: true }));

async function open(protocols) {
  const ws = new WebSocket(url, protocols);
  ws.binaryType = 'arraybuffer';
  await event(ws, 'open');
  return ws;
}
async function answer(ws, data) {
  const got = event(ws, 'message');
  ws.send(data);
  return (await got).data;
}
async function closed(ws) {
  const e = await event(ws, 'close');
  return `${e.code} ${e.reason} ${e.wasClean}`;
}

let ws = await open(['v9', 'v1']);
saw.protocol = ws.protocol;
saw.extensions = ws.extensions;
saw.text = await answer(ws, 'grüß dich');
saw.empty = await answer(ws, '');
const blob = Buffer.alloc(300000, 'The curlew calls. ');
for (let i = 0; i < blob.length; i += 7) blob[i] = i * 31;
saw.binary = blob.equals(Buffer.from(await answer(ws, blob)));
saw.again = blob.equals(Buffer.from(await answer(ws, blob)));
saw.received = await answer(ws, '!fragments');
saw.ping = await answer(ws, '!ping');
let end = closed(ws);
ws.close(4001, 'bye');
saw.close = await end;

ws = await open([]);
end = closed(ws);
ws.send('!close 4002 that is it');
saw.closedBy = await end;

end = closed(new WebSocket(url, ['v9']));
saw.refused = await end;
console.log(JSON.stringify(saw));
process.exit(0);
