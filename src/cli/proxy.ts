/**
 * The data plane of a node as long as the daemon runs: cluster events in, a right kernel out. Holds the store, the loop and its rhythm;
 * a change of the configuration gives the loop other wishes over the same facts and the same kernel.
 */

import type { Config } from '../config/config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ClusterEvent, ObjectName } from '../model/cluster.ts';
import type { Op } from '../model/op.ts';
import type { VirtualServiceStatus } from '../model/status.ts';
import { Reconciler, type Standing } from '../reconcile/loop.ts';
import type { Plan } from '../reconcile/plan.ts';
import { type Clock, Rhythm, type RhythmListener, usualTempo } from '../reconcile/rhythm.ts';
import type { Failure } from '../reconcile/turn.ts';
import { Store } from '../store/store.ts';
import { steadyNow } from './clock.ts';
import { tablesToRehearse, wishesOf } from './wishes.ts';

export interface ProxyListener extends RhythmListener {
  /** Before it is applied. */
  readonly onPlan: (plan: Plan) => void;
  /** It changed the kernel, whatever becomes of the pass. */
  readonly onApplied: (op: Op) => void;
}

/** What waits, since when (milliseconds by `steadyNow`), and what the kernel refused. */
export interface Backlog {
  readonly keys: number;
  readonly since: number | undefined;
  readonly failing: readonly Failure[];
}

const clock: Clock = { now: steadyNow, sleep };
/** The longest time that a timer of Node takes. */
const longestSleep = 2 ** 31 - 1;

export class Proxy {
  readonly #kernel: Kernel;
  readonly #listener: ProxyListener;
  readonly #signal: AbortSignal;
  #config: Config;
  #store = new Store();
  #reconciler: Reconciler;
  #rhythm: Rhythm;
  /** Ends the rhythm that is under way, so that one with another configuration can begin. */
  #change = new AbortController();
  /** Aborted by it, and by the end of all. */
  #untilChange: AbortSignal;

  /** Nothing happens before `run`. The signal ends it. */
  constructor(config: Config, kernel: Kernel, listener: ProxyListener, signal: AbortSignal) {
    this.#config = config;
    this.#kernel = kernel;
    this.#listener = listener;
    this.#signal = signal;
    this.#untilChange = AbortSignal.any([signal, this.#change.signal]);
    [this.#reconciler, this.#rhythm] = this.#compose();
  }

  get store(): Store {
    return this.#store;
  }

  /** Every source has told all that it had at start. */
  get synced(): boolean {
    return this.#reconciler.synced;
  }

  apply(event: ClusterEvent): void {
    this.#store.apply(event);
    this.#rhythm.changed();
  }

  /** Until the signal of the constructor is aborted. What is in the kernel stays as it is. */
  async run(): Promise<void> {
    void this.#rehearse();
    while (!this.#signal.aborted) {
      const signal = this.#untilChange;
      const reconciler = this.#reconciler;
      // what the rhythm before took, and did not finish, is not lost
      this.#store.markAll();
      try {
        await this.#rhythm.run(signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      if (this.#reconciler !== reconciler) this.#reconciler.inherit(reconciler);
    }
  }

  /** The same facts under other wishes: all is compared with the kernel again, and what is right already is not touched. */
  rewish(config: Config): void {
    this.#config = config;
    this.#restart();
  }

  /** Facts of another cluster: the kernel stays as it is until the new sources have told all they have. */
  forget(config: Config): void {
    this.#config = config;
    this.#store = new Store();
    this.#restart();
  }

  view(): Promise<VirtualServiceStatus[]> {
    return this.#reconciler.view();
  }

  differences(): Op[] {
    return this.#reconciler.differences();
  }

  draining(): number {
    return this.#reconciler.draining().length;
  }

  backlog(): Backlog {
    return { ...this.#reconciler.backlog(), failing: this.#reconciler.failing() };
  }

  standing(): Standing {
    return this.#reconciler.standing();
  }

  /** How many virtual services are asked for, and how many destinations the kernel has for them. O(virtual services). */
  size(): { readonly virtualServices: number; readonly destinations: number } {
    return this.#reconciler.size();
  }

  ownerOf(virtualService: string): ObjectName | undefined {
    return this.#reconciler.ownerOf(virtualService);
  }

  /** While the sources tell what they have. What the kernel refuses it refuses the first pass too, which tells. */
  async #rehearse(): Promise<void> {
    await this.#kernel.rehearse(tablesToRehearse(wishesOf(this.#config, 'reconcile'))).catch(() => {});
  }

  #restart(): void {
    const ended = this.#change;
    this.#change = new AbortController();
    this.#untilChange = AbortSignal.any([this.#signal, this.#change.signal]);
    [this.#reconciler, this.#rhythm] = this.#compose();
    ended.abort(new Error('the configuration changed'));
  }

  #compose(): [Reconciler, Rhythm] {
    const { syncPeriod, minSyncPeriod } = this.#config;
    const reconciler = new Reconciler(wishesOf(this.#config, 'reconcile'), {
      kernel: this.#kernel,
      store: this.#store,
      now: steadyNow,
      signal: this.#untilChange,
      onPlan: this.#listener.onPlan,
      onApplied: this.#listener.onApplied,
    });
    const rhythm = new Rhythm(
      reconciler,
      { ...usualTempo, minSyncPeriod, scrubPeriod: syncPeriod },
      this.#listener,
      clock,
    );
    return [reconciler, rhythm];
  }
}

function sleep(milliseconds: number, onAsleep: (wake: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(milliseconds, longestSleep));
    onAsleep(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
