/**
 * The one loop that changes the kernel: folds what changed into dirty keys, plans, and has the plan applied.
 * A pass with every key dirty is the full synchronisation; there is no other.
 */

import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Conflict } from '../desired/claims.ts';
import type { ObjectName } from '../model/cluster.ts';
import { type Element, familyName, type Table } from '../model/filter.ts';
import type { WantedSetting } from '../model/node-state.ts';
import { bindingId, type Op } from '../model/op.ts';
import { inPieces } from '../model/pieces.ts';
import type { VirtualServiceStatus } from '../model/status.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { Actual } from './actual.ts';
import { serviceOf, sourcesOf } from './actual-filter.ts';
import { keysOf } from './dirty.ts';
import { DirtyKeys, earliest, type Tickets } from './dirty-keys.ts';
import type { Drift } from '../model/drift.ts';
import { Flows } from './flows.ts';
import { PassOutcome, type PassReport, type TurnOutcome } from './pass-report.ts';
import { type Draining, isOutOfReach, operations, type Plan, plan } from './plan.ts';
import { unsettable } from './plan-node.ts';
import { type Size, sizeOf, viewOf } from './view.ts';
import { Reader } from './reader.ts';
import { type Differing, Scrub } from './scrub.ts';
import { type Failure, fixturesOf, keyOf, type Surroundings, Turn, usualTurnSize } from './turn.ts';
import { type MissingScheduler, type Touched, WantedState, type Wishes } from './wanted.ts';

/** What one turn is about to do. */
export interface Work extends Tickets {
  readonly plan: Plan;
}

/** What stays so until somebody changes a Service, the kernel or the host. */
export interface Standing {
  readonly conflicts: readonly Conflict[];
  readonly missingSchedulers: readonly MissingScheduler[];
  /** Settings that are not as wished and cannot be written here. */
  readonly unsettable: readonly WantedSetting[];
}

const nothing: Touched = { services: [], elements: [], bindings: [] };

export class Reconciler {
  readonly #wishes: Wishes;
  readonly #surroundings: Surroundings;
  readonly #wanted: WantedState;
  readonly #actual = new Actual();
  readonly #reader: Reader;
  readonly #scrub: Scrub;
  readonly #dirty: DirtyKeys;
  readonly #flows: Flows;
  readonly #draining = new Map<string, readonly Draining[]>();
  /** What the kernel refused last, by dirty key. */
  readonly #failing = new Map<string, Failure>();
  /** What the state of the tables was compared with. */
  #compared: readonly Table[] = [];
  /**
   * By virtual service, elements that are to be looked at when it changes: its sources as `verify` read them, until all that is wanted has
   * been compared with them, and what was left of it at an excluded address.
   */
  #attached = new Map<string, Element[]>();
  /** Nobody has looked yet for what `verify` read and nobody wants. */
  #isSwept = true;
  /** Services whose changes were taken since the last pass that was finished. */
  #taken = new Set<ObjectName>();
  /** Numbers the pass that is next: what a dump told since the last one counts as fresh in it. */
  #pass = 1;

  constructor(wishes: Wishes, surroundings: Surroundings) {
    this.#wishes = wishes;
    this.#surroundings = surroundings;
    this.#wanted = new WantedState(wishes, surroundings.store);
    this.#reader = new Reader(surroundings.kernel, this.#actual, surroundings.signal);
    this.#scrub = new Scrub(surroundings.kernel, this.#reader, this.#actual);
    this.#dirty = new DirtyKeys(surroundings.now);
    this.#flows = new Flows(surroundings, this.#wanted, this.#actual);
  }

  /** Nothing is decided before. */
  get synced(): boolean {
    return this.#surroundings.store.synced;
  }

  /** What the one before knew to be ours is so still, whatever is left of its marks. To be told before `verify`. O(services). */
  inherit(before: Reconciler): void {
    this.#actual.inherit(before.#actual);
  }

