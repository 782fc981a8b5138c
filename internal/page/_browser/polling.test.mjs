// What happens to who reads and types while newer data comes in, and while none does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, drawn, places, showing, visit } from './setup.mjs';

/** @typedef {import('playwright-core').Page} Page */

/**
 * Opens the small fleet, whose every further answer is what a change makes of it.
 * @param {(fleet: any) => void} change @param {string} [hash]
 */
async function changing(change, hash = '') {
  const { page, complaints } = await visit(`${places.small}${hash}`);
  await drawn(page);
  const fleet = await page.evaluate(async () => (await fetch('data/fleet.json')).json());
  change(fleet);
  await page.route('**/fleet.json', (r) => r.fulfill({ json: fleet, headers: { ETag: 'W/"other"' } }));
  return { page, complaints };
}

/** Has the page ask, and waits until it has drawn the answer. @param {Page} page */
async function refreshed(page) {
  const before = await page.evaluate(() => performance.getEntriesByName('gpreach draw').at(-1)?.startTime);
  await page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
  await page.waitForFunction((t) => performance.getEntriesByName('gpreach draw').at(-1)?.startTime !== t, before);
}

test('newer data with the same causes leaves the panel as it is', async () => {
  const { page, complaints } = await changing((fleet) => { fleet.hosts[0].asked = new Date().toISOString(); });
  await page.locator('.cause').first().click();
  await page.locator('.chosen .copy').focus();
  await page.locator('.chosen .copy').evaluate((b) => { b.dataset.same = 'yes'; });
  await refreshed(page);
  assert.equal(await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.same), 'yes');
  assert.deepEqual(complaints, []);
  await page.close();
});

for (const part of ['.copy', '.line', '.cause']) {
  test(`the focus on ${part} stays when causes change`, async () => {
    const { page } = await changing((fleet) => { fleet.causes.at(-1).hosts++; });
    await page.locator('.cause').first().click();
    await page.locator(`.chosen ${part}`).focus();
    await page.locator(`.chosen ${part}`).evaluate((b) => { b.dataset.same = 'yes'; });
    await refreshed(page);
    assert.ok(await page.evaluate((p) => document.activeElement?.matches(`.chosen ${p}:not([data-same])`), part), 'made anew, and focused');
    await page.close();
  });
}

test('when the active host leaves, the one in its place is active', async () => {
  const { page } = await changing((fleet) => { fleet.hosts.find((/** @type {any} */ h) => h.name.startsWith('refresh-gpo-only')).name = 'gone'; }, '#q=demo');
  const place = () => page.locator('#grid .row.active').getAttribute('aria-rowindex');
  await page.focus('#grid');
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.equal(await place(), '4');
  const next = await page.locator('#grid .row .name').nth(3).textContent();
  await refreshed(page);
  assert.equal(await place(), '4');
  assert.equal(await page.locator('#grid .row.active .name').textContent(), next);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'grid');
  await page.close();
});

test('when the last host leaves, the one before it is active, and then none', async () => {
  let left = 26;
  const { page } = await changing((fleet) => { fleet.hosts.length = left; });
  await page.focus('#grid');
  await page.keyboard.press('Control+End');
  await refreshed(page);
  assert.equal(await page.locator('#grid .row.active').getAttribute('aria-rowindex'), '27');
  await page.fill('#search', 'nobody');
  await page.focus('#grid');
  assert.notEqual(await page.locator('#grid').evaluate((g) => getComputedStyle(g).outlineStyle), 'none', 'the focus is visible');
  await page.close();
});

test('how many are shown is said again only when it differs', async () => {
  const { page } = await changing((fleet) => { fleet.hosts[0].asked = new Date().toISOString(); });
  await page.evaluate(() => {
    new MutationObserver(() => { document.body.dataset.said = 'again'; })
      .observe(/** @type {Node} */ (document.getElementById('showing')), { childList: true, characterData: true, subtree: true });
  });
  await refreshed(page);
  assert.equal(await page.evaluate(() => document.body.dataset.said), undefined);
  await page.fill('#search', 'demo');
  await page.fill('#search', 'healthy');
  await page.waitForFunction(() => document.body.dataset.said === 'again');
  await page.close();
});

for (const width of [700, 820, 1040]) {
  test(`tools of two lines leave the header in sight at ${width} px`, async () => {
    const { page } = await visit(places.fleet, { width });
    await drawn(page);
    await page.locator('.panel .chip.open').first().click();
    await page.locator('.panel .chip.bad').first().click();
    await page.evaluate(() => scrollTo(0, 6000));
    const box = async (/** @type {string} */ what) => {
      const b = await page.locator(what).boundingBox();
      assert.ok(b, what);
      return b;
    };
    const tools = await box('.tools');
    const head = await box('#grid .head');
    assert.ok(Math.abs(tools.y + tools.height - head.y) <= 1, `tools end at ${tools.y + tools.height}, the header begins at ${head.y}`);
    await page.focus('#grid');
    for (let i = 0; i < 30; i++) await page.keyboard.press('ArrowUp');
    const active = await box('#grid .row.active');
    assert.ok(active.y >= head.y + head.height - 1, 'the header does not cover the active row');
    assert.match(String(await showing(page)), /^Showing [\d,]+ of 20,000 hosts$/);
    await page.close();
  });
}

