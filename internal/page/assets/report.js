// The report: the fleet and the documents of all its hosts are in the file itself.
import { byId, el, visible } from './text.js';
import { copyButtons } from './copy.js';
import { ladder } from './ladder.js';
import { readView, writeView } from './view.js';
import { App, measure } from './app.js';

const partSize = 64; // documents zipped together, as in report.go

/** Unzips what stands in an element. @param {string} id */
async function unzipped(id) {
  const zipped = Uint8Array.from(atob(byId(id).textContent ?? ''), (c) => c.charCodeAt(0));
  const text = await new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  return JSON.parse(text);
}

class Report {
  /** @param {import('./model.js').Fleet} fleet @param {number[]} order */
  constructor(fleet, order) {
    this.places = new Map(fleet.hosts.map((h, i) => [h.name, order[i]]));
    this.operations = fleet.operations;
    this.scrolled = 0;
    this.opened = '';
    this.app = new App(fleet, { link: (name) => this.#at(name), open: (name) => this.open(name) });
    byId('back').addEventListener('click', (e) => {
      e.preventDefault();
      this.open('');
    });
    byId('home').addEventListener('click', (e) => {
      e.preventDefault();
      this.open('');
    });
    addEventListener('hashchange', () => this.show(this.app.view.host));
    this.show(this.app.view.host);
  }

  /** The address of a host, or of all, with what was chosen. @param {string} host */
  #at(host) {
    return writeView({ ...readView(location.hash, this.operations), host });
  }

  /** @param {string} host "" for all */
  open(host) {
    history.pushState(null, '', this.#at(host) || location.pathname + location.search);
    this.app.view.host = host;
    return this.show(host);
  }

  /** @param {string} host */
  async show(host) {
    if (host === this.opened) return;
    if (!this.opened) this.scrolled = scrollY;
    this.opened = host;
    if (host) await this.#draw(host);
    if (this.opened !== host) return; // another one meanwhile
    byId('matrix').hidden = Boolean(host);
    byId('opened').hidden = !host;
    document.title = host ? `${visible(host)} - gpreach report` : 'gpreach report';
    scrollTo({ top: host ? 0 : this.scrolled, behavior: 'instant' });
    if (host) byId('ladder').querySelector('h1')?.focus({ preventScroll: true });
    else {
      this.app.grid.draw();
      this.app.grid.root.focus({ preventScroll: true });
    }
  }

  /** @param {string} host */
  async #draw(host) {
    const place = this.places.get(host);
    const shown = byId('ladder');
    if (place === undefined) {
      shown.replaceChildren(el('h1', { tabindex: -1 }, 'Not found'), el('p', {}, `${visible(host)} is not in this report.`));
      return;
    }
    const part = await unzipped(`part-${Math.floor(place / partSize)}`);
    measure('open', () => shown.replaceChildren(...ladder(part[place % partSize])));
    copyButtons(shown);
  }
}

const started = performance.now();
const [inlined, inlinedOrder] = await Promise.all([unzipped('fleet'), unzipped('order')]);
performance.measure('gpreach parse', { start: started });
new Report(inlined, inlinedOrder);
