// Pages that are loaded when they are first shown, and not with the first view.
import { html, useEffect, useState } from '../lib.js';
import { Failure, Skeleton } from './parts.js';

/**
 * later is a page of a module that is loaded when it is first shown. Its file is also listed in
 * console.go, so that the page does not load it at once.
 * @param {() => Promise<any>} load imports the module and returns the page
 */
export function later(load) {
  let page;
  return function Later(props) {
    const [error, fail] = useState(/** @type {any} */ (null));
    const [, show] = useState(page);
    useEffect(() => {
      let gone = false;
      if (!page) {
        load().then((found) => {
          page = found;
          if (!gone) show(() => found);
        }, () => gone || fail({ message: 'This page could not be loaded; the console may have another version now.' }));
      }
      return () => { gone = true; };
    }, []);
    if (page) return html`<${page} ...${props} />`;
    return error ? html`<${Failure} error=${error} retry=${() => location.reload()} />` : html`<${Skeleton} />`;
  };
}
