/** What the kernel last told us of the packet filter: how our tables compare with the wanted ones, and the elements of their sets. */

import type { TableState } from '../kernel/kernel.ts';
import type { Address, Family } from '../model/address.ts';
import { type Element, element, type Field, sameElement, setSpecs } from '../model/filter.ts';
import { inPieces } from '../model/pieces.ts';
import { type Protocol, serviceFamily, type VirtualServiceKey, virtualServiceKey } from '../model/virtual-service.ts';
import { mirror } from './mirror.ts';

/** Tables and elements that differ from what was known. */
export interface FilterDrift {
  readonly tables: readonly Family[];
  readonly elements: readonly Element[];
}

export class ActualFilter {
  /** A family that is missing is not known. */
  readonly tables = new Map<Family, TableState>();
  readonly elements = new Map<string, Element>();
  /** Tables and elements must be read again. */
  unknown = true;
  readonly #counts = new Map<Family, number>();

  has({ id }: Element): boolean {
    return this.elements.has(id);
  }

  count(family: Family): number {
    return this.#counts.get(family) ?? 0;
  }

  /** Whether one of our sets says that the virtual service is ours. */
  marks(service: VirtualServiceKey): boolean {
    return this.has(elementOf(service, 'services'));
  }

  /** Replaces all that is known by what was read. Answers what is not as it was believed to be. */
  async observe(states: ReadonlyMap<Family, TableState>, elements: readonly Element[]): Promise<FilterDrift> {
    const tables = [...states].filter(([family, state]) => this.tables.get(family) !== state).map(([family]) => family);
    this.tables.clear();
    for (const [family, state] of states) this.tables.set(family, state);
    const differing = await mirror(elements, this.elements, {
      idOf: ({ id }) => id,
      isSame: sameElement,
      set: (one) => this.setElement(one),
      remove: (one) => this.deleteElement(one),
    });
    this.unknown = false;
    return { tables, elements: differing };
  }

  setElement(one: Element): void {
    if (!this.elements.has(one.id)) this.#counts.set(one.family, this.count(one.family) + 1);
    this.elements.set(one.id, one);
  }

  deleteElement({ id, family }: Element): void {
    if (this.elements.delete(id)) this.#counts.set(family, this.count(family) - 1);
  }

  /** The table was made anew, or is gone; either way its sets hold nothing. Costs O(elements). */
  emptyTable(family: Family, state: TableState): void {
    this.tables.set(family, state);
    this.#counts.delete(family);
    for (const [id, one] of this.elements) if (one.family === family) this.elements.delete(id);
  }
}

/**
 * The virtual service as an element: in `services` it marks it as ours, in `restricted` it closes it to all but its allowed sources, in
 * `localClients` it sends clients of this node on.
 */
export function elementOf(service: VirtualServiceKey, set: 'services' | 'restricted' | 'localClients'): Element {
  return element(serviceFamily(service), set, [service.address, service.protocol, service.port]);
}

/** Whether an element speaks of one virtual service. */
export function isOfService({ set }: Element): boolean {
  const [first, second, third] = setSpecs[set].key as readonly Field[];
  return first === 'address' && second === 'protocol' && third === 'port';
}

/** The virtual service that an element speaks of, by the first three parts of its key. */
export function serviceOf({ key: [address, protocol, port] }: Element): VirtualServiceKey {
  return virtualServiceKey(protocol as Protocol, address as Address, port as number);
}

/** The elements that say who may reach a virtual service, by its id. O(elements). */
export async function sourcesOf(elements: Iterable<Element>): Promise<Map<string, Element[]>> {
  const sources = new Map<string, Element[]>();
  await inPieces(elements, (element) => {
    if (element.set !== 'allowedSources') return;
    const { id } = serviceOf(element);
    const known = sources.get(id);
    if (known === undefined) sources.set(id, [element]);
    else known.push(element);
  });
  return sources;
}
