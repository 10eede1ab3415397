// Where clients reach gateways. The API knows paths only; the site is the operator's
// to name (livy_console { endpoint URL }), else a guess that people can change here.
import { signal } from './lib.js';

const named = (name) => {
  const text = document.querySelector(`meta[name="${name}"]`)?.getAttribute('content') || '';
  return text.startsWith('{') ? '' : text.replace(/\/$/, '');
};

export const configured = named('livy-endpoint');
export const publicSite = named('livy-public-endpoint');

const stored = () => {
  try {
    return localStorage.getItem('livy.endpoint') || '';
  } catch {
    return '';
  }
};

/** site is the address of the site with livy_gateway, without a slash at its end. */
export const site = signal(configured || stored() || location.origin);

/** certain reports whether the operator named the site, or somebody here did. */
export const certain = () => configured !== '' || site.value !== location.origin;

export function setSite(text) {
  site.value = text.trim().replace(/\/+$/, '') || location.origin;
  try {
    localStorage.setItem('livy.endpoint', site.value === location.origin ? '' : site.value);
  } catch {
    // kept for this page only
  }
}

/** The endpoint by the gateway's name, which people read more easily than its id. */
export const pathOf = (g) => `/api/v1/workspace/${g.workspace}/livycompute/${g.spec.name}`;
/** shortEndpoint is what tells endpoints apart in a table. */
export const shortEndpoint = (g) => `…/livycompute/${g.spec.name}`;

export const endpointOf = (g) => site.value + pathOf(g);
export const publicEndpointOf = (g) => (g.spec.public && publicSite ? publicSite + pathOf(g) : '');
