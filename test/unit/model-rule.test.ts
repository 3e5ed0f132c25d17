import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRule, type Statements } from '../../src/model/rule.ts';
import { cidr } from '../support/filter-tables.ts';
import { address } from '../support/cluster.ts';

const nothing = { matches: [], mark: undefined, verdict: undefined };
const service = ['daddr', 'l4proto', 'dport'] as const;

const rules: readonly (readonly [string, Statements])[] = [
  ['drop', { ...nothing, verdict: { kind: 'drop' } }],
  ['goto masquerading', { ...nothing, verdict: { kind: 'goto', chain: 'masquerading' } }],
  [
    'ct state new,untracked return',
    { ...nothing, matches: [{ kind: 'new or untracked' }], verdict: { kind: 'return' } },
  ],
  ['ct state new jump x', { ...nothing, matches: [{ kind: 'new' }], verdict: { kind: 'jump', chain: 'x' } }],
  [
    'ip saddr 127.0.0.0/8 return',
    {
      ...nothing,
      matches: [{ kind: 'network', selector: 'saddr', negated: false, network: cidr('127.0.0.0/8') }],
      verdict: { kind: 'return' },
    },
  ],
  [
    'ip6 daddr != ::1 return',
    {
      ...nothing,
      matches: [{ kind: 'network', selector: 'daddr', negated: true, network: cidr('::1/128') }],
      verdict: { kind: 'return' },
    },
  ],
  [
    'ip daddr . meta l4proto . th dport @services ip6 saddr != @allowed drop',
    {
      ...nothing,
      matches: [
        { kind: 'set', selectors: service, negated: false, set: 'services' },
        { kind: 'set', selectors: ['saddr'], negated: true, set: 'allowed' },
      ],
      verdict: { kind: 'drop' },
    },
  ],
  [
    'iifname "cali*" meta mark set meta mark | 0x00004000',
    {
      ...nothing,
      matches: [{ kind: 'device', selector: 'iifname', negated: false, name: 'cali', isPrefix: true }],
      mark: { keep: 0xffffbfff, set: 0x4000 },
    },
  ],
  [
    'oifname != "cni0" meta mark set meta mark & 0x7fffffff',
    {
      ...nothing,
      matches: [{ kind: 'device', selector: 'oifname', negated: true, name: 'cni0', isPrefix: false }],
      mark: { keep: 0x7fffffff, set: 0 },
    },
  ],
  [
    'meta mark & 0x80000000 == 0x00000000 return',
    { ...nothing, matches: [{ kind: 'unmarked', mask: 0x80000000 }], verdict: { kind: 'return' } },
  ],
  [
    'tcp dport @ports return',
    {
      ...nothing,
      matches: [
        { kind: 'protocol', protocol: 'tcp' },
        { kind: 'set', selectors: ['dport'], negated: false, set: 'ports' },
      ],
      verdict: { kind: 'return' },
    },
  ],
  [
    'icmp type echo-request return',
    {
      ...nothing,
      matches: [{ kind: 'protocol', protocol: 'icmp' }, { kind: 'echo-request' }],
      verdict: { kind: 'return' },
    },
  ],
  [
    'icmpv6 type echo-request return',
    {
      ...nothing,
      matches: [{ kind: 'protocol', protocol: 'icmpv6' }, { kind: 'echo-request' }],
      verdict: { kind: 'return' },
    },
  ],
  [
    'reject with tcp reset',
    { ...nothing, matches: [{ kind: 'protocol', protocol: 'tcp' }], verdict: { kind: 'reject', by: 'tcp reset' } },
  ],
  ['reject', { ...nothing, verdict: { kind: 'reject', by: 'port unreachable' } }],
  ['masquerade fully-random', { ...nothing, verdict: { kind: 'masquerade' } }],
  ['snat to 2001:db8::1 fully-random', { ...nothing, verdict: { kind: 'snat', address: address('2001:db8::1') } }],
  [
    'dnat ip6 to ip6 daddr . meta l4proto . th dport map @local-clients',
    { ...nothing, verdict: { kind: 'dnat', selectors: service, map: 'local-clients' } },
  ],
  ['dnat to ip6 daddr', { ...nothing, verdict: { kind: 'stay' } }],
];

for (const [text, statements] of rules) {
  test(`"${text}" is read as what it says`, () => assert.deepEqual(parseRule(text), statements));
}

const strangers = [
  '',
  'accept',
  'counter drop',
  'drop drop',
  'jump',
  'ip saddr',
  'ip saddr 10.0.0.0 . 80 drop',
  'ip saddr . ip daddr 10.0.0.1 drop',
  'ip saddr 10.0.0.300 drop',
  'iifname cni0 drop',
  'iifname "a*b" drop',
  'meta mark & 0x4000 == 0x00000000 return',
  'meta mark & 0x00004000 == 0x00004000 return',
  'meta mark set meta mark ^ 0x00004000',
  'meta mark set meta mark | 0x00004000 ip saddr 10.0.0.1',
  'masquerade',
  'snat to 10.0.0.1',
  'snat to cni0 fully-random',
  'dnat ip to ip daddr @local-clients',
  'dnat to ip saddr',
  'tcp dport 80 return',
  'reject with icmp host-unreachable',
];

for (const text of strangers) {
  test(`"${text}" is none of our rules`, () => assert.throws(() => parseRule(text), SyntaxError));
}
