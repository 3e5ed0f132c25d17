/**
 * The one loop that changes the kernel: derives what is wanted at the dirty keys, plans, and has the plan applied.
 * A pass with every key dirty is the full synchronisation; there is no other.
 */

import { Claims, type Conflict } from '../desired/claims.ts';
import { type FrontEnd, frontEnds } from '../desired/front-ends.ts';
import { type Address, familyOf, hostPrefix } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import { type Binding, type BindingForm, bindingId, deviceName } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { Actual } from './actual.ts';
import { Dirty, type Ticket } from './dirty.ts';
import { type Desired, type Draining, type Limits, type Plan, plan } from './plan.ts';
import { type Surroundings, Turn, type TurnReport } from './turn.ts';

export interface Wishes {
  readonly nodeName: string;
  readonly scheduler: string;
  readonly vipBinding: BindingForm;
  /** Whether kube-ipvs0 should exist; false only for clean-up. */
  readonly device: boolean;
  readonly excluded: (address: Address) => boolean;
  /** Milliseconds; undefined: a drain ends when the destination is idle. */
  readonly drainTimeout: number | undefined;
}

/** What one turn is about to do. */
export interface Work {
  readonly plan: Plan;
  readonly services: readonly Ticket<VirtualServiceKey>[];
  readonly bindings: readonly Ticket<Binding>[];
  readonly device: readonly Ticket<typeof deviceName>[];
}

export interface PassReport extends TurnReport {
  readonly plan: Plan;
}

/** Services whose destinations one read asks for. */
const readSize = 512;

export class Reconciler {
  readonly #wishes: Wishes;
  readonly #surroundings: Surroundings;
  readonly #claims = new Claims();
  readonly #actual = new Actual();
  readonly #dirtyServices = new Dirty<VirtualServiceKey>();
  readonly #dirtyBindings = new Dirty<Binding>();
  /** The device is looked at by every plan; it is a key only so that what failed is tried again. */
  readonly #dirtyDevice = new Dirty<typeof deviceName>();
  readonly #derived = new Map<ObjectName, ReadonlyMap<string, FrontEnd>>();
  readonly #draining = new Map<string, readonly Draining[]>();
  /** Numbers the turn that is next: what a dump told since the last one counts as fresh in it. */
  #pass = 1;

  constructor(wishes: Wishes, surroundings: Surroundings) {
    this.#wishes = wishes;
    this.#surroundings = surroundings;
  }

