/**
 * Keys that must be looked at, each with its own retry clock. A key stays until what was done for it is folded; a failure sets it
 * aside for a while (100 ms doubling to 1 min); a newer change makes it due at once and outlives the pass that is under way.
 */

import { type Delays, delayAfter } from '../model/growing-delay.ts';

interface Entry<Key> {
  readonly key: Key;
  readonly failures: number;
  /** Milliseconds of the injected clock. */
  readonly dueAt: number;
  /** When it became dirty, by the same clock. */
  readonly since: number;
}

const delays: Delays = { first: 100, longest: 60_000 };

export class Dirty<Key> {
  readonly #entries = new Map<string, Entry<Key>>();

  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** `now`, where many are marked at once. */
  mark(id: string, key: Key, now = this.#now()): void {
    const since = this.#entries.get(id)?.since ?? now;
    this.#entries.set(id, { key, failures: 0, dueAt: 0, since });
  }

  /** The key may not be as it was believed to be: due at once, unless it is dirty anyway and waits for its turn. */
  suspect(id: string, key: Key): void {
    if (!this.#entries.has(id)) this.mark(id, key);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** What is due; hand the ticket back through `done` or `failed`. */
  due(now: number): Ticket<Key>[] {
    const tickets: Ticket<Key>[] = [];
    for (const [id, entry] of this.#entries) if (entry.dueAt <= now) tickets.push({ id, key: entry.key, entry });
    return tickets;
  }

  done(ticket: Ticket<Key>): void {
    if (this.#entries.get(ticket.id) === ticket.entry) this.#entries.delete(ticket.id);
  }

  failed(ticket: Ticket<Key>, now: number): void {
    this.#retry(ticket, now + delayAfter(ticket.entry.failures + 1, delays));
  }

  /** The kernel said something new: due at once, but a key that keeps surprising waits like one that fails. */
  again(ticket: Ticket<Key>, now: number): void {
    const { failures } = ticket.entry;
    this.#retry(ticket, failures === 0 ? now : now + delayAfter(failures, delays));
  }

  /** Nothing can be done for the key before `release`. */
  hold(ticket: Ticket<Key>): void {
    this.#retry(ticket, Number.POSITIVE_INFINITY);
  }

  isHeld(id: string): boolean {
    return this.#entries.get(id)?.dueAt === Number.POSITIVE_INFINITY;
  }

  /** What is held is due. Costs O(dirty). */
  release(): void {
    for (const [id, { key }] of this.#entries) if (this.isHeld(id)) this.mark(id, key);
  }

  /** When the next key is due; undefined when none is left but those that are held. Costs O(dirty). */
  nextDue(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#entries.values()) next = Math.min(next, dueAt);
    return Number.isFinite(next) ? next : undefined;
  }

  /** Since when the oldest key is dirty; undefined when none is. Costs O(dirty). */
  oldest(): number | undefined {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { since } of this.#entries.values()) oldest = Math.min(oldest, since);
    return Number.isFinite(oldest) ? oldest : undefined;
  }

  get size(): number {
    return this.#entries.size;
  }

  #retry({ id, key, entry }: Ticket<Key>, dueAt: number): void {
    if (this.#entries.get(id) !== entry) return;
    const { failures, since } = entry;
    this.#entries.set(id, { key, failures: failures + 1, dueAt, since });
  }
}

export interface Ticket<Key> {
  readonly id: string;
  readonly key: Key;
  readonly entry: Entry<Key>;
}

export function keysOf<Key>(tickets: readonly Ticket<Key>[]): Key[] {
  return tickets.map(({ key }) => key);
}

/** How many were not going to be looked at anyway. */
export function notDirty<Key>(keys: readonly Key[], dirty: Dirty<Key>, idOf: (key: Key) => string): number {
  return keys.filter((key) => !dirty.has(idOf(key))).length;
}
