/** One target of a virtual service (ipvsadm "real server"). */

import { type Address, endpointText } from './address.ts';

/** Forwarding methods; source: IP_VS_CONN_F_* in linux/ip_vs.h. Services of Kubernetes use `masquerade` (NAT) only. */
export type Forwarding = 'masquerade' | 'local' | 'tunnel' | 'route' | 'bypass';

/** What tells the destinations of one virtual service apart. `id` prints it: `10.244.1.7:6443`. */
export interface DestinationKey {
  readonly id: string;
  readonly address: Address;
  /** Host order. */
  readonly port: number;
}

export interface Destination extends DestinationKey {
  /** 0 takes no new connections. */
  readonly weight: number;
  readonly forwarding: Forwarding;
  /** Connections from which on it takes no new ones (ipvsadm's -x), where somebody set that: Services of Kubernetes have none. */
  readonly upperThreshold?: number;
}

/** What the kernel counts for a destination at the moment of a dump. */
export interface Connections {
  /** Established. */
  readonly active: number;
  /** In any other TCP state, and all of UDP. */
  readonly inactive: number;
}

export interface ObservedDestination {
  readonly destination: Destination;
  readonly connections: Connections;
}

export function destinationKey(address: Address, port: number): DestinationKey {
  return { id: endpointText(address, port), address, port };
}

export function destination(address: Address, port: number, weight: number): Destination {
  return { id: endpointText(address, port), address, port, weight, forwarding: 'masquerade' };
}

export function sameDestination(a: Destination, b: Destination): boolean {
  return a.weight === b.weight && a.forwarding === b.forwarding && a.upperThreshold === b.upperThreshold;
}
