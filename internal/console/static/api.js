// Calls of the management API.
import { signal } from './lib.js';

/** Problem is an error of the API (RFC 9457), or that there was no answer (status 0). */
export class Problem extends Error {
  /** @param {{status: number, detail: string, kind?: string, field?: string, value?: string, rule?: string}} p */
  constructor(p) {
    super(p.detail);
    this.status = p.status;
    this.kind = p.kind || '';
    this.field = p.field || '';
    this.value = p.value || '';
    this.rule = p.rule || '';
  }
}

/** connection is '' while the API answers, else why it does not. */
export const connection = signal('');

/** What was read last, by path: its ETag saves the next reading. */
const known = new Map();
const mostKnown = 300;

/**
 * root is the address that the page was loaded from: the API is beside it, also below a path.
 * A login in the address is left out, since fetch refuses it.
 */
export const root = location.origin + new URL('.', document.baseURI).pathname.replace(/\/$/, '');

/**
 * call asks the API. It resolves to the reply's body, and to undefined where there is none.
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, match?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function call(method, path, { body, match, signal: abort } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (body !== undefined || method !== 'GET') headers['Content-Type'] = 'application/json';
  if (match) headers['If-Match'] = match;
  const before = method === 'GET' ? known.get(path) : undefined;
  if (before) headers['If-None-Match'] = before.etag;
  let reply, text;
  try {
    reply = await fetch(root + path, { method, headers, signal: abort, cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body) });
    text = await reply.text();
  } catch (e) {
    if (abort?.aborted) throw e;
    connection.value = 'The server cannot be reached.';
    throw new Problem({ status: 0, kind: 'offline', detail: 'The server cannot be reached. Nothing was changed unless it had taken the request already.' });
  }
  if (reply.status === 304 && before) return answered(before.data);
  const data = parse(text);
  if (reply.ok) {
    const etag = reply.headers.get('ETag');
    if (method === 'GET' && etag) remember(path, etag, data);
    if (data && typeof data === 'object') etags.set(data, etag || '');
    return answered(data);
  }
  if (reply.status === 502 || reply.status === 504) {
    connection.value = 'The server cannot be reached.';
  } else {
    answered(undefined);
  }
  throw new Problem({ ...data, status: reply.status, detail: data?.detail || plain(reply.status, text) });
}

/** @type {WeakMap<object, string>} */
const etags = new WeakMap();

/** etagOf is the ETag that a reply came with, for If-Match. */
export const etagOf = (/** @type {object} */ data) => etags.get(data) || '';

function answered(data) {
  connection.value = '';
  return data;
}

function remember(path, etag, data) {
  known.delete(path);
  known.set(path, { etag, data });
  if (known.size > mostKnown) known.delete(known.keys().next().value);
}

function parse(text) {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** plain is what an answer says that is none of the API's, of a proxy for instance. */
function plain(status, text) {
  if (status === 401) return 'You are not logged in any more. Load the page again to log in.';
  const words = /<\w/.test(text) ? '' : text.trim().slice(0, 300);
  return words || `The server answered ${status}.`;
}

export const get = (/** @type {string} */ path, /** @type {object} */ options = {}) => call('GET', path, options);

/** query makes "?a=b&c=d" of what has a value. */
export function query(/** @type {Record<string, any>} */ values) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '') q.set(name, String(value));
  }
  const text = q.toString();
  return text ? '?' + text : '';
}

const seg = encodeURIComponent;

/** paths of the API. */
export const paths = {
  gateways: (ws) => (ws ? `/v1/workspaces/${seg(ws)}/gateways` : '/v1/gateways'),
  gateway: (ws, gw) => `/v1/workspaces/${seg(ws)}/gateways/${seg(gw)}`,
  tokens: (ws, gw) => `${paths.gateway(ws, gw)}/tokens`,
  token: (ws, gw, id) => `${paths.gateway(ws, gw)}/tokens/${seg(id)}`,
  records: (ws, gw) => `${paths.gateway(ws, gw)}/records`,
  record: (ws, gw, id) => `${paths.gateway(ws, gw)}/records/${seg(id)}`,
};
