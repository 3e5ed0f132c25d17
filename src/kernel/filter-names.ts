/** What the packet filters of a network namespace are called, whoever made them. Needs no binary on the node, and changes nothing. */

import { loadAddon, type NativeFilterName } from './addon.ts';
import { explain } from './refusals.ts';

/** A table, or a chain of it. Names of others' making: print them with care. */
export interface FilterName {
  /** As nft writes it: `ip`, `ip6`, `inet` … */
  readonly family: string;
  readonly table: string;
  /** undefined: the table itself. */
  readonly chain: string | undefined;
  /** Of a chain. */
  readonly hasRules: boolean;
}

/**
 * Of nf_tables; iptables-nft makes its chains there, in tables that are called as iptables' own. Reads every rule. Has the kernel load
 * nf_tables where it is not there; none where it has none. Rejects with a KernelError.
 */
export async function nftablesNames(netns?: string): Promise<readonly FilterName[]> {
  try {
    return (await loadAddon().readNftablesNames(netns)).map(asName);
  } catch (cause) {
    const error = explain(cause, { netns, of: 'nf_tables' });
    if (error.code === 'NO_NFTABLES') return [];
    throw error;
  }
}

/** Of iptables as it was before nf_tables. Reads every rule of the tables that are there already, and makes none. Rejects with a KernelError. */
export async function legacyNames(netns?: string): Promise<readonly FilterName[]> {
  try {
    return (await loadAddon().readLegacyNames(netns)).map(asName);
  } catch (error) {
    throw explain(error, { netns, of: 'the packet filter' });
  }
}

/** Of ipsets. Has the kernel load ip_set where it is not there. Rejects with a KernelError. */
export async function setNames(netns?: string): Promise<readonly string[]> {
  try {
    return await loadAddon().readSetNames(netns);
  } catch (error) {
    throw explain(error, { netns, of: 'the packet filter' });
  }
}

function asName({ chain, ...name }: NativeFilterName): FilterName {
  return { ...name, chain: chain === '' ? undefined : chain };
}
