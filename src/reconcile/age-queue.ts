/**
 * Services whose changes are still to be folded in, the older the earlier, so that what an older one owns was never a younger one's, in
 * however many turns they are taken. The order in which keys become dirty is also that of their operations in each phase of a plan.
 */

import { byAge } from '../desired/claims.ts';
import type { ObjectName } from '../model/cluster.ts';

/** What the rest of a node's start waits for (kubernetes/kubernetes#133773). */
const urgent: readonly ObjectName[] = ['default/kubernetes', 'kube-system/kube-dns', 'kube-system/coredns'];

interface Entry {
  readonly name: ObjectName;
  /** Texts in the order of the queue. */
  readonly rank: string;
}

/** A binary heap: to fill it and to take from it costs O(log Services) each, never a moment for all of them. */
export class AgeQueue {
  readonly #heap: Entry[] = [];
  /** The rank of each that waits: its other entries in the heap are out of date. */
  readonly #ranks = new Map<ObjectName, string>();

  get size(): number {
    return this.#ranks.size;
  }

  /** `createdAt` as in `byAge`. One that waits already gets another place where its age is: its endpoints may have come before itself. */
  add(name: ObjectName, createdAt: string): void {
    const first = urgent.indexOf(name);
    const rank = first >= 0 ? `0${first}` : `1${byAge(createdAt, name)}`;
    if (this.#ranks.get(name) === rank) return;
    this.#ranks.set(name, rank);
    this.#push({ name, rank });
  }

  /** The first, which waits no more; undefined when none waits. */
  take(): ObjectName | undefined {
    for (let entry = this.#pop(); entry !== undefined; entry = this.#pop()) {
      if (this.#ranks.get(entry.name) !== entry.rank) continue;
      this.#ranks.delete(entry.name);
      return entry.name;
    }
    return undefined;
  }

  #push(entry: Entry): void {
    let at = this.#heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && entry.rank < this.#heap[parent]!.rank; parent = (at - 1) >> 1) {
      this.#heap[at] = this.#heap[parent]!;
      at = parent;
    }
    this.#heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** From the root, which is free, to its place. */
  #sink(entry: Entry): void {
    const { length } = this.#heap;
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && this.#heap[child + 1]!.rank < this.#heap[child]!.rank) child++;
      if (entry.rank <= this.#heap[child]!.rank) break;
      this.#heap[at] = this.#heap[child]!;
      at = child;
    }
    this.#heap[at] = entry;
  }
}
