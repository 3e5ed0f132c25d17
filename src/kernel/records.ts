/**
 * Operations and dump entries as the fixed-width records that cross into the addon: one typed array for thousands of
 * operations instead of an object graph each, because walking objects through Node-API costs more than the kernel's own work.
 * Native byte order; the C++ twins are `native/families/{ipvs,route}_record.h`. Offsets in bytes:
 *
 *     IPVS  0 verb  1 kind  2 family  3 protocol  4 port  6 destination port  8 flags  12 timeout  16 address (16)
 *           32 destination address (16)  48 weight  52 forwarding  53 destination family  56 netmask  60 upper threshold
 *           64 scheduler (16)  = 80;  in dumps then: 80 active  84 inactive  88 persistent  92 fwmark  96 engine (16) = 112
 *     traffic  0 family  1 protocol  2 port  4 fwmark  8 address (16)  24 connections (8)  32 incoming packets (8)  40 outgoing packets (8)
 *           48 incoming bytes (8)  56 outgoing bytes (8)  = 64;  in dumps only
 *     route 0 verb  1 kind  2 family  3 prefix  4 ifindex  8 scope  9 protocol  10 device change  12 flags  16 address (16)  32 source (16)
 *           48 name (16)  64 tos  65 reserved (7)  = 72
 */

import { type Address, addressFromBytes, type Family, familyOf, writeAddress } from '../model/address.ts';
import type { NodeAddress } from '../model/cluster.ts';
import { destination, type Forwarding, type ObservedDestination } from '../model/destination.ts';
import { type Binding, deviceName, type Op } from '../model/op.ts';
import {
  hashedFlag,
  type ObservedVirtualService,
  type ServiceTraffic,
  type VirtualServiceKey,
  virtualServiceKey,
} from '../model/virtual-service.ts';
import type { NativeLink } from './addon.ts';
import { littleEndian, protocolNames, protocolNumbers, Records, verbNumbers } from './fields.ts';

export const ipvsRecordSize = 80;
export const ipvsEntrySize = 112;
export const ipvsTrafficSize = 64;
export const routeRecordSize = 72;

export type IpvsOp = Extract<Op, { kind: 'service' | 'destination' }>;
export type RouteOp = Extract<Op, { kind: 'device' | 'binding' }>;

const ipvsKinds = { service: 1, destination: 2 } as const;
const routeKinds = { device: 1, address: 2, route: 3 } as const;
const deviceChanges = { 'addrgenmode none': 1, up: 2 } as const;
/** In the order of IP_VS_CONN_F_MASQ … _BYPASS (linux/ip_vs.h). */
const forwardings: readonly Forwarding[] = ['masquerade', 'local', 'tunnel', 'route', 'bypass'];

export function encodeIpvs(ops: readonly IpvsOp[]): Uint8Array {
  const records = new Records(new Uint8Array(ops.length * ipvsRecordSize));
  ops.forEach((op, i) => {
    const at = i * ipvsRecordSize;
    records.bytes[at] = verbNumbers[op.verb];
    records.bytes[at + 1] = ipvsKinds[op.kind];
    encodeKey(records, at, op.service);
    if (op.kind === 'destination') encodeDestination(records, at, op);
    else if (op.verb !== 'delete') {
      records.setWord(at + 8, op.service.flags);
      records.setWord(at + 12, op.service.timeout);
      records.setWord(at + 56, netmask(familyOf(op.service.address), op.service.persistencePrefix));
      records.setText(at + 64, op.service.scheduler, 16);
    }
  });
  return records.bytes;
}

/** Services by identity alone, for reads. */
export function encodeKeys(keys: readonly VirtualServiceKey[]): Uint8Array {
  const records = new Records(new Uint8Array(keys.length * ipvsRecordSize));
  keys.forEach((key, i) => {
    records.bytes[i * ipvsRecordSize + 1] = ipvsKinds.service;
    encodeKey(records, i * ipvsRecordSize, key);
  });
  return records.bytes;
}

/**
 * Additions that the kernel must refuse, one per scheduler: it looks the scheduler up first (ENOENT when it has none of the name),
 * then refuses the IPv6 prefix length 0 (EINVAL). ip_vs_add_service in net/netfilter/ipvs/ip_vs_ctl.c, 6.1.
 */
export function encodeSchedulerProbes(names: readonly string[]): Uint8Array {
  const records = new Records(new Uint8Array(names.length * ipvsRecordSize));
  names.forEach((name, i) => {
    const at = i * ipvsRecordSize;
    records.bytes[at] = verbNumbers.add;
    records.bytes[at + 1] = ipvsKinds.service;
    encodeKey(records, at, virtualServiceKey('TCP', '2001:db8::' as Address, 20_000));
    records.setText(at + 64, name, 16);
  });
  return records.bytes;
}

function encodeKey(records: Records, at: number, key: VirtualServiceKey): void {
  records.bytes[at + 2] = familyOf(key.address);
  records.bytes[at + 3] = protocolNumbers[key.protocol];
  records.setShort(at + 4, key.port);
  writeAddress(key.address, records.bytes, at + 16);
}

