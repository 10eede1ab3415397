// Where an error of the API belongs in the form.
import { parameters } from '../parameters.js';

/**
 * fileOf finds the file and the line that an error is about: its field is like
 * "livy.conf line 3" or "policy.rules:3".
 * @returns {{field: string, line: number, message: string}|null}
 */
export function fileOf(error) {
  for (const p of parameters) {
    if (!p.file) continue;
    if (error.field === p.field) return { field: p.field, line: 0, message: error.rule || error.message };
    if (!error.field?.startsWith(p.file)) continue;
    const line = error.field.slice(p.file.length).match(/^(?: line |:)(\d+)/);
    return { field: p.field, line: line ? Number(line[1]) : 0, message: (error.value ? `${error.value}: ` : '') + (error.rule || error.message) };
  }
  return null;
}

/** about reports whether an error is about a field, or about a part of it. */
export const about = (error, field) => Boolean(error) && (error.field === field || error.field?.startsWith(field + '.') || error.field?.startsWith(field + '['));
