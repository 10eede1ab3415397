// What is shown follows the server without reloading: by its stream of events where it has
// one, else by asking again every few seconds, which an ETag makes cheap.
import { batch, effect, signal, useEffect, useMemo } from './lib.js';
import { call, connection, Problem, root } from './api.js';

const pollEvery = 3000;
const safetyEvery = 30000;
const retryEvery = 2000;
/** Events of many gateways come close together: what they concern is read again once. */
const eventGap = 1000;

/** mode is how news arrive: 'events' or 'polling'; '' until that is known. */
export const mode = signal('');

/** now moves on every few seconds, for relative times. */
export const now = signal(Date.now());

/**
 * A resource is what one GET returns, kept up to date while somebody looks at it.
 * data is undefined until the first answer; error is that of the last reading.
 */
class Resource {
  constructor(path) {
    this.path = path;
    this.data = signal(/** @type {any} */ (undefined));
    this.error = signal(/** @type {Problem|null} */ (null));
    this.users = 0;
    this.busy = /** @type {Promise<void>|null} */ (null);
    this.again = false;
    this.every = 0;
    this.at = 0;
    this.timer = 0;
  }

  /** heard reads it again because of an event. */
  heard() {
    const wait = this.at + eventGap - Date.now();
    if (wait <= 0) {
      this.refresh();
    } else if (!this.timer) {
      this.timer = setTimeout(() => {
        this.timer = 0;
        if (this.users > 0) this.refresh();
      }, wait);
    }
  }

  /** refresh reads it again. What is asked for while a reading is under way is read after it. */
  refresh() {
    if (this.busy) {
      this.again = true;
      return this.busy;
    }
    this.at = Date.now();
    this.busy = call('GET', this.path).then(
      (data) => batch(() => {
        learn(data);
        this.data.value = data;
        this.error.value = null;
      }),
      (e) => {
        // A list that was seen stays while the server is away; the bar tells of that.
        if (e instanceof Problem && e.status === 0 && this.data.value !== undefined) return;
        this.error.value = e;
      },
    ).then(() => {
      this.busy = null;
      if (!this.again) return;
      this.again = false;
      return this.refresh();
    });
    return this.busy;
  }
}

/** ids are those of the gateways that were seen, by "workspace/name": events name ids. */
const ids = new Map();

function learn(data) {
  for (const g of Array.isArray(data?.gateways) ? data.gateways : [data]) if (g?.spec) ids.set(`${g.workspace}/${g.spec.name}`, g.id);
}

/** @type {Map<string, Resource>} */
const resources = new Map();

function resource(path) {
  let r = resources.get(path);
  if (!r) {
    if (resources.size > 200) {
      for (const [name, old] of resources) if (old.users === 0) resources.delete(name);
    }
    resources.set(path, r = new Resource(path));
  }
  return r;
}

/**
 * useResource keeps what a path returns up to date; a path of '' is nothing.
 * @param {string} path
 * @param {{every?: number}} [options] every: milliseconds between readings of what no event tells of
 */
export function useResource(path, { every = 0 } = {}) {
  const r = useMemo(() => (path ? resource(path) : new Resource('')), [path]);
  useEffect(() => {
    if (!path) return;
    r.users++;
    r.every = every;
    r.refresh();
    return () => { r.users--; };
  }, [r, every]);
  return { data: r.data.value, error: r.error.value, refresh: () => r.refresh() };
}

const active = () => [...resources.values()].filter((r) => r.users > 0);

/** refresh reads everything again that is looked at and whose path has a text in it. */
export function refresh(part = '') {
  for (const r of active()) if (r.path.includes(part)) r.refresh();
}

