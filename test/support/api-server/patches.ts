/** The ways to patch an object: RFC 7386, RFC 6902, and Kubernetes' strategic merge (apimachinery pkg/util/strategicpatch). */

import { isObject, type Json, type JsonObject, listAt, objectAt, same, scalarText } from './json.ts';
import type { Shape } from './shape.ts';
import { badRequest, Refusal } from './statuses.ts';

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export const patchTypes: ReadonlyMap<string, PatchType> = new Map([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
  ['application/apply-patch+yaml', 'apply'],
]);

/** Gives a new object. An applied one is merged as a strategic patch is: what it no longer says stays. */
export function patched(object: JsonObject, patch: Json, type: PatchType, shape: Shape): JsonObject {
  switch (type) {
    case 'json': {
      if (!Array.isArray(patch)) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value');
      return objectAt(patch.reduce<Json>(jsonPatched, structuredClone(object)));
    }
    case 'merge':
      return objectAt(merged(object, patch));
    case 'strategic':
    case 'apply':
      return objectAt(strategic(object, patch, shape));
    default:
      return type satisfies never;
  }
}

function merged(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = { ...objectAt(target) };
  for (const [field, part] of Object.entries(patch)) {
    if (part === null) delete result[field];
    else result[field] = merged(result[field], part);
  }
  return result;
}

function strategic(target: Json | undefined, patch: Json, shape: Shape): Json {
  if (Array.isArray(patch))
    return shape.kind === 'set' || shape.kind === 'list' ? mergedList(target, patch, shape) : patch;
  if (!isObject(patch)) return patch;
  if (patch['$patch'] === 'delete') return {};
  const replaces = patch['$patch'] === 'replace';
  const result: JsonObject = replaces ? {} : { ...objectAt(target) };
  for (const [field, part] of Object.entries(patch)) {
    if (field.startsWith('$')) continue;
    const of = shape.kind === 'struct' ? (shape.fields[field] ?? unknown) : unknown;
    if (part === null) delete result[field];
    else result[field] = strategic(result[field], part, of);
  }
  directives(result, patch, shape);
  return result;
}

const unknown: Shape = { kind: 'value', omitsZero: false };

/** `$retainKeys`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`. */
function directives(result: JsonObject, patch: JsonObject, shape: Shape): void {
  for (const [directive, listed] of Object.entries(patch)) {
    const [name, field = ''] = directive.split('/', 2) as [string, string?];
    const items = Array.isArray(listed) ? listed : [];
    if (name === '$retainKeys') {
      for (const key of Object.keys(result)) if (!items.includes(key)) delete result[key];
    } else if (name === '$deleteFromPrimitiveList') {
      result[field] = listAt(result, field).filter((item) => !items.includes(item));
    } else if (name === '$setElementOrder' && Array.isArray(result[field])) {
      const of = shape.kind === 'struct' ? shape.fields[field] : undefined;
      result[field] = reordered(result[field], items, of?.kind === 'list' ? of.mergeBy : undefined);
    }
  }
}

function mergedList(target: Json | undefined, patch: readonly Json[], shape: Shape): Json {
  const current = Array.isArray(target) ? target : [];
  if (shape.kind === 'set') return [...new Set([...current, ...patch])];
  if (shape.kind !== 'list' || shape.mergeBy === undefined) return [...patch];
  const { mergeBy } = shape;
  let items = patch.some((item) => isObject(item) && item['$patch'] === 'replace') ? [] : [...current];
  for (const item of patch) {
    const fields = objectAt(item);
    if (fields['$patch'] === 'replace') continue;
    const isMeant = (candidate: Json): boolean => same(objectAt(candidate)[mergeBy], fields[mergeBy]);
    const place = items.findIndex(isMeant);
    // two protocols of one port have one key
    if (fields['$patch'] === 'delete') items = items.filter((candidate) => !isMeant(candidate));
    else if (place < 0) items.push(strategic(undefined, item, shape.of));
    else items[place] = strategic(items[place], item, shape.of);
  }
  return items;
}

/** Those that the order names take its order, in the places that they have together. */
function reordered(items: readonly Json[], order: readonly Json[], mergeBy: string | undefined): Json[] {
  const rank = (item: Json): number =>
    order.findIndex((named) =>
      mergeBy === undefined ? same(named, item) : same(objectAt(named)[mergeBy], objectAt(item)[mergeBy]),
    );
  const named = items.filter((item) => rank(item) >= 0).toSorted((a, b) => rank(a) - rank(b));
  return items.map((item) => (rank(item) >= 0 ? named.shift()! : item));
}

function jsonPatched(document: Json, operation: Json): Json {
  const { op, path, from, value } = objectAt(operation);
  if (typeof op !== 'string' || typeof path !== 'string') throw badRequest('error decoding patch: missing op or path');
  switch (op) {
    case 'add':
      return placed(document, path, value ?? null, true);
    case 'replace':
      found(document, path);
      return placed(document, path, value ?? null, false);
    case 'remove':
      return without(document, path);
    case 'copy':
    case 'move': {
      const source = structuredClone(found(document, scalarText(from)));
      return placed(op === 'move' ? without(document, scalarText(from)) : document, path, source, true);
    }
    case 'test':
      if (same(found(document, path), value ?? null)) return document;
      throw unprocessable(`testing path ${path} failed`);
    default:
      throw badRequest(`unexpected kind of JSON patch operation: ${op}`);
  }
}

function unprocessable(what: string): Refusal {
  return new Refusal(422, 'Invalid', `the server rejected our request due to an error in our request: ${what}`);
}

function stepsOf(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function found(document: Json, path: string): Json {
  let node: Json | undefined = document;
  for (const step of stepsOf(path))
    node = Array.isArray(node) ? node[Number(step)] : isObject(node) ? node[step] : undefined;
  if (node === undefined) throw unprocessable(`doc is missing path: ${path}`);
  return node;
}

function parentOf(document: Json, path: string): { readonly parent: Json; readonly last: string } {
  const steps = stepsOf(path);
  const last = steps.pop() ?? '';
  return { parent: found(document, path.slice(0, path.lastIndexOf('/'))), last };
}

function placed(document: Json, path: string, value: Json, inserts: boolean): Json {
  if (path === '') return value;
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), inserts ? 0 : 1, value);
  else if (isObject(parent)) parent[last] = value;
  return document;
}

function without(document: Json, path: string): Json {
  found(document, path);
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isObject(parent)) delete parent[last];
  return document;
}
