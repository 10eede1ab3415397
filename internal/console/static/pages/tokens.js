// Tokens: of one gateway, and those that somebody created.
import { html, useState } from '../lib.js';
import { get, paths } from '../api.js';
import { useResource } from '../live.js';
import { can, isMine, me, reach } from '../me.js';
import { gatewayLink } from '../router.js';
import { revoke, setTokenEnabled } from '../actions.js';
import { Menu, open } from '../parts/dialog.js';
import { Empty, Failure, Id, Pager, Skeleton, State, Time, useTitle } from '../parts/parts.js';
import { Icon } from '../parts/icons.js';
import { Commands, showWays, way } from '../parts/ways.js';
import { day, number } from '../parts/format.js';
import { CreateToken, EditToken, ResetToken } from './token-dialogs.js';

const size = 50;

export function Tokens({ g }) {
  useTitle(`Tokens of ${g.spec.name}`);
  const [offset, go] = useState(0);
  const path = paths.tokens(g.workspace, g.spec.name);
  const { data, error, refresh } = useResource(`${path}?limit=${size}&offset=${offset}`);
  const create = () => open((close) => html`<${CreateToken} g=${g} close=${close} />`);
  const may = Boolean(reach('createToken', g.workspace));
  return html`<section>
    <div class="head sub"><h2>Tokens</h2><div class="buttons">
      <${Commands} ways=${() => [way.tokens(g), way.createToken(g, { name: 'NAME' })]} />
      ${may && html`<button class="button primary" onClick=${create}><${Icon} name="plus" />Create Token</button>`}</div></div>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} rows=${4} />` : data.total === 0
      ? html`<${Empty} title="No tokens yet">
        <p>Clients send a token in the header <code>x-acs-spark-livy-token</code>. Without one nobody gets through.</p>
        ${may && html`<p><button class="button primary" onClick=${create}>Create Token</button></p>`}<//>`
      : html`<${TokenTable} rows=${data.tokens.map((t) => ({ t, g }))} />
        <${Pager} total=${data.total} offset=${offset} size=${size} go=${go} />`}</section>`;
}

const TokenTable = ({ rows, gateways = false }) => html`<div class="tablebox"><table class="rows">
  <thead><tr><th>Name</th>${gateways && html`<th>Gateway</th>`}<th>Status</th><th>Token ID</th><th>Expired At</th><th>Scopes</th>
    <th>Last use</th><th class="num">Uses</th><th>Created</th><th><span class="offscreen">Actions</span></th></tr></thead>
  <tbody>${rows.map(({ t, g }) => html`<${TokenRow} key=${t.id} t=${t} g=${g} gateways=${gateways} />`)}</tbody></table></div>`;

function TokenRow({ t, g, gateways }) {
  const may = (action) => t.state !== 'revoked' && can(action, g.workspace, isMine(t));
  const limits = [
    t.cidrs?.length && `from ${t.cidrs.join(', ')}`, t.identity && `as ${t.identity}`, t.queue && `in ${t.queue}`,
    t.maxSessions && `${t.maxSessions} sessions`, t.maxBatches && `${t.maxBatches} batches`, t.requestsPerSecond && `${t.requestsPerSecond}/s`,
  ].filter(Boolean).join(' · ');
  return html`<tr>
    <td data-label="Name" class="main"><strong>${t.name}</strong></td>
    ${gateways && html`<td data-label="Gateway"><a href=${gatewayLink(g, 'tokens')}>${g.spec.name}</a></td>`}
    <td data-label="Status">
      <${State} of=${t.state} />${t.previousUntil && new Date(t.previousUntil) > new Date() ? html`<span class="sub">former text until <${Time} at=${t.previousUntil} /></span>` : null}</td>
    <td data-label="Token ID"><${Id} text=${t.id} /></td>
    <td data-label="Expired At" class="nowrap">${day(t.expiresAt)}<span class="sub"><${Time} at=${t.expiresAt} /></span></td>
    <td data-label="Scopes">${(t.scopes || []).length ? t.scopes.join(', ') : 'everything'}${limits && html`<span class="sub" title=${limits}>${limits}</span>`}</td>
    <td data-label="Last use">
      <${Time} at=${t.lastUsedAt} none="never" />${t.lastAddress && html`<span class="sub" title=${t.lastAgent}>${t.lastAddress}</span>`}</td>
    <td data-label="Uses" class="num">${number(t.uses)}</td>
    <td data-label="Created"><${Time} at=${t.createdAt} /><span class="sub">${t.owner || t.createdBy}</span></td>
    <td class="actions">${may('resetToken') && html`<button class="button small" aria-label=${'Reset ' + t.name} onClick=${() => open((close) => html`<${ResetToken} g=${g} t=${t} close=${close} />`)}>Reset</button>`}
      <${Menu} label=${'More about ' + t.name} items=${[
        may('editToken') && { text: 'Edit…', run: () => open((close) => html`<${EditToken} g=${g} t=${t} close=${close} />`) },
        t.state === 'disabled' ? may('enableToken') && { text: 'Enable', run: () => setTokenEnabled(g, t, true) } : may('disableToken') && { text: 'Disable', run: () => setTokenEnabled(g, t, false) },
        { text: 'Its sessions', href: gatewayLink(g, 'sessions') + '?token=' + t.id },
        { text: 'Command line and API', run: () => showWays([way.updateToken(g, t, { name: t.name }), way.resetToken(g, t, { overlapHours: 24 }), way.tokenVerb(g, t, 'disable'), way.tokenVerb(g, t, 'enable'), way.tokenVerb(g, t, 'revoke')]) },
        may('disableToken') && { text: 'Revoke…', danger: true, run: () => revoke(g, t) },
      ]} /></td></tr>`;
}

/** AllTokens are those of whoever is logged in, or of all gateways where the server does not tell who that is. */
export function AllTokens() {
  useTitle('My tokens');
  const { data: list, error } = useResource('/v1/gateways?limit=1000');
  const mine = useResource('/v1/tokens?owner=me&limit=1000');
  if (mine.error?.status === 404 || mine.error?.status === 400) return html`<${MergedTokens} list=${list} error=${error} />`;
  const failed = error || mine.error;
  const byId = new Map((list?.gateways || []).map((g) => [g.id, g]));
  const rows = (mine.data?.tokens || []).map((t) => ({ t, g: byId.get(t.gatewayId) })).filter((r) => r.g);
  return html`<div class="head"><h1>My tokens</h1></div>
    ${failed ? html`<${Failure} error=${failed} retry=${mine.refresh} />` : !list || !mine.data ? html`<${Skeleton} />` : html`<${TokensOrNone} rows=${rows} />`}`;
}

const TokensOrNone = ({ rows }) => (rows.length ? html`<${TokenTable} rows=${rows} gateways />`
  : html`<${Empty} title="You have no tokens">
    <p>Choose a gateway and create one on its page <a href="#/gateways">Tokens</a>.</p><//>`);

