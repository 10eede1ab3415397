// Creating, changing and resetting a token; the only place that shows its text.
import { html, useState } from '../lib.js';
import { call, paths } from '../api.js';
import { refresh } from '../live.js';
import { bounds, isMine, me } from '../me.js';
import { endpointOf } from '../endpoint.js';
import { Dialog } from '../parts/dialog.js';
import { Code, Copy, Notice } from '../parts/parts.js';
import { toast } from '../parts/toast.js';
import { way, Ways } from '../parts/ways.js';

/** @type {[number, string][]} */
const presets = [[7, '7 days'], [30, '30 days'], [90, '90 days'], [365, '365 days']];
const scopes = [
  ['sessions', 'Sessions', 'create and use interactive sessions'],
  ['batches', 'Batches', 'submit and watch batches'],
  ['read', 'Read only', 'look at what there is, change nothing'],
  ['admin', 'Admin', 'everything in the gateway, as with none of these'],
];

const day = 86400000;
const dateIn = (days) => new Date(Date.now() + days * day).toISOString().slice(0, 10);

function useForm(initial) {
  const [form, set] = useState(initial);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const change = (name, value) => set((f) => ({ ...f, [name]: value }));
  const send = async (what) => {
    if (busy) return undefined;
    setBusy(true);
    setError(null);
    try {
      return await what();
    } catch (e) {
      setError(e);
      return undefined;
    } finally {
      setBusy(false);
      refresh('/tokens');
    }
  };
  return { form, change, error, busy, send };
}

const Wrong = ({ error, field }) => (error && error.field === field ? html`<small class="wrong" role="alert">${error.rule || error.message}</small>` : null);
const Other = ({ error, fields }) => (error && !fields.includes(error.field) ? html`<p class="wrong" role="alert">${error.message}</p>` : null);
const fields = ['name', 'expireDays', 'expiresAt', 'scopes', 'cidrs', 'owner', 'identity', 'queue', 'maxSessions', 'maxBatches', 'requestsPerSecond', 'overlapHours', 'token'];

/** Expiry chooses when a token ends: presets, or a date that is at least tomorrow. */
function Expiry({ days, set, error, most = 36500 }) {
  const other = !presets.some(([d]) => d === days);
  return html`<fieldset class="field"><legend>Expired At</legend>
    <div class="choices">${presets.filter(([d]) => d <= most).map(([d, text]) => html`<label key=${d}>
      <input type="radio" name="expiry" checked=${days === d} onChange=${() => set(d)} /><span>${text}</span></label>`)}
      <label><input type="radio" name="expiry" checked=${other} onChange=${() => set(Math.min(60, most))} />
        <span>Other</span></label></div>
    ${other && html`<input type="date" aria-label="Date" min=${dateIn(1)} max=${dateIn(most)} value=${dateIn(days)} onChange=${(e) => { const n = Math.ceil((+new Date(e.currentTarget.value) - Date.now()) / day); if (n >= 1) set(n); }} />`}
    <small>${dateIn(days)}, in ${days} ${days === 1 ? 'day' : 'days'}. At least 1 day${most < 36500 ? `, at most ${most} for you` : ''}.</small>
    <${Wrong} error=${error} field="expireDays" /><${Wrong} error=${error} field="expiresAt" /></fieldset>`;
}

const list = (text) => text.split(/[\s,]+/).filter(Boolean);

/** limits are the fields below "more", as the API takes them. */
function limits(f) {
  /** @type {any} */
  const body = {};
  if (f.scopes.length) body.scopes = f.scopes;
  if (list(f.cidrs).length) body.cidrs = list(f.cidrs);
  for (const name of ['owner', 'identity', 'queue']) if (f[name].trim()) body[name] = f[name].trim();
  for (const name of ['maxSessions', 'maxBatches', 'requestsPerSecond']) if (Number(f[name]) > 0) body[name] = Number(f[name]);
  return body;
}

const blank = { name: '', days: 365, scopes: [], cidrs: '', owner: '', identity: '', queue: '', maxSessions: '', maxBatches: '', requestsPerSecond: '' };

