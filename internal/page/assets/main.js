// The served page: the fleet comes from the server, again and again, and a host has a page of its own.
import { byId } from './text.js';
import { App, measure } from './app.js';

const every = 15000;
const url = 'data/fleet.json';
let tag = '';
let busy = false;
/** @type {App | null} */
let app = null;

/** @param {string} text "" when all is well */
function notice(text) {
  byId('notice').hidden = !text;
  byId('notice').textContent = text;
}

async function refresh() {
  if (busy) return;
  busy = true;
  await load().finally(() => { busy = false; });
}

async function load() {
  let answer;
  try {
    answer = await fetch(url, { headers: tag ? { 'If-None-Match': tag } : {}, cache: 'no-store' });
  } catch {
    answer = null;
  }
  const date = Date.parse(answer?.headers.get('Date') ?? '');
  if (app && date) app.skew = date - Date.now();
  if (answer?.status === 304) return notice('');
  if (!answer?.ok) return notice('No fresh data: gpreach does not answer. What is shown gets older.');
  const text = await answer.text();
  const fleet = measure('parse', () => JSON.parse(text));
  tag = answer.headers.get('ETag') ?? '';
  notice('');
  if (app) return app.update(fleet);
  app = new App(fleet, { link: (name) => `host/${encodeURIComponent(name)}`, open });
  if (date) app.skew = date - Date.now();
  const scrolled = history.state?.scrolled;
  if (scrolled) scrollTo({ top: scrolled, behavior: 'instant' });
}

/** @param {string} name */
function open(name) {
  location.assign(`host/${encodeURIComponent(name)}`);
}

addEventListener('pagehide', () => {
  history.replaceState({ scrolled: scrollY }, '');
  try {
    sessionStorage.setItem('gpreach-view', location.hash);
  } catch { /* no storage: the way back shows all hosts */ }
});
// Nobody looks at a page in the background; one that is looked at again is brought up to date at once.
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
setInterval(() => { if (!document.hidden) refresh(); }, every);
refresh();
