/** The text forms of what we do to the packet filter, as `nft` commands. `parseElementOp(elementOpText(op))` is `op`. */

import { type Family, parseAddress, parseNetwork } from './address.ts';
import {
  anything,
  type Element,
  element,
  familyName,
  type Field,
  setKeys,
  type SetSpec,
  setSpecs,
  tableName,
  type Value,
  valuesText,
} from './filter.ts';
import type { Op } from './op.ts';
import { printable } from './printable.ts';
import type { Protocol } from './virtual-service.ts';

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
const protocols = new Map<string, Protocol>([
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['sctp', 'SCTP'],
]);
const elementPattern = new RegExp(`^nft (add|delete) element (ip6?) ${tableName} (\\S+) \\{ (.+) \\}$`);

/** undefined where the line is no such command. */
export function parseElementOp(line: string): ElementOp | undefined {
  const match = elementPattern.exec(line);
  if (match === null) return undefined;
  const [, verb, familyText, name, valueText] = match;
  const [key = '', data] = valueText!.split(' : ');
  const parsed = parseElement(familyText === 'ip' ? 4 : 6, name!, key, data);
  return parsed && { kind: 'element', verb: verb as 'add' | 'delete', element: parsed };
}

/** An element of one of our sets from nft's own text of its key and data; undefined where the set cannot hold it. */
function parseElement(family: Family, setName: string, key: string, data?: string): Element | undefined {
  const set = setKeys.get(setName);
  if (set === undefined) return undefined;
  const spec: SetSpec = setSpecs[set];
  const keyValues = parseValues(key, spec.key, spec.interval === true);
  const dataValues = data === undefined || spec.data === undefined ? undefined : parseValues(data, spec.data, false);
  if (keyValues === undefined || (data !== undefined && dataValues === undefined)) return undefined;
  return element(family, set, keyValues, dataValues);
}

function parseValues(text: string, fields: readonly Field[], interval: boolean): Value[] | undefined {
  if (text.trim() === '*') return fields.map(() => anything);
  const parts = text.trim().split(' . ');
  if (parts.length !== fields.length) return undefined;
  const values = parts.map((part, i) => parseValue(part, fields[i]!, interval && i === fields.length - 1));
  return values.every((value) => value !== undefined) ? values : undefined;
}

function parseValue(text: string, field: Field, isNetwork: boolean): Value | undefined {
  switch (field) {
    case 'address':
      return isNetwork ? parseNetwork(text) : parseAddress(text);
    case 'protocol':
      return protocols.get(text);
    case 'port':
      return /^\d+$/.test(text) ? Number(text) : undefined;
    case 'device':
      return text.replaceAll('"', '');
    default:
      return field satisfies never;
  }
}
