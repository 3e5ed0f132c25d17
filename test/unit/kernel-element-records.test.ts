import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeElements, type ElementOp, encodeElements } from '../../src/kernel/element-records.ts';
import { addressFromBytes, type Family } from '../../src/model/address.ts';
import { type Element, element, sameElement, type SetKey, setSpecs, type Value } from '../../src/model/filter.ts';
import { opText } from '../../src/model/text.ts';
import { cidr } from '../support/filter-tables.ts';
import { parseOp } from '../support/parse-op.ts';
import fc from '../support/property.ts';

const size = 136;

function encode(line: string): Uint8Array {
  return encodeElements([parseOp(line) as ElementOp]);
}

function hex(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.subarray(start, start + length)).toString('hex');
}

const rows: readonly (readonly [line: string, key: string, end: string, data: string])[] = [
  ['nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 443 }', '0a60000a0600000001bb0000', '', ''],
  [
    'nft add element ip6 kube-ipvs services { fd00::10 . sctp . 80 }',
    'fd0000000000000000000000000000108400000000500000',
    '',
    '',
  ],
  ['nft add element ip kube-ipvs virtual-ips { 10.96.0.10 }', '0a60000a', '', ''],
  ['nft add element ip kube-ipvs health-check-ports { 30000 }', '7530', '', ''],
  ['nft add element ip kube-ipvs numbered-devices { eth0 }', '65746830000000000000000000000000', '', ''],
  ['nft add element ip kube-ipvs numbered-devices { büro0 }', '62c3bc726f3000000000000000000000', '', ''],
  [
    'nft add element ip kube-ipvs allowed-sources { 10.0.0.1 . udp . 53 . 10.1.0.0/20 }',
    '0a00000111000000003500000a010000',
    '0a00000111000000003500000a010fff',
    '',
  ],
  [
    'nft add element ip6 kube-ipvs allowed-sources { fd00::1 . udp . 53 . 2001:db8::/33 }',
    'fd0000000000000000000000000000011100000000350000'.concat('20010db8000000000000000000000000'),
    'fd0000000000000000000000000000011100000000350000'.concat('20010db87fffffffffffffffffffffff'),
    '',
  ],
  [
    'nft add element ip kube-ipvs local-clients { 10.0.0.1 . tcp . 80 : 10.96.0.7 . 8080 }',
    '0a0000010600000000500000',
    '',
    '0a6000071f900000',
  ],
];

for (const [line, key, end, data] of rows) {
  test(`${line}: its record`, () => {
    const record = encode(line);
    assert.equal(record.length, size);
    assert.deepEqual([record[0], record[1]], [1, line.includes('ip6') ? 6 : 4], 'verb, family');
    assert.deepEqual([record[2], record[3], record[4]], [key.length / 2, end.length / 2, data.length / 2]);
    assert.equal(Buffer.from(record.subarray(8, 32)).toString('latin1').replace(/\0+$/, ''), line.split(' ')[5]);
    assert.equal(hex(record, 32, 40), key.padEnd(80, '0'));
    assert.equal(hex(record, 72, 40), end.padEnd(80, '0'));
    assert.equal(hex(record, 112, 24), data.padEnd(48, '0'));
  });
}

test('a deletion names the key', () => {
  const record = encode('nft delete element ip kube-ipvs local-clients { 10.0.0.1 . tcp . 80 }');
  assert.deepEqual([...record.subarray(0, 5)], [3, 4, 12, 0, 0]);
  assert.equal(hex(record, 32, 12), '0a0000010600000000500000');
});

test('many elements lie one behind the other', () => {
  const ops = rows.map(([line]) => parseOp(line) as ElementOp);
  const together = encodeElements(ops);
  ops.forEach((op, i) => assert.deepEqual(together.subarray(i * size, (i + 1) * size), encodeElements([op])));
});

const arbitraryValue = (family: Family) => {
  const bytes = fc.uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 });
  const address = bytes.map((value) => addressFromBytes(value, 0, family));
  return {
    address,
    protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    port: fc.integer({ min: 0, max: 65_535 }),
    device: fc.stringMatching(/^[a-zü][a-z0-9.-]{0,11}ß?$/),
    network: fc
      .tuple(address, fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
      .map(([host, prefix]) => cidr(`${host}/${prefix}`)),
  } satisfies Record<string, fc.Arbitrary<Value>>;
};

