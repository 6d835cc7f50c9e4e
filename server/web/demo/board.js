// The whiteboard: each message of the channel board:main is a piece of a line, or
// says that the board is cleared. Who comes later draws what its history has.

import { connect, el, follow } from './hub.js';
import { Pad } from './pad.js';

const channel = 'board:main';
const colors = ['ink', 'red', 'green', 'blue'];
const pause = 60; // ms between two pieces of a line that is being drawn
const longest = 400; // numbers in a piece

let lines = []; // what is on the board: { color, line: [x, y, x, y, …] }
let piece = null; // of ours, not sent yet
let timer = null;

const hub = connect();
const pad = new Pad(el('canvas'), (from, to) => {
  const [x, y] = piece?.line.slice(-2) ?? [];
  if (piece && (piece.line.length >= longest || x !== from.x || y !== from.y)) send();
  piece ??= { color: pen(), line: [from.x, from.y] };
  piece.line.push(to.x, to.y);
  timer ??= setTimeout(send, pause);
});

function send() {
  clearTimeout(timer);
  if (piece) publish(piece);
  piece = timer = null;
}

function publish(data) {
  hub.publish(channel, data).then(() => complain(null), complain);
}

function complain(err) {
  el('error').textContent = err ? `It did not work: ${err.message}` : '';
}

// Our own pieces come back, too, in the order in which all see them.
follow(hub, channel, {
  message({ data }) {
    if (data?.clear) {
      lines = [];
      pad.clear();
    } else if (colors.includes(data?.color) && valid(data.line)) {
      lines.push(data);
      draw(data);
    }
    el('count').textContent = lines.length ? `${lines.length} pieces of lines` : 'empty';
  },
  lost(anew) {
    if (!anew) return;
    lines = []; // the server has an empty board
    pad.clear();
  },
  ended: complain,
});

const valid = (line) => Array.isArray(line) && line.length >= 4 && line.length % 2 === 0 && line.every(Number.isFinite);

const pen = () => el('colors').querySelector(':checked').value;

// draw uses the color that the name has in this light.
function draw({ color, line }) {
  pad.line(line, getComputedStyle(el('colors').querySelector(`.${color}`)).color);
}

el('colors').addEventListener('change', () => {
  send();
  el('canvas').classList.remove(...colors);
  el('canvas').classList.add(pen());
});

el('clear').addEventListener('click', () => {
  send();
  publish({ clear: true });
});

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  pad.clear();
  lines.forEach(draw);
});
