// The fields of a gateway's form. A setting that nobody gives is left to the operator's
// default, which is shown.
import { html, useEffect, useState } from '../lib.js';
import { parameter, parameters } from '../parameters.js';
import { Editor } from '../parts/editor.js';
import { mebibytes, number } from '../parts/format.js';
import { describe } from './catalog.js';
import { warmLines, warmText } from './warm.js';
import { about } from './form-errors.js';

const Help = ({ p }) => html`<details class="help"><summary aria-label=${`More about ${p.label}`}>?</summary>
  <p>${p.help}</p></details>`;

/** Field is a setting with its label, help, mark and error around a control. */
function Field({ field, error, waits, children, group = false, note = '' }) {
  const p = parameter[field];
  const head = html`<span class="label">${p.label}${waits(field) && html`<span class="tag warn">restart needed</span>`}</span>`;
  const tail = html`${note ? html`<small>${note}</small>` : null}${about(error, field) && html`<small class="wrong" role="alert">${error.rule || error.message}</small>`}`;
  return html`<div class="setting" data-field=${field}>${group ? html`<fieldset class="field">
    <legend>${head}</legend>${children}${tail}</fieldset>` : html`<label class="field">${head}${children}${tail}</label>`}<${Help} p=${p} /></div>`;
}

export function Sections({ catalog, error, file, form, change, base, settings, waits, create = false, explain = '' }) {
  const get = (field) => (settings[field] !== undefined && settings[field] !== null ? settings[field] : base[field]);
  const set = (field, value) => change({ settings: { ...settings, [field]: value } });
  const common = { error, waits };
  const text = (field, placeholder, note = '') => html`<${Field} field=${field} note=${note} ...${common}>
    <input value=${get(field) || ''} placeholder=${placeholder} autocomplete="off" spellcheck="false" onInput=${(e) => set(field, e.currentTarget.value)} /><//>`;
  const select = (field, options, none) => html`<${Field} field=${field} note=${options.find(([v]) => v === get(field))?.[2] || ''} ...${common}>
    <select value=${get(field) || ''} onChange=${(e) => set(field, e.currentTarget.value)}>
      <option value="" selected=${!get(field)}>${none}</option>
      ${options.map(([v, what]) => html`<option key=${v} value=${v} selected=${v === get(field)}>${what ? `${v} (${what})` : v}</option>`)}</select><//>`;
  const toggle = (field, what) => html`<div class="setting" data-field=${field}><label class="check switch">
    <input type="checkbox" role="switch" checked=${Boolean(get(field))} onChange=${(e) => set(field, e.currentTarget.checked)} />
    <span><span class="label">${parameter[field].label}${waits(field) && html`<span class="tag warn">restart needed</span>`}</span><small>${what}</small></span></label><${Help} p=${parameter[field]} /></div>`;
  const radios = (field, options) => html`<${Field} field=${field} group ...${common}>
    <div class="cards">${options.map(([v, name, what]) => html`<label class="pick" key=${v}>
    <input type="radio" name=${field} checked=${(get(field) ?? '') === v} onChange=${() => set(field, v)} />
    <span><strong>${name}</strong>${what && html`<small>${what}</small>`}</span></label>`)}</div><//>`;
  const segments = (field, values, standard, show) => html`<${Field} field=${field} group ...${common}>
    <div class="choices">${values.map((v) => html`<label key=${v}>
    <input type="radio" name=${field} checked=${(get(field) ?? standard) === v} onChange=${() => set(field, v)} />
    <span>${show(v)}</span></label>`)}</div><//>`;
  const named = (kind) => (catalog[kind] || []).map((e) => [e.name, describe[kind]?.(e) || '', '']);
  const engine = get('engine') || catalog.engines[0]?.name;
  return html`
    <section class="card"><h2>General</h2>
      <div class="two"><label class="field"><span class="label">Name</span>
        <input required value=${form.name} autocomplete="off" spellcheck="false" placeholder="etl" aria-invalid=${about(error, 'name') ? 'true' : undefined} onInput=${(e) => change({ name: e.currentTarget.value })} />
        <small>Lowercase letters, digits and hyphens; begins and ends with a letter or digit.</small>${about(error, 'name') && html`<small class="wrong" role="alert">${error.rule || error.message}</small>`}</label>
        ${create && html`<label class="field"><span class="label">Workspace</span>
          <input value=${form.workspace} autocomplete="off" spellcheck="false" onInput=${(e) => change({ workspace: e.currentTarget.value })} /><small>Groups gateways; names are unique in one.</small>${about(error, 'workspace') && html`<small class="wrong" role="alert">${error.rule || error.message}</small>`}</label>`}</div>
      <div class="two">${segments('cpu', catalog.cpus, catalog.cpus[0], (v) => `${v} CPU`)}${segments('memory', catalog.memories, catalog.memories[0], (v) => v)}</div>
      ${segments('servers', [1, 2, 3, 4, 5, 6, 7, 8], 1, (v) => String(v))}
      <p class="hint">Livy Gateway Resources: for each Livy server and the drivers beside it.</p>
      <${Field} field="engine" group ...${common}>
        <div class="cards">${catalog.engines.map((e, i) => html`<label class="pick" key=${e.name}>
        <input type="radio" name="engine" checked=${engine === e.name} onChange=${() => set('engine', e.name)} />
        <span><strong>${e.name}</strong>${i === 0 && html`<span class="tag">default</span>`}<small>${describe.engines(e)}</small></span></label>`)}</div><//>
      <div class="two">${text('livyVersion', catalog.engines.find((e) => e.name === engine)?.livy || '0.8.0', 'The server must answer with it. Default: the engine’s.')}
        ${catalog.fusion?.length ? select('fusion', named('fusion'), 'No acceleration') : null}</div></section>
    <section class="card"><h2>Jobs</h2>
      <div class="two">${catalog.queues?.length ? select('queue', catalog.queues.map((q) => [q, '', '']), 'None is forced') : text('queue', 'none is forced')}
        ${text('identity', 'the creator, with impersonation on', 'With livy.impersonation.enabled = true in livy.conf.')}</div>
      <div class="two">${catalog.clusters?.length ? select('cluster', named('clusters'), 'In the gateway’s own container or process') : null}
        ${catalog.environments?.length ? select('environment', named('environments'), 'None') : null}</div>
      ${catalog.networks?.length ? html`<div class="two">${select('network', named('networks'), 'The runtime’s own network')}</div>` : null}</section>
    <section class="card"><h2>Tables</h2>
      <${Warehouse} catalog=${catalog} get=${get} set=${set} common=${common} /></section>
    ${mountable(catalog).length ? html`<section class="card"><h2>Mount Integrated File Directory</h2>
      <${Directories} catalog=${catalog} get=${get} set=${set} common=${common} toggle=${toggle} /></section>` : null}
    <section class="card"><h2>Access</h2>
      <div class="setting"><div class="field"><span class="label">Authentication Method</span><span>Token</span>
        <small>After it is created, create a token for each client.</small></div></div>
      ${toggle('public', 'Also answer on public endpoints. Off: internal endpoints only.')}
      ${toggle('isolated', 'A token sees, lists and closes only the sessions and batches that it created.')}
      <${Field} field="disabledRoutes" note="Routes of Livy that are not served, separated by commas; a trailing * takes all that begin so." ...${common}>
        <input value=${(get('disabledRoutes') || []).join(', ')} placeholder="session.job.*" spellcheck="false" onChange=${(e) => set('disabledRoutes', e.currentTarget.value.split(/[\s,]+/).filter(Boolean))} /><//></section>
    <section class="card"><h2>Automatic stop and start</h2><${Automatic} get=${get} set=${set} common=${common} /></section>
    <section class="card"><h2>Started ahead</h2>
      <${Field} field="warm" note="Sessions that are idle when somebody asks for them, a kind and a number a line; auto: what is created most often." ...${common}>
        <textarea rows="2" placeholder="pyspark 1 driver_memory=2g heartbeat_timeout=60" spellcheck="false" value=${(get('warm') || []).map(warmText).join('\n')} onChange=${(e) => set('warm', warmLines(e.currentTarget.value, get('warm') || []))}></textarea><//></section>
    <section class="card"><h2>Policy and audit</h2>
      ${radios('policy', [['', 'As the operator says', 'The default of the configuration, else open.'], ['open', 'Open', 'Clients may set whatever no guard, blacklist or rule forbids.'], ['strict', 'Strict', 'Clients may set what is on a list, and what policy.rules allows.']])}
      ${radios('statementAudit', [['', 'Nothing', 'Statements are not written down.'], ['hash', 'Who ran what', 'When, for how long, and the code’s SHA-256.'], ['code', 'The code too', 'And the text that was run.']])}
      ${explain && html`<p class="hint">What the saved policy does to a request: <a href=${explain}>explain</a>.</p>`}</section>
    <section class="card"><h2>Configuration files</h2>
      <${Files} get=${get} set=${set} error=${error} file=${file} waits=${waits} /></section>`;
}