function encodeDestination(records: Records, at: number, op: Extract<IpvsOp, { kind: 'destination' }>): void {
  records.setShort(at + 6, op.destination.port);
  writeAddress(op.destination.address, records.bytes, at + 32);
  records.bytes[at + 53] = familyOf(op.destination.address);
  if (op.verb === 'delete') return;
  records.setWord(at + 48, op.destination.weight);
  records.bytes[at + 52] = forwardings.indexOf(op.destination.forwarding);
  records.setWord(at + 60, op.destination.upperThreshold ?? 0);
}

/**
 * A dump's virtual services, without those addressed by a firewall mark, which have no address and are never ours. Nor are those of
 * IPv6 at an IPv4-mapped address, as nothing on the wire has it (RFC 4291, ip6_rcv_core in ip6_input.c, 6.1): they would read as the
 * virtual services of IPv4.
 */
export function decodeServices(bytes: Uint8Array): ObservedVirtualService[] {
  const found: ObservedVirtualService[] = [];
  const records = new Records(bytes);
  for (let at = 0; at < bytes.length; at += ipvsEntrySize) {
    const service = decodeService(records, at);
    if (service !== undefined) found.push(service);
  }
  return found;
}

function decodeService(records: Records, at: number): ObservedVirtualService | undefined {
  const protocol = protocolNames.get(records.byte(at + 3));
  if (records.word(at + 92) !== 0 || protocol === undefined) return undefined;
  const family: Family = records.byte(at + 2) === 6 ? 6 : 4;
  const address = addressFromBytes(records.bytes, at + 16, family);
  if (familyOf(address) !== family) return undefined;
  const persistenceEngine = records.text(at + 96, 16);
  return {
    service: {
      ...virtualServiceKey(protocol, address, records.short(at + 4)),
      scheduler: records.text(at + 64, 16),
      flags: records.word(at + 8) & ~hashedFlag,
      timeout: records.word(at + 12),
      persistencePrefix: prefixOf(family, records.word(at + 56)),
      ...(persistenceEngine === '' ? {} : { persistenceEngine }),
    },
  };
}

/** The counters of a dump, without those of virtual services that {@link decodeServices} leaves out. */
export function decodeTraffic(bytes: Uint8Array): ServiceTraffic[] {
  const found: ServiceTraffic[] = [];
  const records = new Records(bytes);
  for (let at = 0; at < bytes.length; at += ipvsTrafficSize) {
    const protocol = protocolNames.get(records.byte(at + 1));
    if (records.word(at + 4) !== 0 || protocol === undefined) continue;
    const family: Family = records.byte(at) === 6 ? 6 : 4;
    const address = addressFromBytes(records.bytes, at + 8, family);
    if (familyOf(address) !== family) continue;
    found.push({
      service: virtualServiceKey(protocol, address, records.short(at + 2)),
      connections: records.long(at + 24),
      incomingPackets: records.long(at + 32),
      outgoingPackets: records.long(at + 40),
      incomingBytes: records.long(at + 48),
      outgoingBytes: records.long(at + 56),
    });
  }
  return found;
}

/** One entry per key asked for; undefined where the kernel answered that there is none. */
export function decodeServicesAt(bytes: Uint8Array, errnos: Int32Array): (ObservedVirtualService | undefined)[] {
  const records = new Records(bytes);
  return [...errnos].map((errno, i) => (errno === 0 ? decodeService(records, i * ipvsEntrySize) : undefined));
}

export function decodeDestinations(bytes: Uint8Array, counts: Uint32Array): ObservedDestination[][] {
  const records = new Records(bytes);
  let at = 0;
  return Array.from(counts, (count) => {
    const found: ObservedDestination[] = [];
    for (let i = 0; i < count; i++, at += ipvsEntrySize) found.push(decodeDestination(records, at));
    return found;
  });
}

function decodeDestination(records: Records, at: number): ObservedDestination {
  const family: Family = records.byte(at + 53) === 6 ? 6 : 4;
  const read = addressFromBytes(records.bytes, at + 32, family);
  // IPv6 with an IPv4-mapped address is another destination than IPv4 (a tunnel's may be that), and is deleted as what it is
  const address = familyOf(read) === family ? read : (`::ffff:${read}` as Address);
  const forwarding = forwardings[records.byte(at + 52)] ?? 'masquerade';
  const found = { ...destination(address, records.short(at + 6), records.word(at + 48)), forwarding };
  const upperThreshold = records.word(at + 60);
  return {
    destination: upperThreshold === 0 ? found : { ...found, upperThreshold },
    connections: { active: records.word(at + 80), inactive: records.word(at + 84) },
  };
}

/**
 * How a binding that is to be deleted was last seen; undefined: as we make ours. The kernel deletes no route of another rtm_protocol,
 * and no IPv4 address of another peer.
 */
export type LastSeen = (binding: Binding) => Pick<RouteEntry, 'protocol' | 'source'> | undefined;

