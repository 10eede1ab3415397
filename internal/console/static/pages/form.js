// Creating and changing a gateway.
import { html, useEffect, useMemo, useRef, useState } from '../lib.js';
import { call, etagOf, paths, query } from '../api.js';
import { refresh, useResource } from '../live.js';
import { gatewayLink, go, route } from '../router.js';
import { useLive } from '../usage.js';
import { parameter, parameters } from '../parameters.js';
import { Draining } from '../parts/draining.js';
import { Failure, Notice, Skeleton, useTitle } from '../parts/parts.js';
import { toast } from '../parts/toast.js';
import { flags, shell, span, Ways } from '../parts/ways.js';
import { Icon } from '../parts/icons.js';
import { plural } from '../parts/format.js';
import { warmText } from './warm.js';
import { Sections } from './form-fields.js';
import { fileOf } from './form-errors.js';

/** useDraft keeps what was typed in this tab until it is saved or discarded. */
function useDraft(key, initial) {
  const [state, set] = useState(() => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(key) || 'null');
      return { form: kept || initial, kept: Boolean(kept) };
    } catch {
      return { form: initial, kept: false };
    }
  });
  const change = (changes) => set((s) => {
    const form = { ...s.form, ...changes };
    try { sessionStorage.setItem(key, JSON.stringify(form)); } catch { /* kept in this page only */ }
    return { ...s, form };
  });
  const drop = () => {
    try { sessionStorage.removeItem(key); } catch { /* nothing was kept */ }
    set({ form: initial, kept: false });
  };
  return { form: state.form, kept: state.kept, change, drop };
}

const same = (a, b) => JSON.stringify(a ?? '') === JSON.stringify(b ?? '') || (Array.isArray(a) && !a.length && b === undefined);

/** command writes the settings as flags; texts of files are written to files first. */
function command(verb, name, workspace, settings, more) {
  let before = '';
  const values = {}, unset = [];
  for (const p of parameters) {
    const v = settings[p.field];
    if (v === undefined) continue;
    if (v === null) unset.push(p.field);
    else if (p.file) {
      before += `cat > ${p.file} <<'END'\n${v}\nEND\n`;
      values[p.flag] = p.file;
    } else if (p.field === 'autoStop') values[p.flag] = v.enabled ? v.minutes : 0;
    else if (p.field === 'autoStart') {
      values[p.flag + '=' + Boolean(v.enabled)] = true;
      if (v.enabled) values['auto-start-wait'] = v.waitSeconds;
    } else if (p.field === 'warm') values[p.flag] = v.map(warmText);
    else if (typeof v === 'boolean') values[p.flag + '=' + v] = true;
    else values[p.flag] = v;
  }
  if (unset.length) values.unset = unset.join(',');
  return `${before}caddy livy gateway ${verb} ${shell(name || 'NAME')}${workspace !== 'default' ? ' --workspace ' + shell(workspace) : ''}${flags(values)}${more}`;
}

export function CreateGateway() {
  useTitle('Create Livy Gateway');
  const catalog = useResource('/v1/catalog', { every: 1e12 });
  const initial = { name: '', workspace: route.value.query.workspace || 'default', start: true, settings: {} };
  const { form, kept, change, drop } = useDraft('livy.draft.new', initial);
  const settings = Object.fromEntries(Object.entries(form.settings).filter(([, v]) => v !== null && v !== undefined && v !== '' && !(Array.isArray(v) && !v.length)));
  const body = { name: form.name, ...settings, start: form.start };
  const w = {
    title: 'Create', method: 'POST', path: paths.gateways(form.workspace || 'default'), body,
    cli: command('create', form.name, form.workspace || 'default', settings, form.start ? ' --start --wait' : ''),
  };
  const save = async () => {
    const g = await call('POST', w.path, { body });
    drop();
    toast(`Created ${g.spec.name}${form.start ? '; it starts' : ''}`, { ways: [w] });
    refresh();
    go(gatewayLink(g));
  };
  return html`<${Frame} title="Create Livy Gateway" back="#/gateways" kept=${kept} drop=${drop} catalog=${catalog} save=${save} action="Create" ways=${[w]}
    foot=${html`<label class="check">
      <input type="checkbox" checked=${form.start} onChange=${(e) => change({ start: e.currentTarget.checked })} />
      <span>Start it right away</span></label>`}
    sections=${(props) => html`<${Sections} ...${props} create form=${form} change=${change} base=${{}} settings=${form.settings} waits=${() => false} />`} />`;
}

export function EditGateway({ workspace, name }) {
  useTitle(`Edit ${name}`);
  const { data: latest, error } = useResource(paths.gateway(workspace, name));
  const catalog = useResource('/v1/catalog', { every: 1e12 });
  // What was read first is what is edited; that it changed meanwhile is said.
  const [g, setG] = useState(/** @type {any} */ (null));
  useEffect(() => { if (latest && !g) setG(latest); }, [latest]);
  if (error && !g) return html`<${Failure} error=${error} />`;
  if (!g) return html`<${Skeleton} />`;
  return html`<${Editing} key=${g.id} g=${g} latest=${latest} catalog=${catalog} reread=${() => setG(latest)} />`;
}

