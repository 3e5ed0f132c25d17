/** What follows on the end of a list or a watch: whether it is made again, from where, and when. Decides only. */

import { Backoff } from './backoff.ts';
import type { Refusal } from './refusal.ts';

/** Why a list or watch is made again, other than that the server ended it in good order. */
export type RestartReason =
  /** The server no longer has the changes since the version asked for (410). */
  | 'expired'
  /** Any other status than 200, or such an ERROR in the stream. */
  | 'refused'
  /** No connection, or it was lost. */
  | 'connection'
  /** The answer is not what an API server says. */
  | 'malformed'
  /** The watch ended again before it lived. */
  | 'short'
  /** Nothing was heard for as long as the watch lasted, not even that nothing changed. */
  | 'silent';

/** How a request for a list or a watch ended. */
export type Ending =
  /** A complete list was read; a watch comes next. */
  | { readonly kind: 'listed' }
  /** A watch ended in good order. `isSilent`: nothing was heard of it. */
  | { readonly kind: 'ended'; readonly isSilent: boolean }
  | { readonly kind: 'expired'; readonly message: string }
  /** This server does not stream lists. */
  | { readonly kind: 'unsupported'; readonly message: string }
  | {
      readonly kind: 'failed';
      readonly reason: 'refused' | 'connection' | 'malformed';
      /** With the version asked for, or in a stream, it will not go better the next time. */
      readonly isFutile: boolean;
      readonly message: string;
      /** Milliseconds. */
      readonly retryAfter: number | undefined;
    };

export interface Next {
  /** Milliseconds; undefined: at once. */
  readonly wait: number | undefined;
  /** The version is given up: a list comes next. Of a streamed list: the next is to be had otherwise. */
  readonly relists: boolean;
  /** Undefined where nothing went wrong. */
  readonly restart: { readonly reason: RestartReason; readonly message: string } | undefined;
}

/** Milliseconds. A watch that ends earlier did not live: it is no sign that all is well. */
const shortLife = 5_000;

/** So many times in a row a version, or a streamed list, is asked for that leads nowhere. */
const mostFutileTries = 3;

export class Retries {
  readonly #backoff: Backoff;
  /** In a row, without a watch that lived in between. */
  #expired = 0;
  #short = 0;
  /** In a row, of one version. */
  #futile = 0;

  constructor(random: () => number) {
    this.#backoff = new Backoff(random);
  }

  /** `lifetime`: milliseconds for which changes were watched; negative when it never came to that. */
  after(ending: Ending, lifetime: number): Next {
    const lived = lifetime >= shortLife;
    if (lived) this.#recovered();
    switch (ending.kind) {
      case 'listed':
      case 'unsupported':
        return { wait: undefined, relists: false, restart: undefined };
      case 'ended':
        return lived ? afterLife(ending.isSilent) : this.#afterShortLife();
      case 'expired': {
        this.#expired++;
        const wait = this.#expired > 1 ? this.#backoff.next() : undefined;
        return { wait, relists: true, restart: { reason: 'expired', message: ending.message } };
      }
      case 'failed': {
        const { reason, message, retryAfter } = ending;
        const relists = ending.isFutile && ++this.#futile >= mostFutileTries;
        if (relists) this.#futile = 0;
        return { wait: this.#backoff.next(retryAfter), relists, restart: { reason, message } };
      }
      default:
        return ending satisfies never;
    }
  }

  /** The version asked for led to a later one. */
  advanced(): void {
    this.#futile = 0;
  }

  #afterShortLife(): Next {
    this.#short++;
    // a server that shuts down ends all watches, young ones too
    if (this.#short === 1) return { wait: undefined, relists: false, restart: undefined };
    const message = 'the server ends each watch as soon as it began';
    return { wait: this.#backoff.next(), relists: false, restart: { reason: 'short', message } };
  }

  #recovered(): void {
    this.#backoff.reset();
    this.#expired = 0;
    this.#short = 0;
  }
}

/**
 * A watch from a version that is in the server's future, as after etcd was restored from a backup, is silent and has no bookmarks for
 * as long as it takes the cluster to get there. So a silent life is not gone on with.
 */
function afterLife(isSilent: boolean): Next {
  if (!isSilent) return { wait: undefined, relists: false, restart: undefined };
  const message = 'nothing was heard for as long as the watch lasted: listing again';
  return { wait: undefined, relists: true, restart: { reason: 'silent', message } };
}

/** `asked`: for a stream that begins with the list, for a list, for a watch from a version, or for the next changes of one that was granted. */
export function endingOf(refusal: Refusal, asked: 'stream' | 'list' | 'watch' | 'changes'): Ending {
  const { code, message, retryAfter, isAhead } = refusal;
  if (code === 410) return { kind: 'expired', message };
  // 404: a list in pages would not be found either
  const isOurFault = code >= 400 && code < 500 && ![401, 403, 404, 429].includes(code);
  if (asked === 'stream' && isOurFault) return { kind: 'unsupported', message };
  // a server that grants the watch is well: it stumbles over a change behind the version, and will do so again
  const isStuck = asked === 'changes' && code === 500;
  const isFutile =
    isStuck ||
    (asked === 'stream' && code >= 500) ||
    ((asked === 'watch' || asked === 'changes') && (isOurFault || isAhead));
  return { kind: 'failed', reason: 'refused', isFutile, message, retryAfter };
}
