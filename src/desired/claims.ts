/**
 * Who claims which virtual service and which address: the front ends of one Service in, the keys whose wanted state may have
 * changed out. Where two Services claim one VIP:port the older one owns it (creationTimestamp, then name), so it never flaps.
 */

import type { Address } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { FrontEnd } from './front-ends.ts';

interface Claim {
  readonly owner: ObjectName;
  readonly createdAt: string;
}

interface Held {
  readonly key: VirtualServiceKey;
  readonly bound: boolean;
}

/** Two Services want one virtual service; `loser` gets none of its traffic. */
export interface Conflict {
  readonly service: string;
  readonly owner: ObjectName;
  readonly loser: ObjectName;
}

export class Claims {
  /** Virtual service id → claims, the owner's first. */
  readonly #claims = new Map<string, Claim[]>();
  readonly #held = new Map<ObjectName, readonly Held[]>();
  /** Address → how many front ends want the node to hold it. */
  readonly #bound = new Map<Address, number>();

  /** Replaces what a Service claims; answers every virtual service it claimed before or claims now. */
  replace(owner: ObjectName, createdAt: string, frontEnds: readonly FrontEnd[]): VirtualServiceKey[] {
    const before = this.#held.get(owner) ?? [];
    for (const held of before) this.#drop(owner, held);
    const after = frontEnds.map(({ service, bound }): Held => ({ key: service, bound }));
    for (const held of after) this.#add({ owner, createdAt }, held);
    if (after.length === 0) this.#held.delete(owner);
    else this.#held.set(owner, after);
    return [...before, ...after].map(({ key }) => key);
  }

  ownerOf(id: string): ObjectName | undefined {
    return this.#claims.get(id)?.[0]?.owner;
  }

  wantsBound(address: Address): boolean {
    return this.#bound.has(address);
  }

  /** Every claimed virtual service; one that two Services claim comes twice. */
  *keys(): IterableIterator<VirtualServiceKey> {
    for (const held of this.#held.values()) for (const { key } of held) yield key;
  }

  addresses(): IterableIterator<Address> {
    return this.#bound.keys();
  }

  /** Every disputed virtual service. Costs O(claims); for reports, not for passes. */
  conflicts(): Conflict[] {
    const found: Conflict[] = [];
    for (const [service, [first, ...losers]] of this.#claims) {
      for (const { owner } of losers) found.push({ service, owner: first!.owner, loser: owner });
    }
    return found;
  }

  #add(claim: Claim, { key, bound }: Held): void {
    const claims = this.#claims.get(key.id);
    if (claims === undefined) this.#claims.set(key.id, [claim]);
    else {
      claims.push(claim);
      claims.sort(byAge);
    }
    if (bound) this.#bound.set(key.address, (this.#bound.get(key.address) ?? 0) + 1);
  }

  #drop(owner: ObjectName, { key, bound }: Held): void {
    const claims = this.#claims.get(key.id) ?? [];
    claims.splice(
      claims.findIndex((claim) => claim.owner === owner),
      1,
    );
    if (claims.length === 0) this.#claims.delete(key.id);
    if (!bound) return;
    const count = this.#bound.get(key.address)! - 1;
    if (count === 0) this.#bound.delete(key.address);
    else this.#bound.set(key.address, count);
  }
}

/** An object without a creationTimestamp (a hand-written manifest) is the younger one. */
function byAge(a: Claim, b: Claim): number {
  const age = (claim: Claim) => `${claim.createdAt === '' ? '~' : claim.createdAt} ${claim.owner}`;
  return age(a) < age(b) ? -1 : 1;
}
