/**
 * The slow verification: the kernel is read, and what is not as the mirror believes it to be is told. Virtual services, bindings and
 * settings are read whole; the packet filter when somebody else changed it; destinations in turn, for a bounded time.
 */

import type { Kernel } from '../kernel/kernel.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Timeouts, WantedSetting } from '../model/node-state.ts';
import type { Binding } from '../model/op.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual } from './actual.ts';
import type { Reader } from './reader.ts';

/** Virtual services whose destinations are read before the clock is looked at: a dump each. */
export const scrubSize = 32;

/** What should be there, as far as a scrub must know it. */
export interface Expected {
  readonly settings: readonly WantedSetting[];
  readonly timeouts: Timeouts | undefined;
  readonly tables: readonly Table[];
  readonly isClaimed: (id: string) => boolean;
}

export interface Differing {
  readonly services: VirtualServiceKey[];
  /** Virtual services of which a destination differs. */
  readonly destinations: VirtualServiceKey[];
  bindings: readonly Binding[];
  elements: readonly Element[];
  /** Tables and settings; the plan looks at all of them anyway. */
  tables: number;
  settings: number;
}

function nothingDiffers(): Differing {
  return { services: [], destinations: [], bindings: [], elements: [], tables: 0, settings: 0 };
}

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
  /** Outlives a read that fails: the mirror has taken in what the ones before it told, and nobody would find it again. */
  #found = nothingDiffers();

  constructor(kernel: Kernel, reader: Reader, actual: Actual) {
    this.#kernel = kernel;
    this.#reader = reader;
    this.#actual = actual;
  }

  /**
   * What nobody claims and is not ours does not count. Destinations are read for `budget` milliseconds, of {@link scrubSize} virtual
   * services at least; the next scrub goes on where this one ended. After a read that failed it is to be run again.
   */
  async run(
    { settings, timeouts, tables, isClaimed }: Expected,
    pass: number,
    now: () => number,
    budget: number,
  ): Promise<Differing> {
    const concerns = (key: VirtualServiceKey) => {
      const known = this.#actual.service(key.id);
      return isClaimed(key.id) || (known !== undefined && this.#actual.isOurs(known));
    };
    const found = this.#found;
    found.settings += await this.#reader.settings(settings, timeouts);
    const filter = await this.#changedFilter(tables);
    found.elements = [...found.elements, ...filter.elements];
    found.tables += filter.tables.length;
    for (const key of (await this.#reader.services()).filter(concerns)) this.#differs(key);
    const bindings = await this.#reader.bindings();
    found.bindings = [...found.bindings, ...bindings];
    if (bindings.length > 0) this.#takeOver();
    const start = now();
    do {
      this.#due ??= this.#next(concerns);
      found.destinations.push(...(await this.#reader.destinations(this.#due, pass, now)));
      this.#due = undefined;
    } while (this.#round !== undefined && now() - start < budget);
    this.#found = nothingDiffers();
    return found;
  }

  /** What an address makes ours that somebody else bound to our device. O(virtual services). */
  #takeOver(): void {
    for (const known of this.#actual.services.values()) {
      if (!known.ours && this.#actual.isOurs(known)) this.#differs(known.service);
    }
  }

  /** It is read with its destinations by the next pass, and stays ours whatever became of its address. */
  #differs(key: VirtualServiceKey): void {
    this.#found.services.push(key);
    const known = this.#actual.service(key.id);
    if (known === undefined) return;
    known.ours ||= this.#actual.isOurs(known);
    this.#actual.unknown.set(key.id, key);
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
