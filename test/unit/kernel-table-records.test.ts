import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  additionOf,
  decodeTable,
  deletionOf,
  editOf,
  encodeTable,
  type TableRecords,
  tableState,
} from '../../src/kernel/table-records.ts';
import type { Chain, SetSpec, Table } from '../../src/model/filter.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { objectLines } from '../support/nft-records.ts';

const rule = (text: string) => ({ text, comment: '' });
const ports: SetSpec = { name: 'ports', key: ['port'] };
const far: Chain = { name: 'far', base: undefined, rules: [rule('drop')] };
const input: Chain = {
  name: 'input',
  base: { type: 'filter', hook: 'input', priority: -5 },
  rules: [rule('tcp dport @ports return'), rule('jump far')],
};
const table: Table = { family: 4, sets: [ports], chains: [far, input] };
const wanted = encodeTable(table);

/** What a kernel that took the records would dump. */
function dump(one: Table, change: (bytes: Uint8Array) => void = () => {}): TableRecords | undefined {
  const bytes = additionOf(encodeTable(one)).subarray(2 * 128);
  for (let at = 0; at < bytes.length; at += 128) {
    bytes[at] = 0;
    if (bytes[at + 1] === 4) bytes[at + 8] = 77; // a handle
  }
  change(bytes);
  return decodeTable(one.family, bytes);
}

function state(one: Table): string {
  return tableState(dump(one), wanted);
}

test('each of our sets is of the type that nft gives it', () => {
  const lines = ([4, 6] as const).map((family) =>
    Array.from(encodeTable(tableOf(family, facts())).sets.values(), (record) => objectLines(record)[0]),
  );
  assert.deepEqual(lines, [
    [
      'set services flags 0 key 29453/12 data 0/0 fields ',
      'set cluster-ips flags 0 key 29453/12 data 0/0 fields ',
      'set masqueraded flags 0 key 29453/12 data 0/0 fields ',
      'set virtual-ips flags 0 key 7/4 data 0/0 fields ',
      'set health-check-ports flags 0 key 13/2 data 0/0 fields ',
      'set hairpins flags 0 key 1864461/16 data 0/0 fields ',
      'set restricted flags 0 key 29453/12 data 0/0 fields ',
      'set allowed-sources flags 84 key 1884999/16 data 0/0 fields 4.1.2.4',
      'set without-local flags 0 key 29453/12 data 0/0 fields ',
      'set local-clients flags 8 key 29453/12 data 461/8 fields ',
      'set numbered-devices flags 0 key 41/16 data 0/0 fields ',
    ],
    [
      'set services flags 0 key 33549/24 data 0/0 fields ',
      'set cluster-ips flags 0 key 33549/24 data 0/0 fields ',
      'set masqueraded flags 0 key 33549/24 data 0/0 fields ',
      'set virtual-ips flags 0 key 8/16 data 0/0 fields ',
      'set health-check-ports flags 0 key 13/2 data 0/0 fields ',
      'set hairpins flags 0 key 2130701/40 data 0/0 fields ',
      'set restricted flags 0 key 33549/24 data 0/0 fields ',
      'set allowed-sources flags 84 key 2147144/40 data 0/0 fields 16.1.2.16',
      'set without-local flags 0 key 33549/24 data 0/0 fields ',
      'set local-clients flags 8 key 33549/24 data 525/20 fields ',
      'set numbered-devices flags 0 key 41/16 data 0/0 fields ',
    ],
  ]);
});

test('each of our chains is where it belongs', () => {
  const { chains } = encodeTable(tableOf(4, facts()));
  assert.deepEqual(
    Array.from(chains.values(), ({ record }) => objectLines(record)[0]),
    [
      'chain source-ranges type 0 hook 0 policy 0 priority 0',
      'chain source-ranges-prerouting type 1 hook 0 policy 1 priority -120',
      'chain source-ranges-output type 1 hook 3 policy 1 priority -120',
      'chain local-policy-prerouting type 2 hook 0 policy 1 priority -110',
      'chain local-policy-output type 2 hook 3 policy 1 priority -110',
      'chain services type 0 hook 0 policy 0 priority 0',
      'chain services-prerouting type 2 hook 0 policy 1 priority -105',
      'chain services-output type 2 hook 3 policy 1 priority -105',
      'chain virtual-ip type 0 hook 0 policy 0 priority 0',
      'chain input type 1 hook 1 policy 1 priority 0',
      'chain masquerading type 0 hook 0 policy 0 priority 0',
      'chain postrouting type 2 hook 4 policy 1 priority 95',
    ],
  );
});

