// Dialogs and menus, on the browser's own <dialog> and popover: they keep the focus, close
// with Escape and give the focus back.
import { html, signal, useEffect, useId, useLayoutEffect, useRef, useState } from '../lib.js';
import { Icon } from './icons.js';

/** Dialog is open while it is there. close is called for Escape, the cross and the outside. */
export function Dialog({ title, close, children, wide = false, keep = false }) {
  const ref = useRef(/** @type {HTMLDialogElement} */ (/** @type {unknown} */ (null)));
  const id = useId();
  useLayoutEffect(() => {
    const d = ref.current;
    const before = /** @type {HTMLElement|null} */ (document.activeElement);
    d.showModal();
    const first = /** @type {HTMLElement|null} */ (d.querySelector('[data-focus]') || d.querySelector('.body input, .body select, .body textarea, .body button'));
    first?.focus();
    return () => {
      d.close();
      before?.focus?.();
    };
  }, []);
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-labelledby=${id}
      onCancel=${(e) => { e.preventDefault(); if (e.target === ref.current) close(); }}
      onMouseDown=${(e) => { if (e.target === ref.current && !keep) close(); }}>
    <header><h2 id=${id}>${title}</h2><button class="iconbutton" aria-label="Close" onClick=${close}>
      <${Icon} name="close" /></button></header>
    <div class="body">${children}</div></dialog>`;
}

/** What is shown above the page: one dialog after the other. */
const stack = signal(/** @type {{id: number, content: (close: () => void) => any}[]} */ ([]));
let next = 1;

/** open shows a dialog; content gets a function that closes it. */
export function open(content) {
  const id = next++;
  stack.value = [...stack.value, { id, content }];
}

export const Dialogs = () => stack.value.map(({ id, content }) =>
  html`<${Shown} key=${id} content=${content} close=${() => { stack.value = stack.value.filter((d) => d.id !== id); }} />`);

const Shown = ({ content, close }) => content(close);

/**
 * Confirm asks before something that cannot be taken back, unless danger is false. With word,
 * that has to be typed.
 */
export function Confirm({ title, children, action, word = '', run, close, ways = null, danger = true }) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (e) => {
    e.preventDefault();
    if (busy || (word && typed !== word)) return;
    setBusy(true);
    setError('');
    try {
      await run();
      close();
    } catch (e) {
      setError(e.message);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} close=${close}><form class="stack" onSubmit=${submit}>
    ${children}
    ${word && html`<label class="field"><span>Type <strong>${word}</strong> to confirm</span>
      <input data-focus value=${typed} autocomplete="off" spellcheck="false" onInput=${(e) => setTyped(e.currentTarget.value)} /></label>`}
    ${error && html`<p class="wrong" role="alert">${error}</p>`}
    ${ways}
    <div class="buttons">
      <button type="button" class="button" onClick=${close} data-focus=${word ? undefined : true}>Cancel</button>
      <button class=${danger ? 'button danger' : 'button primary'} disabled=${busy || (word !== '' && typed !== word)}>${action}</button></div></form><//>`;
}

/** Menu is a button that opens a list of actions. */
export function Menu({ label, items }) {
  const id = useId();
  const menu = useRef(/** @type {HTMLElement} */ (/** @type {unknown} */ (null)));
  const button = useRef(/** @type {HTMLElement} */ (/** @type {unknown} */ (null)));
  useEffect(() => {
    const m = menu.current;
    const place = (e) => {
      if (e.newState !== 'open') return;
      // Before it is shown, so without its size: at the button's corner that has more room.
      const at = button.current.getBoundingClientRect();
      const below = at.bottom < innerHeight * 0.6, leftward = at.right > 220;
      m.style.top = below ? `${at.bottom + 4}px` : 'auto';
      m.style.bottom = below ? 'auto' : `${innerHeight - at.top + 4}px`;
      m.style.right = leftward ? `${document.documentElement.clientWidth - at.right}px` : 'auto';
      m.style.left = leftward ? 'auto' : `${Math.max(8, at.left)}px`;
    };
    const focus = (e) => e.newState === 'open' && /** @type {HTMLElement|null} */ (m.querySelector('button, a'))?.focus();
    const hide = () => m.matches(':popover-open') && m.hidePopover();
    m.addEventListener('beforetoggle', place);
    m.addEventListener('toggle', focus);
    addEventListener('scroll', hide, true);
    return () => {
      m.removeEventListener('beforetoggle', place);
      m.removeEventListener('toggle', focus);
      removeEventListener('scroll', hide, true);
    };
  }, []);
  const keys = (e) => {
    if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
    e.preventDefault();
    const all = /** @type {HTMLElement[]} */ ([...menu.current.querySelectorAll('button, a')]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    all[(at + (e.key === 'ArrowDown' ? 1 : -1) + all.length) % all.length]?.focus();
  };
  const shown = items.filter(Boolean);
  return html`<button ref=${button} type="button" class="iconbutton" aria-label=${label} aria-haspopup="menu" popovertarget=${id}>
    <${Icon} name="more" /></button>
    <div ref=${menu} id=${id} popover="auto" role="menu" aria-label=${label} class="menu" onKeyDown=${keys}>
      ${shown.map((i) => (i.href
        ? html`<a role="menuitem" href=${i.href}>${i.text}</a>`
        : html`<button role="menuitem" type="button" class=${i.danger ? 'danger' : ''} disabled=${i.disabled}
            onClick=${() => { menu.current.hidePopover(); i.run(); }}>${i.text}</button>`))}</div>`;
}
