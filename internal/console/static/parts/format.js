// How things are written: times, sizes, durations.

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const units = [['year', 31536000 * 2], ['month', 2592000 * 4], ['day', 86400], ['hour', 3600], ['minute', 60]];

/** ago is "5 min. ago" or "in 364 days". */
export function ago(time, now) {
  const s = (new Date(time).getTime() - now) / 1000;
  if (Math.abs(s) < 45) return s > 5 ? 'in a moment' : 'just now';
  for (const [unit, size] of units) {
    if (Math.abs(s) < size * 0.95) continue;
    // Years and months are said from two years and four months on.
    const one = unit === 'year' ? size / 2 : unit === 'month' ? size / 4 : size;
    return relative.format(Math.round(s / one), unit);
  }
  return relative.format(Math.round(s / 60), 'minute');
}

/** day is a date: "26 Nov 2027". */
export const day = (time) => new Date(time).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

export function exact(time) {
  const d = new Date(time);
  return isNaN(+d) ? String(time) : d.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' }) + ` (${d.toISOString()})`;
}

/** span is a duration in words: "3 h 12 min". */
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

export const number = (n, digits = 0) => Number(n || 0).toLocaleString('en', { maximumFractionDigits: digits });

/** gib writes MiB as GiB. */
export const gib = (mb) => `${number(mb / 1024, 1)} GB`;

/** mebibytes reads a size as gateways have it ("4Gi") or as Spark does ("4g"), in MiB. */
export function mebibytes(text) {
  const m = String(text || '').trim().match(/^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i);
  if (!m) return 0;
  const power = { k: 1 / 1024, '': 1, m: 1, g: 1024, t: 1048576, p: 1073741824 };
  return Number(m[1]) * power[m[2].toLowerCase()];
}

/** hours are hours as people read them: what is little is not nothing. */
export const hours = (n) => (n > 0 && n < 0.01 ? '< 0.01' : Number(n || 0).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }));

export const plural = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;
