import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination, destinationKey, sameDestination } from '../../src/model/destination.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { sameService, serviceFlags, type VirtualService, virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';
import { parseOp } from '../support/parse-op.ts';

const key = virtualServiceKey('TCP', address('10.96.0.10'), 80);
const key6 = virtualServiceKey('TCP', address('fd00::10'), 80);
const plain: VirtualService = { ...key, scheduler: 'rr', flags: 0, timeout: 0, persistencePrefix: 32 };
const plain6: VirtualService = { ...key6, scheduler: 'rr', flags: 0, timeout: 0, persistencePrefix: 128 };
const pod = destination(address('10.244.1.7'), 8080, 1);
const pod6 = destination(address('fd00:244::7'), 8080, 1);
const held = { form: 'address', address: address('10.96.0.10'), prefix: 32 } as const;
const routed = { form: 'route', address: address('10.96.0.0'), prefix: 12 } as const;

/** As ipvsadm-save 1.31 and iproute2 print and read them. */
const rows: readonly [text: string, op: Op][] = [
  ['-A -t 10.96.0.10:80 -s rr', { kind: 'service', verb: 'add', service: plain }],
  ['-A -t [fd00::10]:80 -s rr', { kind: 'service', verb: 'add', service: plain6 }],
  [
    '-A -u 10.96.0.10:53 -s wlc',
    {
      kind: 'service',
      verb: 'add',
      service: { ...plain, ...virtualServiceKey('UDP', key.address, 53), scheduler: 'wlc' },
    },
  ],
  [
    '-A --sctp-service 10.96.0.10:5060 -s rr',
    { kind: 'service', verb: 'add', service: { ...plain, ...virtualServiceKey('SCTP', key.address, 5060) } },
  ],
  [
    '-A -t 10.96.0.10:80 -s rr -p 10800',
    { kind: 'service', verb: 'add', service: { ...plain, flags: serviceFlags.persistent, timeout: 10_800 } },
  ],
  [
    '-A -t 10.96.0.10:80 -s rr -p 300 -M 255.255.255.0',
    {
      kind: 'service',
      verb: 'add',
      service: { ...plain, flags: serviceFlags.persistent, timeout: 300, persistencePrefix: 24 },
    },
  ],
  [
    '-A -t 10.96.0.10:80 -s rr -p 300 -M 0.0.0.0',
    {
      kind: 'service',
      verb: 'add',
      service: { ...plain, flags: serviceFlags.persistent, timeout: 300, persistencePrefix: 0 },
    },
  ],
  [
    '-A -t [fd00::10]:80 -s rr -p 300 -M 64',
    {
      kind: 'service',
      verb: 'add',
      service: { ...plain6, flags: serviceFlags.persistent, timeout: 300, persistencePrefix: 64 },
    },
  ],
  [
    '-A -t 10.96.0.10:80 -s mh -b mh-port',
    { kind: 'service', verb: 'add', service: { ...plain, scheduler: 'mh', flags: serviceFlags.schedule2 } },
  ],
  [
    '-A -t 10.96.0.10:80 -s sh -b sh-fallback,sh-port',
    {
      kind: 'service',
      verb: 'add',
      service: { ...plain, scheduler: 'sh', flags: serviceFlags.schedule1 | serviceFlags.schedule2 },
    },
  ],
  [
    '-A -t 10.96.0.10:80 -s rr -b flag-1,flag-3',
    { kind: 'service', verb: 'add', service: { ...plain, flags: serviceFlags.schedule1 | serviceFlags.schedule3 } },
  ],
  [
    '-A -t 10.96.0.10:80 -s rr -o',
    { kind: 'service', verb: 'add', service: { ...plain, flags: serviceFlags.onePacket } },
  ],
  ['-E -t 10.96.0.10:80 -s rr', { kind: 'service', verb: 'edit', service: plain }],
  ['-D -t 10.96.0.10:80', { kind: 'service', verb: 'delete', service: key }],
  [
    '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 1',
    { kind: 'destination', verb: 'add', service: key, destination: pod },
  ],
  [
    '-a -t [fd00::10]:80 -r [fd00:244::7]:8080 -m -w 1',
    { kind: 'destination', verb: 'add', service: key6, destination: pod6 },
  ],
  [
    '-e -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 0',
    { kind: 'destination', verb: 'edit', service: key, destination: { ...pod, weight: 0 } },
  ],
  [
    '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -g -w 1',
    { kind: 'destination', verb: 'add', service: key, destination: { ...pod, forwarding: 'route' } },
  ],
  [
    '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -i -w 1',
    { kind: 'destination', verb: 'add', service: key, destination: { ...pod, forwarding: 'tunnel' } },
  ],
  [
    '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 1 -x 100',
    { kind: 'destination', verb: 'add', service: key, destination: { ...pod, upperThreshold: 100 } },
  ],
  [
    '-d -t 10.96.0.10:80 -r 10.244.1.7:8080',
    { kind: 'destination', verb: 'delete', service: key, destination: destinationKey(pod.address, pod.port) },
  ],
  ['ip addr add 10.96.0.10/32 dev kube-ipvs0', { kind: 'binding', verb: 'add', binding: held }],
  ['ip addr delete 10.96.0.10/32 dev kube-ipvs0', { kind: 'binding', verb: 'delete', binding: held }],
  ['ip route add local 10.96.0.0/12 dev kube-ipvs0 table local', { kind: 'binding', verb: 'add', binding: routed }],
  [
    'ip route add local 10.96.0.0/12 dev kube-ipvs0 table local src 192.0.2.5',
    { kind: 'binding', verb: 'add', binding: { ...routed, source: address('192.0.2.5') } },
  ],
  [
    'ip route delete local 10.96.0.0/12 dev kube-ipvs0 table local tos 0x04 src 192.0.2.5',
    { kind: 'binding', verb: 'delete', binding: { ...routed, tos: 4, source: address('192.0.2.5') } },
  ],
  ['ip link add kube-ipvs0 type dummy', { kind: 'device', verb: 'add' }],
  ['ip link set kube-ipvs0 addrgenmode none', { kind: 'device', verb: 'edit', change: 'addrgenmode none' }],
  ['ip link set kube-ipvs0 up', { kind: 'device', verb: 'edit', change: 'up' }],
  ['ip link delete kube-ipvs0', { kind: 'device', verb: 'delete' }],
];

