// The command line and the API call that do the same as a button here.
import { html, useState } from '../lib.js';
import { user } from '../me.js';
import { paths, query } from '../api.js';
import { Icon } from './icons.js';
import { Code } from './parts.js';
import { Dialog, open } from './dialog.js';

/** shell quotes a text for a POSIX shell. */
export const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? String(text) : `'${String(text).replaceAll("'", "'\\''")}'`);

/**
 * A way is one action: {title, cli, method, path, body}. curl is its call.
 */
export function curl({ method, path, body }) {
  const parts = ['curl -fsS --user ' + shell(user())];
  if (method !== 'GET') parts.push(`-X ${method}`);
  if (body !== undefined || method !== 'GET') parts.push("-H 'Content-Type: application/json'");
  parts.push(shell(location.origin + path));
  if (body !== undefined) parts.push(`-d ${shell(JSON.stringify(body))}`);
  return parts.join(' \\\n  ').replace(' \\\n  -X', ' -X');
}

const inWorkspace = (ws) => (ws && ws !== 'default' ? ' --workspace ' + shell(ws) : '');
const of = (g) => ` --gateway ${shell(g.spec.name)}${inWorkspace(g.workspace)}`;
const one = (g, rest = '') => paths.gateway(g.workspace, g.spec.name) + rest;

const life = (verb, title) => (g) => ({
  title, cli: `caddy livy gateway ${verb} ${shell(g.spec.name)}${inWorkspace(g.workspace)}`,
  method: 'POST', path: one(g, '/' + verb),
});

export const way = {
  start: life('start', 'Start'),
  stop: life('stop', 'Stop'),
  /** drain is for how many seconds the present server keeps its sessions; 0 ends them. */
  restart: (g, drain = 0) => ({
    title: 'Restart', cli: `caddy livy gateway restart ${shell(g.spec.name)}${inWorkspace(g.workspace)}${drain ? ` --drain=${span(drain)}` : ''}`,
    method: 'POST', path: one(g, '/restart') + query({ drainSeconds: drain || '' }),
  }),
  show: (g) => ({ title: 'Show', cli: `caddy livy gateway show ${shell(g.spec.name)}${inWorkspace(g.workspace)}`, method: 'GET', path: one(g) }),
  remove: (g, force = false) => ({
    title: 'Delete', cli: `caddy livy gateway delete ${shell(g.spec.name)}${inWorkspace(g.workspace)} ${force ? '--force' : '--yes'}`,
    method: 'DELETE', path: one(g) + query({ force: force || '' }),
  }),
  list: (ws) => ({ title: 'List gateways', cli: ws ? `caddy livy gateway list${inWorkspace(ws)}` : 'caddy livy gateway list --all', method: 'GET', path: paths.gateways(ws) }),
  logs: (g, lines) => ({ title: 'Logs', cli: `caddy livy gateway logs ${shell(g.spec.name)}${inWorkspace(g.workspace)} --lines ${lines}`, method: 'GET', path: one(g, '/logs?lines=' + lines) }),
  records: (g, filter = {}) => ({
    title: 'List sessions and batches',
    cli: `caddy livy session list${of(g)}${flags({ state: filter.state, token: filter.token, from: filter.from, until: filter.until })}`,
    method: 'GET', path: one(g, '/records') + query(filter),
  }),
  record: (g, r) => ({ title: 'Show', cli: `caddy livy session show${of(g)} ${r.id}`, method: 'GET', path: one(g, '/records/' + r.id) }),
  closeRecord: (g, r) => ({ title: 'Close', cli: `caddy livy session close${of(g)} ${r.id}`, method: 'DELETE', path: one(g, '/records/' + r.id) }),
  ui: (g, r) => ({ title: 'Link to the Spark UI', cli: `caddy livy session ui${of(g)} ${r.id}`, method: 'POST', path: one(g, `/records/${r.id}/ui-link`) }),
  statements: (g) => ({ title: 'Statements', cli: `caddy livy session statements${of(g)}`, method: 'GET', path: one(g, '/statements') }),
  usage: (g, q = {}) => ({ title: 'Usage', cli: `caddy livy usage${of(g)}${flags(q)}`, method: 'GET', path: one(g, '/usage') + query(q) }),
  usageBy: (q) => ({ title: 'Usage', cli: `caddy livy usage${flags(q)}`, method: 'GET', path: '/v1/usage' + query(q) }),
  policy: (g) => ({ title: 'Show the policy', cli: `caddy livy policy show${of(g)}`, method: 'GET', path: one(g, '/policy') }),
  explain: (g, kind, body) => ({
    title: 'Explain a request', cli: `caddy livy policy explain${of(g)} --kind ${kind} - <<'END'\n${JSON.stringify(body, null, 2)}\nEND`,
    method: 'POST', path: one(g, '/policy/explain?kind=' + kind), body,
  }),
  audit: (q) => ({ title: 'Audit', cli: `caddy livy audit list${flags(q)}`, method: 'GET', path: '/v1/audit' + query(q) }),
  tokens: (g) => ({ title: 'List tokens', cli: `caddy livy token list${of(g)}`, method: 'GET', path: one(g, '/tokens') }),
  createToken: (g, body) => ({ title: 'Create a token', cli: `caddy livy token create${of(g)}${tokenFlags(body)}`, method: 'POST', path: one(g, '/tokens'), body }),
  updateToken: (g, t, body) => ({ title: 'Change a token', cli: `caddy livy token update${of(g)} ${t.id}${tokenFlags(body)}`, method: 'PATCH', path: one(g, '/tokens/' + t.id), body }),
  resetToken: (g, t, body) => ({
    title: 'Reset a token',
    cli: `caddy livy token reset${of(g)} ${t.id}${flags({ overlap: body.overlapHours ? body.overlapHours + 'h' : '', 'expire-days': body.expireDays })}`,
    method: 'POST', path: one(g, `/tokens/${t.id}/reset`), body,
  }),
  tokenVerb: (g, t, verb) => ({
    title: verb[0].toUpperCase() + verb.slice(1), cli: `caddy livy token ${verb}${of(g)} ${t.id}`,
    method: verb === 'revoke' ? 'DELETE' : 'POST', path: one(g, '/tokens/' + t.id) + (verb === 'revoke' ? '' : '/' + verb),
  }),
  catalog: () => ({ title: 'Catalog', cli: 'caddy livy catalog', method: 'GET', path: '/v1/catalog' }),
};

