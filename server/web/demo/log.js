// The list of what happened, newest last.

const most = 300; // entries kept
const longest = 4096; // characters of a text shown
const widest = 64; // bytes of binary data shown

export function size(n) {
  if (n < 1024) return `${n} byte${n === 1 ? '' : 's'}`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(1)} KB`;
  return `${(n / 1024 / 1024).toFixed(2)} MB`;
}

export class Log {
  constructor(list, counts) {
    this.list = list;
    this.counts = counts;
    this.clear();
  }

  clear() {
    for (const image of this.list.querySelectorAll('img')) URL.revokeObjectURL(image.src);
    this.list.replaceChildren();
    this.sent = this.received = 0;
    this.counts.textContent = 'none yet';
  }

  // note adds something that is no message.
  note(kind, title, text, data = {}) {
    this.#add(kind, title, [], [line('body', text)], data);
  }

  // message adds one: data is a string or an ArrayBuffer.
  message(kind, data, { name, type, took, same } = {}) {
    this[kind]++;
    this.counts.textContent = `${this.sent} sent, ${this.received} received`;
    const text = typeof data === 'string';
    const length = text ? new TextEncoder().encode(data).length : data.byteLength;
    const facts = [text ? 'text' : 'binary', size(length)];
    if (took !== undefined) facts.push(`${took.toFixed(1)} ms`);
    if (same !== undefined) facts.push(same ? 'the same' : 'not what was sent');
    const body = [];
    if (name) body.push(line('body', name));
    if (text) body.push(line('body', data.length > longest ? `${data.slice(0, longest)}…` : data));
    else if (type) body.push(image(data, type));
    else body.push(line('body bytes', hex(data)));
    const attributes = { type: text ? 'text' : 'binary', bytes: length };
    if (same !== undefined) attributes.same = same;
    if (took !== undefined) attributes.took = took;
    this.#add(kind, kind === 'sent' ? '→ Sent' : '← Received', facts, body, attributes);
  }

  #add(kind, title, facts, body, data) {
    const item = document.createElement('li');
    Object.assign(item.dataset, { kind }, data);
    const head = document.createElement('div');
    head.className = 'head';
    head.append(span('kind', title), ...facts.map((f) => span('', f)));
    const time = document.createElement('time');
    const now = new Date();
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString([], { hour12: false });
    head.append(time);
    item.append(head, ...body);
    const stick = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 80;
    this.list.append(item);
    while (this.list.childElementCount > most) {
      const old = this.list.firstElementChild;
      for (const image of old.querySelectorAll('img')) URL.revokeObjectURL(image.src);
      old.remove();
    }
    const follow = () => (this.list.scrollTop = this.list.scrollHeight);
    if (!stick) return;
    follow();
    for (const image of item.querySelectorAll('img')) image.addEventListener('load', follow);
  }
}

function span(className, text) {
  const s = document.createElement('span');
  s.className = className;
  s.textContent = text;
  return s;
}

function line(className, text) {
  const p = document.createElement('p');
  p.className = className;
  p.textContent = text;
  p.dir = 'auto';
  return p;
}

function image(data, type) {
  const img = document.createElement('img');
  img.src = URL.createObjectURL(new Blob([data], { type }));
  img.alt = 'the image of this message';
  return img;
}

function hex(data) {
  const bytes = new Uint8Array(data, 0, Math.min(widest, data.byteLength));
  const pairs = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
  return data.byteLength > widest ? `${pairs} …` : pairs || '(empty)';
}
