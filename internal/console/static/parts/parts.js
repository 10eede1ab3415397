// Small parts that all pages are made of.
import { html, useEffect, useRef, useState } from '../lib.js';
import { now } from '../live.js';
import { ago, exact } from './format.js';
import { Icon } from './icons.js';
import { toast } from './toast.js';

/** tones of states: those of gateways, of tokens, and Livy's of sessions and batches. */
const tones = {
  created: 'idle', starting: 'busy', running: 'good', stopping: 'busy', stopped: 'idle', error: 'bad',
  active: 'good', disabled: 'idle', expired: 'warn', revoked: 'bad',
  not_started: 'busy', recovering: 'busy', idle: 'good', busy: 'good', shutting_down: 'busy',
  success: 'done', dead: 'bad', killed: 'idle', gone: 'idle', done: 'done', refused: 'bad',
};

/** State is a dot and a word. */
export const State = ({ of, title = '' }) => {
  const word = String(of || 'unknown');
  return html`<span class="state" data-tone=${tones[word.toLowerCase()] || 'idle'} title=${title}>
    <i aria-hidden="true"></i>${word.replaceAll('_', ' ')}</span>`;
};

/** Time is relative; the exact one is its title. */
export const Time = ({ at, none = '–' }) => (at && !String(at).startsWith('0001')
  ? html`<time dateTime=${at} title=${exact(at)}>${ago(at, now.value)}</time>`
  : html`<span class="faint">${none}</span>`);

/** clip puts a text on the clipboard, also on sites without HTTPS. */
export async function clip(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    (document.querySelector('dialog[open]') || document.body).append(area);
    area.select();
    const ok = document.execCommand('copy');
    area.remove();
    return ok;
  }
}

export function Copy({ text, label = 'Copy', words = false }) {
  const [done, setDone] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (e) => {
    e.preventDefault();
    e.stopPropagation();
    if (!(await clip(text))) return toast('The browser does not allow copying; select the text instead.', { tone: 'bad' });
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), 1600);
  };
  return html`<button type="button" class=${words ? 'button' : 'iconbutton'} onClick=${copy} aria-label=${words ? undefined : label} title=${label}>
    <${Icon} name=${done ? 'check' : 'copy'} />${words ? html`<span>${done ? 'Copied' : label}</span>` : null}
    <span class="offscreen" role="status">${done ? 'Copied' : ''}</span></button>`;
}

/** Id is an id or an address in monospace, with a button that copies it. */
export const Id = ({ text, label = '', short = '' }) => html`<span class="id"><code title=${text}>${short || text}</code>
  <${Copy} text=${text} label=${label || 'Copy ' + text} /></span>`;

/** Code is a block to copy. */
export const Code = ({ text, label = 'Copy' }) => html`<div class="code"><pre tabindex="0"><code>${text}</code></pre>
  <${Copy} text=${text} label=${label} /></div>`;

/** Failure shows why something could not be read. */
export const Failure = ({ error, retry = undefined }) => html`<div class="notice" data-tone="bad" role="alert">
  <${Icon} name="warning" /><div>
    <p>${error.message}</p>${retry && html`<button class="button small" onClick=${retry}>Try again</button>`}</div></div>`;

export const Notice = ({ tone = 'info', children }) => html`<div class="notice" data-tone=${tone}><${Icon} name="warning" />
  <div>${children}</div></div>`;

export const Empty = ({ title, children }) => html`<div class="empty"><h2>${title}</h2>${children}</div>`;

/** Skeleton stands where rows will be, so that nothing moves when they come. */
export const Skeleton = ({ rows = 6 }) => html`<div class="skeleton" aria-busy="true"><span class="offscreen">Loading</span>
  ${Array.from({ length: rows }, (_, i) => html`<div key=${i}><i></i><i></i><i></i><i></i></div>`)}</div>`;

/** Pager leads through the pages of a list. */
export function Pager({ total, offset, size, go }) {
  if (total <= size) return null;
  const last = Math.min(total, offset + size);
  return html`<nav class="pager" aria-label="Pages">
    <span>${offset + 1}–${last} of ${total.toLocaleString('en')}</span>
    <button class="button small" disabled=${offset === 0} onClick=${() => go(Math.max(0, offset - size))}>Previous</button>
    <button class="button small" disabled=${last >= total} onClick=${() => go(offset + size)}>Next</button></nav>`;
}

/** Meter is how much of a limit is used. */
export const Meter = ({ used, limit, text }) => {
  const part = limit > 0 ? Math.min(1, used / limit) : 0;
  return html`<span class="meter" data-over=${used > limit ? '' : undefined} title=${text}>
    <meter min="0" max="1" value=${part} aria-label=${text}></meter><span>${text}</span></span>`;
};

/** Search is a field that filters while one types. */
export function Search({ value, set, label }) {
  return html`<label class="search"><${Icon} name="search" /><span class="offscreen">${label}</span>
    <input type="search" value=${value} placeholder=${label} onInput=${(e) => set(e.currentTarget.value)} /></label>`;
}

export function Select({ value, set, options, label, compact = false }) {
  return html`<label class=${compact ? 'select compact' : 'select'}><span class=${compact ? 'offscreen' : ''}>${label}</span>
    <select value=${value} onChange=${(e) => set(e.currentTarget.value)}>
      ${options.map(([v, text]) => html`<option key=${v} value=${v} selected=${v === value}>${text}</option>`)}</select></label>`;
}

/** Tabs are links to parts of one thing. */
export const Tabs = ({ items, at, label }) => html`<nav class="tabs" aria-label=${label}>
  ${items.map(([id, text, href]) => html`<a key=${id} href=${href} aria-current=${id === at ? 'page' : undefined}>${text}</a>`)}</nav>`;

/** Column heads that sort. */
export function SortHead({ name, label, sort, set }) {
  const on = sort.by === name;
  return html`<th aria-sort=${on ? (sort.down ? 'descending' : 'ascending') : 'none'}>
    <button class="sort" onClick=${() => set({ by: name, down: on && !sort.down })}>${label}${on && html`<${Icon} name=${sort.down ? 'sortdown' : 'sortup'} />`}</button></th>`;
}

/** title is the page's in the browser. */
export function useTitle(text) {
  useEffect(() => { document.title = text ? `${text} · Livy Gateway` : 'Livy Gateway'; }, [text]);
}
