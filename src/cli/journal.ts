/** What the daemon tells of its work: one log line for each pass that did something, counters, and events for what a person must mend. */

import type { ClusterEvent, ObjectName } from '../model/cluster.ts';
import { refusalText } from '../kernel/refusals.ts';
import { counted } from '../model/counted.ts';
import type { PassSummary } from '../model/status.ts';
import type { Op } from '../model/op.ts';
import { type Count, sumOfCounts, Tally } from '../model/tally.ts';
import { opText } from '../model/text.ts';
import type { Drift } from '../model/drift.ts';
import type { Standing } from '../reconcile/loop.ts';
import type { PassReport } from '../reconcile/pass-report.ts';
import { operations, type Plan } from '../reconcile/plan.ts';
import type { Failure } from '../reconcile/turn.ts';
import type { Events } from '../serve/events.ts';
import type { Metrics } from '../serve/metrics.ts';
import { ProgrammingLatency } from '../serve/programming-latency.ts';
import type { Store } from '../store/store.ts';
import { steadyTime } from './clock.ts';
import { type Logger, logSome } from './log.ts';
import { conflictText, missingSchedulerText, unsettableText } from './report.ts';

export interface JournalOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly events: Events;
}

/** Lines of one plan that are logged at most, at debug. */
const mostPlanLines = 1_000;
/** What prints all failures and remarks. */
const whole = 'kube-ipvs status -o json';

export class Journal {
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #events: Events;
  readonly #latency: ProgrammingLatency;
  /** What changed the kernel since a pass was told, finished or broken. */
  #applied = new Tally();
  /** Failures and remarks that were logged and still hold. */
  #toldFailures = new Set<string>();
  #toldRemarks = new Set<string>();
  #toldFlowError: string | undefined;
  #lastPass: PassSummary | undefined;
  #lastScrub: number | undefined;