for (const [text, op] of rows) {
  test(`${text} is the text of its operation, and is read back as it`, () => {
    assert.equal(opText(op), text);
    assert.deepEqual(parseOp(text), op);
  });
}

test('-M is read as a prefix length for IPv4 too', () => {
  assert.deepEqual(
    parseOp('-A -t 10.96.0.10:80 -s rr -p 300 -M 24'),
    parseOp('-A -t 10.96.0.10:80 -s rr -p 300 -M 255.255.255.0'),
  );
});

const unreadable = [
  '',
  '-A',
  '-A -t 10.96.0.10 -s rr',
  '-A -f 7 -s rr',
  '-A -t 10.96.0.10:80 -s rr --what',
  '-A -t 10.96.0.10:80 -s rr -p soon',
  '-A -t 10.96.0.10:80 -s rr -b mh-port',
  '-A -t 10.96.0.10:80 -s rr -p 1 -M 255.0.255.0',
  '-D -t 10.96.0.10:80 -s rr',
  '-a -t 10.96.0.10:80',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -w 1',
  '-a -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w heavy',
  '-d -t 10.96.0.10:80 -r 10.244.1.7:8080 -m -w 1',
  'ip addr add 10.96.0.10/32 dev eth0',
  'ip addr add 10.96.0.300/32 dev kube-ipvs0',
  'ip addr flush dev kube-ipvs0',
  'ip route add 10.96.0.0/12 dev kube-ipvs0',
  'ip link add kube-ipvs0 type bridge',
];

for (const line of unreadable) {
  test(`"${line}" is refused, and quoted`, () => {
    assert.throws(
      () => parseOp(line),
      (error) => error instanceof SyntaxError && error.message.endsWith(`: ${line}`),
    );
  });
}

test('virtual services of one VIP and port differ by protocol', () => {
  assert.equal(key.id, '10.96.0.10:80/TCP');
  assert.equal(key6.id, '[fd00::10]:80/TCP');
  assert.notEqual(virtualServiceKey('UDP', key.address, 80).id, key.id);
});

const edits: readonly [what: string, change: Partial<VirtualService>][] = [
  ['scheduler', { scheduler: 'wrr' }],
  ['flags', { flags: serviceFlags.persistent }],
  ['timeout', { timeout: 60 }],
  ['persistence prefix', { persistencePrefix: 24 }],
  ['persistence engine', { persistenceEngine: 'sip' }],
];

for (const [what, change] of edits) {
  test(`virtual services of different ${what} are not the same`, () => {
    assert.ok(sameService(plain, { ...plain }));
    assert.ok(!sameService(plain, { ...plain, ...change }));
  });
}

test('destinations are the same when an edit would change nothing', () => {
  assert.ok(sameDestination(pod, { ...pod }));
  assert.ok(!sameDestination(pod, { ...pod, weight: 0 }));
  assert.ok(!sameDestination(pod, { ...pod, forwarding: 'route' }));
  assert.ok(!sameDestination(pod, { ...pod, upperThreshold: 1 }));
});
