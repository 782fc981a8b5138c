// The page of one host: it is whole without this.
import { ago, byId, el, themeButton } from './text.js';
import { copyButtons } from './copy.js';

themeButton();
copyButtons(document);

const back = document.getElementById('back');
if (back instanceof HTMLAnchorElement) {
  try {
    back.hash = sessionStorage.getItem('gpreach-view') ?? ''; // the filters that it was opened from
  } catch { /* no storage here */ }
}

const asked = document.querySelector('.facts time');
if (asked instanceof HTMLTimeElement) {
  const age = el('span', { class: 'ago' });
  asked.after(age);
  // The server's clock tells the age. A page that the browser kept tells an old time, and only the browser's clock is left.
  const navigation = /** @type {PerformanceNavigationTiming | undefined} */ (performance.getEntriesByType('navigation')[0]);
  const served = Date.parse(document.querySelector('main')?.dataset.now ?? '');
  const skew = served && navigation?.type !== 'back_forward' ? served - Date.now() : 0;
  const tell = () => { age.textContent = ` (${ago(Date.now() + skew - Date.parse(asked.dateTime))})`; };
  tell();
  setInterval(tell, 5000);
}

const ask = document.getElementById('ask');
if (ask instanceof HTMLButtonElement) {
  ask.form?.addEventListener('submit', () => {
    setTimeout(() => { ask.disabled = true; }); // after the form has gone
    ask.textContent = 'Asking ...';
  });
  addEventListener('pageshow', () => { // also when the browser comes back to it
    ask.disabled = false;
    ask.textContent = 'Probe now';
  });
}
byId('age').hidden = true;
byId('from').hidden = true;
