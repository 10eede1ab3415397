// One session or batch.
import { html } from '../lib.js';
import { paths } from '../api.js';
import { useResource } from '../live.js';
import { can, useOwnTokens } from '../me.js';
import { gatewayLink } from '../router.js';
import { siteOf } from '../endpoint.js';
import { closeRecord, openUI } from '../actions.js';
import { Code, Failure, Notice, Skeleton, State, Time, useTitle } from '../parts/parts.js';
import { Icon } from '../parts/icons.js';
import { Commands, way } from '../parts/ways.js';
import { changed, ended, recordFacts, title } from './sessions.js';
import { span } from '../parts/format.js';

export function RecordPage({ g, id }) {
  const { data: r, error, refresh } = useResource(paths.record(g.workspace, g.spec.name, id));
  const mine = useOwnTokens(g.workspace);
  useTitle(r ? `${title(r)} of ${g.spec.name}` : id);
  if (error) return html`<${Failure} error=${error} retry=${refresh} />`;
  if (!r) return html`<${Skeleton} />`;
  const live = !ended.includes(r.state);
  const mayClose = can('closeRecord', g.workspace, mine(r.tokenId));
  const c = changed(r);
  return html`<section>
    <p class="crumbs"><a href=${gatewayLink(g, 'sessions')}>Sessions</a><${Icon} name="chevron" /><span>${title(r)}</span></p>
    <div class="head sub"><div class="title"><h2>${title(r)}</h2><${State} of=${r.state} /></div><div class="buttons">
      ${r.sparkUi && mayClose && html`<button class="button" onClick=${() => openUI(g, r, () => siteOf(g))}>Spark UI<${Icon} name="external" /></button>`}
      ${live && mayClose && html`<button class="button" onClick=${() => closeRecord(g, r)}>Close</button>`}
      <${Commands} ways=${() => [way.record(g, r), way.closeRecord(g, r), way.ui(g, r), way.statements(g)]} /></div></div>
    ${r.reason && html`<${Notice} tone=${['dead', 'error'].includes(r.state) ? 'bad' : 'info'}><p>${r.reason}</p><//>`}
    <div class="columns"><dl class="list settings">${recordFacts(r).map(([k, v]) => html`<div key=${k}><dt>${k}</dt>
      <dd>${v}</dd></div>`)}</dl>
      <div class="stack"><h3>Resource configuration</h3><${Code} text=${JSON.stringify(r.resources, null, 2)} /></div></div>
    <h3>What the policy did</h3><${Report} of=${c} />
    <h3>End of the log</h3>
    ${r.log?.length ? html`<${Code} text=${r.log.join('\n')} label="Copy the log" />` : html`<p class="hint">${live ? 'The record gets the end of its log once it has ended.' : 'Livy gave no log in time.'}${can('logs', g.workspace) && html` The Livy server's own output is in <a href=${gatewayLink(g, 'logs')}>Logs</a>.`}</p>`}
    ${r.kind === 'session' && can('statements', g.workspace) && html`<h3>Statements</h3>
      <${Statements} g=${g} r=${r} />`}</section>`;
}

/** Report lists what a policy ignored, forced, lowered, noted and refused. */
export function Report({ of }) {
  const rows = ['refused', 'noted', 'ignored', 'forced', 'lowered'].flatMap((what) => (of[what] || []).map((e) => ({ what, ...e })));
  if (!rows.length) return html`<p class="hint">Nothing: the request went through as it was.</p>`;
  return html`<div class="tablebox"><table class="rows"><thead><tr><th>Effect</th><th>Key</th><th>Given</th>
    <th>Set</th></tr></thead>
    <tbody>${rows.map((e, i) => html`<tr key=${i}><td data-label="Effect">
      <span class=${`tag ${{ refused: 'bad', forced: '' }[e.what] ?? 'warn'}`}>${e.what}</span></td>
      <td data-label="Key" class="wide"><code>${e.key}</code>
      <span class="sub full">${e.rule}${e.source && e.source !== 'built-in' ? ` · ${e.source}` : ''}</span></td>
      <td data-label="Given" class="clip"><code>${e.given || ''}</code></td><td data-label="Set" class="clip">
        <code>${e.set || ''}</code></td></tr>`)}</tbody></table></div>`;
}

function Statements({ g, r }) {
  const on = Boolean(g.spec.statementAudit);
  const { data, error } = useResource(on ? paths.gateway(g.workspace, g.spec.name) + '/statements?limit=500' : '');
  if (!on) return html`<p class="hint">Statements are not written down. Statement audit is a setting of the gateway.</p>`;
  if (error) return html`<${Failure} error=${error} />`;
  if (!data) return html`<${Skeleton} rows=${2} />`;
  const rows = data.statements.filter((s) => s.sessionId === r.publicId);
  if (!rows.length) return html`<p class="hint">None is on record.</p>`;
  return html`<div class="tablebox"><table class="rows"><thead><tr><th class="num">Statement</th><th>Status</th><th>Submitted</th>
    <th class="num">Duration</th><th>Token</th><th>Code</th></tr></thead>
    <tbody>${rows.map((s) => html`<tr key=${s.statementId}><td class="num" data-label="Statement">${s.statementId}</td>
      <td data-label="Status">${s.status ? html`<${State} of=${s.status} />` : html`<span class="faint">not read</span>`}</td>
      <td data-label="Submitted"><${Time} at=${s.submitted} /></td>
        <td class="num" data-label="Duration">${s.durationMs ? span(s.durationMs) : '–'}</td>
        <td data-label="Token">${s.tokenName}</td>
      <td data-label="Code" class="wide">${s.code ? html`<pre tabindex="0">${s.code}</pre>` : html`<code title="SHA-256 of the code">${s.codeHash.slice(0, 16)}…</code>`}</td></tr>`)}</tbody></table></div>`;
}
