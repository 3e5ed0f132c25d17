/**
 * What the kernel last told us, in memory: the only thing a diff runs against. Fed by dumps (`observe…`) and by answers to
 * operations (`fold.ts`), never by hope. What an answer left open is `unknown` and must be read before it is decided on.
 */

import { isDeepStrictEqual } from 'node:util';
import { type Address, cidrContains, hostPrefix, familyOf } from '../model/address.ts';
import { type Connections, type Destination, type ObservedDestination, sameDestination } from '../model/destination.ts';
import { type Binding, bindingId } from '../model/op.ts';
import { inPieces } from '../model/pieces.ts';
import type { ObservedSetting, Timeouts } from '../model/node-state.ts';
import {
  type ObservedVirtualService,
  sameService,
  type VirtualService,
  type VirtualServiceKey,
} from '../model/virtual-service.ts';
import type { Device } from '../kernel/kernel.ts';
import { ActualFilter } from './actual-filter.ts';
import { mirror } from './mirror.ts';

export interface ActualDestination {
  destination: Destination;
  /** As of the pass numbered `observedIn`; a later pass must not trust them. */
  connections: Connections;
  observedIn: number;
  /** When it got weight 0 to drain, or was first seen with it; milliseconds. Undefined while it is wanted, with whatever weight. */
  drainingSince: number | undefined;
}

export interface ActualService {
  service: VirtualService;
  /** By destination id. Empty and `read` false: only the service's own entry is known. */
  readonly destinations: Map<string, ActualDestination>;
  read: boolean;
  /** We added it, as far as we know, or saw its address on our device once: it stays ours even while no address marks it. */
  ours: boolean;
}

const never: Connections = { active: 0, inactive: 0 };

export class Actual {
  /** undefined: not known. */
  device: Device | 'absent' | undefined;
  readonly services = new Map<string, ActualService>();
  readonly bindings = new Map<string, Binding>();
  /** Virtual services whose state an answer left open. */
  readonly unknown = new Map<string, VirtualServiceKey>();
  /** The device or its bindings must be read again. */
  bindingsUnknown = true;
  readonly filter = new ActualFilter();
  /** Settings or timeouts must be read again. */
  settingsUnknown = true;
  /** By name. */
  readonly settings = new Map<string, ObservedSetting>();
  /** undefined: not known. */
  timeouts: Timeouts | undefined;
  /** Address → how many addresses and host routes of the device name it. */
  readonly #held = new Map<Address, number>();
  /** Local routes shorter than a host's: each holds all addresses inside. */
  readonly #wideRoutes = new Map<string, Binding>();
  /** How many IPv4 addresses the device has. */
  #addresses = 0;
  readonly #servicesAt = new Map<Address, Set<ActualService>>();
  /** Virtual services that are ours if they are there: we asked for them, and nobody has looked since. */
  readonly #asked = new Set<string>();
  /** The last dumps, as long as nothing has changed the mirror since: the same dump again says nothing new. */
  #seenServices: readonly ObservedVirtualService[] | undefined;
  #seenBindings: readonly Binding[] | undefined;

  service(id: string): ActualService | undefined {
    return this.services.get(id);
  }

