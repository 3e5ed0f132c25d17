/** How words of the command line are compared and shown. */

import { printable } from '../model/printable.ts';

/** The one of `known` that `word` most likely meant: few typing errors, or its beginning. Undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length < 2 || word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = candidate.startsWith(word) ? 1 : editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** In double quotes, with control characters escaped, so that a terminal is never written to by an argument. */
export function quoted(word: string): string {
  return printable(JSON.stringify(word));
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
