// The echo page: sends text, bytes, files and drawings to a WebSocket and shows
// what goes and what comes. Whatever a peer says is shown as text, never as
// markup.

import { Pad } from './pad.js';
import { Log, size } from './log.js';

const el = (id) => document.getElementById(id);
const log = new Log(el('log'), el('counts'));
const pad = new Pad(el('canvas'));

let socket = null; // the WebSocket in use, from its creation to its close event
let waiting = []; // what was sent and has not come back: {at, bytes or text, name}

const here = new URL('echo', location.href);
here.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
here.search = here.hash = '';
el('address').value = here.href;

function show(state, text) {
  el('status').dataset.state = state;
  el('status').textContent = text;
  const open = state === 'open';
  for (const id of ['send-text', 'send-hex', 'send-file', 'send-image']) el(id).disabled = !open;
  for (const id of ['address', 'protocols']) el(id).disabled = socket !== null;
  el('connect-form').hidden = socket !== null;
  el('close-form').hidden = socket === null;
  el('facts').hidden = !open;
}

// complain says what is wrong, below the form that it is about.
function complain(id, text, form) {
  if (form) form.append(el(id));
  el(id).textContent = text.replace(/^Failed to [^:]*: /, ''); // how browsers begin
}

// ---- the connection

el('connect-form').addEventListener('submit', (event) => {
  event.preventDefault();
  complain('connection-error', '');
  const protocols = el('protocols').value.split(/[\s,]+/).filter(Boolean);
  try {
    socket = new WebSocket(el('address').value.trim(), protocols);
  } catch (err) {
    complain('connection-error', err.message);
    return;
  }
  socket.binaryType = 'arraybuffer';
  waiting = [];
  const began = performance.now();
  let opened = false;
  show('opening', 'Connecting…');
  socket.addEventListener('open', () => {
    opened = true;
    el('fact-protocol').textContent = socket.protocol || 'none';
    el('fact-extensions').textContent = socket.extensions || 'none';
    el('fact-rtt').textContent = '–';
    show('open', 'Connected');
    log.note('opened', 'Opened', `${since(began)}, subprotocol ${socket.protocol || 'none'}, ` +
      `compression ${socket.extensions || 'none'}`);
    el('text').focus();
  });
  socket.addEventListener('message', received);
  socket.addEventListener('close', (e) => {
    socket = null;
    const why = e.reason ? `: ${e.reason}` : '';
    const text = `${e.code}${meaning(e.code)}${why}${e.wasClean ? '' : ' (without a closing handshake)'}`;
    log.note(opened && e.wasClean ? 'closed' : 'failed', opened ? 'Closed' : 'Refused', text, { code: e.code });
    if (!opened) {
      complain('connection-error', 'The connection did not come about. A browser does not tell a page why: ' +
        'the address, the subprotocols or the origin may not suit the server.');
    }
    show(opened && e.wasClean ? 'closed' : 'failed', opened ? `Closed, ${e.code}` : 'Refused');
    el('connect').focus();
  });
});

el('close-form').addEventListener('submit', (event) => {
  event.preventDefault();
  complain('connection-error', '');
  const code = el('code').value.trim();
  const reason = el('reason').value;
  try {
    if (code === '' && reason !== '') throw new Error('A reason needs a code.');
    if (code === '') socket.close();
    else if (!/^\d{4}$/.test(code)) throw new Error('A close code has four digits.');
    else socket.close(Number(code), reason);
    show('closing', 'Closing…');
  } catch (err) {
    complain('connection-error', err.message);
  }
});

const meanings = {
  1000: 'normal', 1001: 'going away', 1002: 'protocol error', 1003: 'unsupported data', 1005: 'no code',
  1006: 'lost', 1007: 'invalid data', 1008: 'policy', 1009: 'too big', 1011: 'server error', 1012: 'restart',
  1013: 'try again later',
};
const meaning = (code) => (meanings[code] ? ` ${meanings[code]}` : '');

// ---- messages

function send(data, about) {
  complain('send-error', '');
  waiting.push({ at: performance.now(), data, type: about.type });
  socket.send(data);
  log.message('sent', data, about);
}

function received(event) {
  const first = waiting.shift();
  const about = { type: first?.type };
  if (first) {
    about.took = performance.now() - first.at;
    about.same = equal(first.data, event.data);
    el('fact-rtt').textContent = `${about.took.toFixed(1)} ms`;
  }
  log.message('received', event.data, about);
}

function equal(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  if (a.byteLength !== b.byteLength) return false;
  const x = new Uint8Array(a);
  const y = new Uint8Array(b);
  return x.every((byte, i) => byte === y[i]);
}

el('text-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (socket) send(el('text').value, {});
});

el('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    el('text-form').requestSubmit(el('send-text'));
  }
});

el('hex-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const digits = el('hex').value.replace(/0x|[\s,:]/gi, '');
  const mistyped = digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits);
  el('hex').setAttribute('aria-invalid', String(mistyped));
  if (mistyped) {
    complain('send-error', 'Bytes are pairs of hexadecimal digits, such as 00 ff c3.', event.target);
    return;
  }
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  if (socket) send(bytes.buffer, {});
});

el('file-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const file = el('file').files[0];
  if (!file) {
    complain('send-error', 'Choose a file first.', event.target);
    return;
  }
  const data = await file.arrayBuffer();
  if (socket) send(data, { name: `${file.name} (${size(file.size)})`, type: picture(file.type) });
});

el('image-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const blob = await pad.png();
  const data = await blob.arrayBuffer();
  if (socket) send(data, { name: 'drawing', type: 'image/png' });
});

// picture passes on the types that are shown as pictures.
const picture = (type) => (/^image\/(png|jpeg|gif|webp|avif)$/.test(type) ? type : undefined);

el('draw-bird').addEventListener('click', () => pad.bird());
el('clear-canvas').addEventListener('click', () => pad.clear());
el('clear-log').addEventListener('click', () => log.clear());

const since = (t) => `after ${(performance.now() - t).toFixed(0)} ms`;

show('closed', 'Not connected');
el('connect').focus();
