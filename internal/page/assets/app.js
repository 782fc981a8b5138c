// The page of the whole fleet: what is chosen, and what shows it. Served page and report differ only in where the fleet comes
// from and in how a host is opened.
import { ago, byId, count, el, span, statuses, themeButton, titleOf, visible } from './text.js';
import { Model } from './model.js';
import { filters, readView, writeView } from './view.js';
import { Grid } from './grid.js';
import { Causes, Operations, showing } from './panels.js';

/** @typedef {import('./model.js').Fleet} Fleet */

export class App {
  /** @param {Fleet} fleet @param {{link: (name: string) => string, open: (name: string) => void, skew?: number, idle?: string}} use what there is to say where nothing is swept is idle */
  constructor(fleet, use) {
    this.idle = use.idle ?? '';
    this.aged = '';
    this.filtered = '';
    this.skew = use.skew ?? 0; // how far the clock of who asked is before ours
    this.model = new Model(fleet);
    this.view = readView(location.hash, fleet.operations);
    this.search = /** @type {HTMLInputElement} */ (byId('search'));
    this.grid = new Grid(byId('grid'), {
      link: use.link, open: use.open, sort: (column) => this.#sort(column), age: (asked) => this.now() - asked,
    });
    this.operations = new Operations(byId('operations'), (op, status) => {
      const chosen = this.view.status[op];
      if (!chosen.delete(status)) chosen.add(status);
      this.#changed();
    });
    this.causes = new Causes(byId('cause-list'), (key) => { this.view.cause = key; this.#changed(); });
    this.#listen();
    themeButton();
    this.search.value = this.view.query;
    if (matchMedia('(max-width: 64rem)').matches) byId('causes').removeAttribute('open');
    this.show();
    setInterval(() => { this.#ages(); this.grid.redate(); }, 5000);
  }

  now() {
    return Date.now() + this.skew;
  }

  /** Takes newer data, and leaves alone what the user looks at. @param {Fleet} fleet */
  update(fleet) {
    measure('index', () => { this.model = new Model(fleet); });
    for (const op of fleet.operations) this.view.status[op] ??= new Set();
    this.show(true);
  }

  /** Shows the fleet as chosen. @param {boolean} newer whether it is the data that changed, and not the choice */
  show(newer = false) {
    const { rows, counts, changed } = measure('filter', () => this.model.select(this.view));
    this.#tell(rows.length, changed);
    measure('draw', () => {
      this.grid.show(this.model, rows, this.view, newer);
      this.operations.show(this.model, this.view, counts);
      this.causes.show(this.model, this.view);
    });
    this.grid.explain(rows.length ? '' : this.#nothing());
    this.#ages();
  }

  /** Why no host is shown. */
  #nothing() {
    if (this.model.hosts.length) return `No host passes ${this.#filters().length > 1 ? 'all of the filters' : 'the filter'} above.`;
    return (!this.model.fleet.sweeps.length && this.idle) || 'No host has been asked yet.';
  }

  /** Tells above the rows what they are; first, since the header sticks below it. @param {number} shown @param {number} changed */
  #tell(shown, changed) {
    const total = this.model.hosts.length;
    const sentence = showing(shown, total);
    if (byId('showing').textContent !== sentence) byId('showing').textContent = sentence; // a status is read out when it is set
    byId('clear').hidden = !filters(this.view);
    this.#list();
    byId('changed').hidden = !this.model.fleet.sweeps.length && !this.view.changed;
    byId('changed').setAttribute('aria-pressed', String(this.view.changed));
    byId('changed-count').textContent = String(changed);
    byId('from').replaceChildren(el('b', {}, count(total, 'host')), ' asked from ', el('b', {}, visible(this.model.fleet.vantage)));
  }

  #changed() {
    const at = writeView(this.view);
    history.replaceState(history.state, '', at || location.pathname + location.search);
    this.show();
  }

  /** @param {string} column */
  #sort(column) {
    const worstFirst = column !== 'name' && column !== 'address';
    const v = this.view;
    if (v.sort !== column) Object.assign(v, { sort: column, down: worstFirst });
    else if (v.down === worstFirst) v.down = !worstFirst;
    else Object.assign(v, { sort: '', down: false }); // a third time: the worst first
    this.#changed();
  }

  /** What leaves hosts out, as it is told, and how each of it is given up. @returns {{text: string, off: () => void}[]} */
  #filters() {
    const v = this.view;
    const all = [];
    if (v.query.trim()) all.push({ text: `search: ${v.query.trim()}`, off: () => { v.query = this.search.value = ''; } });
    for (const [op, chosen] of Object.entries(v.status)) {
      if (chosen.size) all.push({ text: `${titleOf(op)}: ${statuses.filter((s) => chosen.has(s)).join(' or ')}`, off: () => chosen.clear() });
    }
    if (v.cause) all.push({ text: `cause: ${v.cause}`, off: () => { v.cause = ''; } });
    if (v.changed) all.push({ text: 'changed since last sweep', off: () => { v.changed = false; } });
    return all;
  }

