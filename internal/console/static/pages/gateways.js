// The list of gateways.
import { html, useMemo, useState } from '../lib.js';
import { paths } from '../api.js';
import { can, reach } from '../me.js';
import { useResource } from '../live.js';
import { gatewayLink, link, route, setQuery } from '../router.js';
import { liveOf, Used } from '../usage.js';
import { endpointOf, shortEndpoint } from '../endpoint.js';
import { remove, restart, start, stop } from '../actions.js';
import { Menu } from '../parts/dialog.js';
import { Empty, Failure, Id, Pager, Search, Select, Skeleton, SortHead, State, Time, useTitle } from '../parts/parts.js';
import { Icon } from '../parts/icons.js';
import { Commands, showWays, way } from '../parts/ways.js';

const size = 50;
const states = ['Created', 'Starting', 'Running', 'Stopping', 'Stopped', 'Error', 'Deleting'];

const keys = {
  name: (g) => g.spec.name,
  state: (g) => states.indexOf(g.status.state),
  engine: (g) => g.spec.engine,
  queue: (g) => g.spec.queue || '',
  creator: (g) => g.createdBy,
  created: (g) => g.createdAt,
};

/** arrange filters and sorts what was read. */
function arrange(all, { q, state, ws, by, down }) {
  const words = (q || '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((g) => (!state || g.status.state === state) && (!ws || g.workspace === ws) &&
    words.every((w) => [g.spec.name, g.id, g.workspace, g.spec.engine, g.spec.queue, g.createdBy].join(' ').toLowerCase().includes(w)));
  const key = keys[by];
  if (key) {
    found.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    if (down) found.reverse();
  }
  return found;
}

export function Gateways() {
  useTitle('Livy Gateways');
  const { q = '', state = '', ws = '', by = '', down = '' } = route.value.query;
  const offset = Number(route.value.query.offset) || 0;
  // Unfiltered, the server pages; a filter or an order needs to see all.
  const all = Boolean(q || state || by);
  const { data, error, refresh } = useResource(`${paths.gateways(ws)}?live=true&limit=${all ? 1000 : size}&offset=${all ? 0 : offset}`);
  const found = useMemo(() => data && (all ? arrange(data.gateways, { q, state, ws, by, down }) : data.gateways), [data, q, state, ws, by, down]);
  const workspaces = useWorkspaces(data);
  const total = all ? found?.length : data?.total;
  const shown = all ? found?.slice(offset, offset + size) : found;
  const change = (changes) => setQuery({ offset: '', ...changes });
  const sort = { by, down: down === '1' };
  const setSort = (s) => change({ by: s.by, down: s.down ? '1' : '' });
  const first = data && data.total === 0 && !ws;
  return html`
    <div class="head"><h1>Livy Gateways</h1>
      <div class="buttons">
        <${Commands} ways=${() => [way.list(ws)]} />
        ${can('create', ws) && html`<a class="button primary" href=${link(['new'], { workspace: ws })}>
          <${Icon} name="plus" />Create Livy Gateway</a>`}</div></div>
    ${first ? html`<${FirstGateway} />` : html`
    <div class="filters">
      <${Search} value=${q} set=${(v) => change({ q: v })} label="Search gateways" />
      <${Select} compact label="State" value=${state} set=${(v) => change({ state: v })} options=${[['', 'All states'], ...states.map((s) => [s, s])]} />
      ${workspaces.length > 1 && html`<${Select} compact label="Workspace" value=${ws} set=${(v) => change({ ws: v })} options=${[['', 'All workspaces'], ...workspaces.map((w) => [w, w])]} />`}
      <span class="count" role="status">${total !== undefined ? `${total} ${total === 1 ? 'gateway' : 'gateways'}` : ''}</span></div>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !shown ? html`<${Skeleton} rows=${8} />` : shown.length === 0
      ? html`<${Empty} title="No gateway is like that"><p>
        <button class="button" onClick=${() => change({ q: '', state: '', ws: '' })}>Show all gateways</button></p><//>`
      : html`<div class="tablebox"><table class="rows">
        <thead><tr>
          <${SortHead} name="name" label="Name" sort=${sort} set=${setSort} />
          <${SortHead} name="state" label="Status" sort=${sort} set=${setSort} />
          <th>Endpoint</th>
          <${SortHead} name="engine" label="Engine" sort=${sort} set=${setSort} />
          <${SortHead} name="queue" label="Queue" sort=${sort} set=${setSort} />
          <${SortHead} name="created" label="Created" sort=${sort} set=${setSort} />
          <th class="num">Live</th><th>In use</th><th><span class="offscreen">Actions</span></th></tr></thead>
        <tbody>${shown.map((g) => html`<${Row} key=${g.id} g=${g} many=${workspaces.length > 1} />`)}</tbody></table></div>
      <${Pager} total=${total} offset=${offset} size=${size} go=${(o) => setQuery({ offset: o || '' })} />`}`}`;
}

