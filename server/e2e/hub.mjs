// Drives the pages of the hub in a real browser: several tabs each, as several persons
// have them before them. Its argument is in browser_test.go: the addresses of the demo
// site, of another one that is started again, and of the README's.

import { args, ask, browser, end, fits, ink, nameless, stepsOf, want } from './steps.mjs';

const complaints = [];
const foreign = [];
const origins = [args.page, args.again, args.readme].map((url) => new URL(url).origin);

// open opens one of the pages, as somebody else than the others.
async function open(name, options = {}) {
  const page = await visit(args.page + name, options);
  await status(page, 'Connected');
  return page;
}

async function visit(url, options = {}) {
  const name = url.split('/').at(-1);
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('request', (r) => r.url().startsWith('blob:') || origins.includes(new URL(r.url()).origin) || foreign.push(r.url()));
  page.on('pageerror', (e) => complaints.push(`${name}: ${e.stack}`));
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complaints.push(`${name}: ${m.text()}`));
  await page.goto(url);
  return page;
}

const status = (page, text) => page.locator('#status', { hasText: text }).waitFor();
const button = (page, name) => page.getByRole('button', { name, exact: true });
const leave = (...pages) => Promise.all(pages.map((page) => page.context().close()));

async function shot(page, name) {
  if (args.shots) await page.screenshot({ path: `${args.shots}/${name}.png`, fullPage: true });
}

// until tries get until it returns what is wanted.
async function until(what, get, wanted, tries = 1200) {
  for (;;) {
    const got = await get();
    if (typeof wanted === 'function' ? wanted(got) : JSON.stringify(got) === JSON.stringify(wanted)) return got;
    if (--tries < 0) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(wanted) ?? wanted}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

// ---- the chat

async function say(page, text) {
  await page.getByLabel('Message').fill(text);
  await page.getByLabel('Message').press('Enter');
}

async function named(page, name) {
  await page.getByLabel('Your name').fill(name);
  await button(page, 'Change').click();
}

const said = (page) => page.locator('#log li:not([data-kind=note]) p').allTextContents();
const people = async (page) => (await page.locator('#people li').allTextContents()).sort();

async function chat(step) {
  const room = `chat.html#${Date.now()}`;
  const [ann, bob] = await Promise.all([open(room), open(room, { colorScheme: 'dark' })]);
  const talk = ['hello', 'Grüße, 🐦 <b>not bold</b>', 'three', 'four'];
  await step('who is there, by name', async () => {
    await named(ann, 'ann');
    await named(bob, 'bob');
    await until('at ann', () => people(ann), ['ann (you)', 'bob']);
    await until('at bob', () => people(bob), ['ann', 'bob (you)']);
  });
  await step('two tabs talk', async () => {
    for (const [i, text] of talk.entries()) {
      await say(i % 2 ? bob : ann, text);
      await until('at ann', () => said(ann), talk.slice(0, i + 1));
      await until('at bob', () => said(bob), talk.slice(0, i + 1));
    }
    want('names', await bob.locator('#log li b').allTextContents(), ['ann', 'bob', 'ann', 'bob']);
    want('bold', await bob.locator('#log p b').count(), 0);
  });
  await step('who is typing', async () => {
    await bob.getByLabel('Message').pressSequentially('we');
    await until('at ann', () => ann.locator('#typing').textContent(), 'bob is typing…');
    want('at bob', await bob.locator('#typing').textContent(), '');
    await bob.getByLabel('Message').fill('');
    await until('at ann', () => ann.locator('#typing').textContent(), '');
  });
  await step('a newcomer sees what was said', async () => {
    const cid = await open(room);
    await named(cid, 'cid');
    await until('at cid', () => said(cid), talk);
    await until('at cid', () => people(cid), ['ann', 'bob', 'cid (you)']);
    await until('at ann', () => people(ann), ['ann (you)', 'bob', 'cid']);
    await leave(cid);
    await until('at ann', () => people(ann), ['ann (you)', 'bob']); // after some seconds
  });
  await step('a reload keeps name and talk', async () => {
    await bob.reload();
    await until('at bob', () => said(bob), talk);
    await until('at ann', () => people(ann), ['ann (you)', 'bob']);
    await say(bob, 'back');
    await until('at ann', () => said(ann), [...talk, 'back']);
    await until('at bob', () => said(bob), [...talk, 'back']);
  });
  await shot(bob, 'chat');
  await step('rooms are apart', async () => {
    await ann.getByLabel('Another room').fill('a > b * c');
    await button(ann, 'Go').click();
    await ann.getByRole('heading', { name: 'Room a-b-c' }).waitFor();
    await until('at ann', () => said(ann), []);
    await say(ann, 'alone');
    await until('at ann', () => said(ann), ['alone']);
    await until('at bob', () => people(bob), ['bob (you)']);
    want('at bob', await said(bob), [...talk, 'back']);
    await ann.goBack();
    await until('at ann', () => said(ann), [...talk, 'back']);
  });
  await leave(ann, bob);
}

// ---- the whiteboard

const drawn = (page) => ink(page.locator('#canvas'));

async function stroke(page, ...points) {
  const box = await page.locator('#canvas').boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const p of points.slice(1)) await page.mouse.move(...at(p), { steps: 20 });
  await page.mouse.up();
}