export function encodeRoutes(
  ops: readonly RouteOp[],
  ifindex: number,
  lastSeen: LastSeen = () => undefined,
): Uint8Array {
  const records = new Records(new Uint8Array(ops.length * routeRecordSize));
  ops.forEach((op, i) => {
    const at = i * routeRecordSize;
    records.bytes[at] = verbNumbers[op.verb];
    if (op.kind === 'device') {
      records.bytes[at + 1] = routeKinds.device;
      records.setText(at + 48, deviceName, 16);
      if (op.verb === 'edit') records.setShort(at + 10, deviceChanges[op.change]);
      return;
    }
    const { form, address, prefix } = op.binding;
    const seen = op.verb === 'delete' ? lastSeen(op.binding) : undefined;
    const source = form === 'address' ? seen?.source : op.binding.source;
    records.bytes[at + 1] = routeKinds[form];
    records.bytes[at + 2] = familyOf(address);
    records.bytes[at + 3] = prefix;
    records.setWord(at + 4, ifindex);
    if (form === 'route') records.bytes[at + 9] = seen?.protocol ?? 0;
    records.bytes[at + 64] = op.binding.tos ?? 0;
    writeAddress(address, records.bytes, at + 16);
    if (source !== undefined) writeAddress(source, records.bytes, at + 32);
  });
  return records.bytes;
}

export interface RouteEntry {
  readonly address: Address;
  readonly prefix: number;
  readonly ifindex: number;
  /** RT_SCOPE_…; 0: everywhere. */
  readonly scope: number;
  /** IFA_F_… of an address. */
  readonly flags: number;
  /** rtm_protocol of a route: 2 (RTPROT_KERNEL) for those the kernel made itself. */
  readonly protocol: number;
  /** Of the only packets that a route takes; 0: it takes all. */
  readonly tos: number;
  /** Preferred source of a route, peer of an address. */
  readonly source: Address | undefined;
}

/** Without IPv4-mapped addresses and routes to them, which would read as IPv4's with a prefix that IPv4 has not. */
export function decodeRoutes(bytes: Uint8Array): RouteEntry[] {
  const records = new Records(bytes);
  const found: RouteEntry[] = [];
  for (let at = 0; at < bytes.length; at += routeRecordSize) {
    const family: Family = records.byte(at + 2) === 6 ? 6 : 4;
    const address = addressFromBytes(records.bytes, at + 16, family);
    if (familyOf(address) !== family) continue;
    const hasSource = records.bytes.subarray(at + 32, at + 48).some((byte) => byte !== 0);
    found.push({
      address,
      prefix: records.byte(at + 3),
      ifindex: records.word(at + 4),
      scope: records.byte(at + 8),
      flags: records.word(at + 12),
      protocol: records.byte(at + 9),
      tos: records.byte(at + 64),
      source: hasSource ? addressFromBytes(records.bytes, at + 32, family) : undefined,
    });
  }
  return found;
}

/** Of the devices but kube-ipvs0; `addresses` are records. */
export function nodeAddressesOf(links: readonly NativeLink[], addresses: Uint8Array): NodeAddress[] {
  const byIndex = new Map(links.map((link) => [link.index, link]));
  return decodeRoutes(addresses).flatMap((entry) => {
    const { address, ifindex } = entry;
    const link = byIndex.get(ifindex);
    if (link === undefined || link.name === deviceName) return [];
    const passedOver = isPassedOver(entry) ? ({ isPassedOver: true } as const) : {};
    return [{ address, device: link.name, loopback: link.loopback, ...passedOver }];
  });
}

/** IFA_F_… of linux/if_addr.h. */
const [optimistic, deprecated, tentative] = [0x04, 0x20, 0x40];

/**
 * Addresses that the kernel does not take as a packet's source: those of IPv4 whose scope is not global (inet_select_addr in devinet.c,
 * 6.1), and those of IPv6 that are tentative, or deprecated while any device has another (ipv6_get_saddr_eval in addrconf.c, 6.1).
 */
function isPassedOver({ address, scope, flags }: RouteEntry): boolean {
  if (familyOf(address) === 4) return scope !== 0;
  return (flags & deprecated) !== 0 || (flags & (tentative | optimistic)) === tentative;
}

export function asBinding(form: Binding['form'], { address, prefix, source, tos }: RouteEntry): Binding {
  if (form === 'address') return { form, address, prefix };
  return { form, address, prefix, ...(source === undefined ? {} : { source }), ...(tos === 0 ? {} : { tos }) };
}

/** The kernel's netmask field: a mask in network byte order for IPv4, a prefix length for IPv6. */
function netmask(family: Family, prefix: number): number {
  if (family === 6) return prefix;
  return reverse(prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0);
}

function prefixOf(family: Family, mask: number): number {
  return family === 6 ? mask : Math.clz32(~reverse(mask));
}

function reverse(word: number): number {
  if (!littleEndian) return word;
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | ((word & 0xff) << 24)) >>> 0;
}
