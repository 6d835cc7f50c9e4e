// npm ws as a server: ws_server.mjs off|nct|ct. Prints its port, then what ended
// each connection, as lines of JSON.
import { WebSocketServer } from 'ws';

const deflate = {
  off: false,
  nct: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  ct: { threshold: 0 },
}[process.argv[2]];

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: deflate,
  handleProtocols: (offered) => (offered.has('v1') ? 'v1' : false),
});
const say = (what) => console.log(JSON.stringify(what));
server.on('listening', () => say({ port: server.address().port }));
server.on('connection', (ws) => {
  ws.on('message', (data, binary) => {
    const text = binary ? '' : data.toString();
    const close = /^!close (\d+) (.*)$/s.exec(text);
    if (text === '!fragments') {
      ws.send('one ', { fin: false });
      ws.send('two ', { fin: false });
      ws.send('three', { fin: true });
    } else if (text === '!ping') {
      ws.once('pong', (p) => ws.send(p.toString() === 'are you there' ? 'pong' : `pong with ${p}`));
      ws.ping('are you there');
    } else if (close) {
      ws.close(Number(close[1]), close[2]);
    } else {
      ws.send(data, { binary });
    }
  });
  ws.on('error', (e) => say({ error: e.message }));
  ws.on('close', (code, reason) => say({ code, reason: reason.toString() }));
});
