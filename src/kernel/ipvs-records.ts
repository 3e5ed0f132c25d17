/**
 * Virtual services and destinations as fixed-width records. The C++ twin is `native/families/ipvs_record.h`. Native byte order; offsets in
 * bytes:
 *
 *     IPVS  0 verb  1 kind  2 family  3 protocol  4 port  6 destination port  8 flags  12 timeout  16 address (16)
 *           32 destination address (16)  48 weight  52 forwarding  53 destination family  56 netmask  60 upper threshold
 *           64 scheduler (16)  = 80;  in dumps then: 80 active  84 inactive  88 persistent  92 fwmark  96 engine (16) = 112
 *     traffic  0 family  1 protocol  2 port  4 fwmark  8 address (16)  24 connections (8)  32 incoming packets (8)  40 outgoing packets (8)
 *           48 incoming bytes (8)  56 outgoing bytes (8)  = 64;  in dumps only
 */

import { type Address, addressFromBytes, type Family, familyOf, writeAddress } from '../model/address.ts';
import { destination, type Forwarding, type ObservedDestination } from '../model/destination.ts';
import type { Op } from '../model/op.ts';
import {
  hashedFlag,
  type ObservedVirtualService,
  type ServiceTraffic,
  type VirtualServiceKey,
  virtualServiceKey,
} from '../model/virtual-service.ts';
import { littleEndian, protocolNames, protocolNumbers, Records, verbNumbers } from './fields.ts';

export const ipvsRecordSize = 80;
export const ipvsEntrySize = 112;
export const ipvsTrafficSize = 64;

export type IpvsOp = Extract<Op, { kind: 'service' | 'destination' }>;

const ipvsKinds = { service: 1, destination: 2 } as const;
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
