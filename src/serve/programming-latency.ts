/**
 * How long it takes from a change of endpoints in the cluster until this node acts on it: when slices changed in, durations out, as
 * kube-proxy measures them (lastChangeTriggerTimes in pkg/proxy/endpointschangetracker.go, Kubernetes 1.36).
 */

import type { Family } from '../model/address.ts';
import type { EndpointSlice } from '../model/cluster.ts';

export interface ProgrammingLatencyOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each change once the kernel has it. Milliseconds; the clocks of two machines are compared, so that they may be wrong. */
  readonly observe: (family: Family, milliseconds: number) => void;
}

interface Change {
  readonly family: Family;
  readonly triggeredAt: number;
}

/** Beyond so many that wait more are not measured: a kernel that accepts nothing must not cost memory. */
const most = 10_000;

export class ProgrammingLatency {
  readonly #options: ProgrammingLatencyOptions;
  /** What happened before is history, which a proxy that starts late did not delay. */
  #startedAt: number;
  #waiting: Change[] = [];
  #taken: Change[] = [];

  constructor(options: ProgrammingLatencyOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  /** All slices are told from the beginning: what happened until now is history. */
  restarted(): void {
    this.#startedAt = this.#options.now();
    this.#waiting = [];
    this.#taken = [];
  }

  /** A slice came or changed; that one went is not measured. */
  changed({ family, triggeredAt }: Pick<EndpointSlice, 'family' | 'triggeredAt'>): void {
    if (triggeredAt === undefined || triggeredAt < this.#startedAt) return;
    if (this.#waiting.length + this.#taken.length < most) this.#waiting.push({ family, triggeredAt });
  }

  /** A pass begins, with all that changed so far. */
  taken(): void {
    this.#taken = this.#taken.concat(this.#waiting);
    this.#waiting = [];
  }

  /** The kernel has all that passes took until now. */
  synced(): void {
    const now = this.#options.now();
    for (const { family, triggeredAt } of this.#taken) this.#options.observe(family, Math.max(0, now - triggeredAt));
    this.#taken = [];
  }
}