/** driver reads what a driver has by default from spark-defaults.conf. */
function driver(text) {
  const of = (key, standard) => {
    const line = (text || '').split('\n').map((l) => l.trim().match(/^([\w.]+)(?:\s*[=:]\s*|\s+)(\S+)/)).filter((m) => m?.[1] === key).at(-1);
    return line ? line[2] : standard;
  };
  return { cores: Number(of('spark.driver.cores', '1')) || 1, memory: of('spark.driver.memory', '1g') };
}

/** mountCost is the greater of 0.3 CPU and 1 GB, and a tenth of the driver, each on its own. */
export function mountCost(sparkDefaults) {
  const { cores, memory } = driver(sparkDefaults);
  return { cores, memory, cpu: Math.max(0.3, cores / 10), gb: Math.max(1, mebibytes(/[a-z]$/i.test(memory) ? memory : memory + 'm') / 10240) };
}

/** mountable are the directories that are not for warehouses. */
const mountable = (catalog) => (catalog.directories || []).filter((d) => !d.warehouse);

function Warehouse({ catalog, get, set, common }) {
  const offered = (catalog.directories || []).filter((d) => d.warehouse);
  return html`<${Field} field="warehouse" note="Keeps tables over restarts: a directory of the configuration, or the URL of a metastore." ...${common}>
    <input value=${get('warehouse') || ''} placeholder=${[...offered.map((d) => d.name), 'thrift://HOST:PORT'].join(' or ')} list="warehouses" autocomplete="off" spellcheck="false" onInput=${(e) => set('warehouse', e.currentTarget.value.trim())} />
    <datalist id="warehouses">${offered.map((d) => html`<option key=${d.name} value=${d.name}></option>`)}</datalist><//>`;
}

