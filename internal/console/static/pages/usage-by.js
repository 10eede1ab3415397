// What was used in a month, by user, token, gateway or workspace, and the budgets for it.
import { html, useState } from '../lib.js';
import { query, root } from '../api.js';
import { useResource } from '../live.js';
import { link, route, setQuery } from '../router.js';
import { Empty, Failure, Search, Select, Skeleton, Time, useTitle } from '../parts/parts.js';
import { Bars } from '../parts/plot.js';
import { Commands, way } from '../parts/ways.js';
import { day, hours, number } from '../parts/format.js';

const accounts = [['user', 'User'], ['token', 'Token'], ['gateway', 'Gateway'], ['workspace', 'Workspace']];

/** months are the present month and those before it, in UTC. */
function months() {
  const now = new Date();
  return Array.from({ length: 12 }, (_, i) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - i, 1)).toISOString().slice(0, 7));
}

const named = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });

const today = () => new Date().toISOString().slice(0, 10);

/** daysOf are the days of a month that have begun. */
function daysOf(month) {
  const [year, m] = month.split('-').map(Number);
  const last = new Date(Date.UTC(year, m, 0)).getUTCDate();
  return Array.from({ length: last }, (_, i) => `${month}-${String(i + 1).padStart(2, '0')}`).filter((d) => d <= today());
}

export function UsageBy() {
  useTitle('Usage');
  const list = months();
  const { by = 'user', month = list[0] } = route.value.query;
  const q = { by, month };
  const { data, error, refresh } = useResource('/v1/usage' + query(q), { every: 15000 });
  const present = month === list[0];
  return html`<div class="head"><h1>Usage</h1><div class="buttons">
      <${Select} compact label="Month" value=${month} set=${(v) => setQuery({ month: v })} options=${list.map((m) => [m, named.format(new Date(m + '-01T00:00:00Z'))])} />
      <a class="button" download=${`usage-${by}-${month}.csv`} href=${root + '/v1/usage' + query({ ...q, format: 'csv' })}>CSV</a>
      <${Commands} ways=${() => [way.usageBy(q)]} /></div></div>
    ${present && html`<${Budgets} />`}
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} />` : html`
      ${data.usage.length > 0 && html`<${Days} of=${data.days || []} month=${month} />`}
      <div class="segments wrap" role="group" aria-label="Add up by">${accounts.map(([id, text]) => html`<button key=${id} aria-pressed=${by === id} onClick=${() => setQuery({ by: id })}>${text}</button>`)}</div>
      ${data.usage.length === 0
        ? html`<${Empty} title="Nothing was used"><p>vCore-hours and GB-hours of sessions and batches are summed up here, from ${day(data.from)} to ${day(data.until)}.</p><//>`
        : html`<${Rows} key=${by} rows=${data.usage} by=${by} />`}`}`;
}

/** Days is what was used on each day. */
function Days({ of, month }) {
  const days = daysOf(month);
  const byDay = new Map(of.map((d) => [d.day, d]));
  const values = (field) => days.map((d) => byDay.get(d)?.[field] || 0);
  const sum = (field) => hours(of.reduce((n, d) => n + d[field], 0));
  return html`<div class="columns even">
    <${Bars} label=${`vCore-hours a day, ${sum('vcoreHours')} in all`} days=${days} series=${[{ label: 'vCore-hours', values: values('vcoreHours') }]} />
    <${Bars} label=${`GB-hours a day, ${sum('gbHours')} in all`} days=${days} series=${[{ label: 'GB-hours', values: values('gbHours'), tone: 'series1' }]} /></div>`;
}

/** Budgets are those of the present day and month. */
function Budgets() {
  const { data, error, refresh } = useResource('/v1/budgets', { every: 15000 });
  if (error) return html`<${Failure} error=${error} retry=${refresh} />`;
  if (!data?.budgets.length) return null;
  return html`<section aria-labelledby="budgets"><h2 id="budgets" class="offscreen">Budgets</h2>
    <div class="budgets">${data.budgets.map((b) => html`<${Budget} key=${b.name} b=${b} />`)}</div></section>`;
}

/** resources of a budget that have bounds. */
const resources = (b) => [
  { name: 'vCore-hours', field: 'vcoreHours', ...b.vcoreHours }, { name: 'GB-hours', field: 'gbHours', ...b.gbHours },
].filter((r) => r.soft || r.hard);

const bound = (r) => [r.soft && `${number(r.soft, 3)} soft`, r.hard && `${number(r.hard, 3)} hard`].filter(Boolean).join(', ');

/** reached is what kind of bound is reached: '', 'soft' or 'hard'. */
function reached(b, u) {
  const is = (kind) => resources(b).some((r) => r[kind] && u[r.field] >= r[kind]);
  return is('hard') ? 'hard' : is('soft') ? 'soft' : '';
}

