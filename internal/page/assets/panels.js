// What stands around the matrix: hosts by status, and causes. Both filter it.
import { count, el, marked, number, signOf, splitFix, statuses, titleOf, visible } from './text.js';
import { causeKey } from './model.js';
import { copyButtons, pasting } from './copy.js';

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./model.js').Cause} Cause */
/** @typedef {import('./view.js').View} View */

export class Operations {
  /** @param {HTMLElement} root @param {(operation: string, status: string) => void} toggle */
  constructor(root, toggle) {
    this.root = root;
    this.toggle = toggle;
    this.made = '';
    /** @type {Record<string, {button: HTMLButtonElement, n: HTMLElement, part: HTMLElement}[]>} */
    this.chips = {};
  }

  /** @param {Model} model @param {View} view @param {number[][]} counts */
  show(model, view, counts) {
    if (this.made !== model.fleet.operations.join()) this.#make(model.fleet.operations);
    model.fleet.operations.forEach((op, i) => {
      this.chips[op].forEach(({ button, n, part }, s) => {
        button.setAttribute('aria-pressed', String(view.status[op].has(statuses[s])));
        button.classList.toggle('none-left', counts[i][s] === 0);
        n.textContent = number(counts[i][s]);
        part.style.flexGrow = String(counts[i][s]);
        part.hidden = counts[i][s] === 0;
      });
    });
  }

  /** @param {string[]} operations */
  #make(operations) {
    this.made = operations.join();
    this.root.replaceChildren(...operations.map((op) => {
      this.chips[op] = statuses.map((status) => {
        const n = el('b', { class: 'number' });
        const button = el('button', { type: 'button', class: `chip ${signOf(status).cls}`, 'aria-pressed': 'false' }, marked(status), ' ', n);
        button.addEventListener('click', () => this.toggle(op, status));
        return { button, n, part: el('span', { class: signOf(status).cls }) };
      });
      return el('section', { class: 'panel' },
        el('h2', { id: `title-${op}` }, titleOf(op), ' ', el('code', {}, op)),
        el('div', { class: 'share', 'aria-hidden': 'true' }, ...this.chips[op].map((c) => c.part)),
        el('div', { class: 'chips', role: 'group', 'aria-labelledby': `title-${op}` }, ...this.chips[op].map((c) => c.button)));
    }));
  }
}

export class Causes {
  /** @param {HTMLElement} root @param {(key: string) => void} choose */
  constructor(root, choose) {
    this.root = root;
    this.choose = choose;
    this.shown = ''; // the causes, in JSON: what is parsed anew is never the same object
    this.chosen = '';
  }

  /** @param {Model} model @param {View} view */
  show(model, view) {
    const causes = JSON.stringify(model.fleet.causes);
    if (this.shown === causes && this.chosen === view.cause) return;
    const focused = this.#focused();
    this.shown = causes;
    this.chosen = view.cause;
    /** @type {Map<string, Cause[]>} */
    const owners = new Map();
    const gone = this.#gone(model.fleet.causes);
    if (gone) owners.set(gone.owner, [gone]);
    for (const cause of model.fleet.causes) owners.set(cause.owner, [...(owners.get(cause.owner) ?? []), cause]);
    this.root.replaceChildren(...[...owners].map(([owner, causes]) => el('section', { class: 'owner' },
      el('h3', {}, visible(owner)),
      el('ul', { role: 'list' }, ...causes.map((c) => this.#item(c, c === gone ? this.chosen : causeKey(c)))))));
    if (!owners.size) this.root.replaceChildren(el('p', { class: 'empty' }, 'Nothing fails.'));
    copyButtons(this.root);
    if (focused) /** @type {HTMLElement | null} */ (this.root.querySelector(focused))?.focus({ preventScroll: true });
  }

  /** The chosen cause as one without hosts, where no host fails by it any more. @param {Cause[]} causes @returns {Cause | undefined} */
  #gone(causes) {
    if (!this.chosen || causes.some((c) => causeKey(c) === this.chosen)) return undefined;
    const [owner, ...text] = this.chosen.slice(0, 300).split(': ');
    const cause = text.length ? { owner, text: text.join(': ') } : { owner: 'cause', text: owner };
    return { ...cause, hosts: 0, fix: '', where: '', reason: `No host fails by ${cause.text} any more.` };
  }

  /** What finds the focused element again when all are made anew: "" when none is. */
  #focused() {
    const e = document.activeElement;
    if (!(e instanceof HTMLElement) || !this.root.contains(e)) return '';
    if (e.dataset.cause !== undefined) return `[data-cause="${CSS.escape(e.dataset.cause)}"]`;
    return e.matches('.copy') ? '.chosen .copy' : e.matches('.line') ? '.chosen .line' : '';
  }

  /** @param {Cause} cause @param {string} key */
  #item(cause, key) {
    const chosen = key === this.chosen;
    const button = el('button', { type: 'button', class: 'cause', 'aria-pressed': String(chosen), 'data-cause': key },
      el('span', { class: 'text' }, visible(cause.text)), el('b', { class: 'number' }, number(cause.hosts)), el('span', { class: 'unseen' }, cause.hosts === 1 ? ' host' : ' hosts'));
    button.addEventListener('click', () => this.choose(chosen ? '' : key));
    return chosen ? el('li', { class: 'chosen' }, button, this.#detail(cause)) : el('li', {}, button);
  }

  /** @param {Cause} cause */
  #detail(cause) {
    const [advice, line] = splitFix(cause.fix);
    const detail = el('div', { class: 'detail' }, el('p', {}, visible([cause.reason, cause.where].filter(Boolean).join(' '))));
    if (advice) detail.append(el('p', {}, el('b', {}, 'Fix: '), visible(advice)));
    if (line) detail.append(pasting(line));
    return detail;
  }
}

/** "Showing N of M". @param {number} n @param {number} of */
export function showing(n, of) {
  return n === of ? `Showing all ${count(of, 'host')}` : `Showing ${number(n)} of ${count(of, 'host')}`;
}
