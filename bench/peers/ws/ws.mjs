// ws, of npm, echoes, with the flags of the other peers: see bench/internal/peer.
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

const { values: flags } = parseArgs({
  args: process.argv.slice(2).map((a) => a.replace(/^-(?!-)/, '--')),
  options: {
    addr: { type: 'string', default: '127.0.0.1:8080' },
    client: { type: 'string' },
    agent: { type: 'string', default: 'ws' },
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: '0' },
    deflate: { type: 'string', default: '' },
  },
});
const options = {
  maxPayload: 64 << 20,
  perMessageDeflate: {
    '': false,
    nct: { serverNoContextTakeover: true, clientNoContextTakeover: true },
    ct: {},
  }[flags.deflate],
};

// echo sends back what message says yes to.
function echo(ws, message) {
  ws.on('message', (data, binary) => {
    if (message(data)) ws.send(data, { binary });
  });
  ws.on('error', () => {}); // it closes by itself
}

if (!flags.client) {
  const [host, port] = flags.addr.split(':');
  new WebSocketServer({ host, port, ...options }).on('connection', (ws) => echo(ws, () => true));
} else {
  const base = flags.client.replace(/\/$/, '');
  const dial = async (path, message) => {
    const ws = new WebSocket(base + path, options);
    echo(ws, message);
    await new Promise((done) => ws.on('close', done));
  };
  const agent = encodeURIComponent(flags.agent);
  let to = Number(flags.to);
  if (!to) {
    await dial('/getCaseCount', (data) => {
      to = Number(data.toString());
      return false;
    });
  }
  for (let n = Number(flags.from); n <= to; n++) {
    console.log(n);
    await dial(`/runCase?case=${n}&agent=${agent}`, () => true);
  }
  await dial(`/updateReports?agent=${agent}`, () => false);
}
