/** What became of a pass, in however many turns it was made. */

import type { ObjectName } from '../model/cluster.ts';
import type { Op } from '../model/op.ts';
import type { FlowOutcome, FlowSearch } from './flows.ts';
import type { Kept, Plan } from './plan.ts';
import { type Failure, type KernelTime, sumOf, type TurnReport } from './turn.ts';

export interface TurnOutcome extends TurnReport, FlowOutcome {}

export interface PassReport extends TurnOutcome {
  /** Services whose changes it took in, with those of tries that failed before it. */
  readonly services: ReadonlySet<ObjectName>;
}

/** A pass as far as it came. Each key is planned once but those that were held; the last turn holds what is still to be held. */
export class PassOutcome {
  readonly #applied: Op[] = [];
  readonly #failures: Failure[] = [];
  readonly #blocked: Op[] = [];
  readonly #open: Op[] = [];
  readonly #unchanged = { services: 0, destinations: 0, addresses: 0, elements: 0 };
  readonly #kernelTimes: KernelTime[] = [];
  readonly #flowSearches: FlowSearch[] = [];
  #held: Plan['held'] = [];
  readonly #kept: Kept[] = [];
  #flowError: FlowOutcome['flowError'];

  /** Costs O(turn). */
  add(outcome: TurnOutcome): void {
    const { applied, failures, blocked, open, unchanged, held, kept, kernelTime, flowSearches, flowError } = outcome;
    append(this.#applied, applied);
    append(this.#failures, failures);
    append(this.#blocked, blocked);
    append(this.#open, open);
    for (const kind of kinds) this.#unchanged[kind] += unchanged[kind];
    this.#kernelTimes.push(kernelTime);
    append(this.#flowSearches, flowSearches);
    this.#held = held;
    append(this.#kept, kept);
    this.#flowError = flowError;
  }

  report(services: ReadonlySet<ObjectName>): PassReport {
    return {
      applied: this.#applied,
      failures: this.#failures,
      blocked: this.#blocked,
      open: this.#open,
      unchanged: this.#unchanged,
      held: this.#held,
      kept: this.#kept,
      flowSearches: this.#flowSearches,
      flowError: this.#flowError,
      kernelTime: sumOf(this.#kernelTimes),
      services,
    };
  }
}

const kinds = ['services', 'destinations', 'addresses', 'elements'] as const;

function append<T>(to: T[], some: readonly T[]): void {
  for (const one of some) to.push(one);
}
