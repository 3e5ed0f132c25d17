/** Records written field by field, at the offsets of native/families/*_record.h: a second opinion on src/kernel. */

import { endianness } from 'node:os';

const little = endianness() === 'LE';

export const ipvsEntrySize = 112;
export const routeRecordSize = 72;
export const flowSize = 96;

export interface IpvsFields {
  readonly verb?: number;
  readonly kind?: number;
  readonly family?: number;
  readonly protocol?: number;
  readonly port?: number;
  readonly flags?: number;
  readonly timeout?: number;
  readonly address?: readonly number[];
  readonly netmask?: number;
  readonly scheduler?: string;
  readonly destination?: readonly number[];
  readonly destinationPort?: number;
  readonly destinationFamily?: number;
  readonly weight?: number;
  readonly forwarding?: number;
  readonly upperThreshold?: number;
}

/** Adds a TCP service 10.0.0.1:80 with rr unless told otherwise; a destination of it once one is given. */
export function ipvsRecord(fields: IpvsFields = {}): Uint8Array {
  const bytes = new Uint8Array(80);
  const view = new DataView(bytes.buffer);
  const family = fields.family ?? 4;
  bytes[0] = fields.verb ?? 1;
  bytes[1] = fields.kind ?? (fields.destination === undefined ? 1 : 2);
  bytes[2] = family;
  bytes[3] = fields.protocol ?? 6;
  view.setUint16(4, fields.port ?? 80, little);
  view.setUint16(6, fields.destinationPort ?? 0, little);
  view.setUint32(8, fields.flags ?? 0, little);
  view.setUint32(12, fields.timeout ?? 0, little);
  bytes.set(fields.address ?? [10, 0, 0, 1], 16);
  bytes.set(fields.destination ?? [], 32);
  view.setUint32(48, fields.weight ?? 1, little);
  bytes[52] = fields.forwarding ?? 0;
  bytes[53] = fields.destinationFamily ?? 0;
  view.setUint32(56, fields.netmask ?? (family === 6 ? 128 : 0xffffffff), little);
  view.setUint32(60, fields.upperThreshold ?? 0, little);
  bytes.set(new TextEncoder().encode(fields.scheduler ?? 'rr'), 64);
  return bytes;
}

export interface RouteFields {
  readonly verb?: number;
  readonly kind: 'link' | 'address' | 'route';
  readonly family?: number;
  readonly prefix?: number;
  readonly device?: number;
  readonly protocol?: number;
  readonly linkChange?: number;
  readonly address?: readonly number[];
  readonly source?: readonly number[];
  readonly name?: string;
}

export function routeRecord(fields: RouteFields): Uint8Array {
  const bytes = new Uint8Array(72);
  const view = new DataView(bytes.buffer);
  const family = fields.family ?? (fields.kind === 'link' ? 0 : 4);
  bytes[0] = fields.verb ?? 1;
  bytes[1] = { link: 1, address: 2, route: 3 }[fields.kind];
  bytes[2] = family;
  bytes[3] = fields.prefix ?? (family === 6 ? 128 : family === 4 ? 32 : 0);
  view.setUint32(4, fields.device ?? 0, little);
  bytes[9] = fields.protocol ?? 0;
  view.setUint16(10, fields.linkChange ?? 0, little);
  bytes.set(fields.address ?? [], 16);
  bytes.set(fields.source ?? [], 32);
  bytes.set(new TextEncoder().encode(fields.name ?? ''), 48);
  return bytes;
}

export interface FlowFields {
  readonly family?: number;
  readonly protocol?: number;
  readonly zone?: number;
  readonly id?: number;
  readonly source?: readonly number[];
  readonly sourcePort?: number;
  readonly destination?: readonly number[];
  readonly port?: number;
}

/** UDP to 10.96.0.10:53 unless told otherwise. */
export function flowKey(fields: FlowFields = {}): Uint8Array {
  const bytes = new Uint8Array(24);
  bytes[0] = fields.family ?? 4;
  bytes[1] = fields.protocol ?? 17;
  new DataView(bytes.buffer).setUint16(2, fields.port ?? 53, little);
  bytes.set(fields.destination ?? [10, 96, 0, 10], 8);
  return bytes;
}

/** The original direction of a flow; the same unless told otherwise, from 10.1.0.7:40000. */
export function flowRecord(fields: FlowFields = {}): Uint8Array {
  const bytes = new Uint8Array(flowSize);
  const view = new DataView(bytes.buffer);
  bytes[0] = fields.family ?? 4;
  bytes[1] = fields.protocol ?? 17;
  view.setUint16(2, fields.zone ?? 0, little);
  view.setUint32(4, fields.id ?? 0, little);
  view.setUint16(12, fields.sourcePort ?? 40_000, little);
  view.setUint16(14, fields.port ?? 53, little);
  bytes.set(fields.source ?? [10, 1, 0, 7], 32);
  bytes.set(fields.destination ?? [10, 96, 0, 10], 48);
  return bytes;
}

/** Of a flow: the id, as conntrack -o id shows it. */
export function flowId(flow: Uint8Array): number {
  return new DataView(flow.buffer, flow.byteOffset).getUint32(4, little);
}

export function flowZone(flow: Uint8Array): number {
  return new DataView(flow.buffer, flow.byteOffset).getUint16(2, little);
}

export function flowSourcePort(flow: Uint8Array): number {
  return new DataView(flow.buffer, flow.byteOffset).getUint16(12, little);
}

/** `17 10.1.0.7:40000 10.96.0.10:53 | 10.244.1.7:5353 10.1.0.7:40000`: protocol, original and reply direction. */
export function describeFlow(flow: Uint8Array): string {
  const view = new DataView(flow.buffer, flow.byteOffset);
  const family = flow[0]!;
  const end = (at: number, port: number) => `${addressAt(flow, at, family)}:${view.getUint16(port, little)}`;
  return `${flow[1]} ${end(32, 12)} ${end(48, 14)} | ${end(64, 16)} ${end(80, 18)}`;
}

export function concat(records: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(records));
}

export function split(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: bytes.length / size }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

/** The address at an offset, as text. */
export function addressAt(bytes: Uint8Array, at: number, family: number): string {
  if (family === 4) return bytes.slice(at, at + 4).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!).toString(16));
  return groups.join(':').replace(/(:0)+(:|$)/, '::');
}

function identity(entry: Uint8Array): string {
  const view = new DataView(entry.buffer, entry.byteOffset);
  return `${addressAt(entry, 16, entry[2]!)}:${view.getUint16(4, little)}/${entry[3]}`;
}

/** `10.96.0.1:443/6 wrr 10800`: identity, scheduler, persistence time-out. */
export function describeService(entry: Uint8Array): string {
  const view = new DataView(entry.buffer, entry.byteOffset);
  const mark = view.getUint32(92, little);
  const scheduler = Buffer.from(entry.slice(64, 80)).toString('latin1').replace(/\0.*/, '');
  return `${mark === 0 ? identity(entry) : `mark ${mark}`} ${scheduler} ${view.getUint32(12, little)}`;
}

/** `10.96.0.1:443/6 10.244.1.7:6443 0 w3`: service, destination, forwarding method, weight. */
export function describeDestination(entry: Uint8Array): string {
  const view = new DataView(entry.buffer, entry.byteOffset);
  const to = `${addressAt(entry, 32, entry[53]!)}:${view.getUint16(6, little)}`;
  return `${identity(entry)} ${to} ${entry[52]} w${view.getUint32(48, little)}`;
}
