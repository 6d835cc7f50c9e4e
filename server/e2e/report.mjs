// Reads a report of curlew conform in a real browser as a person would. Its argument is
// {browser, program, page}, see browser_test.go.

import { args, browser, end, stepsOf, want } from './steps.mjs';

const step = stepsOf('');

async function open(options) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on('request', (r) => r.url() !== page.url() && !r.url().startsWith(args.page) && page.complaints.push(r.url()));
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  page.on('console', (m) => page.complaints.push(m.text()));
  page.on('dialog', (d) => { page.complaints.push(d.message()); d.dismiss(); });
  await page.goto(args.page);
  return page;
}

const visible = (page) => page.locator('tr.case:visible').evaluateAll((rows) =>
  rows.map((r) => r.querySelector('th').textContent.trim().split(' ')[0]));
const all = ['1.1.1', '5.2', '5.10', '6.4.1', '7.1.2', '9.1.6', '9.9.9', '12.1.1', '12.1.2'];

const page = await open();
await step('filter by verdict', async () => {
  want('at first', await visible(page), all);
  const which = page.getByLabel('Show');
  await which.selectOption('FAILED');
  want('FAILED', await visible(page), ['5.2', '5.10', '12.1.1']);
  want('articles', await page.locator('article:visible').count(), 3);
  want('sections', await page.locator('tr.section:visible').count(), 2);
  want('said', await page.locator('#shown').textContent(), '3 of 9 cases');
  await which.selectOption('NON-STRICT and FAILED');
  want('NON-STRICT', await visible(page), ['5.2', '5.10', '6.4.1', '12.1.1']);
  await which.selectOption('where the peers differ');
  want('differ', await visible(page), ['5.2', '5.10', '9.1.6', '12.1.1']);
  await which.selectOption('all cases');
});
await step('filter by words', async () => {
  const words = page.getByLabel('with');
  for (const [typed, ids] of [['5', ['5.2', '5.10']], ['5.1', []], ['5.10', ['5.10']], ['COMPRESSED bytes', ['12.1.2']], ['<after>', ['7.1.2']], ['', all]]) {
    await words.fill(typed);
    want(typed, await visible(page), ids);
  }
});
await step('by keyboard to what was found', async () => {
  const link = page.getByRole('link', { name: 'FAILED' }).first();
  want('closed', await page.locator('#c5\\.2-1').isVisible(), false);
  await link.focus();
  await page.keyboard.press('Enter');
  await page.locator('#c5\\.2-1').waitFor();
  want('frames', await page.locator('#c5\\.2-1 tbody tr').count(), 5);
  const reached = [];
  await page.locator('#which').focus();
  for (let i = 0; i < 3; i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName));
  }
  want('Tab', reached, ['words', 'scroll tall', 'A']);
});
await step('nothing runs, is loaded or complains', async () => want('complaints', page.complaints, []));

await step('without scripts', async () => {
  const plain = await open({ javaScriptEnabled: false });
  want('filter', await plain.locator('#filter').isVisible(), false);
  want('cases', (await plain.locator('tr.case').count()), all.length);
  await plain.locator('summary').filter({ hasText: 'it did not end the stream' }).click();
  await plain.locator('#c5\\.10-2').waitFor();
  want('complaints', plain.complaints.filter((c) => !/script/.test(c)), []);
});

for (const colorScheme of ['light', 'dark']) {
  await step(`on a phone, ${colorScheme}`, async () => {
    const phone = await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme });
    await phone.getByRole('link', { name: 'FAILED' }).first().tap();
    await phone.locator('#c5\\.2-1').waitFor();
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) throw new Error(`${wide} pixels wider than the screen`);
    const [ground, ink] = await phone.evaluate(() => {
      const s = getComputedStyle(document.body);
      return [s.backgroundColor, s.color].map((c) => c.match(/\d+/g).map(Number).reduce((a, b) => a + b));
    });
    want('dark', ground < ink, colorScheme === 'dark');
    want('complaints', phone.complaints, []);
  });
}
await end();
