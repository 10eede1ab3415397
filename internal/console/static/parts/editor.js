// A plain text editor with line numbers that shows an error at its line.
import { html, useEffect, useId, useRef } from '../lib.js';

/**
 * @param {{label: string, value: string, set: (text: string) => void, error?: {message: string, line?: number}|null, rows?: number, placeholder?: string, disabled?: boolean}} props
 */
export function Editor({ label, value, set, error = null, rows = 8, placeholder = '', disabled = false }) {
  const id = useId();
  const gutter = useRef(/** @type {HTMLElement|null} */ (null));
  const area = useRef(/** @type {HTMLTextAreaElement} */ (/** @type {unknown} */ (null)));
  const lines = value.split('\n').length;
  const shown = Math.min(28, Math.max(rows, lines));
  const scroll = () => { if (gutter.current) gutter.current.scrollTop = area.current.scrollTop; };
  useEffect(() => {
    if (!error?.line) return;
    const a = area.current;
    const begin = a.value.split('\n').slice(0, error.line - 1).join('\n').length + (error.line > 1 ? 1 : 0);
    a.focus();
    a.setSelectionRange(begin, begin);
    scroll();
  }, [error]);
  return html`<div class=${error ? 'editor bad' : 'editor'}>
    <div class="text"><div class="gutter" ref=${gutter} aria-hidden="true">${Array.from({ length: Math.max(lines, shown) }, (_, i) =>
      html`<span key=${i} class=${error?.line === i + 1 ? 'at' : ''}>${i + 1}</span>`)}</div>
    <textarea ref=${area} aria-label=${label} aria-invalid=${error ? 'true' : undefined} aria-describedby=${error ? id : undefined} rows=${shown} wrap="off" spellcheck="false"
      autocapitalize="off" autocomplete="off" placeholder=${placeholder} disabled=${disabled} value=${value} onScroll=${scroll} onInput=${(e) => set(e.currentTarget.value)}></textarea></div>
    ${error && html`<p class="wrong" id=${id} role="alert">${error.line ? html`<strong>Line ${error.line}:</strong> ` : ''}${error.message}</p>`}</div>`;
}