function Editing({ g, latest, catalog, reread }) {
  const live = useLive(latest || g);
  const { form, kept, change, drop } = useDraft(`livy.draft.${g.id}`, { name: g.spec.name, workspace: g.workspace, settings: {}, restart: false, drain: 0 });
  const patch = Object.fromEntries(Object.entries(form.settings).filter(([field, v]) => !same(v, g.spec[field])));
  /** @type {any} */
  const body = { ...patch };
  if (form.name !== g.spec.name) body.name = form.name;
  const running = Boolean(g.status.launched) || ['Running', 'Starting'].includes(g.status.state);
  const waits = (field) => running && parameter[field]?.atStart && field in patch;
  const waiting = Object.keys(patch).filter(waits);
  const outdated = latest && JSON.stringify(latest.spec) !== JSON.stringify(g.spec);
  const restart = waiting.length > 0 && form.restart;
  const drain = restart && form.drain; // drafts of earlier versions have none
  const w = {
    title: 'Save', method: 'PATCH', path: paths.gateway(g.workspace, g.spec.name) + query({ restart: restart || '', drainSeconds: drain || '' }), body,
    cli: command('update', g.spec.name, g.workspace, patch, `${body.name ? ' --name ' + shell(body.name) : ''}${restart ? ' --restart --wait' : ''}${drain ? ` --drain=${span(drain)}` : ''}`),
  };
  const save = async () => {
    // The state may have changed meanwhile, which is no reason to refuse; settings that did are.
    const match = latest && !outdated ? etagOf(latest) || `"${latest.revision}"` : `"${g.revision}"`;
    const changed = await call('PATCH', w.path, { body, match });
    drop();
    toast(`Saved ${changed.spec.name}`, { ways: [w] });
    refresh();
    go(gatewayLink(changed));
  };
  if (g.declared) return html`<${Notice}>
    <p>${g.spec.name} stands in Caddy's configuration; its settings are changed there. <a href=${gatewayLink(g)}>Back</a></p><//>`;
  return html`<${Frame} title=${`Edit ${g.spec.name}`} back=${gatewayLink(g)} kept=${kept} drop=${drop} catalog=${catalog} save=${save} action="Save" ways=${[w]} nothing=${Object.keys(body).length === 0}
    note=${outdated && html`<${Notice} tone="warn"><p>
      <strong>Somebody changed this gateway meanwhile.</strong> What you changed is kept; the rest is as you opened it.
      <button class="button small" onClick=${reread}>Show what it is now</button></p><//>`}
    foot=${waiting.length > 0 && html`<div class="restart"><span class="tag warn">Restart needed</span>
      <span>${waiting.map((f) => parameter[f].label).join(', ')}</span>
      <label class="check">
        <input type="checkbox" checked=${form.restart} onChange=${(e) => change({ restart: e.currentTarget.checked })} />
        <span>Restart now${live?.total && !drain ? `, which ends ${plural(live.total, 'live session or batch', 'live sessions and batches')}` : ''}</span></label>
      ${form.restart && html`<${Draining} value=${form.drain || 0} set=${(seconds) => change({ drain: seconds })} />`}</div>`}
    sections=${(props) => html`<${Sections} ...${props} form=${form} change=${change} base=${g.spec} settings=${form.settings} waits=${waits} explain=${gatewayLink(g, 'policy')} />`} />`;
}

function Frame({ title, back, kept, drop, catalog, save, action, ways, foot, sections, note = null, nothing = false }) {
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLElement} */ (/** @type {unknown} */ (null)));
  const submit = async (e) => {
    e.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await save();
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  const at = useMemo(() => (error ? fileOf(error) : null), [error]);
  useEffect(() => {
    if (error && !at) /** @type {HTMLElement|null} */ (form.current.querySelector('.wrong'))?.scrollIntoView({ block: 'center' });
  }, [error]);
  if (catalog.error) return html`<${Failure} error=${catalog.error} retry=${catalog.refresh} />`;
  if (!catalog.data) return html`<${Skeleton} />`;
  return html`<nav class="crumbs" aria-label="Where this is"><a href="#/gateways">Livy Gateways</a><${Icon} name="chevron" />
    <span aria-current="page">${title}</span></nav>
    <div class="head"><h1>${title}</h1></div>
    ${note}
    ${kept && html`<${Notice}>
      <p>What you typed before is still here. <button type="button" class="button small" onClick=${drop}>Discard it</button></p><//>`}
    <form class="settings-form" ref=${form} onSubmit=${submit} novalidate>
      ${sections({ catalog: catalog.data, error, file: at })}
      <div class="savebar">
        ${error && html`<p class="wrong" role="alert">${error.status === 412 ? 'Somebody changed this gateway meanwhile. Look at what it is now, then save again.' : error.message}</p>`}
        <div class="foot">${foot}</div>
        <div class="buttons"><${Ways} ways=${ways} /><a class="button" href=${back}>Cancel</a>
          <button class="button primary" disabled=${busy || nothing}>${busy ? 'One moment…' : action}</button></div></div>
    </form>`;
}

