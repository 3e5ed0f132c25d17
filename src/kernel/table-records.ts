/**
 * Our tables as the records of nf_tables objects: what is wanted, what a dump shows, the difference between the two, and the
 * transactions that end it. The C++ twin is `native/families/nftables_record.h`. Offsets in bytes; a rule: `rule-records.ts`:
 *
 *     table 0 verb  1 kind  2 family  4 flags  = 128
 *     chain 0 verb  1 kind  2 family  4 type  5 hook  6 policy  8 priority  32 name (32)  = 128
 *     set   0 verb  1 kind  2 family  4 flags  8 key type  12 key length  16 data type  20 data length  24 field lengths (8)
 *           32 name (32)  64 size  = 128
 */

import type { Family } from '../model/address.ts';
import type { BaseChain, Chain, Field, SetSpec, Table } from '../model/filter.ts';
import { nftablesObjectSize as objectSize } from './addon.ts';
import { fieldLength, keyLength } from './element-records.ts';
import { Records, verbNumbers } from './fields.ts';
import type { TableState } from './kernel.ts';
import { encodeRule, nameSize, objectKinds } from './rule-records.ts';

/** Records without verbs and handles, so that what is there equals what was added. */
export interface TableRecords {
  readonly family: Family;
  /** None of its chains sees a packet (nft's `flags dormant`). */
  readonly isDormant: boolean;
  readonly sets: ReadonlyMap<string, Uint8Array>;
  readonly chains: ReadonlyMap<string, ChainRecords>;
}

interface ChainRecords {
  readonly record: Uint8Array;
  /** Each rule with its expressions, in the order in which packets meet them. */
  readonly rules: Uint8Array[];
}

// linux/netfilter/nf_tables.h, linux/netfilter.h
const dormantFlag = 1;
const setFlags = { anonymous: 1, interval: 4, map: 8, concatenation: 0x80 } as const;
const verdictData = 0xffffff00;
const policyAccept = 1;
const chainTypes: Readonly<Record<BaseChain['type'], number>> = { filter: 1, nat: 2 };
const hooks: Readonly<Record<BaseChain['hook'], number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};
const nameAt = 32;
const handleAt = 8;

export function encodeTable(table: Table): TableRecords {
  const { family } = table;
  return {
    family,
    isDormant: false,
    sets: new Map(table.sets.map((spec) => [spec.name, encodeSet(family, spec)])),
    chains: new Map(
      table.chains.map((chain) => [
        chain.name,
        {
          record: encodeChain(family, chain),
          rules: chain.rules.map((rule) => encodeRule(family, chain.name, rule)),
        },
      ]),
    ),
  };
}

/** What a dump of one family shows of our table; undefined when there is none. */
export function decodeTable(family: Family, dump: Uint8Array): TableRecords | undefined {
  const sets = new Map<string, Uint8Array>();
  const chains = new Map<string, ChainRecords>();
  const records = new Records(new Uint8Array(dump));
  let found = false;
  let isDormant = false;
  for (let at = 0; at < dump.length; ) {
    const kind = records.byte(at + 1);
    const end = at + (kind === objectKinds.rule ? 1 + records.word(at + 4) : 1) * objectSize;
    const name = records.text(at + nameAt, nameSize);
    const record = records.bytes.subarray(at, end);
    if (kind === objectKinds.table) {
      found = true;
      isDormant = (records.word(at + 4) & dormantFlag) !== 0;
    }
    if (kind === objectKinds.set) sets.set(name, record);
    if (kind === objectKinds.chain) chains.set(name, { record, rules: [] });
    if (kind === objectKinds.rule) {
      record.fill(0, handleAt, handleAt + 8);
      chains.get(name)?.rules.push(record);
    }
    at = end;
  }
  return found ? { family, isDormant, sets, chains } : undefined;
}

/** Costs O(rules). */
export function tableState(held: TableRecords | undefined, wanted: TableRecords): TableState {
  if (held === undefined) return 'absent';
  if (held.isDormant) return 'other';
  for (const [name, record] of wanted.sets) if (!sameBytes(held.sets.get(name), record)) return 'other';
  const otherSets = surplusSets(held, wanted);
  const otherChains = Array.from(held.chains.keys()).filter((name) => !wanted.chains.has(name));
  if (otherSets.some(({ record }) => new Records(record).word(16) === verdictData)) return 'other';
  if ([...otherSets.map(({ name }) => name), ...otherChains].some(isCut)) return 'other';
  if (otherSets.length > 0 || otherChains.length > 0) return 'other rules';
  const same = [...wanted.chains].every(([name, chain]) => sameChain(held.chains.get(name), chain));
  return same ? 'same' : 'other rules';
}

/** One transaction: the table anew, whatever is there. The kernel deletes only what there is, hence the first addition. */
export function additionOf(wanted: TableRecords): Uint8Array {
  const table = tableRecord(wanted.family);
  return Buffer.concat([
    withVerb(table, 'add'),
    withVerb(table, 'delete'),
    withVerb(table, 'add'),
    ...Array.from(wanted.sets.values(), (record) => withVerb(record, 'add')),
    ...Array.from(wanted.chains.values(), ({ record }) => withVerb(record, 'add')),
    ...ruleAdditions(wanted),
  ]);
}

