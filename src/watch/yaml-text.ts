/** YAML text → its value as kubectl reads it, and where in the text parts of it stand. About 13 MB/s. */

import {
  boolYaml11Tag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  intYaml11Tag,
  load,
  mapTag,
  mergeTag,
  NOT_RESOLVED,
  nullYaml11Tag,
  parseEvents,
  SCALAR_STYLE,
  Schema,
  seqTag,
  strTag,
  YAMLException,
} from 'js-yaml';
import { readDeepened } from '../model/shallow-lines.ts';
import type { Path } from './problem.ts';

export interface YamlError {
  readonly offset: number;
  readonly message: string;
  /** The text refers to an anchor that it does not hold: perhaps a larger part of the file does. */
  readonly unresolvedAlias: boolean;
}

export type YamlReading = { readonly value: unknown } | YamlError;

/**
 * What sigs.k8s.io/yaml, kubectl's reader, makes of plain scalars: YAML 1.1 where `on` and `yes` are booleans, but neither times
 * nor base sixty (`1:30` is text), and YAML 1.2's `0o17` and decimal fractions. Tags of others are as good as none.
 */
const kubectlSchema = new Schema([
  ...[{ ...strTag, resolve: detached }, seqTag, mapTag].flatMap((tag) => [
    tag,
    { ...tag, tagName: '', matchByTagPrefix: true },
  ]),
  nullYaml11Tag,
  boolYaml11Tag,
  {
    ...intYaml11Tag,
    resolve: (source, isExplicit, name) => {
      const value = source.includes(':') ? NOT_RESOLVED : intYaml11Tag.resolve(source, isExplicit, name);
      return value === NOT_RESOLVED ? intCoreTag.resolve(source, true, name) : value;
    },
  },
  floatCoreTag,
  mergeTag,
]);

/** A piece of a text, as V8 makes it, keeps all of that text: a fact that outlives its file would hold each version of it in memory. */
function detached(piece: string): string {
  return JSON.parse(JSON.stringify(piece)) as string;
}

/** The stack of Node.js holds about twice as many. */
const deepest = 1000;

/**
 * The value of the one document in the text, or the first error. Does not throw for any text. An alias gives the same object as
 * its anchor, perhaps one that it is in itself: whoever walks through all of a value must expect to come by again. A key that is there
 * twice is an error, unless the last one is to count.
 */
export function readYaml(text: string, options: { readonly lastOfKeyCounts?: true } = {}): YamlReading {
  const loading = { schema: kubectlSchema, maxDepth: deepest, maxAliases: 100, json: options.lastOfKeyCounts === true };
  try {
    return { value: readDeepened(text, (deepened) => load(deepened, loading)).value };
  } catch (error) {
    if (error instanceof RangeError) return { offset: 0, message: 'it is nested too deeply', unresolvedAlias: false };
    if (!(error instanceof YAMLException)) return { offset: 0, message: String(error), unresolvedAlias: false };
    if (error.reason.endsWith('complex keys')) {
      const message = 'a name here is a map or a list, as in a template that nobody filled in; give what it makes';
      return { offset: complexKey(text), message, unresolvedAlias: false };
    }
    const unresolvedAlias = error.reason.startsWith('unidentified alias');
    const offset = error.mark?.position ?? 0;
    return { offset: unresolvedAlias ? offset - 1 : offset, message: error.reason, unresolvedAlias };
  }
}

/** Where the first key begins that is no scalar, of which the reader does not tell the place. */
function complexKey(text: string): number {
  /** Of each open collection whether a key comes next; undefined where there are none. */
  const open: (boolean | undefined)[] = [];
  for (const event of parseEvents(text, { maxDepth: deepest })) {
    if (event.type === EVENT_ID.POP) {
      open.pop();
      continue;
    }
    const isKey = open.at(-1);
    const isCollection = event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE;
    if (isKey === true && isCollection) return event.start;
    if (isKey !== undefined) open[open.length - 1] = !isKey;
    if (isCollection) open.push(event.type === EVENT_ID.MAPPING ? true : undefined);
    else if (event.type === EVENT_ID.DOCUMENT) open.push(undefined);
  }
  return 0;
}

