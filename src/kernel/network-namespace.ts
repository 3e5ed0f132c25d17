/**
 * Sockets stay in the network namespace in which they were opened, though its name be gone (ip-netns(8)) or be given to another: who
 * works by name and by socket at once must know.
 */

import { statSync } from 'node:fs';
import { KernelError } from './kernel.ts';

/** The namespace that has a name of `ip netns` at the moment of the making. */
export class NetworkNamespace {
  readonly #name: string;
  readonly #identity: string | undefined;

  constructor(name: string) {
    this.#name = name;
    this.#identity = identityOf(name);
  }

  /** Throws `NO_NETNS` when the name is gone or another's: what is asked by name, or opened by it, would be of that one. */
  mustBeThere(): void {
    const identity = identityOf(this.#name);
    if (identity !== undefined && identity === this.#identity) return;
    const what = identity === undefined ? 'is gone' : 'is another now';
    throw new KernelError(
      'NO_NETNS',
      `the network namespace ${this.#name} ${what}: start kube-ipvs again once it is there (ip netns list)`,
    );
  }
}

/** `NO_NETNS`: nothing can be asked of it. */
export function noNamespace(name: string, options?: ErrorOptions): KernelError {
  return new KernelError('NO_NETNS', `there is no network namespace ${name}: see ip netns list`, options);
}

/** Of the namespace's file in nsfs, the same whoever asks; undefined where there is none. Without a name of the one that we run in. */
export function identityOf(name: string | undefined): string | undefined {
  const path = name === undefined ? '/proc/self/ns/net' : `/run/netns/${name}`;
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  return status && `${status.dev}:${status.ino}`;
}
