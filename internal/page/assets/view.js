// What the user chose to see. It stands in the address behind the #, so that it can be sent on and survives a reload.
import { statuses } from './text.js';

/** @typedef {{query: string, status: Record<string, Set<string>>, cause: string, changed: boolean, sort: string, down: boolean, host: string}} View */

/** Reads a view; what it does not understand it leaves out. @param {string} hash @param {string[]} operations @returns {View} */
export function readView(hash, operations) {
  const from = new URLSearchParams(hash.replace(/^#/, ''));
  /** @type {Record<string, Set<string>>} */
  const status = {};
  for (const op of operations) {
    status[op] = new Set((from.get(op) ?? '').split(',').filter((s) => statuses.includes(s)));
  }
  const sort = from.get('sort') ?? '';
  return {
    query: from.get('q') ?? '',
    status,
    cause: from.get('cause') ?? '',
    changed: from.has('changed'),
    sort: sort.replace(/^-/, ''),
    down: sort.startsWith('-'),
    host: from.get('host') ?? '',
  };
}

/** Writes a view: "" for one that shows all. @param {View} view */
export function writeView(view) {
  const to = new URLSearchParams();
  if (view.query) to.set('q', view.query);
  for (const [op, chosen] of Object.entries(view.status)) {
    if (chosen.size) to.set(op, statuses.filter((s) => chosen.has(s)).join(','));
  }
  if (view.cause) to.set('cause', view.cause);
  if (view.changed) to.set('changed', '1');
  if (view.sort) to.set('sort', (view.down ? '-' : '') + view.sort);
  if (view.host) to.set('host', view.host);
  const text = to.toString().replaceAll('%2C', ',');
  return text && `#${text}`;
}

/** Whether a view leaves hosts out. @param {View} view */
export function filters(view) {
  return Boolean(view.query || view.cause || view.changed || Object.values(view.status).some((s) => s.size));
}
