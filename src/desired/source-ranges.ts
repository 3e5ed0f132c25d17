/** loadBalancerSourceRanges as a set of networks of which none overlaps another, which is all that nftables takes (EEXIST). */

import {
  type Address,
  addressBytes,
  type Cidr,
  cidrContains,
  type Family,
  familyOf,
  hostPrefix,
} from '../model/address.ts';

/**
 * The sources of the VIP's family that may reach it; empty: all of them may. A process of the node has the VIP itself as its
 * source, so where the node's own address is allowed the VIP is too.
 */
export function allowedSources(ranges: readonly Cidr[], vip: Address, nodeIPs: ReadonlyMap<Family, Address>): Cidr[] {
  const family = familyOf(vip);
  const merged = withoutNested(ranges.filter(({ address }) => familyOf(address) === family));
  const nodeIP = nodeIPs.get(family);
  const allows = (address: Address) => merged.some((cidr) => cidrContains(cidr, address));
  if (nodeIP !== undefined && allows(nodeIP) && !allows(vip)) merged.push({ address: vip, prefix: hostPrefix(family) });
  return merged;
}

/** Two networks are either disjoint or one holds the other. In the order of their first addresses, the wider first. */
export function withoutNested(ranges: readonly Cidr[]): Cidr[] {
  const sorted = ranges
    .map((cidr) => ({ cidr, first: addressBytes(cidr.address) }))
    .toSorted((a, b) => Buffer.compare(a.first, b.first) || a.cidr.prefix - b.cidr.prefix);
  const kept: Cidr[] = [];
  for (const { cidr } of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !cidrContains(last, cidr.address)) kept.push(cidr);
  }
  return kept;
}
