/** Rules as expressions: what `nft --debug=netlink` of nft 1.0.6 shows for the same text. Words are little-endian here. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRule } from '../../src/kernel/rule-records.ts';
import type { Family } from '../../src/model/address.ts';
import { objectLines } from '../support/nft-records.ts';

const service4 = [
  'payload load 4b @ header 1 + 16 => reg 1',
  'meta load 16 => reg 9',
  'payload load 2b @ header 2 + 2 => reg 10',
];
const service6 = [
  'payload load 16b @ header 1 + 24 => reg 1',
  'meta load 16 => reg 2',
  'payload load 2b @ header 2 + 2 => reg 13',
];
const isNew = [
  'ct load 0 direction 255 => reg 1',
  'bitwise reg 1 = ( reg 1 & 08000000 ) ^ 00000000',
  'cmp neq reg 1 00000000',
];
const zeros16 = '0'.repeat(32);

const rules: readonly (readonly [family: Family, text: string, expressions: readonly string[]])[] = [
  [4, 'drop', ['verdict 0']],
  [4, 'return', ['verdict -5']],
  [4, 'jump services', ['verdict -3 -> services']],
  [4, 'ct state new jump source-ranges', [...isNew, 'verdict -3 -> source-ranges']],
  [
    4,
    'ct state new,untracked jump source-ranges',
    [
      'ct load 0 direction 255 => reg 1',
      'bitwise reg 1 = ( reg 1 & 48000000 ) ^ 00000000',
      'cmp neq reg 1 00000000',
      'verdict -3 -> source-ranges',
    ],
  ],
  [4, 'ip saddr 127.0.0.0/8 return', ['payload load 1b @ header 1 + 12 => reg 1', 'cmp eq reg 1 7f', 'verdict -5']],
  [
    4,
    'ip saddr != 10.240.0.0/12 return',
    [
      'payload load 4b @ header 1 + 12 => reg 1',
      'bitwise reg 1 = ( reg 1 & fff00000 ) ^ 00000000',
      'cmp neq reg 1 0af00000',
      'verdict -5',
    ],
  ],
  [4, 'ip daddr 10.0.0.1 return', ['payload load 4b @ header 1 + 16 => reg 1', 'cmp eq reg 1 0a000001', 'verdict -5']],
  [
    4,
    'ip saddr 0.0.0.0/0 return',
    [
      'payload load 4b @ header 1 + 12 => reg 1',
      'bitwise reg 1 = ( reg 1 & 00000000 ) ^ 00000000',
      'cmp eq reg 1 00000000',
      'verdict -5',
    ],
  ],
  [
    6,
    'ip6 saddr ::1 return',
    ['payload load 16b @ header 1 + 8 => reg 1', `cmp eq reg 1 ${'0'.repeat(31)}1`, 'verdict -5'],
  ],
  [
    6,
    'ip6 saddr != fd00:244::/56 return',
    ['payload load 7b @ header 1 + 8 => reg 1', 'cmp neq reg 1 fd000244000000', 'verdict -5'],
  ],
  [
    6,
    'ct state new ip6 daddr fd00:96::/57 goto virtual-ip',
    [
      ...isNew,
      'payload load 16b @ header 1 + 24 => reg 1',
      `bitwise reg 1 = ( reg 1 & ffffffffffffff800000000000000000 ) ^ ${zeros16}`,
      'cmp eq reg 1 fd000096000000000000000000000000',
      'verdict -4 -> virtual-ip',
    ],
  ],
  [
    4,
    'ip daddr . meta l4proto . th dport @restricted ip daddr . meta l4proto . th dport . ip saddr != @allowed-sources drop',
    [
      ...service4,
      'lookup reg 1 set restricted',
      ...service4,
      'payload load 4b @ header 1 + 12 => reg 11',
      'lookup reg 1 set allowed-sources 1',
      'verdict 0',
    ],
  ],
  [
    6,
    'ip6 daddr . meta l4proto . th dport . ip6 saddr != @allowed-sources drop',
    [...service6, 'payload load 16b @ header 1 + 8 => reg 14', 'lookup reg 1 set allowed-sources 1', 'verdict 0'],
  ],
  [
    6,
    'ip6 saddr . ip6 daddr . meta l4proto . th dport @hairpins goto masquerading',
    [
      'payload load 16b @ header 1 + 8 => reg 1',
      'payload load 16b @ header 1 + 24 => reg 2',
      'meta load 16 => reg 3',
      'payload load 2b @ header 2 + 2 => reg 17',
      'lookup reg 1 set hairpins',
      'verdict -4 -> masquerading',
    ],
  ],
  [
    4,
    'iifname != "cni0" return',
    ['meta load 6 => reg 1', 'cmp neq reg 1 636e6930000000000000000000000000', 'verdict -5'],
  ],
  [4, 'iifname "pöd*" return', ['meta load 6 => reg 1', 'cmp eq reg 1 70c3b664', 'verdict -5']],
  [4, 'iifname "cali*" return', ['meta load 6 => reg 1', 'cmp eq reg 1 63616c69', 'verdict -5']],
  [
    4,
    'oifname != @numbered-devices snat to 192.0.2.1 fully-random',
    [
      'meta load 7 => reg 1',
      'lookup reg 1 set numbered-devices 1',
      'immediate reg 1 c0000201',
      'nat 0 family 2 addr_min reg 1 flags 16',
    ],
  ],
  [
    6,
    'snat to 2001:db8::1 fully-random',
    ['immediate reg 1 20010db8000000000000000000000001', 'nat 0 family 10 addr_min reg 1 flags 16'],
  ],
  [4, 'masquerade fully-random', ['masq flags 16']],
  [
    4,
    'dnat ip to ip daddr . meta l4proto . th dport map @local-clients',
    [...service4, 'lookup reg 1 set local-clients dreg 1', 'nat 1 family 2 addr_min reg 1 proto_min reg 9 flags 0'],
  ],
  [
    6,
    'dnat ip6 to ip6 daddr . meta l4proto . th dport map @local-clients',
    [...service6, 'lookup reg 1 set local-clients dreg 1', 'nat 1 family 10 addr_min reg 1 proto_min reg 2 flags 0'],
  ],
  [
    4,
    'ip daddr . meta l4proto . th dport @services dnat to ip daddr',
    [
      ...service4,
      'lookup reg 1 set services',
      'payload load 4b @ header 1 + 16 => reg 1',
      'nat 1 family 2 addr_min reg 1 flags 0',
    ],
  ],
  [6, 'dnat to ip6 daddr', ['payload load 16b @ header 1 + 24 => reg 1', 'nat 1 family 10 addr_min reg 1 flags 0']],
  [
    4,
    'meta mark set meta mark | 0x00004000',
    ['meta load 3 => reg 1', 'bitwise reg 1 = ( reg 1 & ffbfffff ) ^ 00400000', 'meta set 3 with reg 1'],
  ],
  [
    4,
    'meta mark set meta mark & 0xffffbfff',
    ['meta load 3 => reg 1', 'bitwise reg 1 = ( reg 1 & ffbfffff ) ^ 00000000', 'meta set 3 with reg 1'],
  ],
  [
    4,
    'meta mark & 0x00004000 == 0x00000000 return',
    ['meta load 3 => reg 1', 'bitwise reg 1 = ( reg 1 & 00400000 ) ^ 00000000', 'cmp eq reg 1 00000000', 'verdict -5'],
  ],
  [
    4,
    'icmp type echo-request return',
    [
      'meta load 16 => reg 1',
      'cmp eq reg 1 01',
      'payload load 1b @ header 2 + 0 => reg 1',
      'cmp eq reg 1 08',
      'verdict -5',
    ],
  ],
  [
    6,
    'icmpv6 type echo-request return',
    [
      'meta load 16 => reg 1',
      'cmp eq reg 1 3a',
      'payload load 1b @ header 2 + 0 => reg 1',
      'cmp eq reg 1 80',
      'verdict -5',
    ],
  ],
  [
    4,
    'tcp dport @health-check-ports return',
    [
      'meta load 16 => reg 1',
      'cmp eq reg 1 06',
      'payload load 2b @ header 2 + 2 => reg 1',
      'lookup reg 1 set health-check-ports',
      'verdict -5',
    ],
  ],
  [4, 'reject with tcp reset', ['meta load 16 => reg 1', 'cmp eq reg 1 06', 'reject type 1 code 0']],
  [4, 'reject', ['reject type 0 code 3']],
  [6, 'reject', ['reject type 0 code 4']],
];

for (const [family, text, expressions] of rules) {
  test(`IPv${family}: ${text}`, () => {
    assert.deepEqual(objectLines(encodeRule(family, 'services', { text, comment: 'why' })), [
      `rule services expressions ${expressions.length} comment "why"`,
      ...expressions.map((line) => `  ${line}`),
    ]);
  });
}

test('a comment or a name that a record cannot hold is refused, not cut', () => {
  const rule = (comment: string) => encodeRule(4, 'services', { text: 'drop', comment });
  assert.throws(() => rule('x'.repeat(64)), RangeError);
  assert.equal(rule('x'.repeat(63)).length, 256);
  assert.throws(() => encodeRule(4, 'services', { text: `jump ${'x'.repeat(32)}`, comment: '' }), RangeError);
});
