// The page of one host, hosts with hostile names, and pages without a script.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from './browser.mjs';
import { accessible, drawn, fits, places, visit } from './setup.mjs';

/** @param {string} text */
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${/** @type {number} */ (c.codePointAt(0)).toString(16)}}`);
}

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [1280, 360]) {
    test(`a host is accessible and fits ${width} px, ${colorScheme}`, async () => {
      for (const host of ['default-firewall', 'port-taken', 'healthy-server', 'silent', 'wrong-host', 'mapper-wants-logon', 'alias', 'no-such-name']) {
        const { page, complaints } = await visit(`${places.small}host/${host}.demo.example`, { width, colorScheme });
        await fits(page);
        await accessible(page);
        assert.deepEqual(complaints, []);
        await page.close();
      }
    });
  }
}

test('shows the trail with times, reason, fix and identity', async () => {
  const { page } = await visit(`${places.small}host/reporting-gpo-only.demo.example`);
  const finding = page.locator('.finding', { hasText: 'RemoteTask-In-TCP' });
  assert.match(String(await finding.locator('h3').textContent()), /Remote Scheduled Tasks Management \(RPC\)\s+x\s+unreachable/);
  assert.match(String(await finding.locator('.trail li').last().textContent()), /connect\s+10\.77\.1\.5:49668\s+x\s+timeout\s+2\.\d\d s/);
  assert.match(String(await finding.locator('.ticket').textContent()), /host firewall\s+Schedule dynamic port: connect timeout/);
  assert.match(String(await page.textContent('.facts')), /10\.77\.1\.5.*reporting-gpo-only\.demo\.example.*10\.0\.22631.*from gpmc01/s);
  assert.equal(await page.locator('#ask').count(), 0, 'nothing can be asked here');
  await page.close();
});

test('tells where the steps with the credential begin', async () => {
  const { page, complaints } = await visit(`${places.logon}host/pipe-denied.demo.example`);
  const trail = page.locator('.finding', { hasText: 'RemoteEventLogSvc-NP-In-TCP' }).locator('.trail li');
  assert.deepEqual(await trail.evaluateAll((steps) => steps.slice(2, 6).map((s) => (s.querySelector('.stage') ?? s).textContent)),
    ['negotiate', 'with the credential, by kerberos', 'authenticate', 'connect']);
  assert.equal(await page.locator('.finding', { hasText: 'RPC-EPMAP' }).locator('.logon').count(), 0);
  await accessible(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('tells a reason that two operations share once', async () => {
  const { page } = await visit(`${places.logon}host/wmi-stopped.demo.example`);
  assert.match(String(await page.locator('.verdict').last().textContent()), /Remote gpupdate\s+x\s+unreachable\s+As for Group Policy Results\./);
  await page.close();
});

test('copies the line for PowerShell', async () => {
  const { page } = await visit(`${places.small}host/reporting-gpo-only.demo.example`);
  const finding = page.locator('.finding', { hasText: 'RemoteTask-In-TCP' });
  const line = String(await finding.locator('.line').textContent());
  await finding.locator('.copy').click();
  await finding.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), line);
  assert.match(line, /^Get-NetFirewallRule -Name 'RemoteTask-In-TCP','RemoteTask-In-TCP-NoScope' -ErrorAction SilentlyContinue \| Enable-NetFirewallRule$/);
  await page.evaluate(() => { // as over plain HTTP from another machine
    navigator.clipboard.writeText('');
    navigator.clipboard.writeText = () => Promise.reject(new Error('no'));
  });
  await page.locator('.finding', { hasText: 'WMI-WINMGMT' }).locator('.copy').click();
  await page.locator('.finding', { hasText: 'WMI-WINMGMT' }).getByText('Copied').waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^Get-NetFirewallRule -Name 'WMI/);
  await page.close();
});

test('asks a host anew, and shows what changed', async () => {
  const { page, complaints } = await visit(`${places.fleet}host/ws-00006.corp.example`);
  const [posted] = await Promise.all([page.waitForRequest((r) => r.method() === 'POST'), page.click('#ask')]);
  assert.equal(`${(await posted.allHeaders()).origin}/`, places.fleet, 'who asks shows in Origin, over plain HTTP too');
  await page.locator('.changes li').waitFor();
  assert.match(String(await page.textContent('.changes')), /Remote gpupdate\s+x\s+unreachable\s+.*became.*\?\s+unproven/s);
  assert.equal(page.url(), `${places.fleet}host/ws-00006.corp.example`);
  assert.match(String(await page.textContent('.facts')), /\((just now|\d s ago)\)/);
  await accessible(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('says in a sentence why a host may not be asked', async () => {
  const { page } = await visit(`${places.fleet}host/ws-00003.corp.example`);
  await page.click('#ask');
  assert.match(String(await page.getByRole('alert').textContent()), /not covered by allow/);
  await accessible(page);
  await page.click('#ask'); // the form still knows the way
  await page.getByRole('alert').waitFor();
  await page.goto(page.url()); // as one who loads the page anew
  assert.equal(page.url(), `${places.fleet}host/ws-00003.corp.example`);
  await page.close();
});

test('says what it does not know', async () => {
  const { page } = await visit(`${places.fleet}host/%3Cscript%3Ealert(1)%3C%2Fscript%3E`);
  assert.equal(await page.textContent('h1'), 'Not found');
  assert.match(String(await page.textContent('main')), /<script>alert\(1\)<\/script>/);
  await accessible(page);
  await page.click('#back');
  await drawn(page);
  await page.close();
});

test('hostile names are text and nothing else', async () => {
  const { page, complaints } = await visit(places.fleet);
  await drawn(page);
  const all = await page.evaluate(async () => (await (await fetch('data/fleet.json')).json()).hosts.map((/** @type {any} */ h) => h.name));
  const hostile = all.filter((/** @type {string} */ n) => !/^ws-\d{5}\.corp\.example$/.test(n));
  assert.equal(hostile.length, 12);
  const elements = new Set(await page.evaluate(() => [...document.querySelectorAll('*')].map((e) => e.tagName)));
  for (const name of hostile) {
    await page.goto(`${places.fleet}#${new URLSearchParams({ q: name.trim() })}`);
    await page.reload();
    await drawn(page);
    const row = page.locator('#grid .name', { hasText: visible(name) }).first();
    assert.equal(await row.textContent(), visible(name));
    for (const tag of await page.evaluate(() => [...document.querySelectorAll('*')].map((e) => e.tagName))) {
      assert.ok(elements.has(tag), `${tag} appeared with ${name}`);
    }
    await fits(page);
    await row.click();
    await page.waitForURL('**/host/**');
    assert.equal(await page.textContent('h1'), visible(name));
    assert.equal(await page.locator('img, iframe, svg:not(.logo), script:not([src])').count(), 0);
    assert.equal(await page.evaluate(() => getComputedStyle(/** @type {Element} */ (document.querySelector('h1 bdi'))).unicodeBidi), 'isolate');
    await fits(page);
  }
  assert.deepEqual(complaints, []);
  await page.close();
});

