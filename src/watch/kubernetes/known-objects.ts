/** Which objects of one resource have been told, in which version: what a list says anew is told, and what it no longer has is deleted. */

import type { ClusterEvent, ObjectName } from '../../model/cluster.ts';
import type { Finding } from '../problem.ts';
import { eventOf } from '../projection.ts';
import type { Resource } from './resources.ts';
import { versionOf } from './watch-event.ts';

/** What an object leads to. */
export interface Consequence {
  readonly name: ObjectName | undefined;
  readonly event: ClusterEvent | undefined;
  /** It could not be read. Otherwise problems concern parts that were left out. */
  readonly isRefused: boolean;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Objects themselves are not kept, only their names and versions. */
export class KnownObjects {
  readonly #resource: Resource;
  /** Those that are told, as facts or as unreadable. */
  readonly #told = new Map<ObjectName, string | undefined>();
  /** Those that are not for us. */
  readonly #others = new Map<ObjectName, string | undefined>();

  constructor(resource: Resource) {
    this.#resource = resource;
  }

  get size(): number {
    return this.#told.size;
  }

  /** `known` is the resource's name of it. Nothing for an object that is known in this very version. */
  set(known: ObjectName | undefined, raw: object): Consequence | undefined {
    const version = versionOf(raw);
    if (version !== undefined && known !== undefined && this.#version(known) === version) return undefined;
    const projection = this.#resource.read(raw);
    const { problems, warnings } = projection;
    if (projection.outcome === 'notForUs') {
      const { name } = projection;
      const event = this.delete(name);
      this.#others.set(name, version);
      return { name, event, isRefused: false, problems, warnings };
    }
    const { name } = projection;
    if (name !== undefined) {
      this.#others.delete(name);
      this.#told.set(name, version);
    }
    const event = eventOf(this.#resource.kind, projection);
    return { name, event, isRefused: projection.outcome === 'refused', problems, warnings };
  }

  /** What tells that the object is gone; undefined when it was never told. */
  delete(name: ObjectName): ClusterEvent | undefined {
    this.#others.delete(name);
    return this.#told.delete(name) ? this.#resource.gone(name) : undefined;
  }

  /** Of all, one by one: each may be deleted when its name comes. */
  *names(): Generator<ObjectName> {
    yield* this.#told.keys();
    yield* this.#others.keys();
  }

  /** Versions say nothing any more: each object is told again when it is listed next. */
  distrust(): void {
    for (const name of this.#told.keys()) this.#told.set(name, undefined);
    for (const name of this.#others.keys()) this.#others.set(name, undefined);
  }

  #version(name: ObjectName): string | undefined {
    return this.#told.get(name) ?? this.#others.get(name);
  }
}
