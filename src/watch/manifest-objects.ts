/** Text of a manifest file → the Kubernetes objects in it, whatever wraps them: documents, Lists, Lists in Lists. */

import { cutList, documents, jsonValues, type ListPassages } from './documents.ts';
import type { Pace } from './pace.ts';
import { type Path, quoted } from './problem.ts';
import { describe, isPresent } from './shapes.ts';
import type { Passage, SourceText } from './source-text.ts';
import { readYaml, type YamlError, type YamlReading } from './yaml-text.ts';

/** Where something is: a path into the value of a passage. */
export interface Spot {
  readonly passage: Passage;
  readonly path: Path;
}

export type ManifestObject =
  | {
      readonly found: 'object';
      readonly spot: Spot;
      readonly apiVersion: string;
      readonly kind: string;
      readonly raw: object;
    }
  /** Something stands where an object should. */
  | { readonly found: 'misfit'; readonly spot: Spot; readonly field: Path; readonly message: string }
  /** The passage could not be read from this offset of it on. */
  | { readonly found: 'error'; readonly passage: Passage; readonly offset: number; readonly message: string };

/** Everything in the text, in order. */
export async function* manifestObjects(source: SourceText, pace: Pace): AsyncGenerator<ManifestObject> {
  for (const document of documents(source)) {
    const values = looksLikeJson(document.text) ? readJson(document) : undefined;
    for (const { passage, reading } of values ?? []) yield* objectsIn(passage, reading, pace);
    if (values === undefined) yield* yamlObjects(document, pace);
  }
}

/** What a typed list (ServiceList) leaves out of its items. */
interface ItemType {
  readonly apiVersion: unknown;
  readonly kind: string;
}

async function* yamlObjects(document: Passage, pace: Pace): AsyncGenerator<ManifestObject> {
  const list = cutList(document);
  if (list !== undefined) {
    const frame = readYaml(list.frame.text);
    if ('message' in frame) {
      if (!frame.unresolvedAlias) {
        yield syntaxError(list.frame, frame);
        return;
      }
    } else if (isList(frame.value, true) && !isPresent(frame.value.items)) {
      yield* listObjects(document, list, frame.value, pace);
      return;
    }
  }
  yield* objectsIn(document, readYaml(document.text), pace);
}

async function* listObjects(
  document: Passage,
  list: ListPassages,
  frame: List,
  pace: Pace,
): AsyncGenerator<ManifestObject> {
  const type = itemType(frame);
  for (const [i, passage] of list.items.entries()) {
    const reading = readYaml(passage.text);
    if ('message' in reading && reading.unresolvedAlias) {
      // The anchor stands outside the item, so only the whole document can be read. What was found so far holds.
      yield* objectsIn(document, readYaml(document.text), pace, i);
      return;
    }
    if ('message' in reading) yield syntaxError(passage, reading);
    else yield* unwrap((reading.value as readonly unknown[])[0], { passage, path: [0] }, type);
    const pause = pace.step(passage.text.length);
    if (pause !== undefined) await pause;
  }
}

/** The objects in a passage that stands for itself; of a List only those from `skip` on. */
async function* objectsIn(
  passage: Passage,
  reading: YamlReading,
  pace: Pace,
  skip = 0,
): AsyncGenerator<ManifestObject> {
  if ('message' in reading) yield syntaxError(passage, reading);
  else if (reading.value !== null) {
    for (const object of unwrap(reading.value, { passage, path: [] }, undefined, skip)) {
      yield object;
      await pace.step(0);
    }
  }
  await pace.step(passage.text.length);
}

function syntaxError(passage: Passage, { offset, message }: YamlError): ManifestObject {
  const language = looksLikeJson(passage.text) ? 'JSON' : 'YAML';
  return { found: 'error', passage, offset, message: `not ${language}: ${message}` };
}

