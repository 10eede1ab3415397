// One gateway: its head, and the tabs below.
import { html } from '../lib.js';
import { paths } from '../api.js';
import { can, reach } from '../me.js';
import { now, useResource } from '../live.js';
import { gatewayLink, link } from '../router.js';
import { useLive } from '../usage.js';
import { restart, start, stop } from '../actions.js';
import { Menu } from '../parts/dialog.js';
import { Failure, Id, Notice, Skeleton, State, Tabs, Time } from '../parts/parts.js';
import { Icon } from '../parts/icons.js';
import { exact, span } from '../parts/format.js';
import { GatewayOverview } from './gateway-overview.js';
import { menuOf } from './gateways.js';
import { RecordPage } from './record.js';
import { Sessions } from './sessions.js';
import { Tokens } from './tokens.js';
import { Policy } from './policy.js';
import { Logs } from './logs.js';
import { Usage } from './usage.js';
import { Audit } from './audit.js';
import { Configuration } from './configuration.js';

const tabs = [
  ['overview', 'Overview'], ['sessions', 'Sessions'], ['tokens', 'Tokens'], ['policy', 'Policy'], ['logs', 'Logs'],
  ['usage', 'Usage'], ['audit', 'Audit'], ['configuration', 'Configuration'],
];

/** needs are the actions without which a tab is of no use. */
const needs = { audit: 'audit', logs: 'logs', tokens: 'tokens', sessions: 'records', usage: 'records' };

const parts = { sessions: Sessions, tokens: Tokens, policy: Policy, logs: Logs, usage: Usage, audit: Audit, configuration: Configuration };

export function GatewayPage({ workspace, name, rest: [tab = 'overview', id = ''] }) {
  const { data: g, error, refresh } = useResource(paths.gateway(workspace, name));
  const live = useLive(g);
  if (error) return html`<${Crumbs} name=${name} /><${Failure} error=${error} retry=${refresh} />`;
  if (!g) return html`<${Crumbs} name=${name} /><${Skeleton} />`;
  const Part = parts[tab];
  return html`<${Crumbs} name=${g.spec.name} workspace=${workspace} />
    <div class="head"><div class="title"><h1>${g.spec.name}</h1><${State} of=${g.status.state} />
      <span class="faint" title=${exact(g.status.since)}>for ${span(Math.max(0, now.value - +new Date(g.status.since)))}</span></div>
      <div class="buttons"><${Life} g=${g} live=${live} />
        <${Menu} label=${'More about ' + g.spec.name} items=${menuOf(g, live)} /></div></div>
    <p class="facts"><${Id} text=${g.id} /><span>${g.spec.engine}</span>
      <span>${g.spec.servers > 1 ? `${g.spec.servers} × ` : ''}${g.spec.cpu} CPU, ${g.spec.memory}</span>${g.spec.queue && html`<span>Queue ${g.spec.queue}</span>`}
      <span>Created by ${g.createdBy} <${Time} at=${g.createdAt} /></span></p>
    <${Notices} g=${g} live=${live} notes=${tab === 'overview' || tab === 'configuration'} />
    <${Tabs} label="Parts of this gateway" at=${Part ? tab : 'overview'} items=${tabs.filter(([t]) => !needs[t] || reach(needs[t], workspace)).map(([t, text]) => [t, text, gatewayLink(g, ...(t === 'overview' ? [] : [t]))])} />
    ${tab === 'sessions' && id ? html`<${RecordPage} key=${id} g=${g} id=${id} />` : Part ? html`<${Part} g=${g} />` : html`<${GatewayOverview} g=${g} live=${live} />`}`;
}

const Crumbs = ({ name, workspace = '' }) => html`<nav class="crumbs" aria-label="Where this is">
  <a href="#/gateways">Livy Gateways</a><${Icon} name="chevron" />
  ${workspace && html`<a href=${link(['gateways'], { ws: workspace })}>${workspace}</a>
    <${Icon} name="chevron" />`}<span aria-current="page">${name}</span></nav>`;

function Life({ g, live }) {
  const on = g.desired === 'Running' || ['Starting', 'Running'].includes(g.status.state);
  return html`${on ? can('stop', g.workspace) && html`<button class="button" onClick=${() => stop(g, live?.total)}>
    <${Icon} name="stop" />Stop</button>`
    : can('start', g.workspace) && html`<button class="button primary" onClick=${() => start(g)} disabled=${['Stopping', 'Deleting'].includes(g.status.state)}><${Icon} name="play" />Start</button>`}
    ${can('edit', g.workspace) && html`<a class="button" href=${link(['edit', g.workspace, g.spec.name])}>Edit</a>`}`;
}

function Notices({ g, live, notes }) {
  return html`
    ${g.status.state === 'Error' && html`<${Notice} tone="bad"><p>
      <strong>The Livy server does not run.</strong> It is tried again with growing pauses.</p>
      <pre tabindex="0">${g.status.reason}</pre><//>`}
    ${g.status.state !== 'Error' && g.status.reason && html`<${Notice}><p>${g.status.reason}</p><//>`}
    ${g.restartNeeded?.length && g.status.state === 'Running' ? html`<${Notice} tone="warn"><p>
      <strong>Restart needed:</strong> ${g.restartNeeded.join(', ')}. The running Livy server was started with other values.
      ${can('stop', g.workspace) && html` <button class="button small" onClick=${() => restart(g, live?.total)}>Restart</button>`}</p><//>` : null}
    ${g.declared && html`<${Notice}><p>This gateway stands in Caddy's configuration. Its settings are changed there.</p><//>`}
    ${g.status.fusionOff && html`<${Notice} tone="warn"><p>Jobs run without acceleration: ${g.status.fusionOff}</p><//>`}
    ${g.status.unseen && html`<${Notice} tone="warn"><p>The states of its sessions are not followed: ${g.status.unseen}</p><//>`}
    ${notes && (g.notes || []).map((n) => html`<${Notice} key=${n}><p>${n}</p><//>`)}`;
}
