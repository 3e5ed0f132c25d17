/**
 * The one loop that changes the kernel: derives what is wanted at the dirty keys, plans, applies phase by phase, folds every
 * answer. One exchange is under way at a time (the adapter queues), and that is the proof of order (design.md §3.9).
 * A pass with every key dirty is the full synchronisation; there is no other.
 */

import { Claims, type Conflict } from '../desired/claims.ts';
import { type FrontEnd, frontEnds } from '../desired/front-ends.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Address, familyOf, hostPrefix } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import { type Answer, type Binding, type BindingForm, bindingId, type Op, type Refusal } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Store } from '../store/store.ts';
import { Actual } from './actual.ts';
import { Dirty, type Ticket } from './dirty.ts';
import { fold, type Outcome } from './fold.ts';
import { type Desired, type Draining, type Limits, type Plan, phases, plan, type Wanted } from './plan.ts';

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

export interface Surroundings {
  readonly kernel: Kernel;
  readonly store: Store;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Aborted: what is under way is finished and folded, nothing more is sent, and the turn throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told of every plan before it is applied. */
  readonly onPlan?: (plan: Plan) => void;
  /** Told of every operation that changed the kernel, in the order in which it did. */
  readonly onApplied?: (op: Op) => void;
}

/** What one turn is about to do. */
export interface Work {
  readonly plan: Plan;
  readonly services: readonly Ticket<VirtualServiceKey>[];
  readonly bindings: readonly Ticket<Binding>[];
}

export interface Failure {
  readonly op: Op;
  readonly refusal: Refusal;
}

export interface PassReport {
  readonly applied: readonly Op[];
  readonly failures: readonly Failure[];
  /** Not sent, because an operation they presume failed; retried with it. */
  readonly blocked: readonly Op[];
  /** Their answers were lost or surprising; read and planned again by the next pass. */
  readonly open: readonly Op[];
  readonly plan: Plan;
  /** Spent in exchanges with the kernel that change it. */
  readonly kernelMilliseconds: number;
}

/** Operations of one request to the kernel adapter: enough to amortise the hop off the event loop, few enough not to block it. */
const chunkSize = 2048;
/** Services whose destinations one read asks for. */
const readSize = 512;

