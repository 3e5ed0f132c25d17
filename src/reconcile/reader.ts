/** Reads the kernel into the mirror: all of it to verify, or what an answer left open. The only reads that passes make. */

import { isDeepStrictEqual } from 'node:util';
import type { Kernel, TableState } from '../kernel/kernel.ts';
import { isMet } from '../desired/settings.ts';
import { families, type Family } from '../model/address.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Timeouts, WantedSetting } from '../model/node-state.ts';
import { inPieces } from '../model/pieces.ts';
import { parseVirtualServiceKey, type VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual } from './actual.ts';
import { type FilterDrift, serviceOf } from './actual-filter.ts';
import { areSet } from './plan-node.ts';
import type { Binding } from '../model/op.ts';

/** Services whose destinations one read asks for. */
const readSize = 64;

export class Reader {
  readonly #kernel: Kernel;
  readonly #actual: Actual;
  readonly #signal: AbortSignal | undefined;

  /** Once the signal is aborted, what takes many reads ends before the next one, and throws its reason. */
  constructor(kernel: Kernel, actual: Actual, signal?: AbortSignal) {
    this.#kernel = kernel;
    this.#actual = actual;
    this.#signal = signal;
  }

  /** Answers how many are neither as they were believed to be nor as they should; all timeouts count as one. */
  async settings(wanted: readonly WantedSetting[], wantedTimeouts?: Timeouts): Promise<number> {
    const names = wanted.map(({ name }) => name);
    const observed = await this.#kernel.settings(names);
    const before = new Map(this.#actual.settings);
    this.#actual.settings.clear();
    names.forEach((name, i) => this.#actual.settings.set(name, observed[i]!));
    const timeouts = await this.#kernel.timeouts();
    const areRight = wantedTimeouts === undefined || areSet(wantedTimeouts, timeouts);
    const isNews = !areRight && !isDeepStrictEqual(timeouts, this.#actual.timeouts);
    this.#actual.timeouts = timeouts;
    this.#actual.settingsUnknown = false;
    const others = wanted.filter((setting, i) => {
      const { value } = observed[i]!;
      // the kernel may round up what it was given
      return value !== before.get(setting.name)?.value && !(value !== undefined && isMet(setting, value));
    });
    return others.length + (isNews ? 1 : 0);
  }

  /** A table that nobody wants is as good as any other; there is nothing to compare it with. */
  async filter(wanted: readonly Table[]): Promise<FilterDrift> {
    const compared = families.map((family) => wanted.find((table) => table.family === family) ?? emptyTable(family));
    const states = await this.#kernel.tables(compared);
    let elements: readonly Element[] = [];
    for (const family of families) elements = [...elements, ...(await this.#kernel.elements(family))];
    return this.#actual.filter.observe(
      new Map(families.map((family, i): [Family, TableState] => [family, states[i]!])),
      elements,
    );
  }

  async services(): Promise<VirtualServiceKey[]> {
    return this.#actual.observeServices(await this.#kernel.services());
  }

  /**
   * Those that are marked as ours and no dump told of: where a dump goes on, the kernel counts what other network namespaces have, too, and
   * leaves some out when that changes (ip_vs_genl_dump_services in ip_vs_ctl.c, 6.1). Costs O(elements). Arguments as of `unknown`.
   */
  async leftOut(pass: number, now: () => number): Promise<void> {
    await inPieces(this.#actual.filter.elements.values(), (element) => {
      if (element.set !== 'services') return;
      const { id } = serviceOf(element);
      if (this.#actual.service(id) !== undefined) return;
      // what somebody else put there may name none
      const key = parseVirtualServiceKey(id);
      if (key !== undefined) this.#actual.unknown.set(id, key);
    });
    await this.unknown(pass, now);
  }

  async bindings(): Promise<Binding[]> {
    return this.#actual.observeBindings(await this.#kernel.device(), await this.#kernel.bindings());
  }

  /** The virtual services in doubt, with their destinations. `pass` numbers the pass in which they count as fresh. */
  async unknown(pass: number, now: () => number): Promise<void> {
    const keys = [...this.#actual.unknown.values()];
    if (keys.length === 0) return;
    const found = await this.#kernel.servicesAt(keys);
    keys.forEach(({ id }, i) => {
      const observed = found[i];
      if (observed === undefined) this.#actual.deleteService(id);
      else this.#actual.setService(observed.service, false);
    });
    const there = keys.filter(({ id }) => this.#actual.service(id) !== undefined);
    await this.destinations(there, pass, now);
  }

  /** Answers those of which any destination was not as it was believed to be. */
  async destinations(
    keys: readonly VirtualServiceKey[],
    pass: number,
    now: () => number,
  ): Promise<VirtualServiceKey[]> {
    const differing: VirtualServiceKey[] = [];
    for (let start = 0; start < keys.length; start += readSize) {
      this.#signal?.throwIfAborted();
      const some = keys.slice(start, start + readSize);
      const found = await this.#kernel.destinations(some);
      const at = now();
      await inPieces(some.entries(), ([i, key]) => {
        if (this.#actual.observeDestinations(key.id, found[i]!, pass, at)) differing.push(key);
      });
    }
    return differing;
  }
}

function emptyTable(family: Family): Table {
  return { family, sets: [], chains: [] };
}
