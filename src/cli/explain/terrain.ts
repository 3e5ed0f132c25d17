/** What a packet meets on the node: as it should be, or as the kernel has it. */

import { ElementIndex } from '../../desired/packet-path.ts';
import { isLoopback } from '../../desired/node-facts.ts';
import type { Address, Family } from '../../model/address.ts';
import type { NodeAddress } from '../../model/cluster.ts';
import type { Destination } from '../../model/destination.ts';
import type { Element, Table } from '../../model/filter.ts';
import type { Actual } from '../../reconcile/actual.ts';
import type { WantedState } from '../../reconcile/wanted.ts';
import type { Observation } from './observation.ts';

export interface Terrain {
  /** undefined: nothing filters. */
  readonly table: Table | undefined;
  readonly elements: ElementIndex;
  /** undefined: there is no such virtual service. */
  readonly destinations: (id: string) => readonly Destination[] | undefined;
  /** Whether kube-ipvs0 makes the address the node's. */
  readonly isVirtual: (address: Address) => boolean;
  /** Whether another device has the address. */
  readonly isOwn: (address: Address) => boolean;
  /** net.ipv4.vs.conntrack: what IPVS sends is translated on its way out. */
  readonly isTracked: boolean;
  /** net.ipv4.ip_forward or net.ipv6.conf.all.forwarding: what comes from others is sent on. */
  readonly forwards: boolean;
}

export function wantedTerrain(
  wanted: WantedState,
  elements: Iterable<Element>,
  family: Family,
  nodeAddresses: readonly NodeAddress[],
): Terrain {
  return {
    table: wanted.tables.find((table) => table.family === family),
    elements: new ElementIndex(family, elements),
    destinations: (id) => wanted.wanted(id)?.destinations,
    isVirtual: (address) => wanted.wantedBinding(wanted.bindingOf(address)) !== undefined,
    isOwn: ownAddress(nodeAddresses),
    isTracked: true,
    forwards: true,
  };
}

/** undefined: our table has other rules than it should have, and nobody knows what they do. */
export function actualTerrain(
  { actual, forwardsIPv6 }: Observation,
  wanted: WantedState,
  family: Family,
  nodeAddresses: readonly NodeAddress[],
): Terrain | undefined {
  const state = actual.filter.tables.get(family);
  if (state === 'other' || state === 'other rules') return undefined;
  return {
    table: state === 'same' ? wanted.tables.find((table) => table.family === family) : undefined,
    elements: new ElementIndex(family, actual.filter.elements.values()),
    destinations: (id) => {
      const known = actual.service(id);
      return known && [...known.destinations.values()].map(({ destination }) => destination);
    },
    isVirtual: (address) => actual.holds(address),
    isOwn: ownAddress(nodeAddresses),
    isTracked: !isOff(actual, 'net/ipv4/vs/conntrack'),
    forwards: family === 6 ? forwardsIPv6 : !isOff(actual, 'net/ipv4/ip_forward'),
  };
}

function isOff(actual: Actual, setting: string): boolean {
  return actual.settings.get(setting)?.value?.trim() === '0';
}

function ownAddress(nodeAddresses: readonly NodeAddress[]): Terrain['isOwn'] {
  const held = new Set(nodeAddresses.map(({ address }) => address));
  return (address) => held.has(address) || isLoopback(address);
}
