/**
 * What an API server knows of the types of objects: the order in which Go writes their fields, what it leaves out when empty, and
 * which lists are merged by which key.
 */

import { isObject, type Json, type JsonObject } from './json.ts';

export type Shape =
  /** Anything. One that omits its zero has `omitempty` in Go and is no pointer. */
  | { readonly kind: 'value'; readonly omitsZero: boolean }
  | {
      readonly kind: 'struct';
      readonly fields: Readonly<Record<string, Shape>>;
      /** Fields without `omitempty`: what they are when nobody set them. */
      readonly zero: JsonObject;
      /** Fields that nobody named are kept, behind the others. */
      readonly open: boolean;
    }
  /** Labels and the like. An atomic one has one owner. */
  | { readonly kind: 'map'; readonly atomic: boolean }
  /** Without keys it has one owner and is replaced as a whole; with `mergeBy` a strategic merge patch goes into its elements. */
  | {
      readonly kind: 'list';
      readonly of: Shape;
      readonly keys: readonly string[];
      readonly mergeBy: string | undefined;
    }
  /** Of plain values. */
  | { readonly kind: 'set' };

/** A pointer in Go, or not known more closely. */
export const value: Shape = { kind: 'value', omitsZero: false };
export const plain: Shape = { kind: 'value', omitsZero: true };
export const map: Shape = { kind: 'map', atomic: false };
export const atomicMap: Shape = { kind: 'map', atomic: true };
export const set: Shape = { kind: 'set' };

export function struct(fields: Readonly<Record<string, Shape>>, zero: JsonObject = {}): Shape {
  return { kind: 'struct', fields, zero, open: false };
}

export function openStruct(fields: Readonly<Record<string, Shape>>, zero: JsonObject = {}): Shape {
  return { kind: 'struct', fields, zero, open: true };
}

export function list(of: Shape): Shape {
  return { kind: 'list', of, keys: [], mergeBy: undefined };
}

export function keyedList(of: Shape, keys: readonly string[], mergeBy = keys[0]): Shape {
  return { kind: 'list', of, keys, mergeBy };
}

/** Field names as in `spec.ports[0].nodePort`. */
export type Unknown = (path: string) => void;

/** The value as Go would write it after reading it; `unknown` hears of the fields that no struct has. */
export function inOrder(given: Json, shape: Shape, unknown: Unknown = () => {}, path = ''): Json {
  switch (shape.kind) {
    case 'value':
    case 'set':
      return given;
    case 'map':
      return isObject(given) ? sorted(given) : given;
    case 'list':
      return Array.isArray(given) ? given.map((item, i) => inOrder(item, shape.of, unknown, `${path}[${i}]`)) : given;
    case 'struct':
      return isObject(given) ? structInOrder(given, shape, unknown, path) : given;
    default:
      return shape satisfies never;
  }
}

function structInOrder(
  given: JsonObject,
  shape: Shape & { kind: 'struct' },
  unknown: Unknown,
  path: string,
): JsonObject {
  const ordered: JsonObject = {};
  for (const [field, of] of Object.entries(shape.fields)) {
    const zero = shape.zero[field];
    const present = given[field] ?? zero;
    if (present === undefined) continue;
    const value = inOrder(present, of, unknown, dotted(path, field));
    // protobuf, which stands in etcd, knows no difference between an empty list and none
    if (zero !== undefined) ordered[field] = Array.isArray(value) && value.length === 0 ? zero : value;
    else if (!isEmpty(value, of)) ordered[field] = value;
  }
  for (const field of Object.keys(given).toSorted()) {
    if (field in shape.fields) continue;
    if (!shape.open) unknown(dotted(path, field));
    else if (given[field] !== null) ordered[field] = given[field]!;
  }
  return ordered;
}

function isEmpty(value: Json, shape: Shape): boolean {
  if (value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (shape.kind === 'map') return Object.keys(value).length === 0;
  return shape.kind === 'value' && shape.omitsZero && (value === '' || value === 0 || value === false);
}

function sorted(given: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.keys(given)
      .toSorted()
      .map((key) => [key, given[key]!]),
  );
}

function dotted(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}
