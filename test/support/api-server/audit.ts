/** What was asked, in the words of Kubernetes' audit log. */

import type { Verb } from './target.ts';

/** A request, as soon as it is known what it is about. */
export interface ReceivedRequest {
  /** `get` for paths that are no resources. */
  readonly verb: Verb;
  readonly path: string;
  /** Empty for the core, as are resource and namespace where there are none. */
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly query: Readonly<Record<string, string>>;
  readonly userAgent: string;
  /** `1.1`, `2.0`. */
  readonly httpVersion: string;
}

/** One whose answer began. */
export interface AuditEntry extends ReceivedRequest {
  /** Empty before anybody was recognised. */
  readonly user: string;
  /** Of the answer. */
  readonly code: number;
}

/** Who waits for what. */
class Waiters<T> {
  readonly #waiting = new Set<{ readonly matches: (entry: T) => boolean; readonly resolve: (entry: T) => void }>();

  tell(entry: T): void {
    for (const waiting of this.#waiting) {
      if (!waiting.matches(entry)) continue;
      this.#waiting.delete(waiting);
      waiting.resolve(entry);
    }
  }

  next(matches: (entry: T) => boolean, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { matches, resolve };
      this.#waiting.add(waiting);
      const leave = (): void => {
        this.#waiting.delete(waiting);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}

/** Only the last entries are kept: at least ten thousand. */
export class Audit {
  readonly #entries: AuditEntry[] = [];
  readonly #received = new Waiters<ReceivedRequest>();
  readonly #answered = new Waiters<AuditEntry>();

  /** In the order in which answers began. */
  get entries(): readonly AuditEntry[] {
    return this.#entries;
  }

  receive(request: ReceivedRequest): void {
    this.#received.tell(request);
  }

  write(entry: AuditEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > 20_000) this.#entries.splice(0, 10_000);
    this.#answered.tell(entry);
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** The first request from now on that matches, whether it is ever answered or not. Rejects with the signal's reason. */
  nextReceived(matches: (request: ReceivedRequest) => boolean, signal?: AbortSignal): Promise<ReceivedRequest> {
    return this.#received.next(matches, signal);
  }

  /** The first answer from now on that matches. Rejects with the signal's reason. */
  next(matches: (entry: AuditEntry) => boolean, signal?: AbortSignal): Promise<AuditEntry> {
    return this.#answered.next(matches, signal);
  }
}
