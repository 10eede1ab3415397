// A gateway's settings as they are.
import { html } from '../lib.js';
import { can } from '../me.js';
import { link } from '../router.js';
import { parameters } from '../parameters.js';
import { warmText } from './warm.js';
import { Code, Notice, useTitle } from '../parts/parts.js';
import { Commands, way } from '../parts/ways.js';

/** shownValue is a setting in words. */
export function shownValue(p, value) {
  if (p.field === 'autoStop') return value?.enabled ? `after ${value.minutes} idle minutes` : 'off';
  if (p.field === 'autoStart') return value?.enabled ? `on a request, which waits up to ${value.waitSeconds} s` : 'off';
  if (p.field === 'warm') return value?.length ? value.map(warmText).join('; ') : '–';
  if (Array.isArray(value)) return value.length ? value.join(', ') : '–';
  if (p.type === 'boolean') return value ? 'on' : 'off';
  return value === undefined || value === '' ? '–' : String(value);
}

export function Configuration({ g }) {
  useTitle(`Configuration of ${g.spec.name}`);
  const waiting = g.restartNeeded || [];
  const was = g.status.startedWith;
  return html`<section>
    <div class="head sub"><h2>Configuration</h2>
      <div class="buttons">${can('edit', g.workspace) && !g.declared && html`<a class="button" href=${link(['edit', g.workspace, g.spec.name])}>Edit</a>`}
      <${Commands} ways=${() => [way.show(g)]} /></div></div>
    ${waiting.length > 0 && html`<${Notice} tone="warn">
      <p>The running Livy server was started with other values of: ${waiting.join(', ')}.</p><//>`}
    <dl class="list settings">${parameters.filter((p) => !p.file).map((p) => html`<div key=${p.field}>
      <dt title=${p.help}>${p.label}</dt><dd>${shownValue(p, g.spec[p.field])}${p.field === 'warm' && g.status.warmLearned && html` <span class="faint">learned: ${shownValue(p, g.status.warmLearned)}</span>`}
      ${waiting.includes(p.field) && html`<span class="tag warn">at the next start</span>${was && html` <span class="faint">until then ${shownValue(p, was[p.field])}</span>`}`}</dd></div>`)}</dl>
    ${parameters.filter((p) => p.file && g.spec[p.field]).map((p) => html`<div key=${p.field}>
      <h3>${p.file}${waiting.includes(p.field) && html` <span class="tag warn">at the next start</span>`}</h3>
      <${Code} text=${g.spec[p.field]} label=${'Copy ' + p.file} /></div>`)}</section>`;
}
