/** What `reconcile`, `takeover` and `cleanup` share: one settled run of the loop over a store, or its preview, printed as asked. */

import type { Kernel } from '../kernel/kernel.ts';
import { opText } from '../model/text.ts';
import { Reconciler } from '../reconcile/loop.ts';
import { heldTexts, operations } from '../reconcile/plan.ts';
import { type Account, incomplete, settle } from '../reconcile/settle.ts';
import { sumOf, type Surroundings } from '../reconcile/turn.ts';
import type { Wishes } from '../reconcile/wanted.ts';
import type { Store } from '../store/store.ts';
import { steadyNow } from './clock.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { Lines } from './lines.ts';
import { type Logger, logSome } from './log.ts';
import { Progress } from './progress.ts';
import { asJson, failureLines, isConverged, type Outcome, remarks, summaryLine } from './report.ts';

export interface Errand {
  readonly command: Outcome['command'];
  readonly wishes: Wishes;
  readonly store: Store;
  readonly kernel: Kernel;
  /** When the command began, by `steadyNow`. */
  readonly startedAt: number;
  readonly log: Logger;
  /** Added to the JSON document. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Runs the errand, prints it, and answers the exit status. */
export async function converge(invocation: Invocation, errand: Errand): Promise<number> {
  const outcome = await runErrand(invocation, errand);
  printOutcome(invocation, errand.log, outcome, errand.extra);
  if (isConverged(outcome)) return exitStatus.converged;
  return outcome.dryRun ? exitStatus.changes : exitStatus.failed;
}

/** Runs the errand, and prints its operations as they are applied. */
export async function runErrand(invocation: Invocation, errand: Errand): Promise<Outcome> {
  const { command, wishes, store, kernel, startedAt } = errand;
  const { flags } = invocation;
  const dryRun = flags.dryRun;
  const progress = new Progress(invocation.stderr);
  const lines = flags.output === 'json' ? undefined : new Lines(invocation.stdout, () => progress.end());
  let planned = 0;
  let applied = 0;
  const surroundings: Surroundings = {
    kernel,
    store,
    now: steadyNow,
    signal: invocation.signal,
    onPlan: (plan) => {
      planned += operations(plan).length;
    },
    onApplied: (op) => {
      applied++;
      lines?.write(opText(op));
      progress.show(() => `applied ${applied} of ${planned} operations`);
    },
  };
  const reconciler = new Reconciler(wishes, surroundings);
  try {
    const account = dryRun ? await preview(reconciler, lines) : await settle(reconciler, steadyNow);
    const totalMilliseconds = steadyNow() - startedAt;
    return {
      command,
      dryRun,
      account,
      standing: reconciler.standing(),
      totalMilliseconds,
    };
  } finally {
    progress.end();
    lines?.flush();
  }
}

/** What a run would do first, as if all of it succeeded. */
async function preview(reconciler: Reconciler, lines: Lines | undefined): Promise<Account> {
  await reconciler.verify();
  const work = await reconciler.prepare();
  if (work === undefined) throw incomplete;
  const { unchanged, draining } = work.plan;
  const applied = operations(work.plan);
  for (const op of applied) lines?.write(opText(op));
  return {
    applied,
    failures: [],
    blocked: [],
    open: [],
    unchanged,
    held: heldTexts(work.plan),
    draining,
    kernelTime: sumOf([]),
  };
}

/** Prints what is to be said of it in the end. */
export function printOutcome(
  { flags, stdout }: Pick<Invocation, 'flags' | 'stdout'>,
  log: Logger,
  outcome: Outcome,
  extra: Errand['extra'],
): void {
  if (flags.output === 'json') {
    stdout.write(`${JSON.stringify({ ...asJson(outcome), ...extra }, undefined, 2)}\n`);
  } else {
    stdout.write(`${summaryLine(outcome)}\n`);
  }
  logSome(log, 'error', failureLines(outcome));
  logSome(log, 'warn', remarks(outcome));
}