test('a print is light, whatever the button says', async () => {
  const { page } = await visit(places.small);
  await drawn(page);
  await page.evaluate(() => { document.documentElement.dataset.theme = 'dark'; });
  await page.emulateMedia({ media: 'print' });
  const colours = () => page.evaluate(() => ['.name', '.panel h2', '.from b'].map((s) => getComputedStyle(/** @type {Element} */ (document.querySelector(s))).color));
  const printed = await colours();
  await page.evaluate(() => { document.documentElement.dataset.theme = 'light'; });
  assert.deepEqual(printed, await colours());
  await page.close();
});

test('a server that hangs is given up', async () => {
  const { page, complaints } = await visit(places.small);
  await drawn(page);
  await page.evaluate(() => {
    const { timeout } = AbortSignal;
    AbortSignal.timeout = (ms) => {
      document.body.dataset.patience = String(ms);
      return timeout.call(AbortSignal, 50);
    };
  });
  await page.route('**/fleet.json', () => {});
  await page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
  await page.getByText('No fresh data: gpreach does not answer. What is shown gets older.').waitFor();
  assert.equal(await page.evaluate(() => document.body.dataset.patience), '12000');
  await page.unroute('**/fleet.json');
  await page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
  await page.locator('#notice').waitFor({ state: 'hidden' });
  assert.deepEqual(complaints, []);
  await page.close();
});

for (const [what, answer, says] of /** @type {const} */ ([
  ['a cut body', { contentType: 'application/json', body: '{"hosts":[' }, 'gpreach does not answer.'],
  ['a refusal', { status: 403, contentType: 'text/plain', body: 'This Host is not ours.\n' }, 'gpreach answers 403: This Host is not ours. '],
  ['an error in HTML', { status: 502, contentType: 'text/html', body: '<h1>Proxy</h1>' }, 'gpreach answers 502: Bad Gateway. '],
])) {
  test(`${what} gives the notice, before and after the first draw`, async () => {
    const { page, complaints } = await visit(places.small);
    await drawn(page);
    await page.route('**/fleet.json', (r) => r.fulfill(answer));
    await page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
    await page.getByText(`No fresh data: ${says}`).waitFor();
    await page.reload();
    await page.getByText('It is asked again every 15 seconds.').waitFor();
    assert.deepEqual(complaints.filter((c) => !c.includes('Failed to load resource')), []);
    await page.close();
  });
}

test('ages are told by the server\'s clock, from the first draw', async () => {
  const { page } = await visit(places.empty);
  await page.addInitScript(() => {
    const { now } = Date;
    Date.now = () => now() + 5 * 3600e3;
  });
  await page.goto(places.small);
  await drawn(page);
  assert.match(String(await page.textContent('#age')), /Answers are .*\d (s|min|ms) old/);
  await page.locator('#grid .name').first().click();
  await page.locator('.ago').waitFor();
  assert.doesNotMatch(String(await page.textContent('.ago')), /h ago/);
  await page.close();
});

test('a chosen cause that no host fails by any more is told', async () => {
  let key = '';
  const { page, complaints } = await changing((fleet) => {
    const { owner, text } = fleet.causes.pop();
    key = `${owner}: ${text}`;
    const n = fleet.causes.length;
    for (const h of fleet.hosts) h.causes = h.causes.filter((/** @type {number} */ c) => c < n);
  });
  await page.locator(`.cause[data-cause="${key}"]`).click();
  const text = String(await page.locator('.chosen .text').textContent());
  await refreshed(page);
  const first = page.locator('#cause-list li').first();
  assert.equal(await first.locator('.text').textContent(), text);
  assert.equal(await first.locator('.cause').getAttribute('aria-pressed'), 'true');
  assert.equal(await first.locator('b.number').textContent(), '0');
  assert.ok(await first.getByText(`No host fails by ${text} any more.`).isVisible());
  assert.equal(await showing(page), 'Showing 0 of 27 hosts');
  await accessible(page);
  await first.locator('.cause').click();
  assert.equal(await showing(page), 'Showing all 27 hosts');
  assert.equal(await page.locator('.chosen').count(), 0);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a page where nothing is swept says so', async () => {
  const { page } = await changing((fleet) => Object.assign(fleet, { sweeps: [], hosts: [], causes: [] }));
  await refreshed(page);
  assert.ok(await page.getByText('Nothing is swept; only /probe answers.').isVisible());
  await page.close();
});

test('the way past filters and causes keeps the address', async () => {
  const { page } = await visit(`${places.small}#q=demo`);
  await drawn(page);
  await page.focus('#theme');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to hosts');
  assert.ok(await page.locator('#skip').isVisible());
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'grid');
  assert.match(page.url(), /#q=demo$/);
  await page.close();
});

test('a script that does not load is told', async () => {
  const { page } = await visit(places.empty);
  await page.route('**/grid.js', (r) => r.abort());
  await page.goto(places.small);
  await page.getByText('A script of this page did not load').waitFor();
  await page.close();
});

test("a report's first rows keep the filters in their links", async () => {
  const { page } = await visit(`${places.smallReport}#q=demo&refresh=unreachable`);
  await drawn(page);
  assert.match(String(await page.locator('#grid .name').first().getAttribute('href')), /^#q=demo&refresh=unreachable&host=/);
  await page.close();
});
