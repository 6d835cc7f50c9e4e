// Drives the chat and the connection page in a real browser through proxies that let
// no WebSocket pass, hold answers back or cut connections off, see proxies_test.go. In
// Firefox, unless all is wanted, it is the chat.

import { args, browser, end, stepsOf, want } from './steps.mjs';

const context = ({ proxy }) => browser.newContext(proxy ? { proxy: { server: proxy, bypass: '<-loopback>' } } : {});

// open opens a page as somebody else. Where connections are cut off that may take some
// attempts, each with a page of its own: what a browser still does about the last one is
// nothing to the next.
async function open(way, name) {
  for (let left = way.cut ? 20 : 0; ; left--) {
    const page = await (await context(way)).newPage();
    let cut = false;
    page.on('requestfailed', (r) => { cut ||= r.url().endsWith('.js'); });
    try {
      await page.goto(way.page + name, { timeout: 60_000 });
      if (cut) throw new Error('a script could not be loaded');
      await page.locator('#status', { hasText: 'Connected' }).waitFor({ timeout: way.cut ? 10_000 : 60_000 });
      return page;
    } catch (err) {
      if (left === 0) throw err;
      await page.context().close();
    }
  }
}

// until waits until get returns something that suits.
async function until(what, get, suits) {
  for (let tries = 0; ; tries++) {
    const got = await get();
    if (suits(got)) return got;
    if (tries > 600) throw new Error(`${what}: ${JSON.stringify(got)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

const said = (page) => page.locator('#log li:not([data-kind=note]) p').allTextContents();

async function chat(step, way) {
  await step('two tabs chat', async () => {
    const tabs = await Promise.all([open(way, `chat.html#${way.room}`), open(way, `chat.html#${way.room}`)]);
    const most = 12;
    await Promise.all(tabs.map(async (tab, who) => {
      for (let i = 0; i < most; i++) {
        await tab.getByLabel('Message').fill(`${who} ${i}`);
        await tab.keyboard.press('Enter'); // press of the field would wait for what else is loaded
        if (way.cut) await new Promise((done) => setTimeout(done, 500));
      }
    }));
    for (const tab of tabs) await until('said', () => said(tab), (list) => list.length >= 2 * most);
    const list = await said(tabs[0]);
    want('the other tab', await said(tabs[1]), list);
    for (const who of [0, 1]) {
      want(`by ${who}`, list.filter((s) => s.startsWith(`${who} `)), Array.from({ length: most }, (_, i) => `${who} ${i}`));
    }
    want('notes', await tabs[0].locator('#log li[data-kind=note]').allTextContents(), []);
    for (const tab of tabs) await tab.context().close();
  });
}

async function numbers(step, way) {
  await step('no number is lost, none comes twice', async () => {
    let page = await open(way, 'connection.html');
    const direct = async () => (await page.locator('#transport').textContent()).includes('WebSocket');
    if (!way.cut) {
      // One has three seconds to prove itself, which it may not do at once on a busy machine.
      for (let left = 20; left > 0 && way.upgrades && !(await direct()); left--) {
        await page.context().close();
        page = await open(way, 'connection.html');
      }
      want('WebSocket', await direct(), way.upgrades);
    }
    const counts = async () => {
      const text = await page.locator('#counts').textContent();
      return Object.fromEntries([...text.matchAll(/(\d+) (\w+)/g)].map(([, n, name]) => [name, Number(n)]));
    };
    const times = () => page.locator('#events li', { hasText: 'Connected' }).count();
    if (way.cut) await until('cut off', times, (n) => n >= 4);
    await until('sent', counts, (c) => c.sent >= 20);
    await page.getByRole('button', { name: 'Pause' }).click();
    const c = await until('received', counts, (now) => now.received === now.sent);
    want('lost and twice', [c.lost, c.twice], [0, 0]);
    await page.context().close();
  });
}

await Promise.all(args.through.map(async (way, i) => {
  const step = stepsOf(way.name);
  await chat(step, { ...way, room: `${args.browser}-${i}` });
  if (args.all || args.browser === 'Chromium') await numbers(step, way);
}));
await end();
