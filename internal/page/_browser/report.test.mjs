// The report: one file, opened from the disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { accessible, drawn, fits, places, showing, visit } from './setup.mjs';

test('a report of 20,000 hosts opens from the disk', async (t) => {
  const { page, complaints } = await visit(places.fleetReport);
  await drawn(page);
  assert.equal(await showing(page), 'Showing all 20,000 hosts');
  const times = await page.evaluate(() => performance.getEntriesByType('measure').map((m) => `${m.name} ${m.duration.toFixed(1)} ms`).join(', '));
  t.diagnostic(`${(statSync(fileURLToPath(places.fleetReport)).size / 1e6).toFixed(1)} MB; ${times}`);
  await page.locator('.chip.bad').first().click();
  assert.match(String(await showing(page)), /^Showing \d,\d+ of 20,000 hosts$/);
  assert.ok(!await page.locator('#changed').isVisible(), 'a report has no sweep before it');
  await accessible(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a report opens a host in place, and goes back', async (t) => {
  const { page, complaints } = await visit(places.fleetReport);
  await drawn(page);
  await page.locator('.chip.open').first().click(); // whose WMI has a command to copy
  await page.fill('#search', 'ws-1');
  await page.locator('#grid').focus();
  await page.keyboard.press('PageDown');
  const scrolled = await page.evaluate(() => scrollY);
  const active = await page.locator('.row.active .name').textContent();
  await page.keyboard.press('Enter');
  await page.locator('#ladder h1').waitFor();
  assert.equal(await page.textContent('#ladder h1'), active);
  assert.match(page.url(), /#q=ws-1&rsop=unproven&host=ws-1/);
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1');
  t.diagnostic(String(await page.evaluate(() => performance.getEntriesByName('gpreach open').map((m) => `drawn in ${m.duration.toFixed(1)} ms`))));
  await accessible(page);
  await page.locator('.copy').first().click();
  await page.getByText('Copied').waitFor();
  await page.goBack();
  await page.locator('#matrix').waitFor();
  assert.match(page.url(), /#q=ws-1&rsop=unproven$/);
  assert.equal(await page.evaluate(() => scrollY), scrolled);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'grid');
  await page.goForward();
  await page.locator('#ladder h1').waitFor();
  await page.click('#back');
  await page.locator('#matrix').waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`a report is accessible and fits 360 px, ${colorScheme}`, async () => {
    const { page, complaints } = await visit(`${places.smallReport}#host=port-taken.demo.example`, { width: 360, colorScheme });
    await page.locator('#ladder h1').waitFor();
    await fits(page);
    await accessible(page);
    await page.click('#back');
    await drawn(page);
    await fits(page);
    await accessible(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

test('a report says what it does not have', async () => {
  const { page, complaints } = await visit(`${places.smallReport}#host=nobody`);
  await page.getByText('nobody is not in this report.').waitFor();
  const empty = await visit(places.emptyReport);
  await drawn(empty.page);
  assert.ok(await empty.page.getByText('No host has been asked yet.').isVisible());
  assert.deepEqual([...complaints, ...empty.complaints], []);
  await page.close();
  await empty.page.close();
});

test('a report takes hostile names for text', async () => {
  const { page, complaints } = await visit(`${places.fleetReport}#q=script`);
  await drawn(page);
  for (let i = 0; i < await page.locator('#grid .name').count(); i++) {
    const name = await page.locator('#grid .name').nth(i).textContent();
    await page.locator('#grid .name').nth(i).click();
    await page.locator('#ladder h1').waitFor();
    assert.equal(await page.textContent('#ladder h1'), name);
    assert.equal(await page.locator('main img, main iframe, main svg, main script').count(), 0);
    await page.click('#back');
    await page.locator('#matrix').waitFor();
  }
  assert.deepEqual(complaints, []);
  await page.close();
});

// What the server's template draws and what the report's script draws are the same, element by element.
for (const [fleet, size] of /** @type {const} */ ([['small', 27], ['logon', 31]])) test(`both ladders are the same, ${fleet}`, async () => {
  const { page: served } = await visit(places[fleet]);
  const { page: report } = await visit(places[`${fleet}Report`]);
  await drawn(report);
  const names = await served.evaluate(async () => (await (await fetch('data/fleet.json')).json()).hosts.map((/** @type {any} */ h) => h.name));
  assert.equal(names.length, size);
  const outline = `(root) => {
    const lines = [];
    const served = (node) => node instanceof Element && node.matches('nav, form, .changes');
    const walk = (node, depth) => {
      if (node.nodeType === Node.TEXT_NODE) {
        const text = node.data.replace(/\\s+/g, ' ').trim();
        if (text) lines.push(depth + text);
      } else if (node.nodeType === Node.ELEMENT_NODE) {
        if (node.classList.contains('copy')) node.hidden = true;
        lines.push(depth + node.tagName + ' ' + [...node.attributes].map((a) => a.name + '=' + a.value).sort().join(' '));
        for (const child of node.childNodes) if (!served(child)) walk(child, depth + ' ');
      }
    };
    for (const child of root.children) if (!served(child)) walk(child, '');
    return lines.join('\\n').replace(/(datetime=\\S+?)\\.?0*Z/g, '$1Z');
  }`;
  for (const name of names) {
    const byServer = await served.evaluate(`fetch('host/' + ${JSON.stringify(encodeURIComponent(name))}).then((r) => r.text())
      .then((text) => (${outline})(new DOMParser().parseFromString(text, 'text/html').querySelector('main')))`);
    await report.evaluate((n) => { location.hash = `host=${n}`; }, name);
    await report.waitForFunction((n) => document.querySelector('#ladder h1')?.textContent === n, name);
    const byScript = await report.evaluate(`(${outline})(document.getElementById('ladder'))`);
    assert.equal(byScript, byServer);
  }
  await served.close();
  await report.close();
});
