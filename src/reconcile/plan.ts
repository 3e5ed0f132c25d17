/**
 * The difference between wanted and actual at a set of keys, as operations in the order that never leaves a virtual service worse
 * than it was. Pure; costs O(keys given and their destinations).
 */

import { type Address, type Family, familyOf, hostPrefix } from '../model/address.ts';
import { type Destination, type DestinationKey, sameDestination } from '../model/destination.ts';
import { type Element, sameElement, type Table } from '../model/filter.ts';
import type { Timeouts, WantedSetting } from '../model/node-state.ts';
import { type Binding, bindingId, type Op } from '../model/op.ts';
import { sameService, type VirtualService, type VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual, ActualService } from './actual.ts';
import { type ActualFilter, elementOf, isOfService, serviceOf } from './actual-filter.ts';
import { drain } from './drain.ts';
import { withLostRoutes } from './lost-routes.ts';
import { settingOps, tableOps } from './plan-node.ts';

export interface Wanted {
  readonly service: VirtualService;
  readonly destinations: readonly Destination[];
  /** Milliseconds a drain may last; undefined: until the destination is idle. */
  readonly drainTimeout: number | undefined;
}

/** What should be. All lookups are O(1) or O(the Service). */
export interface Desired {
  readonly device: boolean;
  readonly wanted: (id: string) => Wanted | undefined;
  /** The binding as it should be, with its source; undefined where there should be none. */
  readonly wantedBinding: (binding: Binding) => Binding | undefined;
  /** Whether a wanted binding holds the address. */
  readonly holds: (address: Address) => boolean;
  /** Whether another device than kube-ipvs0 has the address, so that clients reach it whatever kube-ipvs0 holds. */
  readonly isHeldElsewhere: (address: Address) => boolean;
  /** The element as it should be, with its data. */
  readonly wantedElement: (id: string) => Element | undefined;
  /** One of each family, or none. */
  readonly tables: readonly Table[];
  readonly settings: readonly WantedSetting[];
  readonly timeouts: Timeouts | undefined;
}

export interface Limits {
  /**
   * By id of the key. False while an object that is not known yet may claim the key: it is kept then, though nobody claims it. `address` is
   * given of a key that serves all virtual services at that address: for it, false while an unknown object may claim one of these.
   */
  readonly mayDelete: (id: string, address?: Address) => boolean;
  /**
   * By virtual service. False while an EndpointSlice of its Service is not known: a destination that no known one names keeps its weight
   * then, and clients are not kept away for want of an endpoint here.
   */
  readonly mayDrain: (id: string) => boolean;
  /** By id of an element that speaks of an endpoint. False while an EndpointSlice that names it may be one that cannot be read. */
  readonly mayForget: (id: string) => boolean;
  /** Addresses at which nothing is ever deleted. */
  readonly excluded: (address: Address) => boolean;
}

/** Phases, in order. Inside one, operations do not depend on each other. */
export const phases = [
  'set',
  'add device',
  'make table',
  'add element',
  'restrict',
  'add service',
  'add destination',
  'edit service',
  'edit destination',
  'raise device',
  'bind',
  'drain',
  'delete destination',
  'delete service',
  'unbind',
  'lift',
  'delete element',
  'delete device',
  'delete table',
] as const;
export type Phase = (typeof phases)[number];

export interface Draining {
  readonly service: VirtualServiceKey;
  readonly destination: Destination;
  readonly active: number;
  readonly inactive: number;
}

export interface Resting {
  readonly service: VirtualServiceKey;
  readonly destination: DestinationKey;
}

/** A destination that no endpoint names, and that an EndpointSlice which cannot be read may name. */
export interface Kept {
  readonly service: VirtualServiceKey;
  readonly destination: Destination;
}

export interface Plan {
  readonly ops: Readonly<Record<Phase, readonly Op[]>>;
  /** Destinations that keep weight 0 until their connections end. */
  readonly draining: readonly Draining[];
  /** Destinations that are wanted with weight 0. */
  readonly resting: readonly Resting[];
  /** Unclaimed keys kept because not everything is known that could claim them. */
  readonly held: readonly string[];
  readonly kept: readonly Kept[];
  /** Elements that are not added because not everything is known that could make them needless. */
  readonly postponed: readonly string[];
  /** Elements of virtual services at excluded addresses that stay, though nobody wants them. */
  readonly spared: readonly Element[];
  readonly unchanged: Readonly<Record<'services' | 'destinations' | 'addresses' | 'elements', number>>;
}

