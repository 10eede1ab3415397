// Who is logged in, and what they may do. It hides what the server would refuse; the server
// decides.
import { signal } from './lib.js';
import { get, Problem } from './api.js';
import { useResource } from './live.js';

/** me is what /v1/me returns; null until it is known, and {} where the server does not tell. */
export const me = signal(/** @type {any} */ (null));

export async function whoami() {
  try {
    me.value = await get('/v1/me');
  } catch (e) {
    if (!(e instanceof Problem) || e.status === 404) me.value = {};
    else if (e.status === 401 || e.status === 403) me.value = { refused: e.message };
    else setTimeout(whoami, 2000);
  }
}

const ranks = { viewer: 1, member: 2, operator: 3, admin: 4 };

/** actions are the least role for each, and whether members may do it to what is their own. */
const actions = {
  create: ['admin'], edit: ['admin'], delete: ['admin'], start: ['member'], stop: ['operator'], explain: ['member'],
  logs: ['operator'], statements: ['operator'], audit: ['operator'],
  records: ['viewer', true], closeRecord: ['operator', true],
  tokens: ['operator', true], createToken: ['admin', true], editToken: ['admin'], resetToken: ['admin', true],
  disableToken: ['operator', true], enableToken: ['operator'],
};

/** reach is 'all', 'own' or '': on what one may do something in a workspace, '' for any. */
export function reach(action, workspace = '') {
  const m = me.value;
  if (!m || !m.roles || m.rolesConfigured === false) return 'all';
  const roles = m.roles.filter((r) => !workspace || r.workspace === '*' || r.workspace === workspace).map((r) => r.role);
  const [least, own] = actions[action];
  // A member is no viewer of what others made.
  const enough = own && least === 'viewer' ? ['viewer', 'operator', 'admin'] : Object.keys(ranks).filter((r) => ranks[r] >= ranks[least]);
  if (roles.some((r) => enough.includes(r))) return 'all';
  return own && roles.some((r) => ranks[r] >= ranks.member) ? 'own' : '';
}

/** can reports whether to offer an action on something, which may be one's own. */
export function can(action, workspace = '', own = false) {
  const r = reach(action, workspace);
  return r === 'all' || (r === 'own' && own);
}

/** isMine reports whether a token is of whoever is logged in. */
export const isMine = (t) => Boolean(t.owner) && t.owner === me.value?.user;

/** useOwnTokens are the ids of one's own tokens, where it matters what was made with them. */
export function useOwnTokens(workspace) {
  const { data } = useResource(reach('closeRecord', workspace) === 'own' ? '/v1/tokens?owner=me&limit=1000' : '');
  return (id) => (data?.tokens || []).some((t) => t.id === id);
}

/** bounds are those of tokens that one makes for oneself; null where one is bound by nothing. */
export function bounds(workspace) {
  if (reach('createToken', workspace) !== 'own') return null;
  const self = me.value?.selfService || {};
  return { days: Math.max(1, Math.floor(parseInt(self.maxLifetime, 10) / 24) || 365), tokens: self.maxTokens, scopes: self.scopes || [] };
}

/** user is a name for examples. */
export const user = () => me.value?.user || 'USER';