function Directories({ catalog, get, set, common, toggle }) {
  const chosen = get('directories') || [];
  const cost = mountCost(get('sparkDefaults'));
  return html`<${Field} field="directories" group ...${common}>
    <div class="cards">${mountable(catalog).map((d) => html`<label class="pick" key=${d.name}>
    <input type="checkbox" checked=${chosen.includes(d.name)}
      onChange=${(e) => set('directories', e.currentTarget.checked ? [...chosen, d.name] : chosen.filter((n) => n !== d.name))} />
        <span><strong>${d.name}</strong><small>${describe.directories(d)}</small></span></label>`)}</div><//>
    <p class="hint" role="status" data-mount-cost>${chosen.length ? html`Mounting takes <strong>${number(cost.cpu, 2)} CPU and ${number(cost.gb, 2)} GB</strong> of each driver of ${cost.cores} CPU and ${cost.memory}: the greater of 0.3 CPU + 1 GB and 10 %, each on its own.` : 'Mounting takes the greater of 0.3 CPU + 1 GB and 10 % of each driver. CPFS directories stand alone; NAS and CPFS need a network connection of the same VPC.'}</p>
    ${toggle('mountToExecutor', 'Mount them into executors too, on Kubernetes.')}`;
}

function Automatic({ get, set, common }) {
  const stop = get('autoStop') || { enabled: false, minutes: 45 };
  const start = get('autoStart') || { enabled: false, waitSeconds: 60 };
  const { error, waits } = common;
  const part = (field, value, what, name, unit, min, max) => html`<div class="setting" data-field=${field}><div class="field">
    <label class="check switch">
      <input type="checkbox" role="switch" checked=${Boolean(value.enabled)} onChange=${(e) => set(field, { ...value, enabled: e.currentTarget.checked })} />
      <span><span class="label">${parameter[field].label}${waits(field) && html`<span class="tag warn">restart needed</span>`}</span><small>${what}</small></span></label>
    ${value.enabled && html`<label class="inline">
      <input type="number" min=${min} max=${max} value=${value[name]} onInput=${(e) => set(field, { ...value, [name]: Number(e.currentTarget.value) })} /><span>${unit} (${min} to ${max})</span></label>`}
    ${about(error, field) && html`<small class="wrong" role="alert">${error.rule || error.message}</small>`}</div>
      <${Help} p=${parameter[field]} /></div>`;
  return html`${part('autoStop', stop, 'Stop the gateway when nobody uses it.', 'minutes', 'idle minutes', 1, 43200)}
    ${part('autoStart', start, 'Start the stopped gateway when somebody uses it.', 'waitSeconds', 'seconds a request waits', 0, 600)}`;
}