const shownAtFirst = 5;

/** Budget is who has used how much of a budget. */
function Budget({ b }) {
  const [all, setAll] = useState(false);
  const used = all ? b.used : b.used.slice(0, shownAtFirst);
  const over = b.used.filter((u) => reached(b, u) === 'hard').length;
  return html`<section class="card most budget"><h3>Budget ${b.name}
      ${over > 0 ? html`<span class="tag bad">${over === 1 ? 'used up' : `used up by ${number(over)}`}</span>`
        : b.used.some((u) => reached(b, u)) && html`<span class="tag warn">soft bound reached</span>`}
      ${b.onExceed === 'stop' && html`<span class="tag" title="What runs is ended when a hard bound is reached">stops what runs</span>`}</h3>
    <p class="hint">Each ${b.per} a ${b.period}: ${resources(b).map((r) => `${r.name} ${bound(r)}`).join('; ')}.
      Begins anew <${Time} at=${b.reset} /></p>
    ${b.used.length === 0 ? html`<p class="hint">Nothing is used of it.</p>` : html`<table><thead class="offscreen"><tr><th>${b.per}</th><th>Used</th></tr></thead><tbody>
      ${used.map((u) => html`<tr key=${u.name} data-bound=${reached(b, u) || undefined}>
        <th scope="row">${u.tokenName ? html`${u.tokenName}<small><code>${u.name}</code></small>` : u.name}</th>
        <td>${resources(b).map((r) => html`<${Part} key=${r.field} of=${u[r.field]} r=${r} />`)}</td></tr>`)}</tbody></table>`}
    ${b.used.length > shownAtFirst && html`<button class="plain" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? 'Show less' : `Show all ${number(b.used.length)}`}</button>`}</section>`;
}

/** Part is how much of a bound is used, with a mark where the soft one is. */
function Part({ of, r }) {
  const limit = r.hard || r.soft;
  const text = `${hours(of)} of ${number(limit, 3)} ${r.name}`;
  return html`<span class="part" data-over=${r.hard && of >= r.hard ? 'hard' : r.soft && of >= r.soft ? 'soft' : undefined}>
    <meter min="0" max="1" value=${Math.min(1, of / limit)} aria-label=${text}></meter>
    <span>${text}</span><strong>${number(100 * of / limit)} %</strong></span>`;
}

/** searchFrom is how many rows make a search worth its place. */
const searchFrom = 10;

function Rows({ rows, by }) {
  const [q, search] = useState('');
  const total = rows.reduce((s, r) => ({ vcore: s.vcore + r.vcoreHours, gb: s.gb + r.gbHours }), { vcore: 0, gb: 0 });
  const head = accounts.find(([id]) => id === by)?.[1];
  const name = (r) => r.name || (by === 'user' || r.id ? (by === 'token' ? r.id : 'unknown') : 'started at Livy itself');
  const found = rows.filter((r) => `${name(r)} ${r.id || ''} ${r.workspace || ''}/${r.gateway || ''}`.toLowerCase().includes(q.trim().toLowerCase()));
  return html`${rows.length >= searchFrom && html`<div class="filters"><${Search} value=${q} set=${search} label=${`Find a ${by}`} /></div>`}
    ${found.length === 0 ? html`<${Empty} title=${`No ${by} is like that`} />` : html`<div class="tablebox"><table class="rows"><thead><tr><th>${head}</th><th class="num">vCore-hours</th>
      <th class="num">GB-hours</th><th>Share of the vCore-hours</th></tr></thead>
    <tbody>${found.map((r) => html`<tr key=${(r.id || r.name) + r.workspace + r.gateway}>
      <td data-label=${head}>${r.gateway ? html`<a href=${link(['gateways', r.workspace, r.gateway, 'usage'])}>${name(r)}</a>` : name(r)}
        ${by === 'token' && html`<span class="sub full">${r.workspace}/${r.gateway}</span>`}</td>
      <td class="num" data-label="vCore-hours">${hours(r.vcoreHours)}</td>
      <td class="num" data-label="GB-hours">${hours(r.gbHours)}</td>
      <td data-label="Share"><span class="meter"><span>${total.vcore ? number(100 * r.vcoreHours / total.vcore) : 0} %</span>
        <meter min="0" max="1" value=${total.vcore ? r.vcoreHours / total.vcore : 0} aria-label="Share of the vCore-hours"></meter></span></td></tr>`)}</tbody>
    <tfoot><tr><td data-label=${head}>All</td><td class="num" data-label="vCore-hours">${hours(total.vcore)}</td>
      <td class="num" data-label="GB-hours">${hours(total.gb)}</td><td></td></tr></tfoot></table></div>`}`;
}