  /** Reads all that is ours or claimed and makes every key dirty: at start, and whenever the mirror is to be verified. O(cluster). */
  async verify(): Promise<void> {
    const { kernel } = this.#surroundings;
    this.#takeChanges();
    this.#actual.observeServices(await kernel.services());
    this.#actual.observeBindings(await kernel.device(), await kernel.bindings());
    this.#actual.rememberOurs();
    const read: VirtualServiceKey[] = [];
    for (const known of this.#actual.services.values()) {
      const { service } = known;
      if (this.#claims.ownerOf(service.id) !== undefined || known.ours) read.push(service);
    }
    await this.#readDestinations(read);
    for (const key of [...read, ...this.#claims.keys()]) this.#dirtyServices.mark(key.id, key);
    for (const binding of this.#actual.bindings.values()) this.#dirtyBindings.mark(bindingId(binding), binding);
    for (const address of this.#claims.addresses()) this.#markAddress(address);
  }

  /** The destinations that drain are looked at again by the next pass. */
  checkDrains(): void {
    for (const [id, [first]] of this.#draining) {
      this.#actual.unknown.set(id, first!.service);
      this.#dirtyServices.mark(id, first!.service);
    }
  }

  /** One turn: what is due, planned and applied. undefined while a source has not told all it has. */
  async pass(): Promise<PassReport | undefined> {
    const work = await this.prepare();
    return work && this.#apply(work);
  }

  /** The first half of a turn: changes nothing in the kernel and forgets nothing. */
  async prepare(): Promise<Work | undefined> {
    const { store, now } = this.#surroundings;
    if (!store.synced) return undefined;
    this.#takeChanges();
    await this.#readUnknown();
    if (store.unread.size === 0) for (const keys of [this.#dirtyServices, this.#dirtyBindings]) keys.release();
    const services = this.#dirtyServices.due(now());
    const bindings = this.#dirtyBindings.due(now());
    const keys = { services: services.map(({ key }) => key), bindings: bindings.map(({ key }) => key) };
    const next = plan(keys, this.#desired(), this.#actual, this.#limits(), this.#pass, now());
    this.#derived.clear();
    if (this.#dirtyDevice.size === 0 && changesDevice(next)) this.#dirtyDevice.mark(deviceName, deviceName);
    return { plan: next, services, bindings, device: this.#dirtyDevice.due(now()) };
  }

  /** When there is work again without a new event; undefined when there is none. */
  nextDue(): number | undefined {
    const dirty = [this.#dirtyServices, this.#dirtyBindings, this.#dirtyDevice];
    const times = dirty.map((keys) => keys.nextDue()).filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Destinations that keep weight 0 until their connections end. */
  draining(): Draining[] {
    return [...this.#draining.values()].flat();
  }

  conflicts(): Conflict[] {
    return this.#claims.conflicts();
  }

  async #apply(work: Work): Promise<PassReport> {
    const turn = new Turn(this.#surroundings, this.#actual, work.plan, this.#desired());
    this.#pass++;
    this.#surroundings.onPlan?.(work.plan);
    const report = await turn.run();
    const now = this.#surroundings.now();
    for (const ticket of work.services) turn.settle(this.#dirtyServices, ticket, now);
    for (const ticket of work.bindings) turn.settle(this.#dirtyBindings, ticket, now);
    for (const ticket of work.device) turn.settle(this.#dirtyDevice, ticket, now);
    if (this.#actual.bindingsUnknown) this.#suspectBindings();
    for (const { id } of work.services) this.#draining.delete(id);
    for (const one of work.plan.draining) {
      this.#draining.set(one.service.id, [...(this.#draining.get(one.service.id) ?? []), one]);
    }
    return { ...report, plan: work.plan };
  }

  /** Folds the store's changes into claims and dirty keys; nothing awaits between, so no change can fall through. */
  #takeChanges(): void {
    const { store } = this.#surroundings;
    for (const name of store.takeDirty()) {
      this.#derived.delete(name);
      const wanted = [...this.#derive(name).values()];
      for (const key of this.#claims.replace(name, store.service(name)?.createdAt ?? '', wanted)) {
        this.#dirtyServices.mark(key.id, key);
        this.#markAddress(key.address);
        if (this.#actual.service(key.id)?.read === false) this.#actual.unknown.set(key.id, key);
      }
    }
  }

  /** A Service is derived once a turn; nothing derived outlives the turn. */
  #derive(name: ObjectName): ReadonlyMap<string, FrontEnd> {
    const known = this.#derived.get(name);
    if (known !== undefined) return known;
    const { store } = this.#surroundings;
    const service = store.service(name);
    const locality = { name: this.#wishes.nodeName, zone: store.node?.zone };
    const found = service === undefined ? [] : frontEnds(service, store.slicesOf(name), locality, this.#wishes);
    const derived = new Map(found.map((frontEnd) => [frontEnd.service.id, frontEnd]));
    this.#derived.set(name, derived);
    return derived;
  }

  #markAddress(address: Address): void {
    for (const form of ['address', 'route'] as const) {
      const binding = hostBinding(form, address);
      const id = bindingId(binding);
      if (form === this.#wishes.vipBinding || this.#actual.bindings.has(id)) this.#dirtyBindings.mark(id, binding);
    }
  }

  /** Any binding may be another than was believed. Costs O(addresses). */
  #suspectBindings(): void {
    for (const [id, binding] of this.#actual.bindings) this.#dirtyBindings.suspect(id, binding);
    for (const address of this.#claims.addresses()) {
      const binding = hostBinding(this.#wishes.vipBinding, address);
      this.#dirtyBindings.suspect(bindingId(binding), binding);
    }
  }

  async #readUnknown(): Promise<void> {
    const { kernel } = this.#surroundings;
    if (this.#actual.bindingsUnknown) {
      this.#actual.observeBindings(await kernel.device(), await kernel.bindings());
      this.#suspectBindings();
    }
    const keys = [...this.#actual.unknown.values()];
    if (keys.length === 0) return;
    const found = await kernel.servicesAt(keys);
    keys.forEach(({ id }, i) => {
      const observed = found[i];
      if (observed === undefined) this.#actual.deleteService(id);
      else this.#actual.setService(observed.service, false);
    });
    await this.#readDestinations(keys.filter(({ id }) => this.#actual.service(id) !== undefined));
  }

  async #readDestinations(keys: readonly VirtualServiceKey[]): Promise<void> {
    const { kernel, now } = this.#surroundings;
    for (let start = 0; start < keys.length; start += readSize) {
      const some = keys.slice(start, start + readSize);
      const found = await kernel.destinations(some);
      some.forEach(({ id }, i) => this.#actual.observeDestinations(id, found[i]!, this.#pass, now()));
    }
  }

  #desired(): Desired {
    const wishes = this.#wishes;
    const claims = this.#claims;
    return {
      device: wishes.device,
      wanted: (id) => {
        const owner = claims.ownerOf(id);
        return owner === undefined ? undefined : this.#derive(owner).get(id);
      },
      wantsBinding: ({ form, address, prefix }) =>
        form === wishes.vipBinding && prefix === hostPrefix(familyOf(address)) && claims.wantsBound(address),
    };
  }

  #limits(): Limits {
    const { excluded, drainTimeout } = this.#wishes;
    const { unread, unreadSlices } = this.#surroundings.store;
    return { excluded, drainTimeout, mayDelete: unread.size === 0, mayDrain: unreadSlices.size === 0 };
  }
}

function hostBinding(form: BindingForm, address: Address): Binding {
  return { form, address, prefix: hostPrefix(familyOf(address)) };
}

function changesDevice({ ops }: Plan): boolean {
  return ops['add device'].length + ops['raise device'].length + ops['delete device'].length > 0;
}
