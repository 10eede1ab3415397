// What was used in a month, by user, token, gateway or workspace, and the budgets for it.
import { html } from '../lib.js';
import { query, root } from '../api.js';
import { useResource } from '../live.js';
import { link, route, setQuery } from '../router.js';
import { Empty, Failure, Select, Skeleton, useTitle } from '../parts/parts.js';
import { Commands, way } from '../parts/ways.js';
import { hours, number } from '../parts/format.js';

const accounts = [['user', 'User'], ['token', 'Token'], ['gateway', 'Gateway'], ['workspace', 'Workspace']];

/** months are the present month and those before it, in UTC. */
function months() {
  const now = new Date();
  return Array.from({ length: 12 }, (_, i) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - i, 1)).toISOString().slice(0, 7));
}

const named = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });

export function UsageBy() {
  useTitle('Usage');
  const list = months();
  const { by = 'user', month = list[0] } = route.value.query;
  const q = { by, month };
  const { data, error, refresh } = useResource('/v1/usage' + query(q), { every: 15000 });
  const budgets = useResource('/v1/budgets', { every: 15000 });
  const mine = (budgets.data?.budgets || []).filter((b) => b.per === by && (b.period === 'day' || month === list[0]));
  return html`<div class="head"><h1>Usage</h1><div class="buttons">
      <${Select} compact label="Month" value=${month} set=${(v) => setQuery({ month: v })} options=${list.map((m) => [m, named.format(new Date(m + '-01T00:00:00Z'))])} />
      <a class="button" download=${`usage-${by}-${month}.csv`} href=${root + '/v1/usage' + query({ ...q, format: 'csv' })}>CSV</a>
      <${Commands} ways=${() => [way.usageBy(q)]} /></div></div>
    <div class="segments wrap" role="group" aria-label="Add up by">${accounts.map(([id, text]) => html`<button key=${id} aria-pressed=${by === id} onClick=${() => setQuery({ by: id })}>${text}</button>`)}</div>
    ${month === list[0] && mine.map((b) => html`<${BudgetCard} key=${b.name} b=${b} />`)}
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} />` : data.usage.length === 0
      ? html`<${Empty} title="Nothing was used"><p>vCore-hours and GB-hours of sessions and batches are summed up here, from ${data.from} to ${data.until}.</p><//>`
      : html`<${Rows} rows=${data.usage} by=${by} />`}`;
}

const bounds = (b) => [b?.soft && `soft ${hours(b.soft)}`, b?.hard && `hard ${hours(b.hard)}`].filter(Boolean).join(', ');

/** BudgetCard is who has used how much of a budget. */
function BudgetCard({ b }) {
  const limits = [b.vcoreHours && `${bounds(b.vcoreHours)} vCore-hours`, b.gbHours && `${bounds(b.gbHours)} GB-hours`].filter(Boolean).join('; ');
  return html`<section class="card most"><h2>Budget ${b.name}<span class="tag">a ${b.period}</span>${b.onExceed === 'stop' && html`<span class="tag warn">stops what runs</span>`}</h2>
    <p class="hint">${limits} for each ${b.per}, until ${b.reset.slice(0, 10)} (UTC).</p>
    ${b.used.length === 0 ? html`<p class="hint">Nothing is used of it.</p>` : html`<table class="bars"><thead class="offscreen"><tr><th>${b.per}</th><th>Part of the budget</th><th>Used</th></tr></thead><tbody>
      ${b.used.slice(0, 20).map((u) => html`<tr key=${u.name} data-over=${u.ratio >= 1 || u.vcoreHours >= (b.vcoreHours?.soft || Infinity) || u.gbHours >= (b.gbHours?.soft || Infinity) || undefined}>
        <th scope="row">${u.name}</th>
        <td><meter min="0" max="1" value=${Math.min(1, u.ratio)} aria-label=${`${number(100 * u.ratio)} % of the budget`}></meter></td>
        <td class="num" title=${`${hours(u.vcoreHours)} vCore-hours, ${hours(u.gbHours)} GB-hours`}>${number(100 * u.ratio)} %</td></tr>`)}</tbody></table>`}
    ${b.used.length > 20 && html`<p class="hint">and ${number(b.used.length - 20)} with less</p>`}</section>`;
}

function Rows({ rows, by }) {
  const total = rows.reduce((s, r) => ({ vcore: s.vcore + r.vcoreHours, gb: s.gb + r.gbHours }), { vcore: 0, gb: 0 });
  const head = accounts.find(([id]) => id === by)?.[1];
  return html`<div class="tablebox"><table class="rows"><thead><tr><th>${head}</th><th class="num">vCore-hours</th>
      <th class="num">GB-hours</th><th>Share</th></tr></thead>
    <tbody>${rows.map((r) => html`<tr key=${r.id || r.name}>
      <td data-label=${head}>${r.gateway ? html`<a href=${link(['gateways', r.workspace, r.gateway, 'usage'])}>${r.name || 'started at Livy itself'}</a>` : r.name || 'unknown'}
        ${by === 'token' && html` <small class="faint">${r.workspace}/${r.gateway}</small>`}</td>
      <td class="num" data-label="vCore-hours">${number(r.vcoreHours, 3)}</td>
      <td class="num" data-label="GB-hours">${number(r.gbHours, 3)}</td>
      <td data-label="Share"><span class="meter"><span>${total.vcore ? number(100 * r.vcoreHours / total.vcore) : 0} %</span>
        <meter min="0" max="1" value=${total.vcore ? r.vcoreHours / total.vcore : 0} aria-label="Share of the vCore-hours"></meter></span></td></tr>`)}</tbody>
    <tfoot><tr><td data-label=${head}>All</td><td class="num" data-label="vCore-hours">${number(total.vcore, 3)}</td>
      <td class="num" data-label="GB-hours">${number(total.gb, 3)}</td><td></td></tr></tfoot></table></div>`;
}
