/**
 * What should be, as far as anybody looks: the store's facts and the wishes in, answers per key out. A Service is derived when one of
 * its keys is looked at, once a turn; only who claims what outlives the turn.
 */

import { type Claimant, Claims, type Conflict } from '../desired/claims.ts';
import { type Asked, ask, type FrontEnd, type Policy } from '../desired/front-ends.ts';
import { nodeElements, type NodeFacts, nodeFacts, type NodePolicy, serveAlike } from '../desired/node-facts.ts';
import { type FilterPolicy, ruleset } from '../desired/ruleset.ts';
import { isDeepStrictEqual } from 'node:util';
import { type Address, cidrContains, familyOf, hostPrefix } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Timeouts, WantedSetting } from '../model/node-state.ts';
import { type Binding, type BindingForm, bindingId } from '../model/op.ts';
import { inPieces } from '../model/pieces.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { namespaceOf, type Store } from '../store/store.ts';
import { AgeQueue } from './age-queue.ts';
import type { Desired, Limits } from './plan.ts';

/** All that the operator decides. */
export interface Wishes extends NodePolicy, FilterPolicy {
  readonly scheduler: string;
  readonly vipBinding: BindingForm;
  /** Whether kube-ipvs0 and our tables should exist; false only for clean-up. */
  readonly device: boolean;
  /** Virtual services of another proxy that are ours from now on, whatever holds their address. */
  readonly adopts?: (service: VirtualServiceKey) => boolean;
  /** At these addresses nothing is ever deleted. */
  readonly excluded: (address: Address) => boolean;
  /** Milliseconds; undefined: a drain ends when the destination is idle. */
  readonly drainTimeout: number | undefined;
  readonly settings: readonly WantedSetting[];
  /** undefined: the kernel's own. */
  readonly timeouts: Timeouts | undefined;
}

/** Keys whose wanted state may have changed. */
export interface Touched {
  readonly services: Iterable<VirtualServiceKey>;
  readonly elements: Iterable<Element>;
  readonly bindings: Iterable<Binding>;
}

/** A Service that keeps the node's scheduler, because the kernel lacks the one it asks for. */
export interface MissingScheduler {
  readonly owner: ObjectName;
  readonly scheduler: string;
}

interface Derived extends Asked {
  readonly byId: ReadonlyMap<string, FrontEnd>;
}

/** Claims what the node needs whatever the Services. No Service has this name. */
const nodeItself: ObjectName = '';
const nothing: Derived = { frontEnds: [], shared: [], byId: new Map() };

export class WantedState implements Desired {
  readonly #wishes: Wishes;
  readonly #policy: Policy;
  readonly #store: Store;
  readonly #claims = new Claims();
  readonly #derived = new Map<ObjectName, Derived>();
  readonly #queue = new AgeQueue();
  /** Whether the kernel has a scheduler: of those that Services asked for when somebody last learned anything. */
  readonly #schedulers = new Map<string, boolean>();
  readonly #missing = new Map<ObjectName, string>();
  /**
   * Ids of keys that are kept while there is an object that cannot be read, because it may claim them. Most were in the kernel at start,
   * and nobody has claimed them since; those of virtual services come with their address. The others are hairpins of endpoints that left
   * a Service while an EndpointSlice that might name them could not be read.
   */
  readonly #leftovers = new Map<string, Address | undefined>();
  #facts: NodeFacts | undefined;
  /** What the facts were made from. */
  #seen: Pick<Store, 'node' | 'nodeAddresses'> | undefined;
  #tables: readonly Table[] = [];

  constructor(wishes: Wishes, store: Store) {
    this.#wishes = wishes;
    const { scheduler, drainTimeout } = wishes;
    this.#policy = { scheduler, drainTimeout, hasScheduler: (name) => this.#hasScheduler(name) };
    this.#store = store;
  }

  get device(): boolean {
    return this.#wishes.device;
  }

  get tables(): readonly Table[] {
    return this.#tables;
  }

