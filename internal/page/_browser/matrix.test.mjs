// The matrix of 20,000 hosts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, drawn, fits, names, order, places, showing, visit } from './setup.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** The status, as a user would say it. @param {Page} page @param {string} operation @param {string} status */
function chip(page, operation, status) {
  return page.locator(`[aria-labelledby="title-${operation}"] .chip`, { hasText: status });
}

/** The number on a chip. @param {import('playwright-core').Locator} locator */
async function numberOn(locator) {
  return Number((await locator.locator('b').textContent())?.replaceAll(',', ''));
}

/** Has the page ask for newer data, as one that is looked at again does. @param {Page} page */
function look(page) {
  return page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });
}

/** Does something in the page, and tells how long it is to the frame after it. @param {import('node:test').TestContext} t @param {Page} page @param {string} what @param {() => void} action */
async function timed(t, page, what, action) {
  const ms = /** @type {number} */ (await page.evaluate(`(async () => {
    const start = performance.now();
    (${action})();
    await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); });
    return performance.now() - start;
  })()`));
  const script = await page.evaluate(() => performance.getEntriesByType('measure').map((m) => `${m.name.replace('gpreach ', '')} ${m.duration.toFixed(1)} ms`).join(', '));
  t.diagnostic(`${what}: painted after ${ms.toFixed(1)} ms; ${script}`);
}

