// Drives the demo page in a real Chromium as a person would, by its labels and
// buttons. Its argument is in browser_test.go. All sites are visited at the same
// time, by one browser.

import { args, ask, browser, end, fits, ink, nameless, stepsOf, want } from './steps.mjs';

// A Demo is the page, as a person has it before them.
class Demo {
  static async open(url, options = {}) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const demo = new Demo(page);
    page.on('request', (r) => demo.requests.push(r.url()));
    page.on('pageerror', (e) => demo.complaints.push(String(e)));
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && demo.complaints.push(m.text()));
    await page.goto(url);
    return demo;
  }

  constructor(page) {
    this.page = page;
    this.requests = [];
    this.complaints = [];
  }

  close() {
    return this.page.context().close();
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  field(name) {
    return this.page.getByRole('textbox', { name: new RegExp(`^${name}`) });
  }

  async status(text) {
    await this.page.locator('#status', { hasText: text }).waitFor();
  }

  // again begins anew, whatever the last step has left.
  async again() {
    if (!(await this.button('Connect').isVisible())) await this.page.reload();
  }

  async connect({ protocols = '', address, status = 'Connected' } = {}) {
    await this.again();
    await this.field('Subprotocols').fill(protocols);
    if (address) await this.field('Address').fill(address);
    await this.button('Connect').click();
    await this.status(status);
  }

  async disconnect(code, reason) {
    await this.field('Close code').fill(code);
    await this.field('Reason').fill(reason);
    await this.button('Disconnect').click();
    await this.button('Connect').waitFor();
  }

  fact(id) {
    return this.page.locator(`#fact-${id}`).textContent();
  }

  // entry waits for the nth entry of a kind in the log.
  async entry(kind, n = 0) {
    const item = this.page.locator(`#log li[data-kind="${kind}"]`).nth(n);
    await item.waitFor({ state: 'attached' });
    return item;
  }

  async count(kind) {
    return this.page.locator(`#log li[data-kind="${kind}"]`).count();
  }

  // echo does what sends a message and checks what comes back.
  async echo(send, { type, bytes, text }) {
    const n = await this.count('received');
    await send();
    const item = await this.entry('received', n);
    want('type', await item.getAttribute('data-type'), type);
    want('the same', await item.getAttribute('data-same'), 'true');
    if (bytes !== undefined) want('bytes', await item.getAttribute('data-bytes'), String(bytes));
    if (text !== undefined) want('shown', await item.locator('.body').textContent(), text);
    if (!(Number(await item.getAttribute('data-took')) > 0)) throw new Error('no round trip');
    return item;
  }

  async closed(kind = 'closed') {
    const n = await this.count(kind);
    const item = await this.entry(kind, n - 1);
    return item.getAttribute('data-code');
  }

  ink() {
    return ink(this.page.locator('#canvas'));
  }

  async shot(name) {
    if (args.shots) await this.page.screenshot({ path: `${args.shots}/${name}.png`, fullPage: true });
  }
}

// ---- the conversation

async function conversation(step, url) {
  const demo = await Demo.open(url);
  await step('open', async () => {
    await demo.status('Not connected');
    await demo.connect();
    want('subprotocol', await demo.fact('protocol'), 'none');
    if (await demo.button('Send text').isDisabled()) throw new Error('cannot send');
  });
  await step('compression negotiated', async () => {
    want('extensions', (await demo.fact('extensions')).split(';')[0], 'permessage-deflate');
  });
  await step('text', async () => {
    await demo.field('Text').fill('Grüße, 🐦 <b>not bold</b>');
    await demo.echo(() => demo.button('Send text').click(), { type: 'text', bytes: 29, text: 'Grüße, 🐦 <b>not bold</b>' });
    await demo.field('Text').fill('curlew '.repeat(2000));
    await demo.echo(() => demo.button('Send text').click(), { type: 'text', bytes: 14000 });
    await demo.field('Text').fill('');
    await demo.echo(() => demo.button('Send text').click(), { type: 'text', bytes: 0 });
  });
  await step('binary', async () => {
    await demo.field('Bytes').fill('00 ff c3 28');
    await demo.echo(() => demo.button('Send bytes').click(), { type: 'binary', bytes: 4, text: '00 ff c3 28' });
    await demo.field('Bytes').fill('');
    await demo.echo(() => demo.button('Send bytes').click(), { type: 'binary', bytes: 0 });
    await demo.field('Bytes').fill('0');
    await demo.button('Send bytes').click();
    await demo.page.locator('#hex-form').getByRole('alert').filter({ hasText: 'pairs' }).waitFor();
  });
  await step('a file of 5 MB', async () => {
    await demo.page.getByLabel('File').setInputFiles(args.file);
    await demo.echo(() => demo.button('Send file').click(), { type: 'binary', bytes: 5 << 20 });
  });
  await step('an image from the canvas', async () => {
    await demo.button('Draw a bird').click();
    const item = await demo.echo(() => demo.button('Send drawing').click(), { type: 'binary' });
    const width = () => item.locator('img').evaluate((img) => img.decode().then(() => img.naturalWidth));
    want('width', await width(), 480);
  });
  await demo.shot('light');
  await step('our close code arrives and comes back', async () => {
    await demo.disconnect('4321', 'tschüß');
    want('code', await demo.closed(), '4321');
  });
  await step('a close without a code is one', async () => {
    await demo.connect();
    await demo.field('Close code').fill('1001');
    await demo.button('Disconnect').click();
    await demo.page.getByRole('alert').filter({ hasText: /^The close code must be/ }).waitFor();
    await demo.disconnect('', '');
    want('code', await demo.closed(), '1005');
  });
  await step('subprotocol chosen', async () => {
    await demo.connect({ protocols: 'unknown, chat' });
    want('subprotocol', await demo.fact('protocol'), 'chat');
    await demo.disconnect('1000', '');
  });
  await step('subprotocol refused', async () => {
    await demo.connect({ protocols: 'unknown', status: 'Refused' });
    want('code', await demo.closed('failed'), '1006');
  });
  await step('the page of another host refused', async () => {
    await demo.connect({ address: `${url.replace(/^http/, 'ws').replace('127.0.0.1', 'localhost')}echo`, status: 'Refused' });
    await demo.page.reload(); // with its own address
  });
  await step('a message that is too big', async () => {
    await demo.connect();
    await demo.page.getByLabel('File').setInputFiles(args.big);
    await demo.button('Send file').click();
    await demo.status('Closed, 1009');
  });
  for (const [code, reason] of args.codes) {
    await step(`the server's close code ${code}`, async () => {
      const address = `${url.replace(/^http/, 'ws')}close/${code}`;
      await demo.connect({ address, status: `Closed, ${code}` });
      if (reason) await demo.page.locator('#log li').last().filter({ hasText: reason }).waitFor();
    });
  }
  await step('nothing is loaded from elsewhere, nothing complains', async () => {
    const origin = new URL(url).origin;
    want('foreign requests', demo.requests.filter((u) => !u.startsWith(origin) && !u.startsWith('blob:')), []);
    // The browser itself reports the handshake that was refused.
    want('complaints', demo.complaints.filter((c) => !/WebSocket connection to .* failed/.test(c)), []);
  });
  await demo.close();
}

