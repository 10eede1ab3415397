// What a restart does with the sessions that run.
import { html } from '../lib.js';
import { Select } from './parts.js';

const hour = 3600;
const choices = [
  [0, 'End now'], [hour / 2, 'Run on for up to 30 minutes'], [2 * hour, 'Run on for up to 2 hours'], [8 * hour, 'Run on for up to 8 hours'],
  [24 * hour, 'Run on for up to a day'], [168 * hour, 'Run on for up to 7 days'],
].map(([seconds, text]) => [String(seconds), text]);

/** Draining is the choice; value is in seconds, and 0 ends the sessions. */
export const Draining = ({ value, set }) => html`<${Select} label="Sessions and batches" value=${String(value)}
  set=${(text) => set(Number(text))} options=${choices} />`;
