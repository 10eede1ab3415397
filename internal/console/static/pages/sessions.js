// Sessions and batches on record: of one gateway, and of all.
import { html } from '../lib.js';
import { paths, query, root } from '../api.js';
import { useResource } from '../live.js';
import { can, useOwnTokens } from '../me.js';
import { gatewayLink, route, setQuery } from '../router.js';
import { siteOf } from '../endpoint.js';
import { closeRecord, openUI } from '../actions.js';
import { Menu, open, Dialog } from '../parts/dialog.js';
import { Code, Empty, Failure, Id, Pager, Select, Skeleton, State, Time, useTitle } from '../parts/parts.js';
import { Icon } from '../parts/icons.js';
import { Commands, showWays, way } from '../parts/ways.js';
import { hours as inHours, number, span } from '../parts/format.js';

const size = 50;
export const ended = ['success', 'dead', 'error', 'killed', 'gone'];
const states = ['starting', 'idle', 'busy', 'running', 'success', 'dead', 'error', 'killed', 'gone'];

export const title = (r) => (r.publicId >= 0 ? `${r.kind} ${r.publicId}` : `${r.kind}, not confirmed`);
export const lasted = (r) => (r.started || r.created ? span(+new Date(r.ended || Date.now()) - +new Date(r.started || r.created)) : '–');

/** hours are vCore-hours, those of what lives up to now. */
export const hours = (r) => (r.ended ? (r.vcoreSeconds || 0) : (r.started ? (r.milliCpu || 0) / 1000 * (Date.now() - +new Date(r.started)) / 1000 : 0)) / 3600;

/** shape is the resource configuration in a few characters; the JSON is a click away. */
function shape(r) {
  const c = r.resources || {};
  const driver = `${c.driverCores || 1} × ${c.driverMemory || '1g'}`;
  return c.numExecutors ? `${driver} + ${c.numExecutors} × (${c.executorCores || 1} × ${c.executorMemory || '1g'})` : driver;
}

export const showJSON = (heading, value) => open((close) => html`<${Dialog} title=${heading} close=${close} wide>
  <${Code} text=${JSON.stringify(value, null, 2)} /><//>`);

/** changed counts what the policy did to a create. */
export function changed(r) {
  const p = r.policy || {};
  const of = (list) => (list || []).filter((e) => !e.quiet);
  return { ignored: of(p.ignored), forced: of(p.forced), lowered: of(p.lowered) };
}

