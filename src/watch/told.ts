/** What a source has told of the cluster, so that reading everything again tells only what differs. */

import { isDeepStrictEqual } from 'node:util';
import type { ClusterEvent, ObjectName } from '../model/cluster.ts';

interface ObjectId {
  readonly kind: 'Service' | 'EndpointSlice' | 'Node';
  readonly name: ObjectName;
}

interface Entry {
  readonly id: ObjectId;
  /** The `set` that was told last; undefined when the object could never be read. */
  readonly fact: ClusterEvent | undefined;
  readonly isReadable: boolean;
}

export class Told {
  #entries: ReadonlyMap<string, Entry> = new Map();

  /** Objects that exist, readable or not. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Of a complete reading the events that say something new, then a `delete` for everything that is no longer in it: what takes the
   * place of something comes before that goes. The caller tells them. Costs a comparison of all facts.
   */
  news(events: readonly ClusterEvent[]): ClusterEvent[] {
    const news: ClusterEvent[] = [];
    const entries = new Map<string, Entry>();
    for (const event of events) {
      const id = objectId(event);
      if (id === undefined) continue;
      const key = `${id.kind} ${id.name}`;
      const earlier = this.#entries.get(key);
      const isReadable = event.kind !== 'unreadable';
      const isNew = isReadable ? !isDeepStrictEqual(event, earlier?.fact) : earlier?.isReadable !== false;
      if (isNew) news.push(event);
      entries.set(key, { id, fact: isReadable ? event : earlier?.fact, isReadable });
    }
    for (const [key, { id, fact }] of this.#entries) {
      if (!entries.has(key)) news.push(...deletion(id, fact !== undefined));
    }
    this.#entries = entries;
    return news;
  }
}

/** Undefined of what speaks of no single object. */
function objectId(event: ClusterEvent): ObjectId | undefined {
  switch (event.kind) {
    case 'service':
      return { kind: 'Service', name: event.verb === 'set' ? event.service.name : event.name };
    case 'endpointSlice':
      return { kind: 'EndpointSlice', name: event.verb === 'set' ? event.slice.name : event.name };
    case 'node':
      return event.verb === 'set' ? { kind: 'Node', name: event.node.name } : undefined;
    case 'unreadable':
      return { kind: event.object, name: event.name };
    case 'nodeAddresses':
    case 'synced':
      return undefined;
    default:
      return event satisfies never;
  }
}

/** Of a Service or EndpointSlice that was never read too: that it could not be read is known of it. */
function deletion({ kind, name }: ObjectId, wasRead: boolean): ClusterEvent[] {
  switch (kind) {
    case 'Service':
      return [{ kind: 'service', verb: 'delete', name }];
    case 'EndpointSlice':
      return [{ kind: 'endpointSlice', verb: 'delete', name }];
    case 'Node':
      return wasRead ? [{ kind: 'node', verb: 'delete' }] : [];
    default:
      return kind satisfies never;
  }
}
