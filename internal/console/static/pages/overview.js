// What there is, what needs somebody, and what is used.
import { html } from '../lib.js';
import { useResource } from '../live.js';
import { link } from '../router.js';
import { Failure, Skeleton, State, useTitle } from '../parts/parts.js';
import { Bars } from '../parts/plot.js';
import { hours, number, plural } from '../parts/format.js';
import { Icon } from '../parts/icons.js';

const states = ['Running', 'Starting', 'Stopping', 'Stopped', 'Created', 'Error', 'Deleting'];

export function Overview() {
  useTitle('Overview');
  const { data, error, refresh } = useResource('/v1/overview', { every: 10000 });
  const list = useResource(error?.status === 404 ? '/v1/gateways?limit=1000' : '');
  const seen = data || (list.data && fromList(list.data));
  const failed = error?.status === 404 ? list.error : error;
  return html`<div class="head"><h1>Overview</h1></div>
    ${failed ? html`<${Failure} error=${failed} retry=${refresh} />` : !seen ? html`<${Skeleton} />` : html`<${Shown} of=${seen} />`}`;
}

/** fromList is what the list of gateways tells, where the server has no overview. */
function fromList({ gateways, total }) {
  const byState = {};
  for (const g of gateways) byState[g.status.state] = (byState[g.status.state] || 0) + 1;
  const attention = [];
  for (const g of gateways) {
    const at = { workspace: g.workspace, gateway: g.spec.name };
    if (g.status.state === 'Error') attention.push({ kind: 'error', ...at, message: g.status.reason || 'The Livy server does not run.' });
    if (g.restartNeeded?.length && g.status.state === 'Running') attention.push({ kind: 'restart', ...at, message: `Restart needed: ${g.restartNeeded.join(', ')}` });
    for (const n of g.notes || []) attention.push({ kind: 'note', ...at, message: n });
  }
  return { gateways: { total, byState }, live: null, attention, usage: null };
}

const Figure = ({ label, value, href = '' }) => html`<div class="figure">
  <span>${label}</span>${href ? html`<a href=${href}>${value}</a>` : html`<strong>${value}</strong>`}</div>`;

function Shown({ of: o }) {
  const days = o.usage || [];
  // The overview's states are in lower case.
  const count = (s) => o.gateways.byState?.[s] || o.gateways.byState?.[s.toLowerCase()] || 0;
  const sum = (field) => days.reduce((n, d) => n + (d[field] || 0), 0);
  return html`<div class="figures">
      <${Figure} label="Livy Gateways" value=${number(o.gateways.total)} href="#/gateways" />
      ${states.filter((s) => count(s)).map((s) => html`<div class="figure" key=${s}><${State} of=${s} />
        <a href=${link(['gateways'], { state: s })}>${number(count(s))}</a></div>`)}
      ${o.live && html`<${Figure} label="Live sessions" value=${number(o.live.sessions)} href="#/sessions?state=live" />
        <${Figure} label="Live batches" value=${number(o.live.batches)} href="#/sessions?state=live" />`}</div>
    <section class="card">
      <h2>Needs attention</h2>${o.attention?.length ? html`<ul class="attention">${o.attention.map((a, i) => html`<li key=${i} data-tone=${a.kind === 'error' ? 'bad' : 'warn'}><${Icon} name="warning" />
      <span>${a.gateway && html`<a href=${link(['gateways', a.workspace, a.gateway])}>${a.gateway}</a> `}${a.message}</span></li>`)}${o.attentionTotal > o.attention.length && html`<li>and ${number(o.attentionTotal - o.attention.length)} more</li>`}</ul>` : html`<p class="hint">Nothing: all gateways are as they are wanted.</p>`}</section>
    ${days.length > 0 && html`<div class="columns even">
      <${Bars} label=${`vCore-hours a day, ${hours(sum('vcoreHours'))} in all`} days=${days.map((d) => d.day)} series=${[{ label: 'vCore-hours', values: days.map((d) => d.vcoreHours) }]} />
      <${Bars} label=${`GB-hours a day, ${hours(sum('gbHours'))} in all`} days=${days.map((d) => d.day)} series=${[{ label: 'GB-hours', values: days.map((d) => d.gbHours), tone: 'series1' }]} />
      <${Bars} whole label=${`Creates a day, ${number(sum('creates'))} in all`} days=${days.map((d) => d.day)} series=${[{ label: 'creates', values: days.map((d) => d.creates), tone: 'series2' }]} />
      ${days.some((d) => d.refused !== undefined) && html`<${Bars} whole label=${`Refusals a day, ${number(sum('refused'))} in all`} days=${days.map((d) => d.day)} series=${[{ label: 'refused', values: days.map((d) => d.refused), tone: 'bad' }]} />`}</div>`}
    ${o.tokens?.length > 0 && html`<div class="columns even">
      <${Most} what="Token" total=${sum('vcoreHours')} rows=${o.tokens.map((t) => ({
        ...t, key: `${t.workspace}/${t.gateway}/${t.tokenId || ''}`, note: `${t.workspace}/${t.gateway}`,
        label: t.name || t.tokenId || 'started at Livy itself', href: link(['gateways', t.workspace, t.gateway, 'usage']),
      }))} />
      <${Most} what="User" total=${sum('vcoreHours')} rows=${o.users.map((u) => ({ ...u, key: u.user || '', label: u.user || 'unknown' }))} /></div>`}
    `;
}

/** Most is who used most in the days of the plots. */
function Most({ what, rows, total }) {
  return html`<section class="card most"><h2>vCore-hours by ${what.toLowerCase()}, ${plural(days, 'day')}</h2>
    <table class="bars"><thead class="offscreen"><tr><th>${what}</th><th>Share</th><th>vCore-hours</th></tr></thead><tbody>
      ${rows.map((r) => html`<tr key=${r.key}>
        <th scope="row">${r.href ? html`<a href=${r.href}>${r.label}</a>` : r.label}${r.note && html`<small>${r.note}</small>`}</th>
        <td><meter min="0" max="1" value=${total > 0 ? r.vcoreHours / total : 0} aria-label=${`${percent(r.vcoreHours, total)} of all`}></meter></td>
        <td class="num" title=${`${hours(r.gbHours)} GB-hours`}>${hours(r.vcoreHours)}</td></tr>`)}</tbody></table></section>`;
}

const days = 14;
const percent = (n, total) => `${number(total > 0 ? 100 * n / total : 0)} %`;
