// What can be done to gateways, tokens and records, with the questions before and the
// messages after.
import { html, useState } from './lib.js';
import { call, paths, query } from './api.js';
import { refresh } from './live.js';
import { go } from './router.js';
import { Confirm, open } from './parts/dialog.js';
import { Draining } from './parts/draining.js';
import { toast } from './parts/toast.js';
import { way, Ways } from './parts/ways.js';
import { plural } from './parts/format.js';

/** act does something and says so; errors are said, and thrown with rethrow. */
export async function act(text, w, { rethrow = false, match = '' } = {}) {
  try {
    const reply = await call(w.method, w.path, { body: w.body, match });
    toast(text, { ways: [w] });
    return reply;
  } catch (e) {
    if (rethrow) throw e;
    toast(e.message, { tone: 'bad', ways: [w] });
    return undefined;
  } finally {
    refresh();
  }
}

export const start = (g) => act(`Starting ${g.spec.name}`, way.start(g));

export function stop(g, live = 0) {
  const w = way.stop(g);
  open((close) => html`<${Confirm} title=${`Stop ${g.spec.name}?`} action="Stop" close=${close} ways=${html`<${Ways} ways=${[w]} />`}
    run=${() => act(`Stopping ${g.spec.name}`, w, { rethrow: true })}>
    <p>${live > 0 ? html`This ends <strong>${plural(live, 'live session or batch', 'live sessions and batches')}</strong>. ` : 'This ends all of its sessions. '}
      Their records stay, and so do the gateway's tokens.</p><//>`);
}

export const restart = (g, live = 0) => open((close) => html`<${Restart} g=${g} live=${live} close=${close} />`);

/** Restart asks whether the sessions end now, or stay on the present server until they end. */
function Restart({ g, live, close }) {
  const [drain, setDrain] = useState(0);
  const w = way.restart(g, drain);
  const what = live > 0 ? html`<strong>${plural(live, 'live session or batch', 'live sessions and batches')}</strong>` : 'all of its sessions';
  return html`<${Confirm} title=${`Restart ${g.spec.name}?`} action="Restart" danger=${drain === 0} close=${close} ways=${html`<${Ways} ways=${[w]} />`}
    run=${() => act(`Restarting ${g.spec.name}`, w, { rethrow: true })}>
    <${Draining} value=${drain} set=${setDrain} />
    ${drain > 0 ? html`<p>Another Livy server starts beside this one and takes what is new. This one keeps ${what} until they end.</p>`
      : html`<p>Another Livy server takes the place of this one, which ends ${what}.</p>`}
    <p>Settings that wait for a restart take effect.</p><//>`;
}

export function remove(g) {
  const running = !['Created', 'Stopped'].includes(g.status.state) || g.desired === 'Running';
  const w = way.remove(g, running);
  open((close) => html`<${Confirm} title=${`Delete ${g.spec.name}?`} action="Delete this gateway" word=${g.spec.name} close=${close} ways=${html`<${Ways} ways=${[w]} />`}
    run=${async () => {
      const left = await call('DELETE', paths.gateway(g.workspace, g.spec.name) + query({ force: running || '' }));
      toast(`${left ? 'Still deleting' : 'Deleted'} ${g.spec.name}`, { ways: [w] });
      if (location.hash.includes(`/gateways/${g.workspace}/${g.spec.name}`)) go('#/gateways');
      refresh();
    }}>
    <p>Its tokens and the records of its sessions and batches are deleted too. This cannot be undone.</p>
    ${running && html`<p><strong>It is running:</strong> its sessions are ended.</p>`}<//>`);
}

export function closeRecord(g, r) {
  const w = way.closeRecord(g, r);
  const name = `${r.kind} ${r.publicId >= 0 ? r.publicId : r.id}`;
  open((close) => html`<${Confirm} title=${`Close ${name}?`} action=${`Close the ${r.kind}`} close=${close} ways=${html`<${Ways} ways=${[w]} />`}
    run=${() => act(`Closed ${name}`, w, { rethrow: true })}>
    <p>What runs in it ends. Its record stays.</p><//>`);
}

/** openUI opens a Spark UI in another tab. The link is made by the server, for this one UI. */
export async function openUI(g, r, endpointOf) {
  const tab = window.open('about:blank', '_blank');
  try {
    const reply = await call('POST', way.ui(g, r).path);
    const url = reply.url || endpointOf() + reply.path;
    if (!/^https?:/.test(url)) throw new Error('The link to the Spark UI is none of HTTP.');
    if (!tab) return toast('The browser did not open another tab; allow it for this page.', { tone: 'bad' });
    tab.opener = null;
    tab.location.href = url;
  } catch (e) {
    tab?.close();
    toast(e.message, { tone: 'bad', ways: [way.ui(g, r)] });
  }
}

export const revoke = (g, t) => {
  const w = way.tokenVerb(g, t, 'revoke');
  open((close) => html`<${Confirm} title=${`Revoke ${t.name}?`} action="Revoke for good" word=${t.name} close=${close} ways=${html`<${Ways} ways=${[w]} />`}
    run=${() => act(`Revoked ${t.name}`, w, { rethrow: true })}>
    <p>Everything that uses it is refused within a second. This cannot be undone; what should pause only can be disabled.</p><//>`);
};

export const setTokenEnabled = (g, t, enabled) =>
  act(`${enabled ? 'Enabled' : 'Disabled'} ${t.name}`, way.tokenVerb(g, t, enabled ? 'enable' : 'disable'), { match: `"${t.revision}"` });
