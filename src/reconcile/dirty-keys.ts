/** All that the loop may have to look at, by kind: virtual services, addresses, elements of the packet filter, and fixtures. */

import type { Drift } from '../model/drift.ts';
import type { Element } from '../model/filter.ts';
import { type Binding, bindingId } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { Dirty, notDirty, type Ticket } from './dirty.ts';
import type { Differing } from './scrub.ts';

export interface Tickets {
  readonly services: readonly Ticket<VirtualServiceKey>[];
  readonly bindings: readonly Ticket<Binding>[];
  readonly elements: readonly Ticket<Element>[];
  readonly fixtures: readonly Ticket<string>[];
}

export class DirtyKeys {
  readonly services: Dirty<VirtualServiceKey>;
  readonly bindings: Dirty<Binding>;
  readonly elements: Dirty<Element>;
  /** The device, tables and settings are looked at by every plan; they are keys only so that what failed is tried again. */
  readonly fixtures: Dirty<string>;

  constructor(now: () => number) {
    this.services = new Dirty(now);
    this.bindings = new Dirty(now);
    this.elements = new Dirty(now);
    this.fixtures = new Dirty(now);
  }

  get size(): number {
    return this.#all().reduce((sum, keys) => sum + keys.size, 0);
  }

  /** What is held is due. Costs O(dirty). */
  release(): void {
    for (const keys of [this.services, this.bindings, this.elements]) keys.release();
  }

  /** When the next key is due; undefined when none is left but those that are held. Costs O(dirty). */
  nextDue(): number | undefined {
    return earliest(this.#all().map((keys) => keys.nextDue()));
  }

  /** Since when the oldest key is dirty; undefined when none is. Costs O(dirty). */
  oldest(): number | undefined {
    return earliest(this.#all().map((keys) => keys.oldest()));
  }

  /** Has `settle` say of each ticket what became of it. */
  settle(tickets: Tickets, settle: <Key>(dirty: Dirty<Key>, ticket: Ticket<Key>) => void): void {
    for (const ticket of tickets.services) settle(this.services, ticket);
    for (const ticket of tickets.bindings) settle(this.bindings, ticket);
    for (const ticket of tickets.elements) settle(this.elements, ticket);
    for (const ticket of tickets.fixtures) settle(this.fixtures, ticket);
  }

  /** How much of what was found somebody else must have changed: what is dirty may differ anyway. */
  driftOf(found: Differing): Drift {
    return {
      service: notDirty(found.services, this.services, ({ id }) => id),
      destination: notDirty(found.destinations, this.services, ({ id }) => id),
      binding: notDirty(found.bindings, this.bindings, bindingId),
      element: notDirty(found.elements, this.elements, ({ id }) => id),
      table: found.tables,
      setting: found.settings,
    };
  }

  #all(): Dirty<unknown>[] {
    return [this.services, this.bindings, this.elements, this.fixtures];
  }
}

/** The earliest of the times; undefined when there is none. */
export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
