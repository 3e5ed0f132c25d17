/** What tests make a server do wrong, beside what they do to its connections. */

import type { Target } from './target.ts';

export interface Failure {
  /**
   * A status: 429 as the limit of requests in flight answers. `never`: no answer, on a connection that stays. `half`: half of the
   * answer's body, then the connection breaks; not for watches, which can be cut while they are open.
   */
  readonly code: 429 | 500 | 503 | 'never' | 'half';
  /** Seconds; none: no Retry-After. */
  readonly retryAfter?: number;
  /** Which requests; all by default. */
  readonly matches?: (target: Target) => boolean;
}

interface Due extends Failure {
  left: number;
}

export class Faults {
  /** As with etcd 3.4, which cannot tell a watch how far it has come. */
  etcd34 = false;
  /** Bodies go out in chunks of so many bytes. */
  chunkBytes: number | undefined;
  /** Watches tell every event twice. */
  repeatsEvents = false;
  /** A watch from a compacted revision: 200 and an event, as now, or status 410, as servers before 1.17 did in places. */
  expiredWatchIs: 'event' | 'status' = 'event';
  /** Watches that begin from now on end after so many seconds, whatever they asked for. */
  longestWatch = Infinity;
  readonly #due: Due[] = [];

  /** The next so many requests that match fail. */
  fail(times: number, failure: Failure): void {
    this.#due.push({ ...failure, left: times });
  }

  take(target: Target): Failure | undefined {
    const due = this.#due.find(({ left, matches }) => left > 0 && (matches === undefined || matches(target)));
    if (due === undefined) return undefined;
    due.left--;
    return due;
  }

  clear(): void {
    this.etcd34 = false;
    this.chunkBytes = undefined;
    this.repeatsEvents = false;
    this.expiredWatchIs = 'event';
    this.longestWatch = Infinity;
    this.#due.length = 0;
  }
}
