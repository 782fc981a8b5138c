// The ladder of one host in a report, drawn from its document: the same elements as template/host.html's "ladder", which the
// served page has so that it needs no script. A test holds the two together.
import { pasting } from './copy.js';
import { el, marked, signOf, splitFix, titleOf, visible } from './text.js';

/**
 * @typedef {{stage: string, peer: string, outcome: string, elapsed_ms: number, detail?: string}} Step
 * @typedef {{rule: string, name: string, for: string[], verdict: string, access: string, reason: string, fix?: string, owner?: string, cause?: string, trail: Step[]}} Finding
 * @typedef {{target: string, address?: string, vantage: string, credential: string, started: string, elapsed_ms: number,
 *   identity?: {computer: string, dns: string, domain: string, build: string},
 *   operations: {operation: string, status: string, reason: string}[], findings: Finding[], warnings?: string[]}} Document
 */

/** @param {string} text */
function isolated(text) {
  return el('bdi', {}, visible(text));
}

/** @param {number} ms */
function milliseconds(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

/** @param {string} started */
function utc(started) {
  return `${new Date(started).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** @param {string} outcome */
function signOfOutcome(outcome) {
  const signs = /** @type {Record<string, import('./text.js').Sign>} */ ({
    ok: signOf('ready'), canceled: signOf('unknown'), 'no-resources': signOf('unknown'),
    denied: signOf('denied'), 'logon-failed': signOf('denied'), 'locked-out': signOf('denied'),
  });
  return signs[outcome] ?? signOf('unreachable');
}

/** @param {string} name @param {...(Node | string)} value */
function fact(name, ...value) {
  return el('div', {}, el('dt', {}, name), el('dd', {}, ...value));
}

/** @param {Document} d */
function who(d) {
  const id = d.identity;
  const itself = id?.dns || id?.computer;
  return el('header', { class: 'who' },
    el('h1', { tabindex: -1 }, isolated(d.target)),
    el('dl', { class: 'facts' },
      fact('Address', d.address ? visible(d.address) : 'none, the name did not resolve'),
      ...(itself ? [fact('Calls itself', isolated(itself))] : []),
      ...(id?.domain ? [fact('Domain', isolated(id.domain))] : []),
      ...(id?.build ? [fact('Windows', visible(id.build))] : []),
      fact('Asked', el('time', { datetime: d.started }, utc(d.started)), `, from ${visible(d.vantage)}, in ${milliseconds(d.elapsed_ms)}`),
      fact('Credential', visible(d.credential))));
}

/** @param {Step} s */
function rung(s) {
  const sign = signOfOutcome(s.outcome);
  const length = s.elapsed_ms <= 0.1 ? 0 : Math.min(15, Math.round(3 * (Math.log10(s.elapsed_ms) + 1)));
  const item = el('li', { class: sign.cls },
    el('span', { class: 'stage' }, visible(s.stage)), ' ', el('span', { class: 'peer' }, visible(s.peer)), ' ',
    el('span', { class: 'outcome' }, el('span', { class: 'mark', 'aria-hidden': 'true' }, sign.mark), ` ${visible(s.outcome)}`), ' ',
    el('span', { class: 'time' }, el('span', { class: `length l${length}`, 'aria-hidden': 'true' }), ` ${milliseconds(s.elapsed_ms)}`));
  if (s.detail) item.append(' ', el('span', { class: 'detail' }, isolated(s.detail)));
  return item;
}

/** As logonAt in document.go: where the steps with the credential begin, -1 where there is none. @param {Step[]} trail */
function logonAt(trail) {
  const been = new Set();
  return trail.findIndex((s, i) => {
    if (s.stage === 'authenticate') return true;
    if (s.stage !== 'connect') return false;
    if (been.has(s.peer)) return trail[i - 1].stage !== 'map';
    been.add(s.peer);
    return false;
  });
}

/** @param {Step[]} trail @param {string} credential */
function rungs(trail, credential) {
  const all = trail.map(rung);
  const at = credential === 'none' ? -1 : logonAt(trail);
  if (at >= 0) all.splice(at, 0, el('li', { class: 'logon' }, `with the credential, by ${visible(credential)}`));
  return all;
}

/** A fix as what is read and what is pasted. @param {string} fix */
function fixing(fix) {
  const [advice, line] = splitFix(fix);
  return el('div', { class: 'fix' }, el('p', {}, el('b', {}, 'Fix:'), ` ${visible(advice)}`), ...(line ? [pasting(line)] : []));
}

/** @param {string} word */
function worded(word) {
  return [...marked(word).childNodes];
}

/** @param {Finding} f @param {number} at @param {Document} d */
function article(f, at, d) {
  const e = el('article', { class: `finding ${signOf(f.verdict).cls}` },
    el('h3', {}, `${visible(f.name)} `, el('span', { class: 'word' }, ...worded(f.verdict))),
    el('p', { class: 'rule' }, el('code', {}, visible(f.rule)), ' ',
      ...(f.access === 'untested' ? [] : [el('span', { class: signOf(f.access).cls }, 'access ', ...worded(f.access))]), ' ',
      el('span', {}, `needed by ${f.for.map(titleOf).join(' and ')}`)),
    el('p', {}, visible(f.reason)));
  if (f.owner) {
    e.append(el('p', { class: 'ticket' }, el('span', { class: 'unseen' }, 'Ticket for: '),
      el('span', { class: 'owner' }, visible(f.owner)), ` ${visible(f.cause ?? '')}`));
  }
  const above = f.fix ? d.findings.slice(0, at).find((g) => g.fix === f.fix) : undefined;
  if (above) e.append(el('p', {}, el('b', {}, 'Fix:'), ` as for ${visible(above.name)} above.`));
  else if (f.fix) e.append(fixing(f.fix));
  e.append(el('ol', { class: 'trail', role: 'list', 'aria-label': 'Trail' }, ...rungs(f.trail, d.credential)));
  return e;
}

/** @param {Document} d @returns {HTMLElement[]} */
export function ladder(d) {
  const parts = [who(d)];
  if (d.warnings?.length) {
    parts.push(el('ul', { class: 'warnings', 'aria-label': 'Warnings' }, ...d.warnings.map((w) => el('li', {}, visible(w)))));
  }
  parts.push(
    el('section', { class: 'verdicts', 'aria-label': 'Operations' }, ...d.operations.map((o) => {
      const above = d.operations.find((p) => p.reason === o.reason);
      return el('section', { class: `verdict ${signOf(o.status).cls}` },
        el('h2', {}, titleOf(o.operation)), el('p', { class: 'word' }, ...worded(o.status)),
        el('p', {}, above && above !== o ? `As for ${titleOf(above.operation)}.` : visible(o.reason)));
    })),
    el('section', { class: 'findings', 'aria-labelledby': 'rules-title' }, el('h2', { id: 'rules-title' }, 'Rules'),
      el('p', { class: 'scale' }, 'The bars tell times from 0.1 ms to 10 s on a logarithmic scale: a fifth of the bar more is ten times as long.'), ...d.findings.map((f, i) => article(f, i, d))));
  return parts;
}
