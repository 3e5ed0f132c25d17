/**
 * When what is done: changes are gathered for a moment and then passed, keys are tried again when they are due, drains and the kernel
 * are looked at from time to time. One step is under way at a time; what changed waits for one read of a scrub, not for all of them.
 */

import { type Drift, noDrift, sum } from '../model/drift.ts';
import { delayAfter, usualDelays } from '../model/growing-delay.ts';
import type { PassReport } from './pass-report.ts';

/** What is asked of a Reconciler. */
export interface Steps {
  /** Every source has told all that it had at start. */
  readonly synced: boolean;
  verify(): Promise<void>;
  pass(): Promise<PassReport | undefined>;
  /** In steps, each of which tells what it found. */
  scrub(budget: number): AsyncIterable<Drift>;
  checkDrains(): void;
  nextDue(): number | undefined;
  draining(): readonly unknown[];
}

/** Milliseconds. */
export interface Tempo {
  /** How long a change waits for others that come with it. */
  readonly gather: number;
  /** At least so long between the end of a pass and the start of the next. */
  readonly minSyncPeriod: number;
  /** Between two looks at what others changed in the kernel. */
  readonly scrubPeriod: number;
  /** Between two looks at destinations that drain. */
  readonly drainPeriod: number;
}

/** Changes are gathered for 10 ms: a rolling update's slices come together, a person notices nothing. */
export const usualTempo = { gather: 10, drainPeriod: 5_000 } as const;

export interface RhythmListener {
  /** Before every try of a pass: what changed until now is in it. */
  readonly onStart: () => void;
  /** The next turn waits for what it answers. */
  readonly onPass: (report: PassReport, milliseconds: number) => void | Promise<void>;
  readonly onScrub: (drift: Drift, milliseconds: number) => void;
  /** The channel to the kernel broke; the step is made again after `delay` milliseconds. */
  readonly onError: (error: unknown, delay: number) => void;
}

export interface Clock {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Resolves after so many milliseconds, or as soon as what it hands to `onAsleep` is called. */
  readonly sleep: (milliseconds: number, onAsleep: (wake: () => void) => void) => Promise<void>;
}

/** Of the time between two scrubs, for reading destinations: an idle node should cost nothing that anybody notices. */
const scrubShare = 0.001;

export class Rhythm {
  readonly #steps: Steps;
  readonly #tempo: Tempo;
  readonly #listener: RhythmListener;
  readonly #clock: Clock;
  /** When the first change came that no pass has seen; undefined without. */
  #changedAt: number | undefined;
  #passedAt = Number.NEGATIVE_INFINITY;
  #scrubAt = Number.POSITIVE_INFINITY;
  #drainsAt = 0;
  /** Ends the sleep that is under way. */
  #wake: () => void = () => {};

  constructor(steps: Steps, tempo: Tempo, listener: RhythmListener, clock: Clock) {
    this.#steps = steps;
    this.#tempo = tempo;
    this.#listener = listener;
    this.#clock = clock;
  }

  /** Something that a pass should look at changed. */
  changed(): void {
    if (!this.#steps.synced || this.#changedAt !== undefined) return;
    this.#changedAt = this.#clock.now();
    this.#wake();
  }

  /** Until the signal is aborted, which rejects with its reason. The first turn reads everything, once there is everything to compare it with. */
  async run(signal: AbortSignal): Promise<never> {
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!this.#steps.synced) await this.#sleep(Number.POSITIVE_INFINITY, signal);
      await this.#persist(() => this.#steps.verify(), signal);
      this.#scrubAt = this.#clock.now() + this.#tempo.scrubPeriod;
      for (;;) {
        signal.throwIfAborted();
        await this.#turn(signal);
        await this.#rest(signal);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#clock.now() >= this.#scrubAt) await this.#scrub(signal);
    await this.#work(signal);
  }

  /** Looks at drains when it is time to, and passes. */
  async #work(signal: AbortSignal): Promise<void> {
    const { now } = this.#clock;
    signal.throwIfAborted();
    if (this.#steps.draining().length > 0 && now() >= this.#drainsAt) {
      this.#steps.checkDrains();
      this.#drainsAt = now() + this.#tempo.drainPeriod;
    }
    let start = now();
    const report = await this.#persist(() => {
      // a try that broke was a pass of its own, and the pause behind it is none
      start = now();
      this.#changedAt = undefined;
      this.#listener.onStart();
      return this.#steps.pass();
    }, signal);
    this.#passedAt = now();
    if (report !== undefined) await this.#listener.onPass(report, this.#passedAt - start);
  }

  async #scrub(signal: AbortSignal): Promise<void> {
    const { now } = this.#clock;
    const start = now();
    let drift = noDrift;
    const look = async () => {
      this.#scrubAt = Number.POSITIVE_INFINITY;
      for await (const found of this.#steps.scrub(scrubShare * this.#tempo.scrubPeriod)) {
        drift = sum(drift, found);
        if (this.#nextTurn() <= now()) await this.#work(signal);
      }
    };
    // a kernel that cannot be read may take changes all the same
    await this.#persist(look, signal, (delay) => this.#workUntil(now() + delay, signal));
    this.#scrubAt = now() + this.#tempo.scrubPeriod;
    this.#listener.onScrub(drift, now() - start);
  }

  /** Passes as there is something to do, until the next scrub at that time. */
  async #workUntil(time: number, signal: AbortSignal): Promise<void> {
    this.#scrubAt = time;
    for (await this.#rest(signal); this.#clock.now() < time; await this.#rest(signal)) await this.#work(signal);
  }

  /** Until there is something to do. */
  async #rest(signal: AbortSignal): Promise<void> {
    for (;;) {
      const wait = this.#nextTurn() - this.#clock.now();
      if (wait <= 0) return;
      await this.#sleep(wait, signal);
    }
  }

  /** Until the time is over or something changed. */
  async #sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#clock.sleep(milliseconds, (wake) => (this.#wake = wake));
    signal.throwIfAborted();
  }

  #nextTurn(): number {
    const { gather, minSyncPeriod } = this.#tempo;
    const changes = this.#changedAt === undefined ? Number.POSITIVE_INFINITY : this.#changedAt + gather;
    const retries = this.#steps.nextDue() ?? Number.POSITIVE_INFINITY;
    const drains = this.#steps.draining().length > 0 ? this.#drainsAt : Number.POSITIVE_INFINITY;
    const next = Math.min(changes, retries, drains, this.#scrubAt);
    return Math.max(next, this.#passedAt + minSyncPeriod);
  }

  /** However often something changes meanwhile. */
  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    const until = this.#clock.now() + milliseconds;
    for (let left = milliseconds; left > 0; left = until - this.#clock.now()) await this.#sleep(left, signal);
  }

  /** A broken channel is tried again with growing delays, for ever: the kernel's state stays what it is meanwhile. */
  async #persist<T>(
    step: () => Promise<T>,
    signal: AbortSignal,
    pause = (delay: number) => this.#pause(delay, signal),
  ): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await step();
      } catch (error) {
        signal.throwIfAborted();
        const delay = delayAfter(failures, usualDelays);
        this.#listener.onError(error, delay);
        await pause(delay);
      }
    }
  }
}