/**
 * Offsets of values in the text of one document; of the nearest value around it for a path that leads nowhere, of the anchor's
 * value for one behind an alias. JSON, which is nearly a part of YAML, will do; nested too deeply it gives 0.
 */
export function locateYaml(text: string, paths: readonly Path[]): number[] {
  try {
    const places = new Places(text);
    return paths.map((path) => places.offset(path));
  } catch {
    return paths.map(() => 0);
  }
}

/** Nodes are indexes into the parser's events. Costs a walk through each collection that is on the way to something. */
class Places {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #original: (offset: number) => number;
  readonly #children = new Map<number, ReadonlyMap<string | number, number>>();

  constructor(text: string) {
    const read = readDeepened(text, (deepened) => parseEvents(deepened, { maxDepth: deepest }));
    this.#text = read.text;
    this.#events = read.value;
    this.#original = read.original;
  }

  offset(path: Path): number {
    // The first event opens the document.
    let node = 1;
    let offset = this.#start(node) ?? 0;
    for (const step of path) {
      const next = this.#childrenOf(node).get(step);
      if (next === undefined) break;
      // What is not written, as behind `name:`, is told by its key, the node in front of it.
      offset = this.#start(next) ?? (typeof step === 'string' ? this.#start(next - 1) : undefined) ?? offset;
      node = next;
    }
    return this.#original(offset);
  }

  #childrenOf(node: number): ReadonlyMap<string | number, number> {
    let children = this.#children.get(node);
    if (children === undefined) {
      children = this.#findChildren(node);
      this.#children.set(node, children);
    }
    return children;
  }

  #findChildren(node: number): Map<string | number, number> {
    const children = new Map<string | number, number>();
    const collection = this.#events[node]!.type;
    if (collection !== EVENT_ID.MAPPING && collection !== EVENT_ID.SEQUENCE) return children;
    let key: string | undefined;
    let depth = 1;
    for (let at = node + 1; ; at++) {
      const event = this.#events[at]!;
      if (event.type === EVENT_ID.POP) {
        if (--depth === 0) return children;
        continue;
      }
      if (depth === 1) {
        if (collection === EVENT_ID.SEQUENCE) children.set(children.size, this.#anchored(at));
        // Other keys than scalars lead to nothing that anybody looks for.
        else if (key === undefined) key = event.type === EVENT_ID.SCALAR ? getScalarValue(this.#text, event) : '';
        else {
          children.set(key, this.#anchored(at));
          key = undefined;
        }
      }
      if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) depth++;
    }
  }

  /** For an alias the node that it repeats. */
  #anchored(node: number): number {
    const alias = this.#events[node]!;
    if (alias.type !== EVENT_ID.ALIAS) return node;
    const name = this.#text.slice(alias.anchorStart, alias.anchorEnd);
    return this.#events.findLastIndex(
      (event, at) =>
        at < node &&
        (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.SCALAR) &&
        this.#text.slice(event.anchorStart, event.anchorEnd) === name,
    );
  }

  /** Undefined for what is not written. */
  #start(node: number): number | undefined {
    const event = this.#events[node];
    if (event?.type === EVENT_ID.MAPPING || event?.type === EVENT_ID.SEQUENCE) return event.start;
    if (event?.type !== EVENT_ID.SCALAR || event.valueStart < 0) return undefined;
    const { style, valueStart } = event;
    switch (style) {
      case SCALAR_STYLE.PLAIN:
        return valueStart;
      case SCALAR_STYLE.SINGLE_QUOTED:
      case SCALAR_STYLE.DOUBLE_QUOTED:
        return valueStart - 1;
      // What is in a block begins on the line behind its sign.
      case SCALAR_STYLE.LITERAL_BLOCK:
        return this.#text.lastIndexOf('|', valueStart);
      case SCALAR_STYLE.FOLDED_BLOCK:
        return this.#text.lastIndexOf('>', valueStart);
      default:
        return style satisfies never;
    }
  }
}
