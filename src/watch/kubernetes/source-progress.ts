/** How far a source is, for status and log. */

import { abridged, printable } from '../../model/printable.ts';
import type { SourceState, WatchPhase } from '../../model/status.ts';
import type { RestartReason } from './retries.ts';

export interface ProgressOptions {
  /** A line for the log, printable. */
  readonly onRemark: (level: 'info' | 'warn' | 'error', message: string) => void;
  readonly onRestart?: (source: string, reason: RestartReason) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Characters of a reason that are told: it may be a server's, of any length. */
const longestMessage = 600;

export class SourceProgress {
  readonly #name: string;
  readonly #options: ProgressOptions;
  #phase: WatchPhase = 'listing';
  #since: number;
  #isSynced = false;
  #heardAt: number | undefined;
  #restarts = 0;
  #lastError: string | undefined;

  constructor(name: string, options: ProgressOptions) {
    this.#name = name;
    this.#options = options;
    this.#since = options.now();
  }

  state(objects: number, resourceVersion: string | undefined): SourceState {
    return {
      name: this.#name,
      phase: this.#phase,
      synced: this.#isSynced,
      objects,
      resourceVersion,
      since: this.#since,
      heardAt: this.#heardAt,
      restarts: this.#restarts,
      lastError: this.#lastError,
    };
  }

  enter(phase: WatchPhase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#since = this.#options.now();
  }

  heard(): void {
    this.#heardAt = this.#options.now();
  }

  /** Whether this is the first time. */
  synced(): boolean {
    const isFirst = !this.#isSynced;
    this.#isSynced = true;
    return isFirst;
  }

  /** The server says what it is asked for. */
  well(): void {
    if (this.#lastError === undefined) return;
    this.#lastError = undefined;
    this.remark('info', 'the API server answers again');
  }

  restarted(reason: RestartReason, message: string): void {
    this.#restarts++;
    const text = printable(abridged(message, longestMessage));
    // the same words every half a minute help nobody
    if (text !== this.#lastError) this.remark(reason === 'expired' ? 'info' : 'warn', text);
    this.#lastError = text;
    this.#options.onRestart?.(this.#name, reason);
  }

  remark(level: 'info' | 'warn' | 'error', message: string): void {
    this.#options.onRemark(level, printable(`${this.#name}: ${message}`));
  }
}
