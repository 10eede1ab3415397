// What gateways can choose from.
import { html } from '../lib.js';
import { useResource } from '../live.js';
import { Failure, Skeleton, useTitle } from '../parts/parts.js';
import { plural } from '../parts/format.js';
import { Commands, way } from '../parts/ways.js';

const pairs = (o) => Object.entries(o || {}).map(([k, v]) => `${k}=${v}`).join('\n');

/** describe says in a line what an entry of the catalog is. */
export const describe = {
  engines: (e) => [e.livy && `Livy ${e.livy}`, e.spark && `Spark ${e.spark}`, e.scala && `Scala ${e.scala}`, e.java && `Java ${e.java}`].filter(Boolean).join(', '),
  clusters: (c) => [c.master, c.deployMode && `deploy mode ${c.deployMode}`].filter(Boolean).join(', '),
  environments: (e) => [[...(e.pyFiles || []), ...(e.archives || []), ...(e.jars || []), ...(e.files || [])].join(', '), Object.keys(e.conf || {}).length && plural(Object.keys(e.conf).length, 'setting'), Object.keys(e.env || {}).length && plural(Object.keys(e.env).length, 'variable')].filter(Boolean).join(', '),
  networks: (n) => [n.dockerNetwork, n.vpc && `VPC ${n.vpc}`].filter(Boolean).join(', '),
  directories: (d) => [d.type, d.source, `at ${d.path}`, d.readOnly && 'read-only', d.warehouse && 'for warehouses', d.vpc && `VPC ${d.vpc}`].filter(Boolean).join(', '),
  fusion: (f) => [(f.spark || []).length && `for Spark ${f.spark.join(', ')}`, (f.cpuFlags || []).length && `CPU with ${f.cpuFlags.join(', ')}`].filter(Boolean).join(', '),
};

const kinds = [['engines', 'Engines', 'Engine Version: a Livy and a Spark that run together. The first is the default.'], ['clusters', 'Clusters', 'Where jobs run.'], ['environments', 'Environments', 'Files, settings and variables that every job gets.'],
  ['networks', 'Network connections', 'Networks that Livy servers join.'], ['directories', 'File directories', 'What jobs find mounted.'], ['fusion', 'Fusion', 'Acceleration profiles.']];

export function Catalog() {
  useTitle('Catalog');
  const { data, error, refresh } = useResource('/v1/catalog', { every: 30000 });
  const used = useResource('/v1/environments?limit=1000', { every: 30000 });
  const users = Object.fromEntries((used.data?.environments || []).map((e) => [e.name, e.usedBy]));
  return html`<div class="head"><h1>Catalog</h1><div class="buttons">
    <${Commands} ways=${() => [way.catalog()]} /></div></div>
    <p class="hint">What the operator offers to gateways, in Caddy's configuration.</p>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} />` : html`
    <section class="card"><h2>Sizes and queues</h2><dl class="list"><div><dt>CPU</dt><dd>${data.cpus.join(', ')}</dd></div><div>
      <dt>Memory</dt><dd>${data.memories.join(', ')}</dd></div><div><dt>Queues</dt>
      <dd>${data.queues?.length ? data.queues.join(', ') : 'any'}</dd></div></dl></section>
    ${kinds.filter(([k]) => data[k]?.length).map(([k, heading, what]) => html`<section class="card" key=${k}><h2>${heading}</h2>
      <p class="hint">${what}</p>
      <div class="tablebox"><table class="rows"><thead><tr><th>Name</th>
        <th>Description</th>${k === 'environments' && html`<th>Used by</th>`}<th>Settings</th></tr></thead>
      <tbody>${data[k].map((e, i) => html`<tr key=${e.name}><td data-label="Name">
        <strong>${e.name}</strong>${k === 'engines' && i === 0 && html`<span class="tag">default</span>`}</td>
        <td data-label="Description" class="wide">${describe[k](e) || '–'}</td>
        ${k === 'environments' && html`<td data-label="Used by">${(users[e.name] || []).join(', ') || '–'}</td>`}
        <td data-label="Settings">${e.conf || e.env ? html`<details><summary>Show</summary>
          <pre tabindex="0">${[pairs(e.conf), pairs(e.env)].filter(Boolean).join('\n')}</pre></details>` : html`<span class="faint">–</span>`}</td></tr>`)}</tbody></table></div></section>`)}`}`;
}
