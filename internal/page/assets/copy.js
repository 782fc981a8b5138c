// Lines to be pasted, and the buttons that copy them.
import { el, visible } from './text.js';

/** @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { /* not over plain HTTP from another machine: the old way */ }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

/** Shows the copy buttons within an element. @param {ParentNode} within */
export function copyButtons(within) {
  for (const button of within.querySelectorAll('button.copy')) {
    if (!(button instanceof HTMLButtonElement)) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      const line = button.parentElement?.querySelector('.line')?.textContent ?? '';
      button.textContent = (await copyText(line)) ? 'Copied' : 'Select it and copy';
      button.focus();
      setTimeout(() => { button.textContent = 'Copy'; }, 2500);
    });
  }
}

/** A line for PowerShell and a button that copies it. @param {string} line */
export function pasting(line) {
  return el('div', { class: 'paste' }, el('pre', { class: 'line', tabindex: 0, 'aria-label': 'PowerShell', role: 'group' }, visible(line)),
    el('button', { type: 'button', class: 'quiet-button copy', hidden: true }, 'Copy'));
}
