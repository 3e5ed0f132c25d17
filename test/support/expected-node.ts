/** What of the node itself matters, said a second time for {@link expectedState}. */

import { type Address, addressBytes, type Cidr, type Family, familyOf } from '../../src/model/address.ts';
import type { Node, NodeAddress } from '../../src/model/cluster.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';

export interface ExpectedNode {
  /** Addresses that other devices than kube-ipvs0 have. */
  readonly held: readonly string[];
  readonly nodePortAddresses: readonly string[];
  /** The node's own address of each family. */
  readonly own: Readonly<Partial<Record<Family, string>>>;
  /** Devices from which packets may leave. */
  readonly devices: Readonly<Record<Family, readonly string[]>>;
}

interface Known {
  readonly node: Node | undefined;
  readonly addresses: readonly NodeAddress[];
}

export function expectedNode(
  { node, addresses }: Known,
  { nodePortAddresses, nodeIP }: Pick<Wishes, 'nodePortAddresses' | 'nodeIP'>,
): ExpectedNode {
  const all = [...new Set(addresses.map(({ address }) => address))];
  const own: Partial<Record<Family, string>> = {};
  const devices: Record<Family, string[]> = { 4: [], 6: [] };
  for (const family of [4, 6] as const) {
    const guess = addresses.find(
      ({ address, loopback }) =>
        familyOf(address) === family && !loopback && !isLoopback(address) && !isLinkLocal(address),
    );
    const given = nodeIP !== undefined && familyOf(nodeIP) === family ? nodeIP : undefined;
    const told = node === undefined ? guess?.address : node.addresses.find((address) => familyOf(address) === family);
    const one = given ?? told;
    if (one !== undefined && all.includes(one)) own[family] = one;
    for (const { address, device, loopback } of addresses) {
      const isUsable = familyOf(address) === family && !loopback && !address.startsWith('fe80:');
      if (isUsable && !devices[family].includes(device)) devices[family].push(device);
    }
  }
  const named = node !== undefined || nodeIP !== undefined;
  const primary = named ? Object.values(own).filter((address) => !isLoopback(address)) : [];
  return {
    held: all.filter((address) => !address.startsWith('fe80:')),
    nodePortAddresses:
      nodePortAddresses === 'primary' ? primary : all.filter((address) => servesNodePorts(address, nodePortAddresses)),
    own,
    devices,
  };
}

function servesNodePorts(address: Address, networks: readonly Cidr[]): boolean {
  const ofFamily = networks.filter((cidr) => familyOf(cidr.address) === familyOf(address));
  if (isLoopback(address)) return false;
  if (ofFamily.every(({ prefix }) => prefix > 0) && ofFamily.length > 0) {
    return ofFamily.some((cidr) => holds(cidr, address));
  }
  return !address.startsWith('fe80:');
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || address.startsWith('fe80:');
}

/** Of one family. */
export function holds({ address, prefix }: Cidr, other: Address): boolean {
  const rest = BigInt(addressBytes(address).length * 8 - prefix);
  return number(address) >> rest === number(other) >> rest;
}

function number(address: Address): bigint {
  return addressBytes(address).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}
