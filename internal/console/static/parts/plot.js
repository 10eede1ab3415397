// Plots by uPlot, which is loaded when the first one is shown.
import { html, useEffect, useRef } from '../lib.js';

const loaded = () => Promise.all([import('../vendor/uplot.mjs'), style()]);

let styled;
function style() {
  styled ||= new Promise((done) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = new URL('../vendor/uplot.css', import.meta.url).href;
    link.onload = link.onerror = done;
    document.head.append(link);
  });
  return styled;
}

const color = (name) => {
  // A colour that depends on the theme is resolved by the browser.
  const probe = document.createElement('i');
  probe.className = `probe ${name}`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

/**
 * Bars is a bar for each day and series. A table of the same numbers belongs beside it.
 * @param {{days: string[], series: {label: string, values: number[], tone?: string}[], label: string, whole?: boolean}} props whole: the values are counts
 */
export function Bars({ days, series, label: heading, whole = false }) {
  const box = useRef(/** @type {HTMLElement} */ (/** @type {unknown} */ (null)));
  useEffect(() => {
    let plot, gone = false;
    const at = box.current;
    const draw = async () => {
      const [{ default: uPlot }] = await loaded();
      if (gone || !at.isConnected) return;
      plot?.destroy();
      const text = color('text'), grid = color('grid');
      const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px system-ui', size: 44 };
      plot = new uPlot({
        width: at.clientWidth, height: 190, cursor: { drag: { x: false, y: false }, points: { show: false } }, legend: { show: false }, tzDate: (t) => uPlot.tzDate(new Date(t * 1e3), 'Etc/UTC'),
        scales: { x: { time: true, range: (_, min, max) => [min - 43200, max + 43200] }, y: { range: (_, min, max) => [Math.min(0, min), max > 0 ? max * 1.1 : 1] } },
        axes: [{ ...axis, grid: { show: false }, size: 28, space: 64, values: (_, v) => v.map(label) }, { ...axis, values: (_, v, _axis, _space, step) => v.map((n) => n.toLocaleString('en', { maximumFractionDigits: decimals(step) })), ...(whole && { incrs: counts }) }],
        series: [{}, ...series.map((s, i) => ({
          label: s.label, fill: color(s.tone || `series${i}`), width: 0, points: { show: false },
          paths: uPlot.paths.bars({ size: [0.7, 36], radius: 0.15 }),
        }))],
      }, [days.map((d) => +new Date(d) / 1000), ...series.map((s) => s.values)], at);
    };
    void draw();
    let width = at.clientWidth;
    const sized = new ResizeObserver(() => {
      if (plot && at.clientWidth !== width) plot.setSize({ width: width = at.clientWidth, height: 190 });
    });
    sized.observe(at);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const themed = new MutationObserver(draw);
    dark.addEventListener('change', draw);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      gone = true;
      sized.disconnect();
      themed.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [JSON.stringify([days, series])]);
  return html`<figure class="plot">
    <figcaption>${heading}${series.length > 1 && html`<span class="legend">${series.map((s, i) => html`<span key=${s.label}>
    <i class=${`key ${s.tone || `series${i}`}`}></i>${s.label}</span>`)}</span>`}</figcaption>
    <div ref=${box} role="img" aria-label=${`${heading}: ${describe(days, series)}`}></div></figure>`;
}

const describe = (days, series) => series.map((s) => `${s.label} from ${days[0]} to ${days.at(-1)}, most ${Math.max(0, ...s.values).toLocaleString('en')}`).join('; ');

/** decimals is how many places tell the values of an axis apart whose step is this. */
function decimals(step) {
  const digits = Number(step.toPrecision(6)).toFixed(12).replace(/0+$/, '');
  return digits.length - digits.indexOf('.') - 1;
}

const counts = [1, 2, 5].flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((m) => n * m)).sort((a, b) => a - b);

const label = (s) => new Date(s * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

/** lastDays are the days up to today, as YYYY-MM-DD in UTC. */
export const lastDays = (n) => Array.from({ length: n }, (_, i) => new Date(Date.now() - (n - 1 - i) * 86400000).toISOString().slice(0, 10));
