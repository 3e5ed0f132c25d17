/**
 * A Kubernetes API server for tests: it answers as kube-apiserver 1.36 does, keeps everything in memory, and fails on demand.
 * kubectl and client libraries work against it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { Access, type Credentials, kubeconfigOf } from './access.ts';
import { Audit } from './audit.ts';
import { Certificates } from './certificates.ts';
import { Faults } from './faults.ts';
import { firstObjects } from './first-objects.ts';
import { Front } from './front.ts';
import { Handler } from './handler.ts';
import { type JsonObject, objectAt, omit, same, textAt } from './json.ts';
import { Registry, type Write } from './registry.ts';
import { type Resource, resourceOf } from './resources.ts';
import { expired } from './statuses.ts';
import { type Backup, Store } from './store.ts';
import type { WatchStream } from './watch-stream.ts';

export interface ApiServerOptions {
  /** HTTPS with HTTP/2 and HTTP/1.1; else plain HTTP/1.1. */
  readonly tls?: boolean;
  /** 127.0.0.1 by default. */
  readonly bind?: string;
  /** Any by default. */
  readonly port?: number;
  /** Without credentials: 401. By default everybody is welcome. */
  readonly authentication?: boolean;
  /** How often a watch gets a bookmark; a minute by default. */
  readonly bookmarkMilliseconds?: number;
  /** How long a list waits for a revision of the future; 3 s by default. */
  readonly futureMilliseconds?: number;
  /** How many changes are kept for watches; 20 000 by default. */
  readonly keptChanges?: number;
  /** Of the empty store; 1 by default. */
  readonly revision?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** In [0, 1); for what is allocated. */
  readonly random?: () => number;
}

export class ApiServer {
  readonly access: Access;
  readonly audit = new Audit();
  readonly faults = new Faults();
  readonly #store: Store;
  readonly #registry: Registry;
  readonly #handler: Handler;
  readonly #certificates: Certificates | undefined;
  readonly #front: Front;
  readonly #behind: Server;
  readonly #folder: string;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #bind: string;
  readonly #first: Backup;
  #closed = false;