test('an addition is the table anew: sets, then chains, then rules', () => {
  assert.deepEqual(
    objectLines(additionOf(wanted)).filter((line) => !line.startsWith('  ')),
    [
      'add table 4',
      'delete table 4',
      'add table 4',
      'add set ports flags 0 key 13/2 data 0/0 fields ',
      'add chain far type 0 hook 0 policy 0 priority 0',
      'add chain input type 1 hook 1 policy 1 priority -5',
      'add rule far expressions 1 comment ""',
      'add rule input expressions 5 comment ""',
      'add rule input expressions 1 comment ""',
    ],
  );
  assert.deepEqual(objectLines(deletionOf(6)), ['delete table 6']);
});

test("an edit empties every chain, takes away others' sets and chains and misplaced ones, and makes the rules anew", () => {
  const odd: Table = {
    family: 4,
    sets: [ports, { name: 'foreign', key: ['address'] }],
    chains: [
      { name: 'unknown', base: undefined, rules: [rule('drop')] },
      { ...input, base: { type: 'filter', hook: 'forward', priority: -5 } },
      { name: 'idle', base: undefined, rules: [] },
    ],
  };
  const lines = objectLines(editOf(dump(odd)!, wanted));
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('  ')),
    [
      'flush chain unknown type 0 hook 0 policy 0 priority 0',
      'flush chain input type 1 hook 2 policy 1 priority -5',
      'flush chain idle type 0 hook 0 policy 0 priority 0',
      'delete set foreign flags 0 key 7/4 data 0/0 fields ',
      'delete chain unknown type 0 hook 0 policy 0 priority 0',
      'delete chain input type 1 hook 2 policy 1 priority -5',
      'delete chain idle type 0 hook 0 policy 0 priority 0',
      'add chain far type 0 hook 0 policy 0 priority 0',
      'add chain input type 1 hook 1 policy 1 priority -5',
      'add rule far expressions 1 comment ""',
      'add rule input expressions 5 comment ""',
      'add rule input expressions 1 comment ""',
    ],
  );
});

test('the set of a rule that somebody wrote with braces goes with the rule', () => {
  const held = dump({ ...table, sets: [ports, { name: '__set0', key: ['port'] }] }, (bytes) => {
    const at = 2 * 128; // the second set
    assert.equal(bytes[at + 1], 3);
    bytes[at + 4] = 3; // anonymous, constant
  });
  assert.ok(!objectLines(editOf(held!, wanted)).some((line) => line.includes('delete set')));
  assert.equal(tableState(held, wanted), 'same', 'only what its rule says counts');
});

const states: readonly (readonly [what: string, held: Table, state: string])[] = [
  ['itself', table, 'same'],
  ['its chains in another order', { ...table, chains: [input, far] }, 'same'],
  ['a chain less', { ...table, chains: [far] }, 'other rules'],
  ['a chain more', { ...table, chains: [far, input, { ...far, name: 'more' }] }, 'other rules'],
  ['a rule less', { ...table, chains: [far, { ...input, rules: input.rules.slice(1) }] }, 'other rules'],
  [
    'its rules in another order',
    { ...table, chains: [far, { ...input, rules: input.rules.toReversed() }] },
    'other rules',
  ],
  [
    'another comment',
    { ...table, chains: [{ ...far, rules: [{ text: 'drop', comment: 'x' }] }, input] },
    'other rules',
  ],
  [
    'a chain of another type',
    { ...table, chains: [far, { ...input, base: { type: 'nat', hook: 'input', priority: -5 } }] },
    'other rules',
  ],
  [
    'a chain of another priority',
    { ...table, chains: [far, { ...input, base: { type: 'filter', hook: 'input', priority: 5 } }] },
    'other rules',
  ],
  ['a set more', { ...table, sets: [ports, { ...ports, name: 'more' }] }, 'other rules'],
  ['a set less', { ...table, sets: [] }, 'other'],
  ['a set of another key', { ...table, sets: [{ name: 'ports', key: ['protocol'] }] }, 'other'],
  ['a set that is a map', { ...table, sets: [{ ...ports, data: ['address'] }] }, 'other'],
  ['a set of intervals', { ...table, sets: [{ ...ports, interval: true }] }, 'other'],
  ['a name that may be cut', { ...table, sets: [ports, { ...ports, name: 'x'.repeat(31) }] }, 'other'],
];

for (const [what, held, expected] of states) {
  test(`a table compared with ${what}: ${expected}`, () => assert.equal(state(held), expected));
}

test('a table that somebody put to sleep is another', () => {
  const held = dump(table, (bytes) => {
    assert.equal(bytes[1], 1);
    bytes[4] = 1;
  });
  assert.equal(tableState(held, wanted), 'other');
});

test('another policy is another rule', () => {
  const held = dump(table, (bytes) => {
    const at = 3 * 128; // behind the table, the set and the first chain
    assert.equal(bytes[at + 1], 2);
    bytes[at + 6] = 0;
  });
  assert.equal(tableState(held, wanted), 'other rules');
});

test('a dump without the table is an absent table', () => {
  assert.equal(decodeTable(4, new Uint8Array()), undefined);
  assert.equal(tableState(undefined, wanted), 'absent');
});
