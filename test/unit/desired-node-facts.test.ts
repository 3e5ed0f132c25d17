/** What front ends and rules depend on, from the Node, the node's addresses and the configuration. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeFacts, type NodePolicy } from '../../src/desired/node-facts.ts';
import type { Node } from '../../src/model/cluster.ts';
import { address, cidr, node, nodeAddress, plainNodePolicy } from '../support/cluster.ts';

const host = [
  '127.0.0.1 lo',
  '::1 lo',
  '192.0.2.10 eth0',
  '2001:db8::10 eth0',
  'fe80::1 eth0',
  '10.88.0.1 cni0',
  'fe80::1 cni0',
  '169.254.20.10 nodelocaldns',
  '203.0.113.5 lo',
];

type Given = Partial<Omit<NodePolicy, 'nodeName'>>;

function facts(policy: Given = {}, of?: Partial<Node>, addresses: readonly string[] = host) {
  return nodeFacts(of && node(of), addresses.map(nodeAddress), { ...plainNodePolicy, ...policy });
}

const networks = (...texts: readonly string[]) => ({ nodePortAddresses: texts.map(cidr) });

describe('NodePorts are served', () => {
  const everywhere4 = ['192.0.2.10', '10.88.0.1', '169.254.20.10', '203.0.113.5'];
  const rows: readonly (readonly [string, Given, Partial<Node> | undefined, readonly string[]])[] = [
    [
      'at all addresses but loopback ones and IPv6 link-local ones, when nothing is said',
      {},
      undefined,
      ['192.0.2.10', '2001:db8::10', '10.88.0.1', '169.254.20.10', '203.0.113.5'],
    ],
    ['at all of a family that no network is of', networks('192.0.2.0/24'), undefined, ['192.0.2.10', '2001:db8::10']],
    [
      'at all of a family with /0 among its networks',
      networks('192.0.2.0/24', '0.0.0.0/0', '2001:db8::/32'),
      undefined,
      ['192.0.2.10', '2001:db8::10', '10.88.0.1', '169.254.20.10', '203.0.113.5'],
    ],
    [
      'at those in any network of a family',
      networks('192.0.2.0/24', '10.0.0.0/8', 'fd00::/8'),
      undefined,
      ['192.0.2.10', '10.88.0.1'],
    ],
    ['at those in the networks of each family', networks('10.0.0.0/8', 'fd00::/8'), undefined, ['10.88.0.1']],
    [
      'at IPv6 link-local ones in a network that names them',
      networks('10.0.0.0/8', 'fe80::/10'),
      undefined,
      ['fe80::1', '10.88.0.1'],
    ],
    ['at no loopback address, even in a network that names it', networks('127.0.0.0/8', '::1/128'), undefined, []],
    [
      "at the node's own addresses with primary",
      { nodePortAddresses: 'primary' },
      { addresses: ['192.0.2.10', '10.88.0.1', '2001:db8::10'].map(address) },
      ['192.0.2.10', '2001:db8::10'],
    ],
    [
      'at none of a family whose own address is unknown with primary',
      { nodePortAddresses: 'primary' },
      { addresses: [address('192.0.2.10')] },
      ['192.0.2.10'],
    ],
    ['nowhere with primary, when no own address is known', { nodePortAddresses: 'primary' }, { addresses: [] }, []],
    [
      'nowhere with primary, when neither a Node nor --bind-address names an address',
      { nodePortAddresses: 'primary' },
      undefined,
      [],
    ],
    [
      'at the address of --bind-address with primary',
      { nodePortAddresses: 'primary', nodeIP: address('10.88.0.1') },
      { addresses: ['192.0.2.10', '2001:db8::10'].map(address) },
      ['10.88.0.1', '2001:db8::10'],
    ],
    [
      'at no loopback address with primary',
      { nodePortAddresses: 'primary', nodeIP: address('127.0.0.1') },
      { addresses: [] },
      [],
    ],
  ];
  for (const [sentence, policy, of, expected] of rows) {
    it(sentence, () => assert.deepEqual(facts(policy, of).nodePortAddresses, expected));
  }

  it('once at an address that two devices have', () => {
    const twice = ['192.0.2.10 eth0', '192.0.2.10 eth1'];
    assert.deepEqual(facts({}, undefined, twice).nodePortAddresses, ['192.0.2.10']);
  });

  it('at all of IPv4 where only IPv6 networks are named', () => {
    assert.deepEqual(facts(networks('2001:db8::/32')).nodePortAddresses, [
      everywhere4[0],
      '2001:db8::10',
      ...everywhere4.slice(1),
    ]);
  });
});

describe("the node's own addresses are", () => {
  const rows: readonly (readonly [string, Given, readonly string[] | undefined, readonly string[], object])[] = [
    [
      'the first of each family that the Node names',
      {},
      ['192.0.2.10', '10.88.0.1', '2001:db8::10'],
      host,
      { 4: '192.0.2.10', 6: '2001:db8::10' },
    ],
    ['none that no device has', {}, ['192.0.2.99', '192.0.2.10', '2001:db8::10'], host, { 6: '2001:db8::10' }],
    ['none that the Node does not name', {}, [], host, {}],
    [
      '--bind-address in its family',
      { nodeIP: address('10.88.0.1') },
      ['192.0.2.10', '2001:db8::10'],
      host,
      { 4: '10.88.0.1', 6: '2001:db8::10' },
    ],
    ['not --bind-address where no device has it', { nodeIP: address('192.0.2.99') }, ['192.0.2.10'], host, {}],
    [
      'without a Node the first that are neither loopback nor link-local, nor on a loopback device',
      {},
      undefined,
      ['127.0.0.1 lo', '203.0.113.5 lo', '169.254.20.10 dns', '192.0.2.10', '192.0.2.11', 'fe80::1', '2001:db8::10'],
      { 4: '192.0.2.10', 6: '2001:db8::10' },
    ],
    ['none without a Node and without addresses', {}, undefined, [], {}],
    [
      '--bind-address without a Node',
      { nodeIP: address('10.88.0.1') },
      undefined,
      host,
      { 4: '10.88.0.1', 6: '2001:db8::10' },
    ],
  ];
  for (const [sentence, policy, named, addresses, expected] of rows) {
    it(sentence, () => {
      const of = named && { addresses: named.map(address) };
      assert.deepEqual(Object.fromEntries(facts(policy, of, addresses).nodeIPs), expected);
    });
  }
});

describe('what is masqueraded and leaves by a device without an address comes from', () => {
  const rows: readonly (readonly [string, Given, readonly string[] | undefined, readonly string[], object])[] = [
    [
      "the node's own addresses",
      {},
      ['10.88.0.1', '2001:db8::10'],
      [...host, '2001:db8::1 eth1'],
      { 4: '10.88.0.1', 6: '2001:db8::10' },
    ],
    [
      'the first that could be, in a family that the Node does not name',
      {},
      ['10.88.0.1'],
      host,
      { 4: '10.88.0.1', 6: '2001:db8::10' },
    ],
    [
      'the first that could be, where no device has what is named',
      { nodeIP: address('192.0.2.99') },
      ['192.0.2.98', '2001:db8::99'],
      host,
      { 4: '192.0.2.10', 6: '2001:db8::10' },
    ],
    ['nothing where nothing could be', {}, ['192.0.2.10'], ['127.0.0.1 lo', '203.0.113.5 lo', 'fe80::1 eth0'], {}],
  ];
  for (const [sentence, policy, named, addresses, expected] of rows) {
    it(sentence, () => {
      const of = named && { addresses: named.map(address) };
      assert.deepEqual(Object.fromEntries(facts(policy, of, addresses).masqueradeIPs), expected);
    });
  }
});

describe('packets leave by', () => {
  it('devices with an address of the family, but by no loopback device and by none with only an IPv6 link-local one', () => {
    const found = facts({}, undefined, [...host, '198.51.100.1 bond0', '198.51.100.2 bond0', 'fd00::1 wg0']);
    assert.deepEqual(found.numberedDevices.get(4), ['bond0', 'cni0', 'eth0', 'nodelocaldns']);
    assert.deepEqual(found.numberedDevices.get(6), ['eth0', 'wg0']);
  });

  it('none of which the kernel passes over every address when it looks for a source', () => {
    const addresses = ['192.0.2.10', '198.51.100.1 ppp0', '198.51.100.2 bond0', '198.51.100.3 bond0'].map(nodeAddress);
    const passedOver = addresses.map((one, i) => (i === 1 || i === 2 ? { ...one, isPassedOver: true as const } : one));
    const { numberedDevices, held } = nodeFacts(undefined, passedOver, plainNodePolicy);
    assert.deepEqual(numberedDevices.get(4), ['bond0', 'eth0']);
    assert.deepEqual(
      [...held],
      addresses.map((one) => one.address),
      'the node has them all the same',
    );
  });

  it('none with a name that cannot be told to the kernel as it is', () => {
    const latin = Buffer.from('b\u00fcro', 'latin1').toString();
    const addresses = ['192.0.2.10 eth0', '198.51.100.1 b\u00fcro', `198.51.100.2 ${latin}`].map(nodeAddress);
    assert.deepEqual(nodeFacts(undefined, addresses, plainNodePolicy).numberedDevices.get(4), ['b\u00fcro', 'eth0']);
  });
});

describe('an address of IPv6 that is tentative', () => {
  const moving = { ...nodeAddress('2001:db8:5::5 eth0'), isPassedOver: true, isTentative: true } as const;

  it('is held by nobody yet, so that kube-ipvs0 keeps it until packets for it come in', () => {
    const found = nodeFacts(undefined, [nodeAddress('2001:db8::10 eth0'), moving], plainNodePolicy);
    assert.deepEqual([...found.held], ['2001:db8::10']);
    assert.deepEqual(found.nodePortAddresses, ['2001:db8::10', '2001:db8:5::5']);
  });
});

describe('the rest', () => {
  it('is what the Node says', () => {
    const found = facts({}, { zone: 'east', podCIDRs: [cidr('10.244.1.0/24')] });
    assert.deepEqual([found.name, found.zone, found.podCIDRs], ['node-a', 'east', [cidr('10.244.1.0/24')]]);
  });

  it('is nothing without a Node', () => {
    const found = facts();
    assert.deepEqual([found.name, found.zone, found.podCIDRs], ['node-a', undefined, []]);
  });

  it('held are the addresses of all devices, but for those of one link: each Pod brings one with its device', () => {
    const addresses = new Set(host.map((text) => text.split(' ')[0]!));
    addresses.delete('fe80::1');
    assert.deepEqual([...facts().held], [...addresses]);
  });
});
