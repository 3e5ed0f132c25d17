/**
 * The slow verification: the kernel is read, and what is not as the mirror believes it to be is told. Virtual services, bindings and
 * settings are read whole; the packet filter when somebody else changed it; destinations in turn, for a bounded time.
 */

import type { Kernel } from '../kernel/kernel.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Binding } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual } from './actual.ts';
import type { Reader } from './reader.ts';
import type { WantedState } from './wanted.ts';

/** Virtual services whose destinations are read before the clock is looked at: a dump each. */
export const scrubSize = 32;

/** What should be there, as far as a scrub must know it: as of now, since passes may change it. */
export type Expected = Pick<WantedState, 'settings' | 'timeouts' | 'tables' | 'isClaimed'>;

/** What one read found other than it was believed to be. */
export interface Differing {
  readonly services: readonly VirtualServiceKey[];
  /** Virtual services of which a destination differs. */
  readonly destinations: readonly VirtualServiceKey[];
  readonly bindings: readonly Binding[];
  readonly elements: readonly Element[];
  /** Tables and settings; the plan looks at all of them anyway. */
  readonly tables: number;
  readonly settings: number;
}

const nothing: Differing = { services: [], destinations: [], bindings: [], elements: [], tables: 0, settings: 0 };

export class Scrub {
  readonly #kernel: Kernel;
  readonly #reader: Reader;
  readonly #actual: Actual;
  /** Where the round of destinations is. */
  #round: Iterator<string> | undefined;
  /** As of the last reading of the packet filter. */
  #filterChanges: number | undefined;
  /** The part of the round that is to be read, until it was. */
  #due: VirtualServiceKey[] | undefined;

  constructor(kernel: Kernel, reader: Reader, actual: Actual) {
    this.#kernel = kernel;
    this.#reader = reader;
    this.#actual = actual;
  }

  /**
   * Yields after each read what differed. The mirror is right again by then, and forgets that anything differed: who asks must mark it
   * as dirty before anything else happens. Passes may run between two reads. What nobody claims and is not ours does not count.
   *
   * Destinations are read for `budget` milliseconds, of {@link scrubSize} virtual services at least; the next scrub goes on where this one
   * ended. Throws where a read fails, and is then to be run again.
   */
  async *run(
    expected: Expected,
    pass: () => number,
    now: () => number,
    budget: number,
  ): AsyncGenerator<Differing, void, void> {
    const concerns = (key: VirtualServiceKey) => {
      const known = this.#actual.service(key.id);
      return expected.isClaimed(key.id) || (known !== undefined && this.#actual.isOurs(known));
    };
    yield { ...nothing, settings: await this.#reader.settings(expected.settings, expected.timeouts) };
    const filter = await this.#changedFilter(expected.tables);
    yield { ...nothing, elements: filter.elements, tables: filter.tables.length };
    yield { ...nothing, services: this.#doubt((await this.#reader.services()).filter(concerns)) };
    const bindings = await this.#reader.bindings();
    yield { ...nothing, bindings, services: this.#doubt(this.#takenOver(expected)) };
    let spent = 0;
    do {
      this.#due ??= this.#next(concerns);
      const start = now();
      const destinations = await this.#reader.destinations(this.#due, pass(), now);
      this.#due = undefined;
      spent += now() - start;
      yield { ...nothing, destinations };
    } while (this.#round !== undefined && spent < budget);
  }

  /** What an address makes ours that somebody else bound to our device, or an element of our set. O(virtual services). */
  #takenOver(expected: Expected): VirtualServiceKey[] {
    const taken: VirtualServiceKey[] = [];
    for (const known of this.#actual.services.values()) {
      const { service, ours } = known;
      if (!ours && !expected.isClaimed(service.id) && this.#actual.isOurs(known)) taken.push(service);
    }
    return taken;
  }

  /** They are read with their destinations by the next pass, and stay ours whatever became of their address. */
  #doubt(keys: readonly VirtualServiceKey[]): readonly VirtualServiceKey[] {
    for (const key of keys) {
      const known = this.#actual.service(key.id);
      if (known === undefined) continue;
      known.ours ||= this.#actual.isOurs(known);
      this.#actual.unknown.set(key.id, key);
    }
    return keys;
  }

  /** Reads the packet filter whole, whoever changed it. O(elements). */
  async filter(tables: readonly Table[]): ReturnType<Reader['filter']> {
    const changes = await this.#kernel.otherFilterChanges();
    const differing = await this.#reader.filter(tables);
    this.#filterChanges = changes;
    return differing;
  }

  async #changedFilter(tables: readonly Table[]): ReturnType<Reader['filter']> {
    const isSame = (await this.#kernel.otherFilterChanges()) === this.#filterChanges;
    return isSame ? { tables: [], elements: [] } : this.filter(tables);
  }

  /** The next virtual services of the round. One that ends here leaves the beginning of the next to the next scrub. */
  #next(concerns: (key: VirtualServiceKey) => boolean): VirtualServiceKey[] {
    this.#round ??= this.#actual.services.keys();
    const keys: VirtualServiceKey[] = [];
    while (keys.length < scrubSize) {
      const { value: id, done } = this.#round.next();
      if (done === true) {
        this.#round = undefined;
        break;
      }
      const known = this.#actual.service(id);
      if (known?.read === true && !this.#actual.unknown.has(id) && concerns(known.service)) keys.push(known.service);
    }
    return keys;
  }
}
