// Breaks a connection, and shows what becomes of the messages. Two clients share a
// channel of their own: one sends numbers, and stays whole; the other receives them,
// and is what one breaks.

import { Client } from './curlew.js';
import { connect, el, random, ways } from './hub.js';

const channel = `room:numbers-${random(1e9).toString(36)}`;
const pace = 250; // ms between two numbers
const late = 1000; // ms after which one counts as late
const most = 400; // numbers shown

const sent = new Map(); // by number: when, and the element that shows it
let last = 0; // the number sent last
const counts = { sent: 0, received: 0, late: 0, lost: 0, twice: 0 };

// ---- the one that sends

const sender = new Client('hub');
sender.subscribe(channel); // only subscribers may publish in rooms

setInterval(() => {
  if (!since || !sender.connected || el('sending').getAttribute('aria-pressed') === 'true') return;
  const li = document.createElement('li');
  const n = ++last;
  li.textContent = n;
  li.dataset.kind = 'sent';
  el('numbers').append(li);
  sent.set(n, { at: Date.now(), li });
  if (n > most) {
    sent.get(n - most).li.remove();
    sent.delete(n - most);
  }
  sender.publish(channel, n).catch((error) => note(`${n} was not sent: ${error.message}`));
  count('sent');
}, pace);

// ---- the one that receives

let receiver = null;
let since; // the position of what it got last, or where it began
let expected = 1; // the number that comes next
let online = Promise.resolve(); // waits while we are offline
let comeBack = null; // ends that

// begin makes a client that may use what is checked, and goes on where the one
// before has stopped.
function begin() {
  receiver?.close();
  const modes = [...el('ways').querySelectorAll(':checked')].map((box) => box.value);
  receiver = connect({
    modes,
    // The client asks for a token each time before it connects. None is wanted here,
    // but as long as we are offline it has to wait.
    token: () => online,
    state,
  });
  const sub = receiver.subscribe(channel, {
    since,
    message(m) {
      since = sub.position;
      got(m.data);
    },
    gap: ({ from, to }) => note(from === undefined ? 'Something is lost: the channel does not remember so much' : `Lost: ${to - from + 1} messages`),
    subscribed: ({ recovered, position }) => {
      since ??= position;
      note(recovered ? 'Subscribed again: nothing is lost' : 'Subscribed');
    },
  });
}

function state(name, error) {
  const open = name === 'connected';
  el('transport').textContent = open ? ways[receiver.transport] : '–';
  el('name').textContent = open ? receiver.connection : '–';
  if (open) note(`Connected: ${ways[receiver.transport]}`);
  else if (error) note(error.message);
}

function got(n) {
  const s = sent.get(n);
  if (n < expected || !s) {
    count('twice');
    return;
  }
  for (; expected < n; expected++) mark(expected, 'lost');
  expected = n + 1;
  mark(n, 'received');
  if (Date.now() - s.at > late) mark(n, 'late');
}

function mark(n, kind) {
  const s = sent.get(n);
  if (s) s.li.dataset.kind = kind;
  count(kind);
}

function count(kind) {
  counts[kind]++;
  el('counts').textContent = Object.entries(counts).map(([k, n]) => `${n} ${k}`).join(', ');
}

function note(text) {
  const li = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  li.append(time, text);
  el('events').append(li);
  if (el('events').childElementCount > 100) el('events').firstElementChild.remove();
  el('events').scrollTop = el('events').scrollHeight;
}

// ---- the switches

el('drop').addEventListener('click', () => {
  note('Dropped');
  receiver.reconnect();
});

el('offline').addEventListener('click', () => {
  const away = comeBack === null;
  el('offline').setAttribute('aria-pressed', String(away));
  el('offline').textContent = away ? 'Come back' : 'Go offline';
  note(away ? 'Offline' : 'Back');
  if (away) {
    online = new Promise((done) => (comeBack = done));
    receiver.reconnect();
    return;
  }
  comeBack();
  comeBack = null;
});

el('ways').addEventListener('change', (event) => {
  if (!el('ways').querySelector(':checked')) event.target.checked = true; // one has to stay
  begin();
});

el('sending').addEventListener('click', () => {
  el('sending').setAttribute('aria-pressed', String(el('sending').getAttribute('aria-pressed') !== 'true'));
});

begin();
