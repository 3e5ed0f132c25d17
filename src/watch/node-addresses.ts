/** The node's own addresses, live: the kernel's notifications in, facts out. Ends its first look with "synced". */

import { isDeepStrictEqual } from 'node:util';
import type { ClusterEvent, NodeAddress } from '../model/cluster.ts';

/** What is asked of a kernel. */
export interface AddressSource {
  nodeAddresses(): Promise<readonly NodeAddress[]>;
  /** Calls back after an address or a device came, changed or went, or when that may have been missed; until it is closed. */
  watchAddresses(onChange: () => void): Watching;
}

export interface Watching {
  close(): void;
}

export interface NodeAddressListener {
  readonly onEvent: (event: ClusterEvent) => void;
  /** A read failed, and is made again after `retryDelay`; told once until the reason is another or one succeeds. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds between a failed read and the next. */
export const retryDelay = 1000;

/**
 * Tells all addresses at once, and again whenever they differ from what was told last. One read is under way at a time: what changes
 * meanwhile leads to one more.
 */
export class NodeAddresses implements Watching {
  readonly #source: AddressSource;
  readonly #listener: NodeAddressListener;
  readonly #watching: Watching;
  #told: readonly NodeAddress[] | undefined;
  #isReading = false;
  #isStale = false;
  #toldError: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(source: AddressSource, listener: NodeAddressListener) {
    this.#source = source;
    this.#listener = listener;
    // before the first read, so that no change falls between the two
    this.#watching = source.watchAddresses(() => this.#changed());
    this.#changed();
  }

  /** All of them, and that it was all, for who knows nothing of them. */
  tellAgain(): void {
    this.#told = undefined;
    this.#changed();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#watching.close();
  }

  #changed(): void {
    this.#isStale = true;
    if (!this.#isReading && !this.#isClosed) void this.#read();
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      try {
        const addresses = await this.#source.nodeAddresses();
        this.#toldError = undefined;
        this.#tell(addresses);
      } catch (error) {
        // the kernel's socket was closed meanwhile
        if (this.#isClosed) break;
        this.#complain(error);
        // one that was set before a notification led here would go on beside this one
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.#changed(), retryDelay).unref();
        break;
      }
    }
    this.#isReading = false;
  }

  #complain(error: unknown): void {
    const reason = String(error);
    if (reason !== this.#toldError) this.#listener.onError(error);
    this.#toldError = reason;
  }

  #tell(addresses: readonly NodeAddress[]): void {
    if (this.#isClosed || isDeepStrictEqual(addresses, this.#told)) return;
    const isFirst = this.#told === undefined;
    this.#told = addresses;
    this.#listener.onEvent({ kind: 'nodeAddresses', verb: 'set', addresses });
    if (isFirst) this.#listener.onEvent({ kind: 'synced', source: 'nodeAddresses' });
  }
}
