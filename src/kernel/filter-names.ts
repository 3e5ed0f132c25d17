/** What the packet filters of a network namespace are called, whoever made them. Needs no binary on the node, and changes nothing. */

import { loadAddon, type NativeFilterName } from './addon.ts';
import { explain } from './refusals.ts';

/** A table, or a chain of it. */
export interface FilterName {
  /** As nft writes it: `ip`, `ip6`, `inet` … */
  readonly family: string;
  readonly table: string;
  /** undefined: the table itself. */
  readonly chain: string | undefined;
}

/** Names of others' making: print them with care. */
export interface FilterNames {
  /** Of nf_tables; iptables-nft makes its chains there, in tables that are called as iptables' own. */
  readonly nftables: readonly FilterName[];
  /** Of iptables as it was before nf_tables. */
  readonly legacy: readonly FilterName[];
  /** ipsets. */
  readonly sets: readonly string[];
}

/** Has the kernel load nf_tables where it is not there. Rejects with a KernelError. */
export async function nftablesNames(netns?: string): Promise<readonly FilterName[]> {
  return (await explained(netns, () => loadAddon().readNftablesNames(netns))).map(asName);
}

/** Reads every rule of the tables that are there already, and makes none. Rejects with a KernelError. */
export async function legacyNames(netns?: string): Promise<readonly FilterName[]> {
  return (await explained(netns, () => loadAddon().readLegacyNames(netns))).map(asName);
}

/** Has the kernel load ip_set where it is not there. Rejects with a KernelError. */
export async function setNames(netns?: string): Promise<readonly string[]> {
  return explained(netns, () => loadAddon().readSetNames(netns));
}

function asName({ family, table, chain }: NativeFilterName): FilterName {
  return { family, table, chain: chain === '' ? undefined : chain };
}

async function explained<T>(netns: string | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw explain(error, { netns, of: 'the packet filter' });
  }
}