/** useWorkspaces remembers the workspaces that were seen, so that a filter does not empty its own choices. */
function useWorkspaces(data) {
  const [seen] = useState(() => new Set(route.value.query.ws ? [route.value.query.ws] : []));
  for (const g of data?.gateways || []) seen.add(g.workspace);
  return [...seen].sort();
}

function Row({ g, many }) {
  const live = liveOf(g);
  const running = g.desired === 'Running' || ['Starting', 'Running'].includes(g.status.state);
  const busy = ['Stopping', 'Deleting'].includes(g.status.state);
  return html`<tr>
    <td data-label="Name" class="main">
      <a href=${gatewayLink(g)} title=${g.spec.name}>${g.spec.name}</a>${many && html`<span class="sub">${g.workspace}</span>`}
      ${g.restartNeeded?.length ? html`<span class="tag warn" title=${g.restartNeeded.join(', ')}>restart needed</span>` : null}</td>
    <td data-label="Status"><${State} of=${g.status.state} title=${g.status.reason || ''} /></td>
    <td data-label="Endpoint">
      <${Id} text=${endpointOf(g)} short=${shortEndpoint(g)} label=${`Copy the endpoint of ${g.spec.name}`} /></td>
    <td data-label="Engine" class="nowrap">${g.spec.engine}${g.spec.fusion ? html`<span class="tag">${g.spec.fusion}</span>` : null}</td>
    <td data-label="Queue" class="clip">${g.spec.queue || html`<span class="faint">–</span>`}</td>
    <td data-label="Created"><${Time} at=${g.createdAt} /><span class="sub">${g.createdBy}</span></td>
    <td data-label="Live" class="num"><a href=${gatewayLink(g, 'sessions')} aria-label=${`${live.total} live sessions and batches of ${g.spec.name}`}>${live.total}</a></td>
    <td data-label="In use"><${Used} live=${live} spec=${g.spec} elsewhere=${Boolean(g.spec.cluster)} /></td>
    <td class="actions">
      ${running || busy ? can('stop', g.workspace) && html`<button class="button small" disabled=${busy} onClick=${() => stop(g, live?.total)} aria-label=${'Stop ' + g.spec.name}><${Icon} name="stop" />Stop</button>`
        : can('start', g.workspace) && html`<button class="button small" onClick=${() => start(g)} aria-label=${'Start ' + g.spec.name}><${Icon} name="play" />Start</button>`}
      ${reach('tokens', g.workspace) && html`<a class="button small" href=${gatewayLink(g, 'tokens')} aria-label=${'Tokens of ' + g.spec.name}><${Icon} name="token" />Tokens</a>`}
      <${Menu} label=${'More about ' + g.spec.name} items=${menuOf(g, live)} /></td></tr>`;
}

/** menuOf is what else can be done with a gateway. */
export const menuOf = (g, live) => [
  can('edit', g.workspace) && { text: 'Edit', href: link(['edit', g.workspace, g.spec.name]) },
  can('stop', g.workspace) && g.desired === 'Running' && { text: 'Restart…', run: () => restart(g, live?.total) },
  { text: 'Sessions', href: gatewayLink(g, 'sessions') },
  can('logs', g.workspace) && { text: 'Logs', href: gatewayLink(g, 'logs') },
  { text: 'Command line and API', run: () => showWays([way.show(g), way.start(g), way.stop(g), way.restart(g), way.tokens(g), way.records(g), way.remove(g)]) },
  can('delete', g.workspace) && { text: 'Delete…', danger: true, disabled: g.declared, run: () => remove(g) },
];

const FirstGateway = () => html`<${Empty} title="Create your first Livy Gateway">
  <p>A Livy Gateway gives Airflow, Jupyter, Zeppelin, dbt and plain HTTP one endpoint for Spark, with a Livy server, settings and tokens of its own.</p>
  <ol class="steps"><li><strong>Create</strong> it: a name is enough.</li><li>
    <strong>Start</strong> it, and create a <strong>token</strong>.</li><li>
    <strong>Connect</strong> your client with what its page gives you to copy.</li></ol>
  ${can('create') ? html`<p><a class="button primary" href="#/new">
    <${Icon} name="plus" />Create Livy Gateway</a></p>` : html`<p>Ask an administrator for one.</p>`}<//>`;
