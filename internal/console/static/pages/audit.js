// Who did what.
import { html, useEffect, useState } from '../lib.js';
import { get, query, root } from '../api.js';
import { useResource } from '../live.js';
import { route, setQuery } from '../router.js';
import { Code, Empty, Failure, Search, Select, Skeleton, State, Time, useTitle } from '../parts/parts.js';
import { Commands, way } from '../parts/ways.js';

const actions = [['', 'All actions'], ['gateway', 'Gateways'], ['token', 'Tokens'], ['record', 'Sessions and batches'], ['request', 'Requests of clients'], ['api', 'Management requests'], ['refusals', 'Refusals counted']];

export function AuditPage() {
  useTitle('Audit');
  return html`<${Entries} gateway="" heading=${(buttons) => html`<div class="head"><h1>Audit</h1>${buttons}</div>`} />`;
}

export function Audit({ g }) {
  useTitle(`Audit of ${g.spec.name}`);
  return html`<${Entries} gateway=${g.id} heading=${(buttons) => html`<div class="head sub"><h2>Audit</h2>${buttons}</div>`} />`;
}

function Entries({ gateway, heading }) {
  const { action = '', outcome = '', actor = '' } = route.value.query;
  const filter = { gateway, action, outcome, actor };
  const { data, error, refresh } = useResource('/v1/audit' + query({ ...filter, limit: 50 }));
  // Older pages are read one after the other, and stay as they are.
  const [older, setOlder] = useState(/** @type {{entries: any[], next?: string}|null} */ (null));
  const [busy, setBusy] = useState(false);
  const key = JSON.stringify(filter);
  useEffect(() => setOlder(null), [key]);
  const next = older ? older.next : data?.next;
  const more = async () => {
    setBusy(true);
    try {
      const page = await get('/v1/audit' + query({ ...filter, limit: 100, cursor: next }));
      setOlder({ entries: [...(older?.entries || []), ...page.entries], next: page.next });
    } finally {
      setBusy(false);
    }
  };
  const seen = new Set();
  const entries = [...(data?.entries || []), ...(older?.entries || [])].filter((e) => !seen.has(e.id) && seen.add(e.id));
  return html`<section>
    ${heading(html`<div class="buttons">
      <a class="button" download="audit.jsonl" href=${root + '/v1/audit/export' + query(filter)}>Export</a>
      <${Commands} ways=${() => [way.audit(Object.fromEntries(Object.entries(filter).filter(([, v]) => v)))]} /></div>`)}
    <div class="filters"><${Search} label="Actor" value=${actor} set=${(v) => setQuery({ actor: v })} />
      <${Select} compact label="Action" value=${action} set=${(v) => setQuery({ action: v })} options=${actions} />
      <${Select} compact label="Outcome" value=${outcome} set=${(v) => setQuery({ outcome: v })} options=${[['', 'Done and refused'], ['done', 'Done'], ['refused', 'Refused']]} /></div>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} />` : entries.length === 0 && !next ? html`<${Empty} title="Nothing is like that" />`
      : html`<div class="tablebox"><table class="rows"><thead><tr><th>Time</th><th>Actor</th>
        <th>Action</th>${!gateway && html`<th>Gateway</th>`}<th>Outcome</th><th>Detail</th><th>From</th></tr></thead>
        <tbody>${entries.map((e) => html`<${Entry} key=${e.id} e=${e} gateways=${!gateway} />`)}</tbody></table></div>
      ${next && html`<nav class="pager">
        <button class="button small" disabled=${busy} onClick=${more}>Older</button></nav>`}`}</section>`;
}

const Entry = ({ e, gateways }) => html`<tr><td data-label="Time"><${Time} at=${e.time} /></td>
  <td data-label="Actor" class="clip">${e.actor}</td><td data-label="Action">
  <code>${e.action}</code>${e.count > 1 && html`<span class="tag">× ${e.count}</span>`}</td>
  ${gateways && html`<td data-label="Gateway">${e.gateway || ''}</td>`}<td data-label="Outcome"><${State} of=${e.outcome} /></td>
  <td data-label="Detail" class="wide">${e.detail}${e.target && html`<span class="sub"><code>${e.target}</code></span>`}
    ${(e.before || e.after) && html`<details><summary>What changed</summary>
      <${Code} text=${difference(e.before || {}, e.after || {})} /></details>`}</td>
  <td data-label="From">${e.address || '–'}<span class="sub">${e.surface}</span></td></tr>`;

function difference(before, after) {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((k) => {
    const show = (v) => (v === undefined ? '(default)' : typeof v === 'string' ? v : JSON.stringify(v));
    return `${k}: ${show(before[k])} → ${show(after[k])}`;
  }).join('\n');
}
