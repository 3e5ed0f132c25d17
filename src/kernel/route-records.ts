/**
 * kube-ipvs0, its addresses and routes, and the node's addresses as fixed-width records. The C++ twin is `native/families/route_record.h`.
 * Native byte order; offsets in bytes:
 *
 *     0 verb  1 kind  2 family  3 prefix  4 ifindex  8 scope  9 protocol  10 device change  12 flags  16 address (16)  32 source (16)
 *     48 name (16)  64 tos  65 reserved (7)  = 72
 */

import { type Address, addressFromBytes, type Family, familyOf, writeAddress } from '../model/address.ts';
import type { NodeAddress } from '../model/cluster.ts';
import { type Binding, deviceName, type Op } from '../model/op.ts';
import type { NativeLink } from './addon.ts';
import { Records, verbNumbers } from './fields.ts';

export const routeRecordSize = 72;

export type RouteOp = Extract<Op, { kind: 'device' | 'binding' }>;

const routeKinds = { device: 1, address: 2, route: 3 } as const;
const deviceChanges = { 'addrgenmode none': 1, up: 2 } as const;

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
    const ofDetection = isTentative(entry) ? ({ isTentative: true } as const) : {};
    return [{ address, device: link.name, loopback: link.loopback, ...passedOver, ...ofDetection }];
  });
}

/** IFA_F_… of linux/if_addr.h. */
const [optimistic, deprecated, tentative] = [0x04, 0x20, 0x40];

/**
 * Addresses that the kernel does not take as a packet's source: those of IPv4 whose scope is not global (inet_select_addr in devinet.c,
 * 6.1), and those of IPv6 that are tentative, or deprecated while any device has another (ipv6_get_saddr_eval in addrconf.c, 6.1).
 */
function isPassedOver(entry: RouteEntry): boolean {
  if (familyOf(entry.address) === 4) return entry.scope !== 0;
  return (entry.flags & deprecated) !== 0 || isTentative(entry);
}

/** While duplicates are looked for, and for good where one was found, an address of IPv6 has no route (addrconf.c, 6.1). */
function isTentative({ flags }: RouteEntry): boolean {
  return (flags & (tentative | optimistic)) === tentative;
}

export function asBinding(form: Binding['form'], { address, prefix, source, tos }: RouteEntry): Binding {
  if (form === 'address') return { form, address, prefix };
  return { form, address, prefix, ...(source === undefined ? {} : { source }), ...(tos === 0 ? {} : { tos }) };
}
