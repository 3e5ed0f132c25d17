/**
 * The text of the file of --config → the values of its fields. As kube-proxy: unknown and repeated fields are told and do no harm,
 * what is of another kind, version or type is refused.
 */

import { lineStarts, positionIn } from '../model/line-starts.ts';
import { printable } from '../model/printable.ts';
import type { UsageProblem } from './arguments.ts';
import { type FieldReading, readField } from './field-values.ts';
import { configKind, configVersion, fieldBlocks, type FieldPath, type FieldSpec, fieldSpecs } from './fields.ts';
import type { AnyFlagValue } from './flags.ts';
import { nearest, quoted } from './spelling.ts';
import { type Block, type Entry, isNull, type Node, readTree } from './tree.ts';

export interface ConfigFile {
  /** Fields that are not here have their default. */
  readonly values: ReadonlyMap<FieldPath, AnyFlagValue>;
  readonly problems: readonly UsageProblem[];
  /** Lines about what is there and means nothing. */
  readonly remarks: readonly string[];
  /** `config.conf:12:15: ipvs.syncPeriod`; without line and column for what is not there. `item` is an index of a list. */
  label(path: FieldPath, item?: number): string;
}

/** `file` is how messages call it. Does not throw for any text. */
export function readConfigFile(file: string, text: string): ConfigFile {
  return new Reading(file, text);
}

class Reading implements ConfigFile {
  readonly values = new Map<FieldPath, AnyFlagValue>();
  readonly problems: UsageProblem[] = [];
  readonly remarks: string[] = [];
  readonly #file: string;
  readonly #text: string;
  readonly #nodes = new Map<FieldPath, Node>();
  #lines: readonly number[] | undefined;

  constructor(file: string, text: string) {
    this.#file = printable(file);
    this.#text = text;
    const tree = readTree(text);
    if ('message' in tree) {
      this.#refuse(tree.offset, `this is neither YAML nor JSON: ${printable(tree.message)}; mend the file`);
      return;
    }
    const [root, ...more] = tree.documents;
    for (const { offset } of more) this.#remark(offset, 'this document is ignored: the first one of the file counts');
    const behind = more.find(isConfiguration);
    if (behind !== undefined && !isConfiguration(root!)) {
      this.#refuse(
        behind.offset,
        `this ${configKind} is not the first document of the file; put it into one of its own`,
      );
    } else if (root?.kind === 'block') this.#root(root);
    else
      this.#refuse(root?.offset, `there is no ${configKind}; write one, beginning with apiVersion: ${configVersion}`);
  }

  label(path: FieldPath, item?: number): string {
    const node = this.#nodes.get(path);
    const part = item === undefined || node?.kind !== 'list' ? node : node.items[item];
    return `${this.#place(part?.offset)}: ${path}${part === node ? '' : `[${item}]`}`;
  }

  #root(root: Block): void {
    const identity = { apiVersion: configVersion, kind: configKind };
    const isOurs = Object.entries(identity)
      .map(([key, wanted]) => this.#isIdentified(root, key, wanted))
      .every(Boolean);
    if (isOurs) this.#block(root, '');
  }

  /** What is another object, or of another version, has other fields: nothing can be said of them. */
  #isIdentified(root: Block, key: string, wanted: string): boolean {
    const node = root.entries.findLast((entry) => entry.key === key)?.value;
    if (node?.kind === 'scalar' && node.value === wanted) return true;
    const found =
      node === undefined || isNull(node)
        ? 'missing'
        : node.kind === 'scalar'
          ? quoted(String(node.value))
          : `a ${node.kind}`;
    this.#refuse(node?.offset, `${key} is ${found}; write ${key}: ${wanted}`, key);
    return false;
  }

  #block(block: Block, prefix: string): void {
    const last = new Map(block.entries.map((entry) => [entry.key, entry]));
    for (const entry of block.entries) {
      const path = `${prefix}${entry.key}`;
      if (last.get(entry.key) !== entry) {
        this.#remark(entry.offset, `${printable(path)} is there again further down: the last one counts`);
      } else if (prefix === '' && (path === 'kind' || path === 'apiVersion')) continue;
      else if (prefix === '' && fieldBlocks.has(path)) this.#fields(entry, path);
      else this.#field(entry, path, prefix);
    }
  }

  #fields({ value, offset }: Entry, path: string): void {
    if (value.kind === 'block') this.#block(value, `${path}.`);
    else if (!isNull(value)) this.#refuse(offset, `${path} is no block of fields; write them below it`, path);
  }

  #field({ key, value, offset }: Entry, path: string, prefix: string): void {
    const spec = key.includes('.') ? undefined : fieldSpecs.get(path);
    if (spec === undefined) {
      this.#remark(offset, `${printable(path)} is no field of ${configKind} and is ignored${suggestion(key, prefix)}`);
      return;
    }
    this.#nodes.set(spec.path, value);
    const reading = readField(spec, value);
    if (!('value' in reading)) this.#refuseValue(spec, reading);
    else if (spec.ignored === undefined) this.values.set(spec.path, reading.value);
    else if (spec.ignored !== '' && reading.value !== undefined && reading.value !== spec.default) {
      this.#remark(offset, `${path} is ignored: ${spec.ignored}`);
    }
  }

  #refuseValue({ path }: FieldSpec, { node, shown, why }: Exclude<FieldReading, { readonly value: unknown }>): void {
    this.#refuse(node.offset, `${path} is ${shown}, ${why}`, path);
  }

  #refuse(offset: number | undefined, message: string, field?: string): void {
    const text = `${this.#place(offset)}: ${message}`;
    this.problems.push({ ...(field === undefined ? {} : { field }), message: text });
  }

  #remark(offset: number, message: string): void {
    this.remarks.push(`${this.#place(offset)}: ${message}`);
  }

  #place(offset: number | undefined): string {
    if (offset === undefined) return this.#file;
    this.#lines ??= lineStarts(this.#text);
    const { line, column } = positionIn(this.#lines, offset);
    return `${this.#file}:${line}:${column}`;
  }
}

/** By its kind: kubeadm's files hold one behind a ClusterConfiguration. */
function isConfiguration(document: Node): boolean {
  if (document.kind !== 'block') return false;
  return document.entries.some(
    ({ key, value }) => key === 'kind' && value.kind === 'scalar' && value.value === configKind,
  );
}

function suggestion(key: string, prefix: string): string {
  const siblings = [...fieldSpecs.keys(), ...fieldBlocks]
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length))
    .filter((name) => !name.includes('.'));
  const near = siblings.find((name) => name.toLowerCase() === key.toLowerCase()) ?? nearest(key, siblings);
  return near === undefined ? '' : `; did you mean ${near}?`;
}
