import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeDestinations,
  decodeServices,
  decodeServicesAt,
  decodeTraffic,
  encodeIpvs,
  encodeKeys,
  encodeSchedulerProbes,
  ipvsEntrySize,
  type IpvsOp,
  ipvsRecordSize,
} from '../../src/kernel/ipvs-records.ts';
import { asBinding, decodeRoutes, encodeRoutes, routeRecordSize } from '../../src/kernel/route-records.ts';
import type { Binding } from '../../src/model/op.ts';
import { serviceText } from '../../src/model/text.ts';
import { address } from '../support/cluster.ts';
import { parseOp } from '../support/parse-op.ts';
import fc from '../support/property.ts';

const fwmarkAt = 92;
const protocolAt = 3;
const flagsAt = 8;
const activeAt = 80;
const inactiveAt = 84;
const engineAt = 96;

function ipvs(...lines: readonly string[]): IpvsOp[] {
  return lines.map(parseOp) as IpvsOp[];
}

/** What a kernel that took the records would dump: each with counters behind it. */
function entries(records: Uint8Array): Uint8Array {
  const count = records.length / ipvsRecordSize;
  const dump = new Uint8Array(count * ipvsEntrySize);
  for (let i = 0; i < count; i++) {
    dump.set(records.subarray(i * ipvsRecordSize, (i + 1) * ipvsRecordSize), i * ipvsEntrySize);
  }
  return dump;
}

function word(bytes: Uint8Array, at: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4);
}

const services = [
  '-A -t 10.96.0.10:80 -s rr',
  '-A -u 10.96.0.10:65535 -s wlc -p 10800',
  '-A --sctp-service 10.96.0.10:5060 -s sh -b sh-fallback,sh-port',
  '-A -t [fd00::10]:443 -s mh -p 60 -M 64 -b mh-port',
  '-A -t 10.96.0.11:1 -s lblcr -p 300 -M 255.255.240.0 -o',
  '-A -t 10.96.0.12:1 -s rr -p 300 -M 0.0.0.0',
];

for (const line of services) {
  test(`${line} survives the way into the kernel and back`, () => {
    const op = parseOp(line);
    assert.ok(op.kind === 'service' && op.verb !== 'delete');
    assert.deepEqual(decodeServices(entries(encodeIpvs([op]))), [{ service: op.service }]);
  });
}

const destinations = [
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 1',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:65535 -g -w 0',
  '-a -t [fd00::10]:80 -r [fd00:244::7]:8080 -i -w 65535',
  '-a -t [fd00::10]:80 -r 10.244.1.7:8080 -i -w 2147483647',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -l -w 1',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -b -w 1',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 1 -x 4294967295',
];

for (const line of destinations) {
  test(`${line} survives the way into the kernel and back`, () => {
    const op = parseOp(line);
    assert.ok(op.kind === 'destination' && op.verb !== 'delete');
    const dump = entries(encodeIpvs([op]));
    word(dump, activeAt).setUint32(0, 3, true);
    word(dump, inactiveAt).setUint32(0, 7, true);
    assert.deepEqual(decodeDestinations(dump, Uint32Array.of(1)), [
      [{ destination: op.destination, connections: { active: 3, inactive: 7 } }],
    ]);
  });
}