/** A plan's operations in the order in which they would be applied. */
export function operations(plan: Plan): Op[] {
  return phases.flatMap((phase) => plan.ops[phase]);
}

/** All that stays because something could not be read, as people read it. */
export function heldTexts({ held, kept }: Pick<Plan, 'held' | 'kept'>): string[] {
  return [...held, ...kept.map(({ service, destination }) => `${service.id} -> ${destination.id}`)];
}

/** Keys to look at. */
export interface Keys {
  readonly services: Iterable<VirtualServiceKey>;
  readonly bindings: Iterable<Binding>;
  readonly elements: Iterable<Element>;
}

/** `pass` numbers the pass whose dumps count as fresh; `now` in milliseconds. */
export function plan(keys: Keys, desired: Desired, actual: Actual, limits: Limits, pass: number, now: number): Plan {
  const draft = new Draft(limits, pass, now);
  for (const op of settingOps(desired, actual)) draft.push('set', op);
  if (desired.device && actual.device === 'absent') draft.push('add device', { kind: 'device', verb: 'add' });
  for (const op of tableOps(desired.tables, actual.filter)) draft.push('make table', op);
  const elements = [...keys.elements];
  for (const one of elements) draft.makeRoom(one, desired, actual.filter);
  for (const { id } of elements) draft.element(id, desired, actual.filter);
  for (const key of keys.services) draft.service(key, desired.wanted(key.id), actual);
  for (const binding of keys.bindings) {
    if (!isReplaced(binding, desired)) draft.binding(binding, desired, actual);
  }
  draft.ops.unbind = withLostRoutes(draft.ops.unbind, draft.ops.bind, desired, actual);
  draft.device(desired.device, actual);
  draft.tables(desired.tables, actual.filter);
  return draft;
}

/**
 * Whether the same IPv6 address is wanted with the prefix of a host. Linux has one once on a device (EEXIST; inet6_rtm_newaddr in addrconf.c,
 * 6.1), so the other goes right before this one comes.
 */
export function isReplaced({ form, address, prefix }: Binding, desired: Desired): boolean {
  if (form === 'route' || familyOf(address) === 4 || prefix === hostPrefix(6)) return false;
  return desired.wantedBinding({ form, address, prefix: hostPrefix(6) }) !== undefined;
}

/** Whether another device has the address, and what is ours at it is marked without kube-ipvs0. */
export function isKeptElsewhere(address: Address, desired: Desired, actual: Actual): boolean {
  return desired.isHeldElsewhere(address) && actual.marksAllAt(address);
}

/** Whether the node should hold the address of the virtual service, and does not. */
export function isOutOfReach({ address }: VirtualServiceKey, desired: Desired, actual: Actual): boolean {
  return !actual.holds(address) && desired.holds(address);
}

/** A plan while it is written. */
class Draft implements Plan {
  readonly ops = Object.fromEntries(phases.map((phase) => [phase, [] as Op[]])) as Record<Phase, Op[]>;
  readonly draining: Draining[] = [];
  readonly resting: Resting[] = [];
  readonly held: string[] = [];
  readonly kept: Kept[] = [];
  readonly postponed: string[] = [];
  readonly spared: Element[] = [];
  readonly unchanged = { services: 0, destinations: 0, addresses: 0, elements: 0 };
  /** Elements that went to make room. */
  readonly #made = new Set<string>();
  readonly #limits: Limits;
  readonly #pass: number;
  readonly #now: number;

  constructor(limits: Limits, pass: number, now: number) {
    this.#limits = limits;
    this.#pass = pass;
    this.#now = now;
  }

  push(phase: Phase, op: Op): void {
    this.ops[phase].push(op);
  }

