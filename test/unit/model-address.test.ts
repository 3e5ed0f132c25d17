import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressBytes,
  addressFromBytes,
  cidrContains,
  cidrText,
  endpointText,
  familyOf,
  parseAddress,
  parseCidr,
  withoutBrackets,
  writeAddress,
} from '../../src/model/address.ts';
import { address } from '../support/cluster.ts';

const readings: readonly [text: string, canonical: string | undefined, why: string][] = [
  // RFC 5952 §1, §2 and §4: eight spellings of one address, then one row per rule
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'of two runs as long the first is shortened'],
  ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'leading zeros go'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1', 'the canonical form is itself'],
  ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1', 'a zero beside :: joins it'],
  ['2001:0db8::1:0:0:1', '2001:db8::1:0:0:1', 'both at once'],
  ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1', 'the wrong run was shortened'],
  ['2001:db8:0000:0:1::1', '2001:db8::1:0:0:1', 'zeros of any length'],
  ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1', 'lower case'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'one zero group is no run'],
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'one zero group is written out even if it came as ::'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', 'the longest run'],
  ['0:0:0:0:0:0:0:0', '::', 'nothing but zeros'],
  ['::1', '::1', 'a run at the start'],
  ['fe80:0:0:0:0:0:0:0', 'fe80::', 'a run at the end'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', ':: may stand for one group'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8', ':: may stand for one group at the start'],
  // IPv4 and IPv4-mapped
  ['10.96.0.1', '10.96.0.1', 'dotted decimal'],
  ['010.096.000.001', '10.96.0.1', 'leading zeros are decimal, never octal'],
  ['0.0.0.0', '0.0.0.0', 'the lowest'],
  ['255.255.255.255', '255.255.255.255', 'the highest'],
  ['::ffff:10.96.0.1', '10.96.0.1', 'IPv4-mapped is IPv4'],
  ['::ffff:a60:1', '10.96.0.1', 'IPv4-mapped in groups is IPv4'],
  ['0:0:0:0:0:FFFF:010.96.0.1', '10.96.0.1', 'IPv4-mapped in full'],
  ['::10.96.0.1', '::a60:1', 'IPv4-compatible is IPv6'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221', 'an embedded IPv4 address ends an IPv6 one'],
  // no addresses
  ['', undefined, 'nothing'],
  ['None', undefined, 'a headless Service has none'],
  ['10.96.0.256', undefined, 'an octet above 255'],
  ['10.96.1', undefined, 'three octets'],
  ['10.96.0.1.2', undefined, 'five octets'],
  ['10..0.1', undefined, 'an empty octet'],
  ['10.96.0.', undefined, 'an empty octet at the end'],
  ['10.96.0.-1', undefined, 'a sign'],
  ['0x0a.96.0.1', undefined, 'hexadecimal octets'],
  [' 10.96.0.1', undefined, 'a space'],
  ['10.96.0.1/32', undefined, 'a prefix length'],
  [':', undefined, 'a colon'],
  [':::', undefined, 'three colons'],
  ['1::2::3', undefined, 'two runs'],
  ['1:2:3:4:5:6:7', undefined, 'seven groups'],
  ['1:2:3:4:5:6:7:8:9', undefined, 'nine groups'],
  ['1:2:3:4:5:6:7:8::', undefined, ':: for no group'],
  ['12345::', undefined, 'five digits'],
  ['g::', undefined, 'no hexadecimal digit'],
  ['fe80::1%eth0', undefined, 'a zone'],
  ['10.0.0.1::', undefined, 'IPv4 before ::'],
  ['::10.0.0.1:1', undefined, 'IPv4 before a group'],
  ['[::1]', undefined, 'brackets'],
];

for (const [text, canonical, why] of readings) {
  test(`address "${text}" reads as ${canonical ?? 'none'}: ${why}`, () => {
    assert.equal(parseAddress(text), canonical);
  });
}

const networks: readonly [text: string, canonical: string | undefined][] = [
  ['10.96.0.0/12', '10.96.0.0/12'],
  ['10.111.1.2/12', '10.96.0.0/12'],
  ['10.96.0.1/32', '10.96.0.1/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['010.096.0.0/16', '10.96.0.0/16'],
  ['fd00:0:0:96::1/108', 'fd00:0:0:96::/108'],
  ['::/0', '::/0'],
  ['fd00::1/128', 'fd00::1/128'],
  ['::ffff:10.96.0.0/108', '10.96.0.0/12'],
  ['10.96.0.0', undefined],
  ['10.96.0.0/33', undefined],
  ['10.96.0.0/', undefined],
  ['10.96.0.0/-1', undefined],
  ['10.96.0.0/1e1', undefined],
  ['::/129', undefined],
  ['::ffff:10.96.0.0/95', undefined],
  ['/8', undefined],
];

for (const [text, canonical] of networks) {
  test(`network "${text}" reads as ${canonical ?? 'none'}`, () => {
    const network = parseCidr(text);
    assert.equal(network && cidrText(network), canonical);
  });
}

test('a network contains its first and its last address, and neither neighbour', () => {
  const network = parseCidr('10.96.0.0/12')!;
  assert.ok(cidrContains(network, address('10.96.0.0')));
  assert.ok(cidrContains(network, address('10.111.255.255')));
  assert.ok(!cidrContains(network, address('10.95.255.255')));
  assert.ok(!cidrContains(network, address('10.112.0.0')));
});

test('an IPv6 network contains no IPv4 address, not even ::/0', () => {
  assert.ok(!cidrContains(parseCidr('::/0')!, address('10.96.0.1')));
  assert.ok(!cidrContains(parseCidr('0.0.0.0/0')!, address('::1')));
});

test('an IPv4-mapped address is of family 4, an IPv6 one of family 6', () => {
  assert.equal(familyOf(address('::ffff:10.0.0.1')), 4);
  assert.equal(familyOf(address('fd00::1')), 6);
});

test('a port follows an IPv6 address in brackets', () => {
  assert.equal(endpointText(address('10.0.0.1'), 80), '10.0.0.1:80');
  assert.equal(endpointText(address('fd00::1'), 80), '[fd00::1]:80');
  for (const host of ['fd00::1', '10.0.0.1', 'api.example', '']) assert.equal(withoutBrackets(host), host);
  assert.equal(withoutBrackets('[fd00::1]'), 'fd00::1');
});

test('bytes are in network order, and written where asked', () => {
  assert.deepEqual([...addressBytes(address('10.96.0.1'))], [10, 96, 0, 1]);
  const target = new Uint8Array(20);
  writeAddress(address('fd00::102'), target, 4);
  assert.deepEqual([...target], [0, 0, 0, 0, 0xfd, ...Array(13).fill(0), 1, 2]);
  writeAddress(address('192.0.2.255'), target, 0);
  assert.deepEqual([...target.subarray(0, 4)], [192, 0, 2, 255]);
});

test('an IPv4-mapped address from the kernel is the IPv4 one', () => {
  const bytes = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 96, 0, 1]);
  assert.equal(addressFromBytes(bytes, 0, 6), '10.96.0.1');
});
