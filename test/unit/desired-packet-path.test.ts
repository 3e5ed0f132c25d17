/** How a packet passes our chains, and how elements are found for it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElementIndex, type Packet, passHook } from '../../src/desired/packet-path.ts';
import { type Cidr, networkText } from '../../src/model/address.ts';
import { type BaseChain, type Chain, element, setSpecs } from '../../src/model/filter.ts';
import { address, cidr } from '../support/cluster.ts';

const portal = [address('203.0.113.5'), 'TCP', 80] as const;

test('the network that has a source is found without a look at all others', () => {
  let looks = 0;
  const watched = ({ address: first, prefix }: Cidr): Cidr => ({
    get address() {
      looks++;
      return first;
    },
    prefix,
  });
  const networks = Array.from({ length: 1000 }, (_, i) => cidr(`10.${i >> 8}.${i & 255}.0/${24 + (i & 3)}`));
  const index = new ElementIndex(
    4,
    networks.map((network) => element(4, 'allowedSources', [...portal, watched(network)])),
  );
  looks = 0;
  const holder = (source: string) => {
    const network = index.find(setSpecs.allowedSources.name, [...portal, address(source)])?.key.at(-1);
    return network && networkText(network as Cidr);
  };
  assert.equal(holder('10.0.255.31'), '10.0.255.0/27');
  assert.equal(holder('10.3.231.31'), '10.3.231.0/27');
  assert.equal(holder('10.3.231.32'), undefined);
  assert.equal(holder('10.3.228.255'), '10.3.228.0/24');
  assert.equal(holder('10.3.232.1'), undefined);
  assert.ok(looks < 50, `${looks} looks at networks`);
});

const packet: Packet = {
  protocol: 'TCP',
  source: address('192.0.2.7'),
  destination: address('203.0.113.5'),
  port: 80,
  mark: 0,
  from: 'eth0',
  to: '',
};

function chain(
  name: string,
  base: Pick<BaseChain, 'type' | 'priority'> | undefined,
  ...texts: readonly string[]
): Chain {
  const rules = texts.map((text, i) => ({ text, comment: `${name} ${i + 1}` }));
  return { name, base: base && { ...base, hook: 'prerouting' }, rules };
}

const early = { type: 'nat', priority: -110 } as const;
const late = { type: 'nat', priority: -100 } as const;
const last = { type: 'filter', priority: -90 } as const;
const translate = 'ip daddr . meta l4proto . th dport @services dnat to ip daddr';
const mark = 'meta mark set meta mark | 0x00004000';

const passages: readonly [what: string, chains: readonly Chain[], fate: string, told: readonly string[]][] = [
  ['goes on where nothing is for it', [chain('a', last, 'ip saddr 10.0.0.0/8 drop')], 'on', []],
  ['is dropped by a rule, which is told', [chain('a', last, 'ip saddr 192.0.2.0/24 drop')], 'dropped', ['a 1']],
  ['passes the chains by priority', [chain('b', last, 'drop'), chain('a', early, 'drop')], 'dropped', ['a 1']],
  [
    'once translated passes no other chain that translates, but those that filter',
    [chain('a', early, translate), chain('b', late, mark), chain('c', last, 'drop')],
    'dropped',
    ['c 1'],
  ],
  [
    'is told with the way to the rule that decides',
    [chain('a', last, 'goto b', 'drop'), chain('b', undefined, 'drop')],
    'dropped',
    ['a 1', 'b 1'],
  ],
  [
    'that was marked is told of that, and no more of the way',
    [chain('a', last, mark, 'goto b'), chain('b', undefined, 'drop')],
    'dropped',
    ['a 1', 'b 1'],
  ],
  ['is told nothing of a way that leads nowhere', [chain('a', last, 'goto b'), chain('b', undefined)], 'on', []],
  [
    'comes back from where it jumped to, and not from where it went to',
    [
      chain('a', last, 'jump b', 'goto c', 'drop'),
      chain('b', undefined, 'return', 'drop'),
      chain('c', undefined, mark),
    ],
    'on',
    ['c 1'],
  ],
];

for (const [what, chains, fate, told] of passages) {
  test(`a packet ${what}`, () => {
    const served = element(4, 'services', [packet.destination, 'TCP', 80]);
    const table = { family: 4, sets: [], chains } as const;
    const passage = passHook('prerouting', packet, table, new ElementIndex(4, [served]));
    assert.equal(passage.fate, fate);
    assert.deepEqual(
      passage.rules.map(({ comment }) => comment),
      told,
    );
  });
}
