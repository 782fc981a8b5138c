// Takes screenshots, for people to look at: node shot.mjs URL FILE [WIDTH] [light|dark] [full] [SCRIPT]
import { launch } from './browser.mjs';

const [url, file, width = '1280', colorScheme = 'light', full = '', script = ''] = process.argv.slice(2);
const { context, close } = await launch();
const page = await context.newPage();
await page.setViewportSize({ width: Number(width), height: 900 });
await page.emulateMedia({ colorScheme: colorScheme === 'dark' ? 'dark' : 'light' });
page.on('console', (m) => console.log(m.type(), m.text()));
page.on('pageerror', (e) => console.log(e));
await page.goto(url);
await page.waitForTimeout(700);
if (script) await page.evaluate(script);
await page.waitForTimeout(300);
await page.screenshot({ path: file, fullPage: full === 'full' });
await close();
