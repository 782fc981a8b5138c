// A fleet, made quick to filter and to sort: what a draw needs is in typed arrays.
import { statuses, verdicts } from './text.js';

/**
 * @typedef {{verdict: string, access: string}} Cell
 * @typedef {{name: string, address: string, asked: string, status: string[], before: string[] | null, rules: Cell[], causes: number[]}} Host
 * @typedef {{id: string, name: string, operations: string[]}} Rule
 * @typedef {{owner: string, text: string, hosts: number, reason: string, fix: string, where: string}} Cause
 * @typedef {{name: string, interval: number, finished: string, took: number}} Sweep
 * @typedef {{vantage: string, made: string, operations: string[], rules: Rule[], causes: Cause[], sweeps: Sweep[], hosts: Host[]}} Fleet
 * @typedef {import('./view.js').View} View
 */

/** How a rule stands, in one word. @param {Cell} cell */
export function wordOf(cell) {
  if (cell.access === 'denied' && cell.verdict !== 'unreachable' || cell.access === 'granted' && cell.verdict === 'reachable') return cell.access;
  return cell.verdict;
}

/** What names a cause when the causes have another order. @param {Cause} cause */
export function causeKey(cause) {
  return `${cause.owner}: ${cause.text}`;
}

export class Model {
  /** @param {Fleet} fleet */
  constructor(fleet) {
    this.fleet = fleet;
    this.hosts = fleet.hosts;
    const n = fleet.hosts.length;
    /** Each operation's status of each host: its place in statuses, or -1. */
    this.status = fleet.operations.map(() => new Int8Array(n));
    /** Each rule's word for each host: its place in verdicts, or -1. */
    this.words = fleet.rules.map(() => new Int8Array(n));
    /** The worst of each host's statuses. */
    this.worst = new Int8Array(n).fill(-1);
    this.changed = new Uint8Array(n);
    this.asked = new Float64Array(n);
    /** @type {string[]} */
    this.found = new Array(n); // what a search looks at
    this.oldest = Infinity;
    this.newest = -Infinity;
    this.changes = 0;
    fleet.hosts.forEach((h, i) => this.#index(h, i));
    /** @type {Map<string, Int32Array>} */
    this.ranks = new Map();
  }

  /** @param {Host} h @param {number} i */
  #index(h, i) {
    h.status.forEach((s, op) => {
      this.status[op][i] = statuses.indexOf(s);
      this.worst[i] = Math.max(this.worst[i], this.status[op][i]);
    });
    h.rules.forEach((cell, rule) => { this.words[rule][i] = verdicts.indexOf(wordOf(cell)); });
    if (h.before) {
      this.changed[i] = 1;
      this.changes++;
    }
    const asked = Date.parse(h.asked);
    this.asked[i] = asked;
    this.oldest = Math.min(this.oldest, asked);
    this.newest = Math.max(this.newest, asked);
    this.found[i] = `${h.name}\n${h.address}`.toLowerCase();
  }

  /**
   * The hosts that a view shows, in its order, and how many would be there of
   * each status if its operation's own filter were not set.
   * @param {View} view
   */
  select(view) {
    const n = this.hosts.length;
    const operations = this.fleet.operations;
    const query = view.query.trim().toLowerCase();
    const cause = view.cause ? this.fleet.causes.findIndex((c) => causeKey(c) === view.cause) : -1;
    const masks = operations.map((op) => maskOf(view.status[op]));
    const counts = operations.map(() => new Array(statuses.length).fill(0));
    const rows = new Int32Array(n);
    let kept = 0;
    let changed = 0; // of those that all but the toggle let through
    for (let i = 0; i < n; i++) {
      if (query && !this.found[i].includes(query)) continue;
      if (view.cause && !this.hosts[i].causes.includes(cause)) continue;
      let missed = -1; // the only operation whose filter leaves the host out
      let misses = 0;
      for (let op = 0; op < masks.length; op++) {
        if (!(masks[op] & (1 << this.status[op][i]))) {
          missed = op;
          misses++;
        }
      }
      if (misses === 0) changed += this.changed[i];
      if (view.changed && !this.changed[i]) continue;
      for (let op = 0; op < masks.length; op++) {
        if (this.status[op][i] >= 0 && (misses === 0 || (misses === 1 && missed === op))) counts[op][this.status[op][i]]++;
      }
      if (misses === 0) rows[kept++] = i;
    }
    return { rows: this.#sort(rows.subarray(0, kept), view), counts, changed };
  }

  /** Sorts, the worst first unless a column is chosen, by one number a host, in which its own place comes last: so hosts alike keep the targets' order. @param {Int32Array} rows @param {View} view */
  #sort(rows, view) {
    const rank = view.sort ? this.#rank(view.sort) : this.worst;
    const n = this.hosts.length;
    const sign = view.down || !view.sort ? -1 : 1;
    const keys = new Float64Array(rows.length);
    for (let k = 0; k < rows.length; k++) keys[k] = sign * rank[rows[k]] * n + rows[k];
    keys.sort();
    for (let k = 0; k < rows.length; k++) rows[k] = ((keys[k] % n) + n) % n;
    return rows;
  }

  /** Where a host's routes broke, in a few words: "" where they did not. @param {Host} h */
  where(h) {
    return h.causes.map((c) => this.fleet.causes[c].text).join('; ');
  }

  /** Each host's place in a column's order. @param {string} column @returns {ArrayLike<number>} */
  #rank(column) {
    const op = this.fleet.operations.indexOf(column);
    if (op >= 0) return this.status[op];
    const rule = this.fleet.rules.findIndex((r) => r.id === column);
    if (rule >= 0) return this.words[rule];
    if (column === 'asked') return this.asked.map((asked) => asked - this.oldest);
    let ranks = this.ranks.get(column);
    if (!ranks) {
      ranks = rankText(this.hosts.map((h) => padded(column === 'address' ? h.address : h.name)));
      this.ranks.set(column, ranks);
    }
    return ranks;
  }
}

/** The bits of the statuses that pass; of a host that was not asked too (-1 is bit 31) where nothing is chosen. @param {Set<string> | undefined} chosen */
function maskOf(chosen) {
  if (!chosen?.size) return -1;
  let mask = 0;
  for (const s of chosen) mask |= 1 << statuses.indexOf(s);
  return mask;
}

/** Text whose numbers sort as numbers. @param {string} text */
function padded(text) {
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(10, '0'));
}

/** Each text's place among all, equal ones alike. @param {string[]} texts */
function rankText(texts) {
  const order = Array.from(texts.keys()).sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : 0));
  const ranks = new Int32Array(texts.length);
  let rank = 0;
  order.forEach((i, place) => {
    if (place && texts[i] !== texts[order[place - 1]]) rank = place;
    ranks[i] = rank;
  });
  return ranks;
}
