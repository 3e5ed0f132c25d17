/**
 * The difference between wanted and actual at a set of keys, as operations in the order that never leaves a virtual service worse
 * than it was. Pure; costs O(keys given and their destinations).
 */

import { type Address, familyOf } from '../model/address.ts';
import type { Destination } from '../model/destination.ts';
import { type Binding, bindingId, type Op } from '../model/op.ts';
import { sameDestination } from '../model/destination.ts';
import { sameService, type VirtualService, type VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual, ActualService } from './actual.ts';
import { drain } from './drain.ts';

export interface Wanted {
  readonly service: VirtualService;
  readonly destinations: readonly Destination[];
}

/** What should be. All lookups are O(1) or O(the Service). */
export interface Desired {
  readonly device: boolean;
  readonly wanted: (id: string) => Wanted | undefined;
  readonly wantsBinding: (binding: Binding) => boolean;
}

export interface Limits {
  /** False while a source may still tell of something that claims it: what nobody claims is then kept. */
  readonly mayDelete: boolean;
  /** False while an EndpointSlice may still tell of it: a destination that none names keeps its weight. */
  readonly mayDrain: boolean;
  /** Addresses at which nothing is ever deleted. */
  readonly excluded: (address: Address) => boolean;
  /** Milliseconds a drain may last; undefined: until the destination is idle. */
  readonly drainTimeout: number | undefined;
}

/** Phases, in order. Inside one, operations do not depend on each other. */
export const phases = [
  'add device',
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
  'delete device',
] as const;
export type Phase = (typeof phases)[number];

export interface Draining {
  readonly service: VirtualServiceKey;
  readonly destination: Destination;
  readonly active: number;
  readonly inactive: number;
}

export interface Plan {
  readonly ops: Readonly<Record<Phase, readonly Op[]>>;
  /** Destinations that keep weight 0 until their connections end. */
  readonly draining: readonly Draining[];
  /** Unclaimed keys and unnamed destinations kept because not everything is known that could claim them. */
  readonly held: readonly string[];
  readonly unchanged: { readonly services: number; readonly destinations: number; readonly addresses: number };
}

/** Keys to look at. */
export interface Keys {
  readonly services: Iterable<VirtualServiceKey>;
  readonly bindings: Iterable<Binding>;
}

/** `pass` numbers the pass whose dumps count as fresh; `now` in milliseconds. */
export function plan(keys: Keys, desired: Desired, actual: Actual, limits: Limits, pass: number, now: number): Plan {
  const draft = new Draft(limits, pass, now);
  if (desired.device && actual.device === 'absent') draft.push('add device', { kind: 'device', verb: 'add' });
  for (const key of keys.services) draft.service(key, desired.wanted(key.id), actual);
  for (const binding of keys.bindings) draft.binding(binding, desired.wantsBinding(binding), actual);
  draft.device(desired.device, actual);
  return draft;
}

/** A plan while it is written. */
class Draft implements Plan {
  readonly ops = Object.fromEntries(phases.map((phase) => [phase, [] as Op[]])) as Record<Phase, Op[]>;
  readonly draining: Draining[] = [];
  readonly held: string[] = [];
  readonly unchanged = { services: 0, destinations: 0, addresses: 0 };
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
    if (wanted === undefined) {
      if (known !== undefined && this.#mayDelete(known, actual)) this.#deleteService(known);
    } else if (known === undefined) {
      this.push('add service', { kind: 'service', verb: 'add', service: wanted.service });
      for (const destination of wanted.destinations) this.#addDestination(wanted.service, destination);
    } else {
      this.#editService(wanted, known);
    }
  }

  binding(binding: Binding, wanted: boolean, actual: Actual): void {
    const bound = actual.bindings.has(bindingId(binding));
    if (wanted && bound) this.unchanged.addresses++;
    else if (wanted) this.#bind(binding, actual);
    else if (bound && !this.#limits.excluded(binding.address)) {
      if (this.#limits.mayDelete) this.push('unbind', { kind: 'binding', verb: 'delete', binding });
      else this.held.push(bindingId(binding));
    }
  }

  device(wanted: boolean, actual: Actual): void {
    if (wanted || actual.device === 'absent' || actual.device === undefined) return;
    if (this.ops.unbind.length === actual.bindings.size) this.push('delete device', { kind: 'device', verb: 'delete' });
  }

  #bind(binding: Binding, actual: Actual): void {
    const isUp = typeof actual.device === 'object' && actual.device.up;
    const needsUp = binding.form === 'route' && familyOf(binding.address) === 6;
    if (needsUp && !isUp && this.ops['raise device'].length === 0) {
      this.push('raise device', { kind: 'device', verb: 'edit', change: 'addrgenmode none' });
      this.push('raise device', { kind: 'device', verb: 'edit', change: 'up' });
    }
    this.push('bind', { kind: 'binding', verb: 'add', binding });
  }

  #mayDelete(known: ActualService, actual: Actual): boolean {
    if (this.#limits.excluded(known.service.address) || !actual.isOurs(known)) return false;
    if (this.#limits.mayDelete) return true;
    this.held.push(known.service.id);
    return false;
  }

  #deleteService({ service, destinations }: ActualService): void {
    for (const { destination } of destinations.values()) {
      this.push('delete destination', { kind: 'destination', verb: 'delete', service, destination });
    }
    this.push('delete service', { kind: 'service', verb: 'delete', service });
  }

  #editService({ service, destinations }: Wanted, known: ActualService): void {
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
      if (sameDestination(destination, there)) this.unchanged.destinations++;
      else this.push('edit destination', { kind: 'destination', verb: 'edit', service, destination });
    }
    if (found < known.destinations.size) this.#drainOthers(service, destinations, known);
  }

  #addDestination(service: VirtualServiceKey, destination: Destination): void {
    this.push('add destination', { kind: 'destination', verb: 'add', service, destination });
  }

  #drainOthers(service: VirtualServiceKey, wanted: readonly Destination[], known: ActualService): void {
    const kept = new Set(wanted.map(({ id }) => id));
    for (const actual of known.destinations.values()) {
      const { destination, connections } = actual;
      if (kept.has(destination.id)) continue;
      if (!this.#limits.mayDrain) {
        this.held.push(`${service.id} -> ${destination.id}`);
        continue;
      }
      switch (drain(service.protocol, actual, this.#pass, this.#now, this.#limits.drainTimeout)) {
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
