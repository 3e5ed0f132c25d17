/** What the daemon's loop does with a Reconciler, on a clock of the test's: verify, then pass until nothing is due. */

import { KernelError } from '../../src/kernel/kernel.ts';
import type { Op } from '../../src/model/op.ts';
import { type Drift, noDrift, sum } from '../../src/model/drift.ts';
import { Reconciler } from '../../src/reconcile/loop.ts';
import type { PassReport } from '../../src/reconcile/pass-report.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import type { Store } from '../../src/store/store.ts';
import { Clock } from './clock.ts';
import type { FakeKernel } from './fake-kernel.ts';

export const plainWishes: Wishes = {
  nodeName: 'node-a',
  scheduler: 'rr',
  vipBinding: 'address',
  device: true,
  excluded: () => false,
  drainTimeout: undefined,
  nodePortAddresses: [],
  nodeIP: undefined,
  pods: { by: 'nothing' },
  masqueradeAll: false,
  masqueradeMark: 0x4000,
  routedCIDRs: [],
  settings: [],
  timeouts: undefined,
};

/** So small that nearly every pass over more than one Service takes several turns. */
const turnSize = 3;

/** More turns than any test needs: whoever takes them will never be done. */
const turnLimit = 400;

export class NodeLoop {
  readonly reconciler: Reconciler;
  readonly clock: Clock;
  /** What changed the kernel, as the Reconciler tells it. */
  readonly applied: Op[] = [];

  constructor(kernel: FakeKernel, store: Store, wishes: Partial<Wishes> = {}, clock = new Clock()) {
    this.clock = clock;
    const onApplied = (op: Op) => this.applied.push(op);
    this.reconciler = new Reconciler(
      { ...plainWishes, ...wishes },
      {
        kernel,
        store,
        now: clock.now,
        onApplied,
        turnSize,
      },
    );
  }

  /** Reads everything, then does all there is to do. */
  async converge(): Promise<void> {
    await this.verify();
    await this.rest();
  }

  async verify(): Promise<void> {
    await this.#persist(() => this.reconciler.verify());
  }

  /** Compares with the kernel, destinations for `budget` milliseconds; what is found is for the passes behind it, and those `between` its reads. */
  async scrub(budget: number, between: () => Promise<unknown> = async () => {}): Promise<Drift> {
    let drift = noDrift;
    for await (const found of this.reconciler.scrub(budget)) {
      drift = sum(drift, found);
      await between();
    }
    return drift;
  }

  /** A whole scrub, tried again where the channel breaks, as the daemon does. */
  async scrubbed(between?: () => Promise<unknown>): Promise<void> {
    await this.#persist(() => this.scrub(Number.POSITIVE_INFINITY, between));
  }

  /** Passes until nothing is due, moving the clock to each retry. A broken channel is tried again, as the daemon does. */
  async rest(): Promise<readonly PassReport[]> {
    const reports = await this.spend(turnLimit);
    if (this.reconciler.nextDue() !== undefined && reports.length === turnLimit) {
      throw new Error(`not at rest after ${turnLimit} turns`);
    }
    return reports;
  }

  /** As many passes, or fewer when nothing is due; for a cluster that asks what a kernel refuses for ever. */
  async spend(turns: number): Promise<readonly PassReport[]> {
    const reports: PassReport[] = [];
    let next: number | undefined = this.clock.time;
    while (next !== undefined && reports.length < turns) {
      this.clock.passTo(next);
      const report = await this.#persist(() => this.reconciler.pass());
      if (report === undefined) break;
      reports.push(report);
      next = this.reconciler.nextDue();
    }
    return reports;
  }

  /** The daemon's tick. */
  async checkDrains(): Promise<void> {
    this.reconciler.checkDrains();
    await this.rest();
  }

  /** Ticks until nothing drains; for destinations that are idle. */
  async endDrains(): Promise<void> {
    for (let tick = 0; this.reconciler.draining().length > 0; tick++) {
      if (tick === turnLimit) throw new Error(`still draining after ${turnLimit} ticks`);
      await this.checkDrains();
    }
  }

  async #persist<T>(step: () => Promise<T>): Promise<T> {
    for (let turn = 0; ; turn++) {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof KernelError) || turn === turnLimit) throw error;
        this.clock.pass(100);
      }
    }
  }
}