function More({ form, change, error, opened = false, within = /** @type {any} */ (null), owned = false }) {
  const offered = scopes.filter(([id]) => !within || within.scopes.includes(id));
  const text = (name, label, hint, kind = 'text') => html`<label class="field"><span>${label}</span>
    <input type=${kind} min="0" step=${name === 'requestsPerSecond' ? 'any' : '1'} value=${form[name]} onInput=${(e) => change(name, e.currentTarget.value)} /><small>${hint}</small><${Wrong} error=${error} field=${name} /></label>`;
  return html`<details class="more" open=${opened || Boolean(error && fields.slice(3, 11).includes(error.field))}>
    <summary>Scopes, networks and limits</summary><div class="stack">
    <fieldset class="field"><legend>Scopes</legend>
      ${offered.map(([id, name, what]) => html`<label class="check" key=${id}>
        <input type="checkbox" checked=${form.scopes.includes(id)}
        onChange=${(e) => change('scopes', e.currentTarget.checked ? [...form.scopes, id] : form.scopes.filter((s) => s !== id))} /><span>${name}<small>${what}</small></span></label>`)}
      <small>Without any: all sessions and batches of the gateway.</small><${Wrong} error=${error} field="scopes" /></fieldset>
    <label class="field"><span>Networks</span>
      <input value=${form.cidrs} placeholder="10.0.0.0/8, 192.0.2.7" spellcheck="false" onInput=${(e) => change('cidrs', e.currentTarget.value)} />
      <small>Address ranges that may use it. Empty: all.</small><${Wrong} error=${error} field="cidrs" /></label>
    ${owned && text('owner', 'Owner', 'A user who may see, reset and revoke it: me, or a name. Empty: nobody.')}
    ${!within && html`<div class="two">${text('identity', 'Identity', 'Its jobs run as this user.')}${text('queue', 'Queue', 'Its jobs go into this queue.')}</div>`}
    <div class="three">${text('maxSessions', 'Live sessions', 'Most at a time.', 'number')}${text('maxBatches', 'Live batches', 'Most at a time.', 'number')}${text('requestsPerSecond', 'Requests a second', 'Of each instance.', 'number')}</div></div></details>`;
}

export function CreateToken({ g, close }) {
  const within = bounds(g.workspace);
  const most = within?.days || 36500;
  const { form, change, error, busy, send } = useForm({ ...blank, days: Math.min(365, most) });
  const [made, setMade] = useState(/** @type {any} */ (null));
  const body = { name: form.name.trim(), expireDays: form.days, ...limits(form) };
  if (made) return html`<${Shown} g=${g} made=${made} close=${close} />`;
  const submit = async (e) => {
    e.preventDefault();
    const reply = await send(() => call('POST', paths.tokens(g.workspace, g.spec.name), { body }));
    if (reply) setMade(reply);
  };
  return html`<${Dialog} title="Create Token" close=${close} keep><form class="stack" onSubmit=${submit}>
    <label class="field"><span>Name</span>
      <input data-focus required maxlength="200" value=${form.name} autocomplete="off" placeholder="airflow" onInput=${(e) => change('name', e.currentTarget.value)} />
      <small>Whoever reads records and the audit sees it.</small><${Wrong} error=${error} field="name" /></label>
    <${Expiry} days=${form.days} set=${(d) => change('days', d)} error=${error} most=${most} />
    <${More} form=${form} change=${change} error=${error} within=${within} owned=${!within && Boolean(me.value?.user)} />
    <${Other} error=${error} fields=${fields} />
    <${Ways} ways=${[way.createToken(g, body)]} />
    <div class="buttons"><button type="button" class="button" onClick=${close}>Cancel</button>
      <button class="button primary" disabled=${busy}>Create</button></div></form><//>`;
}

/** Shown is the text of a new token, this once. */
function Shown({ g, made, close }) {
  const [kept, setKept] = useState(false);
  return html`<${Dialog} title=${`Token ${made.name}`} close=${() => kept && close()} keep wide><div class="stack">
    <${Notice} tone="warn"><p>
      <strong>Copy the token now. You cannot view it again.</strong> If it is lost, reset it or create another one.</p><//>
    <div class="secret"><code data-secret>${made.token}</code><${Copy} text=${made.token} label="Copy the token" words /></div>
    <p class="hint">Clients send it in the header <code>x-acs-spark-livy-token</code>:</p>
    <${Code} text=${`curl -H 'x-acs-spark-livy-token: ${made.token}' \\\n  ${endpointOf(g)}/sessions`} label="Copy the example" />
    <label class="check"><input type="checkbox" data-focus checked=${kept} onChange=${(e) => setKept(e.currentTarget.checked)} />
      <span>I have copied it</span></label>
    <div class="buttons"><button class="button primary" disabled=${!kept} onClick=${close}>Done</button></div></div><//>`;
}

