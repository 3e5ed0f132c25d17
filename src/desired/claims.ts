/**
 * Who claims which virtual service, which address and which element of the packet filter: what one Service asks in, what may be
 * wanted otherwise than before out. Where two Services claim one VIP:port the older one owns it (creationTimestamp, then name), so
 * it never flaps; what an element says of a virtual service is what its owner says.
 */

import type { Address } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import { type Element, sameElement } from '../model/filter.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Asked } from './front-ends.ts';

/** One Service's claim of one virtual service. */
interface Claim extends Claimant {
  readonly key: VirtualServiceKey;
  readonly bound: boolean;
  readonly elements: readonly Element[];
}

/** Who wants a virtual service. */
export interface Claimant {
  readonly owner: ObjectName;
  /** metadata.creationTimestamp or ''. */
  readonly createdAt: string;
}

interface Held {
  readonly claims: readonly Claim[];
  readonly shared: readonly Element[];
}

interface WantedElement {
  readonly element: Element;
  /** How many ask for it. */
  readonly count: number;
}

/** Two Services want one virtual service; `loser` gets none of its traffic. */
export interface Conflict {
  readonly service: string;
  readonly owner: ObjectName;
  readonly loser: ObjectName;
}

/** What may be wanted otherwise than before. */
export interface Touched {
  /** Each once. */
  readonly services: readonly VirtualServiceKey[];
  /** Those that are wanted now, or with other data, and those that are wanted no more; each once. */
  readonly elements: readonly Element[];
}

const nothing: Held = { claims: [], shared: [] };

export class Claims {
  /** Virtual service id → claims, the owner's first. */
  readonly #claims = new Map<string, Claim[]>();
  readonly #held = new Map<ObjectName, Held>();
  /** Ids that more than one claims. */
  readonly #disputed = new Set<string>();
  /** Address → how many front ends want the node to hold it. */
  readonly #bound = new Map<Address, number>();
  /** Element id → the element as the owner of its virtual service, or anybody who shares it, wants it. */
  readonly #elements = new Map<string, WantedElement>();

  /** Replaces all that one Service asks. Costs O(what it asked before and asks now, and who else claims that). */
  replace(owner: ObjectName, createdAt: string, { frontEnds, shared }: Asked): Touched {
    const before = this.#held.get(owner) ?? nothing;
    const known = new Map(before.claims.map((claim) => [claim.key.id, claim]));
    const claims = frontEnds.map(({ service, bound, elements }): Claim => {
      const claim = { owner, createdAt, key: service, bound, elements };
      const was = known.get(service.id);
      return was !== undefined && sameClaim(was, claim) ? was : claim;
    });
    const wanted = new Set(claims);
    const changes = new Changes(this.#elements);
    for (const claim of before.claims) if (!wanted.has(claim)) this.#drop(claim, changes);
    for (const claim of claims) if (known.get(claim.key.id) !== claim) this.#add(claim, changes);
    for (const one of before.shared) changes.unwant(one);
    for (const one of shared) changes.want(one);
    if (claims.length === 0 && shared.length === 0) this.#held.delete(owner);
    else this.#held.set(owner, { claims, shared });
    const services = new Map([...before.claims, ...claims].map(({ key }) => [key.id, key]));
    return { services: [...services.values()], elements: changes.elements() };
  }

  ownerOf(id: string): ObjectName | undefined {
    return this.#claims.get(id)?.[0]?.owner;
  }

  /** All that want a virtual service: the first has it. */
  claimants(id: string): readonly Claimant[] {
    return this.#claims.get(id) ?? [];
  }

  wantsBound(address: Address): boolean {
    return this.#bound.has(address);
  }

  /** The element as it is wanted, with the data that its owner gives it. */
  wantedElement(id: string): Element | undefined {
    return this.#elements.get(id)?.element;
  }

  /** Every claimed virtual service, once. */
  *keys(): IterableIterator<VirtualServiceKey> {
    for (const [first] of this.#claims.values()) yield first!.key;
  }

  addresses(): IterableIterator<Address> {
    return this.#bound.keys();
  }

  /** Every wanted element, once. */
  *elements(): IterableIterator<Element> {
    for (const { element } of this.#elements.values()) yield element;
  }

  /** Every disputed virtual service. Costs O(conflicts). */
  conflicts(): Conflict[] {
    const found: Conflict[] = [];
    for (const service of this.#disputed) {
      const [first, ...losers] = this.#claims.get(service)!;
      for (const { owner } of losers) found.push({ service, owner: first!.owner, loser: owner });
    }
    return found;
  }

  #add(claim: Claim, changes: Changes): void {
    const { key, bound } = claim;
    const claims = this.#claims.get(key.id) ?? [];
    const [owner] = claims;
    claims.push(claim);
    if (owner !== undefined) {
      claims.sort(olderFirst);
      this.#disputed.add(key.id);
    }
    this.#claims.set(key.id, claims);
    changes.pass(owner, claims[0]);
    if (bound) this.#bound.set(key.address, (this.#bound.get(key.address) ?? 0) + 1);
  }

  #drop(claim: Claim, changes: Changes): void {
    const { key, bound } = claim;
    const claims = this.#claims.get(key.id)!;
    const [owner] = claims;
    claims.splice(claims.indexOf(claim), 1);
    if (claims.length === 0) this.#claims.delete(key.id);
    if (claims.length < 2) this.#disputed.delete(key.id);
    changes.pass(owner, claims[0]);
    if (!bound) return;
    const count = this.#bound.get(key.address)! - 1;
    if (count === 0) this.#bound.delete(key.address);
    else this.#bound.set(key.address, count);
  }
}

/** The wanted elements while they change, and how they were before. */
class Changes {
  readonly #wanted: Map<string, WantedElement>;
  readonly #before = new Map<string, { readonly element: Element; readonly was: Element | undefined }>();

