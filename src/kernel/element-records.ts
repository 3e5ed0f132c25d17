/**
 * Elements of our sets as fixed-width records. The C++ twin is `native/families/nftables_record.h`. Offsets in bytes:
 *
 *     0 verb  1 family  2 key length  3 end length  4 data length  8 set (24)  32 key (40)  72 end (40)  112 data (24)  = 136
 *
 * Fields lie side by side, each filled up to four bytes where there are several; numbers are in network order. An element of an
 * interval set has an end for every field of its key. A set's catch-all has no key.
 */

import {
  type Address,
  addressBytes,
  addressFromBytes,
  type Cidr,
  type Family,
  familyOf,
  lastAddressBytes,
  parseAddress,
  writeAddress,
} from '../model/address.ts';
import {
  anything,
  type Element,
  element,
  type Field,
  type SetKey,
  type SetSpec,
  setSpecs,
  type Value,
} from '../model/filter.ts';
import type { Op } from '../model/op.ts';
import type { Protocol } from '../model/virtual-service.ts';
import { nftablesElementSize as elementSize } from './addon.ts';
import { deviceNameBytes, deviceNameSize, protocolNames, protocolNumbers, Records, verbNumbers } from './fields.ts';

/** Any value but a network. */
type Plain = Exclude<Value, Cidr>;

export type ElementOp = Extract<Op, { kind: 'element' }>;

const setAt = 8;
const setSize = 24;
const keyAt = 32;
const endAt = 72;
const dataAt = 112;

export function encodeElements(ops: readonly ElementOp[]): Uint8Array {
  const bytes = new Uint8Array(ops.length * elementSize);
  let at = 0;
  for (const { verb, element: one } of ops) {
    const { head, isInterval, keyFields, dataFields, dataLength } = layouts[one.family][one.set];
    const { key, data } = one;
    bytes.set(head, at);
    bytes[at] = verbNumbers[verb];
    if (key[0] === anything) bytes.fill(0, at + 2, at + 4);
    else {
      writeValues(bytes, at + keyAt, one.family, keyFields, isInterval ? key.map(firstOf) : key);
      if (isInterval) writeValues(bytes, at + endAt, one.family, keyFields, key.map(lastOf));
      if (data !== undefined) {
        bytes[at + 4] = dataLength;
        writeValues(bytes, at + dataAt, one.family, dataFields, data);
      }
    }
    at += elementSize;
  }
  return bytes;
}

/** What all elements of one set have in common. */
interface Layout {
  /** Of a record up to its key, but for the verb and the length of data. */
  readonly head: Uint8Array;
  readonly isInterval: boolean;
  readonly keyFields: readonly Place[];
  readonly dataFields: readonly Place[];
  readonly dataLength: number;
}

interface Place {
  readonly field: Field;
  /** Behind the first of its side. */
  readonly at: number;
}

const layouts = { 4: layoutsOf(4), 6: layoutsOf(6) };

function layoutsOf(family: Family): Readonly<Record<SetKey, Layout>> {
  const entries = Object.entries(setSpecs).map(([set, spec]) => [set, layoutOf(family, spec)]);
  return Object.fromEntries(entries) as Record<SetKey, Layout>;
}

function layoutOf(family: Family, { name, key, data = [], interval }: SetSpec): Layout {
  const head = new Records(new Uint8Array(keyAt));
  const length = keyLength(family, key);
  const isInterval = interval === true;
  head.bytes.set([family, length, isInterval ? length : 0], 1);
  head.setText(setAt, name, setSize);
  return {
    head: head.bytes,
    isInterval,
    keyFields: placesOf(family, key),
    dataFields: placesOf(family, data),
    dataLength: keyLength(family, data),
  };
}

function placesOf(family: Family, fields: readonly Field[]): Place[] {
  let end = 0;
  return fields.map((field) => {
    const at = end;
    end += paddedLength(family, field);
    return { field, at };
  });
}

/** A dump's elements; those that our set cannot hold, because it is of another type, are left out. */
export function decodeElements(family: Family, set: SetKey, dump: Uint8Array): Element[] {
  const spec: SetSpec = setSpecs[set];
  const length = keyLength(family, spec.key);
  const dataLength = spec.data === undefined ? 0 : keyLength(family, spec.data);
  const found: Element[] = [];
  for (let at = 0; at < dump.length; at += elementSize) {
    const isCatchAll = dump[at + 2] === 0;
    if ((dump[at + 2] !== length && !isCatchAll) || dump[at + 4] !== dataLength) continue;
    const first = readValues(dump, at + keyAt, family, spec.key);
    const last = dump[at + 3] === length ? readValues(dump, at + endAt, family, spec.key) : first;
    const key = spec.interval === true ? first.map((value, i) => between(value, last[i]!, spec, i)) : first;
    found.push(
      element(
        family,
        set,
        isCatchAll ? key.map(() => anything) : key,
        spec.data && readValues(dump, at + dataAt, family, spec.data),
      ),
    );
  }
  return found;
}

