// What the pages of the hub have in common: the connection, who we are, and how to
// follow a channel from its history on.

import { Client } from './curlew.js';

export const el = (id) => document.getElementById(id);

export const ways = { ws: 'WebSocket', stream: 'HTTP stream', sse: 'server-sent events', poll: 'long polls' };

// connect returns a client of this server's hub. The page shows how it is, and is
// told as well if options.state is set.
export function connect(options = {}) {
  const hub = new Client('hub', {
    ...options,
    state(name, error) {
      if (name === 'connected') show('open', `Connected, ${ways[hub.transport]}`);
      else if (name === 'ended') show('failed', error ? `Ended: ${error.message}` : 'Ended');
      else show('opening', error ? 'Connecting again…' : 'Connecting…');
      options.state?.(name, error);
    },
  });
  return hub;
}

function show(state, text) {
  el('status').dataset.state = state;
  el('status').textContent = text;
}

// follow shows all of a channel's messages, first those of its history, each once
// and in order: events.message gets them. Where some are missing events.lost is
// called, with true if the server has begun anew; where a slow page was spared some,
// events.spared with their number. It returns what ends that.
export function follow(hub, channel, { message, lost, spared, subscribed, ...events }) {
  let at = null; // the last one shown
  let held = []; // what comes while history is read; null when it is not
  let reads = 0;
  const take = (m) => {
    if (at?.epoch === m.epoch && m.offset <= at.offset) return;
    at = m;
    message(m);
  };
  const read = async () => {
    const mine = ++reads;
    held ??= [];
    for (let more = true; more;) {
      const since = at ? { epoch: at.epoch, offset: at.offset } : undefined;
      const page = await hub.history(channel, { since }).catch(() => ({ messages: [] }));
      if (mine !== reads) return; // somebody else reads
      page.messages.forEach(take);
      more = page.more;
    }
    const rest = held;
    held = null;
    rest.forEach(take);
  };
  const sub = hub.subscribe(channel, {
    ...events,
    message: (m) => (held ? held.push(m) : take(m)),
    subscribed(s) {
      if (!reads) read();
      subscribed?.(s);
    },
    gap({ from, to }) {
      if (from !== undefined) {
        spared?.(to - from + 1);
        return;
      }
      lost?.(at !== null && sub.position.epoch !== at.epoch);
      read();
    },
  });
  return () => {
    reads++;
    sub.unsubscribe();
  };
}

// Me is the person at this page: a name, and an id which a reload keeps and a
// duplicate of the tab does not.
export const me = JSON.parse(sessionStorage.getItem('me')) ?? { who: random(1e9).toString(36), name: someName() };
sessionStorage.removeItem('me');
addEventListener('pagehide', () => sessionStorage.setItem('me', JSON.stringify(me)));

function someName() {
  const birds = ['Avocet', 'Dunlin', 'Godwit', 'Knot', 'Plover', 'Redshank', 'Sanderling', 'Snipe', 'Turnstone', 'Whimbrel'];
  return `${birds[random(birds.length)]} ${10 + random(90)}`;
}

export function random(n) { return Math.floor(Math.random() * n); }
