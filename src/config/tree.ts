/** YAML or JSON text → its nodes, with where in the text they are. Keys that are there twice stay both. */

import {
  boolYaml11Tag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  intYaml11Tag,
  NOT_RESOLVED,
  nullYaml11Tag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  Schema,
  strTag,
  YAMLException,
} from 'js-yaml';
import { type DeepenedReading, readDeepened } from '../model/shallow-lines.ts';

export interface Scalar {
  readonly kind: 'scalar';
  readonly offset: number;
  readonly value: string | number | boolean | null;
  /** As it stands in the text: `0012`, where the value is 10. */
  readonly written: string;
}

export interface List {
  readonly kind: 'list';
  readonly offset: number;
  readonly items: readonly Node[];
}

export interface Entry {
  readonly key: string;
  /** Of the key. */
  readonly offset: number;
  readonly value: Node;
}

export interface Block {
  readonly kind: 'block';
  readonly offset: number;
  readonly entries: readonly Entry[];
}

export type Node = Scalar | List | Block;

/** What sigs.k8s.io/yaml makes of plain scalars: YAML 1.1 with `on` and `yes`, without base sixty, and YAML 1.2's `0o17` and fractions. */
const scalars = new Schema([
  strTag,
  nullYaml11Tag,
  boolYaml11Tag,
  {
    ...intYaml11Tag,
    resolve: (source, _isExplicit, name) => {
      const value = source.includes(':') ? NOT_RESOLVED : intYaml11Tag.resolve(source, false, name);
      return value === NOT_RESOLVED ? intCoreTag.resolve(source, true, name) : value;
    },
  },
  floatCoreTag,
]);

/** What stands in quotes behind them is no text: so templates write numbers. */
const typeTags: ReadonlySet<string> = new Set(['!!bool', '!!float', '!!int', '!!null']);

/** Deeper than any KubeProxyConfiguration. */
const deepest = 100;

export type TreeReading =
  | { readonly documents: readonly Node[] }
  /** `offset` is where the text stops being YAML. */
  | { readonly offset: number; readonly message: string };

/** The documents of the text that hold anything. Does not throw for any text. */
export function readTree(text: string): TreeReading {
  try {
    return {
      documents: new Tree(readDeepened(text, (deepened) => parseEvents(deepened, { maxDepth: deepest }))).documents(),
    };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { offset: error.mark?.position ?? 0, message: error.reason };
  }
}

class Tree {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #original: (offset: number) => number;
  readonly #anchors = new Map<string, Node>();
  #at = 0;

  constructor({ value, text, original }: DeepenedReading<readonly Event[]>) {
    this.#text = text;
    this.#events = value;
    this.#original = original;
  }

  documents(): Node[] {
    const documents: Node[] = [];
    while (this.#at < this.#events.length) {
      this.#at++;
      this.#anchors.clear();
      if (!this.#ends()) {
        const node = this.#node(0);
        if (!isNull(node)) documents.push(node);
      }
      this.#at++;
    }
    return documents;
  }

  /** `fallback` is the offset of what is not written, as behind `name:`. */
  #node(fallback: number): Node {
    const event = this.#events[this.#at++]!;
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return this.#named(event, this.#scalar(event, fallback));
      case EVENT_ID.SEQUENCE:
        return this.#named(event, {
          kind: 'list',
          offset: this.#original(event.start),
          items: this.#items(event.start),
        });
      case EVENT_ID.MAPPING:
        return this.#named(event, {
          kind: 'block',
          offset: this.#original(event.start),
          entries: merged(this.#entries()),
        });
      case EVENT_ID.ALIAS: {
        const name = this.#text.slice(event.anchorStart, event.anchorEnd);
        return (
          this.#anchors.get(name) ??
          YAMLException.throwAt(this.#text, this.#original(event.anchorStart), `unknown alias ${name}`)
        );
      }
      default:
        throw new TypeError(`no node begins with event ${event.type}`);
    }
  }

  #named(event: { readonly anchorStart: number; readonly anchorEnd: number }, node: Node): Node {
    if (event.anchorStart >= 0) this.#anchors.set(this.#text.slice(event.anchorStart, event.anchorEnd), node);
    return node;
  }

  #scalar(event: ScalarEvent, fallback: number): Scalar {
    if (event.valueStart < 0) return { kind: 'scalar', offset: fallback, value: null, written: '' };
    const written = getScalarValue(this.#text, event);
    const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
    const tag = this.#text.slice(event.tagStart, event.tagEnd);
    const isText = tag === '!!str' || tag === '!' || (event.style !== SCALAR_STYLE.PLAIN && !typeTags.has(tag));
    const value = isText ? written : (scalars.resolveImplicitScalarTag(written).value as Scalar['value']);
    return { kind: 'scalar', offset: this.#original(event.valueStart) - (isQuoted ? 1 : 0), value, written };
  }

  #items(start: number): Node[] {
    const items: Node[] = [];
    while (!this.#ends()) items.push(this.#node(items.at(-1)?.offset ?? this.#original(start)));
    this.#at++;
    return items;
  }

  #entries(): Entry[] {
    const entries: Entry[] = [];
    while (!this.#ends()) {
      const key = this.#node(0);
      const value = this.#node(key.offset);
      entries.push({ key: keyText(key), offset: key.offset, value });
    }
    this.#at++;
    return entries;
  }

  #ends(): boolean {
    return this.#events[this.#at]!.type === EVENT_ID.POP;
  }
}

export function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function keyText(key: Node): string {
  return key.kind === 'scalar' ? String(key.value) : `(${key.kind})`;
}

/** What `<<` brings stands in front of what is written, which therefore counts; of several the first one does. */
function merged(entries: readonly Entry[]): readonly Entry[] {
  const own = entries.filter(({ key }) => key !== '<<');
  if (own.length === entries.length) return entries;
  const all = entries
    .filter(({ key }) => key === '<<')
    .flatMap(({ value }) => (value.kind === 'list' ? value.items : [value]))
    .flatMap((value) => (value.kind === 'block' ? value.entries : []));
  // one anchor may be brought twice
  const brought = [...new Set(all)];
  const first = new Map(brought.toReversed().map((entry) => [entry.key, entry]));
  const written = new Set(own.map(({ key }) => key));
  return [...brought.filter((entry) => first.get(entry.key) === entry && !written.has(entry.key)), ...own];
}