async function board(step) {
  const [one, two] = await Promise.all([open('board.html'), open('board.html', { colorScheme: 'dark' })]);
  let newcomer;
  await step('lines appear elsewhere', async () => {
    await stroke(one, [0.1, 0.1], [0.5, 0.8], [0.9, 0.2]);
    await two.getByLabel('Red').check();
    await stroke(two, [0.2, 0.9], [0.8, 0.9]);
    await until('pieces', async () => [await drawn(one), await drawn(two)], ([a, b]) => a > 3000 && Math.abs(a - b) < a / 50);
  });
  await step('by keyboard', async () => {
    const before = await drawn(two);
    await one.locator('#canvas').focus();
    for (let i = 0; i < 5; i++) await one.keyboard.press('ArrowDown');
    await until('at two', () => drawn(two), (n) => n > before);
  });
  await step('a newcomer has the board', async () => {
    newcomer = await open('board.html');
    const count = await until('pieces', () => one.locator('#count').textContent(), (s) => s !== 'empty');
    await until('at the newcomer', () => newcomer.locator('#count').textContent(), count);
    const [a, b] = [await drawn(one), await drawn(newcomer)];
    if (Math.abs(a - b) > a / 50) throw new Error(`${b} points, want about ${a}`);
  });
  await shot(two, 'board');
  await step('cleared for everybody', async () => {
    await button(newcomer, 'Clear for everybody').click();
    for (const page of [one, two, newcomer]) await until('ink', () => drawn(page), 0);
  });
  await leave(one, two, newcomer);
}

// ---- the ticker

const received = async (page) => Number((await page.locator('#counts').textContent()).match(/^\d+/)?.[0] ?? 0);

async function ticker(step) {
  const page = await open('ticker.html');
  await step('prices move', async () => {
    await page.locator('#prices tr').nth(3).waitFor();
    const prices = () => page.locator('#prices td').allTextContents();
    const before = await prices();
    await until('prices', prices, (now) => String(now) !== String(before));
    await until('received', () => received(page), (n) => n >= 20);
    if (!((await ink(page.locator('#chart'))) > 1000)) throw new Error('no chart');
  });
  await step('a newcomer has the last minute', async () => {
    const later = await open('ticker.html');
    await later.locator('#prices tr').nth(3).waitFor();
    if ((await received(later)) < 20) throw new Error(`${await received(later)} received`);
    await leave(later);
  });
  await step('pause', async () => {
    await button(page, 'Pause').click();
    const at = await page.locator('#counts').textContent();
    await until('messages', async () => (await page.locator('#counts').textContent()) === at, true);
    await button(page, 'Pause').click();
    await until('going on', () => page.locator('#counts').textContent(), (s) => s !== at);
  });
  await shot(page, 'ticker');
  await leave(page);
}

