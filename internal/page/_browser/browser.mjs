// Debian's Chromium, with a profile that goes when it does.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** @param {import('playwright-core').BrowserContextOptions} [options] */
export async function launch(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'gpreach-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.GPREACH_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