  /** Listens, and holds what a new cluster holds: namespaces and the Service `default/kubernetes`. */
  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const server = new ApiServer(options, await mkdtemp(join(tmpdir(), 'api-server-')));
    await new Promise<void>((resolve, reject) => {
      server.#behind.once('error', reject);
      server.#behind.listen(server.#socket, resolve);
    });
    await server.#front.start();
    return server;
  }

  private constructor(options: ApiServerOptions, folder: string) {
    const { bind = '127.0.0.1', port = 0, now = Date.now, random = Math.random } = options;
    const clockwork = { now, random };
    this.#folder = folder;
    this.#bind = bind;
    this.access = new Access(options.authentication ?? false);
    this.#store = new Store({ keep: options.keptChanges ?? 20_000, revision: options.revision ?? 1 });
    this.#registry = new Registry(this.#store, clockwork);
    this.#handler = new Handler({
      registry: this.#registry,
      access: this.access,
      audit: this.audit,
      faults: this.faults,
      clockwork,
      bookmarkMilliseconds: options.bookmarkMilliseconds ?? 60_000,
      futureMilliseconds: options.futureMilliseconds ?? 3_000,
    });
    this.#certificates = options.tls === true ? new Certificates() : undefined;
    this.#behind = this.#serverBehind();
    this.#front = new Front(bind, port, this.#socket);
    for (const object of firstObjects) this.#apply(object, 'kube-apiserver');
    this.#first = this.#store.backup();
  }

  /** `https://127.0.0.1:6443`, without a slash at the end. */
  get url(): string {
    const host = this.#bind === '0.0.0.0' || this.#bind === '::' ? '127.0.0.1' : this.#bind;
    const scheme = this.#certificates === undefined ? 'http' : 'https';
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.#front.port}`;
  }

  /** YAML. Credentials that the server does not know yet it learns by `access.tokens`. */
  kubeconfig(credentials: Credentials = { kind: 'none' }): string {
    return dump(kubeconfigOf(this.url, credentials, this.#certificates));
  }

  /** The certificates of a server with TLS. */
  get certificates(): Certificates {
    if (this.#certificates === undefined) throw new Error('a server without TLS has no certificates');
    return this.#certificates;
  }

  get revision(): number {
    return this.#store.revision;
  }

  /**
   * Creates or replaces each, with its status if it has one; a namespace that is not there is made. What the server knows better
   * (uid, allocated addresses) stays. Refuses what a real server refuses: the error's `status` says why.
   */
  apply(...objects: readonly object[]): void {
    for (const object of objects) this.#apply(object as JsonObject, 'kubectl-client-side-apply');
  }

  /** `demo/web` or, where there are no namespaces, `node-a`. */
  delete(kind: string, key: string): void {
    this.#registry.delete(this.#write(resourceOf(kind), key, 'test'));
  }

  /** Undefined where there is none. */
  get(kind: string, key: string): JsonObject | undefined {
    const resource = resourceOf(kind);
    const version = this.#store.get(resource.storedAs, key);
    return version === undefined ? undefined : this.#registry.object(resource, version);
  }

  /** Keys, in order. */
  keys(kind: string): readonly string[] {
    return this.#store.sortedKeys(resourceOf(kind).storedAs);
  }

  /** Stores it as it is, without any check, whatever it is. */
  plant(kind: string, key: string, object: object): void {
    this.#registry.plant(resourceOf(kind), key, object as JsonObject);
  }

  /** Forgets all changes up to the revision: all, by default. */
  compact(revision = this.revision): void {
    this.#store.compact(revision);
  }

  backup(): Backup {
    return this.#store.backup();
  }

  /** As when etcd was restored and the API server restarted: revisions begin again at that of the backup. */
  restore(backup: Backup): void {
    this.#registry.restore(backup);
    this.drop('end');
  }

  /** As with a new etcd: nothing but what every new cluster holds, and low revisions. */
  reset(): void {
    this.restore(this.#first);
  }

  /** How many watches are open: of a kind, or all. */
  watches(kind?: string): number {
    return this.#watching(kind).length;
  }

  /** At once, to every watch that wants any. */
  bookmark(kind?: string): void {
    for (const stream of this.#watching(kind)) stream.bookmark();
  }

  /** Bytes between the events of all watches of a kind. */
  inject(kind: string, text: string): void {
    for (const stream of this.#watching(kind)) stream.push(text);
  }

  /** Bytes, and then the connections of these watches break. */
  cut(kind: string, text: string): void {
    for (const stream of this.#watching(kind)) stream.cut(text);
  }

  /** An ERROR event of code 410 ends these watches, as when a client was too slow. */
  expireWatches(kind?: string): void {
    const refusal = expired(`The resourceVersion for the provided watch is too old.`);
    for (const stream of this.#watching(kind)) stream.fail(refusal);
  }

  /** As when their time is over. */
  endWatches(kind?: string): void {
    for (const stream of this.#watching(kind)) stream.end();
  }

  /** Connections are accepted, and nothing is heard on them. */
  get hangs(): boolean {
    return this.#front.hangs;
  }

  set hangs(hangs: boolean) {
    this.#front.hangs = hangs;
  }

  /** The connections of now stay open for ever and silent; new ones work. */
  freeze(): void {
    this.#front.freeze();
  }

  drop(how: 'end' | 'reset'): void {
    this.#front.drop(how);
  }

  /** Asks the clients of HTTP/2 to go elsewhere: requests under way are answered, new ones need a new connection. */
  goaway(): void {
    for (const session of this.#sessions) session.goaway();
  }

  /** How many are open. */
  get connections(): number {
    return this.#front.connections;
  }

  /** Refuses connections and ends those that there are. The objects stay. */
  async stop(): Promise<void> {
    await this.#front.stop();
  }

  /** After a stop: again on the same port. */
  async start(): Promise<void> {
    await this.#front.start();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#front.stop();
    for (const stream of this.#watching()) stream.end();
    for (const session of this.#sessions) session.destroy();
    // on a busy machine Node may go on counting a connection of HTTP/2 that is gone, and never say that all are
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longestClose);
      this.#behind.close(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #socket(): string {
    return join(this.#folder, 'socket');
  }

  #watching(kind?: string): WatchStream[] {
    const resource = kind === undefined ? undefined : resourceOf(kind);
    return [...this.#handler.watches].filter(
      ({ request }) => resource === undefined || request.resource.storedAs === resource.storedAs,
    );
  }

  #serverBehind(): Server {
    const handle: Parameters<typeof createServer>[1] = (request, response) =>
      void this.#handler.handle(request, response);
    const idle = { keepAliveTimeout: 180_000, requestTimeout: 0 };
    if (this.#certificates === undefined) return createServer(idle, handle);
    const { certificate, key } = this.#certificates.server([this.#bind, ...hosts]);
    const ca = this.#certificates.authority;
    const tls = { cert: certificate, key, ca, requestCert: true, rejectUnauthorized: false, allowHTTP1: true };
    const server = createSecureServer(tls, handle as unknown as Parameters<typeof createSecureServer>[1]);
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.#sessions.delete(session));
    });
    server.on('tlsClientError', () => {});
    return Object.assign(server, idle);
  }

  #apply(object: JsonObject, manager: string): void {
    const resource = resourceOf(textAt(object, 'kind'), textAt(object, 'apiVersion'));
    const name = textAt(object, 'metadata', 'name');
    const namespace = resource.namespaced ? textAt(object, 'metadata', 'namespace') || 'default' : '';
    const key = namespace === '' ? name : `${namespace}/${name}`;
    const write = this.#write(resource, key, manager);
    if (namespace !== '' && this.#store.get('namespaces', namespace) === undefined) {
      const namespaced = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
      this.#registry.create({ ...this.#write(resourceOf('Namespace'), namespace, manager), name: '' }, namespaced);
    }
    if (this.#store.get(resource.storedAs, key) === undefined) this.#registry.create({ ...write, name: '' }, object);
    else this.#registry.update(write, object);
    if (!resource.subresources.includes('status') || object['status'] === undefined) return;
    if (same(objectAt(this.get(resource.kind, key), 'status'), object['status'])) return;
    const metadata = omit(objectAt(object, 'metadata'), 'resourceVersion');
    this.#registry.update({ ...write, subresource: 'status' }, { ...object, metadata });
  }

  #write(resource: Resource, key: string, manager: string): Write {
    const [name = '', namespace = ''] = key.split('/').toReversed();
    return { resource, namespace, name, subresource: '', manager, dryRun: false, strict: false };
  }
}

/** Milliseconds. */
const longestClose = 1000;

/** By what names clients may come: from here, from a guest whose host this is, from inside the cluster. */
const hosts = ['127.0.0.1', '::1', 'localhost', '10.0.2.2', '10.96.0.1', 'kubernetes', 'kubernetes.default.svc'];
