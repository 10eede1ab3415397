// The types of static/lib.js, which is what the console takes from npm's packages.

export { h, render, Fragment } from 'preact';
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useId } from 'preact/hooks';
export { signal, computed, effect, batch, useSignal } from '@preact/signals';
export type { Signal } from '@preact/signals';

export function html(strings: TemplateStringsArray, ...values: any[]): any;