/** YAML's flow style looks so too. */
function looksLikeJson(text: string): boolean {
  return /^\s*[{[]/.test(text);
}

interface List {
  readonly apiVersion?: unknown;
  readonly kind: string;
  readonly items?: unknown;
}

const ourLists: ReadonlySet<string> = new Set(['List', 'ServiceList', 'EndpointSliceList', 'NodeList']);

/** Other kinds may end in List without being one (a custom AllowList): those have no `items`. */
function isList(value: unknown, itemsCutOut: boolean): value is List {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, items } = value as { readonly kind?: unknown; readonly items?: unknown };
  if (typeof kind !== 'string') return false;
  return ourLists.has(kind) || (kind.endsWith('List') && (itemsCutOut || Array.isArray(items)));
}

function itemType(list: List): ItemType | undefined {
  return list.kind === 'List' ? undefined : { apiVersion: list.apiVersion, kind: list.kind.slice(0, -'List'.length) };
}

const deepestLists = 32;

/** The objects in a value; of an outermost List only the items from `skip` on. Does not recurse: JSON may nest without end. */
function* unwrap(root: unknown, spot: Spot, type: ItemType | undefined, skip = 0): Generator<ManifestObject> {
  const { passage } = spot;
  const waiting: {
    readonly value: unknown;
    readonly path: Path;
    readonly type: ItemType | undefined;
    readonly skip: number;
  }[] = [{ value: root, path: spot.path, type, skip }];
  const lists = new Set<unknown>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path } = next;
    if (!isList(value, false)) {
      yield* asObject(value, { passage, path }, next.type);
      continue;
    }
    const items = value.items ?? [];
    if (!Array.isArray(items)) {
      const message = `items is ${describe(items)}; write a list of objects`;
      yield { found: 'misfit', spot: { passage, path }, field: ['items'], message };
      continue;
    }
    // Aliases in aliases make a small text endless.
    if (lists.size === lists.add(value).size) {
      const message = 'the same List stands here once more, by an alias; leave it out';
      yield { found: 'misfit', spot: { passage, path }, field: ['items'], message };
      continue;
    }
    if (path.length > 2 * deepestLists) {
      const message = `there are more than ${deepestLists} Lists in one another; put the objects into one List`;
      yield { found: 'misfit', spot: { passage, path }, field: ['items'], message };
      continue;
    }
    const inner = itemType(value);
    for (let i = items.length - 1; i >= next.skip; i--) {
      waiting.push({ value: items[i], path: [...path, 'items', i], type: inner, skip: 0 });
    }
  }
}

function* asObject(raw: unknown, spot: Spot, type: ItemType | undefined): Generator<ManifestObject> {
  const misfit = (field: Path, message: string) => ({ found: 'misfit', spot, field, message }) as const;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    yield misfit([], `here is ${describe(raw)}; write Kubernetes objects, each with apiVersion, kind and metadata`);
    return;
  }
  const own = raw as { readonly apiVersion?: unknown; readonly kind?: unknown };
  const kind = own.kind ?? type?.kind;
  const apiVersion = own.apiVersion ?? type?.apiVersion;
  if (typeof kind !== 'string' || kind === '')
    yield misfit(['kind'], `kind is ${describe(kind)}; write the kind of the object, such as Service`);
  else if (typeof apiVersion !== 'string' || apiVersion === '') {
    yield misfit(
      ['apiVersion'],
      `apiVersion is ${describe(apiVersion)}; write the version of the object's API, such as v1`,
    );
  } else if (kind === 'Status' && apiVersion === 'v1') {
    // taken for a cluster without Services, it would take all of them away
    const { message } = raw as { readonly message?: unknown };
    const why = typeof message === 'string' ? ` (${quoted(message)})` : '';
    yield misfit([], `here is what an API server answers in place of objects${why}; ask it for the objects again`);
  } else yield { found: 'object', spot, apiVersion, kind, raw };
}

/** One JSON value, or several behind one another, of which any but the first may be broken; undefined when the text is no JSON. */
function readJson(
  document: Passage,
): readonly { readonly passage: Passage; readonly reading: YamlReading }[] | undefined {
  const whole = parseJson(document.text);
  if (whole !== undefined) return [{ passage: document, reading: whole }];
  const values = jsonValues(document);
  if (values.length === 1 || parseJson(values[0]!.text) === undefined) return undefined;
  return values.map((passage) => ({ passage, reading: parseJson(passage.text) ?? readYaml(passage.text) }));
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