// ---- the connection, broken

async function counts(page) {
  const text = await page.locator('#counts').textContent();
  return Object.fromEntries([...text.matchAll(/(\d+) (\w+)/g)].map(([, n, name]) => [name, Number(n)]));
}

// whole waits until some more was sent and all of that has arrived, once.
async function whole(page) {
  const { sent } = await until('sent', () => counts(page), (c) => c.sent > 0);
  const c = await until('received', () => counts(page), (now) => now.sent >= sent + 4 && now.received === now.sent);
  want('lost and twice', [c.lost, c.twice], [0, 0]);
  return c;
}

async function connection(step) {
  const page = await open('connection.html');
  await step('dropped, and back without loss', async () => {
    await whole(page);
    const name = await page.locator('#name').textContent();
    await button(page, 'Drop the connection').click();
    await until('name', () => page.locator('#name').textContent(), (s) => s !== name && s !== '–');
    await page.locator('#events', { hasText: 'Subscribed again: nothing is lost' }).waitFor();
    await whole(page);
  });
  await step('offline, and back without loss', async () => {
    await button(page, 'Go offline').click();
    await status(page, 'Connecting');
    const { sent } = await counts(page);
    await until('sent', () => counts(page), (c) => c.sent >= sent + 8);
    if ((await counts(page)).received > sent) throw new Error('something was received');
    await button(page, 'Drop the connection').click(); // changes nothing
    await button(page, 'Come back').click();
    await status(page, 'Connected');
    const c = await whole(page);
    if (c.late < 3) throw new Error(`${c.late} late`);
  });
  const ways = ['WebSocket', 'HTTP stream', 'Server-sent events', 'Long polls'];
  for (const [i, way] of ways.slice(1).entries()) {
    await step(`without upgrades: ${way}`, async () => {
      await page.getByLabel(ways[i]).uncheck();
      await until('in use', () => page.locator('#transport').textContent(), way[0].toLowerCase() === 'h' ? way : way.toLowerCase());
      await whole(page);
      await button(page, 'Drop the connection').click();
      await whole(page);
    });
  }
  await step('one way has to stay', async () => {
    await page.getByLabel('Long polls').click();
    want('checked', await page.getByLabel('Long polls').isChecked(), true);
    await page.getByLabel('WebSocket').check();
    await status(page, 'Connected, WebSocket');
    await whole(page);
  });
  await shot(page, 'connection');
  await leave(page);
}

// ---- on a phone, for everybody

async function phones(step) {
  for (const colorScheme of ['light', 'dark']) {
    for (const name of ['chat', 'board', 'ticker', 'connection']) {
      await step(`${name}, ${colorScheme}`, async () => {
        const page = await open(`${name}.html`, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme });
        want('nameless', await nameless(page), []);
        want('here', await page.locator('nav [aria-current=page]').getAttribute('href'), `${name}.html`);
        await fits(page, colorScheme);
        await shot(page, `${name}-phone-${colorScheme}`);
        await leave(page);
      });
    }
  }
}

