// How things are said and made: words with marks, times, numbers, elements.

/** @typedef {{mark: string, cls: string}} Sign */

/** The statuses, best first. */
export const statuses = ['ready', 'unproven', 'silent', 'denied', 'unreachable'];
/** The verdicts, best first; of a rule that was reached, "granted" and "denied" say what a credential proved. */
export const verdicts = ['granted', 'reachable', 'unknown', 'denied', 'unreachable'];

/** @type {Record<string, Sign>} */
const signs = {
  ready: { mark: '+', cls: 'good' },
  granted: { mark: '+', cls: 'good' },
  reachable: { mark: '+', cls: 'good' },
  unproven: { mark: '?', cls: 'open' },
  unknown: { mark: '?', cls: 'open' },
  silent: { mark: '.', cls: 'quiet' },
  denied: { mark: '!', cls: 'denied' },
  unreachable: { mark: 'x', cls: 'bad' },
};

/** @param {string} word @returns {Sign} */
export function signOf(word) {
  return signs[word] ?? { mark: '', cls: 'none' };
}

/** @param {string} operation */
export function titleOf(operation) {
  return { rsop: 'Group Policy Results', refresh: 'Remote gpupdate' }[operation] ?? visible(operation);
}

// As in document.go: what would not be seen, or would turn other text around.
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** @param {string} text */
export function visible(text) {
  return text.replace(unseen, (c) => `\\u{${/** @type {number} */ (c.codePointAt(0)).toString(16)}}`);
}

const numbers = new Intl.NumberFormat('en');

/** @param {number} n */
export function number(n) {
  return numbers.format(n);
}

/** @param {number} n @param {string} noun */
export function count(n, noun) {
  return `${number(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** How long something is or was, in one unit. @param {number} ms */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** How long ago something was. @param {number} ms */
export function ago(ms) {
  return ms < 1000 ? 'just now' : `${span(ms)} ago`;
}

/**
 * Makes an element. Text is set as text: nothing is ever parsed.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(name, '');
    else if (value !== false) e.setAttribute(name, String(value));
  }
  e.append(...children);
  return e;
}

/** A word behind its mark. @param {string} word */
export function marked(word) {
  const { mark, cls } = signOf(word);
  return el('span', { class: `word ${cls}` }, el('span', { class: 'mark', 'aria-hidden': 'true' }, mark), ` ${visible(word)}`);
}

/** A fix as what is read and what is pasted: probe.RunOnHost stands between. @param {string} fix */
export function splitFix(fix) {
  const between = 'run this on the host: ';
  const at = fix.indexOf(between);
  return at < 0 ? [fix, ''] : [fix.slice(0, at) + between.trim(), fix.slice(at + between.length)];
}

/** An element that must be there. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const e = document.getElementById(id);
  if (!e) throw new Error(`no element ${id}`);
  return e;
}

/** The button that goes through the colours: the system's, light, dark. */
export function themeButton() {
  const names = { auto: 'as the system has them', light: 'always light', dark: 'always dark' };
  const button = byId('theme');
  const root = document.documentElement;
  const show = () => {
    const theme = /** @type {keyof typeof names} */ (root.dataset.theme ?? 'auto');
    button.textContent = `Colours: ${theme}`;
    button.title = names[theme];
  };
  button.addEventListener('click', () => {
    const next = /** @type {Record<string, string>} */ ({ auto: 'light', light: 'dark', dark: 'auto' })[root.dataset.theme ?? 'auto'];
    if (next === 'auto') delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem('gpreach-theme', next);
    } catch { /* not remembered, then */ }
    show();
  });
  show();
}