  get settings(): readonly WantedSetting[] {
    return this.#wishes.settings;
  }

  get timeouts(): Timeouts | undefined {
    return this.#wishes.timeouts;
  }

  wanted(id: string): FrontEnd | undefined {
    const owner = this.#claims.ownerOf(id);
    return owner === undefined ? undefined : this.#derive(owner).byId.get(id);
  }

  /** The Service that a virtual service belongs to. */
  ownerOf(id: string): ObjectName | undefined {
    return this.#claims.ownerOf(id);
  }

  /** All Services that want a virtual service: it belongs to the first. */
  claimants(id: string): readonly Claimant[] {
    return this.#claims.claimants(id);
  }

  /** What Services are derived from, once changes were taken. */
  get nodeFacts(): NodeFacts | undefined {
    return this.#facts;
  }

  wantedElement(id: string): Element | undefined {
    return this.#claims.wantedElement(id);
  }

  wantedBinding({ form, address, prefix, tos }: Binding): Binding | undefined {
    if (form !== this.#wishes.vipBinding || tos !== undefined) return undefined;
    const isHost = prefix === hostPrefix(familyOf(address));
    const isWanted = isHost ? this.#claims.wantsBound(address) : this.#isRouted(address, prefix);
    if (!isWanted) return undefined;
    const holder = this.bindingOf(address);
    return holder.prefix === prefix ? holder : undefined;
  }

  holds(address: Address): boolean {
    return this.wantedBinding(this.bindingOf(address)) !== undefined;
  }

  isHeldElsewhere(address: Address): boolean {
    return this.#facts?.held.has(address) === true;
  }

  /** What holds a bound address: itself, or the route of a whole network. */
  bindingOf(address: Address): Binding {
    const { vipBinding, routedCIDRs } = this.#wishes;
    const wide = vipBinding === 'route' ? routedCIDRs.find((cidr) => cidrContains(cidr, address)) : undefined;
    const holder = wide ?? { address, prefix: hostPrefix(familyOf(address)) };
    const source = vipBinding === 'route' ? this.#facts?.nodeIPs.get(familyOf(address)) : undefined;
    return { form: vipBinding, ...holder, ...(source === undefined ? {} : { source }) };
  }

  /** Every form in which the address may be held. */
  bindingsAt(address: Address): Binding[] {
    const prefix = hostPrefix(familyOf(address));
    const holder = this.bindingOf(address);
    const hosts = (['address', 'route'] as const).map((form): Binding => ({ form, address, prefix }));
    return holder.prefix === prefix ? hosts : [...hosts, holder];
  }

  /** Schedulers that Services ask for and of which nobody knows whether the kernel has them. O(schedulers). */
  unknownSchedulers(): string[] {
    return [...this.#store.schedulers].filter((name) => !this.#schedulers.has(name));
  }

  /** Services that went without one that the kernel has by now are to be looked at again. O(schedulers and Services that go without). */
  learnSchedulers(asked: readonly string[], offered: readonly string[]): void {
    for (const name of asked) this.#schedulers.set(name, offered.includes(name));
    const named = new Set(this.#store.schedulers);
    for (const name of this.#schedulers.keys()) if (!named.has(name)) this.#schedulers.delete(name);
    for (const [owner, name] of this.#missing) if (this.#hasScheduler(name)) this.#enqueue(owner);
  }

  /** Schedulers that Services ask for and the kernel did not have: their modules may have come since. O(schedulers). */
  lackingSchedulers(): string[] {
    return [...this.#store.schedulers].filter((name) => this.#schedulers.get(name) === false);
  }

  /** Schedulers that are known, to be looked up again. */
  knownSchedulers(): string[] {
    return [...this.#schedulers.keys()];
  }

  /**
   * Takes in what changed of the node. From here on `tables` are as they should be. All Services are marked as changed, but only where
   * they would now ask for something else: some networks give each Pod's device an address that the node has already, and that changes
   * nothing for them.
   */
  takeNode(): { readonly services: []; readonly elements: Element[]; readonly bindings: Binding[] } {
    const elements: Element[] = [];
    const before = this.#facts;
    const facts = this.#refreshNode(elements);
    if (facts === undefined) return { services: [], elements, bindings: [] };
    if (before === undefined || !serveAlike(before, facts)) this.#store.markAll();
    return { services: [], elements, bindings: this.#routes() };
  }

  /** Changes are left for the next turn. */
  get isBehind(): boolean {
    return this.#queue.size > 0;
  }

  /** What nobody claims yet may be claimed by what could not be read, or by changes that are left. */
  get limits(): Limits {
    const { isBehind } = this;
    const { unreadEndpoints } = this.#store;
    return {
      excluded: this.#wishes.excluded,
      mayDelete: (id, address) => !isBehind && !this.#mayBeUnread(id, address),
      mayDrain: (id) => {
        const owner = this.ownerOf(id);
        return owner === undefined || !mayName(unreadEndpoints, owner);
      },
      mayForget: (id) => unreadEndpoints.size === 0 || !this.#leftovers.has(id),
    };
  }

  /** The kernel had it at start, and nobody who could be read wants it. `service`: it is a virtual service at the address. */
  foundUnclaimed(id: string, service?: VirtualServiceKey): void {
    this.#leftovers.set(id, service?.address);
  }

  /** A Service that was told later than that had nothing in the kernel before. */
  #mayBeUnread(id: string, address: Address | undefined): boolean {
    if (this.#store.unread.size === 0) return false;
    return this.#leftovers.has(id) || (address !== undefined && [...this.#leftovers.values()].includes(address));
  }

  /**
   * Folds the store's changes into the claims: of `limit` Services and destinations, or one Service more. A Service that changes
   * meanwhile is left for the next turn.
   */
  async takeChanges(limit: number): Promise<Touched & { readonly names: readonly ObjectName[] }> {
    const { elements, bindings } = this.takeNode();
    const services: VirtualServiceKey[] = [];
    const addresses = new Set<Address>();
    await inPieces(this.#store.takeDirty(), (name) => this.#enqueue(name));
    const { unreadEndpoints } = this.#store;
    const names: ObjectName[] = [];
    const left: ObjectName[] = [];
    let taken = 0;
    const isEnough = () => taken >= limit;
    await inPieces(this.#dequeued(isEnough), (name) => {
      if (this.#store.dirty.has(name)) {
        left.push(name);
        return;
      }
      names.push(name);
      this.#derived.delete(name);
      const derived = this.#derive(name);
      for (const { destinations } of derived.frontEnds) taken += destinations.length;
      taken++;
      const touched = this.#claims.replace(name, this.#store.service(name)?.createdAt ?? '', derived);
      for (const key of touched.services) {
        services.push(key);
        addresses.add(key.address);
        if (this.#leftovers.has(key.id) && this.isClaimed(key.id)) this.#leftovers.delete(key.id);
      }
      const isUnread = this.#store.service(name) !== undefined && mayName(unreadEndpoints, name);
      for (const one of touched.elements) {
        elements.push(one);
        const isWanted = this.wantedElement(one.id) !== undefined;
        if (isUnread && !isWanted && one.set === 'hairpins') this.#leftovers.set(one.id, undefined);
        if (isWanted && this.#leftovers.has(one.id)) this.#leftovers.delete(one.id);
      }
    });
    for (const name of left) this.#enqueue(name);
    for (const address of addresses) bindings.push(...this.bindingsAt(address));
    if (this.#leftovers.size === 0) return { names, services, elements, bindings };
    for (const one of bindings) {
      const id = bindingId(one);
      if (this.#leftovers.has(id) && this.wantedBinding(one) !== undefined) this.#leftovers.delete(id);
    }
    return { names, services, elements, bindings };
  }

  /** Every claimed virtual service. */
  services(): Iterable<VirtualServiceKey> {
    return this.#claims.keys();
  }

  /** Every wanted element. */
  elements(): Iterable<Element> {
    return this.#claims.elements();
  }

  /** Every wanted binding, once. O(addresses). */
  bindings(): Iterable<Binding> {
    const bindings = new Map(this.#routes().map((binding) => [bindingId(binding), binding]));
    for (const address of this.#claims.addresses()) {
      const binding = this.bindingOf(address);
      bindings.set(bindingId(binding), binding);
    }
    return bindings.values();
  }

  isClaimed(id: string): boolean {
    return this.#claims.ownerOf(id) !== undefined;
  }

  /** Not while its owner no longer asks for it and nobody has taken that change: another Service may have it from then on. */
  isDecided(id: string): boolean {
    return !this.isClaimed(id) || this.wanted(id) !== undefined;
  }

  /** What was derived may be made anew. */
  endTurn(): void {
    this.#derived.clear();
  }

  conflicts(): Conflict[] {
    return this.#claims.conflicts();
  }

  missingSchedulers(): MissingScheduler[] {
    return [...this.#missing].map(([owner, scheduler]) => ({ owner, scheduler }));
  }

  #enqueue(name: ObjectName): void {
    this.#queue.add(name, this.#store.service(name)?.createdAt ?? '');
  }

  *#dequeued(isEnough: () => boolean): Generator<ObjectName> {
    while (!isEnough()) {
      const name = this.#queue.take();
      if (name === undefined) return;
      yield name;
    }
  }

  #derive(name: ObjectName): Derived {
    const known = this.#derived.get(name);
    if (known !== undefined) return known;
    const derived = this.#ask(name);
    this.#derived.set(name, derived);
    return derived;
  }

  #ask(name: ObjectName): Derived {
    const service = this.#store.service(name);
    const scheduler = service?.tuning.scheduler;
    if (scheduler !== undefined && !this.#hasScheduler(scheduler)) this.#missing.set(name, scheduler);
    else this.#missing.delete(name);
    if (service === undefined || this.#facts === undefined) return nothing;
    const { frontEnds, shared } = ask(service, this.#store.slicesOf(name), this.#facts, this.#policy);
    return { frontEnds, shared, byId: new Map(frontEnds.map((frontEnd) => [frontEnd.service.id, frontEnd])) };
  }

  #hasScheduler(name: string): boolean {
    return this.#schedulers.get(name) === true;
  }

  /** What is known of the node, where anything of it is another than before. */
  #refreshNode(elements: Element[]): NodeFacts | undefined {
    const { node, nodeAddresses } = this.#store;
    const isSeen = this.#seen !== undefined && this.#seen.node === node && this.#seen.nodeAddresses === nodeAddresses;
    if (isSeen) return undefined;
    this.#seen = { node, nodeAddresses };
    const facts = nodeFacts(node, nodeAddresses, this.#wishes);
    if (isDeepStrictEqual(facts, this.#facts)) return undefined;
    this.#facts = facts;
    if (!this.#wishes.device) return facts;
    this.#tables = ruleset(facts, this.#wishes);
    const asked: Asked = { frontEnds: [], shared: nodeElements(facts) };
    for (const one of this.#claims.replace(nodeItself, '', asked).elements) elements.push(one);
    return facts;
  }

  #isRouted(address: Address, prefix: number): boolean {
    const { routedCIDRs, device } = this.#wishes;
    return device && routedCIDRs.some((cidr) => cidr.address === address && cidr.prefix === prefix);
  }

  #routes(): Binding[] {
    const { vipBinding, routedCIDRs, device } = this.#wishes;
    return vipBinding === 'route' && device ? routedCIDRs.map(({ address }) => this.bindingOf(address)) : [];
  }
}

/** Whether those who are named there, Services and namespaces, are the Service or its own. */
function mayName(unreadEndpoints: ReadonlySet<string>, service: ObjectName): boolean {
  return unreadEndpoints.has(service) || unreadEndpoints.has(namespaceOf(service));
}