export function ResetToken({ g, t, close }) {
  const { form, change, error, busy, send } = useForm({ overlap: 0, days: 0 });
  const [made, setMade] = useState(/** @type {any} */ (null));
  const most = (isMine(t) && bounds(g.workspace)?.days) || 36500;
  /** @type {any} */
  const body = {};
  if (form.overlap) body.overlapHours = form.overlap;
  if (form.days) body.expireDays = form.days;
  if (made) return html`<${Shown} g=${g} made=${made} close=${close} />`;
  const submit = async (e) => {
    e.preventDefault();
    const reply = await send(() => call('POST', paths.token(g.workspace, g.spec.name, t.id) + '/reset', { body }));
    if (reply) setMade(reply);
  };
  const overlaps = [[0, 'At once'], [1, 'After 1 hour'], [24, 'After 1 day'], [72, 'After 3 days'], [168, 'After 7 days']];
  return html`<${Dialog} title=${`Reset ${t.name}`} close=${close} keep><form class="stack" onSubmit=${submit}>
    <p>It gets a new text under the same id, with the same settings.</p>
    <fieldset class="field"><legend>The present text ends</legend><div class="choices">
      ${overlaps.map(([h, text]) => html`<label key=${h}>
        <input type="radio" name="overlap" checked=${form.overlap === h} onChange=${() => change('overlap', h)} />
        <span>${text}</span></label>`)}</div>
      <small>With time in between, clients can be changed over one after the other.</small>
        <${Wrong} error=${error} field="overlapHours" /></fieldset>
    <fieldset class="field"><legend>Expired At</legend><div class="choices">
      <label><input type="radio" name="expiry" checked=${form.days === 0} onChange=${() => change('days', 0)} />
        <span>Unchanged</span></label>
      ${presets.filter(([d]) => d <= most).map(([d, text]) => html`<label key=${d}>
        <input type="radio" name="expiry" checked=${form.days === d} onChange=${() => change('days', d)} />
        <span>${text}</span></label>`)}</div>
      <${Wrong} error=${error} field="expireDays" /></fieldset>
    <${Other} error=${error} fields=${fields} />
    <${Ways} ways=${[way.resetToken(g, t, body)]} />
    <div class="buttons"><button type="button" class="button" onClick=${close}>Cancel</button>
      <button class="button primary" disabled=${busy}>Reset</button></div></form><//>`;
}

export function EditToken({ g, t, close }) {
  const before = {
    name: t.name, days: 0, scopes: t.scopes || [], cidrs: (t.cidrs || []).join(', '), owner: '', identity: t.identity || '', queue: t.queue || '',
    maxSessions: t.maxSessions || '', maxBatches: t.maxBatches || '', requestsPerSecond: t.requestsPerSecond || '',
  };
  const { form, change, error, busy, send } = useForm(before);
  /** @type {any} */
  const body = {};
  if (form.name.trim() !== t.name) body.name = form.name.trim();
  if (form.days) body.expireDays = form.days;
  const now = limits(form), was = limits(before);
  for (const name of new Set([...Object.keys(now), ...Object.keys(was)])) {
    if (JSON.stringify(now[name]) !== JSON.stringify(was[name])) body[name] = now[name] ?? null;
  }
  const submit = async (e) => {
    e.preventDefault();
    if (!Object.keys(body).length) return close();
    const reply = await send(() => call('PATCH', paths.token(g.workspace, g.spec.name, t.id), { body, match: `"${t.revision}"` }));
    if (!reply) return;
    toast(`Changed ${reply.name}`, { ways: [way.updateToken(g, t, body)] });
    close();
  };
  return html`<${Dialog} title=${`Edit ${t.name}`} close=${close} keep><form class="stack" onSubmit=${submit}>
    <label class="field"><span>Name</span>
      <input data-focus required value=${form.name} onInput=${(e) => change('name', e.currentTarget.value)} />
      <${Wrong} error=${error} field="name" /></label>
    <fieldset class="field"><legend>Expired At</legend><div class="choices">
      <label><input type="radio" name="expiry" checked=${form.days === 0} onChange=${() => change('days', 0)} />
        <span>Unchanged</span></label>
      ${presets.map(([d, text]) => html`<label key=${d}>
        <input type="radio" name="expiry" checked=${form.days === d} onChange=${() => change('days', d)} />
        <span>${text}</span></label>`)}</div></fieldset>
    <${More} form=${form} change=${change} error=${error} opened />
    <${Other} error=${error} fields=${fields} />
    <${Ways} ways=${[way.updateToken(g, t, body)]} />
    <div class="buttons"><button type="button" class="button" onClick=${close}>Cancel</button>
      <button class="button primary" disabled=${busy}>Save</button></div></form><//>`;
}
