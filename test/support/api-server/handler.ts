/** A request in, its answer out. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { load } from 'js-yaml';
import type { Access, ClientCertificate } from './access.ts';
import { Answer } from './answer.ts';
import type { Audit, ReceivedRequest } from './audit.ts';
import { discovery, openApi } from './discovery.ts';
import type { Failure, Faults } from './faults.ts';
import { goJson, isObject, type Json, type JsonObject, objectAt } from './json.ts';
import { checkListOptions, type Listing, list, revisionOf } from './listing.ts';
import { patchTypes } from './patches.ts';
import type { Clockwork, Registry, Write } from './registry.ts';
import { apiVersionOf } from './resources.ts';
import { fieldSelector, labelSelector, type Selects } from './selectors.ts';
import {
  badRequest,
  methodNotAllowed,
  notAcceptable,
  progressUnsupported,
  Refusal,
  tooLargeResourceVersion,
  unavailable,
  unknownPath,
  unsupportedMediaType,
} from './statuses.ts';
import type { Store } from './store.ts';
import { tableOf } from './table.ts';
import { protobufObject } from './protobuf.ts';
import { isTrue, type PathTarget, type ResourceTarget, type Target, targetOf } from './target.ts';
import { checkWatchOptions, startsWithEverything, tooOld, WatchStream } from './watch-stream.ts';

export interface HandlerOptions {
  readonly registry: Registry;
  readonly access: Access;
  readonly audit: Audit;
  readonly faults: Faults;
  readonly clockwork: Clockwork;
  readonly bookmarkMilliseconds: number;
  /** How long a list waits for a revision that is not there yet; 3 s in a real server. */
  readonly futureMilliseconds: number;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly answer: Answer;
}

