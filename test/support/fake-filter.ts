/** The packet filter of the fake kernel: our tables with their elements, answering as nf_tables of Linux 6.1 does. */

import { isDeepStrictEqual } from 'node:util';
import type { TableState } from '../../src/kernel/kernel.ts';
import type { Family } from '../../src/model/address.ts';
import { type Element, familyName, sameElement, setSpecs, type Table, valuesText } from '../../src/model/filter.ts';
import type { Op } from '../../src/model/op.ts';

interface Held {
  table: Table;
  isDormant: boolean;
  /** By set name, then by id. */
  readonly sets: Map<string, Map<string, Element>>;
}

type FilterOp = Extract<Op, { kind: 'table' | 'element' }>;

export class FakeFilter {
  /** Counts the changes that somebody else made; a test counts it up for those of tables that are not ours. */
  otherChanges = 1;
  readonly #tables = new Map<Family, Held>();

  execute(op: FilterOp): string | undefined {
    return op.kind === 'table' ? this.#executeTable(op) : this.#executeElement(op);
  }

  state(wanted: Table): TableState {
    const held = this.#tables.get(wanted.family);
    if (held === undefined) return 'absent';
    if (held.isDormant || wanted.sets.some(({ name }) => !held.sets.has(name))) return 'other';
    return isDeepStrictEqual(held.table, wanted) ? 'same' : 'other rules';
  }

  elements(family: Family): Element[] {
    return [...(this.#tables.get(family)?.sets.values() ?? [])].flatMap((set) => [...set.values()]);
  }

  /** As `nft` prints the elements, sorted: `ip services 10.96.0.10 . tcp . 80`. */
  lines(): string[] {
    const elements = [...this.elements(4), ...this.elements(6)];
    return elements.map(({ id, data }) => (data === undefined ? id : `${id} : ${valuesText(data)}`)).toSorted();
  }

  table(family: Family): Table | undefined {
    return this.#tables.get(family)?.table;
  }

  /** Somebody else's nft command on our tables; false when it is none of those that can be played. */
  run(line: string): boolean {
    const match = /^nft (flush|delete|add) (?:ruleset|table (ip6?) kube-ipvs)( \{ flags dormant; \})?$/.exec(line);
    if (match === null) return false;
    this.otherChanges++;
    for (const family of [4, 6] as const) {
      if (match[2] !== undefined && match[2] !== familyName(family)) continue;
      const held = this.#tables.get(family);
      if (held === undefined) continue;
      if (match[3] !== undefined) held.isDormant = true;
      else if (match[2] === undefined || match[1] === 'delete') this.#tables.delete(family);
      else held.table = { ...held.table, chains: held.table.chains.map((chain) => ({ ...chain, rules: [] })) };
    }
    return true;
  }

  /** nf_tables_newtable, nf_tables_deltable; a chain's rules and the sets' elements go with the table. */
  #executeTable({ verb, table }: Extract<Op, { kind: 'table' }>): string | undefined {
    const held = this.#tables.get(table.family);
    switch (verb) {
      case 'add':
        this.#tables.set(table.family, {
          table,
          isDormant: false,
          sets: new Map(table.sets.map(({ name }) => [name, new Map()])),
        });
        return undefined;
      case 'edit':
        if (held === undefined) return 'ENOENT';
        held.table = table;
        for (const name of held.sets.keys()) if (!table.sets.some((set) => set.name === name)) held.sets.delete(name);
        return undefined;
      case 'delete':
        return this.#tables.delete(table.family) ? undefined : 'ENOENT';
      default:
        return verb satisfies never;
    }
  }

  /** nft_add_set_elem, nft_del_setelem. */
  #executeElement({ verb, element }: Extract<Op, { kind: 'element' }>): string | undefined {
    const set = this.#tables.get(element.family)?.sets.get(setSpecs[element.set].name);
    if (set === undefined) return 'ENOENT';
    const known = set.get(element.id);
    if (verb === 'delete') return set.delete(element.id) ? undefined : 'ENOENT';
    if (known !== undefined && !sameElement(known, element)) return 'EEXIST';
    set.set(element.id, element);
    return undefined;
  }
}
