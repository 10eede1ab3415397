// Who is logged in, and what they may do.
import { signal } from './lib.js';
import { get, Problem } from './api.js';

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

/** role is the strongest role in a workspace. Servers without roles let everybody do everything. */
export function role(workspace) {
  const m = me.value;
  if (!m || !m.roles || m.rolesConfigured === false) return 'admin';
  let best = '';
  for (const r of m.roles) {
    if (workspace && r.workspace && r.workspace !== '*' && r.workspace !== workspace) continue;
    if ((ranks[r.role] || 0) > (ranks[best] || 0)) best = r.role;
  }
  return best;
}

const least = {
  create: 'admin', edit: 'admin', delete: 'admin',
  start: 'operator', stop: 'operator', close: 'operator', tokens: 'operator', audit: 'operator',
  logs: 'member', 'own-token': 'member', view: 'viewer',
};

/** can reports whether to offer an action; the server decides. */
export const can = (action, workspace = '') => (ranks[role(workspace)] || 0) >= ranks[least[action]];

/** user is a name for examples. */
export const user = () => me.value?.user || 'USER';
