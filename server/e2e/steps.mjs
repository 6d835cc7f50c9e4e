// What the drivers have in common: the browser, steps and what they report. A
// driver's argument is one line of JSON; it prints one line of JSON for each step:
// {name, error, ms}. A step that fails does not keep the next ones from being tried.

import { chromium, firefox } from 'playwright-core';
import { createInterface } from 'node:readline';

export const args = JSON.parse(process.argv[2]);

// The browser, which stands for a person each time it gives a new context. Firefox is the
// one that everybody has, over WebDriver BiDi; it takes a proxy to this machine itself only
// if told so.
export const browser = args.browser === 'Firefox'
  ? await firefox.launch({
    channel: 'moz-firefox',
    executablePath: args.program,
    firefoxUserPrefs: { 'network.proxy.allow_hijacking_localhost': true, 'security.sandbox.content.level': 0 },
  })
  : await chromium.launch({ executablePath: args.program, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });

// stepsOf returns the function that reports the steps of a part.
export const stepsOf = (part) => async (name, f) => {
  const began = Date.now();
  let error = '';
  try {
    await f();
  } catch (err) {
    error = String(err?.stack ?? err);
  }
  console.log(JSON.stringify({ name: part ? `${part}/${name}` : name, error, ms: Date.now() - began }));
};

export function want(what, got, wanted) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(wanted)}`);
  }
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// ask has the test do something, by its name, and waits until it is done.
export async function ask(what) {
  console.log(JSON.stringify({ ask: what }));
  if ((await answers.next()).done) throw new Error(`${what}: no answer`);
}

// end closes everything, so that the process ends.
export async function end() {
  await browser.close();
  process.stdin.destroy();
}

// ink is how many points of a canvas are drawn.
export const ink = (canvas) => canvas.evaluate((c) =>
  c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce((n, v, i) => n + (i % 4 === 3 && v > 0), 0));

// nameless returns the controls of a page that have no name for who cannot see them.
export const nameless = (page) => page.evaluate(() => [...document.querySelectorAll('input, textarea, button, canvas')]
  .filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
  .map((e) => e.id));

// fits checks that a page is made for a phone's width and for fingers, and is as dark
// as asked for.
export async function fits(page, colorScheme) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) throw new Error(`${wide} pixels wider than the screen`);
  const small = await page.evaluate(() => [...document.querySelectorAll('button, input[type=text], nav a')]
    .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 40).map((e) => e.id || e.textContent));
  want('too small for a finger', small, []);
  const [ground, text] = await page.evaluate(() => {
    const s = getComputedStyle(document.body);
    return [s.backgroundColor, s.color].map((c) => c.match(/\d+/g).map(Number).reduce((a, b) => a + b));
  });
  want('dark', ground < text, colorScheme === 'dark');
}
