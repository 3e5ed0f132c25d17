/**
 * Events of the API (events.k8s.io/v1) by which people learn what is wrong with a Service or a node. They are a courtesy: never in the
 * way of anything, never many, and one that cannot be posted is gone, unless it is told again.
 */

import type { ObjectName } from '../model/cluster.ts';
import { printable } from '../model/printable.ts';
import { rfc3339Micro } from './time-text.ts';

export interface EventsOptions {
  /** POSTs a JSON object; rejects unless the API server took it. May wait for a server that is away, but for none that does not answer. */
  readonly post: (path: string, body: object) => Promise<void>;
  /** That of now: a reload may bring another. */
  readonly nodeName: () => string;
  /** Which of the cluster's proxies speaks: `kube-ipvs-NODE`. At most 128 bytes arrive. */
  readonly instance: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back: how much is told is not a matter of the time of day. */
  readonly steadyNow: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** An event was not taken; told once until one is. */
  readonly onError: (error: unknown) => void;
}

/** A Service as an event names it; without a uid the very object is not known, and its name must do. */
export interface EventSubject {
  readonly name: ObjectName;
  readonly uid: string;
}

interface Regarding {
  readonly apiVersion: 'v1';
  readonly kind: 'Service' | 'Node';
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}

interface Happening {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

/** Milliseconds until the same is said of the same object again. */
const repeatAfter = 3_600_000;
/** Likewise, where the API server did not take it. */
const retryAfter = 60_000;
/** At most so many at once, and then one each so many milliseconds. */
const burst = 25;
const interval = 10_000;
/** What is remembered as said; the oldest is forgotten first. */
const mostRemembered = 1_024;
/** Bytes that the API server takes (ValidateEventUpdate's limits in pkg/apis/core/validation/events.go, Kubernetes 1.36). */
const longestNote = 1_024;
const longestInstance = 128;

export class Events {
  readonly #options: EventsOptions;
  /** Object, reason and note → until when it is not said again. */
  readonly #said = new Map<string, number>();
  readonly #queue: { readonly what: string; readonly happening: Happening }[] = [];
  #allowed = burst;
  #countedAt: number;
  /** Begins anywhere: a thousand nodes speak of the same Service in the same millisecond, and the second of a name would be refused. */
  #number: number;
  #posting: Promise<void> | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#countedAt = options.steadyNow();
    this.#number = Math.floor(options.random() * numbers);
  }

  started(): void {
    this.#tell({ ...this.#node(), type: 'Normal', reason: 'Starting', action: 'StartKubeProxy', note: '' });
  }

  /** The health-check node port of a Service cannot be listened on. */
  serviceHealthFailed(service: EventSubject, port: number, message: string): void {
    const nodeName = this.#options.nodeName();
    this.#warn(service, {
      reason: 'FailedToStartServiceHealthcheck',
      action: 'Listen',
      note: `node ${nodeName} failed to start healthcheck "${service.name}" on port ${port}: ${message}`,
    });
  }

  /** A server of the daemon itself cannot be listened on, and --bind-address-hard-fail makes that fatal. */
  listenFailed(server: 'health' | 'metrics', message: string): void {
    const reason = server === 'health' ? 'FailedToStartProxierHealthcheck' : 'FailedToStartMetricServer';
    this.#tell({ ...this.#node(), type: 'Warning', reason, action: 'StartKubeProxy', note: message });
  }

  /** Another Service owns a virtual service that this one claims. */
  conflict(loser: EventSubject, note: string): void {
    this.#warn(loser, { reason: 'VirtualServiceConflict', action: 'ClaimVirtualService', note });
  }

  /** A Service asks for a scheduler that the kernel lacks. */
  missingScheduler(service: EventSubject, note: string): void {
    this.#warn(service, { reason: 'SchedulerNotFound', action: 'ChooseScheduler', note });
  }

  /** Resolves when all that was told by now is posted, or could not be. */
  async settled(): Promise<void> {
    await this.#posting;
  }

  /** Drops what is not posted yet. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
  }

  #node(): { readonly regarding: Regarding } {
    return { regarding: { apiVersion: 'v1', kind: 'Node', name: this.#options.nodeName() } };
  }

  #warn({ name, uid }: EventSubject, words: Pick<Happening, 'reason' | 'action' | 'note'>): void {
    const slash = name.indexOf('/');
    const regarding: Regarding = {
      apiVersion: 'v1',
      kind: 'Service',
      name: name.slice(slash + 1),
      namespace: name.slice(0, slash),
      ...(uid === '' ? {} : { uid }),
    };
    this.#tell({ regarding, type: 'Warning', ...words });
  }

  #tell(happening: Happening): void {
    if (this.#isClosed || this.#queue.length >= burst) return;
    const { kind, namespace, name, uid } = happening.regarding;
    const what = JSON.stringify([kind, namespace, name, uid, happening.reason, happening.note]);
    const now = this.#options.steadyNow();
    const until = this.#said.get(what);
    if (until !== undefined && now < until) return;
    if (!this.#isAllowed(now)) return;
    this.#said.delete(what);
    this.#said.set(what, now + repeatAfter);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= mostRemembered) break;
      this.#said.delete(oldest);
    }
    this.#queue.push({ what, happening });
    this.#posting ??= this.#post();
  }

  #isAllowed(now: number): boolean {
    const earned = Math.floor(Math.max(0, now - this.#countedAt) / interval);
    this.#allowed = Math.min(burst, this.#allowed + earned);
    this.#countedAt = this.#allowed === burst ? now : this.#countedAt + earned * interval;
    if (this.#allowed === 0) return false;
    this.#allowed--;
    return true;
  }

  async #post(): Promise<void> {
    const { post, onError, steadyNow } = this.#options;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { what, happening } = next;
      const namespace = happening.regarding.namespace ?? 'default';
      try {
        await post(
          `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`,
          this.#object(namespace, happening),
        );
        this.#isFailing = false;
      } catch (error) {
        if (!this.#isFailing && !this.#isClosed) onError(error);
        this.#isFailing = true;
        this.#said.set(what, steadyNow() + retryAfter);
      }
    }
    this.#posting = undefined;
  }

  /** Node events lie in the namespace default, where the API server wants those of objects without a namespace. */
  #object(namespace: string, { regarding, type, reason, action, note }: Happening): object {
    const { instance, now } = this.#options;
    const at = now();
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: eventName(regarding.name, at, ++this.#number), namespace },
      eventTime: rfc3339Micro(at),
      reportingController: 'kube-ipvs',
      reportingInstance: shortened(instance(), longestInstance),
      action,
      reason,
      regarding,
      note: shortened(printable(note), longestNote),
      type,
    };
  }
}

/** So many numbers has a millisecond. */
const numbers = 1_000_000;

/** `web.18a2f0c3d4e5f601`: the object and a number that no other event of it has, as client-go names them; a DNS name of at most 253. */
function eventName(object: string, milliseconds: number, count: number): string {
  const number = BigInt(Math.floor(milliseconds)) * BigInt(numbers) + BigInt(count % numbers);
  return `${object.slice(0, 230).replace(/[^a-z0-9]+$/, '')}.${number.toString(16)}`;
}

/** To so many bytes of UTF-8, without half a character at the end. */
function shortened(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  let end = bytes - Buffer.byteLength('…');
  while ((encoded[end]! & 0xc0) === 0x80) end--;
  return `${encoded.subarray(0, end).toString()}…`;
}