test('draws 20,000 hosts', async (t) => {
  const { page, complaints } = await visit(places.fleet);
  await drawn(page);
  assert.equal(await showing(page), 'Showing all 20,000 hosts');
  const grid = page.locator('#grid');
  assert.equal(await grid.getAttribute('aria-rowcount'), '20001');
  assert.ok(await page.locator('#grid [role=row]').count() < 100, 'rows out of sight exist');
  const measured = await page.evaluate(() => performance.getEntriesByType('measure').map((m) => `${m.name} ${m.duration.toFixed(1)} ms`).join(', '));
  const first = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime.toFixed(0));
  t.diagnostic(`first draw: ${measured}; first paint at ${first} ms`);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('says mark and word in each cell', async () => {
  const { page } = await visit(places.small);
  await drawn(page);
  const cells = await page.locator('#grid .body [role=gridcell]:not(.asked)').allTextContents();
  assert.ok(cells.length > 100);
  for (const cell of cells) {
    assert.match(cell, /^(\+(ready|granted|reachable)|\?(unproven|unknown)|\.silent|!denied|x(unreachable))/);
  }
  await page.close();
});

test('filters by status, and counts what the other filters leave', async () => {
  const { page, complaints } = await visit(places.fleet);
  await drawn(page);
  const unreachable = chip(page, 'refresh', 'unreachable');
  const n = await numberOn(unreachable);
  await unreachable.click();
  assert.equal(await showing(page), `Showing ${n.toLocaleString('en')} of 20,000 hosts`);
  assert.equal(await unreachable.getAttribute('aria-pressed'), 'true');
  const both = await numberOn(chip(page, 'rsop', 'unproven'));
  await chip(page, 'rsop', 'unproven').click();
  assert.equal(await showing(page), `Showing ${both.toLocaleString('en')} of 20,000 hosts`);
  await chip(page, 'rsop', 'silent').click();
  assert.equal(await showing(page), `Showing ${both.toLocaleString('en')} of 20,000 hosts`, 'two statuses of an operation are either');
  await page.click('#clear');
  assert.equal(await showing(page), 'Showing all 20,000 hosts');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('searches by name and by address, and says when nothing is like that', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await page.fill('#search', 'WS-01999.');
  assert.equal(await showing(page), 'Showing 1 of 20,000 hosts');
  assert.deepEqual(await names(page, 2), ['ws-01999.corp.example']);
  await page.fill('#search', '10.80.7.2');
  assert.match(String(await showing(page)), /^Showing \d+ of 20,000 hosts$/);
  assert.ok((await page.locator('#grid .body .note').allTextContents()).some((a) => a.startsWith('10.80.7.2')));
  await page.fill('#search', 'nobody');
  assert.equal(await showing(page), 'Showing 0 of 20,000 hosts');
  assert.ok(await page.getByText('No host passes the filter above.').isVisible());
  await accessible(page);
  await page.close();
});

test('sorts by every column, and back', async () => {
  const { page } = await visit(`${places.small}`);
  await drawn(page);
  const given = await names(page, 3);
  const name = page.locator('#grid [data-sort=name]');
  await name.click();
  assert.equal((await names(page, 1))[0], 'alias.demo.example');
  assert.equal(await page.locator('#grid [role=columnheader]').first().getAttribute('aria-sort'), 'ascending');
  await name.click();
  assert.equal((await names(page, 1))[0], 'wrong-host.demo.example');
  await name.click();
  assert.deepEqual(await names(page, 3), given, 'the worst first again');
  await page.click('#grid [data-sort=refresh]');
  assert.equal(await page.locator('#grid .body .row').first().locator('.operation').nth(1).textContent(), 'xunreachable', 'the worst first');
  for (const button of await page.locator('#grid [data-sort]').all()) {
    if (await button.isVisible()) await button.click();
  }
  assert.equal(await showing(page), 'Showing all 27 hosts');
  await page.close();
});

test('shows the worst hosts first, and where they broke', async () => {
  const { page } = await visit(places.small);
  await drawn(page);
  const ranks = ['ready', 'unproven', 'silent', 'denied', 'unreachable'];
  const hosts = await page.evaluate(async () => (await (await fetch('data/fleet.json')).json()).hosts.map((/** @type {any} */ h) => [h.name, h.status]));
  const rank = (/** @type {any} */ h) => Math.max(...h[1].map((/** @type {string} */ s) => ranks.indexOf(s)));
  const worstFirst = [...hosts].sort((a, b) => rank(b) - rank(a)).map((h) => h[0]);
  await page.keyboard.press('/');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Control+End');
  await page.keyboard.press('Control+Home');
  const shown = await names(page, 8);
  assert.deepEqual(shown, worstFirst.slice(0, 8));
  const row = page.locator('#grid .row', { hasText: 'reporting-gpo-only' });
  assert.equal(await row.locator('.where').textContent(), 'Schedule dynamic port: connect timeout');
  assert.match(String(await row.locator('.told').textContent()), /^, (just now|\d+ \w+ ago)$/);
  assert.ok(await row.locator('.told').isVisible(), 'its age stands with the address where there is no column for it');
  assert.ok(!await row.locator('.asked').isVisible());
  await page.setViewportSize({ width: 1920, height: 900 });
  assert.ok(!await row.locator('.told').isVisible());
  assert.ok(await row.locator('.asked').isVisible());
  await page.close();
});

test('lists the filters, each with a way out of it', async () => {
  const { page, complaints } = await visit(`${places.small}#cause=x&rsop=unreachable,denied&q=ws`);
  await drawn(page);
  const filters = page.locator('#filters .text');
  assert.deepEqual(await filters.allTextContents(), ['search: ws', 'Group Policy Results: denied or unreachable', 'cause: x']);
  assert.ok(await page.getByText('No host passes all of the filters above.').isVisible());
  await accessible(page);
  await page.getByRole('button', { name: 'Remove filter cause: x' }).press('Enter');
  assert.match(page.url(), /#q=ws&rsop=denied,unreachable$/);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Remove filter search: ws ×', 'the focus is on the next');
  await page.keyboard.press('Enter');
  assert.equal(await page.inputValue('#search'), '');
  await page.keyboard.press('Enter');
  assert.equal(await showing(page), 'Showing all 27 hosts');
  assert.ok(!await page.locator('#filters').isVisible());
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'search');
  await page.goto(`${places.small}#cause=${'<b>long'.repeat(40)}`);
  await page.setViewportSize({ width: 360, height: 900 });
  await page.reload();
  await drawn(page);
  await fits(page);
  await accessible(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('says what the words mean', async () => {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    const { page } = await visit(places.small, { width: 360, colorScheme });
    await drawn(page);
    await page.locator('.legend summary').press('Enter');
    for (const word of ['ready', 'unproven', 'silent', 'denied', 'unreachable', 'reachable', 'unknown']) {
      assert.ok(await page.locator('.legend dt', { hasText: new RegExp(` ${word}$`) }).isVisible(), word);
    }
    await fits(page);
    await accessible(page);
    await page.close();
  }
});

test('sorts addresses and names as numbers', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await page.fill('#search', 'ws-');
  await page.click('#grid [data-sort=address]');
  await page.evaluate(() => scrollTo(0, 5000));
  await page.click('#grid [data-sort=address]');
  const rowTop = await page.locator('#grid .body .row').first().boundingBox();
  const head = await page.locator('#grid .head').boundingBox();
  assert.ok(rowTop && head && Math.abs(rowTop.y - head.y - head.height) < 2, 'another order begins with its first host');
  const [first] = await page.locator('#grid .body .note').allTextContents();
  assert.equal(first, '10.80.78.31');
  await page.close();
});

test('groups causes by owner; one filters, and tells reason and fix', async () => {
  const { page, complaints } = await visit(places.fleet);
  await drawn(page);
  const cause = page.locator('.cause', { hasText: 'TCP 445: connect timeout' }).first();
  const n = await numberOn(cause);
  await cause.click();
  assert.equal(await showing(page), `Showing ${n.toLocaleString('en')} of 20,000 hosts`);
  assert.equal(await page.locator('.owner:has(.chosen) h3').textContent(), 'host firewall');
  const detail = page.locator('.chosen .detail');
  assert.match(String(await detail.textContent()), /does not answer.*Fix: Link a GPO/);
  await detail.locator('.copy').click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^Get-NetFirewallRule .* \| Enable-NetFirewallRule$/);
  await accessible(page);
  await page.locator('.cause', { hasText: 'TCP 445: connect timeout' }).first().click();
  assert.equal(await showing(page), 'Showing all 20,000 hosts');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('keeps what was chosen in the address', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await chip(page, 'refresh', 'unreachable').click();
  await page.locator('.cause').first().click();
  await page.fill('#search', 'ws-0');
  await page.click('#grid [data-sort=name]');
  await page.click('#grid [data-sort=name]');
  const before = [await showing(page), await names(page, 5), page.url()];
  assert.match(String(before[2]), /#q=ws-0&refresh=unreachable&cause=.*&sort=-name$/);
  await page.reload();
  await drawn(page);
  assert.deepEqual([await showing(page), await names(page, 5), page.url()], before);
  await page.goto(`${places.fleet}#q=<img src=x>&refresh=nonsense&cause=none&sort=nosuch`);
  await page.reload();
  await drawn(page);
  assert.equal(await showing(page), 'Showing 0 of 20,000 hosts');
  await page.close();
});

test('takes newer data without losing the place', async () => {
  const { page, complaints } = await visit(places.fleet);
  await drawn(page);
  const changed = Number(await page.textContent('#changed-count'));
  await page.focus('#grid');
  for (let i = 0; i < 10; i++) await page.keyboard.press('PageDown'); // far enough that what is above can get fewer
  const active = () => page.locator('#grid .cell.active').textContent();
  const top = () => page.evaluate(() => Math.round(document.querySelector('#grid .row.active')?.getBoundingClientRect().top ?? 0));
  const before = [await active(), await top()];
  const answers = /** @type {number[]} */ ([]);
  page.on('response', (r) => { if (r.url().endsWith('fleet.json')) answers.push(r.status()); });
  await Promise.all([page.waitForResponse((r) => r.url().endsWith('fleet.json')), look(page)]);
  await order('change');
  await page.waitForFunction((n) => { // until the second is over for which a Fleet serves
    document.dispatchEvent(new Event('visibilitychange'));
    return Number(document.getElementById('changed-count')?.textContent) > n;
  }, changed, { polling: 200 });
  assert.ok(answers.includes(304) && answers.includes(200), `answers ${answers}`);
  assert.deepEqual([await active(), await top()], before);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'grid');
  await page.click('#changed');
  assert.match(String(await showing(page)), /^Showing 12[0-9] of 20,000 hosts$/);
  await chip(page, 'refresh', 'silent').click();
  assert.match(String(await page.locator('#grid .body .operation').first().textContent()), /silentwas /);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('tells how old the data is, and that it is stale', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  assert.match(String(await page.textContent('#age')), /Answers are up to .* old.*workstations: swept .* ago in 2 min, every 15 min/);
  assert.equal(await page.locator('.late').count(), 0);
  await order('stall');
  await page.waitForFunction(() => {
    document.dispatchEvent(new Event('visibilitychange'));
    return document.querySelector('.late')?.textContent?.startsWith('! stale');
  }, undefined, { polling: 200 });
  await accessible(page);
  await page.close();
});

test('says when the server does not answer', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await page.route('**/fleet.json', (r) => r.abort());
  await look(page);
  await page.getByText('No fresh data').waitFor();
  await page.unroute('**/fleet.json');
  await look(page);
  await page.getByText('No fresh data').waitFor({ state: 'hidden' });
  await page.close();
});

test('is driven by the keyboard alone', async () => {
  const { page, complaints } = await visit(`${places.fleet}#sort=name`);
  await drawn(page);
  const active = () => page.locator('#grid .cell.active').textContent();
  const place = async () => Number(await page.locator('#grid .row.active').getAttribute('aria-rowindex'));
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'search');
  await page.keyboard.type('ws-0');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'grid');
  assert.equal(await place(), 2);
  await page.keyboard.press('ArrowDown');
  assert.equal(await place(), 3);
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('#grid .cell.active').getAttribute('aria-colindex'), '2');
  assert.equal(await page.getAttribute('#grid', 'aria-activedescendant'), await page.locator('#grid .cell.active').getAttribute('id'));
  await page.keyboard.press('End');
  assert.equal(await place(), 3, 'the end of the row');
  assert.ok(Number(await page.locator('#grid .cell.active').getAttribute('aria-colindex')) > 8);
  await page.keyboard.press('Home');
  assert.equal(await page.locator('#grid .cell.active').getAttribute('aria-colindex'), '1');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Control+End');
  assert.ok(await place() > 9000);
  assert.ok(await page.locator('#grid .row.active').isVisible());
  const box = await page.locator('#grid .row.active').boundingBox();
  assert.ok(box && box.y > 0 && box.y + box.height <= 900, 'the active row is in sight');
  assert.notEqual(await page.locator('#grid .cell.active').evaluate((c) => getComputedStyle(c).outlineStyle), 'none', 'the focus is visible');
  await accessible(page);
  await page.keyboard.press('PageUp');
  await page.keyboard.press('Control+Home');
  assert.equal(await place(), 2);
  await page.keyboard.press('ArrowRight');
  assert.match(String(await active()), /^\?unproven|^\.silentwas /);
  const top = await page.locator('#grid .row.active').boundingBox();
  const head = await page.locator('#grid .head').boundingBox();
  assert.ok(top && head && top.y >= head.y + head.height - 1, 'the header does not cover the active row');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/host/ws-00001.corp.example');
  await page.keyboard.press('Tab');
  await page.goBack();
  await drawn(page);
  assert.match(page.url(), /#q=ws-0&sort=name$/);
  await page.waitForFunction(() => document.activeElement?.id === 'grid');
  assert.equal(await place(), 2, 'the host that was opened is active again');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('comes back from a host to the same filters', async () => {
  const { page } = await visit(`${places.fleet}#q=ws-0123&refresh=unproven`);
  await drawn(page);
  await page.locator('#grid .name').first().click();
  await page.waitForURL('**/host/**');
  await page.click('#back');
  await drawn(page);
  assert.match(page.url(), /#q=ws-0123&refresh=unproven$/);
  await page.close();
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [1600, 1280, 1100, 1000, 700, 360]) {
    test(`is accessible and fits ${width} px, ${colorScheme}`, async () => {
      const { page, complaints } = await visit(places.small, { width, colorScheme });
      await drawn(page);
      await fits(page);
      const cut = await page.locator('#grid .body .cell:is(.operation, .rule, .asked)').evaluateAll((cells) => cells
        .filter((c) => [...c.querySelectorAll('.word')].some((w) => w.getBoundingClientRect().right > c.getBoundingClientRect().right)) // to a fraction of a pixel: that is when an ellipsis comes
        .map((c) => c.textContent));
      assert.deepEqual(cut, [], 'words are cut');
      await accessible(page);
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }
}

test('says that no host has been asked yet', async () => {
  const { page, complaints } = await visit(places.empty);
  await drawn(page);
  assert.ok(await page.getByText('No host has been asked yet.').isVisible());
  assert.match(String(await page.textContent('#age')), /first sweep under way/);
  await accessible(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('remembers the colours', async () => {
  const { page } = await visit(places.small);
  await drawn(page);
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await back();
  await page.click('#theme');
  assert.equal(await back(), light);
  await page.click('#theme');
  const dark = await back();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await back(), dark);
  assert.equal(await page.textContent('#theme'), 'Colours: dark');
  await page.click('#theme');
  await page.close();
});

test('prints the first thousand, and says so', async () => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await page.emulateMedia({ media: 'print' });
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.ok(await page.locator('#grid .body .row').count() >= 1000);
  assert.match(String(await page.textContent('#printed')), /first 1,000 of 20,000/);
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
  assert.ok(await page.locator('#grid .body .row').count() < 100);
  await page.close();
});

test('filters, sorts and scrolls at once', async (t) => {
  const { page } = await visit(places.fleet);
  await drawn(page);
  await timed(t, page, 'filter by status', () => { /** @type {HTMLElement} */ (document.querySelector('.chip.bad')).click(); });
  await timed(t, page, 'filter off', () => { /** @type {HTMLElement} */ (document.querySelector('.chip.bad')).click(); });
  await timed(t, page, 'search', () => {
    const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
    search.value = '1';
    search.dispatchEvent(new Event('input'));
  });
  await timed(t, page, 'search off', () => {
    const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
    search.value = '';
    search.dispatchEvent(new Event('input'));
  });
  await timed(t, page, 'sort by name, the first time', () => { /** @type {HTMLElement} */ (document.querySelector('[data-sort=name]')).click(); });
  await timed(t, page, 'sort by name, again', () => { /** @type {HTMLElement} */ (document.querySelector('[data-sort=name]')).click(); });
  await timed(t, page, 'sort by status', () => { /** @type {HTMLElement} */ (document.querySelector('[data-sort=refresh]')).click(); });
  await timed(t, page, 'scroll by 400,000 px', () => scrollTo(0, 400000));
  await page.close();
});
