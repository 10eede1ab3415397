// The output of a gateway's Livy server, followed.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../lib.js';
import { paths } from '../api.js';
import { useResource } from '../live.js';
import { Copy, Empty, Failure, Search, Select, Skeleton, useTitle } from '../parts/parts.js';
import { Commands, way } from '../parts/ways.js';

const level = (line) => (/\b(ERROR|FATAL|Exception)\b/.test(line) ? 'bad' : /\bWARN\b/.test(line) ? 'warn' : '');

export function Logs({ g }) {
  useTitle(`Logs of ${g.spec.name}`);
  const [lines, setLines] = useState('500');
  const [q, setQ] = useState('');
  const [follow, setFollow] = useState(true);
  const { data, error, refresh } = useResource(`${paths.gateway(g.workspace, g.spec.name)}/logs?lines=${lines}`, { every: follow ? 2000 : 1e12 });
  const box = useRef(/** @type {HTMLElement} */ (/** @type {unknown} */ (null)));
  const shown = (data?.lines || []).filter((l) => !q || l.toLowerCase().includes(q.toLowerCase()));
  useLayoutEffect(() => { if (follow && box.current) box.current.scrollTop = box.current.scrollHeight; }, [data, follow, q]);
  useEffect(() => { if (follow) refresh(); }, [follow]);
  // Whoever scrolls up wants to read: following ends, and begins again at the end.
  const scrolled = () => {
    const b = box.current;
    const end = b.scrollHeight - b.scrollTop - b.clientHeight < 8;
    if (!end && follow && b.dataset.by === 'hand') setFollow(false);
  };
  return html`<section>
    <div class="head sub"><h2>Logs</h2><div class="buttons">
      ${data && html`<${Copy} text=${shown.join('\n')} label="Copy" words />`}
      <${Commands} ways=${() => [way.logs(g, lines)]} /></div></div>
    <div class="filters"><${Search} value=${q} set=${setQ} label="Filter lines" />
      <${Select} compact label="Lines" value=${lines} set=${setLines} options=${['100', '500', '2000', '10000'].map((n) => [n, `Last ${n} lines`])} />
      <label class="check"><input type="checkbox" checked=${follow} onChange=${(e) => setFollow(e.currentTarget.checked)} />
        <span>Follow</span></label></div>
    ${error ? (error.status === 404 || error.status === 409 ? html`<${Empty} title="No output">
      <p>${error.message}</p><//>` : html`<${Failure} error=${error} retry=${refresh} />`) : !data ? html`<${Skeleton} rows=${10} />` : data.lines.length === 0
      ? html`<${Empty} title="No output">
        <p>${g.status.state === 'Running' ? 'The Livy server has written nothing, or runs where its output is not read.' : 'The Livy server does not run.'}</p><//>`
      : html`<pre class="log" ref=${box} tabindex="0" role="log" aria-live="off" aria-label="Output of the Livy server"
          onWheel=${() => { box.current.dataset.by = 'hand'; }} onKeyDown=${() => { box.current.dataset.by = 'hand'; }} onPointerDown=${() => { box.current.dataset.by = 'hand'; }}
          onScroll=${scrolled}>${shown.map((l, i) => html`<span key=${i} data-tone=${level(l)}>${l}${'\n'}</span>`)}</pre>`}</section>`;
}