async function touch(step) {
  await step('touched', async () => {
    const page = await open('chat.html#phones', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    await page.getByLabel('Message').fill('by thumb');
    await button(page, 'Send').tap();
    await until('said', () => said(page), ['by thumb']);
    await page.goto(`${args.page}board.html`);
    await page.locator('#canvas').tap({ position: { x: 20, y: 20 } });
    await until('a dot', () => drawn(page), (n) => n > 0); // the history may wipe it away until it comes back
    await leave(page);
  });
}

// ---- the page of the README

async function readme(step) {
  const [ann, bob] = await Promise.all([visit(args.readme), visit(args.readme)]);
  const said = (page) => page.locator('li').allTextContents();
  await step('two tabs talk', async () => {
    for (const [page, text] of [[ann, 'one'], [bob, 'two']]) {
      await page.getByLabel('Say').fill(text);
      await page.getByLabel('Say').press('Enter');
      await until('at ann', async () => (await said(ann)).includes(text), true);
    }
    const cid = await visit(args.readme);
    for (const page of [ann, bob, cid]) await until('said', () => said(page), ['one', 'two']);
    await leave(cid);
  });
  await leave(ann, bob);
}

// ---- tabs that share a connection

async function sharing(step) {
  const context = await browser.newContext();
  const tab = async () => {
    const page = await context.newPage();
    await page.goto(`${args.page}curlew.js`); // any page of the same origin will do
    await page.evaluate(async () => {
      const { Client } = await import('/curlew.js');
      Object.assign(window, { got: [], client: new Client('/hub', { share: true }) });
      const events = { message: (m) => got.push(m.data), gap: () => got.push('gap') };
      await new Promise((subscribed) => client.subscribe('room:shared', { ...events, subscribed }));
    });
    return page;
  };
  const tabs = [await tab(), await tab(), await tab(), await tab()];
  const each = (f) => Promise.all(tabs.map((page) => page.evaluate(f)));
  let n = 0;
  const whole = async () => {
    for (const page of tabs) {
      await page.evaluate((n) => { for (let i = 0; i < 5; i++) client.publish('room:shared', n + i); }, n);
      n += 5;
      await until('numbers', () => each(() => got.length), (all) => all.every((have) => have >= n));
    }
    const numbers = Array.from({ length: n }, (_, i) => i);
    want('numbers', await each(() => got), tabs.map(() => numbers));
    const names = await each(() => client.connection);
    want('connections', names, tabs.map(() => names[0]));
  };
  await step('tabs share a connection', whole);
  await step('the one that has it is closed', async () => {
    await tabs.shift().close();
    await whole();
  });
  await step('all of them are closed but one', async () => {
    if (chromium) tabs[0].goto('chrome://crash').catch(() => {}); // which may be the one that has it
    else tabs[0].close();
    tabs.shift();
    await tabs.shift().close();
    await whole();
  });
  await context.close();
}

// ---- the server is started again

async function restart(step) {
  const room = `${args.again}chat.html`;
  const [ann, bob] = await Promise.all([visit(room), visit(room)]);
  await step('a restart', async () => {
    await say(ann, 'before');
    await until('at bob', () => said(bob), ['before']);
    await ask('stop');
    await Promise.all([status(ann, 'Connecting'), status(bob, 'Connecting')]);
    await say(ann, 'meanwhile');
    await ann.getByText('1 waits for the connection.').waitFor();
    await ask('start');
    await Promise.all([status(ann, 'Connected'), status(bob, 'Connected')]);
    for (const page of [ann, bob]) {
      await until('said', () => said(page), ['before', 'meanwhile']);
      await page.getByText('The server has been started again').waitFor();
    }
    await say(bob, 'after');
    await until('at ann', () => said(ann), ['before', 'meanwhile', 'after']);
    want('waiting', await ann.locator('#waiting').textContent(), '');
  });
  await leave(ann, bob);
}

const chromium = args.browser === 'Chromium'; // which can be a phone
const parts = [['chat', chat], ['board', board], ['ticker', ticker], ['connection', connection], ['README', readme], ['sharing', sharing], ['server', restart]];
if (chromium) parts.push(['phone', phones]);
await Promise.all(parts.map(([name, f]) => f(stepsOf(name))));
if (chromium) await touch(stepsOf('phone')); // which would be on the board of the others
await stepsOf('all')('nothing is loaded from elsewhere, nothing complains', async () => {
  want('foreign requests', foreign, []);
  // The browser itself reports that the README's page has no icon, that a server is gone,
  // that a WebSocket was given up which a busy machine has not proved in three seconds,
  // and that we look at what is drawn.
  want('complaints', complaints.filter((c) => !/^: .* status of 404|ERR_CONNECTION_REFUSED|can’t establish a connection|closed before the connection is established|willReadFrequently/.test(c)), []);
});
await end();
