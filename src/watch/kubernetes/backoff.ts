/** How long to wait before a list or watch is made again. */

import { type Delays, delayAfter } from '../../model/growing-delay.ts';

/** As client-go's reflector has them (newBackoff, Kubernetes 1.36). */
const ceilings: Delays = { first: 800, longest: 30_000 };

/** Milliseconds of a server's Retry-After that are believed: one that asks for hours must not stop the watch for hours. */
const longestRetryAfter = 60_000;

/** Exponential, with full jitter: after an outage the nodes of a cluster must not come back in step. */
export class Backoff {
  readonly #random: () => number;
  #tries = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds, not less than the server asked for. */
  next(retryAfter = 0): number {
    const ceiling = delayAfter(++this.#tries, ceilings);
    return Math.max(Math.round(this.#random() * ceiling), Math.min(retryAfter, longestRetryAfter));
  }

  reset(): void {
    this.#tries = 0;
  }
}
