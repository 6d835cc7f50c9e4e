// The chat. A room is two channels of the hub: room:NAME, which remembers what was
// said and knows who is there, and typing:NAME, which remembers nothing and is for
// what matters only now: who types, and what the members are called, since nobody
// has to log in here. What others say is shown as text, never as markup.

import { connect, el, follow, me } from './hub.js';

const rooms = ['general', 'birds', 'quiet'];
const most = 500; // messages shown
const patience = 4000; // ms that somebody counts as typing

let room = null; // the one we are in
let waiting = 0; // messages of ours that are not stored yet

const hub = connect({ state: (name) => showWaiting(name === 'connected') });

// enter leaves the room for the one that the address names.
function enter() {
  room?.leave();
  const name = tidy(decoded(location.hash.slice(1))) || rooms[0];
  room = new Room(name);
  el('log-title').textContent = `Room ${name}`;
  document.title = `Curlew: ${name}`;
  const all = rooms.includes(name) ? rooms : [...rooms, name];
  el('rooms').replaceChildren(...all.map((r) => {
    const a = document.createElement('a');
    a.href = `#${encodeURIComponent(r)}`;
    a.textContent = r;
    if (r === name) a.setAttribute('aria-current', 'true');
    return item(a);
  }));
}

// tidy makes a name that a channel may have.
const tidy = (s) => [...s.trim().replace(/[\s*>\p{Cc}\p{Cs}]+/gu, '-')].slice(0, 40).join('');

function decoded(s) {
  try {
    return decodeURIComponent(s);
  } catch {
    return s; // a % that begins nothing
  }
}

// called makes a name to show of what somebody says that he is called.
const called = (name) => String(name ?? 'somebody').slice(0, 40);

class Room {
  #members = new Map(); // by connection: who it says that it is, if it has
  #typing = new Map(); // by person: { name, timer }
  #said = 0; // when we said last that we type

  constructor(name) {
    this.channel = `room:${name}`;
    this.aside = `typing:${name}`;
    el('log').replaceChildren();
    this.signals = hub.subscribe(this.aside, { message: (m) => this.#signal(m.data ?? {}) });
    this.leaveTalk = follow(hub, this.channel, {
      message: (m) => this.#message(m),
      lost: (anew) => note(anew ? 'The server has been started again: it has forgotten what stands above.' : 'Some messages are missing here.'),
      subscribed: ({ members }) => {
        this.#members = new Map(members.map((m) => [m.connection, this.#members.get(m.connection)]));
        this.#showPeople();
        this.introduce();
      },
      join: (m) => {
        this.#members.set(m.connection, undefined);
        this.#showPeople();
        this.introduce();
      },
      leave: (m) => {
        this.#members.delete(m.connection);
        this.#showPeople();
      },
      ended: complain,
    });
    this.#showPeople();
    this.#showTyping();
  }

  leave() {
    this.leaveTalk();
    this.signals.unsubscribe();
    for (const t of this.#typing.values()) clearTimeout(t.timer);
  }

  say(text) {
    this.#said = 0;
    return hub.publish(this.channel, { ...me, text });
  }

  // introduce says who we are, and whether we type.
  introduce(typing = false) {
    if (hub.connected) hub.publish(this.aside, { ...me, connection: hub.connection, typing }).catch(() => {});
  }

  // types is called for each change of what we write.
  types(something) {
    if (something && Date.now() - this.#said < patience / 2) return;
    if (!something && !this.#said) return;
    this.#said = something ? Date.now() : 0;
    this.introduce(something);
  }

  #message(m) {
    const { who, name, text } = m.data ?? {};
    this.#stopped(who);
    showMessage(called(name), String(text), m.time, who === me.who);
  }

  #signal({ who, name, connection, typing }) {
    if (this.#members.has(connection)) this.#members.set(connection, { who, name: called(name) });
    this.#showPeople();
    this.#stopped(who);
    if (typing && who !== me.who) {
      this.#typing.set(who, { name: called(name), timer: setTimeout(() => this.#stopped(who), patience) });
    }
    this.#showTyping();
  }

  #stopped(who) {
    clearTimeout(this.#typing.get(who)?.timer);
    if (this.#typing.delete(who)) this.#showTyping();
  }

  #showTyping() {
    const names = [...this.#typing.values()].map((t) => t.name);
    el('typing').textContent = names.length ? `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} typing…` : '';
  }

  // A person may have several connections: for some seconds that of before, too.
  #showPeople() {
    const people = new Map([...this.#members].map(([connection, p]) => [p?.who ?? connection, p?.name ?? 'somebody']));
    el('people').replaceChildren(...[...people].map(([who, name]) => item(who === me.who ? `${name} (you)` : name)));
  }
}

function item(...content) {
  const li = document.createElement('li');
  li.append(...content);
  li.dir = 'auto';
  return li;
}

function add(li) {
  const log = el('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(li);
  while (log.childElementCount > most) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function note(text) {
  const li = item(text);
  li.dataset.kind = 'note';
  add(li);
}

function showMessage(name, text, at, mine) {
  const [by, time, body] = ['b', 'time', 'p'].map((tag) => document.createElement(tag));
  by.textContent = name;
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  body.textContent = text;
  body.dir = 'auto';
  const li = item(by, ' ', time, body);
  li.dataset.kind = mine ? 'mine' : 'theirs';
  add(li);
}

function complain(err) {
  el('error').textContent = err ? `It did not work: ${err.message}` : '';
}

// ---- what we do

function showWaiting(connected) {
  el('waiting').textContent = waiting && !connected ? `${waiting} wait${waiting > 1 ? '' : 's'} for the connection.` : '';
}

el('text-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = el('text').value.trim();
  el('text').value = '';
  complain(null);
  if (!text) return;
  waiting++;
  showWaiting(hub.connected);
  await room.say(text).catch(complain);
  waiting--;
  showWaiting(hub.connected);
});

el('text').addEventListener('input', () => room.types(el('text').value !== ''));

el('name-form').addEventListener('submit', (event) => {
  event.preventDefault();
  me.name = el('name').value.trim() || me.name;
  el('name').value = me.name;
  room.introduce();
});

el('room-form').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent(tidy(el('room').value));
  el('room').value = '';
});

el('name').value = me.name;
addEventListener('hashchange', enter);
enter();
el('text').focus();
