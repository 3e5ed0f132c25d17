/** Reads the kernel into the mirror: all of it to verify, or what an answer left open. The only reads that passes make. */

import type { Kernel, TableState } from '../kernel/kernel.ts';
import type { Family } from '../model/address.ts';
import type { Element, Table } from '../model/filter.ts';
import type { WantedSetting } from '../model/node-state.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import type { Actual } from './actual.ts';

/** Services whose destinations one read asks for. */
const readSize = 512;
const families: readonly Family[] = [4, 6];

export class Reader {
  readonly #kernel: Kernel;
  readonly #actual: Actual;

  constructor(kernel: Kernel, actual: Actual) {
    this.#kernel = kernel;
    this.#actual = actual;
  }

  async settings(wanted: readonly WantedSetting[]): Promise<void> {
    const names = wanted.map(({ name }) => name);
    const observed = await this.#kernel.settings(names);
    this.#actual.settings.clear();
    names.forEach((name, i) => this.#actual.settings.set(name, observed[i]!));
    this.#actual.timeouts = await this.#kernel.timeouts();
    this.#actual.settingsUnknown = false;
  }

  /** A table that nobody wants is as good as any other; there is nothing to compare it with. */
  async filter(wanted: readonly Table[]): Promise<void> {
    const compared = families.map((family) => wanted.find((table) => table.family === family) ?? emptyTable(family));
    const states = await this.#kernel.tables(compared);
    let elements: readonly Element[] = [];
    for (const family of families) elements = [...elements, ...(await this.#kernel.elements(family))];
    this.#actual.filter.observe(
      new Map(families.map((family, i): [Family, TableState] => [family, states[i]!])),
      elements,
    );
  }

  async services(): Promise<void> {
    this.#actual.observeServices(await this.#kernel.services());
  }

  async bindings(): Promise<void> {
    this.#actual.observeBindings(await this.#kernel.device(), await this.#kernel.bindings());
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

  async destinations(keys: readonly VirtualServiceKey[], pass: number, now: () => number): Promise<void> {
    for (let start = 0; start < keys.length; start += readSize) {
      const some = keys.slice(start, start + readSize);
      const found = await this.#kernel.destinations(some);
      some.forEach(({ id }, i) => this.#actual.observeDestinations(id, found[i]!, pass, now()));
    }
  }
}

function emptyTable(family: Family): Table {
  return { family, sets: [], chains: [] };
}