export class Handler {
  readonly watches = new Set<WatchStream>();
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { faults, clockwork, audit, access } = this.#options;
    let target: Target | undefined;
    let user = '';
    const begun = (code: number): void => audit.write({ ...received(request, target), user, code });
    const answer = new Answer({ request, response, chunkBytes: faults.chunkBytes, now: clockwork.now, begun });
    // a client that goes away in the middle of something is none of our errors
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      const asked = targetOf(request.method ?? 'GET', request.url ?? '/');
      target = asked;
      audit.receive(received(request, target));
      user = access.authenticate(request.headers.authorization, clientCertificate(request));
      answer.flowControlled = true;
      const failure = faults.take(asked);
      if (failure !== undefined && fail(answer, failure)) return undefined;
      access.authorize(user, asked);
      if (asked.kind === 'path' && asked.path === reviews && request.method === 'POST') {
        answer.object(201, access.review(user, objectOf(await body(request))));
      } else if (asked.kind === 'path') this.#path(asked, { request, answer });
      else await this.#resource(asked, { request, answer });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer.refusal(error);
    }
  }

  #path({ path }: PathTarget, { request, answer }: Exchange): void {
    if (/^\/(livez|readyz|healthz)(\/|$)/.test(path)) return answer.text(200, 'ok', 'text/plain; charset=utf-8');
    const accepts = request.headers.accept ?? '';
    if (path === '/openapi/v2' && accepts.includes('protobuf')) return answer.text(200, openApi.protobuf, openApi.type);
    const found = discovery(path);
    if (found === undefined) throw unknownPath();
    if (request.method !== 'GET') throw methodNotAllowed();
    return answer.object(200, found);
  }

  async #resource(target: ResourceTarget, exchange: Exchange): Promise<void> {
    const { registry } = this.#options;
    const { request, answer } = exchange;
    const accepts = request.headers.accept ?? '*/*';
    if (!/application\/(json|yaml|\*)|\*\/\*/.test(accepts)) throw notAcceptable();
    switch (target.verb) {
      case 'get':
        return this.#object(200, target, registry.object(target.resource, registry.get(target)), exchange);
      case 'list':
        return this.#list(target, exchange);
      case 'watch':
        return this.#watch(target, exchange);
      case 'create': {
        const version = registry.create(this.#write(target, request), objectOf(await body(request)));
        return this.#object(201, target, registry.object(target.resource, version), exchange);
      }
      case 'update': {
        const version = registry.update(this.#write(target, request), objectOf(await body(request)));
        return this.#object(200, target, registry.object(target.resource, version), exchange);
      }
      case 'patch': {
        const type = patchTypes.get(contentType(request));
        if (type === undefined) throw unsupportedMediaType();
        const { version, created } = registry.patch(this.#write(target, request), await body(request), type);
        return this.#object(created ? 201 : 200, target, registry.object(target.resource, version), exchange);
      }
      case 'delete': {
        const options = objectAt(await body(request));
        return answer.object(200, registry.delete(this.#write(target, request), options));
      }
      case 'deletecollection': {
        const options = objectAt(await body(request));
        const { versions } = list(registry.store, { ...target, selects: selectsOf(target) });
        for (const { name, namespace } of versions) {
          registry.delete({ ...this.#write(target, request), name, namespace }, options);
        }
        const { kind } = target.resource;
        return answer.object(200, {
          kind: `${kind}List`,
          apiVersion: apiVersionOf(target.resource),
          metadata: {},
          items: [],
        });
      }
      default:
        return target.verb satisfies never;
    }
  }

  #write({ resource, namespace, name, subresource, query }: ResourceTarget, { headers }: IncomingMessage): Write {
    return {
      resource,
      namespace,
      name,
      subresource,
      manager: query.get('fieldManager') ?? (headers['user-agent'] ?? 'unknown').split('/')[0]!,
      dryRun: query.get('dryRun') === 'All',
      strict: query.get('fieldValidation') === 'Strict',
    };
  }

  #object(code: number, { resource, query }: ResourceTarget, object: JsonObject, { request, answer }: Exchange): void {
    if (!wantsTable(request)) return answer.object(code, object);
    const metadata = { resourceVersion: (object['metadata'] as JsonObject)['resourceVersion'] ?? '' };
    return answer.object(code, this.#table([object], { resource, query, metadata, columns: true }));
  }

  #table(
    objects: readonly JsonObject[],
    {
      resource,
      query,
      metadata,
      columns,
    }: Pick<ResourceTarget, 'resource' | 'query'> & { readonly metadata: JsonObject; readonly columns: boolean },
  ): JsonObject {
    const includes = query.get('includeObject') ?? 'Metadata';
    return tableOf(objects, { resource, now: this.#options.clockwork.now(), includes, metadata, columns });
  }

  async #list(target: ResourceTarget, { request, answer }: Exchange): Promise<void> {
    const { registry, futureMilliseconds } = this.#options;
    const { resource, query } = target;
    await reached(registry.store, checkListOptions(query), futureMilliseconds);
    const selects = query.get('labelSelector') || query.get('fieldSelector') ? selectsOf(target) : undefined;
    const listing = list(registry.store, { ...target, selects });
    const metadata = listMetadata(listing);
    if (wantsTable(request)) {
      const objects = listing.versions.map((version) => registry.object(resource, version));
      return answer.object(200, this.#table(objects, { resource, query, metadata, columns: true }));
    }
    const head = `{"kind":"${resource.kind}List","apiVersion":"${apiVersionOf(resource)}","metadata":${goJson(metadata)},"items":[`;
    const items = listing.versions.map((version, i) => `${i === 0 ? '{' : ',{'}${registry.text(resource, version)}`);
    if (!answer.pretty) return answer.pieces([head, ...items, ']}\n']);
    return answer.object(200, JSON.parse(`${head}${items.join('')}]}`) as JsonObject);
  }

  async #watch(target: ResourceTarget, { request, answer }: Exchange): Promise<void> {
    const { registry, faults, futureMilliseconds, bookmarkMilliseconds } = this.#options;
    const { resource, query, namespace } = target;
    const { store } = registry;
    checkWatchOptions(query);
    const asked = revisionOf(query);
    const everything = startsWithEverything(query);
    const sendsInitial = query.has('sendInitialEvents');
    if (everything && sendsInitial) await reached(store, asked, futureMilliseconds);
    const seconds = Math.min(Number(query.get('timeoutSeconds') ?? Infinity), faults.longestWatch);
    const stream = new WatchStream(
      {
        resource,
        namespace,
        selects: selectsOf(target),
        from: everything ? undefined : asked,
        bookmarks: isTrue(query.get('allowWatchBookmarks')),
        marksInitialEnd: sendsInitial,
        seconds: seconds === Infinity ? undefined : seconds,
        form: wantsTable(request) ? this.#tableForm(target) : undefined,
      },
      registry,
      answer,
      () => faults.repeatsEvents,
    );
    const isTooOld = !everything && asked < store.compacted;
    if (isTooOld && faults.expiredWatchIs === 'status') throw tooOld(asked, store.compacted);
    if (isTooOld || (faults.etcd34 && sendsInitial)) {
      answer.open();
      return stream.fail(isTooOld ? tooOld(asked, store.compacted) : progressUnsupported());
    }
    this.watches.add(stream);
    answer.onClose(() => this.watches.delete(stream));
    return stream.open(bookmarkMilliseconds);
  }

  /** Only the first event of a watch names the columns. */
  #tableForm(target: ResourceTarget): (type: string, text: string) => string {
    let columns = true;
    return (type, text) => {
      const object = JSON.parse(`{${text}`) as JsonObject;
      if (type === 'BOOKMARK') {
        return goJson({ kind: target.resource.kind, apiVersion: apiVersionOf(target.resource), ...object });
      }
      const metadata = { resourceVersion: (object['metadata'] as JsonObject)['resourceVersion'] ?? '' };
      const table = goJson(this.#table([object], { ...target, metadata, columns }));
      columns = false;
      return table;
    };
  }
}

const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

/** Whether that is all there will be. */
function fail(answer: Answer, { code, retryAfter }: Failure): boolean {
  switch (code) {
    case 'never':
      return true;
    case 'half':
      answer.breaks = true;
      return false;
    case 429:
      answer.text(429, 'Too many requests, please try again later.\n', 'text/plain; charset=utf-8', retryAfter);
      return true;
    case 503:
      answer.text(503, answer.json(unavailable().status), 'application/json', retryAfter);
      return true;
    case 500: {
      const { status } = new Refusal(500, 'InternalError', 'Internal error occurred: etcdserver: request timed out');
      answer.text(500, answer.json(status), 'application/json', retryAfter);
      return true;
    }
    default:
      return code satisfies never;
  }
}

function received(request: IncomingMessage, target: Target | undefined): ReceivedRequest {
  const isResource = target?.kind === 'resource';
  return {
    verb: isResource ? target.verb : 'get',
    path: target?.path ?? request.url ?? '',
    group: isResource ? target.resource.group : '',
    resource: isResource ? target.resource.name : '',
    subresource: isResource ? target.subresource : '',
    namespace: isResource ? target.namespace : '',
    name: isResource ? target.name : '',
    query: Object.fromEntries(target?.query ?? []),
    userAgent: request.headers['user-agent'] ?? '',
    httpVersion: request.httpVersion,
  };
}

function clientCertificate(request: IncomingMessage): ClientCertificate | undefined {
  const socket = request.socket as Partial<TLSSocket>;
  const user = socket.getPeerCertificate?.().subject?.CN;
  return typeof user === 'string' ? { user, trusted: socket.authorized === true } : undefined;
}

function listMetadata({ revision, continue: token, remaining }: Listing): JsonObject {
  return {
    resourceVersion: String(revision),
    ...(token === '' ? {} : { continue: token }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}

function selectsOf({ resource, query }: ResourceTarget): Selects {
  const label = labelSelector(query.get('labelSelector') ?? '');
  const field = fieldSelector(query.get('fieldSelector') ?? '', resource);
  return (version) => label(version) && field(version);
}

function wantsTable({ headers }: IncomingMessage): boolean {
  return /application\/json;as=Table;v=v1;g=meta\.k8s\.io/.test(headers.accept ?? '');
}

/** Or 504, when it was waited for long enough. */
async function reached(store: Store, revision: number, milliseconds: number): Promise<void> {
  if (revision <= store.revision) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    const unsubscribe = store.subscribe((change) => change.revision >= revision && done());
    function done(): void {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    }
  });
  if (revision > store.revision) throw tooLargeResourceVersion(revision, store.revision);
}

function contentType({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? 'application/json').split(';')[0]!.trim();
}

async function body(request: IncomingMessage): Promise<Json> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece as Uint8Array);
  const bytes = Buffer.concat(pieces);
  const type = contentType(request);
  if (type === 'application/vnd.kubernetes.protobuf') return protobufObject(bytes);
  const text = bytes.toString();
  if (text === '') return null;
  if (!/json|yaml/.test(type)) throw unsupportedMediaType();
  try {
    return (type.includes('yaml') ? load(text) : JSON.parse(text)) as Json;
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${String(error)}`);
  }
}

function objectOf(value: Json): JsonObject {
  if (!isObject(value)) throw badRequest("couldn't get version/kind; json parse error");
  return value;
}
