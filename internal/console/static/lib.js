// What the console is built on, in one place. lib.d.ts has the types.
import { h } from './vendor/preact.mjs';
import htm from './vendor/htm.mjs';

export { h, render, Fragment } from './vendor/preact.mjs';
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useId } from './vendor/hooks.mjs';
export { signal, computed, effect, batch, useSignal } from './vendor/signals.mjs';

export const html = htm.bind(h);