/** span writes seconds as the command line takes them. */
export const span = (seconds) => (seconds % 3600 ? `${seconds / 60}m` : `${seconds / 3600}h`);

/** flags writes "--name value" for what has a value. */
export function flags(values) {
  let text = '';
  for (const [name, value] of Object.entries(values)) {
    for (const v of Array.isArray(value) ? value : [value]) {
      if (v !== undefined && v !== null && v !== '') text += ` --${name}${v === true ? '' : ' ' + shell(String(v))}`;
    }
  }
  return text;
}

const tokenFlags = (b) => flags({
  name: b.name, 'expire-days': b.expireDays, scope: b.scopes, cidr: b.cidrs, owner: b.owner, identity: b.identity, queue: b.queue,
  'max-sessions': b.maxSessions, 'max-batches': b.maxBatches, 'requests-per-second': b.requestsPerSecond,
});

/** Ways is a fold with the commands, for forms and confirmations. */
export function Ways({ ways, title = 'Command line and API' }) {
  const [shown, setShown] = useState(false);
  return html`<details class="ways" onToggle=${(e) => setShown(e.currentTarget.open)}><summary>${title}</summary>
    ${shown && ways.map((w) => html`<${Way} of=${w} key=${w.title} />`)}</details>`;
}

const Way = ({ of: w }) => html`<section class="way">
  <h3>${w.title}</h3>
  <${Code} text=${w.cli} label=${'Copy the command: ' + w.title} />
  <${Code} text=${curl(w)} label=${'Copy the API call: ' + w.title} /></section>`;

/** Commands is the button that shows them; ways is asked when it is pressed. */
export const Commands = ({ ways }) => html`<button class="iconbutton framed" aria-label="Command line and API"
  title="Command line and API" onClick=${() => showWays(ways())}><${Icon} name="terminal" /></button>`;

/** showWays opens them in a dialog. */
export function showWays(ways, title = 'Command line and API') {
  open((close) => html`<${Dialog} title=${title} close=${close} wide>
    <p class="hint">Each does the same as here: with the command line where Caddy runs, and with the API from anywhere.</p>
    ${ways.map((w) => html`<${Way} of=${w} key=${w.title} />`)}<//>`);
}
