/** Passes until nothing more can be done without waiting; what they did, in one account. */

import type { Op } from '../model/op.ts';
import { opText } from '../model/text.ts';
import type { Reconciler } from './loop.ts';
import type { PassReport } from './pass-report.ts';
import { type Failure, type KernelTime, sumOf } from './turn.ts';
import { type Draining, heldTexts, type Plan } from './plan.ts';

export interface Account {
  readonly applied: readonly Op[];
  /** What the kernel refused and did not accept in a later pass. */
  readonly failures: readonly Failure[];
  /** Not sent, because an operation they presume failed. */
  readonly blocked: readonly Op[];
  /** Operations whose fate is still not known. */
  readonly open: readonly Op[];
  /** Keys of the first pass that were right already. */
  readonly unchanged: Plan['unchanged'];
  readonly held: readonly string[];
  /** Destinations that keep weight 0 until their connections end. */
  readonly draining: readonly Draining[];
  readonly kernelTime: KernelTime;
}

/** A key that surprises is planned again at once, twice; after that something else is writing to the same keys. */
const passLimit = 3;

/** The programmer's error of running over a store that is not synced. */
export const incomplete = new Error('a source has not told all it has');

export async function settle(reconciler: Reconciler, now: () => number): Promise<Account> {
  const reports: PassReport[] = [];
  await reconciler.verify();
  do {
    const report = await reconciler.pass();
    if (report === undefined) throw incomplete;
    reports.push(report);
  } while (reports.length < passLimit && isDue(reconciler, now()));
  const { flowError } = reports.at(-1)!;
  if (flowError !== undefined) throw flowError;
  const first = reports[0]!;
  // what one turn left unsent, or without an answer, may be as it should be since the next
  const isDone = reconciler.nextDue() === undefined;
  return {
    applied: reports.flatMap(({ applied }) => applied),
    failures: reconciler.failing(),
    blocked: isDone ? [] : undone(reports, ({ blocked }) => blocked),
    open: isDone ? [] : undone(reports, ({ open }) => open),
    unchanged: first.unchanged,
    held: heldTexts(first),
    draining: reconciler.draining(),
    kernelTime: sumOf(reports.map(({ kernelTime }) => kernelTime)),
  };
}

/** What was not done in some pass, and in none after it, once each. */
function undone(reports: readonly PassReport[], left: (report: PassReport) => readonly Op[]): Op[] {
  const ops = new Map<string, Op>();
  for (const report of reports) {
    if (ops.size > 0) for (const op of report.applied) ops.delete(opText(op));
    for (const op of left(report)) ops.set(opText(op), op);
  }
  return [...ops.values()];
}

function isDue(reconciler: Reconciler, now: number): boolean {
  const next = reconciler.nextDue();
  return next !== undefined && next <= now;
}