  /** Lists the filters, each with a way out of it. */
  #list() {
    const all = this.#filters();
    const text = JSON.stringify(all.map((f) => f.text));
    if (this.filtered === text) return;
    this.filtered = text;
    const root = byId('filters');
    root.hidden = !all.length;
    root.replaceChildren(...all.map(({ text, off }) => {
      const button = el('button', { type: 'button', class: 'quiet-button' }, el('span', { class: 'unseen' }, 'Remove filter '),
        el('span', { class: 'text' }, visible(text)), el('span', { 'aria-hidden': 'true' }, ' ×'));
      button.addEventListener('click', () => {
        off();
        this.#changed();
        (root.querySelector('button') ?? this.search).focus();
      });
      return el('li', {}, button);
    }));
  }

  #clear() {
    this.view = { ...readView('', this.model.fleet.operations), sort: this.view.sort, down: this.view.down };
    this.search.value = '';
    this.#changed();
  }

  #listen() {
    this.search.addEventListener('input', () => { this.view.query = this.search.value; this.#changed(); });
    this.search.addEventListener('keydown', (e) => {
      if (e.key === 'Escape' && this.search.value) {
        this.search.value = '';
        this.view.query = '';
        this.#changed();
      } else if (e.key === 'Enter' || e.key === 'ArrowDown') {
        this.grid.root.focus({ preventScroll: true });
        this.grid.move(0, 0);
      } else {
        return;
      }
      e.preventDefault();
    });
    byId('changed').addEventListener('click', () => { this.view.changed = !this.view.changed; this.#changed(); });
    byId('skip').addEventListener('click', (e) => { // the address keeps the filters
      e.preventDefault();
      this.grid.root.focus();
    });
    byId('clear').addEventListener('click', () => { this.#clear(); this.search.focus(); });
    addEventListener('keydown', (e) => {
      if (e.key !== '/' || e.ctrlKey || e.altKey || e.metaKey || e.target instanceof HTMLInputElement || byId('matrix').hidden) return;
      e.preventDefault();
      this.search.focus();
      this.search.select();
    });
    addEventListener('hashchange', () => {
      this.view = readView(location.hash, this.model.fleet.operations);
      this.search.value = this.view.query;
      this.show();
    });
  }

  /** Tells how old the data is, and which sweep is late. */
  #ages() {
    const { fleet, newest, oldest, hosts } = this.model;
    const parts = [];
    if (hosts.length) {
      const old = Math.max(1000, this.now() - oldest);
      parts.push(el('span', {}, `Answers are ${span(this.now() - newest) === span(old) ? '' : 'up to '}${span(old)} old`));
    }
    for (const s of fleet.sweeps) {
      const finished = Date.parse(s.finished);
      const every = s.interval / 1e6;
      const late = finished > 0 && this.now() - finished > 2 * Math.max(every, s.took / 1e6);
      const state = finished > 0 ? `swept ${ago(this.now() - finished)} in ${span(s.took / 1e6)}` : 'first sweep under way';
      parts.push(el('span', { class: late ? 'sweep late' : 'sweep' }, late ? el('b', {}, '! stale ') : '', `${visible(s.name)}: ${state}, every ${span(every)}`));
    }
    const text = parts.map((p) => p.textContent).join();
    if (this.aged === text) return;
    this.aged = text;
    byId('age').replaceChildren(...parts);
  }
}

/**
 * Runs a part of the work, and leaves its time where the browser's tools show it.
 * @template T @param {string} name @param {() => T} work @returns {T}
 */
export function measure(name, work) {
  const start = performance.now();
  const result = work();
  performance.clearMeasures(`gpreach ${name}`);
  performance.measure(`gpreach ${name}`, { start, end: performance.now() });
  return result;
}
