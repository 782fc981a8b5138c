// The matrix: a row for each host, of which only those in sight exist. Focus stays on the grid itself; the active cell is
// told by aria-activedescendant, so that rows may come and go.
import { ago, byId, el, number, signOf, statuses, titleOf, verdicts, visible } from './text.js';

/** @typedef {import('./model.js').Model} Model */
/** @typedef {import('./view.js').View} View */
/** @typedef {{key: string, title: string, cls: string, tip: string}} Column */
/** @typedef {{mark: Text, word: Text, note: HTMLElement, told: Text, where: HTMLElement, shown: string}} Parts told and where are in the host's cell alone */

const spare = 12; // rows drawn above and below those in sight
const mostPrinted = 1000;

export class Grid {
  /**
   * @param {HTMLElement} root
   * @param {{link: (name: string) => string, open: (name: string) => void, sort: (column: string) => void, age: (asked: number) => number}} use
   */
  constructor(root, use) {
    this.root = root;
    this.tools = /** @type {HTMLElement} */ (root.previousElementSibling); // sticks above the header
    this.use = use;
    /** @type {Column[]} */
    this.columns = [];
    /** @type {Model | null} */
    this.model = null;
    /** @type {Int32Array} */
    this.rows = new Int32Array(0);
    this.active = -1; // a place among rows
    this.column = 0;
    this.printing = false;
    this.head = el('div', { role: 'rowgroup', class: 'head' });
    this.body = el('div', { role: 'rowgroup', class: 'body' });
    this.empty = el('p', { class: 'empty', hidden: true });
    root.append(this.head, this.body);
    root.after(this.empty);
    /** @type {Map<number, HTMLElement>} */
    this.drawn = new Map();
    /** @type {HTMLElement[]} */
    this.pool = [];
    /** @type {WeakMap<HTMLElement, Parts[]>} */
    this.parts = new WeakMap();
    this.frame = 0;
    const later = () => { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); };
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    new ResizeObserver(() => this.#stick()).observe(this.tools);
    addEventListener('beforeprint', () => this.#print(true));
    addEventListener('afterprint', () => this.#print(false));
    root.addEventListener('keydown', (e) => this.#key(e));
    root.addEventListener('focus', () => { if (this.active < 0 && this.rows.length) this.move(this.#inSight()[0], this.column); });
    this.body.addEventListener('click', (e) => this.#click(e));
  }

  /**
   * Shows hosts of a model. The active host stays the active one; what is in sight stays there when the data is newer, and is
   * the first hosts when the user chose others.
   * @param {Model} model @param {Int32Array} rows @param {View} view @param {boolean} newer
   */
  show(model, rows, view, newer) {
    this.#stick();
    const held = this.#hold();
    if (this.model?.fleet.rules.length !== model.fleet.rules.length || this.model?.fleet.operations.join() !== model.fleet.operations.join()) {
      this.#setColumns(model);
    }
    this.model = model;
    this.rows = rows;
    this.#sorted(view);
    this.root.setAttribute('aria-rowcount', String(rows.length + 1));
    this.height = parseFloat(getComputedStyle(this.root).getPropertyValue('--row')) || 40;
    this.body.style.height = `${rows.length * this.height}px`;
    for (const row of this.drawn.values()) this.#release(row);
    this.drawn.clear();
    this.#restore(held, newer);
    this.draw();
  }

  /** @param {string} text "" where there are hosts */
  explain(text) {
    this.empty.hidden = !text;
    this.empty.textContent = text;
  }

  /** @param {Model} model */
  #setColumns(model) {
    this.columns = [
      { key: 'name', title: 'Host', cls: 'host', tip: '' },
      ...model.fleet.operations.map((op) => ({ key: op, title: titleOf(op), cls: 'operation', tip: op })),
      ...model.fleet.rules.map((r) => ({ key: r.id, title: r.name, cls: 'rule', tip: r.id })),
      { key: 'asked', title: 'Asked', cls: 'asked', tip: '' },
    ];
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
    this.pool = [];
    this.root.style.setProperty('--rules', String(model.fleet.rules.length));
    this.root.style.setProperty('--operations', String(model.fleet.operations.length));
    this.root.setAttribute('aria-colcount', String(this.columns.length));
    const row = el('div', { role: 'row', class: 'row', 'aria-rowindex': 1 });
    this.columns.forEach((c, i) => {
      const cell = el('div', { role: 'columnheader', class: `cell ${c.cls}`, 'aria-colindex': i + 1, title: c.tip });
      for (const [key, title] of c.key === 'name' ? [['name', 'Host'], ['address', 'Address']] : [[c.key, c.title]]) {
        const button = el('button', { type: 'button', 'data-sort': key }, el('span', {}, title), el('span', { class: 'direction', 'aria-hidden': 'true' }));
        button.addEventListener('click', () => this.use.sort(key));
        cell.append(button);
      }
      row.append(cell);
    });
    this.head.replaceChildren(row);
  }

  /** @param {View} view */
  #sorted(view) {
    for (const cell of this.head.querySelectorAll('[role=columnheader]')) {
      cell.removeAttribute('aria-sort');
      for (const button of cell.querySelectorAll('button')) {
        const by = button.dataset.sort === view.sort;
        if (by) cell.setAttribute('aria-sort', view.down ? 'descending' : 'ascending');
        const direction = button.querySelector('.direction');
        if (direction) direction.textContent = by ? (view.down ? '▼' : '▲') : '';
      }
    }
  }

  /** Remembers, by name, the active host and, where the first row is not in sight, those that are. */
  #hold() {
    const nameAt = (/** @type {number} */ place) => this.model?.hosts[this.rows[place]]?.name;
    const top = this.body.getBoundingClientRect().top;
    /** @type {Map<string, number>} */
    const inSight = new Map();
    if (top < 0) {
      const first = Math.floor(-top / this.#h());
      for (let i = first; i < Math.min(this.rows.length, first + innerHeight / this.#h()); i++) inSight.set(nameAt(i) ?? '', i);
    }
    return { active: nameAt(this.active), was: this.active, inSight, scrolled: top < 0 };
  }

  /** @param {{active: string | undefined, was: number, inSight: Map<string, number>, scrolled: boolean}} held @param {boolean} newer */
  #restore(held, newer) {
    this.active = -1;
    let moved = Infinity; // the least that a host that was in sight has moved: one that got well may be far away now
    if (held.active !== undefined || held.scrolled) {
      for (let i = 0; i < this.rows.length; i++) {
        const name = /** @type {Model} */ (this.model).hosts[this.rows[i]].name;
        if (name === held.active) this.active = i;
        const by = i - (held.inSight.get(name) ?? Infinity);
        if (Math.abs(by) < Math.abs(moved)) moved = by;
      }
    }
    const by = this.active - (held.inSight.get(held.active ?? '') ?? Infinity);
    if (Math.abs(by - moved) <= held.inSight.size) moved = by; // the active host stays in place, where it is still near those
    if (this.active < 0 && held.was >= 0 && newer && document.activeElement === this.root) { // its host left: the one in its place
      this.active = Math.min(held.was, this.rows.length - 1);
    }
    if (!held.scrolled) return; // the first row is in sight
    if (!newer) scrollBy({ top: this.body.getBoundingClientRect().top - this.#covered(), behavior: 'instant' });
    else if (Number.isFinite(moved)) scrollBy({ top: moved * this.#h(), behavior: 'instant' });
  }

  /** Has the header stick below the tools, which may be more than one line. */
  #stick() {
    this.root.style.setProperty('--tall', `${Math.floor(this.tools.getBoundingClientRect().height)}px`);
  }

  /** How much of the window's top the header covers when it sticks there. */
  #covered() {
    return this.head.offsetHeight + parseFloat(getComputedStyle(this.head).top || '0');
  }

  #h() {
    return this.height ?? 40;
  }

  /** The first and last place that the window shows. @returns {[number, number]} */
  #inSight() {
    const top = this.body.getBoundingClientRect().top;
    const under = Math.max(0, this.head.getBoundingClientRect().bottom);
    const first = Math.max(0, Math.ceil((under - top) / this.#h()));
    const last = Math.floor((innerHeight - top) / this.#h()) - 1;
    return [Math.min(first, Math.max(0, this.rows.length - 1)), Math.max(first, Math.min(last, this.rows.length - 1))];
  }

  /** Draws what is in sight, and the active row. */
  draw() {
    if (!this.model) return;
    const [from, to] = this.printing ? [0, mostPrinted - spare - 1] : this.#inSight();
    const first = Math.max(0, from - spare);
    const last = Math.min(this.rows.length - 1, to + spare);
    const wanted = new Set();
    for (let i = first; i <= last; i++) wanted.add(i);
    if (this.active >= 0) wanted.add(this.active);
    for (const [place, row] of this.drawn) {
      if (!wanted.has(place)) {
        this.#release(row);
        this.drawn.delete(place);
      }
    }
    let next = /** @type {Element | null} */ (this.body.firstElementChild);
    for (const place of [...wanted].sort((a, b) => a - b)) { // in reading order
      let row = this.drawn.get(place);
      if (!row) {
        row = this.pool.pop() ?? this.#newRow();
        this.#fill(row, place);
        this.drawn.set(place, row);
      }
      row.hidden = false;
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
    this.#mark();
  }

  /** @param {HTMLElement} row */
  #release(row) {
    row.hidden = true;
    row.remove();
    this.pool.push(row);
  }

  #newRow() {
    const row = el('div', { role: 'row', class: 'row' });
    this.parts.set(row, this.columns.map((c, i) => {
      const mark = new Text();
      const word = new Text();
      const note = el('span', { class: 'note' });
      const told = new Text();
      const where = el('span', { class: 'where' });
      const cell = el('div', { role: i ? 'gridcell' : 'rowheader', class: `cell ${c.cls}`, 'aria-colindex': i + 1 });
      if (i) cell.append(el('span', { class: 'mark', 'aria-hidden': 'true' }, mark), el('span', { class: 'word' }, word), note);
      else cell.append(el('a', { class: 'name', tabindex: -1 }, word), el('span', { class: 'at' }, note, el('span', { class: 'told' }, ', ', told)), where);
      row.append(cell);
      return { mark, word, note, told, where, shown: '' };
    }));
    return row;
  }

  /** @param {HTMLElement} row @param {number} place */
  #fill(row, place) {
    const model = /** @type {Model} */ (this.model);
    const at = this.rows[place];
    const host = model.hosts[at];
    const parts = /** @type {Parts[]} */ (this.parts.get(row));
    row.style.transform = `translateY(${place * this.#h()}px)`;
    row.setAttribute('aria-rowindex', String(place + 2));
    row.dataset.place = String(place);
    row.classList.toggle('changed', model.changed[at] === 1);
    row.classList.toggle('silent', host.status.every((s) => s === 'silent' || !s));
    this.columns.forEach((c, i) => {
      const cell = /** @type {HTMLElement} */ (row.children[i]);
      cell.id = `cell-${place}-${i}`;
      const { mark, word, note, told, where } = parts[i];
      if (c.cls === 'host') {
        const link = /** @type {HTMLAnchorElement} */ (cell.firstElementChild);
        link.href = this.use.link(host.name);
        word.data = visible(host.name);
        link.title = word.data;
        note.textContent = visible(host.address) || 'no address';
        told.data = ago(this.use.age(model.asked[at]));
        where.textContent = visible(model.where(host));
        where.title = where.textContent;
        return;
      }
      if (c.cls === 'asked') {
        word.data = ago(this.use.age(model.asked[at]));
        return;
      }
      const op = i - 1;
      const rule = op - model.fleet.operations.length;
      const shown = rule < 0 ? statuses[model.status[op][at]] : verdicts[model.words[rule][at]];
      const was = rule < 0 && host.before && host.before[op] !== host.status[op] ? `was ${host.before[op] || 'not asked'}` : '';
      const text = `${shown} ${was}`;
      if (parts[i].shown === text) return;
      parts[i].shown = text;
      const sign = signOf(shown ?? '');
      cell.className = `cell ${c.cls} ${sign.cls}`;
      mark.data = sign.mark;
      word.data = shown ?? '';
      note.textContent = was;
    });
  }

  /** Shows which cell is active. */
  #mark() {
    for (const row of this.body.querySelectorAll('.active')) row.classList.remove('active');
    const cell = this.active < 0 ? undefined : this.drawn.get(this.active)?.children[this.column];
    if (!cell) {
      this.root.removeAttribute('aria-activedescendant');
      return;
    }
    cell.classList.add('active');
    cell.parentElement?.classList.add('active');
    this.root.setAttribute('aria-activedescendant', cell.id);
  }

  /** Makes a cell the active one and brings its row into sight. @param {number} place @param {number} column */
  move(place, column) {
    if (!this.rows.length) return;
    this.active = Math.max(0, Math.min(place, this.rows.length - 1));
    this.column = column;
    const top = this.body.getBoundingClientRect().top + this.active * this.#h();
    const under = this.#covered();
    if (top < under) scrollBy({ top: top - under, behavior: 'instant' });
    else if (top + this.#h() > innerHeight) scrollBy({ top: top + this.#h() - innerHeight + 4, behavior: 'instant' });
    this.draw();
  }

  /** The active cell, where the focus is on the grid: what resume takes. @returns {{active?: string, column?: number}} */
  held() {
    const active = this.model?.hosts[this.rows[this.active]]?.name;
    return active !== undefined && this.root.contains(document.activeElement) ? { active, column: this.column } : {};
  }

  /** Makes the cell of a host active again, if it is shown, and focuses the grid. @param {string} name @param {number} column */
  resume(name, column) {
    const place = this.rows.findIndex((at) => this.model?.hosts[at].name === name);
    if (place < 0) return;
    this.root.focus({ preventScroll: true });
    this.move(place, Math.min(Math.max(0, column), this.columns.length - 1));
  }

  /** The next column that is shown. @param {number} step @param {number} [from] */
  #beside(step, from = this.column) {
    const cells = /** @type {HTMLCollectionOf<HTMLElement>} */ (this.head.firstElementChild?.children);
    for (let i = from + step; i >= 0 && i < cells.length; i += step) {
      if (cells[i].offsetWidth) return i;
    }
    return this.column;
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    if (e.target !== this.root || e.altKey || e.metaKey) return;
    const [first, last] = this.#inSight();
    const page = Math.max(1, last - first);
    const at = Math.max(0, this.active);
    switch (e.key) {
      case 'ArrowDown': this.move(this.active + 1, this.column); break;
      case 'ArrowUp': this.move(at - 1, this.column); break;
      case 'PageDown': this.move(at + page, this.column); break;
      case 'PageUp': this.move(at - page, this.column); break;
      case 'Home': this.move(e.ctrlKey ? 0 : at, this.#beside(1, -1)); break;
      case 'End': this.move(e.ctrlKey ? this.rows.length - 1 : at, this.#beside(-1, this.columns.length)); break;
      case 'ArrowRight': this.move(at, this.#beside(1)); break;
      case 'ArrowLeft': this.move(at, this.#beside(-1)); break;
      case 'Enter': if (this.model && this.active >= 0) this.use.open(this.model.hosts[this.rows[this.active]].name); break;
      default: return;
    }
    e.preventDefault();
  }

  /** @param {MouseEvent} e */
  #click(e) {
    if (!(e.target instanceof Element)) return;
    const cell = e.target.closest('.cell');
    const place = Number(cell?.parentElement?.dataset.place ?? -1);
    if (!cell || place < 0) return;
    this.move(place, Number(cell.getAttribute('aria-colindex')) - 1);
    const link = e.target.closest('a');
    if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey && this.model) {
      e.preventDefault();
      this.use.open(this.model.hosts[this.rows[place]].name);
    } else if (!link) {
      this.root.focus({ preventScroll: true });
    }
  }

  /** Draws what a print has, and says what it leaves out. @param {boolean} on */
  #print(on) {
    this.printing = on;
    const n = this.rows.length;
    byId('printed').textContent = on && n > mostPrinted ? `The print has the first ${number(mostPrinted)} of ${number(n)} hosts.` : '';
    this.draw();
  }

  /** Tells anew how old the rows in sight are. */
  redate() {
    const column = this.columns.length - 1;
    for (const [place, row] of this.drawn) {
      const parts = /** @type {Parts[]} */ (this.parts.get(row));
      parts[0].told.data = parts[column].word.data = ago(this.use.age(/** @type {Model} */ (this.model).asked[this.rows[place]]));
    }
  }
}