export function Sessions({ g }) {
  useTitle(`Sessions of ${g.spec.name}`);
  const { state = '', token = '', from = '', until = '' } = route.value.query;
  const offset = Number(route.value.query.offset) || 0;
  const filter = { state, token, from: day(from), until: day(until, 1) };
  const { data, error, refresh } = useResource(paths.records(g.workspace, g.spec.name) + query({ ...filter, limit: size, offset }));
  const tokens = useResource(paths.tokens(g.workspace, g.spec.name) + '?limit=200');
  const change = (changes) => setQuery({ offset: '', ...changes });
  const filtered = state || token || from || until;
  return html`<section>
    <div class="head sub"><h2>Sessions and batches</h2><div class="buttons">
      <a class="button" download=${`${g.spec.name}-records.jsonl`} href=${root + paths.records(g.workspace, g.spec.name) + '/export' + query(filter)}>Export</a>
      <${Commands} ways=${() => [way.records(g, filter)]} /></div></div>
    <${Filters} state=${state} change=${change}>
      <${Select} compact label="Token" value=${token} set=${(v) => change({ token: v })} options=${[['', 'All tokens'], ...(tokens.data?.tokens || []).map((t) => [t.id, t.name])]} />
      <label class="dates"><span>From</span>
        <input type="date" value=${from} onChange=${(e) => change({ from: e.currentTarget.value })} /></label>
      <label class="dates"><span>to</span>
        <input type="date" value=${until} onChange=${(e) => change({ until: e.currentTarget.value })} /></label>
      <span class="count" role="status">${data ? number(data.total) : ''}</span><//>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} /> ` : data.records.length === 0
      ? html`<${Empty} title=${filtered ? 'Nothing is like that' : 'No sessions yet'}>${filtered
        ? html`<p><button class="button" onClick=${() => change({ state: '', token: '', from: '', until: '' })}>Show all</button></p>`
        : html`<p>What clients start through this gateway is on record here: who, with which resources, and what became of it. <a href=${gatewayLink(g)}>Connect a client</a></p>`}<//>`
      : html`<${RecordTable} rows=${data.records.map((r) => ({ r, g }))} />
        <${Pager} total=${data.total} offset=${offset} size=${size} go=${(o) => setQuery({ offset: o || '' })} />`}</section>`;
}

const day = (text, plus = 0) => (/^\d{4}-\d\d-\d\d$/.test(text) ? new Date(+new Date(text) + plus * 86400000).toISOString() : '');

const Filters = ({ state, change, children }) => html`<div class="filters">
  <div class="segments" role="group" aria-label="Which">${[['', 'All'], ['live', 'Live']].map(([v, text]) => html`<button key=${v} aria-pressed=${state === v} onClick=${() => change({ state: v })}>${text}</button>`)}</div>
  <${Select} compact label="Status" value=${state === 'live' ? '' : state} set=${(v) => change({ state: v })} options=${[['', 'Any status'], ...states.map((s) => [s, s])]} />${children}</div>`;

export const RecordTable = ({ rows, gateways = false }) => html`<div class="tablebox"><table class="rows">
  <thead><tr><th>Session ID</th>${gateways && html`<th>Gateway</th>`}<th>Status</th><th>Creation time</th>
    <th>Resource configuration</th><th>Duration</th><th>Token</th>${!gateways && html`<th>Policy</th>`}<th>Spark UI</th><th>
    <span class="offscreen">Actions</span></th></tr></thead>
  <tbody>${rows.map(({ r, g }) => html`<${RecordRow} key=${r.id} r=${r} g=${g} gateways=${gateways} />`)}</tbody></table></div>`;

function RecordRow({ r, g, gateways }) {
  const live = !ended.includes(r.state);
  const own = useOwnTokens(g.workspace)(r.tokenId);
  const c = changed(r);
  const did = [c.ignored.length && `${c.ignored.length} ignored`, c.lowered.length && `${c.lowered.length} lowered`, c.forced.length && `${c.forced.length} forced`].filter(Boolean);
  const list = [...c.ignored.map((e) => `ignored: ${e.key}`), ...c.forced.map((e) => `forced: ${e.key}`), ...c.lowered.map((e) => `lowered: ${e.key}`)].join('\n');
  return html`<tr>
    <td data-label="Session ID" class="main">
      <a href=${gatewayLink(g, 'sessions', r.id)}>${title(r)}</a>${r.name && r.name !== r.id && html`<span class="sub" title=${r.name}>${r.name}</span>`}</td>
    ${gateways && html`<td data-label="Gateway"><a href=${gatewayLink(g)}>${g.spec.name}</a></td>`}
    <td data-label="Status"><${State} of=${r.state} title=${r.reason || ''} /></td>
    <td data-label="Creation time"><${Time} at=${r.created} /></td>
    <td data-label="Resources">
      <button class="plain" title="Show as JSON" onClick=${() => showJSON(`Resource configuration of ${title(r)}`, r.resources)}>${r.resources?.kind && html`<span class="tag">${r.resources.kind}</span>`}<code>${shape(r)}</code></button></td>
    <td data-label="Duration" class="nowrap">${lasted(r)}<span class="sub">${inHours(hours(r))} vCore-h</span></td>
    <td data-label="Token" class="clip">${r.tokenName || html`<span class="faint" title="Found in Livy without a create through the gateway">none</span>`}${r.resources?.proxyUser && html`<span class="sub">as ${r.resources.proxyUser}</span>`}</td>
    ${!gateways && html`<td data-label="Policy">${did.length ? html`<span class="marks" title=${list}>${did.map((d) => html`<span class=${d.endsWith('forced') ? 'tag' : 'tag warn'} key=${d}>${d}</span>`)}</span>` : html`<span class="faint">–</span>`}</td>`}
    <td data-label="Spark UI">${r.sparkUi && can('closeRecord', g.workspace, own) ? html`<button class="plain" onClick=${() => openUI(g, r, () => siteOf(g))}>Open<${Icon} name="external" /></button>` : html`<span class="faint">–</span>`}</td>
    <td class="actions">${live && can('closeRecord', g.workspace, own) && html`<button class="button small" aria-label=${'Close ' + title(r)} onClick=${() => closeRecord(g, r)}>Close</button>`}
      <${Menu} label=${'More about ' + title(r)} items=${[
        { text: 'Details', href: gatewayLink(g, 'sessions', r.id) },
        { text: 'Resource configuration', run: () => showJSON(`Resource configuration of ${title(r)}`, r.resources) },
        { text: 'Command line and API', run: () => showWays([way.record(g, r), way.closeRecord(g, r), way.ui(g, r)]) },
      ]} /></td></tr>`;
}

/** AllSessions are those of all gateways. */
export function AllSessions() {
  useTitle('Sessions');
  const { state = '', cursor = '' } = route.value.query;
  const list = useResource('/v1/gateways?limit=1000');
  const { data, error, refresh } = useResource('/v1/records' + query({ state, limit: size, cursor }));
  const change = (changes) => setQuery({ cursor: '', ...changes });
  const byId = new Map((list.data?.gateways || []).map((g) => [g.id, g]));
  const none = error?.status === 404;
  const rows = (data?.records || []).map((r) => ({ r, g: byId.get(r.gatewayId) })).filter((x) => x.g);
  const failed = list.error || (none ? null : error);
  return html`<div class="head"><h1>Sessions</h1></div>
    <${Filters} state=${state} change=${change} />
    ${failed ? html`<${Failure} error=${failed} retry=${refresh} />` : none && list.data ? html`<${MergedSessions} key=${list.data.gateways.map((g) => g.id).join()} gateways=${list.data.gateways} state=${state} />`
      : !data || !list.data ? html`<${Skeleton} />` : html`<${RowsOrNone} rows=${rows} />
      ${(data.next || cursor) && html`<nav class="pager" aria-label="Pages">
        <button class="button small" disabled=${!cursor} onClick=${() => change({})}>Newest</button>
        <button class="button small" disabled=${!data.next} onClick=${() => setQuery({ cursor: data.next })}>Older</button></nav>`}`}`;
}

const RowsOrNone = ({ rows }) => (rows.length ? html`<${RecordTable} rows=${rows} gateways />` : html`<${Empty} title="No sessions"><p>What clients start through gateways is on record here.</p><//>`);

