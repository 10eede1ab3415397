// What a gateway's sessions and batches took, by day and token.
import { html, useState } from '../lib.js';
import { paths, query, root } from '../api.js';
import { useResource } from '../live.js';
import { Empty, Failure, Select, Skeleton, useTitle } from '../parts/parts.js';
import { Bars, lastDays } from '../parts/plot.js';
import { Commands, way } from '../parts/ways.js';
import { number } from '../parts/format.js';

export function Usage({ g }) {
  useTitle(`Usage of ${g.spec.name}`);
  const [span, setSpan] = useState('30');
  const days = lastDays(Number(span));
  const q = { from: days[0], until: days.at(-1) };
  const path = paths.gateway(g.workspace, g.spec.name) + '/usage';
  const { data, error, refresh } = useResource(path + query(q), { every: 15000 });
  const tokens = useResource(paths.tokens(g.workspace, g.spec.name) + '?limit=1000');
  const names = Object.fromEntries((tokens.data?.tokens || []).map((t) => [t.id, t.name]));
  return html`<section>
    <div class="head sub"><h2>Usage</h2><div class="buttons">
      <${Select} compact label="Time" value=${span} set=${setSpan} options=${[['7', 'Last 7 days'], ['30', 'Last 30 days'], ['90', 'Last 90 days']]} />
      <a class="button" download=${`${g.spec.name}-usage.csv`} href=${root + path + query({ ...q, format: 'csv' })}>CSV</a>
      <${Commands} ways=${() => [way.usage(g, q)]} /></div></div>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} /> ` : data.usage.length === 0
      ? html`<${Empty} title="Nothing was used">
        <p>vCore-hours and GB-hours of sessions and batches are summed up here.</p><//>` : html`<${Sums} usage=${data.usage} days=${days} names=${names} />`}</section>`;
}

function Sums({ usage, days, names }) {
  const byDay = (field) => days.map((d) => usage.filter((u) => u.day === d).reduce((n, u) => n + u[field], 0));
  const byToken = new Map();
  for (const u of usage) {
    const sum = byToken.get(u.tokenId) || { vcore: 0, gb: 0 };
    sum.vcore += u.vcoreHours;
    sum.gb += u.gbHours;
    byToken.set(u.tokenId, sum);
  }
  const total = [...byToken.values()].reduce((s, t) => ({ vcore: s.vcore + t.vcore, gb: s.gb + t.gb }), { vcore: 0, gb: 0 });
  return html`<div class="columns even">
    <${Bars} label="vCore-hours a day" days=${days} series=${[{ label: 'vCore-hours', values: byDay('vcoreHours') }]} />
      <${Bars} label="GB-hours a day" days=${days} series=${[{ label: 'GB-hours', values: byDay('gbHours'), tone: 'series1' }]} /></div>
    <div class="tablebox"><table class="rows"><thead><tr><th>Token</th><th class="num">vCore-hours</th>
      <th class="num">GB-hours</th><th class="num">Share</th></tr></thead>
      <tbody>${[...byToken].sort((a, b) => b[1].vcore - a[1].vcore).map(([id, t]) => html`<tr key=${id}>
        <td data-label="Token">${names[id] || (id ? html`<code>${id}</code>` : 'started at Livy itself')}</td>
        <td class="num" data-label="vCore-hours">${number(t.vcore, 3)}</td>
          <td class="num" data-label="GB-hours">${number(t.gb, 3)}</td>
          <td class="num" data-label="Share">${total.vcore ? number(100 * t.vcore / total.vcore) : 0} %</td></tr>`)}</tbody>
      <tfoot><tr><td data-label="Token">All</td><td class="num" data-label="vCore-hours">${number(total.vcore, 3)}</td>
        <td class="num" data-label="GB-hours">${number(total.gb, 3)}</td><td></td></tr></tfoot></table></div>`;
}
