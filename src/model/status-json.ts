/**
 * Reports as JSON. Every field is always there: what is undefined is null. Control characters within texts are escaped, those too that JSON
 * lets pass, so that it may go to a terminal.
 */

import { printable } from './printable.ts';
import type { StatusReport } from './status.ts';

/** On one line, or indented. */
export function statusJson(report: StatusReport, indent = 0): string {
  return json(report, indent);
}

/** Virtual services of one piece: ten milliseconds' work, with ten destinations each. */
const pieceSize = 500;

/** One line in pieces, for who has other things to do meanwhile. */
export function* statusJsonPieces({ virtualServices, ...rest }: StatusReport): Generator<string> {
  yield `${json(rest).slice(0, -1)},"virtualServices":[`;
  for (let start = 0; start < virtualServices.length; start += pieceSize) {
    const piece = json(virtualServices.slice(start, start + pieceSize)).slice(1, -1);
    yield start === 0 ? piece : `,${piece}`;
  }
  yield ']}';
}

/** Any plain data, so. */
export function json(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, (_key, field: unknown) => (field === undefined ? null : field), indent);
  return text.split('\n').map(printable).join('\n');
}