test('a record has the layout that the addon reads', () => {
  const record = encodeIpvs(ipvs('-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -g -w 5'));
  assert.equal(record.length, 80);
  assert.deepEqual([...record.subarray(0, 4)], [1, 2, 4, 6], 'verb add, kind destination, family, protocol');
  assert.equal(word(record, 4).getUint16(0, true), 80);
  assert.equal(word(record, 4).getUint16(2, true), 8080);
  assert.deepEqual([...record.subarray(16, 20)], [10, 96, 0, 10]);
  assert.deepEqual([...record.subarray(32, 36)], [10, 244, 1, 7]);
  assert.equal(word(record, 48).getUint32(0, true), 5);
  assert.deepEqual([...record.subarray(52, 54)], [3, 4], 'forwarding route, destination family');

  const service = encodeIpvs(ipvs('-E -u 10.96.0.10:53 -s wrr -p 300 -M 255.255.255.0'));
  assert.deepEqual([...service.subarray(0, 4)], [2, 1, 4, 17], 'verb edit, kind service, family, protocol');
  assert.equal(word(service, 8).getUint32(0, true), 1);
  assert.equal(word(service, 12).getUint32(0, true), 300);
  assert.deepEqual([...service.subarray(56, 60)], [255, 255, 255, 0], 'an IPv4 mask is in network order');
  assert.equal(Buffer.from(service.subarray(64, 80)).toString('latin1'), 'wrr'.padEnd(16, '\0'));
});

test('a deletion carries nothing but the identity', () => {
  const record = encodeIpvs(ipvs('-d -t 10.96.0.10:80 -r 10.244.1.7:8080'));
  assert.deepEqual([...record.subarray(0, 2)], [3, 2]);
  assert.ok(record.subarray(48, 53).every((byte) => byte === 0));
});

test('many operations lie one behind the other, in order', () => {
  const ops = ipvs(...services);
  assert.deepEqual(
    decodeServices(entries(encodeIpvs(ops))).map(({ service }) => service),
    ops.map((op) => op.service),
  );
});

test('a scheduler name that a kernel cannot hold is refused, not cut', () => {
  assert.throws(() => encodeIpvs(ipvs('-A -t 10.96.0.10:80 -s sixteen_letters_')), RangeError);
  assert.equal(encodeIpvs(ipvs('-A -t 10.96.0.10:80 -s fifteen_letters')).length, 80);
});

test('the persistence engine of a virtual service is told, where there is one', () => {
  const dump = entries(encodeIpvs(ipvs('-A -u 10.96.0.10:5060 -s rr -p 60')));
  dump.set(Buffer.from('sip'), engineAt);
  const [found] = decodeServices(dump);
  assert.equal(serviceText(found!.service), '-u 10.96.0.10:5060 -s rr -p 60 --pe sip');
});

test("the kernel's own HASHED bit is no configuration", () => {
  const dump = entries(encodeIpvs(ipvs('-A -t 10.96.0.10:80 -s rr -p 60')));
  word(dump, flagsAt).setUint32(0, 0x3, true);
  assert.equal(decodeServices(dump)[0]?.service.flags, 0x1);
});

test('services of a firewall mark, and of protocols that are none of ours, are left out of a dump', () => {
  const dump = entries(encodeIpvs(ipvs(...services.slice(0, 3))));
  word(dump, fwmarkAt).setUint32(0, 7, true);
  dump[ipvsEntrySize + protocolAt] = 47;
  assert.deepEqual(
    decodeServices(dump).map(({ service }) => service.id),
    ['10.96.0.10:5060/SCTP'],
  );
});

/** One record of counters, in a fresh buffer unless it is to begin somewhere in one. */
function counters(family: 4 | 6, protocol: number, fwmark: number, values: readonly bigint[], at = 0): Uint8Array {
  const bytes = new Uint8Array(at + 64).subarray(at);
  const view = new DataView(bytes.buffer, at);
  bytes.set([family, protocol]);
  view.setUint16(2, 53, true);
  view.setUint32(4, fwmark, true);
  bytes.set(family === 4 ? [10, 96, 0, 10] : [0xfd, 0, 0, 0x96], 8);
  values.forEach((value, i) => view.setBigUint64(24 + 8 * i, value, true));
  return bytes;
}

test('counters are read in 64 bits, wherever the dump lies', () => {
  for (const at of [0, 1, 4]) {
    const six = counters(6, 17, 0, [1n, 2n ** 32n + 2n, 3n, 2n ** 53n, 2n ** 53n - 1n], at);
    assert.deepEqual(decodeTraffic(six), [
      {
        service: { id: '[fd00:96::]:53/UDP', protocol: 'UDP', address: 'fd00:96::', port: 53 },
        connections: 1,
        incomingPackets: 4_294_967_298,
        outgoingPackets: 3,
        incomingBytes: 9_007_199_254_740_992,
        outgoingBytes: 9_007_199_254_740_991,
      },
    ]);
  }
});

