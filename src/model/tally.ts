/** How many operations there are of each kind and verb. */

import type { Op, Verb } from './op.ts';

export interface Count {
  readonly kind: Op['kind'];
  readonly verb: Verb;
  readonly count: number;
}

export class Tally {
  readonly #counts = new Map<Op['kind'], Map<Verb, number>>();

  add({ kind, verb }: Pick<Op, 'kind' | 'verb'>): void {
    let verbs = this.#counts.get(kind);
    if (verbs === undefined) this.#counts.set(kind, (verbs = new Map()));
    verbs.set(verb, (verbs.get(verb) ?? 0) + 1);
  }

  /** Kinds, and verbs of each, in the order in which they first came. */
  counts(): Count[] {
    return [...this.#counts].flatMap(([kind, verbs]) => [...verbs].map(([verb, count]) => ({ kind, verb, count })));
  }
}

/** How many there are of all. */
export function sumOfCounts(counts: readonly Count[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}
