/** What else of a node's kernel we look at and change: connection tracking, settings below /proc/sys, IPVS timeouts. */

import { type Address, endpointText } from './address.ts';
import { type Protocol, type VirtualServiceKey, virtualServiceKey } from './virtual-service.ts';

/** One side of a tracked connection. */
export interface Tuple {
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
}

/** A tracked connection. What answers it is `reply.source`. */
export interface Flow {
  readonly protocol: Protocol;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** conntrack's own number, which tells it from a later flow between the same ports. */
  readonly id: number;
  readonly zone: number;
}

/** Whether stale flows of the protocol are looked for. A TCP client ends with its backend, and comes by another port. */
export function isLookedThrough(protocol: Protocol): boolean {
  return protocol !== 'TCP';
}

/** The virtual service that the flow was sent to. */
export function flowService({ protocol, original: { destination, destinationPort } }: Flow): VirtualServiceKey {
  return virtualServiceKey(protocol, destination, destinationPort);
}

/** `192.0.2.7:5353 -> 10.96.0.10:53`. */
export function flowId({ original }: Flow): string {
  const { source, sourcePort, destination, destinationPort } = original;
  return `${endpointText(source, sourcePort)} -> ${endpointText(destination, destinationPort)}`;
}

/** A file below /proc/sys, e.g. `net/ipv4/vs/conntrack`; or `module/nf_conntrack/parameters/hashsize` below /sys. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

export interface WantedSetting extends Setting {
  /** `smaller`: a larger value is as good. */
  readonly when: 'different' | 'smaller';
  /** Whether virtual services need it; what is not required and cannot be set is only told. */
  readonly required: boolean;
}

/** What the operator says of connection tracking. Times in seconds; 0 leaves the kernel's. */
export interface ConntrackPolicy {
  /** Tracked connections for each CPU; 0 leaves the kernel's limit. */
  readonly maxPerCore: number;
  /** At least so many in all. */
  readonly min: number;
  readonly tcpEstablishedTimeout: number;
  readonly tcpCloseWaitTimeout: number;
  readonly tcpBeLiberal: boolean;
  readonly udpTimeout: number;
  readonly udpStreamTimeout: number;
}

/** A setting as it was read. */
export interface ObservedSetting {
  /** undefined: it is not there, or cannot be read. */
  readonly value: string | undefined;
  /** Whether anybody may write it in this network namespace. */
  readonly writable: boolean;
}

/** IPVS's own timeouts, in seconds; 0 in a wish keeps the kernel's value. */
export interface Timeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}
