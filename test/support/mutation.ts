/**
 * Texts that went wrong: seeded mutations of good ones, for parsers that must take whatever comes. `KUBE_IPVS_SEED` repeats a run, and
 * `KUBE_IPVS_MUTATIONS` is a factor of how many there are, for a long soak. Inputs are bounded, so that a parser whose cost is out of
 * proportion shows as a run that does not end.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/kernel/random.ts';

const seed = Number(process.env['KUBE_IPVS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const factor = Number(process.env['KUBE_IPVS_MUTATIONS'] ?? 1);

/** Bytes of the longest input. */
const longest = 64 * 1024;

/** What parsers stumble over. */
const stumblingBlocks: readonly string[] = [
  '"__proto__":{"polluted":true},',
  '__proto__: {polluted: true}\n',
  '"constructor":{"prototype":{"polluted":true}},',
  'toString',
  '1e999',
  '-1',
  '65536',
  '4294967296',
  '9007199254740993',
  '0.5',
  'null',
  'true',
  '""',
  '{}',
  '[]',
  '"\\ud800"',
  '\\u0000',
  '\\u202e',
  '\n',
  '\r\n',
  '\r',
  '\u2028',
  '\u001b[2J',
  '\ufeff',
  '\ud800',
  '\0',
  '"',
  "'",
  '\\',
  '`',
  '}',
  '{',
  ']',
  '[',
  ',',
  ':',
  ': ',
  '- ',
  '---\n',
  '...\n',
  '# ',
  '&a ',
  '*a',
  '<<: *a\n',
  '!!binary ',
  '!!js/function ',
  '|\n',
  '>-\n',
  '\t',
  '%YAML 9.9\n',
  '[['.repeat(600),
  '{"a":'.repeat(600),
  '- '.repeat(600),
  '9'.repeat(400),
  'x'.repeat(5_000),
  '::ffff:10.0.0.1',
  '010.0.0.1',
  'fe80::1%eth0',
  '10.0.0.0/33',
  'ftp://',
  '1h1h1h',
  '"items":[',
  '"metadata":null',
  '"kind":"List"',
];

const numbers: readonly unknown[] = [-1, 0, 0.5, 1, 65_535, 65_536, 86_401, 2 ** 31, 2 ** 53, 1e308];

const addresses: readonly unknown[] = [
  '10.0.0.0/8',
  '::ffff:10.0.0.1',
  'FD00:0::0001',
  '010.001.1.1',
  '1:2:3:4:5:6:7:8:9',
  'fe80::1%eth0',
  '127.0.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '::',
  'ftp://10.0.0.1',
  '10.96.0.10',
  'fd00::10',
];

/** What stands where something else should, in a tree of JSON. */
const strangers: readonly unknown[] = [
  ...numbers,
  ...addresses,
  null,
  true,
  '',
  'None',
  '__proto__',
  'constructor',
  '\ud800',
  'a\nb',
  '\u001b]0;x\u0007',
  '\u202e',
  'x'.repeat(10_000),
  [],
  {},
  [[]],
  [null],
  { __proto__: null, polluted: true },
];

/** Of its own kind more often than not: what is of another kind is refused early. */
function kinOf(value: unknown): readonly unknown[] {
  if (typeof value === 'number') return numbers;
  return typeof value === 'string' && /^[\da-f.:/]{3,}$/.test(value) ? addresses : strangers;
}

