/**
 * Tracked connections of UDP and SCTP that go nowhere any more: flows and the destinations that may answer in, those to forget out.
 * conntrack would keep a client that goes on sending from one port at a backend that is gone.
 */

import { KernelError } from '../kernel/kernel.ts';
import { endpointText, families, type Family, familyOf } from '../model/address.ts';
import { type Flow, flowService, isLookedThrough } from '../model/node-state.ts';
import type { Op } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual } from './actual.ts';
import { elementOf } from './actual-filter.ts';
import { Dirty, keysOf, type Ticket } from './dirty.ts';
import { isOutOfReach } from './plan.ts';
import { type Failure, keyOf, type Surroundings, type Turn } from './turn.ts';
import type { WantedState } from './wanted.ts';

/** The tracked connections of one family were looked through. */
export interface FlowSearch {
  readonly family: Family;
  /** Until those to forget were deleted; one look serves both families. */
  readonly milliseconds: number;
  readonly deleted: number;
}

/** What a turn saw of tracked connections. */
export interface FlowOutcome {
  readonly flowSearches: readonly FlowSearch[];
  /** Why the last look, in this turn or before, could not be made or not to its end; undefined once one could, or none waits for one. */
  readonly flowError: KernelError | undefined;
}

/** Virtual services of UDP and SCTP whose tracked connections are to be looked through once the kernel says what it should. */
export class Flows {
  readonly #surroundings: Surroundings;
  readonly #wanted: WantedState;
  readonly #actual: Actual;
  readonly #dirty: Dirty<VirtualServiceKey>;
  /** By virtual service, a flow of it that the kernel does not forget. */
  readonly #failing = new Map<string, Failure>();
  /** Ids of those from which clients of this node were sent on when they were marked. */
  readonly #sendingOn = new Set<string>();
  #error: KernelError | undefined;

  constructor(surroundings: Surroundings, wanted: WantedState, actual: Actual) {
    this.#surroundings = surroundings;
    this.#wanted = wanted;
    this.#actual = actual;
    this.#dirty = new Dirty(surroundings.now);
  }

  mark(service: VirtualServiceKey, now: number): void {
    if (!isLookedThrough(service.protocol)) return;
    if (this.#actual.filter.has(elementOf(service, 'localClients'))) this.#sendingOn.add(service.id);
    this.#dirty.mark(service.id, service, now);
  }

  nextDue(): number | undefined {
    return this.#dirty.nextDue();
  }

  /** What the kernel refused and has not accepted since. */
  failing(): Iterable<Failure> {
    return this.#failing.values();
  }

  /**
   * Deletes stale flows of those virtual services that are in the kernel as they should be by now, and within reach: their clients may send
   * all the time, and what they send before makes stale flows. Where the kernel's flows cannot be read, each virtual service is tried again
   * later, and the pass goes on: others must not wait for that.
   */
  async forget(turn: Turn, unsettled: Dirty<VirtualServiceKey>): Promise<FlowOutcome> {
    const { now } = this.#surroundings;
    const ready: Ticket<VirtualServiceKey>[] = [];
    for (const ticket of this.#dirty.due(now())) {
      // one that is kept though nobody is known to want it keeps its clients, and is marked when it goes
      if (unsettled.isHeld(ticket.id)) this.#dirty.done(ticket);
      else if (unsettled.has(ticket.id) || isOutOfReach(ticket.key, this.#wanted, this.#actual))
        this.#dirty.again(ticket, now());
      else ready.push(ticket);
    }
    try {
      const flowSearches = await this.#search(turn, keysOf(ready));
      for (const ticket of ready) {
        turn.settle(this.#dirty, ticket, now());
        if (!this.#dirty.has(ticket.id)) this.#sendingOn.delete(ticket.id);
      }
      this.#note(ready, turn.report().failures);
      // those for which it could not be made may be gone
      if (this.#dirty.size === 0) this.#error = undefined;
      return { flowSearches, flowError: this.#error };
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#error = error;
      for (const ticket of ready) this.#dirty.failed(ticket, now());
      return { flowSearches: [], flowError: error };
    }
  }

  /** The first that was refused stands for the others of a virtual service: each look may find other flows. */
  #note(looked: readonly Ticket<VirtualServiceKey>[], failures: readonly Failure[]): void {
    const refused = new Map(failures.filter(({ op }) => op.kind === 'flow').map((one) => [keyOf(one.op), one]));
    for (const { id } of looked) {
      const failure = refused.get(id);
      if (failure === undefined) this.#failing.delete(id);
      else if (failure.refusal.errno !== this.#failing.get(id)?.refusal.errno) this.#failing.set(id, failure);
    }
  }

  /** Ids of all destinations that may answer for a virtual service; undefined for one that nobody wants. */
  #answeringOf(id: string): ReadonlySet<string> | undefined {
    return this.#wanted.wanted(id)?.answering;
  }

  async #search(turn: Turn, ready: readonly VirtualServiceKey[]): Promise<FlowSearch[]> {
    const { kernel, now } = this.#surroundings;
    const keys = ready.filter(({ id }) => this.#sendingOn.has(id) || (this.#answeringOf(id)?.size ?? 0) > 0);
    if (keys.length === 0) return [];
    const start = now();
    const stale = staleFlows(await kernel.flows(keys), (id) => this.#answeringOf(id), this.#sendingOn);
    const before = turn.report().applied.length;
    await turn.apply(stale.map((flow): Op => ({ kind: 'flow', verb: 'delete', flow })));
    this.#error = undefined;
    const deleted = turn.report().applied.slice(before);
    return families
      .filter((family) => keys.some(({ address }) => familyOf(address) === family))
      .map((family) => ({
        family,
        milliseconds: now() - start,
        deleted: deleted.filter((op) => op.kind === 'flow' && familyOf(op.flow.original.destination) === family).length,
      }));
  }
}

/**
 * Flows that are answered by somebody who may not: by a backend that takes no traffic of the virtual service any more, or by nobody,
 * because the flow is older than the virtual service. When such a destination goes the kernel itself forgets its flows, but not those that
 * our packet filter sent on from another virtual service (ip_vs_conn_drop_conntrack, 6.1). Where nobody may answer at all the flows
 * stay, since there is nobody to send them to, but for those that were sent on: they would go on to a backend of before, or to whoever
 * has its address by now.
 */
export function staleFlows(
  flows: readonly Flow[],
  answeringOf: (service: string) => ReadonlySet<string> | undefined,
  sendingOn: ReadonlySet<string>,
): Flow[] {
  return flows.filter((flow) => {
    const { original, reply } = flow;
    const { id } = flowService(flow);
    const answering = answeringOf(id);
    const from = endpointText(reply.source, reply.sourcePort);
    if (answering !== undefined && answering.size > 0) return !answering.has(from);
    return sendingOn.has(id) && from !== endpointText(original.destination, original.destinationPort);
  });
}