/** A transaction that needs all that {@link additionOf} needs, and that the kernel refuses as a whole: its last chain is not there to be deleted. */
export function rehearsalOf(wanted: TableRecords): Uint8Array {
  const missing: Chain = { name: 'missing', base: undefined, rules: [] };
  return Buffer.concat([additionOf(wanted), withVerb(encodeChain(wanted.family, missing), 'delete')]);
}

/**
 * One transaction that leaves our sets and their elements alone: every rule anew, and every chain that is another or not there;
 * somebody else's chains and sets in the table go.
 */
export function editOf(held: TableRecords, wanted: TableRecords): Uint8Array {
  const isKept = (name: string) => sameBytes(held.chains.get(name)?.record, wanted.chains.get(name)?.record);
  const heldChains = [...held.chains].map(([name, { record }]) => ({ name, record }));
  const wantedChains = [...wanted.chains].map(([name, { record }]) => ({ name, record }));
  return Buffer.concat([
    ...heldChains.map(({ record }) => withVerb(record, 'edit')),
    ...surplusSets(held, wanted).map(({ record }) => withVerb(record, 'delete')),
    ...heldChains.filter(({ name }) => !isKept(name)).map(({ record }) => withVerb(record, 'delete')),
    ...wantedChains.filter(({ name }) => !isKept(name)).map(({ record }) => withVerb(record, 'add')),
    ...ruleAdditions(wanted),
  ]);
}

export function deletionOf(family: Family): Uint8Array {
  return withVerb(tableRecord(family), 'delete');
}

/** An anonymous set is part of a rule and goes with it. */
function surplusSets(held: TableRecords, wanted: TableRecords): { name: string; record: Uint8Array }[] {
  return [...held.sets]
    .filter(([name, record]) => !wanted.sets.has(name) && (new Records(record).word(4) & setFlags.anonymous) === 0)
    .map(([name, record]) => ({ name, record }));
}

function ruleAdditions({ chains }: TableRecords): Uint8Array[] {
  return [...chains.values()].flatMap(({ rules }) => rules.map((rule) => withVerb(rule, 'add')));
}

/** Names may be longer than a record holds; what has only the beginning of one cannot be deleted by it. */
function isCut(name: string): boolean {
  return name.length === nameSize - 1;
}

function sameChain(one: ChainRecords | undefined, other: ChainRecords): boolean {
  return (
    one !== undefined &&
    sameBytes(one.record, other.record) &&
    one.rules.length === other.rules.length &&
    one.rules.every((rule, i) => sameBytes(rule, other.rules[i]))
  );
}

function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
}

/** A copy; a rule's expressions get the verb too. */
function withVerb(record: Uint8Array, verb: keyof typeof verbNumbers): Uint8Array {
  const copy = new Uint8Array(record);
  for (let at = 0; at < copy.length; at += objectSize) copy[at] = verbNumbers[verb];
  return copy;
}

function tableRecord(family: Family): Uint8Array {
  return objectRecord('table', family).bytes;
}

function objectRecord(kind: keyof typeof objectKinds, family: Family): Records {
  const records = new Records(new Uint8Array(objectSize));
  records.bytes[1] = objectKinds[kind];
  records.bytes[2] = family;
  return records;
}

function encodeChain(family: Family, { name, base }: Chain): Uint8Array {
  const records = objectRecord('chain', family);
  if (base !== undefined) {
    records.bytes[4] = chainTypes[base.type];
    records.bytes[5] = hooks[base.hook];
    records.bytes[6] = policyAccept;
    records.setWord(8, base.priority >>> 0);
  }
  records.setText(nameAt, name, nameSize);
  return records.bytes;
}

function encodeSet(family: Family, { name, key, data, interval }: SetSpec): Uint8Array {
  const records = objectRecord('set', family);
  const flags =
    (data === undefined ? 0 : setFlags.map) |
    (interval === true ? setFlags.interval | (key.length > 1 ? setFlags.concatenation : 0) : 0);
  records.setWord(4, flags);
  records.setWord(8, typeNumber(family, key));
  records.setWord(12, keyLength(family, key));
  if (data !== undefined) {
    records.setWord(16, typeNumber(family, data));
    records.setWord(20, keyLength(family, data));
  }
  if ((flags & setFlags.concatenation) !== 0) {
    key.forEach((field, i) => (records.bytes[24 + i] = fieldLength(family, field)));
  }
  records.setText(nameAt, name, nameSize);
  return records.bytes;
}

/** nft's own number of a type (enum datatypes in its datatype.h); six bits for each part of a concatenation. */
function typeNumber(family: Family, fields: readonly Field[]): number {
  const numbers = { address: family === 4 ? 7 : 8, protocol: 12, port: 13, device: 41 } as const;
  return fields.reduce((number, field) => (number << 6) | numbers[field], 0);
}
