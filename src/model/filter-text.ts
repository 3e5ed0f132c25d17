/** The text forms of what we do to the packet filter, as `nft` commands. */

import { familyName, setSpecs, tableName, valuesText } from './filter.ts';
import type { Op } from './op.ts';
import { printable } from './printable.ts';

type ElementOp = Extract<Op, { kind: 'element' }>;
type TableOp = Extract<Op, { kind: 'table' }>;

/** `nft add element ip kube-ipvs services { 10.96.0.1 . tcp . 443 }`. */
export function elementOpText({ verb, element: { family, set, key, data } }: ElementOp): string {
  const value = data === undefined || verb === 'delete' ? '' : ` : ${valuesText(data)}`;
  const where = `${familyName(family)} ${tableName} ${setSpecs[set].name}`;
  const text = `nft ${verb} element ${where} { ${valuesText(key)}${value} }`;
  // a device may be named by anybody; all else is numbers
  return set === 'numberedDevices' ? printable(text) : text;
}

/** One command stands for all: `add` is followed by the table's sets, chains and rules, `flush` by its rules. */
export function tableOpText({ verb, table: { family } }: TableOp): string {
  return `nft ${tableVerbs[verb]} table ${familyName(family)} ${tableName}`;
}

const tableVerbs = { add: 'add', edit: 'flush', delete: 'delete' } as const;
