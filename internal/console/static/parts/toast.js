// Short messages in a corner that say what became of an action.
import { html, signal } from '../lib.js';
import { Icon } from './icons.js';

/** @type {import('../lib.js').Signal<{id: number, text: string, tone: string, ways?: any[]}[]>} */
const toasts = signal([]);
let next = 1;

/**
 * toast says something for a few seconds; errors stay until they are closed.
 * @param {string} text
 * @param {{tone?: string, ways?: any[]}} [options] ways: the commands that do the same
 */
export function toast(text, { tone = 'good', ways = undefined } = {}) {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text, tone, ways }];
  if (tone !== 'bad') setTimeout(() => close(id), 7000);
}

const close = (id) => { toasts.value = toasts.value.filter((t) => t.id !== id); };

export const Toasts = ({ showWays }) => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map((t) => html`<div key=${t.id} class="toast" data-tone=${t.tone}>
    <span>${t.text}</span>
    ${t.ways && html`<button class="button small" onClick=${() => showWays(t.ways)}><${Icon} name="terminal" />Command</button>`}
    <button class="iconbutton" aria-label="Close message" onClick=${() => close(t.id)}>
      <${Icon} name="close" /></button></div>`)}</div>`;