export class Mutator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  pick<T>(choices: readonly T[]): T {
    return this.#random.pick(choices);
  }

  /** One of the corpus, changed in one to four places: bits, pieces that are lost, doubled or of another one, and stumbling blocks. */
  bytes(corpus: readonly Uint8Array[]): Uint8Array {
    let bytes: Buffer = Buffer.from(this.pick(corpus));
    for (let left = 1 + this.below(4); left > 0; left--) bytes = this.#change(bytes, corpus);
    return bytes.subarray(0, longest);
  }

  text(corpus: readonly string[]): string {
    return Buffer.from(this.bytes(corpus.map((text) => Buffer.from(text)))).toString();
  }

  /** A copy with one to three of its values and keys changed. */
  tree(root: unknown): unknown {
    const box = { root: structuredClone(root) };
    for (let left = 1 + this.below(3); left > 0; left--) this.#changeBelow(box);
    return box.root;
  }

  /** The same bytes, in chunks as a network might bring them. */
  chunks(bytes: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + this.below(this.pick([1, 7, 100, 20_000]));
      // a copy each: no parser may keep what it was lent
      chunks.push(bytes.slice(at, at + length));
      at += length;
    }
    return chunks;
  }

  #change(bytes: Buffer, corpus: readonly Uint8Array[]): Buffer {
    const at = this.below(bytes.length + 1);
    const end = at + this.below(Math.min(bytes.length - at, this.pick([4, 40, 4_000])) + 1);
    const [before, piece, behind] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)];
    switch (this.below(6)) {
      case 0: {
        const flipped = Buffer.from(bytes);
        if (at < flipped.length) flipped[at]! ^= 1 << this.below(8);
        return flipped;
      }
      case 1:
        return Buffer.concat([before, behind]);
      case 2:
        return Buffer.concat([before, ...Array<Buffer>(1 + this.below(20)).fill(piece), behind]);
      case 3: {
        const other = Buffer.from(this.pick(corpus));
        const from = this.below(other.length + 1);
        return Buffer.concat([before, other.subarray(from, from + this.below(2_000)), behind]);
      }
      case 4:
        return Buffer.concat([before, Buffer.from(this.pick(stumblingBlocks)), behind]);
      default:
        return bytes.subarray(0, at);
    }
  }

  #changeBelow(box: object): void {
    let parent = box as Record<string, unknown>;
    let key = 'root';
    for (;;) {
      const value = parent[key];
      if (typeof value !== 'object' || value === null || this.below(6) === 0) break;
      const keys = Object.keys(value);
      if (keys.length === 0) break;
      parent = value as Record<string, unknown>;
      key = this.pick(keys);
    }
    switch (this.below(5)) {
      case 0:
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete parent[key];
        return;
      case 1:
        if (Array.isArray(parent)) parent.push(...Array<unknown>(1 + this.below(20)).fill(parent[Number(key)]));
        else
          Object.defineProperty(parent, this.pick(keys), {
            value: parent[key],
            enumerable: true,
            configurable: true,
            writable: true,
          });
        return;
      default:
        parent[key] = structuredClone(this.pick(this.below(4) === 0 ? strangers : kinOf(parent[key])));
    }
  }
}

const keys: readonly string[] = [
  '__proto__',
  'constructor',
  'items',
  'metadata',
  'a\nb',
  '\u001b[2J',
  'x'.repeat(2_000),
];

/**
 * A test of so many runs, each with a generator of its own; a failure names the seed and the run. `check` throws for what must not be.
 * Whatever it does, no object may have got properties by it that nobody gave to it.
 */
export function fuzz(name: string, runs: number, check: (mutator: Mutator) => void | Promise<void>): void {
  test(name, async (context) => {
    context.diagnostic(`KUBE_IPVS_SEED=${seed}`);
    const prototypes = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
    const clean = prototypes.map((prototype) => Reflect.ownKeys(prototype).length);
    for (let run = 0; run < runs * factor; run++) {
      try {
        await check(new Mutator(new Random((seed + run * 0x9e3779b1) >>> 0)));
        assert.deepEqual(
          prototypes.map((prototype) => Reflect.ownKeys(prototype).length),
          clean,
          'a prototype was changed',
        );
      } catch (error) {
        throw new Error(`run ${run} of KUBE_IPVS_SEED=${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

/** Text that stands for itself on one line of a terminal. */
export function assertPrintable(text: string): void {
  // oxlint-disable-next-line no-control-regex
  const found = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069\ufeff]/.exec(text);
  assert.equal(found, null, `not printable: ${JSON.stringify(text.slice(0, 500))}`);
  assert.doesNotMatch(text, /\p{Cs}/u, 'a lone surrogate');
}
