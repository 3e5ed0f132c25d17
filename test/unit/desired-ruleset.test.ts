import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FilterPolicy, ruleset } from '../../src/desired/ruleset.ts';
import type { Family } from '../../src/model/address.ts';
import { parseRule } from '../../src/model/rule.ts';
import { cidr, detectors, facts, policy, tableOf } from '../support/filter-tables.ts';

const node = facts({ nodeIPs: ['192.0.2.1', '2001:db8::1'], podCIDRs: ['10.244.7.0/24', 'fd00:244:7::/64'] });
const bare = facts();

function rulesOf(family: Family, chain: string, fields: Partial<FilterPolicy> = {}, of = node): string[] {
  const found = tableOf(family, of, fields).chains.find(({ name }) => name === chain);
  return found!.rules.map(({ text }) => text);
}

const mark = 'meta mark set meta mark | 0x00004000';

test('the table of IPv4, as a whole', () => {
  const table = tableOf(4, node, { pods: detectors['networks of both families']! });
  assert.deepEqual(
    table.chains.flatMap(({ name, base, rules }) => [
      base === undefined ? name : `${name}: ${base.type} ${base.hook} ${base.priority}`,
      ...rules.map(({ text }) => `  ${text}`),
    ]),
    [
      'source-ranges',
      '  ip daddr . meta l4proto . th dport @restricted ip daddr . meta l4proto . th dport . ip saddr != @allowed-sources drop',
      'source-ranges-prerouting: filter prerouting -120',
      '  ct state new,untracked jump source-ranges',
      'source-ranges-output: filter output -120',
      '  ct state new,untracked jump source-ranges',
      'local-policy-prerouting: nat prerouting -110',
      '  ip saddr 10.244.0.0/16 dnat ip to ip daddr . meta l4proto . th dport map @local-clients',
      'local-policy-output: nat output -110',
      '  ip saddr 127.0.0.0/8 return',
      `  ip daddr . meta l4proto . th dport @services ip daddr . meta l4proto . th dport != @cluster-ips ${mark}`,
      '  dnat ip to ip daddr . meta l4proto . th dport map @local-clients',
      'services',
      '  ip saddr 127.0.0.0/8 return',
      `  ip daddr . meta l4proto . th dport @masqueraded ${mark}`,
      `  ip saddr != 10.244.0.0/16 ip daddr . meta l4proto . th dport @cluster-ips ${mark}`,
      'services-prerouting: nat prerouting -105',
      '  jump services',
      '  ip daddr . meta l4proto . th dport @services dnat to ip daddr',
      'services-output: nat output -105',
      '  jump services',
      '  ip daddr . meta l4proto . th dport @services dnat to ip daddr',
      'virtual-ip',
      '  ip daddr . meta l4proto . th dport @services return',
      '  icmp type echo-request return',
      '  tcp dport @health-check-ports return',
      '  reject with tcp reset',
      '  reject',
      'input: filter input 0',
      '  ct state new ip daddr . meta l4proto . th dport @without-local drop',
      '  ct state new ip daddr @virtual-ips goto virtual-ip',
      'masquerading',
      '  meta mark set meta mark & 0xffffbfff',
      '  oifname != @numbered-devices snat to 192.0.2.1 fully-random',
      '  masquerade fully-random',
      'postrouting: nat postrouting 95',
      '  ip saddr . ip daddr . meta l4proto . th dport @hairpins goto masquerading',
      '  meta mark & 0x00004000 == 0x00000000 return',
      '  goto masquerading',
    ],
  );
});

test('the table of IPv6 speaks of IPv6 alone', () => {
  const routedCIDRs = [cidr('10.96.0.0/12'), cidr('fd00:96::/108')];
  const table = tableOf(6, node, { pods: detectors['networks of both families']!, routedCIDRs });
  const texts = table.chains.flatMap(({ rules }) => rules.map(({ text }) => text));
  assert.deepEqual(
    texts.filter((text) => /\bip [sd]addr|dnat ip |icmp |\d+\.\d+\.\d+/.test(text)),
    [],
  );
  assert.ok(texts.includes('ip6 saddr ::1 return'));
  assert.ok(texts.includes('icmpv6 type echo-request return'));
  assert.ok(texts.includes('ct state new ip6 daddr fd00:96::/108 goto virtual-ip'));
});

const clients: readonly (readonly [detector: string, family: Family, clusterIPs: string, local: string | undefined])[] =
  [
    ['nothing', 4, 'ip saddr @virtual-ips ', 'ip saddr 10.244.7.0/24 '],
    ['nothing', 6, 'ip6 saddr @virtual-ips ', 'ip6 saddr fd00:244:7::/64 '],
    ['networks of both families', 6, 'ip6 saddr != fd00:244::/56 ', 'ip6 saddr fd00:244::/56 '],
    ['a network of IPv4', 4, 'ip saddr != 10.128.0.0/9 ', 'ip saddr 10.128.0.0/9 '],
    ['a network of IPv4', 6, 'ip6 saddr @virtual-ips ', 'ip6 saddr fd00:244:7::/64 '],
    ["the node's own networks", 4, 'ip saddr != 10.244.7.0/24 ', 'ip saddr 10.244.7.0/24 '],
    ['a bridge', 4, 'iifname != "cni0" ', 'iifname "cni0" '],
    ["a device's prefix", 6, 'iifname != "cali*" ', 'iifname "cali*" '],
  ];