test('hostile names fit 360 px and are accessible', async () => {
  const { page, complaints } = await visit(`${places.fleet}#q=long`, { width: 360 });
  await drawn(page);
  await fits(page);
  await accessible(page);
  await page.locator('#grid .name').first().click();
  await page.waitForURL('**/host/**');
  await fits(page);
  assert.deepEqual(complaints, []);
  await page.close();
});

test('a host with a hostile name can be asked', async () => {
  const { page, complaints } = await visit(`${places.fleet}host/${encodeURIComponent('fe80::1%eth0')}`);
  await page.click('#ask');
  await page.locator('.changes li').waitFor();
  assert.equal(await page.textContent('h1'), 'fe80::1%eth0');
  assert.deepEqual(complaints, []);
  await page.close();
});

test('works without a script', async () => {
  const { context, close } = await launch({ javaScriptEnabled: false });
  const { page, complaints } = await visit(places.fleet, { context, width: 360 });
  assert.match(String(await page.textContent('.plain')), /20000 hosts, asked from gpmc01/);
  assert.equal(await page.locator('.plain .scroll tbody tr').count(), 300);
  assert.match(await page.locator('.plain').innerText(), /Whose ticket is it\?.*Showing 300 of 20000\. The worst stand first\./s);
  assert.ok(!await page.locator('#matrix').isVisible());
  assert.equal(await page.locator('.plain .scroll td.bad').first().textContent(), 'x unreachable', 'the worst first');
  const worst = await page.locator('.plain .scroll a').first().textContent();
  await page.locator('.plain .scroll a').first().click();
  assert.equal(await page.textContent('h1'), worst);
  assert.ok(await page.locator('.trail').first().isVisible());
  assert.ok(!await page.locator('.copy').first().isVisible());
  await page.click('#ask');
  assert.ok(await page.locator('.changes').isVisible());
  const report = await visit(places.smallReport, { context });
  assert.equal(await report.page.locator('.plain .scroll tbody tr').count(), 27);
  assert.deepEqual([...complaints, ...report.complaints], []);
  await close();
});