/** Bytes of a key or of a map's data. */
export function keyLength(family: Family, fields: readonly Field[]): number {
  if (fields.length === 1) return fieldLength(family, fields[0]!);
  return fields.reduce((length, field) => length + paddedLength(family, field), 0);
}

export function fieldLength(family: Family, field: Field): number {
  switch (field) {
    case 'address':
      return family === 4 ? 4 : 16;
    case 'protocol':
      return 1;
    case 'port':
      return 2;
    case 'device':
      return deviceNameSize;
    default:
      return field satisfies never;
  }
}

function paddedLength(family: Family, field: Field): number {
  return Math.ceil(fieldLength(family, field) / 4) * 4;
}

function writeValues(
  bytes: Uint8Array,
  start: number,
  family: Family,
  places: readonly Place[],
  values: readonly Value[],
): void {
  for (let i = 0; i < places.length; i++) {
    const { field, at } = places[i]!;
    writeValue(bytes, start + at, family, field, values[i]!);
  }
}

function writeValue(bytes: Uint8Array, at: number, family: Family, field: Field, value: Value): void {
  switch (field) {
    case 'address':
      writeHost(bytes, at, family, value as Address);
      break;
    case 'protocol':
      bytes[at] = typeof value === 'number' ? value : protocolNumbers[value as Protocol];
      break;
    case 'port':
      bytes[at] = Number(value) >> 8;
      bytes[at + 1] = Number(value) & 0xff;
      break;
    case 'device':
      bytes.set(deviceNameBytes(value as string), at);
      break;
    default:
      field satisfies never;
  }
}

/** An IPv4-mapped address of a table for IPv6 reads as the IPv4 one. */
function writeHost(bytes: Uint8Array, at: number, family: Family, address: Address): void {
  if (familyOf(address) === family) {
    writeAddress(address, bytes, at);
    return;
  }
  bytes.fill(0xff, at + 10, at + 12);
  writeAddress(address, bytes, at + 12);
}

function readValues(bytes: Uint8Array, start: number, family: Family, fields: readonly Field[]): Plain[] {
  let at = start;
  return fields.map((field) => {
    const value = readValue(bytes, at, family, field);
    at += paddedLength(family, field);
    return value;
  });
}

function readValue(bytes: Uint8Array, at: number, family: Family, field: Field): Plain {
  switch (field) {
    case 'address':
      return addressFromBytes(bytes, at, family);
    case 'protocol':
      return protocolNames.get(bytes[at]!) ?? bytes[at]!;
    case 'port':
      return (bytes[at]! << 8) | bytes[at + 1]!;
    case 'device': {
      const name = Buffer.from(bytes.subarray(at, at + deviceNameSize));
      const end = name.indexOf(0);
      return name.toString('utf8', 0, end < 0 ? name.length : end);
    }
    default:
      return field satisfies never;
  }
}

/** A range that we would not make is kept as nft prints it, so that it can be deleted. */
function between(first: Plain, last: Plain, { key }: SetSpec, i: number): Value {
  if (i === key.length - 1 && key[i] === 'address') {
    return networkOf(first as Address, last as Address) ?? `${first as Address}-${last as Address}`;
  }
  return first === last ? first : `${numbered(first)}-${numbered(last)}`;
}

function numbered(value: Plain): Plain {
  return protocolNumbers[value as Protocol] ?? value;
}

function firstOf(value: Value): Plain {
  if (typeof value === 'object') return value.address;
  return parseRange(value)?.[0] ?? value;
}

function lastOf(value: Value): Plain {
  if (typeof value === 'object') return lastAddress(value);
  return parseRange(value)?.[1] ?? value;
}

function parseRange(value: Plain): [Plain, Plain] | undefined {
  const match = /^([0-9a-f.:]+)-([0-9a-f.:]+)$/.exec(String(value));
  if (match === null) return undefined;
  return [parsePlain(match[1]!), parsePlain(match[2]!)];
}

function parsePlain(text: string): Plain {
  return parseAddress(text) ?? Number(text);
}

function lastAddress(network: Cidr): Address {
  return addressFromBytes(lastAddressBytes(network), 0, familyOf(network.address));
}

/** The network that begins and ends so; undefined where none does. */
function networkOf(first: Address, last: Address): Cidr | undefined {
  if (familyOf(first) !== familyOf(last)) return undefined;
  const start = addressBytes(first);
  const end = addressBytes(last);
  let prefix = 0;
  while (prefix < start.length * 8 && bitOf(start, prefix) === bitOf(end, prefix)) prefix++;
  const network: Cidr = { address: first, prefix };
  const isWhole = lastAddress(network) === last && isAligned(start, prefix);
  return isWhole ? network : undefined;
}

function isAligned(bytes: Uint8Array, prefix: number): boolean {
  for (let bit = prefix; bit < bytes.length * 8; bit++) if (bitOf(bytes, bit) === 1) return false;
  return true;
}

function bitOf(bytes: Uint8Array, bit: number): number {
  return (bytes[bit >> 3]! >> (7 - (bit & 7))) & 1;
}