  service(key: VirtualServiceKey, wanted: Wanted | undefined, actual: Actual): void {
    const known = actual.service(key.id);
    for (const destination of wanted?.destinations ?? []) {
      if (destination.weight === 0) this.resting.push({ service: key, destination });
    }
    if (wanted === undefined) {
      if (known !== undefined && this.#mayDelete(known, actual)) this.#deleteService(known);
    } else if (known === undefined) {
      this.push('add service', { kind: 'service', verb: 'add', service: wanted.service });
      for (const destination of wanted.destinations) this.#addDestination(wanted.service, destination);
    } else {
      this.#editService(wanted, known);
    }
  }

  binding(binding: Binding, desired: Desired, actual: Actual): void {
    const wanted = desired.wantedBinding(binding);
    const bound = actual.bindings.get(bindingId(binding));
    if (wanted === undefined) {
      if (bound !== undefined && !this.#isExcluded(bound, desired, actual)) this.#unbind(bound);
    } else if (bound === undefined) this.#bind(wanted, actual);
    else if (bound.source === wanted.source) this.unchanged.addresses++;
    else this.push('bind', { kind: 'binding', verb: 'edit', binding: wanted });
  }

  /**
   * Sources of a virtual service that stays restricted: nf_tables takes no network beside another that holds it or lies in it, so the old
   * one goes in the same transaction, before the new one comes.
   */
  makeRoom({ id, set }: Element, desired: Desired, filter: ActualFilter): void {
    const there = filter.elements.get(id);
    if (set !== 'allowedSources' || there === undefined || desired.wantedElement(id) !== undefined) return;
    if (desired.wantedElement(elementOf(serviceOf(there), 'restricted').id) === undefined) return;
    this.push('add element', { kind: 'element', verb: 'delete', element: there });
    this.#made.add(id);
  }

  element(id: string, desired: Desired, filter: ActualFilter): void {
    const there = filter.elements.get(id);
    const wanted = desired.wantedElement(id);
    if (wanted === undefined) {
      if (there !== undefined && !this.#made.has(id)) this.#deleteElement(there, desired);
      return;
    }
    const kept = there !== undefined && !this.#makesTable(wanted.family);
    if (kept && sameElement(there, wanted)) {
      this.unchanged.elements++;
      return;
    }
    if (wanted.set === 'withoutLocal' && !this.#limits.mayDrain(serviceOf(wanted).id)) {
      this.postponed.push(id);
      return;
    }
    const phase = restricts(wanted) ? 'restrict' : 'add element';
    // a map's data cannot be edited; both go in one transaction
    if (kept) this.push(phase, { kind: 'element', verb: 'delete', element: there });
    this.push(phase, { kind: 'element', verb: 'add', element: wanted });
  }

  tables(wanted: readonly Table[], filter: ActualFilter): void {
    for (const [family, state] of filter.tables) {
      if (state === 'absent' || wanted.some((table) => table.family === family)) continue;
      if (this.#deletionsOf(family) < filter.count(family)) continue;
      this.push('delete table', { kind: 'table', verb: 'delete', table: { family, sets: [], chains: [] } });
    }
  }

  device(wanted: boolean, actual: Actual): void {
    if (wanted || actual.device === 'absent' || actual.device === undefined) return;
    if (this.ops.unbind.length === actual.bindings.size) this.push('delete device', { kind: 'device', verb: 'delete' });
  }

  #makesTable(family: Family): boolean {
    return this.ops['make table'].some((op) => op.kind === 'table' && op.verb === 'add' && op.table.family === family);
  }

  #deletionsOf(family: Family): number {
    const ops = [...this.ops.lift, ...this.ops['delete element']];
    return ops.filter((op) => op.kind === 'element' && op.element.family === family).length;
  }

  /**
   * What speaks of a claimed virtual service is the claimant's affair. With one that nobody claims, at an excluded address, stays all
   * that the packet filter knows of it.
   */
  #deleteElement(there: Element, desired: Desired): void {
    const { excluded, mayDelete, mayForget } = this.#limits;
    const service = isOfService(there) ? serviceOf(there) : undefined;
    const claimed = service !== undefined && desired.wanted(service.id) !== undefined ? service : undefined;
    const virtualIP = there.set === 'virtualIPs' ? (there.key[0] as Address) : undefined;
    const address = service?.address ?? virtualIP;
    if (claimed === undefined && address !== undefined && excluded(address)) {
      if (service !== undefined) this.spared.push(there);
      return;
    }
    const isNamed = there.set === 'hairpins' && !mayForget(there.id);
    if (isNamed || !mayDelete(claimed?.id ?? there.id, virtualIP)) this.held.push(there.id);
    else this.push(restricts(there) ? 'lift' : 'delete element', { kind: 'element', verb: 'delete', element: there });
  }

  /** A route wider than a host is, too, while a virtual service at an excluded address would be out of reach without it. */
  #isExcluded(binding: Binding, desired: Desired, actual: Actual): boolean {
    const { excluded } = this.#limits;
    const isHeld = (address: Address) => desired.holds(address) || isKeptElsewhere(address, desired, actual);
    return (
      excluded(binding.address) || actual.servedBy(binding).some((address) => excluded(address) && !isHeld(address))
    );
  }

