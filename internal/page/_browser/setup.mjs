// What all tests share: a fleet that is served, a browser, and pages that are watched.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// The server is a Go test, which ends with its standard input.
const server = spawn(process.env.GPREACH_PAGE_TEST ?? './page.test', ['-test.run', '^TestServe$', '-test.timeout', '20m'], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
const nextLine = async () => String((await lines.next()).value);

/** Where the fleets are served: fleet of 20,000 hosts, small, empty; and the same as reports. @type {Record<string, string>} */
export const places = JSON.parse(await nextLine());

/** Has the fleet change. @param {'change' | 'stall'} what */
export async function order(what) {
  server.stdin.write(`${what}\n`);
  assert.equal(await nextLine(), 'done');
}

export const browser = await launch({ permissions: ['clipboard-read', 'clipboard-write'], reducedMotion: 'reduce' });

export async function close() {
  await browser.close();
  server.stdin.end();
}

/**
 * Opens a page and watches it: what it complains about, and whom it asks.
 * @param {string} url
 * @param {{width?: number, height?: number, colorScheme?: 'light' | 'dark', context?: import('playwright-core').BrowserContext}} [options]
 */
export async function visit(url, { width = 1280, height = 900, colorScheme = 'light', context = browser.context } = {}) {
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) complaints.push(`${m.type()}: ${m.text()}`); });
  page.on('pageerror', (e) => complaints.push(`error: ${e.message}`));
  page.on('dialog', (d) => { complaints.push(`dialog: ${d.message()}`); d.dismiss(); });
  page.on('request', (r) => {
    const { origin, protocol } = new URL(r.url());
    const own = protocol === 'data:' || (url.startsWith('file:') ? r.url().split('#')[0] === url.split('#')[0] : origin === new URL(url).origin);
    if (!own) complaints.push(`request to ${r.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.goto(url);
  return { page, complaints };
}

/** Waits until the matrix is drawn. @param {import('playwright-core').Page} page */
export async function drawn(page) {
  await page.waitForFunction(() => document.getElementById('showing')?.textContent?.startsWith('Showing'));
  return page;
}

/** Has axe look at the page as it stands. @param {import('playwright-core').Page} page */
export async function accessible(page) {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(async () => {
    const { axe } = /** @type {any} */ (window);
    const found = await axe.run(document, { resultTypes: ['violations'] });
    return found.violations.map((/** @type {any} */ v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((/** @type {any} */ n) => n.html + n.failureSummary).join('\n')}`);
  });
  assert.deepEqual(violations, []);
}

/** Has the page no more to the right than its width. @param {import('playwright-core').Page} page */
export async function fits(page) {
  assert.equal(await page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth)), 0, 'the page scrolls sideways');
}

/** The "showing" sentence. @param {import('playwright-core').Page} page */
export function showing(page) {
  return page.textContent('#showing');
}

/** The names in sight, in order. @param {import('playwright-core').Page} page @param {number} n */
export async function names(page, n) {
  return (await page.locator('#grid .body .name').allTextContents()).slice(0, n);
}
