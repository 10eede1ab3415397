// The frame around all pages.
import { html, render, useEffect, useState } from './lib.js';
import { connection } from './api.js';
import { start } from './live.js';
import { me, reach, user, whoami } from './me.js';
import { go, route, startRouter } from './router.js';
import { Dialogs } from './parts/dialog.js';
import { Empty, Failure } from './parts/parts.js';
import { Icon } from './parts/icons.js';
import { later } from './parts/later.js';
import { Toasts } from './parts/toast.js';
import { showWays } from './parts/ways.js';
import { openPalette } from './palette.js';
import { Gateways } from './pages/gateways.js';
import { GatewayPage } from './pages/gateway.js';
import { CreateGateway, EditGateway } from './pages/form.js';
import { AllSessions } from './pages/sessions.js';
import { AllTokens } from './pages/tokens.js';
import { Catalog } from './pages/catalog.js';
import { AuditPage } from './pages/audit.js';
import { Overview } from './pages/overview.js';

const UsageBy = later(() => import('./pages/usage-by.js').then((m) => m.UsageBy));

const places = [
  ['overview', 'Overview', 'overview'],
  ['gateways', 'Livy Gateways', 'gateway'],
  ['sessions', 'Sessions', 'sessions'],
  ['usage', 'Usage', 'usage'],
  ['tokens', 'My tokens', 'token'],
  ['catalog', 'Catalog', 'catalog'],
  ['audit', 'Audit', 'audit'],
];

/** needs are the actions without which a page is of no use. */
const needs = { audit: 'audit', tokens: 'tokens', sessions: 'records', usage: 'records' };

function Page() {
  const { path } = route.value;
  const [place = 'gateways', workspace, name, ...rest] = path;
  switch (place) {
    case 'overview': return html`<${Overview} />`;
    case 'sessions': return html`<${AllSessions} />`;
    case 'usage': return html`<${UsageBy} />`;
    case 'tokens': return html`<${AllTokens} />`;
    case 'catalog': return html`<${Catalog} />`;
    case 'audit': return html`<${AuditPage} />`;
    case 'new': return html`<${CreateGateway} />`;
    case 'edit': if (name) return html`<${EditGateway} key=${workspace + '/' + name} workspace=${workspace} name=${name} />`; break;
    case 'gateways':
      if (!workspace) return html`<${Gateways} />`;
      if (name) return html`<${GatewayPage} key=${workspace + '/' + name} workspace=${workspace} name=${name} rest=${rest} />`;
  }
  return html`<div class="head"><h1>Not found</h1></div><${Empty} title="There is no such page"><p>
    <a href="#/gateways">Livy Gateways</a> is where everything begins.</p><//>`;
}

const themes = [['', 'Like the system', 'auto'], ['light', 'Light', 'sun'], ['dark', 'Dark', 'moon']];

function Theme() {
  const [theme, set] = useState(document.documentElement.dataset.theme || '');
  const at = themes.findIndex(([t]) => t === theme);
  const [value, label] = themes[(at + 1) % themes.length];
  return html`<button class="iconbutton" aria-label=${`Theme: ${themes[at][1]}. Change to: ${label}`} title=${`Theme: ${themes[at][1]}`} onClick=${() => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
    try { localStorage.setItem('livy.theme', value); } catch { /* for this page only */ }
    set(value);
  }}><${Icon} name=${themes[at][2]} /></button>`;
}

function App() {
  useEffect(() => {
    const keys = (e) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault();
        openPalette();
      }
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, []);
  const at = { new: 'gateways', edit: 'gateways' }[route.value.path[0]] || route.value.path[0] || 'gateways';
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>To the content</a>
    <header class="top">
      <a class="brand" href="#/gateways"><span class="mark" aria-hidden="true"></span>Livy Gateway</a>
      <button class="jump" onClick=${openPalette} aria-keyshortcuts="Control+K"><${Icon} name="search" />
        <span>Jump to a gateway, token or session</span><kbd>Ctrl K</kbd></button>
      <span class="who">${me.value?.user && html`<span title=${(me.value.groups || []).join(', ')}>${user()}</span>`}<${Theme} /></span>
    </header>
    <nav class="side" aria-label="Pages">
      ${places.filter(([id]) => !needs[id] || reach(needs[id])).map(([id, text, icon]) => html`<a key=${id} href=${'#/' + id} aria-current=${id === at ? 'page' : undefined}><${Icon} name=${icon} />${text.startsWith('Livy ') ? html`<span class="long">${text}</span><span class="short">${text.slice(5)}</span>` : html`<span>${text}</span>`}</a>`)}
      ${me.value?.version && html`<p class="version">${me.value.version}</p>`}
    </nav>
    <main id="main" tabindex="-1">
      ${connection.value && html`<div class="lost" role="alert">
        <span class="spinner" aria-hidden="true"></span>${connection.value} Trying again; what you typed is kept.</div>`}
      ${me.value?.refused ? html`<${Failure} error=${{ message: me.value.refused }} retry=${() => location.reload()} />` : html`<${Page} />`}
    </main>
    <${Toasts} showWays=${showWays} /><${Dialogs} />`;
}

startRouter();
start();
void whoami();
if (!location.hash) go('#/gateways');
const root = /** @type {HTMLElement} */ (document.getElementById('app'));
root.replaceChildren();
render(html`<${App} />`, root);