const hints = {
  sparkDefaults: 'Defaults for Spark jobs: a key and a value a line. Clients may override them unless they are blacklisted.',
  livyConf: 'The Livy server: impersonation, session timeouts, LDAP. Keys that the gateway owns are refused.',
  livyClientConf: 'How the Livy server and its sessions speak to each other, and what they return.',
  sparkBlacklist: 'Parameters that clients cannot set: one a line; a trailing * takes all that begin so.',
  policyRules: 'Caps, allowed values and required keys, one a line.',
};
const examples = {
  sparkDefaults: 'spark.driver.cores 2\nspark.driver.memory 7g\nspark.dynamicAllocation.enabled true', livyConf: 'livy.server.session.timeout = 2h', livyClientConf: 'livy.rsc.sql.num-rows = 1000',
  sparkBlacklist: 'spark.driver.memory\nspark.sql.catalog.*', policyRules: 'max spark.executor.memory 8g lower\nallow spark.dynamicAllocation.enabled true',
};

function Files({ get, set, error, file, waits }) {
  const files = parameters.filter((p) => p.file);
  const [at, setAt] = useState(files[0].field);
  useEffect(() => { if (file) setAt(file.field); }, [error]);
  const p = parameter[at];
  return html`<div class="segments wrap" role="group" aria-label="File">${files.map((f) => html`<button type="button" key=${f.field} aria-pressed=${f.field === at} onClick=${() => setAt(f.field)}>
      ${f.file}${get(f.field) ? html`<i class="dot" title="has text"></i>` : null}${file?.field === f.field ? html`<i class="dot bad" title="has an error"></i>` : null}</button>`)}</div>
    <p class="hint">${hints[at]}${waits(at) && html` <span class="tag warn">restart needed</span>`}${p.now ? ' It holds from the next request on.' : ''}</p>
    <${Editor} key=${at} label=${p.file} value=${get(at) || ''} set=${(t) => set(at, t)} placeholder=${examples[at]} error=${file?.field === at ? file : null} rows=${10} />`;
}