/**
 * MergedSessions reads the newest of each gateway, where the server has no list of all. Its
 * hooks are one for each gateway, so it is keyed by them.
 */
function MergedSessions({ gateways, state }) {
  const lists = gateways.map((g) => ({ g, ...useResource(paths.records(g.workspace, g.spec.name) + query({ state, limit: size })) }));
  if (lists.some((l) => !l.data && !l.error)) return html`<${Skeleton} />`;
  const rows = lists.flatMap(({ g, data }) => (data?.records || []).map((r) => ({ r, g })));
  rows.sort((a, b) => (a.r.created < b.r.created ? 1 : -1));
  return html`<${RowsOrNone} rows=${rows.slice(0, 2 * size)} />`;
}

export const recordFacts = (r) => [
  ['Record', html`<${Id} text=${r.id} />`],
  ['Session ID', title(r)],
  ['Name', r.name || '–'],
  ['Application', r.appId ? html`<${Id} text=${r.appId} />` : '–'],
  ['Creation time', html`<${Time} at=${r.created} />`],
  ['Started', html`<${Time} at=${r.started} />`],
  ['Ended', html`<${Time} at=${r.ended} none="it lives" />`],
  ['Duration', lasted(r)],
  ['Token', r.tokenName ? html`${r.tokenName} <${Id} text=${r.tokenId} />` : 'none: started at Livy itself'],
  ['Client address', r.clientAddr || '–'],
  ['Runs as', r.resources?.proxyUser || 'the Livy server’s user'],
  ['Queue', r.resources?.queue || '–'],
  ['vCore-hours', inHours(hours(r))],
  ['GB-hours', inHours(r.ended ? (r.mbSeconds || 0) / 1024 / 3600 : hours({ ...r, milliCpu: (r.memoryMb || 0) / 1024 * 1000 }))],
];
