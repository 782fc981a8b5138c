// The served page: the fleet comes from the server, again and again, and a host has a page of its own.
import { byId, visible } from './text.js';
import { App, measure } from './app.js';

const every = 15000;
const patience = 12000; // for a whole answer
const url = 'data/fleet.json';
let tag = '';
let busy = false;
/** @type {App | null} */
let app = null;

/** @param {string} text "" when all is well */
function notice(text) {
  byId('notice').hidden = !text;
  if (byId('notice').textContent !== text) byId('notice').textContent = text;
}

async function refresh() {
  if (busy) return;
  busy = true;
  await load().finally(() => { busy = false; });
}

/**
 * Asks the server. Throws when there is no whole answer.
 * @returns {Promise<{date: number, refused: string, tag: string, fleet: import('./model.js').Fleet | null}>} without a fleet when it is still the same
 */
async function ask() {
  const answer = await fetch(url, { headers: tag ? { 'If-None-Match': tag } : {}, cache: 'no-store', signal: AbortSignal.timeout(patience) });
  const date = Date.parse(answer.headers.get('Date') ?? '');
  const result = { date, refused: '', tag: answer.headers.get('ETag') ?? '', fleet: null };
  if (answer.status === 304) return result;
  const text = await answer.text();
  if (answer.ok) return { ...result, fleet: measure('parse', () => JSON.parse(text)) };
  const said = answer.headers.get('Content-Type')?.startsWith('text/plain') ? text.trim().slice(0, 300) : answer.statusText;
  return { ...result, refused: `gpreach answers ${answer.status}${said ? `: ${visible(said)}` : ''}` };
}

async function load() {
  const older = app ? 'What is shown gets older.' : 'It is asked again every 15 seconds.';
  const answer = await ask().catch(() => null);
  if (!answer) return notice(`No fresh data: gpreach does not answer. ${older}`);
  const skew = answer.date ? answer.date - Date.now() : 0;
  if (app) app.skew = skew;
  if (answer.refused) return notice(`No fresh data: ${answer.refused.replace(/\.?$/, '.')} ${older}`);
  notice('');
  if (!answer.fleet) return;
  tag = answer.tag;
  if (app) return app.update(answer.fleet);
  app = new App(answer.fleet, { link: (name) => `host/${encodeURIComponent(name)}`, open, skew, idle: 'Nothing is swept; only /probe answers.' });
  const left = history.state;
  if (left?.scrolled) scrollTo({ top: left.scrolled, behavior: 'instant' });
  if (typeof left?.active === 'string') app.grid.resume(left.active, Number(left.column) || 0);
}

/** @param {string} name */
function open(name) {
  location.assign(`host/${encodeURIComponent(name)}`);
}

addEventListener('pagehide', () => {
  history.replaceState({ scrolled: scrollY, ...app?.grid.held() }, '');
  try {
    sessionStorage.setItem('gpreach-view', location.hash);
  } catch { /* no storage: the way back shows all hosts */ }
});
// Nobody looks at a page in the background; one that is looked at again is brought up to date at once.
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
setInterval(() => { if (!document.hidden) refresh(); }, every);
refresh();
