// The rules in force for create requests, and what they would do to one.
import { html, useState } from '../lib.js';
import { call, paths } from '../api.js';
import { useResource } from '../live.js';
import { can } from '../me.js';
import { Code, Empty, Failure, Notice, Skeleton, useTitle } from '../parts/parts.js';
import { Editor } from '../parts/editor.js';
import { Commands, way, Ways } from '../parts/ways.js';
import { Report } from './record.js';

const samples = {
  session: { kind: 'pyspark', driverMemory: '4g', executorMemory: '8g', numExecutors: 4, conf: { 'spark.sql.shuffle.partitions': '64' } },
  batch: { file: 's3a://bucket/job.py', args: ['2026-01-31'], executorMemory: '8g', conf: { 'spark.sql.shuffle.partitions': '64' } },
};

const effects = {
  force: 'is set by the gateway', add: 'is put before what the client says', ignore: 'of the client is ignored', max: 'is at most',
  allow: 'is one of', require: 'has to be there', grant: 'may be set', strict: 'alone may be set', off: 'is not served',
};

export function Policy({ g }) {
  useTitle(`Policy of ${g.spec.name}`);
  const { data, error, refresh } = useResource(paths.gateway(g.workspace, g.spec.name) + '/policy');
  return html`<section>
    <div class="head sub"><h2>Rules in force</h2><div class="buttons">
      <${Commands} ways=${() => [way.policy(g)]} /></div></div>
    <p class="hint">The policy is <strong>${g.spec.policy || 'open'}</strong>. The guards that hold for every gateway are not listed.</p>
    ${error ? html`<${Failure} error=${error} retry=${refresh} />` : !data ? html`<${Skeleton} rows=${4} />` : html`
      ${(data.notes || []).map((n) => html`<${Notice} key=${n} tone="warn"><p>${n}</p><//>`)}
      ${data.rules.length === 0 ? html`<${Empty} title="No rules">
        <p>Clients may set whatever no built-in guard forbids.</p><//>` : html`<${Rules} rules=${data.rules} />`}`}
    ${can('explain', g.workspace) && html`<${Explain} g=${g} />`}</section>`;
}

const Rules = ({ rules }) => html`<div class="tablebox"><table class="rows"><thead><tr><th>Key</th><th>Rule</th><th>Value</th>
  <th>Otherwise</th><th>Source</th></tr></thead>
  <tbody>${rules.map((r, i) => html`<tr key=${i}><td data-label="Key"><code>${r.key}</code></td>
    <td data-label="Rule">${effects[r.effect] || r.effect}</td>
    <td data-label="Value" class="clip"><code title=${r.value}>${r.value || ''}</code></td>
      <td data-label="Otherwise">${r.action || ''}</td><td data-label="Source">${r.source}</td></tr>`)}</tbody></table></div>`;

/** Explain asks what would become of a body; nothing is created. */
export function Explain({ g }) {
  const [kind, setKind] = useState('session');
  const [texts, setTexts] = useState({ session: JSON.stringify(samples.session, null, 2), batch: JSON.stringify(samples.batch, null, 2) });
  const [result, setResult] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState(/** @type {{message: string, line?: number}|null} */ (null));
  const run = async () => {
    let body;
    try {
      body = JSON.parse(texts[kind]);
    } catch (e) {
      setResult(null);
      return setWrong({ message: e.message, line: lineOf(texts[kind], e.message) });
    }
    try {
      setResult({ body, kind, ...(await call('POST', paths.gateway(g.workspace, g.spec.name) + '/policy/explain?kind=' + kind, { body })), sent: body });
      setWrong(null);
    } catch (e) {
      setWrong({ message: e.message });
    }
  };
  return html`<h2 class="below">Explain a request</h2>
    <p class="hint">What would become of the body of a create request. Nothing is created.</p>
    <div class="columns even explain"><div class="stack">
      <div class="segments" role="group" aria-label="What it creates">${['session', 'batch'].map((k) => html`<button key=${k} aria-pressed=${k === kind} onClick=${() => setKind(k)}>${k === 'session' ? 'Session' : 'Batch'}</button>`)}</div>
      <${Editor} label="Body of the request" value=${texts[kind]} set=${(t) => setTexts({ ...texts, [kind]: t })} error=${wrong} rows=${12} />
      <div class="buttons start"><button class="button primary" onClick=${run}>Explain</button></div></div>
    <div class="stack" aria-live="polite">${result ? html`<${Outcome} g=${g} result=${result} />` : html`<p class="hint">The result is shown here.</p>`}</div></div>`;
}

function lineOf(text, message) {
  const at = message.match(/line (\d+)/) || [];
  const position = message.match(/position (\d+)/);
  return Number(at[1]) || (position ? text.slice(0, Number(position[1])).split('\n').length : text.split('\n').length);
}

const Outcome = ({ g, result }) => html`
  ${result.refusal ? html`<${Notice} tone="bad"><p>
    <strong>Refused with ${result.refusal.status}.</strong> ${result.refusal.detail}</p><//>` : html`<p>
    <span class="tag good">passes</span></p>`}
  ${(result.notes || []).map((n) => html`<${Notice} key=${n}><p>${n}</p><//>`)}
  <h3>What the policy does</h3><${Report} of=${result.report || {}} />
  ${result.body && !result.refusal && html`<h3>What Livy would get</h3><${Code} text=${JSON.stringify(result.body, null, 2)} />`}
  ${result.resources && html`<h3>What it would run with</h3><${Code} text=${JSON.stringify(result.resources, null, 2)} />`}
  <${Ways} ways=${[way.explain(g, result.kind, result.sent)]} />`;
