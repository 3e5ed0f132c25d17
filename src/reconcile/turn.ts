/**
 * One application of a plan: sends phase by phase, folds every answer, and remembers how each key fared. One exchange is under way
 * at a time (the adapter queues), and that is the proof of order.
 */

import type { Answers, Kernel } from '../kernel/kernel.ts';
import { familyName } from '../model/filter.ts';
import { flowService } from '../model/node-state.ts';
import { type Answer, bindingId, deviceName, type Op, type Refusal } from '../model/op.ts';
import type { Store } from '../store/store.ts';
import type { Actual } from './actual.ts';
import type { Dirty, Ticket } from './dirty.ts';
import { fold, type Outcome } from './fold.ts';
import { type Desired, type Plan, phases } from './plan.ts';
import { Presumptions } from './presumptions.ts';

export interface Surroundings {
  readonly kernel: Kernel;
  readonly store: Store;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Aborted: what is under way is finished and folded, nothing more is read or sent, and the step throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told of every plan before it is applied. */
  readonly onPlan?: (plan: Plan) => void;
  /** Told of every operation that changed the kernel, in the order in which it did. */
  readonly onApplied?: (op: Op) => void;
  /** Services and destinations that one turn looks at; {@link usualTurnSize} without. */
  readonly turnSize?: number;
}

/** A pass over more is done in turns: what is in memory at a time, and how long its answers hold up the event loop, is that of one. */
export const usualTurnSize = 512;

export interface Failure {
  readonly op: Op;
  readonly refusal: Refusal;
}

/** What became of a plan, and what it left as it is. */
export interface TurnReport extends Pick<Plan, 'unchanged' | 'held' | 'kept'> {
  readonly applied: readonly Op[];
  readonly failures: readonly Failure[];
  /** Not sent, because an operation they presume failed; retried with it. */
  readonly blocked: readonly Op[];
  /** Their answers were lost or surprising; read and planned again by the next pass. */
  readonly open: readonly Op[];
  readonly kernelTime: KernelTime;
}

/**
 * Milliseconds spent in exchanges that change the kernel: with IPVS, with rtnetlink for the device and its addresses, with nf_tables,
 * and for the rest (settings, tracked connections).
 */
export type KernelTime = Readonly<Record<TimedPart, number>>;

const timedParts = ['ipvs', 'addresses', 'filter', 'other'] as const;
export type TimedPart = (typeof timedParts)[number];

export function sumOf(times: readonly KernelTime[]): KernelTime {
  const entries = timedParts.map((part) => [part, times.reduce((sum, time) => sum + time[part], 0)]);
  return Object.fromEntries(entries) as KernelTime;
}

/** Operations of one request to the kernel adapter: enough to amortise the hop off the event loop, few enough not to block it. */
const chunkSize = 2048;

const parts: Readonly<Record<Op['kind'], TimedPart>> = {
  service: 'ipvs',
  destination: 'ipvs',
  device: 'addresses',
  binding: 'addresses',
  table: 'filter',
  element: 'filter',
  setting: 'other',
  timeouts: 'other',
  flow: 'other',
};

export class Turn {
  readonly #surroundings: Surroundings;
  readonly #actual: Actual;
  readonly #plan: Plan;
  readonly #presumptions: Presumptions;
  readonly #held: ReadonlySet<string>;
  readonly #applied: Op[] = [];
  readonly #failures: Failure[] = [];
  readonly #blocked: Op[] = [];
  readonly #open: Op[] = [];
  readonly #failedKeys = new Set<string>();
  readonly #openKeys = new Set<string>();
  readonly #kernelTime: Record<TimedPart, number> = { ipvs: 0, addresses: 0, filter: 0, other: 0 };

  constructor(surroundings: Surroundings, actual: Actual, plan: Plan, desired: Desired) {
    this.#surroundings = surroundings;
    this.#actual = actual;
    this.#plan = plan;
    this.#held = new Set([...plan.held, ...plan.postponed]);
    this.#presumptions = new Presumptions(actual, plan, desired);
  }