// ---- by keyboard, small, dark

async function keyboard(step, url) {
  const demo = await Demo.open(url);
  const { keyboard } = demo.page;
  await step('by keyboard alone', async () => {
    await keyboard.press('Enter'); // the page begins on Connect
    await demo.status('Connected');
    await keyboard.press('Control+A'); // and goes on in the text
    await keyboard.type('typed');
    await demo.echo(() => keyboard.press('Control+Enter'), { type: 'text', text: 'typed' });
    await demo.field('Bytes').focus();
    await demo.echo(() => keyboard.press('Enter'), { type: 'binary', bytes: 4 });
    const focused = () => demo.page.evaluate(() => document.activeElement.id);
    for (let i = 0; (await focused()) !== 'canvas'; i++) {
      if (i > 20) throw new Error('Tab does not reach the drawing area');
      await keyboard.press('Tab');
    }
    want('ink before', await demo.ink(), 0);
    await keyboard.press('Shift+ArrowLeft');
    want('ink after moving', await demo.ink(), 0);
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown']) await keyboard.press(key);
    if (!((await demo.ink()) > 0)) throw new Error('arrow keys do not draw');
    await keyboard.press('Tab');
    want('after the drawing area', await focused(), 'send-image');
    await demo.echo(() => keyboard.press('Enter'), { type: 'binary' });
  });
  await step('every control has a name', async () => {
    want('nameless', await nameless(demo.page), []);
    want('log', await demo.page.getByRole('log', { name: 'Messages' }).getAttribute('aria-live'), 'polite');
  });
  await demo.close();
}

async function phone(step, url, colorScheme) {
  const demo = await Demo.open(url, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme });
  await step(`on a phone, ${colorScheme}`, async () => {
    await demo.connect();
    await demo.echo(() => demo.button('Send text').tap(), { type: 'text' });
    await demo.page.locator('#canvas').tap({ position: { x: 20, y: 20 } });
    if (!((await demo.ink()) > 0)) throw new Error('a tap draws no dot');
    await demo.echo(() => demo.button('Send drawing').tap(), { type: 'binary' });
    await fits(demo.page, colorScheme);
  });
  await demo.shot(`phone-${colorScheme}`);
  await demo.close();
}

async function dark(step, url) {
  const demo = await Demo.open(url, { colorScheme: 'dark' });
  await step('in the dark', async () => {
    await demo.connect({ protocols: 'echo' });
    await demo.button('Draw a bird').click();
    await demo.echo(() => demo.button('Send drawing').click(), { type: 'binary' });
  });
  await demo.shot('dark');
  await demo.close();
}

// ---- the server stops

// leave stays connected until the server closes.
async function leave(step, url) {
  const demo = await Demo.open(url);
  await step('the server stops with 1001', async () => {
    await demo.connect();
    await ask('stop');
    await demo.status('Closed, 1001');
  });
  await demo.close();
}

const parts = {
  conversation, keyboard, dark, leave,
  phones: async (step, url) => {
    await phone(step, url, 'light');
    await phone(step, url, 'dark');
  },
};

async function go(visit) {
  for (const part of visit.parts) await parts[part](stepsOf(visit.name), visit.page);
}

await Promise.all(args.visits.map(go));
await go(args.last);
await end();
