// Icons: strokes of one weight on a grid of 16.
import { html } from '../lib.js';

const strokes = {
  gateway: ['M2 4.5h12v3H2z', 'M2 9.5h12v3H2z', 'M4.5 6h.01', 'M4.5 11h.01'],
  overview: ['M2 13.5h12', 'M4 13.5V8', 'M8 13.5V3.5', 'M12 13.5V6'],
  usage: ['M2.5 11a5.5 5.5 0 1 1 11 0', 'M8 11l2.5-3.5'],
  sessions: ['M2.5 3.5h11v9h-11z', 'M5 6.5l2 1.75L5 10', 'M8.5 10.25h2.5'],
  token: ['M6.5 9.5a3 3 0 1 1 0-3h7v3h-1.5v-1.2h-1.5v1.2z'],
  catalog: ['M3 2.5h3.5v11H3z', 'M6.5 2.5H10v11H6.5z', 'M10.6 3.2l2.6-.6 1.8 10.4-2.7.5z'],
  audit: ['M4 1.8h5.5L12.5 5v9.2H4z', 'M9.3 2v3.2h3', 'M6 8h4.5', 'M6 10.8h4.5'],
  search: ['M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10z', 'M10.7 10.7L14 14'],
  copy: ['M5.5 5.5h8v8h-8z', 'M3.5 10.5h-1v-8h8v1'],
  check: ['M3 8.5l3.2 3.2L13 4.8'],
  close: ['M4 4l8 8', 'M12 4l-8 8'],
  more: ['M3 7.6h.8v.8H3z', 'M7.6 7.6h.8v.8h-.8z', 'M12.2 7.6h.8v.8h-.8z'],
  terminal: ['M3 5l3 3-3 3', 'M8 11.5h5'],
  plus: ['M8 3v10', 'M3 8h10'],
  sun: ['M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z', 'M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9'],
  moon: ['M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z'],
  auto: ['M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z', 'M8 2v12'],
  external: ['M9 2.5h4.5V7', 'M13.2 2.8L7.5 8.5', 'M11.5 9.5v4h-9v-9h4'],
  play: ['M5 3l8 5-8 5z'],
  stop: ['M4 4h8v8H4z'],
  chevron: ['M6 3.5L10.5 8 6 12.5'],
  sortup: ['M8 12.5v-9', 'M4.5 7L8 3.5 11.5 7'],
  sortdown: ['M8 3.5v9', 'M4.5 9L8 12.5 11.5 9'],
  warning: ['M8 2L14.5 13.5h-13z', 'M8 6.5v3.2', 'M8 11.6h.01'],
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
  ${strokes[name].map((d) => html`<path d=${d} />`)}</svg>`;