/** MergedTokens reads the tokens of one gateway after the other. */
function MergedTokens({ list, error }) {
  const known = me.value?.user;
  const title = known ? 'My tokens' : 'Tokens';
  return html`<div class="head"><h1>${title}</h1></div>
    ${error ? html`<${Failure} error=${error} />` : !list ? html`<${Skeleton} />` : list.gateways.length === 0 ? html`<${TokensOrNone} rows=${[]} />`
      : html`<div class="tablebox"><table class="rows">
        <thead><tr><th>Name</th><th>Gateway</th><th>Status</th><th>Token ID</th><th>Expired At</th><th>Scopes</th>
          <th>Last use</th><th class="num">Uses</th><th>Created</th><th><span class="offscreen">Actions</span></th></tr></thead>
        <tbody>${list.gateways.map((g) => html`<${GatewayTokens} key=${g.id} g=${g} owner=${known} />`)}</tbody></table></div>`}`;
}

function GatewayTokens({ g, owner }) {
  const { data } = useResource(paths.tokens(g.workspace, g.spec.name) + '?limit=200');
  return (data?.tokens || []).filter((t) => !owner || (t.owner || t.createdBy) === owner).map((t) => html`<${TokenRow} key=${t.id} t=${t} g=${g} gateways />`);
}

/** tokensOf reads all tokens that can be seen, for the palette. */
export async function tokensOf(gateways) {
  const lists = await Promise.all(gateways.slice(0, 100).map((g) => get(paths.tokens(g.workspace, g.spec.name) + '?limit=200').then((d) => d.tokens.map((t) => ({ t, g })), () => [])));
  return lists.flat();
}