  /** Rejects when the channel broke or the signal was raised; what was answered until then is folded all the same. */
  async run(): Promise<void> {
    // a turn in which all is right already has nothing to send, and many of them may follow
    this.#surroundings.signal?.throwIfAborted();
    for (const phase of phases) await this.apply(this.#plan.ops[phase]);
    for (const { service, destination } of this.#plan.resting) this.#actual.rest(service.id, destination.id);
  }

  /** Nothing else is done while a chunk is with the kernel: on two busy cores that slows the exchange by more than it saves. */
  async apply(ops: readonly Op[]): Promise<void> {
    for (let start = 0; start < ops.length; start += chunkSize) {
      this.#surroundings.signal?.throwIfAborted();
      await this.#applyChunk(ops.slice(start, start + chunkSize));
    }
  }

  settle<Key>(dirty: Dirty<Key>, ticket: Ticket<Key>, now: number): void {
    const { id } = ticket;
    if (this.#failedKeys.has(id)) dirty.failed(ticket, now);
    else if (this.#openKeys.has(id)) dirty.again(ticket, now);
    else if (this.#held.has(id)) dirty.hold(ticket);
    else dirty.done(ticket);
  }

  report(): TurnReport {
    const { unchanged, held, kept } = this.#plan;
    return {
      unchanged,
      held,
      kept,
      applied: this.#applied,
      failures: this.#failures,
      blocked: this.#blocked,
      open: this.#open,
      kernelTime: this.#kernelTime,
    };
  }

  async #applyChunk(chunk: readonly Op[]): Promise<void> {
    const ops = chunk.filter((op) => this.#isPossible(op));
    if (ops.length === 0) return;
    const { answers, milliseconds } = await this.#exchange(ops);
    this.#kernelTime[parts[ops[0]!.kind]] += milliseconds;
    const now = this.#surroundings.now();
    ops.forEach((op, i) => {
      const answer = answers[i] ?? 'unknown';
      this.#note(op, answer, fold(this.#actual, op, answer, now));
    });
  }

  async #exchange(ops: readonly Op[]): Promise<Answers> {
    const { kernel, now } = this.#surroundings;
    try {
      return await kernel.apply(ops);
    } catch (broken) {
      for (const op of ops) fold(this.#actual, op, 'unknown', now());
      throw broken;
    }
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
      case 'declined':
        return;
      default:
        outcome satisfies never;
    }
  }

  #isPossible(op: Op): boolean {
    if (this.#presumptions.hold(op)) return true;
    const key = keyOf(op);
    // what surprised comes first, and then this may be possible, or needless: a destination of a virtual service that was there already
    const isUnknown = this.#openKeys.has(key) || (this.#openKeys.size > 0 && this.#failedKeys.size === 0);
    if (isUnknown) this.#openKeys.add(key);
    else {
      this.#blocked.push(op);
      this.#failedKeys.add(key);
    }
    return false;
  }
}

/** Keys that no event marks: what a plan does to the device, to tables, settings and timeouts. */
export function fixturesOf({ ops }: Plan): string[] {
  const fixtures = [
    ...ops.set,
    ...ops['add device'],
    ...ops['raise device'],
    ...ops['make table'],
    ...ops['delete device'],
    ...ops['delete table'],
  ];
  return fixtures.map(keyOf);
}

/** The dirty key that an operation belongs to. */
export function keyOf(op: Op): string {
  switch (op.kind) {
    case 'service':
    case 'destination':
      return op.service.id;
    case 'binding':
      return bindingId(op.binding);
    case 'device':
      return deviceName;
    case 'table':
      return familyName(op.table.family);
    case 'element':
      return op.element.id;
    case 'flow':
      return flowService(op.flow).id;
    case 'setting':
      return op.setting.name;
    case 'timeouts':
      return op.kind;
    default:
      return op satisfies never;
  }
}
