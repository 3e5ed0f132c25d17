/** Objects as they are written: created, updated, patched and deleted as an API server does it, on the store. */

import { randomUUID } from 'node:crypto';
import { Allocator } from './allocator.ts';
import { coreEvent, groupEvent } from './event-forms.ts';
import { at, goJson, type Json, type JsonObject, listAt, objectAt, omit, same, scalarText, textAt } from './json.ts';
import { managedFields } from './managed-fields.ts';
import { book, complete, setDefaults } from './object-rules.ts';
import { type PatchType, patched } from './patches.ts';
import { apiVersionOf, keyOf, type Resource, resourceOf } from './resources.ts';
import { inOrder } from './shape.ts';
import { alreadyExists, badRequest, conflict, deleted, invalid, modified, notFound } from './statuses.ts';
import { type Backup, type Store, textOf, type Version, versionOf } from './store.ts';

export interface Write {
  readonly resource: Resource;
  readonly namespace: string;
  /** Empty for a creation: then the object has it. */
  readonly name: string;
  readonly subresource: string;
  /** Who it is for metadata.managedFields. */
  readonly manager: string;
  /** Everything but storing it. */
  readonly dryRun: boolean;
  /** Refuse fields that the type does not have. */
  readonly strict: boolean;
}

/** How a manager changed fields, for metadata.managedFields. */
type Operation = 'Apply' | 'Update';

export interface Clockwork {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

export class Registry {
  readonly store: Store;
  readonly #clockwork: Clockwork;
  readonly #allocator: Allocator;

  constructor(store: Store, clockwork: Clockwork) {
    this.store = store;
    this.#clockwork = clockwork;
    this.#allocator = new Allocator(clockwork.random);
  }

  /** 404 for one that is not there. */
  get({ resource, namespace, name }: Pick<Write, 'resource' | 'namespace' | 'name'>): Version {
    const version = this.store.get(resource.storedAs, keyOf(namespace, name));
    if (version === undefined) throw notFound(resource, name);
    return version;
  }

