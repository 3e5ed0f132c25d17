/** One watch: what was, what is, and bookmarks (staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go). */

import type { Answer } from './answer.ts';
import { goJson } from './json.ts';
import type { Registry } from './registry.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import type { Selects } from './selectors.ts';
import { expired, invalidListOptions, type Refusal } from './statuses.ts';
import type { Change, Version } from './store.ts';
import { isTrue } from './target.ts';

export interface WatchRequest {
  readonly resource: Resource;
  /** Empty for all. */
  readonly namespace: string;
  readonly selects: Selects;
  /** Changes after it are told; undefined: first everything as it is. */
  readonly from: number | undefined;
  readonly bookmarks: boolean;
  /** A bookmark says where the initial events end. */
  readonly marksInitialEnd: boolean;
  /** Undefined: as long as the connection lasts. */
  readonly seconds: number | undefined;
  /** An object's JSON without its opening brace → what follows `"object":`; another form of it for those who print. */
  readonly form: ((type: string, text: string) => string) | undefined;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

/** Before its time is over a watch gets a last bookmark. */
const lastBookmarkSeconds = 2;

export class WatchStream {
  readonly request: WatchRequest;
  /** Every event is told twice. */
  readonly #repeats: () => boolean;
  readonly #registry: Registry;
  readonly #answer: Answer;
  readonly #timers: NodeJS.Timeout[] = [];
  #unsubscribe: () => void = () => {};
  /** Not all that there is has been told. */
  #tellsAll = false;

  constructor(request: WatchRequest, registry: Registry, answer: Answer, repeats: () => boolean) {
    this.request = request;
    this.#registry = registry;
    this.#answer = answer;
    this.#repeats = repeats;
  }

  /** Until the answer is closed by either side. */
  open(bookmarkMilliseconds: number): void {
    const { from, bookmarks, seconds } = this.request;
    this.#answer.onClose(() => this.#close());
    this.#answer.open();
    if (from === undefined) void this.#tellAll();
    else this.#goOn(from);
    if (bookmarks) {
      this.#timers.push(setInterval(() => this.bookmark(), bookmarkMilliseconds));
      const last = (seconds ?? 0) - lastBookmarkSeconds;
      if (last > 0) this.#timers.push(setTimeout(() => this.bookmark(), last * 1000));
    }
    if (seconds !== undefined) this.#timers.push(setTimeout(() => this.end(), seconds * 1000));
  }

  /** At once, if the client wants any. */
  bookmark(): void {
    const { bookmarks, from = 0 } = this.request;
    const { revision } = this.#registry.store;
    if (bookmarks && revision >= from && !this.#tellsAll) this.#tellBookmark(revision, false);
  }

  /** Bytes of a test's making. */
  push(text: string): void {
    this.#answer.push(text);
  }

  /** An ERROR event, and the end. */
  fail({ status }: Refusal): void {
    this.#answer.push(`{"type":"ERROR","object":${goJson(status)}}\n`);
    this.end();
  }

  end(): void {
    this.#close();
    this.#answer.end();
  }

  /** The text, and then the connection breaks. */
  cut(text: string): void {
    this.#close();
    this.#answer.cut(text);
  }

  get #stored(): string {
    return this.request.resource.storedAs;
  }

  #close(): void {
    this.#unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #concerns(version: Version | undefined): version is Version {
    const { namespace, selects } = this.request;
    return version !== undefined && (namespace === '' || version.namespace === namespace) && selects(version);
  }

  /** All that there is, as fast as it is read, and then what changed meanwhile. */
  async #tellAll(): Promise<void> {
    const { store } = this.#registry;
    const { bookmarks, marksInitialEnd } = this.request;
    const { revision } = store;
    this.#tellsAll = true;
    for (const version of store.sortedKeys(this.#stored).map((key) => store.get(this.#stored, key)!)) {
      if (this.#concerns(version)) this.#tell('ADDED', version, version.revision);
      const caughtUp = this.#answer.caughtUp();
      if (caughtUp !== undefined) await caughtUp;
      if (this.#answer.closed) return;
    }
    this.#tellsAll = false;
    if (marksInitialEnd && bookmarks) this.#tellBookmark(revision, true);
    this.#goOn(revision);
  }

  #goOn(after: number): void {
    const { store } = this.#registry;
    for (const change of store.changesSince(after)) this.#hear(change);
    this.#unsubscribe = store.subscribe((change) => change.revision > after && this.#hear(change));
  }

  #hear({ resource, version, previous, revision }: Change): void {
    if (resource !== this.#stored) return;
    if (this.#concerns(version)) this.#tell(this.#concerns(previous) ? 'MODIFIED' : 'ADDED', version, revision);
    // what a watch does not see any more is told as it was seen last
    else if (this.#concerns(previous)) this.#tell('DELETED', previous, revision);
  }

  #tell(type: EventType, version: Version, revision: number): void {
    const text = this.#registry.text(this.request.resource, version, revision);
    this.#send(type, text);
    if (this.#repeats()) this.#send(type, text);
  }

  #tellBookmark(revision: number, isInitialEnd: boolean): void {
    const annotations = isInitialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    const metadata = { resourceVersion: String(revision), ...annotations };
    this.#send('BOOKMARK', goJson({ metadata, ...this.request.resource.zero }).slice(1));
  }

  #send(type: EventType, text: string): void {
    const { resource, form } = this.request;
    const object = form?.(type, text) ?? `{"kind":"${resource.kind}","apiVersion":"${apiVersionOf(resource)}",${text}`;
    this.#answer.push(`{"type":"${type}","object":${object}}\n`);
  }
}

/** Refuses what no watch may ask for (apimachinery pkg/apis/meta/internalversion/validation). */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get('resourceVersionMatch') ?? '';
  if (query.has('sendInitialEvents')) {
    if (match !== 'NotOlderThan') {
      const what = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
      throw invalidListOptions('resourceVersionMatch', what);
    }
  } else if (match !== '') {
    const what = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    throw invalidListOptions('resourceVersionMatch', what);
  }
}

/** Whether all that is there comes first: as the client says, or because it does not say from where. */
export function startsWithEverything(query: URLSearchParams): boolean {
  const asked = query.get('sendInitialEvents');
  if (asked !== null) return isTrue(asked);
  return ['', '0'].includes(query.get('resourceVersion') ?? '');
}

export function tooOld(asked: number, compacted: number): Refusal {
  return expired(`too old resource version: ${asked} (${compacted})`);
}
