/**
 * Who set which field, as server-side apply keeps book of it (sigs.k8s.io/structured-merge-diff; FieldsV1 in meta/v1 types.go):
 * `f:` fields and keys of maps, `k:` elements of keyed lists, `v:` elements of sets, `.` the thing itself beside its parts.
 */

import { isObject, type Json, type JsonObject, listAt, objectAt, same, textAt } from './json.ts';
import { type Shape, value } from './shape.ts';

export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  /** As in metadata: `2026-11-20T18:27:00Z`. */
  readonly time: string;
}

/** Paths of fields, their steps joined. */
type Fields = ReadonlySet<string>;

interface Difference {
  readonly set: Set<string>;
  readonly removed: Set<string>;
}

const joint = '\u0001';

const unmanaged = new Set(
  ['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion']
    .map((field) => `f:metadata${joint}f:${field}`)
    .concat('f:kind', 'f:apiVersion'),
);

/** The new object's metadata.managedFields; `before` is the stored object, or what one is when nothing was set. */
export function managedFields(before: JsonObject, after: JsonObject, shape: Shape, manager: Manager): JsonObject[] {
  const difference: Difference = { set: new Set(), removed: new Set() };
  compare(before, after, shape, '', difference);
  const { set, removed } = difference;
  const entries = listAt(before, 'metadata', 'managedFields').filter(isObject);
  const others = entries.filter((entry) => !isOf(entry, manager));
  const own = entries.find((entry) => isOf(entry, manager));
  const owned = own === undefined ? new Set<string>() : fieldsOf(own);
  const kept = others.map((entry) =>
    withFields(
      entry,
      [...fieldsOf(entry)].filter((f) => !set.has(f) && !removed.has(f)),
    ),
  );
  const fields = new Set([...owned, ...set].filter((field) => !removed.has(field)));
  const isSame = own !== undefined && fields.size === owned.size && [...fields].every((field) => owned.has(field));
  const entry = isSame ? own : withFields(header(manager), [...fields]);
  return [...kept, entry]
    .filter((candidate) => Object.keys(objectAt(candidate, 'fieldsV1')).length > 0)
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}

function isOf(entry: JsonObject, { name, operation, apiVersion, subresource }: Manager): boolean {
  return (
    entry['manager'] === name &&
    entry['operation'] === operation &&
    entry['apiVersion'] === apiVersion &&
    textAt(entry, 'subresource') === subresource
  );
}

function order(entry: JsonObject): string {
  return ['operation', 'time', 'manager', 'apiVersion', 'subresource'].map((field) => textAt(entry, field)).join(joint);
}

function header({ name, operation, apiVersion, time, subresource }: Manager): JsonObject {
  return {
    manager: name,
    operation,
    apiVersion,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: {},
    ...(subresource === '' ? {} : { subresource }),
  };
}

/** Its fields in the place they have in an entry. */
function withFields(entry: JsonObject, fields: readonly string[]): JsonObject {
  return { ...entry, fieldsV1: tree(fields) };
}

function compare(before: Json | undefined, after: Json | undefined, shape: Shape, path: string, out: Difference): void {
  if (unmanaged.has(path)) return;
  const then = parts(before, shape);
  const now = parts(after, shape);
  if (
    (then ?? now) === undefined ||
    (before !== undefined && after !== undefined && (then === undefined || now === undefined))
  ) {
    if (after === undefined) out.removed.add(path);
    else if (before === undefined || !same(before, after)) out.set.add(path);
    return;
  }
  if (before === undefined) out.set.add(path);
  if (after === undefined) out.removed.add(path);
  for (const step of new Set([...(then?.keys() ?? []), ...(now?.keys() ?? [])])) {
    const of = now?.get(step)?.shape ?? then!.get(step)!.shape;
    compare(then?.get(step)?.value, now?.get(step)?.value, of, path === '' ? step : `${path}${joint}${step}`, out);
  }
}

interface Part {
  readonly value: Json;
  readonly shape: Shape;
}

/** What of it can have owners of its own; undefined for what has one owner. */
function parts(given: Json | undefined, shape: Shape): Map<string, Part> | undefined {
  if (given === undefined) return undefined;
  if (Array.isArray(given)) {
    if (shape.kind === 'set')
      return new Map(given.map((item) => [`v:${JSON.stringify(item)}`, { value: item, shape: value }]));
    if (shape.kind !== 'list' || shape.keys.length === 0) return undefined;
    return new Map(
      given.map((item) => [`k:${JSON.stringify(keyOf(item, shape.keys))}`, { value: item, shape: shape.of }]),
    );
  }
  if (!isObject(given) || (shape.kind === 'map' && shape.atomic)) return undefined;
  const fields = shape.kind === 'struct' ? shape.fields : {};
  return new Map(
    Object.entries(given).map(([field, part]) => [`f:${field}`, { value: part, shape: fields[field] ?? value }]),
  );
}

function keyOf(item: Json, keys: readonly string[]): JsonObject {
  const fields = objectAt(item);
  return Object.fromEntries(keys.toSorted().flatMap((key) => (key in fields ? [[key, fields[key]!]] : [])));
}

/** FieldsV1 → paths. */
function fieldsOf(entry: JsonObject): Fields {
  const paths = new Set<string>();
  const walk = (node: JsonObject, path: string): void => {
    if (Object.keys(node).length === 0) paths.add(path);
    for (const [step, part] of Object.entries(node)) {
      if (step === '.') paths.add(path);
      else walk(objectAt(part), path === '' ? step : `${path}${joint}${step}`);
    }
  };
  walk(objectAt(entry, 'fieldsV1'), '');
  paths.delete('');
  return paths;
}

/** Paths → FieldsV1, in the order in which it is written. */
function tree(paths: readonly string[]): JsonObject {
  const root: JsonObject = {};
  // a thing itself comes before its parts
  for (const path of paths.toSorted()) {
    let node = root;
    for (const step of path.split(joint)) node = (node[step] ??= {}) as JsonObject;
    node['.'] = {};
  }
  return inOrder(root);
}

function inOrder(node: JsonObject): JsonObject {
  const steps = Object.keys(node).toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  if (steps.length === 1 && steps[0] === '.') return {};
  return Object.fromEntries(steps.map((step) => [step, step === '.' ? {} : inOrder(objectAt(node, step))]));
}

/** Numbers in keys count as numbers. */
function sortKey(step: string): string {
  return step.startsWith('k:') ? step.replace(/\d+/g, (digits) => digits.padStart(10, '0')) : step;
}