/** concerns says which paths an event is about. */
function concerns(kind, data) {
  const mine = (path) => {
    const m = path.match(/^\/v1\/workspaces\/([^/]+)\/gateways\/([^/?]+)/);
    if (!m) return true;
    const workspace = decodeURIComponent(m[1]), named = decodeURIComponent(m[2]);
    if (data.workspace && data.workspace !== workspace) return false;
    const id = ids.get(`${workspace}/${named}`);
    return !id || [named, id].some((n) => n === data.gateway || n === data.name);
  };
  switch (kind) {
    case 'gateway':
      return (path) => /\/gateways(\?|$)|\/overview/.test(path) || (/\/gateways\/[^/]+($|\?|\/audit|\/policy$)/.test(path) && mine(path));
    case 'tokens':
      return (path) => /\/tokens/.test(path) && mine(path);
    case 'records':
      return (path) => /\/records|\/overview|\/usage|[?&]live=true/.test(path) && mine(path);
    default:
      return () => true;
  }
}

/**
 * follow reads the stream of events until it ends. It resolves to false if there is none.
 * @param {AbortSignal} signal
 */
async function follow(signal) {
  const reply = await fetch(root + '/v1/events', { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal });
  if (reply.status === 404 || reply.status === 405) return false;
  if (reply.status === 503) await pause(20000); // too many streams are open
  if (!reply.ok || !reply.body) throw new Error(`events: ${reply.status}`);
  batch(() => { mode.value = 'events'; connection.value = ''; });
  refresh();
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    text += value.replaceAll('\r\n', '\n');
    let end;
    while ((end = text.indexOf('\n\n')) >= 0) {
      handle(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

function handle(block) {
  let kind = 'message', data = '';
  for (const line of block.split('\n')) {
    const [, name, value] = line.match(/^(\w+): ?(.*)$/) || [];
    if (name === 'event') kind = value;
    if (name === 'data') data += value;
  }
  if (!data && kind === 'message') return; // a comment that keeps the stream open
  let parsed = {};
  try {
    parsed = JSON.parse(data || '{}');
  } catch {
    // an event of a later version: read everything again
  }
  const about = concerns(kind, parsed);
  for (const r of active()) if (about(r.path)) r.heard();
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** seen resolves once somebody looks at this page. */
const seen = () => new Promise((done) => {
  if (!document.hidden) return done(undefined);
  const look = () => {
    if (document.hidden) return;
    document.removeEventListener('visibilitychange', look);
    done(undefined);
  };
  document.addEventListener('visibilitychange', look);
});

/**
 * followAlways keeps a stream of events while somebody looks at the page. Over HTTP/1.1 a
 * browser has six connections to a site for all of its tabs: those in the background, and
 * pages that were left, hold none.
 */
async function followAlways() {
  let stream = new AbortController(), timer = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => stream.abort(), 10000);
  });
  addEventListener('pagehide', () => stream.abort());
  for (;;) {
    await seen();
    stream = new AbortController();
    try {
      if (!(await follow(stream.signal))) {
        mode.value = 'polling';
        return;
      }
    } catch {
      // away, or nobody looks
    }
    mode.value = 'polling'; // until the stream is back
    await pause(retryEvery);
  }
}

/** start follows the server for as long as the page is open. */
export function start() {
  setInterval(() => { now.value = Date.now(); }, 5000);
  setInterval(() => {
    if (document.hidden || connection.value) return;
    const t = Date.now();
    const usual = mode.value === 'events' ? safetyEvery : pollEvery;
    for (const r of active()) if (t - r.at >= (r.every || usual) - 50) r.refresh();
  }, 500);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
  // Away: asked until there is an answer, whatever it is; then everything is read again.
  let asking = false;
  effect(() => {
    if (!connection.value || asking) return;
    asking = true;
    void (async () => {
      for (;;) {
        await pause(retryEvery);
        try {
          const reply = await fetch(root + '/v1/health', { cache: 'no-store' });
          if (reply.status !== 502 && reply.status !== 504) break;
        } catch {
          // still away
        }
      }
      asking = false;
      connection.value = '';
      refresh();
    })();
  });
  void followAlways();
}