  #unbind(binding: Binding): void {
    const id = bindingId(binding);
    if (this.#limits.mayDelete(id, binding.address)) this.push('unbind', { kind: 'binding', verb: 'delete', binding });
    else this.held.push(id);
  }

  #bind(binding: Binding, actual: Actual): void {
    const isUp = typeof actual.device === 'object' && actual.device.up;
    const needsUp = binding.form === 'route' && familyOf(binding.address) === 6;
    if (needsUp && !isUp && this.ops['raise device'].length === 0) {
      this.push('raise device', { kind: 'device', verb: 'edit', change: 'addrgenmode none' });
      this.push('raise device', { kind: 'device', verb: 'edit', change: 'up' });
    }
    const inTheWay = this.#limits.excluded(binding.address) ? [] : actual.inTheWayOf(binding);
    for (const other of inTheWay) this.push('bind', { kind: 'binding', verb: 'delete', binding: other });
    this.push('bind', { kind: 'binding', verb: 'add', binding });
  }

  #mayDelete(known: ActualService, actual: Actual): boolean {
    if (this.#limits.excluded(known.service.address) || !actual.isOurs(known)) return false;
    if (this.#limits.mayDelete(known.service.id)) return true;
    this.held.push(known.service.id);
    return false;
  }

  #deleteService({ service, destinations }: ActualService): void {
    for (const { destination } of destinations.values()) {
      this.push('delete destination', { kind: 'destination', verb: 'delete', service, destination });
    }
    this.push('delete service', { kind: 'service', verb: 'delete', service });
  }

  #editService(wanted: Wanted, known: ActualService): void {
    const { service, destinations } = wanted;
    if (sameService(service, known.service)) this.unchanged.services++;
    else this.push('edit service', { kind: 'service', verb: 'edit', service });
    let found = 0;
    for (const destination of destinations) {
      const there = known.destinations.get(destination.id)?.destination;
      if (there === undefined) {
        this.#addDestination(service, destination);
        continue;
      }
      found++;
      const phase = destination.weight > 0 ? 'edit destination' : 'drain';
      if (sameDestination(destination, there)) this.unchanged.destinations++;
      else this.push(phase, { kind: 'destination', verb: 'edit', service, destination });
    }
    if (found < known.destinations.size) this.#drainOthers(wanted, known);
  }

  #addDestination(service: VirtualServiceKey, destination: Destination): void {
    this.push('add destination', { kind: 'destination', verb: 'add', service, destination });
  }

  #drainOthers({ service, destinations, drainTimeout }: Wanted, known: ActualService): void {
    const kept = new Set(destinations.map(({ id }) => id));
    const mayDrain = this.#limits.mayDrain(service.id);
    for (const actual of known.destinations.values()) {
      const { destination, connections } = actual;
      if (kept.has(destination.id)) continue;
      if (!mayDrain) {
        this.kept.push({ service, destination });
        continue;
      }
      switch (drain(service.protocol, actual, this.#pass, this.#now, drainTimeout)) {
        case 'delete':
          this.push('delete destination', { kind: 'destination', verb: 'delete', service, destination });
          continue;
        case 'start':
          this.push('drain', {
            kind: 'destination',
            verb: 'edit',
            service,
            destination: { ...destination, weight: 0 },
          });
          break;
        case 'wait':
          break;
      }
      this.draining.push({ service, destination, ...connections });
    }
  }
}

/** Elements that close a way: set when those that keep it open are, and lifted before those go. */
function restricts({ set }: Element): boolean {
  return set === 'restricted' || set === 'withoutLocal';
}