for (const [detector, family, clusterIPs, local] of clients) {
  test(`Pods detected by ${detector}, IPv${family}: who is masqueraded, and who is no client from outside`, () => {
    const pods = detectors[detector]!;
    const key = `ip${family === 6 ? '6' : ''} daddr . meta l4proto . th dport`;
    assert.equal(rulesOf(family, 'services', { pods }).at(-1), `${clusterIPs}${key} @cluster-ips ${mark}`);
    const dnat = `dnat ip${family === 6 ? '6' : ''} to ${key} map @local-clients`;
    assert.deepEqual(rulesOf(family, 'local-policy-prerouting', { pods }), [`${local}${dnat}`]);
  });
}

test('where nothing tells Pods from others, nobody but the host leaves for the ClusterIP', () => {
  for (const detector of ['nothing', "the node's own networks"]) {
    assert.deepEqual(rulesOf(4, 'local-policy-prerouting', { pods: detectors[detector]! }, bare), []);
  }
  assert.equal(rulesOf(4, 'local-policy-output', {}, bare).length, 3);
});

test('masquerade all: every client of a ClusterIP, and Pods that leave for it', () => {
  const key = 'ip daddr . meta l4proto . th dport';
  const fields = { pods: detectors['a bridge']!, masqueradeAll: true };
  assert.equal(rulesOf(4, 'services', fields).at(-1), `${key} @cluster-ips ${mark}`);
  assert.deepEqual(rulesOf(4, 'local-policy-prerouting', fields), [
    `iifname "cni0" ${key} @services ${key} != @cluster-ips ${mark}`,
    `iifname "cni0" dnat ip to ${key} map @local-clients`,
  ]);
});

test('a routed network is guarded as a whole, and what comes from it is the host', () => {
  const routedCIDRs = [cidr('10.96.0.0/12'), cidr('10.200.0.1/32'), cidr('fd00:96::/108')];
  assert.deepEqual(rulesOf(4, 'input', { routedCIDRs }).slice(1), [
    'ct state new ip daddr @virtual-ips goto virtual-ip',
    'ct state new ip daddr 10.96.0.0/12 goto virtual-ip',
    'ct state new ip daddr 10.200.0.1 goto virtual-ip',
  ]);
  assert.deepEqual(rulesOf(4, 'services', { routedCIDRs }).slice(2), [
    `ip saddr @virtual-ips ip daddr . meta l4proto . th dport @cluster-ips ${mark}`,
    `ip saddr 10.96.0.0/12 ip daddr . meta l4proto . th dport @cluster-ips ${mark}`,
    `ip saddr 10.200.0.1 ip daddr . meta l4proto . th dport @cluster-ips ${mark}`,
  ]);
});

test('every bit can be the mark', () => {
  const rules = [
    ...rulesOf(4, 'services', { masqueradeMark: 0x80000000 }),
    ...rulesOf(4, 'masquerading', { masqueradeMark: 0x80000000 }),
    ...rulesOf(4, 'postrouting', { masqueradeMark: 0x80000000 }),
  ].join('\n');
  assert.match(rules, /meta mark set meta mark \| 0x80000000/);
  assert.match(rules, /meta mark set meta mark & 0x7fffffff/);
  assert.match(rules, /meta mark & 0x80000000 == 0x00000000 return/);
});

test('a family in which the node has no known address masquerades by device', () => {
  const known = facts({ nodeIPs: ['192.0.2.1'] });
  assert.match(rulesOf(4, 'masquerading', {}, known).join('\n'), /snat to 192\.0\.2\.1/);
  assert.doesNotMatch(rulesOf(6, 'masquerading', {}, known).join('\n'), /snat/);
});

for (const [name, pods] of Object.entries(detectors)) {
  for (const of of [node, bare]) {
    for (const masqueradeAll of [false, true]) {
      test(`Pods detected by ${name}, ${of === bare ? 'nothing known of the node' : 'the node known'}${masqueradeAll ? ', masquerading all' : ''}: rules stand on what is there`, () => {
        const tables = ruleset(of, policy({ pods, masqueradeAll, routedCIDRs: [cidr('10.96.0.0/12')] }));
        assert.deepEqual(
          tables.map(({ family }) => family),
          [4, 6],
        );
        for (const { sets, chains } of tables) {
          const known = new Map(sets.map((set) => [set.name, set]));
          const before = new Set<string>();
          for (const chain of chains) {
            for (const { text, comment } of chain.rules) {
              const { matches, verdict } = parseRule(text);
              for (const match of matches)
                if (match.kind === 'set') assert.equal(known.get(match.set)?.data, undefined);
              if (verdict?.kind === 'dnat') assert.notEqual(known.get(verdict.map)?.data, undefined);
              if (verdict?.kind === 'jump' || verdict?.kind === 'goto') assert.ok(before.has(verdict.chain), text);
              assert.ok(comment !== '' && comment.length < 64, comment);
            }
            before.add(chain.name);
          }
          const used = chains.flatMap(({ rules }) => rules.map(({ text }) => text)).join('\n');
          const isUsed = (set: string) => used.includes(`@${set}`);
          const unused = [...known.keys()].filter((set) => !isUsed(set));
          assert.ok(
            unused.every((set) => set === 'numbered-devices' && of === bare),
            unused.join(),
          );
        }
      });
    }
  }
}
