// Places in the console are in the address's fragment: #/gateways/default/etl/sessions?state=live
import { signal } from './lib.js';

function parse() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  const query = /** @type {Record<string, string>} */ (Object.fromEntries(new URLSearchParams(search || '')));
  return { path: path.split('/').filter(Boolean).map(decode), query };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** route is where we are: segments and query. */
export const route = signal(parse());

/** link makes an address of segments, and of a query. */
export function link(segments, query = {}) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== '' && value !== undefined && value !== null) q.set(name, String(value));
  const text = q.toString();
  return '#/' + segments.map(encodeURIComponent).join('/') + (text ? '?' + text : '');
}

export function go(href) { location.hash = href; }

/** setQuery changes the query of this place without another step in the history. */
export function setQuery(changes) {
  const { path, query } = route.value;
  history.replaceState(null, '', link(path, { ...query, ...changes }));
  route.value = parse();
}

export const gatewayLink = (g, ...rest) => link(['gateways', g.workspace, g.spec.name, ...rest]);

export function startRouter() {
  addEventListener('hashchange', () => {
    const before = route.value.path.join('/');
    route.value = parse();
    if (route.value.path.join('/') !== before) scrollTo(0, 0);
  });
}
