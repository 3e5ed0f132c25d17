/**
 * What is known of the cluster: cluster events in, facts with their indexes and the names of Services to look at again out.
 * Holds no decision; a lookup costs O(1), an event O(its own object), what a change of the Node means is for others to say.
 */

import { isDeepStrictEqual } from 'node:util';
import type { ClusterEvent, EndpointSlice, Node, NodeAddress, ObjectName, Service, Source } from '../model/cluster.ts';

const sources: readonly Source[] = ['services', 'endpointSlices', 'node', 'nodeAddresses'];

export class Store {
  readonly #services = new Map<ObjectName, Service>();
  /** How many Services ask for each scheduler. */
  readonly #schedulers = new Map<string, number>();
  readonly #slices = new Map<ObjectName, EndpointSlice>();
  readonly #slicesOfService = new Map<ObjectName, Map<ObjectName, EndpointSlice>>();
  readonly #synced = new Set<Source>();
  /** Services that could not be read and of which nothing earlier is known. */
  readonly #unread = new Set<ObjectName>();
  /** Likewise, EndpointSlices, each with the Service or namespace whose endpoints it may name. */
  readonly #unreadSlices = new Map<ObjectName, string>();
  #node: Node | undefined;
  #nodeAddresses: readonly NodeAddress[] = [];
  #dirty = new Set<ObjectName>();
  #pendingServices = 0;
  #pendingSlices = 0;

  apply(event: ClusterEvent): void {
    switch (event.kind) {
      case 'service':
        return event.verb === 'set' ? this.#setService(event.service) : this.#deleteService(event.name);
      case 'endpointSlice':
        return event.verb === 'set' ? this.#setSlice(event.slice) : this.#deleteSlice(event.name);
      case 'node':
        this.#node = event.verb === 'set' ? event.node : undefined;
        return;
      case 'nodeAddresses':
        this.#nodeAddresses = event.addresses;
        return;
      case 'unreadable':
        if (event.object === 'Service' && !this.#services.has(event.name)) this.#unread.add(event.name);
        if (event.object === 'EndpointSlice' && !this.#slices.has(event.name)) {
          this.#forgetUnreadSlice(event.name);
          this.#unreadSlices.set(event.name, event.service ?? namespaceOf(event.name));
        }
        return;
      case 'synced':
        this.#synced.add(event.source);
        return;
      default:
        return event satisfies never;
    }
  }

  service(name: ObjectName): Service | undefined {
    return this.#services.get(name);
  }

  /** Of all Services. O(Services). */
  names(): ReadonlySet<ObjectName> {
    return new Set(this.#services.keys());
  }

  /** Those that Services ask for by name, once each. */
  get schedulers(): Iterable<string> {
    return this.#schedulers.keys();
  }

  slice(name: ObjectName): EndpointSlice | undefined {
    return this.#slices.get(name);
  }

  /** The slices of a Service in the order of their names, so that what is derived from them is stable. */
  slicesOf(name: ObjectName): readonly EndpointSlice[] {
    const slices = [...(this.#slicesOfService.get(name)?.values() ?? [])];
    return slices.length < 2 ? slices : slices.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  get node(): Node | undefined {
    return this.#node;
  }

  /** Of all devices but kube-ipvs0, as last told. */
  get nodeAddresses(): readonly NodeAddress[] {
    return this.#nodeAddresses;
  }

  /** Every source has told all it had at start. Nothing is decided before. */
  get synced(): boolean {
    return sources.every((source) => this.#synced.has(source));
  }

  /** Services that exist but could not be read: while there are any, what nobody claims may be theirs and is kept. */
  get unread(): ReadonlySet<ObjectName> {
    return this.#unread;
  }

  /** EndpointSlices that exist but could not be read. */
  get unreadSlices(): Iterable<ObjectName> {
    return this.#unreadSlices.keys();
  }

  /** Services, and namespaces, whose endpoints those may name. O(such slices). */
  get unreadEndpoints(): ReadonlySet<string> {
    return new Set(this.#unreadSlices.values());
  }

  /** The names of Services whose facts changed since they were last taken. */
  get dirty(): ReadonlySet<ObjectName> {
    return this.#dirty;
  }

  /** How many changes of Services and of EndpointSlices nobody has taken yet. */
  get pending(): { readonly services: number; readonly slices: number } {
    return { services: this.#pendingServices, slices: this.#pendingSlices };
  }

  /** Something that all Services depend on changed. O(Services). */
  markAll(): void {
    // made by the engine itself: a loop would hold up the event loop ten times as long
    this.#dirty = new Set([...this.#services.keys(), ...this.#dirty]);
  }

  /** The names of Services whose facts changed since the last call. The caller owns them from here on. */
  takeDirty(): ReadonlySet<ObjectName> {
    const dirty = this.#dirty;
    this.#pendingServices = 0;
    this.#pendingSlices = 0;
    this.#dirty = new Set();
    return dirty;
  }

  /** What says the same as before is no change: a watch that starts anew tells everything again. */
  #setService(service: Service): void {
    this.#unread.delete(service.name);
    const before = this.#services.get(service.name);
    if (isDeepStrictEqual(before, service)) return;
    this.#services.set(service.name, service);
    this.#countScheduler(service, 1);
    if (before !== undefined) this.#countScheduler(before, -1);
    this.#pendingServices++;
    this.#dirty.add(service.name);
  }

  #deleteService(name: ObjectName): void {
    this.#unread.delete(name);
    const before = this.#services.get(name);
    if (before === undefined) return;
    this.#services.delete(name);
    this.#countScheduler(before, -1);
    this.#pendingServices++;
    this.#dirty.add(name);
  }

  #countScheduler({ tuning: { scheduler } }: Service, change: number): void {
    if (scheduler === undefined) return;
    const count = (this.#schedulers.get(scheduler) ?? 0) + change;
    if (count > 0) this.#schedulers.set(scheduler, count);
    else this.#schedulers.delete(scheduler);
  }

  /** Destinations were kept because of it: they are to be looked at again. O(Services) where nobody knew whose they are. */
  #forgetUnreadSlice(name: ObjectName): void {
    const scope = this.#unreadSlices.get(name);
    if (scope === undefined) return;
    this.#unreadSlices.delete(name);
    if (scope.includes('/')) this.#dirty.add(scope);
    else for (const service of this.#services.keys()) if (namespaceOf(service) === scope) this.#dirty.add(service);
  }

  #setSlice(slice: EndpointSlice): void {
    this.#forgetUnreadSlice(slice.name);
    if (isDeepStrictEqual(this.#slices.get(slice.name), slice)) return;
    if (this.#slices.has(slice.name)) this.#deleteSlice(slice.name);
    else this.#pendingSlices++;
    this.#slices.set(slice.name, slice);
    let siblings = this.#slicesOfService.get(slice.service);
    if (siblings === undefined) this.#slicesOfService.set(slice.service, (siblings = new Map()));
    siblings.set(slice.name, slice);
    this.#dirty.add(slice.service);
  }

  #deleteSlice(name: ObjectName): void {
    this.#forgetUnreadSlice(name);
    const slice = this.#slices.get(name);
    if (slice === undefined) return;
    this.#slices.delete(name);
    const siblings = this.#slicesOfService.get(slice.service);
    siblings?.delete(name);
    if (siblings?.size === 0) this.#slicesOfService.delete(slice.service);
    this.#pendingSlices++;
    this.#dirty.add(slice.service);
  }
}

export function namespaceOf(name: ObjectName): string {
  return name.slice(0, name.indexOf('/'));
}