  create(write: Write, given: JsonObject, operation: Operation = 'Update'): Version {
    const { resource } = write;
    const object = this.#read(write, given);
    const metadata = objectAt(object, 'metadata');
    const prefix = textAt(metadata, 'generateName');
    const name = textAt(metadata, 'name') || (prefix === '' ? '' : `${prefix}${this.#suffix()}`);
    if (name === '') {
      const message = 'Required value: name or generateName is required';
      throw invalid(resource, '', [{ reason: 'FieldValueRequired', message, field: 'metadata.name' }]);
    }
    const key = keyOf(write.namespace, name);
    if (resource.namespaced && this.store.get('namespaces', write.namespace) === undefined) {
      throw notFound(resourceOf('Namespace'), write.namespace);
    }
    if (this.store.get(resource.storedAs, key) !== undefined) throw alreadyExists(resource, name);
    Object.assign(metadata, { name, uid: randomUUID(), creationTimestamp: this.#time() });
    if (write.namespace !== '') metadata['namespace'] = write.namespace;
    if (resource.counted) metadata['generation'] = 1;
    // a Node may say its status itself (pkg/registry/core/node/strategy.go)
    if (resource.subresources.includes('status') && resource.id !== 'nodes') delete object['status'];
    return this.#store(write, object, undefined, key, operation);
  }

  /** With `status` as the subresource only the status counts, else all but the status. */
  update(write: Write, given: JsonObject, operation: Operation = 'Update'): Version {
    const { resource, name } = write;
    const current = this.get(write);
    const before = this.object(resource, current);
    const metadata = objectAt(given, 'metadata');
    const askedFor = textAt(metadata, 'resourceVersion');
    if (askedFor !== '' && askedFor !== String(current.revision)) throw conflict(resource, name, modified);
    const uid = textAt(before, 'metadata', 'uid');
    const givenUid = textAt(metadata, 'uid');
    if (givenUid !== '' && givenUid !== uid) {
      const why = `Precondition failed: UID in precondition: ${givenUid}, UID in object meta: ${uid}`;
      throw conflict(resource, name, why);
    }
    const object = this.#merge(write, this.#read(write, given), before);
    return this.#store(write, object, before, current.key, operation);
  }

  patch(write: Write, patch: Json, type: PatchType): { readonly version: Version; readonly created: boolean } {
    const { resource, namespace, name } = write;
    const current = this.store.get(resource.storedAs, keyOf(namespace, name));
    if (current === undefined && type === 'apply') {
      return { version: this.create(write, withName(objectAt(patch), name), 'Apply'), created: true };
    }
    const before = this.object(resource, this.get(write));
    const object = patched(before, patch, type, resource.shape);
    // a patch without a revision applies to whatever there is
    if (at(patch, 'metadata', 'resourceVersion') === undefined) delete objectAt(object, 'metadata')['resourceVersion'];
    return { version: this.update(write, object, type === 'apply' ? 'Apply' : 'Update'), created: false };
  }

  /** The answer's body: a Status, or the object where finalizers keep it. `options` is a DeleteOptions. */
  delete(write: Write, options: JsonObject = {}): JsonObject {
    const { resource, name } = write;
    const current = this.get(write);
    const object = this.object(resource, current);
    const uid = textAt(object, 'metadata', 'uid');
    const wanted = objectAt(options, 'preconditions');
    if ((wanted['uid'] ?? uid) !== uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${scalarText(wanted['uid'])}, UID in object meta: ${uid}`,
      );
    }
    if ((wanted['resourceVersion'] ?? String(current.revision)) !== String(current.revision)) {
      throw conflict(resource, name, modified);
    }
    if (write.dryRun || listAt(options, 'dryRun').includes('All')) return deleted(resource, name, uid);
    const metadata = objectAt(object, 'metadata');
    if (listAt(metadata, 'finalizers').length > 0) {
      if (metadata['deletionTimestamp'] !== undefined) return object;
      Object.assign(metadata, { deletionTimestamp: this.#time(), deletionGracePeriodSeconds: 0 });
      const ordered = objectAt(inOrder(object, resource.shape));
      return this.object(resource, this.#put(resource, current.key, ordered));
    }
    if (resource.id === 'namespaces') this.#emptyNamespace(name);
    this.store.delete(resource.storedAs, current.key);
    book(resource, current.key, undefined, this.#allocator);
    return deleted(resource, name, uid);
  }

  /** As it is, whatever it is, for clients that must bear it. */
  plant({ storedAs }: Resource, key: string, object: JsonObject): void {
    const [name = '', namespace = ''] = key.split('/').toReversed();
    const head = goJson(object).slice(1);
    const revision = this.store.next;
    this.store.put(storedAs, { key, namespace, name, revision, labels: {}, fields: {}, head, tail: undefined });
  }

  restore(backup: Backup): void {
    this.store.restore(backup);
    this.#allocator.clear();
    const services = resourceOf('Service');
    for (const [key, version] of this.store.all('services')) {
      book(services, key, this.object(services, version), this.#allocator);
    }
  }

  /** Its JSON without kind, apiVersion and the opening brace, in the form of the resource. */
  text(resource: Resource, version: Version, revision?: number): string {
    const text = textOf(version, revision);
    if (resource.storedAs === resource.id) return text;
    return goJson(groupEvent(JSON.parse(`{${text}`) as JsonObject)).slice(1);
  }

  object(resource: Resource, version: Version): JsonObject {
    const { kind } = resource;
    return JSON.parse(
      `{"kind":"${kind}","apiVersion":"${apiVersionOf(resource)}",${this.text(resource, version)}`,
    ) as JsonObject;
  }

  /** A copy in the right type and order. */
  #read({ resource, namespace, name, strict }: Write, given: JsonObject): JsonObject {
    const apiVersion = apiVersionOf(resource);
    if ((given['kind'] ?? resource.kind) !== resource.kind || (given['apiVersion'] ?? apiVersion) !== apiVersion) {
      throw badRequest(
        `${textAt(given, 'kind')} in version "${textAt(given, 'apiVersion')}" cannot be handled as a ${resource.kind}: ` +
          `the API version in the data does not match the expected API version (${apiVersion})`,
      );
    }
    const metadata = objectAt(given, 'metadata');
    if (textAt(metadata, 'namespace') !== '' && textAt(metadata, 'namespace') !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    if (name !== '' && textAt(metadata, 'name') !== '' && textAt(metadata, 'name') !== name) {
      throw badRequest(
        `the name of the object (${textAt(metadata, 'name')}) does not match the name on the URL (${name})`,
      );
    }
    const unknown: string[] = [];
    const object = inOrder(
      structuredClone({ ...omit(given, 'kind', 'apiVersion'), metadata }),
      resource.shape,
      (path) => unknown.push(path),
    );
    if (strict && unknown.length > 0) {
      const told = unknown.map((path) => `unknown field "${path}"`).join(', ');
      const version = `${resource.kind} in version "${resource.version}"`;
      throw badRequest(`${version} cannot be handled as a ${resource.kind}: strict decoding error: ${told}`);
    }
    return resource.storedAs === resource.id ? objectAt(object) : coreEvent(objectAt(object));
  }

  /** What an update cannot change stays as it was. */
  #merge({ resource, subresource }: Write, object: JsonObject, before: JsonObject): JsonObject {
    if (subresource !== '') return { ...before, [subresource]: object[subresource] ?? {} };
    const kept = objectAt(before, 'metadata');
    const metadata = { ...objectAt(object, 'metadata') };
    for (const field of [
      'name',
      'namespace',
      'uid',
      'creationTimestamp',
      'generation',
      'deletionTimestamp',
      'managedFields',
    ]) {
      if (kept[field] === undefined) delete metadata[field];
      else metadata[field] = kept[field];
    }
    const hasStatus = resource.subresources.includes('status') && before['status'] !== undefined;
    return { ...object, metadata, ...(hasStatus ? { status: before['status']! } : {}) };
  }

  #store(write: Write, object: JsonObject, before: JsonObject | undefined, key: string, operation: Operation): Version {
    const { resource } = write;
    setDefaults(resource, object, before);
    const ordered = objectAt(inOrder(object, resource.shape));
    const metadata = objectAt(ordered, 'metadata');
    if (before !== undefined || listAt(metadata, 'managedFields').length === 0) {
      const manager = {
        name: write.manager,
        operation,
        apiVersion: apiVersionOf(resource),
        subresource: write.subresource,
        time: this.#time(),
      };
      metadata['managedFields'] = managedFields(
        before ?? { metadata: {}, ...resource.zero },
        ordered,
        resource.shape,
        manager,
      );
    }
    const causes = complete(resource, ordered, { key, before, allocator: this.#allocator });
    const [first, ...more] = causes;
    if (first !== undefined) throw invalid(resource, textAt(metadata, 'name'), [first, ...more]);
    if (before !== undefined && !this.#count(resource, ordered, before))
      return this.get({ ...write, name: textAt(metadata, 'name') });
    const final = objectAt(inOrder(ordered, resource.shape));
    if (write.dryRun) return versionOf(final, {}, this.store.revision);
    if (metadata['deletionTimestamp'] !== undefined && listAt(metadata, 'finalizers').length === 0) {
      const last = this.#version(resource, final);
      this.store.delete(resource.storedAs, key);
      book(resource, key, undefined, this.#allocator);
      return last;
    }
    return this.#put(resource, key, final);
  }

  /** Whether anything changed, and the generation if that counts changes. */
  #count({ counted }: Resource, object: JsonObject, before: JsonObject): boolean {
    const content = (of: JsonObject): JsonObject => omit(of, 'metadata', 'status', 'kind', 'apiVersion');
    const metadataOf = (of: JsonObject): JsonObject =>
      omit(objectAt(of, 'metadata'), 'resourceVersion', 'managedFields', 'generation');
    const hasSameLabels = same(at(object, 'metadata', 'labels'), at(before, 'metadata', 'labels'));
    const isSame = hasSameLabels && same(content(object), content(before));
    if (counted && !isSame) {
      objectAt(object, 'metadata')['generation'] = Number(at(before, 'metadata', 'generation') ?? 0) + 1;
    }
    return !isSame || !same(metadataOf(object), metadataOf(before)) || !same(object['status'], before['status']);
  }

  #put(resource: Resource, key: string, object: JsonObject): Version {
    const version = this.#version(resource, object);
    this.store.put(resource.storedAs, version);
    book(resource, key, object, this.#allocator);
    return version;
  }

  #version({ selectable }: Resource, object: JsonObject): Version {
    const fields = selectable.map((path) => [path, scalarText(at(object, ...path.split('.')))] as const);
    return versionOf(object, Object.fromEntries(fields), this.store.next);
  }

  #emptyNamespace(namespace: string): void {
    for (const { resource, key } of this.#inNamespace(namespace)) {
      this.store.delete(resource, key);
      if (resource === 'services') this.#allocator.release(key);
    }
  }

  #inNamespace(namespace: string): { readonly resource: string; readonly key: string }[] {
    return this.store
      .resources()
      .flatMap((resource) =>
        [...this.store.all(resource).values()]
          .filter((version) => version.namespace === namespace)
          .map(({ key }) => ({ resource, key })),
      );
  }

  #suffix(): string {
    const letters = 'bcdfghjklmnpqrstvwxz2456789';
    return Array.from({ length: 5 }, () => letters[Math.floor(this.#clockwork.random() * letters.length)]).join('');
  }

  #time(): string {
    return `${new Date(this.#clockwork.now()).toISOString().slice(0, 19)}Z`;
  }
}

function withName(object: JsonObject, name: string): JsonObject {
  return { ...object, metadata: { ...objectAt(object, 'metadata'), name } };
}