for (const family of [4, 6] as const) {
  for (const set of Object.keys(setSpecs) as SetKey[]) {
    test(`elements of ${setSpecs[set].name} of IPv${family} survive the way into the kernel and back`, () => {
      const spec = setSpecs[set];
      const values = arbitraryValue(family);
      const key = fc.tuple(
        ...spec.key.map((field, i) =>
          'interval' in spec && i === spec.key.length - 1 ? values.network : (values[field] as fc.Arbitrary<Value>),
        ),
      );
      const data =
        'data' in spec
          ? fc.tuple(...spec.data.map((field) => values[field] as fc.Arbitrary<Value>))
          : fc.constant(undefined);
      fc.assert(
        fc.property(key, data, (key, data) => {
          const one = element(family, set, key, data);
          const back = decodeElements(family, set, encodeElements([{ kind: 'element', verb: 'add', element: one }]));
          assert.equal(back.length, 1);
          assert.equal(back[0]!.id, one.id);
          assert.ok(sameElement(back[0]!, one));
          assert.deepEqual(back[0]!.key, one.key);
        }),
      );
    });
  }
}

test("somebody else's element is told as nft prints it, and is deleted by the very bytes that it has", () => {
  const foreign = encode('nft add element ip kube-ipvs allowed-sources { 10.0.0.1 . udp . 53 . 10.1.0.0/20 }');
  foreign[32 + 15] = 5; // from 10.1.0.5 …
  foreign[72 + 15] = 9; // … to 10.1.15.9
  foreign[32 + 4] = 6; // TCP …
  foreign[72 + 4] = 47; // … to GRE
  foreign[72 + 9] = 60; // ports 53 to 60
  const [found] = decodeElements(4, 'allowedSources', foreign);
  assert.equal(found!.id, 'ip allowed-sources 10.0.0.1 . 6-47 . 53-60 . 10.1.0.5-10.1.15.9');
  const deletion = encodeElements([{ kind: 'element', verb: 'delete', element: found! }]);
  assert.deepEqual(deletion.subarray(2, 112), foreign.subarray(2, 112));
});

test('an IPv4-mapped address in a set of IPv6 is deleted by the very bytes that it has', () => {
  const foreign = encode('nft add element ip6 kube-ipvs virtual-ips { fd00::1 }');
  foreign.set(Buffer.from('00000000000000000000ffff0a000001', 'hex'), 32);
  const [found] = decodeElements(6, 'virtualIPs', foreign);
  const deletion = encodeElements([{ kind: 'element', verb: 'delete', element: found! }]);
  assert.deepEqual(deletion.subarray(2, 112), foreign.subarray(2, 112));
});

test('the catch-all that somebody put into one of our sets is told, and is deleted by having no key', () => {
  for (const [set, text] of [
    ['services', '*'],
    ['allowedSources', '*'],
    ['numberedDevices', '*'],
    ['localClients', '* : 10.96.0.7 . 8080'],
  ] as const) {
    const foreign = new Uint8Array(size);
    foreign.set([0, 4, 0, 0, set === 'localClients' ? 8 : 0]);
    foreign.set(Buffer.from(`${setSpecs[set].name}\0`, 'latin1'), 8);
    if (set === 'localClients') foreign.set(Buffer.from('0a6000071f900000', 'hex'), 112);
    const [found] = decodeElements(4, set, foreign);
    assert.equal(
      opText({ kind: 'element', verb: 'add', element: found! }),
      `nft add element ip kube-ipvs ${setSpecs[set].name} { ${text} }`,
    );
    const deletion = encodeElements([{ kind: 'element', verb: 'delete', element: found! }]);
    assert.deepEqual(deletion.subarray(1, 4), foreign.subarray(1, 4));
    assert.deepEqual(deletion.subarray(8, 112), foreign.subarray(8, 112));
  }
});

test('a range that begins where no network of its length does is no network', () => {
  const ends = (first: number, last: number): Element => {
    const record = encode('nft add element ip kube-ipvs allowed-sources { 10.0.0.1 . udp . 53 . 10.1.0.0/32 }');
    record[32 + 15] = first;
    record[72 + 15] = last;
    return decodeElements(4, 'allowedSources', record)[0]!;
  };
  assert.equal(ends(4, 7).id, 'ip allowed-sources 10.0.0.1 . udp . 53 . 10.1.0.4/30');
  assert.equal(ends(5, 8).id, 'ip allowed-sources 10.0.0.1 . udp . 53 . 10.1.0.5-10.1.0.8');
  assert.equal(ends(4, 6).id, 'ip allowed-sources 10.0.0.1 . udp . 53 . 10.1.0.4-10.1.0.6');
  assert.equal(ends(7, 7).id, 'ip allowed-sources 10.0.0.1 . udp . 53 . 10.1.0.7');
});

test('elements of a set that is of another type than ours are left out', () => {
  const record = encode('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 443 }');
  assert.deepEqual(decodeElements(4, 'virtualIPs', record), []);
  assert.deepEqual(decodeElements(4, 'localClients', record), []);
  assert.equal(decodeElements(4, 'restricted', record).length, 1);
});
