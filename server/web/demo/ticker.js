// The ticker: the server publishes prices in the channel ticker:birds, with the
// paper's name as the key, and the page draws those of the last minute. The
// namespace conflates: of what waits for a slow page the newest of each key stays.

import { connect, el, follow } from './hub.js';

const minute = 60_000;
const inks = ['blue', 'red', 'green', 'gold'];
const margin = 12; // above and below the lines

const papers = new Map(); // by name: { points: [{ at, price }], swatch, cells }
let received = 0;
let spared = 0;
let now = 0; // the server's clock, as of its last message
let frame = 0; // the one that is asked for
let paused = false;

follow(connect(), 'ticker:birds', {
  message({ key, data, time }) {
    received++;
    now = Math.max(now, time);
    paper(key).points.push({ at: time, price: data.price });
    if (!paused) frame ||= requestAnimationFrame(show);
  },
  spared: (n) => (spared += n),
});

// paper returns the one with the name, which gets a row of the table.
function paper(name) {
  if (!papers.has(name)) {
    const row = el('prices').insertRow();
    const th = document.createElement('th');
    const swatch = document.createElement('span');
    th.scope = 'row';
    swatch.className = `swatch ${inks[papers.size % inks.length]}`;
    th.append(swatch, ` ${name}`);
    row.append(th);
    papers.set(name, { points: [], swatch, cells: [row.insertCell(), row.insertCell()] });
  }
  return papers.get(name);
}

// change is by how much a price differs from that a minute ago, in per cent.
const change = (p, i) => (p.points[i].price / p.points[0].price - 1) * 100;

function show() {
  frame = 0;
  for (const p of papers.values()) {
    while (p.points.length > 1 && p.points[0].at < now - minute) p.points.shift();
    const by = change(p, p.points.length - 1);
    p.cells[0].textContent = p.points.at(-1).price.toFixed(2);
    p.cells[1].textContent = `${by < 0 ? '−' : '+'}${Math.abs(by).toFixed(2)} %`;
  }
  el('counts').textContent = `${received} received, ${spared} left out`;
  draw();
}

function draw() {
  const { width, height } = el('chart');
  const ink = el('chart').getContext('2d');
  const most = Math.max(0.1, ...[...papers.values()].flatMap((p) => p.points.map((_, i) => Math.abs(change(p, i)))));
  const x = (at) => width * (1 - (now - at) / minute);
  const y = (by) => height / 2 - (by / most) * (height / 2 - margin);
  ink.clearRect(0, 0, width, height);
  ink.lineWidth = 1;
  ink.strokeStyle = getComputedStyle(el('chart')).borderTopColor;
  ink.strokeRect(-1, height / 2, width + 2, 0); // no change
  ink.lineWidth = 4;
  ink.lineJoin = 'round';
  for (const p of papers.values()) {
    ink.strokeStyle = getComputedStyle(p.swatch).color;
    ink.beginPath();
    p.points.forEach(({ at }, i) => ink.lineTo(x(at), y(change(p, i))));
    ink.stroke();
  }
}

el('pause').addEventListener('click', () => {
  paused = !paused;
  el('pause').setAttribute('aria-pressed', String(paused));
  if (!paused) show();
});

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
