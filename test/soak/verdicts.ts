/**
 * Which failed requests count. A perfect proxy fails none, but that it cannot help what somebody does to the kernel by hand: a request
 * that was under way at any time between a sabotage and its repair is counted apart.
 */

import type { Request } from './traffic.ts';

export interface Tally {
  requests: number;
  failed: number;
  /** Under way during a sabotage, and how many of these failed. */
  sabotaged: number;
  sabotagedFailed: number;
  /** Seconds; of those that were not under way during one. */
  slowest: number;
}

/** Seconds of CLOCK_MONOTONIC. */
interface Sabotage {
  readonly from: number;
  /** undefined: not repaired yet. */
  to: number | undefined;
}

export class Verdicts {
  readonly #tallies = new Map<string, Tally>();
  readonly #sabotages: Sabotage[] = [];

  /** Before anything is done. Answers how it is told to be over: when the kernel is seen to be as it was. */
  sabotage(from: number): (to: number) => void {
    const sabotage: Sabotage = { from, to: undefined };
    this.#sabotages.push(sabotage);
    return (to) => {
      sabotage.to = to;
    };
  }

  /** Whether it is a failure that counts. */
  judge({ target, begun, ended, failure }: Request): boolean {
    const tally = this.#tallyOf(target);
    const isSabotaged = this.#sabotages.some(({ from, to }) => ended > from && (to === undefined || begun < to));
    tally.requests++;
    if (isSabotaged) tally.sabotaged++;
    else tally.slowest = Math.max(tally.slowest, ended - begun);
    if (failure === undefined) return false;
    if (isSabotaged) tally.sabotagedFailed++;
    else tally.failed++;
    return !isSabotaged;
  }

  /** By target, in the order in which they were asked first. */
  tallies(): ReadonlyMap<string, Readonly<Tally>> {
    return this.#tallies;
  }

  #tallyOf(target: string): Tally {
    const known = this.#tallies.get(target);
    if (known !== undefined) return known;
    const tally: Tally = { requests: 0, failed: 0, sabotaged: 0, sabotagedFailed: 0, slowest: 0 };
    this.#tallies.set(target, tally);
    return tally;
  }
}

/** `N requests, M failed`, behind a table of the targets. */
export function table(tallies: ReadonlyMap<string, Readonly<Tally>>): string {
  const head = ['target', 'requests', 'failed', 'during sabotage', 'of these failed', 'slowest other, s'];
  const rows = [...tallies].map(([target, tally]) => [
    target,
    ...[tally.requests, tally.failed, tally.sabotaged, tally.sabotagedFailed].map(String),
    tally.slowest.toFixed(2),
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const lines = [head, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  return lines.join('\n');
}

/** Of all targets. */
export function total(tallies: ReadonlyMap<string, Readonly<Tally>>): {
  readonly requests: number;
  readonly failed: number;
} {
  const all = [...tallies.values()];
  const sum = (of: (tally: Readonly<Tally>) => number) => all.reduce((so, tally) => so + of(tally), 0);
  return { requests: sum(({ requests }) => requests), failed: sum(({ failed }) => failed) };
}
