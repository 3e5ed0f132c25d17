/**
 * What etcd is to an API server: the newest version of every object, one revision for all of them, and the changes that led here,
 * as far back as the last compaction. Versions are immutable; their JSON is kept, not the objects.
 */

import { goJson, type JsonObject, objectAt, omit, textAt } from './json.ts';
import { keyOf } from './resources.ts';

/** Of an object, at one revision. */
export interface Version {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly labels: Readonly<Record<string, string>>;
  /** By which it can be selected: path → text. */
  readonly fields: Readonly<Record<string, string>>;
  /** Its JSON without kind, apiVersion and the opening brace; up to its revision where it has a second part. */
  readonly head: string;
  /** What follows the revision. */
  readonly tail: string | undefined;
}

export interface Change {
  readonly revision: number;
  /** A resource's `storedAs`. */
  readonly resource: string;
  /** Undefined when it was deleted. */
  readonly version: Version | undefined;
  /** Undefined when it was created. */
  readonly previous: Version | undefined;
}

export interface Backup {
  readonly revision: number;
  readonly resources: ReadonlyMap<string, ReadonlyMap<string, Version>>;
}

/** The version's JSON, as of the revision given, without kind, apiVersion and the opening brace. */
export function textOf(version: Version, revision = version.revision): string {
  return version.tail === undefined ? version.head : version.head + revision + version.tail;
}

const revisionField = '"resourceVersion":"';

export function versionOf(object: JsonObject, fields: Readonly<Record<string, string>>, revision: number): Version {
  const { name: named, generateName, namespace: within, selfLink, uid, ...others } = objectAt(object, 'metadata');
  const first = { name: named, generateName, namespace: within, selfLink, uid, resourceVersion: '' };
  const metadata = { ...first, ...others, resourceVersion: '' } as JsonObject;
  // the first one in the text: what stands before it are texts in quotes
  const text = goJson({ ...omit(object, 'kind', 'apiVersion'), metadata }).slice(1);
  const end = text.indexOf(revisionField) + revisionField.length;
  const namespace = textAt(metadata, 'namespace');
  const name = textAt(metadata, 'name');
  return {
    key: keyOf(namespace, name),
    namespace,
    name,
    revision,
    labels: objectAt(metadata, 'labels') as Record<string, string>,
    fields,
    head: text.slice(0, end),
    tail: text.slice(end),
  };
}

const none: ReadonlyMap<string, Version> = new Map();

export class Store {
  #revision: number;
  #compacted: number;
  #resources = new Map<string, Map<string, Version>>();
  #sortedKeys = new Map<string, readonly string[]>();
  #changes: Change[] = [];
  readonly #keep: number;
  readonly #listeners = new Set<(change: Change) => void>();

  /** It compacts itself so that at most twice as many changes are kept. */
  constructor({ keep, revision }: { readonly keep: number; readonly revision: number }) {
    this.#keep = keep;
    this.#revision = revision;
    this.#compacted = revision;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Changes up to this revision are forgotten. */
  get compacted(): number {
    return this.#compacted;
  }

  /** The revision that the next change will have. */
  get next(): number {
    return this.#revision + 1;
  }

  get(resource: string, key: string): Version | undefined {
    return this.#resources.get(resource)?.get(key);
  }

  all(resource: string): ReadonlyMap<string, Version> {
    return this.#resources.get(resource) ?? none;
  }

  resources(): string[] {
    return [...this.#resources.keys()];
  }

  /** In etcd's order, which is that of the bytes of the keys. */
  sortedKeys(resource: string): readonly string[] {
    const known = this.#sortedKeys.get(resource);
    if (known !== undefined) return known;
    const keys = [...this.all(resource).keys()].toSorted();
    this.#sortedKeys.set(resource, keys);
    return keys;
  }

  /** As of a revision that is not compacted and not in the future, in order. Costs what has changed since. */
  sortedAt(resource: string, revision: number): Version[] {
    const undone = new Map<string, Version | undefined>();
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i]!;
      if (change.revision <= revision) break;
      if (change.resource === resource) undone.set((change.version ?? change.previous)!.key, change.previous);
    }
    const current = this.all(resource);
    if (undone.size === 0) return this.sortedKeys(resource).map((key) => current.get(key)!);
    const then = new Map<string, Version | undefined>([...current, ...undone]);
    return [...then.keys()].toSorted().flatMap((key) => then.get(key) ?? []);
  }

  /** The version must be of the next revision. */
  put(resource: string, version: Version): void {
    const versions = this.#versions(resource);
    const previous = versions.get(version.key);
    versions.set(version.key, version);
    if (previous === undefined) this.#sortedKeys.delete(resource);
    this.#record({ revision: version.revision, resource, version, previous });
  }

  delete(resource: string, key: string): void {
    const versions = this.#versions(resource);
    const previous = versions.get(key);
    if (previous === undefined) return;
    versions.delete(key);
    this.#sortedKeys.delete(resource);
    this.#record({ revision: this.next, resource, version: undefined, previous });
  }

  /** In order. Nothing may change while it is being walked through. */
  *changesSince(revision: number): Generator<Change> {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#changes[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#changes.length; i++) yield this.#changes[i]!;
  }

  /** Hears of every change at once. Gives what ends it. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  compact(revision: number): void {
    const kept = [...this.changesSince(revision)];
    this.#compacted = Math.max(this.#compacted, Math.min(revision, this.#revision));
    this.#changes = kept;
  }

  backup(): Backup {
    const resources = [...this.#resources].map(([resource, versions]) => [resource, new Map(versions)] as const);
    return { revision: this.#revision, resources: new Map(resources) };
  }

  /** The revision goes back, and of what was before nothing is known. */
  restore({ revision, resources }: Backup): void {
    this.#revision = revision;
    this.#compacted = revision;
    this.#changes = [];
    this.#sortedKeys.clear();
    this.#resources = new Map([...resources].map(([resource, versions]) => [resource, new Map(versions)]));
  }

  #versions(resource: string): Map<string, Version> {
    const known = this.#resources.get(resource);
    if (known !== undefined) return known;
    const versions = new Map<string, Version>();
    this.#resources.set(resource, versions);
    return versions;
  }

  #record(change: Change): void {
    this.#revision = change.revision;
    this.#changes.push(change);
    if (this.#changes.length > 2 * this.#keep) this.compact(this.#changes[this.#changes.length - this.#keep]!.revision);
    for (const listener of this.#listeners) listener(change);
  }
}