  /** Reads all that is ours or claimed and makes every key dirty: at start, and whenever the mirror is to be verified. O(cluster). */
  async verify(): Promise<void> {
    const { now } = this.#surroundings;
    await this.#learnSchedulers(this.#wanted.knownSchedulers());
    this.#mark(this.#wanted.takeNode());
    await this.#reader.settings(this.#wishes.settings);
    await this.#readFilter();
    await this.#reader.services();
    await this.#reader.leftOut(this.#pass, now);
    await this.#reader.bindings();
    await this.#actual.rememberOurs(this.#wishes.adopts);
    const read: VirtualServiceKey[] = [];
    await inPieces(this.#actual.services.values(), (known) => {
      if (this.#wanted.isClaimed(known.service.id) || known.ours) read.push(known.service);
    });
    await this.#reader.destinations(read, this.#pass, now);
    this.#mark({
      services: this.#wanted.services(),
      elements: this.#wanted.elements(),
      bindings: this.#wanted.bindings(),
    });
    this.#attached = await sourcesOf(this.#actual.filter.elements.values());
    this.#isSwept = false;
  }

  /**
   * Compares the mirror with the kernel, and marks as dirty what somebody else changed. Yields after each read how much that was; a pass
   * may run before the next read. All virtual services and addresses are read, but destinations only for `budget` milliseconds: a large
   * cluster takes several calls, each of which goes on where the last one ended.
   */
  async *scrub(budget: number): AsyncGenerator<Drift, void, void> {
    await this.#learnSchedulers(this.#wanted.lackingSchedulers());
    for await (const found of this.#scrub.run(this.#wanted, () => this.#pass, this.#surroundings.now, budget)) {
      const drift = this.#dirty.driftOf(found);
      this.#suspect(found);
      yield drift;
    }
  }

  /** The destinations that drain are looked at again by the next pass. */
  checkDrains(): void {
    for (const [id, [first]] of this.#draining) {
      this.#actual.unknown.set(id, first!.service);
      this.#dirty.services.mark(id, first!.service);
    }
  }

  /** What is due, planned and applied, in as many turns as it takes. undefined while a source has not told all it has. */
  async pass(): Promise<PassReport | undefined> {
    const { turnSize = usualTurnSize } = this.#surroundings;
    const outcome = new PassOutcome();
    try {
      for (;;) {
        const work = await this.prepare(turnSize);
        if (work === undefined) return undefined;
        outcome.add(await this.#apply(work));
        if (!this.#wanted.isBehind) break;
        await setImmediate();
      }
    } finally {
      this.#pass++;
    }
    const services = this.#taken;
    this.#taken = new Set();
    return outcome.report(services);
  }

  /** The first half of a turn: changes nothing in the kernel and forgets nothing. `limit` as `turnSize`; all at once without. */
  async prepare(limit = Number.POSITIVE_INFINITY): Promise<Work | undefined> {
    const { store, now } = this.#surroundings;
    if (!store.synced) return undefined;
    await this.#takeChanges(limit);
    await this.#readUnknown();
    if (!this.#wanted.isBehind) this.#dirty.release();
    const work = this.#planFor(now());
    for (const fixture of fixturesOf(work.plan)) this.#dirty.fixtures.suspect(fixture, fixture);
    return { ...work, fixtures: this.#dirty.fixtures.due(now()) };
  }

  /** When there is work again without a new event; undefined when there is none. */
  nextDue(): number | undefined {
    return earliest([this.#dirty.nextDue(), this.#flows.nextDue()]);
  }

  /** Destinations that keep weight 0 until their connections end. */
  draining(): Draining[] {
    return [...this.#draining.values()].flat();
  }

  /** What the kernel refused and has not accepted since. */
  failing(): Failure[] {
    return [...this.#failing.values(), ...this.#flows.failing()];
  }

  /** How many keys wait for their turn or their next try, and since when the oldest has. Costs O(dirty). */
  backlog(): { readonly keys: number; readonly since: number | undefined } {
    return { keys: this.#dirty.size, since: this.#dirty.oldest() };
  }

  /** What a pass would do if every key that is dirty were due. Costs O(dirty). */
  differences(): Op[] {
    return operations(this.#planFor(Number.POSITIVE_INFINITY).plan);
  }

  /** Every virtual service that is ours or claimed, with fresh numbers of connections. Reads the kernel; O(cluster), for people. */
  async view(): Promise<VirtualServiceStatus[]> {
    const { kernel, now } = this.#surroundings;
    const isFailing = (id: string) => this.#failing.has(id);
    const isDirty = (id: string) => this.#dirty.services.has(id);
    return viewOf({ wanted: this.#wanted, actual: this.#actual, kernel, now, isFailing, isDirty });
  }

  /** How many virtual services are asked for, and how many destinations the kernel has for them. O(virtual services). */
  size(): Size {
    return sizeOf(this.#wanted, this.#actual);
  }

  /** The Service that a virtual service belongs to. */
  ownerOf(id: string): ObjectName | undefined {
    return this.#wanted.ownerOf(id);
  }

  /** Costs O(of it). */
  standing(): Standing {
    return {
      conflicts: this.#wanted.conflicts(),
      missingSchedulers: this.#wanted.missingSchedulers(),
      unsettable: unsettable(this.#wishes.settings, this.#actual),
    };
  }

  /** Of the keys that are due by then. */
  #planFor(time: number): Omit<Work, 'fixtures'> {
    const services = this.#dirty.services.due(time).filter(({ id }) => this.#wanted.isDecided(id));
    const bindings = this.#dirty.bindings.due(time);
    const elements = this.#dirty.elements.due(time);
    const keys = { services: keysOf(services), bindings: keysOf(bindings), elements: keysOf(elements) };
    const now = this.#surroundings.now();
    const next = plan(keys, this.#wanted, this.#actual, this.#wanted.limits, this.#pass, now);
    this.#wanted.endTurn();
    return { plan: next, services, bindings, elements };
  }

  async #apply(work: Work): Promise<TurnOutcome> {
    const turn = new Turn(this.#surroundings, this.#actual, work.plan, this.#wanted);
    this.#surroundings.onPlan?.(work.plan);
    // of one that was found, and that nobody wants, no change told
    for (const op of work.plan.ops['delete service']) {
      if (op.kind === 'service') this.#flows.mark(op.service, this.#surroundings.now());
    }
    await turn.run();
    const now = this.#surroundings.now();
    this.#dirty.settle(work, (dirty, ticket) => turn.settle(dirty, ticket, now));
    const { applied, failures } = turn.report();
    if (this.#failing.size > 0) {
      for (const { id } of [...work.services, ...work.bindings, ...work.elements, ...work.fixtures])
        this.#failing.delete(id);
      // what goes to make room for another may be no key that is due
      for (const op of applied) this.#failing.delete(keyOf(op));
    }
    for (const failure of failures) this.#failing.set(keyOf(failure.op), failure);
    if (this.#actual.bindingsUnknown) this.#suspectBindings();
    for (const { id } of work.services) this.#draining.delete(id);
    for (const one of work.plan.draining) {
      this.#draining.set(one.service.id, [...(this.#draining.get(one.service.id) ?? []), one]);
    }
    for (const element of work.plan.spared) {
      const { id } = serviceOf(element);
      const known = this.#attached.get(id) ?? [];
      if (!known.some((other) => other.id === element.id)) this.#attached.set(id, [...known, element]);
    }
    const looked = await this.#flows.forget(turn, this.#dirty.services);
    this.#wanted.endTurn();
    return { ...turn.report(), ...looked };
  }

  /** No change of the store can fall between the last look for schedulers and the taking. */
  async #takeChanges(limit: number): Promise<void> {
    for (let names = this.#wanted.unknownSchedulers(); names.length > 0; names = this.#wanted.unknownSchedulers()) {
      await this.#learnSchedulers(names);
    }
    const touched = await this.#wanted.takeChanges(limit);
    for (const name of touched.names) this.#taken.add(name);
    this.#mark(touched);
    for (const { id, address } of touched.services) {
      const known = this.#actual.service(id);
      if (known?.read === false) this.#actual.unknown.set(id, known.service);
      // nf_tables takes no network beside another that overlaps it: the old ones go in the turn in which the new ones come
      for (const element of this.#attached.get(id) ?? []) this.#dirty.elements.mark(element.id, element);
      this.#attached.delete(id);
      // a route that nobody wants stayed for it as long as nothing else held it
      if (this.#wishes.excluded(address)) this.#mark({ ...nothing, bindings: this.#actual.holders(address) });
    }
    if (!this.#isSwept && !this.#wanted.isBehind) await this.#sweep();
    this.#compareTables();
  }

  /** What the kernel has and nobody wants, once all is known that anybody wants. O(cluster). */
  async #sweep(): Promise<void> {
    const now = this.#surroundings.now();
    await inPieces(this.#actual.services.values(), ({ service, ours }) => {
      if (!ours || this.#wanted.isClaimed(service.id)) return;
      this.#wanted.foundUnclaimed(service.id, service);
      this.#dirty.services.mark(service.id, service, now);
    });
    await inPieces(this.#actual.bindings, ([id, binding]) => {
      if (this.#wanted.wantedBinding(binding) !== undefined) return;
      this.#wanted.foundUnclaimed(id);
      this.#dirty.bindings.mark(id, binding, now);
    });
    await inPieces(this.#actual.filter.elements, ([id, element]) => {
      if (this.#wanted.wantedElement(id) !== undefined) return;
      this.#wanted.foundUnclaimed(id);
      this.#dirty.elements.mark(id, element, now);
    });
    this.#attached.clear();
    this.#isSwept = true;
  }

  async #learnSchedulers(names: readonly string[]): Promise<void> {
    if (names.length > 0) this.#wanted.learnSchedulers(names, await this.#surroundings.kernel.schedulers(names));
  }

  #mark({ services, bindings, elements }: Touched): void {
    const now = this.#surroundings.now();
    for (const key of services) {
      this.#dirty.services.mark(key.id, key, now);
      this.#flows.mark(key, now);
    }
    for (const element of elements) this.#dirty.elements.mark(element.id, element, now);
    for (const binding of bindings) {
      const id = bindingId(binding);
      const isOf = this.#wanted.wantedBinding(binding) !== undefined || this.#actual.bindings.has(id);
      if (isOf || this.#dirty.bindings.has(id)) this.#dirty.bindings.mark(id, binding, now);
    }
  }

  /** The rules that are wanted changed: what was right is so no more. */
  #compareTables(): void {
    const { tables } = this.#wanted;
    if (tables === this.#compared) return;
    const { filter } = this.#actual;
    for (const table of tables) {
      const before = this.#compared.find(({ family }) => family === table.family);
      if (filter.tables.get(table.family) === 'same' && !isDeepStrictEqual(before, table)) {
        filter.tables.set(table.family, 'other rules');
        this.#dirty.fixtures.mark(familyName(table.family), familyName(table.family));
      }
    }
    this.#compared = tables;
  }

  /** With a table made anew, which is empty, and with kube-ipvs0, all that they should hold is dirty. */
  #suspect(found: Differing): void {
    this.#mark({ ...nothing, services: [...found.services, ...found.destinations], elements: found.elements });
    for (const binding of found.bindings) this.#dirty.bindings.mark(bindingId(binding), binding);
    if (found.bindings.length > 0) this.#suspectFlows();
    const { device, filter } = this.#actual;
    const emptied = [...filter.tables.values()].some((state) => state === 'absent' || state === 'other');
    if (found.tables > 0 && emptied) this.#mark({ ...nothing, elements: this.#wanted.elements() });
    if (found.bindings.length > 0 && device === 'absent') this.#suspectBindings();
  }

  /** Who sent to an address that the node did not hold was led past IPVS, and conntrack would keep him there. Costs O(virtual services). */
  #suspectFlows(): void {
    const now = this.#surroundings.now();
    for (const key of this.#wanted.services()) {
      if (isOutOfReach(key, this.#wanted, this.#actual)) this.#flows.mark(key, now);
    }
  }

  /** Any binding may be another than was believed. Costs O(addresses). */
  #suspectBindings(): void {
    for (const [id, binding] of this.#actual.bindings) this.#dirty.bindings.suspect(id, binding);
    for (const binding of this.#wanted.bindings()) this.#dirty.bindings.suspect(bindingId(binding), binding);
  }

  /** Likewise, any element. */
  #suspectElements(): void {
    for (const [id, element] of this.#actual.filter.elements) this.#dirty.elements.suspect(id, element);
    for (const element of this.#wanted.elements()) this.#dirty.elements.suspect(element.id, element);
  }

  async #readUnknown(): Promise<void> {
    if (this.#actual.settingsUnknown) await this.#reader.settings(this.#wishes.settings);
    if (this.#actual.filter.unknown) {
      await this.#readFilter();
      this.#suspectElements();
    }
    if (this.#actual.bindingsUnknown) {
      await this.#reader.bindings();
      this.#suspectBindings();
      this.#suspectFlows();
    }
    await this.#reader.unknown(this.#pass, this.#surroundings.now);
  }

  async #readFilter(): Promise<void> {
    this.#compared = this.#wanted.tables;
    await this.#scrub.filter(this.#compared);
  }
}