  /** Whether kube-ipvs0 holds the address, by an address or by a local route. Costs O(routes wider than a host). */
  holds(address: Address): boolean {
    if (this.#held.has(address)) return true;
    for (const route of this.#wideRoutes.values()) if (cidrContains(route, address)) return true;
    return false;
  }

  /** The bindings of a host's length or wider routes that hold the address. Costs O(routes wider than a host). */
  holders(address: Address): Binding[] {
    const prefix = hostPrefix(familyOf(address));
    const hosts = (['address', 'route'] as const).map((form): Binding => ({ form, address, prefix }));
    return [
      ...hosts.filter((binding) => this.bindings.has(bindingId(binding))),
      ...[...this.#wideRoutes.values()].filter((route) => cidrContains(route, address)),
    ];
  }

  /** The same IPv6 address with another prefix: a device has one once. Costs O(bindings) where there is one. */
  inTheWayOf({ form, address }: Binding): Binding[] {
    if (form === 'route' || familyOf(address) === 4) return [];
    const routed = this.bindings.has(bindingId({ form: 'route', address, prefix: hostPrefix(6) })) ? 1 : 0;
    if ((this.#held.get(address) ?? 0) <= routed) return [];
    return [...this.bindings.values()].filter((other) => other.form === form && other.address === address);
  }

  /**
   * Addresses that the binding holds and at which virtual services are, or may be. Costs O(unknown), for a route wider than a host
   * O(addresses of services) more.
   */
  servedBy(binding: Binding): Address[] {
    const inDoubt = [...this.unknown.values()].map(({ address }) => address);
    if (isWideRoute(binding)) {
      return [...this.#servicesAt.keys(), ...inDoubt].filter((address) => cidrContains(binding, address));
    }
    const { address } = binding;
    return this.#servicesAt.has(address) || inDoubt.includes(address) ? [address] : [];
  }

  /** A virtual service is ours when the kernel says so: its address is on our device, or one of our sets names it. */
  isOurs({ ours, service }: ActualService): boolean {
    return ours || this.holds(service.address) || this.filter.marks(service);
  }

  /** What is ours now stays so, whatever becomes of its address while we work, and what is adopted is too. Costs O(services). */
  async rememberOurs(adopts: (service: VirtualServiceKey) => boolean = () => false): Promise<void> {
    await inPieces(this.services.values(), (actual) => {
      actual.ours ||= this.isOurs(actual) || adopts(actual.service);
    });
  }

  hasServiceAt(address: Address): boolean {
    return this.#servicesAt.has(address);
  }

  /** One of our sets names every virtual service at the address, so that they are ours without an address of the device. */
  marksAllAt(address: Address): boolean {
    return [...(this.#servicesAt.get(address) ?? [])].every(({ service }) => this.filter.marks(service));
  }

  /** The answer to its addition was lost. Found in the kernel it is ours, also when what marked it is gone by then. */
  asked({ id }: VirtualServiceKey): void {
    this.#asked.add(id);
  }

  /** What is ours in the mirror before this one is ours here once it is found. Costs O(services). */
  inherit(before: Actual): void {
    for (const id of before.#asked) this.#asked.add(id);
    for (const known of before.services.values()) if (before.isOurs(known)) this.#asked.add(known.service.id);
  }

  setService(service: VirtualService, added: boolean): ActualService {
    this.#seenServices = undefined;
    const ours = this.#asked.delete(service.id) || added;
    const known = this.services.get(service.id);
    if (known !== undefined) {
      known.service = service;
      known.ours ||= ours;
      return known;
    }
    const fresh: ActualService = { service, destinations: new Map(), read: added, ours };
    this.services.set(service.id, fresh);
    const siblings = this.#servicesAt.get(service.address);
    if (siblings === undefined) this.#servicesAt.set(service.address, new Set([fresh]));
    else siblings.add(fresh);
    return fresh;
  }

  deleteService(id: string): void {
    const known = this.services.get(id);
    this.unknown.delete(id);
    this.#asked.delete(id);
    if (known === undefined) return;
    this.#seenServices = undefined;
    this.services.delete(id);
    const siblings = this.#servicesAt.get(known.service.address);
    siblings?.delete(known);
    if (siblings?.size === 0) this.#servicesAt.delete(known.service.address);
  }

  /**
   * Replaces what is known of which virtual services exist, and how they are configured, by a dump of all. Answers those that are not
   * as they were believed to be.
   */
  async observeServices(observed: readonly ObservedVirtualService[]): Promise<VirtualServiceKey[]> {
    if (observed === this.#seenServices) return [];
    const differing = await mirror<ObservedVirtualService>(observed, this.services, {
      idOf: ({ service }) => service.id,
      isSame: (known, { service }) => sameService(known.service, service),
      set: ({ service }) => this.setService(service, false),
      remove: ({ service }) => this.deleteService(service.id),
    });
    this.#asked.clear();
    this.#seenServices = observed;
    return differing.map(({ service }) => service);
  }

  /** A destination after an answered add or edit. */
  setDestination(actual: ActualService, destination: Destination, now: number): void {
    const known = actual.destinations.get(destination.id);
    const drainingSince = destination.weight > 0 ? undefined : (known?.drainingSince ?? now);
    if (known !== undefined) {
      known.destination = destination;
      known.drainingSince = drainingSince;
    } else {
      actual.destinations.set(destination.id, { destination, connections: never, observedIn: -1, drainingSince });
    }
  }

  /** It is wanted with weight 0: a drain of it begins when it is wanted no more. */
  rest(service: string, destination: string): void {
    const known = this.services.get(service)?.destinations.get(destination);
    if (known !== undefined) known.drainingSince = undefined;
  }

  /**
   * Replaces what is known of a service's destinations by a dump of pass number `pass`. Answers whether any was not as it was
   * believed to be.
   */
  observeDestinations(id: string, observed: readonly ObservedDestination[], pass: number, now: number): boolean {
    const actual = this.services.get(id);
    if (actual === undefined) return false;
    const before = new Map(actual.destinations);
    actual.destinations.clear();
    let differ = before.size !== observed.length;
    for (const { destination, connections } of observed) {
      const known = before.get(destination.id);
      differ ||= known === undefined || !sameDestination(known.destination, destination);
      const isNews = known === undefined || known.destination.weight > 0;
      const drainingSince = destination.weight > 0 ? undefined : isNews ? now : known.drainingSince;
      actual.destinations.set(destination.id, { destination, connections, observedIn: pass, drainingSince });
    }
    actual.read = true;
    this.unknown.delete(id);
    return differ;
  }

  /** Replaces what is known of the device and of all that it holds by dumps. Answers the bindings that are not as they were believed to be. */
  async observeBindings(device: Device | undefined, bindings: readonly Binding[]): Promise<Binding[]> {
    this.bindingsUnknown = false;
    if (bindings === this.#seenBindings && isDeepStrictEqual(device, this.device)) return [];
    this.device = device ?? 'absent';
    const differing = await mirror(bindings, this.bindings, {
      idOf: bindingId,
      isSame: (known, binding) => known.source === binding.source,
      set: (binding) => this.setBinding(binding),
      remove: (binding) => this.#forgetBinding(binding),
    });
    this.#seenBindings = bindings;
    return differing;
  }

  setBinding(binding: Binding): void {
    this.#seenBindings = undefined;
    const id = bindingId(binding);
    const isNew = !this.bindings.has(id);
    this.bindings.set(id, binding);
    if (!isNew) return;
    if (isIPv4Address(binding)) this.#addresses++;
    // most packets are none of its, so it holds nothing
    if (binding.tos !== undefined) return;
    if (isWideRoute(binding)) this.#wideRoutes.set(id, binding);
    else count(this.#held, binding.address, 1);
  }

  /** With the last IPv4 address of a device Linux drops its IPv4 routes too (fib_disable_ip in fib_frontend.c, 6.1). */
  deleteBinding(binding: Binding): void {
    if (!this.#forgetBinding(binding) || !isIPv4Address(binding)) return;
    if (this.#addresses > 0) return;
    const routes = [...this.bindings.values()].filter(({ address }) => familyOf(address) === 4);
    for (const route of routes) this.#forgetBinding(route);
    if (routes.length > 0) this.bindingsUnknown = true;
  }

  deleteDevice(): void {
    this.#seenBindings = undefined;
    this.device = 'absent';
    this.bindings.clear();
    this.#held.clear();
    this.#wideRoutes.clear();
    this.#addresses = 0;
  }

  #forgetBinding(binding: Binding): boolean {
    const id = bindingId(binding);
    if (!this.bindings.delete(id)) return false;
    this.#seenBindings = undefined;
    if (isIPv4Address(binding)) this.#addresses--;
    if (binding.tos !== undefined) return true;
    if (isWideRoute(binding)) this.#wideRoutes.delete(id);
    else count(this.#held, binding.address, -1);
    return true;
  }
}

function isIPv4Address({ form, address }: Binding): boolean {
  return form === 'address' && familyOf(address) === 4;
}

function isWideRoute({ form, address, prefix }: Binding): boolean {
  return form === 'route' && prefix < hostPrefix(familyOf(address));
}

function count(counts: Map<Address, number>, address: Address, change: 1 | -1): void {
  const sum = (counts.get(address) ?? 0) + change;
  if (sum === 0) counts.delete(address);
  else counts.set(address, sum);
}
