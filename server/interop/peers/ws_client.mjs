// npm ws as a client: ws_client.mjs URL off|on. Prints what it saw as one line of
// JSON.
import { WebSocket } from 'ws';
import { once } from 'node:events';

const [url, deflate] = process.argv.slice(2);
const options = { perMessageDeflate: deflate === 'on' ? { threshold: 0 } : false };
const saw = {};

async function open(protocols) {
  const ws = new WebSocket(url, protocols, options);
  await once(ws, 'open');
  return ws;
}
async function answer(ws, send) {
  const got = once(ws, 'message');
  send();
  const [data, binary] = await got;
  return binary ? data : data.toString();
}
async function closed(ws) {
  const [code, reason] = await once(ws, 'close');
  return `${code} ${reason}`;
}

let ws = await open(['v9', 'v1']);
saw.protocol = ws.protocol;
saw.extensions = ws.extensions;
saw.text = await answer(ws, () => ws.send('grüß dich'));
saw.empty = await answer(ws, () => ws.send(''));
const blob = Buffer.alloc(300000, 'The curlew calls. ');
for (let i = 0; i < blob.length; i += 7) blob[i] = i * 31;
saw.binary = blob.equals(await answer(ws, () => ws.send(blob)));
saw.again = blob.equals(await answer(ws, () => ws.send(blob)));
saw.fragments = await answer(ws, () => {
  ws.send('eins ', { fin: false });
  ws.ping('between');
  ws.send('zwei', { fin: true });
});
saw.received = await answer(ws, () => ws.send('!fragments'));
const pong = once(ws, 'pong');
ws.ping('hello');
saw.pong = (await pong)[0].toString();
saw.ping = await answer(ws, () => ws.send('!ping'));
ws.close(4001, 'bye');
saw.close = await closed(ws);

ws = await open([]);
ws.send('!close 4002 that is it');
saw.closedBy = await closed(ws);

const refused = new WebSocket(url, ['v9'], options);
refused.on('error', () => {});
const [, answered] = await once(refused, 'unexpected-response');
saw.refused = answered.statusCode;
console.log(JSON.stringify(saw));
process.exit(0);
