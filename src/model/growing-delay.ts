/** How long to wait before what failed is tried again, where nobody else would come in step. */

/** Milliseconds. */
export interface Delays {
  /** Before the second try. */
  readonly first: number;
  readonly longest: number;
}

/** For what passes by itself. */
export const usualDelays: Delays = { first: 100, longest: 30_000 };

/** Milliseconds before the next try, twice as long after each failure; of `failures` the first is 1. */
export function delayAfter(failures: number, { first, longest }: Delays): number {
  return Math.min(longest, first * 2 ** (failures - 1));
}