test('counters of services of a firewall mark, and of protocols that are none of ours, are left out', () => {
  const values = [1n, 2n, 3n, 4n, 5n];
  const dump = [counters(4, 0, 7, values), counters(4, 47, 0, values), counters(4, 132, 0, values)];
  assert.deepEqual(
    decodeTraffic(Buffer.concat(dump)).map(({ service, outgoingBytes }) => [service.id, outgoingBytes]),
    [['10.96.0.10:53/SCTP', 5]],
  );
});

test('a reading of some services has a gap where the kernel has none', () => {
  const ops = ipvs('-A -t 10.96.0.10:80 -s rr', '-A -t 10.96.0.11:80 -s rr');
  const ESRCH = 3;
  const found = decodeServicesAt(entries(encodeIpvs(ops)), Int32Array.of(0, ESRCH));
  assert.deepEqual(
    found.map((one) => one?.service.id),
    ['10.96.0.10:80/TCP', undefined],
  );
});

test('the destinations of several services are told apart by their counts', () => {
  const dump = entries(encodeIpvs(ipvs(...destinations.slice(0, 3))));
  const found = decodeDestinations(dump, Uint32Array.of(2, 0, 1));
  assert.deepEqual(
    found.map((one) => one.map(({ destination: { id } }) => id)),
    [['10.244.1.7:8080', '10.244.1.7:65535'], [], ['[fd00:244::7]:8080']],
  );
});

test('an IPv4-mapped destination of IPv6 is told from that of IPv4, and deleted by the very bytes that the kernel has', () => {
  const mapped = Buffer.from('00000000000000000000ffff0af40107', 'hex');
  const dump = entries(
    encodeIpvs(
      ipvs('-a -t [fd00::10]:80 -r [fd00:244::7]:8080 -m -w 1', '-a -t [fd00::10]:80 -r 10.244.1.7:8080 -i -w 1'),
    ),
  );
  dump.set(mapped, 32);
  const [found = []] = decodeDestinations(dump, Uint32Array.of(2));
  assert.deepEqual(
    found.map(({ destination: { id } }) => id),
    ['[::ffff:10.244.1.7]:8080', '10.244.1.7:8080'],
  );
  const [{ service }] = ipvs('-D -t [fd00::10]:80') as [IpvsOp];
  const deletions = encodeIpvs(
    found.map(({ destination }) => ({ kind: 'destination', verb: 'delete', service, destination })),
  );
  assert.deepEqual(deletions.subarray(32, 48), new Uint8Array(mapped));
  assert.deepEqual([deletions[53], deletions[ipvsRecordSize + 53]], [6, 4]);
});

test('keys are records of an identity without a verb', () => {
  const [op] = ipvs('-D -t [fd00::10]:80');
  const record = encodeKeys([op!.service]);
  assert.deepEqual([...record.subarray(0, 4)], [0, 1, 6, 6]);
  assert.deepEqual([...record.subarray(16, 32)], [0xfd, ...Array(14).fill(0), 0x10]);
});

test('a probe for a scheduler is an addition of an IPv6 service with the netmask that the kernel refuses', () => {
  const records = encodeSchedulerProbes(['rr', 'mh']);
  assert.equal(records.length, 2 * ipvsRecordSize);
  assert.deepEqual([...records.subarray(0, 3)], [1, 1, 6]);
  assert.equal(word(records, 56).getUint32(0, true), 0);
});

const bindings: readonly Binding[] = [
  { form: 'address', address: address('10.96.0.10'), prefix: 32 },
  { form: 'address', address: address('fd00::10'), prefix: 128 },
  { form: 'route', address: address('10.96.0.0'), prefix: 12 },
  { form: 'route', address: address('10.96.0.0'), prefix: 12, source: address('192.0.2.5') },
  { form: 'route', address: address('fd00::'), prefix: 108, source: address('fd00:1::5') },
  { form: 'route', address: address('10.96.0.0'), prefix: 12, tos: 0x10 },
];

