// A gateway's first tab: endpoints, how to connect clients, what it did.
import { html, useState } from '../lib.js';
import { gatewayLink } from '../router.js';
import { certain, configured, endpointOf, endpointsOf, guessed, publicEndpointOf, publicEndpointsOf, setSite, site } from '../endpoint.js';
import { Used } from '../usage.js';
import { Code, Id, State, Time, useTitle } from '../parts/parts.js';
import { plural } from '../parts/format.js';
import { setups } from './setups.js';

export function GatewayOverview({ g, live }) {
  useTitle(g.spec.name);
  const publicOnes = publicEndpointsOf(g);
  return html`<div class="columns">
    <div class="stack">
      <section class="card"><h2>Endpoint</h2>
        <dl class="list">${endpointsOf(g).map((url, i) => html`<div key=${url}><dt>${i > 0 ? '' : publicOnes.length ? 'Internal' : 'Endpoint'}</dt><dd>
          <${Id} text=${url} label="Copy the endpoint" /></dd></div>`)}
          ${publicOnes.map((url, i) => html`<div key=${url}><dt>${i > 0 ? '' : 'Public'}</dt><dd>
            <${Id} text=${url} label="Copy the public endpoint" /></dd></div>`)}
          ${publicOnes.length === 0 && html`<div><dt>Public</dt>
            <dd>${g.spec.public ? 'on, but no public site is known' : 'off: internal endpoints only'}</dd></div>`}
          <div><dt>Authentication</dt><dd>Token, see <a href=${gatewayLink(g, 'tokens')}>Tokens</a></dd></div></dl>
        ${!configured && (guessed(g) || certain()) && html`<${Site} />`}</section>
      <section class="card"><h2>Connect</h2><${Connect} g=${g} /></section>
    </div>
    <div class="stack">
      <section class="card"><h2>Now</h2><dl class="list">
        <div><dt>Status</dt><dd><${State} of=${g.status.state} /></dd></div>
        <div><dt>Live</dt><dd>${live ? html`<a href=${gatewayLink(g, 'sessions') + '?state=live'}>${plural(live.total, 'session or batch', 'sessions and batches')}</a>` : '…'}</dd></div>
        <div><dt>In use</dt><dd><${Used} live=${live} spec=${g.spec} elsewhere=${Boolean(g.spec.cluster)} /></dd></div>
        <div><dt>Livy</dt><dd>${g.status.livyVersion || g.spec.livyVersion}</dd></div>
        ${(g.servers || []).map((s) => html`<div key=${s.number}><dt>Server ${s.number}</dt><dd>${s.state}${s.engine ? `, ${s.engine}` : ''}${s.live ? `, ${plural(s.live.sessions + s.live.batches, 'session or batch', 'sessions and batches')}` : ''}${s.state === 'draining' ? html`, until <${Time} at=${s.drainUntil} /> at most` : ''}</dd></div>`)}
        <div><dt>Automatic stop</dt>
          <dd>${g.spec.autoStop?.enabled ? `after ${g.spec.autoStop.minutes} idle minutes` : 'off'}</dd></div>
        <div><dt>Automatic start</dt><dd>${g.spec.autoStart?.enabled ? 'on a request' : 'off'}</dd></div></dl></section>
      <section class="card"><h2>History</h2><ol class="timeline">
        ${[...(g.history || [])].reverse().slice(0, 12).map((t, i) => html`<li key=${i}><${State} of=${t.to} /><span class="sub">
          <${Time} at=${t.time} /> by ${t.actor}${t.cause ? `: ${t.cause}` : ''}</span></li>`)}</ol></section>
    </div></div>`;
}

/** Site lets people say where the gateways' site is, if the operator did not. */
function Site() {
  return html`<label class="field"><span>Address of the gateways' site</span>
    <input type="url" value=${site.value} spellcheck="false" onChange=${(e) => setSite(e.currentTarget.value)} />
    <small>${certain() ? 'Kept in this browser.' : 'The console does not know it: it is the site with livy_gateway.'} <code>livy_console { endpoint URL }</code> tells everybody.</small></label>`;
}

function Connect({ g }) {
  const [at, set] = useState('curl');
  const setup = setups.find((s) => s.id === at) || setups[0];
  return html`<div class="segments wrap" role="group" aria-label="Client">${setups.map((s) => html`<button key=${s.id} aria-pressed=${s.id === at} onClick=${() => set(s.id)}>${s.name}</button>`)}</div>
    <p class="hint">${setup.hint}</p>
    <${Code} text=${setup.text(publicEndpointOf(g) || endpointOf(g))} label=${`Copy the set-up of ${setup.name}`} />`;
}