export class Reconciler {
  readonly #wishes: Wishes;
  readonly #surroundings: Surroundings;
  readonly #claims = new Claims();
  readonly #actual = new Actual();
  readonly #dirtyServices = new Dirty<VirtualServiceKey>();
  readonly #dirtyBindings = new Dirty<Binding>();
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
    const read: VirtualServiceKey[] = [];
    for (const known of this.#actual.services.values()) {
      const { service } = known;
      if (this.#claims.ownerOf(service.id) !== undefined || this.#actual.isOurs(known)) read.push(service);
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
    const services = this.#dirtyServices.due(now());
    const bindings = this.#dirtyBindings.due(now());
    const keys = { services: services.map(({ key }) => key), bindings: bindings.map(({ key }) => key) };
    return { plan: plan(keys, this.#desired(), this.#actual, this.#limits(), this.#pass, now()), services, bindings };
  }

  /** When there is work again without a new event; undefined when there is none. */
  nextDue(): number | undefined {
    const times = [this.#dirtyServices.nextDue(), this.#dirtyBindings.nextDue()].filter((time) => time !== undefined);
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
    const turn = new Turn(this.#surroundings, this.#actual);
    this.#pass++;
    this.#surroundings.onPlan?.(work.plan);
    for (const phase of phases) await turn.run(work.plan.ops[phase]);
    const now = this.#surroundings.now();
    for (const ticket of work.services) turn.settle(this.#dirtyServices, ticket, ticket.id, now);
    for (const ticket of work.bindings) turn.settle(this.#dirtyBindings, ticket, ticket.id, now);
    for (const { id } of work.services) this.#draining.delete(id);
    for (const one of work.plan.draining) {
      this.#draining.set(one.service.id, [...(this.#draining.get(one.service.id) ?? []), one]);
    }
    return { ...turn.report(), plan: work.plan };
  }

  /** Folds the store's changes into claims and dirty keys; nothing awaits between, so no change can fall through. */
  #takeChanges(): void {
    const { store } = this.#surroundings;
    for (const name of store.takeDirty()) {
      const service = store.service(name);
      for (const key of this.#claims.replace(name, service?.createdAt ?? '', this.#derive(name))) {
        this.#dirtyServices.mark(key.id, key);
        this.#markAddress(key.address);
        if (this.#actual.service(key.id)?.read === false) this.#actual.unknown.set(key.id, key);
      }
    }
  }

  #derive(name: ObjectName): FrontEnd[] {
    const { store } = this.#surroundings;
    const service = store.service(name);
    if (service === undefined) return [];
    const locality = { name: this.#wishes.nodeName, zone: store.node?.zone };
    return frontEnds(service, store.slicesOf(name), locality, this.#wishes);
  }

  #markAddress(address: Address): void {
    const prefix = hostPrefix(familyOf(address));
    for (const form of ['address', 'route'] as const) {
      const binding: Binding = { form, address, prefix };
      const id = bindingId(binding);
      if (form === this.#wishes.vipBinding || this.#actual.bindings.has(id)) this.#dirtyBindings.mark(id, binding);
    }
  }

  async #readUnknown(): Promise<void> {
    const { kernel } = this.#surroundings;
    if (this.#actual.bindingsUnknown) {
      this.#actual.observeBindings(await kernel.device(), await kernel.bindings());
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

  /** Wanted state by key, derived when asked: a Service is derived once a turn, and nothing derived outlives the turn. */
  #desired(): Desired {
    const derived = new Map<ObjectName, Map<string, Wanted>>();
    const wishes = this.#wishes;
    const claims = this.#claims;
    return {
      device: wishes.device,
      wanted: (id) => {
        const owner = claims.ownerOf(id);
        if (owner === undefined) return undefined;
        let byId = derived.get(owner);
        if (byId === undefined) {
          byId = new Map(this.#derive(owner).map((frontEnd) => [frontEnd.service.id, frontEnd]));
          derived.set(owner, byId);
        }
        return byId.get(id);
      },
      wantsBinding: ({ form, address, prefix }) =>
        form === wishes.vipBinding && prefix === hostPrefix(familyOf(address)) && claims.wantsBound(address),
    };
  }

  #limits(): Limits {
    const { excluded, drainTimeout } = this.#wishes;
    return { excluded, drainTimeout, mayDelete: this.#surroundings.store.unread.size === 0 };
  }
}

type Sent = { readonly ops: readonly Op[]; readonly answered: Promise<Answered> };
type Answered = { answers: readonly Answer[]; milliseconds: number } | { broken: unknown };

/** One application of a plan: sends, folds, and remembers how each key fared. */
class Turn {
  readonly #surroundings: Surroundings;
  readonly #actual: Actual;
  readonly #applied: Op[] = [];
  readonly #failures: Failure[] = [];
  readonly #blocked: Op[] = [];
  readonly #open: Op[] = [];
  readonly #failedKeys = new Set<string>();
  readonly #openKeys = new Set<string>();
  #milliseconds = 0;

  constructor(surroundings: Surroundings, actual: Actual) {
    this.#surroundings = surroundings;
    this.#actual = actual;
  }

  /** While one chunk is with the kernel the next is encoded: within a phase no operation depends on another's answer. */
  async run(ops: readonly Op[]): Promise<void> {
    let underWay: Sent | undefined;
    for (let start = 0; start < ops.length; start += chunkSize) {
      if (this.#surroundings.signal?.aborted === true) break;
      const next = this.#send(ops.slice(start, start + chunkSize));
      if (underWay !== undefined) await this.#receive(underWay);
      underWay = next;
    }
    if (underWay !== undefined) await this.#receive(underWay);
    this.#surroundings.signal?.throwIfAborted();
  }

  settle<Key>(dirty: Dirty<Key>, ticket: Ticket<Key>, id: string, now: number): void {
    if (this.#failedKeys.has(id)) dirty.failed(ticket, now);
    else if (this.#openKeys.has(id)) dirty.again(ticket, now);
    else dirty.done(ticket);
  }

  report(): Omit<PassReport, 'plan'> {
    return {
      applied: this.#applied,
      failures: this.#failures,
      blocked: this.#blocked,
      open: this.#open,
      kernelMilliseconds: this.#milliseconds,
    };
  }

  #send(ops: readonly Op[]): Sent {
    const possible = ops.filter((op) => this.#isPossible(op));
    const answered: Promise<Answered> =
      possible.length === 0
        ? Promise.resolve({ answers: [], milliseconds: 0 })
        : this.#surroundings.kernel.apply(possible).catch((broken: unknown) => ({ broken }));
    return { ops: possible, answered };
  }

  async #receive({ ops, answered }: Sent): Promise<void> {
    const result = await answered;
    if ('broken' in result) {
      for (const op of ops) fold(this.#actual, op, 'unknown', 0);
      throw result.broken;
    }
    this.#milliseconds += result.milliseconds;
    const now = this.#surroundings.now();
    ops.forEach((op, i) => {
      const answer = result.answers[i] ?? 'unknown';
      this.#note(op, answer, fold(this.#actual, op, answer, now));
    });
  }

  #note(op: Op, answer: Answer, outcome: Outcome): void {
    switch (outcome) {
      case 'applied':
        this.#applied.push(op);
        this.#surroundings.onApplied?.(op);
        return;
      case 'failed':
        this.#failedKeys.add(keyOf(op));
        this.#failures.push({ op, refusal: answer as Refusal });
        return;
      case 'known':
      case 'unknown':
        this.#openKeys.add(keyOf(op));
        this.#open.push(op);
        return;
      default:
        outcome satisfies never;
    }
  }

  /**
   * Whether what the operation presumes is the case now: a virtual service needs the device that will mark it as ours; a
   * destination needs its virtual service; an address is bound only when a
   * virtual service answers on it, and unbound only when none is left (it is what marks them as ours).
   */
  #isPossible(op: Op): boolean {
    const actual = this.#actual;
    const possible = ((): boolean => {
      switch (op.kind) {
        case 'service':
          return op.verb !== 'add' || actual.device !== 'absent';
        case 'destination':
          return actual.service(op.service.id) !== undefined;
        case 'binding':
          if (op.verb === 'add') return actual.device !== 'absent' && actual.hasServiceAt(op.binding.address);
          return !actual.hasServiceAt(op.binding.address) || isHeldOtherwise(actual, op.binding);
        case 'device':
          return op.verb !== 'delete' || actual.bindings.size === 0;
        default:
          return op satisfies never;
      }
    })();
    if (!possible) {
      this.#blocked.push(op);
      this.#failedKeys.add(keyOf(op));
    }
    return possible;
  }
}

/** Another binding holds the address too, as after a change of --vip-binding. */
function isHeldOtherwise(actual: Actual, { form, address, prefix }: Binding): boolean {
  return actual.bindings.has(bindingId({ form: form === 'address' ? 'route' : 'address', address, prefix }));
}

function keyOf(op: Op): string {
  switch (op.kind) {
    case 'service':
    case 'destination':
      return op.service.id;
    case 'binding':
      return bindingId(op.binding);
    case 'device':
      return 'device';
    default:
      return op satisfies never;
  }
}
