// The command palette: Ctrl-K, and any gateway, token, session or page is a few letters away.
import { html, useEffect, useMemo, useRef, useState } from './lib.js';
import { get, paths } from './api.js';
import { can, reach } from './me.js';
import { gatewayLink, go } from './router.js';
import { restart, start, stop } from './actions.js';
import { Dialog, open } from './parts/dialog.js';
import { State } from './parts/parts.js';
import { Icon } from './parts/icons.js';
import { tokensOf } from './pages/tokens.js';

let shown = false;

export function openPalette() {
  if (shown) return;
  shown = true;
  open((close) => html`<${Palette} close=${() => { shown = false; close(); }} />`);
}

const pages = [['Livy Gateways', '#/gateways', 'gateway'], ['Overview', '#/overview', 'overview'], ['Sessions', '#/sessions', 'sessions'], ['Usage', '#/usage', 'usage'], ['My tokens', '#/tokens', 'token'], ['Catalog', '#/catalog', 'catalog'], ['Audit', '#/audit', 'audit']];

async function recordsOf(gateways) {
  if (!reach('records')) return [];
  const byId = new Map(gateways.map((g) => [g.id, g]));
  const all = await get('/v1/records?limit=200').catch(() => null);
  if (all) return all.records.map((r) => ({ r, g: byId.get(r.gatewayId) })).filter((x) => x.g);
  const lists = await Promise.all(gateways.slice(0, 100).map((g) => get(paths.records(g.workspace, g.spec.name) + '?limit=50').then((d) => d.records.map((r) => ({ r, g })), () => [])));
  return lists.flat();
}

function Palette({ close }) {
  const [q, setQ] = useState('');
  const [at, setAt] = useState(0);
  const [items, setItems] = useState(/** @type {any[]} */ (pages.map(([text, href, icon]) => ({ text, href, icon, kind: 'Page' }))));
  useEffect(() => {
    let gone = false;
    const add = (more) => { if (!gone) setItems((all) => [...all, ...more]); };
    void (async () => {
      const { gateways } = await get('/v1/gateways?limit=1000').catch(() => ({ gateways: [] }));
      add(gateways.map((g) => ({ text: g.spec.name, more: `${g.workspace} ${g.id}`, href: gatewayLink(g), icon: 'gateway', kind: 'Gateway', state: g.status.state })));
      add(gateways.flatMap((g) => [['Tokens', 'tokens'], ['Sessions', 'sessions'], ['Logs', 'logs'], ['Policy', 'policy']].filter(([, tab]) => !['tokens', 'logs'].includes(tab) || reach(tab, g.workspace)).map(([text, tab]) => ({ text: `${g.spec.name}: ${text}`, href: gatewayLink(g, tab), icon: 'gateway', kind: 'Page' }))));
      add(gateways.flatMap((g) => (g.desired === 'Running'
        ? can('stop', g.workspace) ? [{ text: `Stop ${g.spec.name}`, run: () => stop(g), icon: 'stop', kind: 'Action' }, { text: `Restart ${g.spec.name}`, run: () => restart(g), icon: 'play', kind: 'Action' }] : []
        : can('start', g.workspace) ? [{ text: `Start ${g.spec.name}`, run: () => start(g), icon: 'play', kind: 'Action' }] : [])));
      if (can('create')) add([{ text: 'Create Livy Gateway', href: '#/new', icon: 'plus', kind: 'Action' }]);
      const [tokens, records] = await Promise.all([tokensOf(gateways), recordsOf(gateways)]);
      add(tokens.map(({ t, g }) => ({ text: t.name, more: `${t.id} ${g.spec.name}`, href: gatewayLink(g, 'tokens'), icon: 'token', kind: 'Token', state: t.state })));
      add(records.map(({ r, g }) => ({ text: r.name || `${r.kind} ${r.publicId}`, more: `${r.id} ${r.kind} ${r.publicId} ${g.spec.name} ${r.appId || ''}`, href: gatewayLink(g, 'sessions', r.id), icon: 'sessions', kind: r.kind === 'batch' ? 'Batch' : 'Session', state: r.state })));
    })();
    return () => { gone = true; };
  }, []);
  const found = useMemo(() => search(items, q), [items, q]);
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => { list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }); }, [chosen]);
  const choose = (item) => {
    close();
    if (item.href) go(item.href);
    else item.run();
  };
  const keys = (e) => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      setAt((chosen + (e.key === 'ArrowDown' ? 1 : -1) + found.length) % Math.max(1, found.length));
    } else if (e.key === 'Enter' && found[chosen]) {
      e.preventDefault();
      choose(found[chosen]);
    }
  };
  return html`<${Dialog} title="Jump to" close=${close}><div class="palette">
    <label class="search"><${Icon} name="search" /><span class="offscreen">Gateway, token, session, page or action</span>
      <input data-focus type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant=${found.length ? `palette-${chosen}` : undefined} autocomplete="off" spellcheck="false"
        placeholder="Gateway, token, session, page or action" value=${q} onKeyDown=${keys} onInput=${(e) => { setQ(e.currentTarget.value); setAt(0); }} /></label>
    <div class="found" id="palette-list" role="listbox" aria-label="Found" ref=${list}>${found.map((i, n) => html`<div key=${i.kind + i.text + (i.more || '')} id=${`palette-${n}`} role="option" aria-selected=${n === chosen}
      onClick=${() => choose(i)} onMouseMove=${() => n !== chosen && setAt(n)}><${Icon} name=${i.icon} />
        <span class="what">${i.text}<small>${i.more || ''}</small></span>${i.state && html`<${State} of=${i.state} />`}<span class="kind">${i.kind}</span></div>`)}</div>
    ${found.length === 0 && html`<p class="hint">Nothing is called like that.</p>`}</div><//>`;
}

/** search ranks: what begins with the words first, then what has them anywhere. */
function search(items, q) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const ranked = [];
  for (const i of items) {
    const text = i.text.toLowerCase(), all = `${text} ${(i.more || '').toLowerCase()} ${i.kind.toLowerCase()}`;
    if (!words.every((w) => all.includes(w))) continue;
    const rank = !words.length ? 0 : text === words.join(' ') ? 0 : text.startsWith(words[0]) ? 1 : text.includes(words[0]) ? 2 : 3;
    ranked.push([rank, i]);
  }
  ranked.sort((a, b) => a[0] - b[0]);
  return ranked.slice(0, 40).map(([, i]) => i);
}
