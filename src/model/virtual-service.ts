/** One entry of the kernel's IPVS table (ipvsadm "virtual service"): identity, configuration and observation as three types. */

import { type Address, endpointText, type Family, familyOf, parseAddress } from './address.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** What tells virtual services apart in the kernel. `id` prints and indexes it: `10.96.0.1:443/TCP`. */
export interface VirtualServiceKey {
  readonly id: string;
  readonly protocol: Protocol;
  readonly address: Address;
  /** Host order, 1–65535; 0 occurs only in foreign services (ipvsadm's catch-all). */
  readonly port: number;
}

/** Bits of {@link VirtualService.flags}; source: linux/ip_vs.h. The kernel's own HASHED bit 0x2 is no configuration. */
export const serviceFlags = {
  persistent: 0x1,
  onePacket: 0x4,
  schedule1: 0x8,
  schedule2: 0x10,
  schedule3: 0x20,
} as const;
export const hashedFlag = 0x2;

/**
 * Whether a scheduler may be called so; whether there is one only the kernel says. IP_VS_SCHEDNAME_MAXLEN (linux/ip_vs.h) is 16 with the
 * closing zero.
 */
export function isSchedulerName(text: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,14}$/.test(text);
}

export interface VirtualService extends VirtualServiceKey {
  readonly scheduler: string;
  /** Of {@link serviceFlags}. */
  readonly flags: number;
  /** Persistence timeout in seconds; 0 without the persistent flag. */
  readonly timeout: number;
  /** Length of the client prefix that persistence groups by: 32 or 128 unless somebody used ipvsadm's -M. */
  readonly persistencePrefix: number;
  /** What else persistence groups by (ipvsadm's --pe), where somebody set that: Services of Kubernetes have none. */
  readonly persistenceEngine?: string;
}

/** A virtual service as a dump tells it. */
export interface ObservedVirtualService {
  readonly service: VirtualService;
}

/** The kernel's 64-bit counters of one virtual service since it was added; source: IPVS_SVC_ATTR_STATS64 of linux/ip_vs.h. */
export interface ServiceTraffic {
  readonly service: VirtualServiceKey;
  readonly connections: number;
  readonly incomingPackets: number;
  readonly outgoingPackets: number;
  readonly incomingBytes: number;
  readonly outgoingBytes: number;
}

export function virtualServiceKey(protocol: Protocol, address: Address, port: number): VirtualServiceKey {
  return { id: `${endpointText(address, port)}/${protocol}`, protocol, address, port };
}

/** `10.96.0.1:443/TCP`, `[fd00::1]:53/udp`; without a protocol it is TCP. undefined where the text is no such thing. */
export function parseVirtualServiceKey(text: string): VirtualServiceKey | undefined {
  const found = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (found === null) return undefined;
  const [, bracketed, plain, digits, protocol = 'TCP'] = found;
  const address = parseAddress(bracketed ?? plain ?? '');
  const port = Number(digits);
  if (address === undefined || port < 1 || port > 65_535 || (bracketed !== undefined && !bracketed.includes(':'))) {
    return undefined;
  }
  return virtualServiceKey(protocol.toUpperCase() as Protocol, address, port);
}

export function serviceFamily(service: VirtualServiceKey): Family {
  return familyOf(service.address);
}

/** Whether an edit would change nothing. Looks at configuration only. */
export function sameService(a: VirtualService, b: VirtualService): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.flags === b.flags &&
    a.timeout === b.timeout &&
    a.persistencePrefix === b.persistencePrefix &&
    a.persistenceEngine === b.persistenceEngine
  );
}