for (const binding of bindings) {
  test(`the ${binding.form} ${binding.address}/${binding.prefix} ${binding.source ?? ''}${binding.tos ?? ''} survives the way in and back`, () => {
    const record = encodeRoutes([{ kind: 'binding', verb: 'add', binding }], 42);
    assert.equal(record.length, routeRecordSize);
    const [entry] = decodeRoutes(record);
    assert.equal(entry?.ifindex, 42);
    assert.deepEqual(asBinding(binding.form, entry), binding);
  });
}

/** An address as IPv6 has it, which may be an IPv4-mapped one. */
const anyIPv6 = fc
  .tuple(fc.constantFrom('fd000000000000000000000a', '00000000000000000000ffff'), fc.nat(0xffffffff))
  .map(([first, last]) => Buffer.from(`${first}${last.toString(16).padStart(8, '0')}`, 'hex'));

test('what the kernel has on our device is deleted by the very bytes that it has, or is left out', () => {
  fc.assert(
    fc.property(anyIPv6, fc.integer({ min: 0, max: 128 }), (bytes, prefix) => {
      for (const [form, kind] of [
        ['address', 2],
        ['route', 3],
      ] as const) {
        const record = new Uint8Array(routeRecordSize);
        record.set([0, kind, 6, prefix]);
        record.set(bytes, 16);
        for (const entry of decodeRoutes(record)) {
          const deletion = encodeRoutes([{ kind: 'binding', verb: 'delete', binding: asBinding(form, entry) }], 0);
          assert.deepEqual(deletion.subarray(1), record.subarray(1));
        }
      }
    }),
  );
});

test('what has an IPv4-mapped address of IPv6 is not taken for what has the address of IPv4', () => {
  const mapped = Buffer.from('00000000000000000000ffff0a60000a', 'hex');
  const six = ipvs('-A -t [fd00::10]:80 -s rr');
  const dump = entries(encodeIpvs([...six, ...ipvs('-A -t 10.96.0.10:80 -s rr'), ...six]));
  dump.set(mapped, 16);
  assert.deepEqual(
    decodeServices(dump).map(({ service }) => serviceText(service)),
    ['-t 10.96.0.10:80 -s rr', '-t [fd00::10]:80 -s rr'],
  );
  const counted = [counters(6, 6, 0, [1n]), counters(4, 6, 0, [2n])];
  counted[0]!.set(mapped, 8);
  assert.deepEqual(
    decodeTraffic(Buffer.concat(counted)).map(({ connections }) => connections),
    [2],
  );
  const binding = { form: 'address', address: address('fd00::10'), prefix: 128 } as const;
  const bound = encodeRoutes([{ kind: 'binding', verb: 'add', binding }], 42);
  bound.set(mapped, 16);
  assert.deepEqual(decodeRoutes(bound), []);
});

test('device operations name the device', () => {
  const record = encodeRoutes([{ kind: 'device', verb: 'edit', change: 'up' }], 0);
  assert.deepEqual([...record.subarray(0, 2)], [2, 1]);
  assert.equal(word(record, 8).getUint16(2, true), 2);
  assert.equal(Buffer.from(record.subarray(48, 64)).toString('latin1'), 'kube-ipvs0'.padEnd(16, '\0'));
});

test('records that do not start at a multiple of four are read all the same', () => {
  const dump = entries(encodeIpvs(ipvs(...services)));
  fc.assert(
    fc.property(fc.nat(7), (offset) => {
      const shifted = new Uint8Array(dump.length + offset);
      shifted.set(dump, offset);
      assert.deepEqual(decodeServices(shifted.subarray(offset)), decodeServices(dump));
    }),
    { numRuns: 8 },
  );
});
