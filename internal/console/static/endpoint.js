// Where clients reach gateways: at the site that the operator named for the console
// (livy_console { endpoint URL }) or that somebody entered here, else at the sites that the API
// reads from the configuration of Caddy.
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

/** known returns the endpoints of a gateway that the API reads from Caddy's sites. */
const known = (g, isPublic) => (g.endpoints || []).filter((e) => e.public === isPublic).map((e) => e.url);

/** guessed reports whether nobody knows the endpoints of a gateway. */
export const guessed = (g) => !certain() && !g.endpoints?.length;

/** endpointsOf returns the internal endpoints; none if only public sites serve the gateway. */
export const endpointsOf = (g) => (certain() || guessed(g) ? [site.value + pathOf(g)] : known(g, false));

/** publicEndpointsOf returns all public endpoints; none where the gateway is not public. */
export function publicEndpointsOf(g) {
  if (!g.spec.public) return [];
  return publicSite ? [publicSite + pathOf(g)] : known(g, true);
}

export const publicEndpointOf = (g) => publicEndpointsOf(g)[0] || '';
export const endpointOf = (g) => endpointsOf(g)[0] || publicEndpointOf(g);

/** siteOf returns the address of a site that serves all gateways, this one among them. */
export function siteOf(g) {
  const at = endpointOf(g);
  return at.endsWith(pathOf(g)) ? at.slice(0, -pathOf(g).length) : site.value;
}