  constructor({ log, metrics, events }: JournalOptions) {
    this.#log = log;
    this.#metrics = metrics;
    this.#events = events;
    this.#latency = new ProgrammingLatency({
      now: Date.now,
      observe: (family, milliseconds) => metrics.networkProgrammed(family, milliseconds),
    });
  }

  /** Its time is one of `steadyTime`, and so is that of the last scrub. */
  get lastPass(): PassSummary | undefined {
    return this.#lastPass;
  }

  get lastScrub(): number | undefined {
    return this.#lastScrub;
  }

  /** The store has not taken in the event yet. */
  heard(event: ClusterEvent, store: Store): void {
    if (event.kind === 'service') this.#metrics.serviceChanged();
    if (event.kind !== 'endpointSlice') return;
    this.#metrics.endpointsChanged();
    if (event.verb !== 'set') return;
    const { slice } = event;
    // a list tells again what is known, and labels change too: what led to the endpoints is then long ago
    if (store.slice(slice.name)?.triggeredAt !== slice.triggeredAt) this.#latency.changed(slice);
  }

  /** Other sources tell all from the beginning. */
  restarted(): void {
    this.#latency.restarted();
  }

  /** A pass begins, with all that was heard until now. */
  began(): void {
    this.#latency.taken();
  }

  planned(plan: Plan): void {
    if (!this.#log.isLevelEnabled('debug')) return;
    const ops = operations(plan);
    for (const op of ops.slice(0, mostPlanLines)) this.#log.debug(opText(op));
    if (ops.length > mostPlanLines) this.#log.debug(`… and ${ops.length - mostPlanLines} more operations`);
  }

  applied(op: Op): void {
    this.#applied.add(op);
  }

  /** `failing` is all that the kernel refused and has not accepted since. */
  passed(report: PassReport, milliseconds: number, failing: readonly Failure[]): void {
    const { failures, blocked, open, kernelTime } = report;
    const appliedCounts = this.#takeApplied();
    const applied = sumOfCounts(appliedCounts);
    this.#metrics.passed({ ...report, appliedCounts, milliseconds });
    this.#latency.synced();
    for (const { family, milliseconds: time, deleted } of report.flowSearches) {
      this.#metrics.flowsForgotten(family, time, deleted);
    }
    this.#tellFlowError(report.flowError?.message);
    this.#tellFailures(failing.map(({ op, refusal }) => refusalText(op, refusal)));
    const count = applied + failures.length + blocked.length + open.length;
    if (count === 0) return;
    this.#lastPass = {
      at: steadyTime(),
      milliseconds,
      operations: applied,
      failures: failures.length + blocked.length,
    };
    const kernel = Object.values(kernelTime).reduce((sum, time) => sum + time, 0);
    const fields = {
      ms: rounded(milliseconds),
      kernelMs: rounded(kernel),
      ...(failures.length > 0 ? { failed: failures.length } : {}),
      ...(blocked.length > 0 ? { blocked: blocked.length } : {}),
      ...(open.length > 0 ? { unknown: open.length } : {}),
    };
    if (applied > 0) this.#log.info(fields, appliedText(appliedCounts));
  }

  scrubbed(drift: Drift, milliseconds: number): void {
    this.#lastScrub = steadyTime();
    this.#metrics.scrubbed(drift, milliseconds);
    const found = Object.entries(drift).filter(([, count]) => count > 0);
    if (found.length === 0) return;
    const what = found.map(([kind, count]) => `${count} ${kind}`).join(', ');
    this.#log.warn({ ms: rounded(milliseconds) }, `somebody else changed the kernel (${what}); it is put right`);
  }

  broke(error: unknown, delay: number): void {
    const appliedCounts = this.#takeApplied();
    this.#metrics.passBroke(appliedCounts);
    if (appliedCounts.length > 0) this.#log.info(appliedText(appliedCounts));
    const message = error instanceof Error ? error.message : String(error);
    const stack = error instanceof Error && !('code' in error) ? { stack: error.stack } : {};
    this.#log.error({ againInMs: delay, ...stack }, `the pass could not be finished: ${message}`);
  }

  /**
   * Logs what stands once each time that it begins. Events know themselves what they said, and forget what they had no turn for. Costs
   * O(what stands).
   */
  remark({ conflicts, missingSchedulers, unsettable }: Standing, store: Store): string[] {
    const subject = (name: ObjectName) => ({ name, uid: store.service(name)?.uid ?? '' });
    const lines: string[] = [];
    for (const conflict of conflicts) {
      const line = conflictText(conflict);
      this.#events.conflict(subject(conflict.loser), line);
      lines.push(line);
    }
    for (const missing of missingSchedulers) {
      const line = missingSchedulerText(missing);
      this.#events.missingScheduler(subject(missing.owner), line);
      lines.push(line);
    }
    lines.push(...unsettable.map(unsettableText));
    logSome(
      this.#log,
      'warn',
      lines.filter((line) => !this.#toldRemarks.has(line)),
      whole,
    );
    this.#toldRemarks = new Set(lines);
    return lines;
  }

  #takeApplied(): readonly Count[] {
    const counts = this.#applied.counts();
    this.#applied = new Tally();
    return counts;
  }

  #tellFlowError(reason: string | undefined): void {
    if (reason !== undefined && reason !== this.#toldFlowError) {
      this.#log.warn(`tracked connections cannot be looked through: ${reason}; it is tried again`);
    }
    this.#toldFlowError = reason;
  }

  #tellFailures(lines: readonly string[]): void {
    logSome(
      this.#log,
      'warn',
      lines.filter((line) => !this.#toldFailures.has(line)),
      whole,
    );
    this.#toldFailures = new Set(lines);
  }
}

/** `applied 3 operations: 2 destination edits, 1 service add`. */
function appliedText(counts: readonly Count[]): string {
  const verbs = counts.map(({ kind, verb, count }) => counted(count, `${kind} ${verb}`)).join(', ');
  return `applied ${counted(sumOfCounts(counts), 'operation')}: ${verbs}`;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
