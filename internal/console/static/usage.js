// What gateways take at present: their live sessions and batches.
import { html } from './lib.js';
import { paths } from './api.js';
import { useResource } from './live.js';
import { gib, mebibytes, number } from './parts/format.js';
import { Meter } from './parts/parts.js';

/** liveOf is what lives in a gateway of a list that was asked for with live=true. */
export function liveOf(g) {
  const { sessions = 0, batches = 0, milliCpu = 0, memoryMb = 0 } = g.live || {};
  return { total: sessions + batches, milliCpu, memoryMb };
}

/** useLive is the live records of one gateway, summed up. Gateways that do not run have none. */
export function useLive(g) {
  const on = g && ['Running', 'Starting', 'Stopping'].includes(g.status.state);
  const { data } = useResource(on ? paths.records(g.workspace, g.spec.name) + '?state=live&limit=500' : '');
  if (!on) return { total: 0, milliCpu: 0, memoryMb: 0 };
  if (!data) return null;
  const sum = (field) => data.records.reduce((n, r) => n + (r[field] || 0), 0);
  return { total: data.total, milliCpu: sum('milliCpu'), memoryMb: sum('memoryMb') };
}

/** Used shows the cores and the memory that jobs take, of what the gateway has. */
export function Used({ live, spec, elsewhere = false }) {
  if (!live) return html`<span class="faint">…</span>`;
  const servers = spec.servers || 1;
  const limit = servers * mebibytes(spec.memory);
  const cpus = servers * spec.cpu;
  const cores = number(live.milliCpu / 1000, 1);
  if (elsewhere) return html`<span title="The jobs of this gateway run on a cluster">${cores} CPU, ${gib(live.memoryMb)}</span>`;
  return html`<span class="meters">
    <${Meter} used=${live.milliCpu / 1000} limit=${cpus} text=${`${cores} of ${cpus} CPU`} />
    <${Meter} used=${live.memoryMb} limit=${limit} text=${`${number(live.memoryMb / 1024, 1)} of ${gib(limit)}`} /></span>`;
}