  constructor(wanted: Map<string, WantedElement>) {
    this.#wanted = wanted;
  }

  want(element: Element): void {
    const known = this.#remember(element);
    this.#wanted.set(element.id, { element, count: (known?.count ?? 0) + 1 });
  }

  unwant(element: Element): void {
    const known = this.#remember(element)!;
    if (known.count === 1) this.#wanted.delete(element.id);
    else this.#wanted.set(element.id, { ...known, count: known.count - 1 });
  }

  /** A virtual service passes from one owner to another. */
  pass(from: Claim | undefined, to: Claim | undefined): void {
    if (from === to) return;
    for (const element of from?.elements ?? []) this.unwant(element);
    for (const element of to?.elements ?? []) this.want(element);
  }

  elements(): Element[] {
    const found: Element[] = [];
    for (const [id, { element, was }] of this.#before) {
      const is = this.#wanted.get(id)?.element;
      const same = is === undefined || was === undefined ? is === was : sameElement(is, was);
      if (!same) found.push(is ?? element);
    }
    return found;
  }

  #remember(element: Element): WantedElement | undefined {
    const known = this.#wanted.get(element.id);
    if (!this.#before.has(element.id)) this.#before.set(element.id, { element, was: known?.element });
    return known;
  }
}

/** Whether both claim one virtual service alike; most changes are of endpoints, and a load balancer may have thousands of sources. */
function sameClaim(a: Claim, b: Claim): boolean {
  if (a.createdAt !== b.createdAt || a.bound !== b.bound || a.elements.length !== b.elements.length) return false;
  return a.elements.every((one, i) => sameElement(one, b.elements[i]!));
}

function olderFirst(a: Claim, b: Claim): number {
  return byAge(a.createdAt, a.owner) < byAge(b.createdAt, b.owner) ? -1 : 1;
}

/** Texts in the order of age, then of names. An object without a creationTimestamp (a hand-written manifest) is the younger one. */
export function byAge(createdAt: string, name: ObjectName): string {
  return `${createdAt === '' ? '~' : createdAt} ${name}`;
}
