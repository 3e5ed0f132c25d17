/** Between the addon and the core: requests cut where they must be, errnos as names, failures with their cures. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { ipvsRecordSize } from '../../src/kernel/ipvs-records.ts';
import { encodeRoutes, routeRecordSize } from '../../src/kernel/route-records.ts';
import { refusalText } from '../../src/kernel/refusals.ts';
import type { Binding } from '../../src/model/op.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';
import { parseOp } from '../support/parse-op.ts';
import { scriptedKernel } from '../support/scripted-addon.ts';

const { EEXIST, ENOENT, ENOMEM, ESRCH } = constants.errno;
const link = { index: 42, name: 'kube-ipvs0', kind: 'dummy', up: false, loopback: false };
const device = 'ip link add kube-ipvs0 type dummy';
const web = '-A -t 10.96.0.10:80 -s rr';
const pod = '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1';
const bound = 'ip addr add 10.96.0.10/32 dev kube-ipvs0';
const routed: Binding = { form: 'route', address: address('10.96.0.0'), prefix: 12 };
const key = virtualServiceKey('TCP', address('10.96.0.10'), 80);

/** One local route as a dump shows it, made by somebody's protocol. */
function shown(binding: Binding, protocol: number): Uint8Array {
  const record = encodeRoutes([{ kind: 'binding', verb: 'add', binding }], link.index);
  record[9] = protocol;
  return record;
}

test('neighbours of one family go in one request, in order; the device goes alone', async () => {
  const { kernel, requests } = scriptedKernel({ links: [link] });
  const { answers, milliseconds } = await kernel.apply([device, web, pod, bound, bound, web].map(parseOp));
  assert.deepEqual(
    requests.map(
      ({ family, records }) => `${records.length / (family === 'ipvs' ? ipvsRecordSize : routeRecordSize)} ${family}`,
    ),
    ['1 route', '2 ipvs', '2 route', '1 ipvs'],
  );
  assert.equal(answers.length, 6);
  assert.equal(milliseconds, 4);
});

test('bindings go to the device by its index, which is looked up once and again after the device changed', async () => {
  const links = [link];
  const { kernel, requests } = scriptedKernel({ links });
  const indexOf = (records: Uint8Array) => new DataView(records.buffer, records.byteOffset).getUint32(4, true);
  await kernel.apply([parseOp(bound)]);
  links[0] = { ...link, index: 43 };
  await kernel.apply([parseOp(bound)]);
  await kernel.apply([parseOp(device), parseOp(bound)]);
  assert.deepEqual(
    requests.filter(({ records }) => records[1] === 2).map(({ records }) => indexOf(records)),
    [42, 42, 43],
  );
});

test('without the device its bindings are answered ENODEV, as the kernel would', async () => {
  const { kernel, requests } = scriptedKernel({ links: [] });
  const { answers } = await kernel.apply([bound, bound].map(parseOp));
  assert.deepEqual(answers, [{ errno: 'ENODEV' }, { errno: 'ENODEV' }]);
  assert.equal(requests.length, 0);
});

test("errnos become names, lost answers become unknown, the kernel's words stay with their operation", async () => {
  const { kernel } = scriptedKernel({
    apply: () => [0, EEXIST, -1, ENOENT, 9999],
    texts: [{ index: 3, text: 'no such scheduler' }],
  });
  const { answers } = await kernel.apply(Array.from({ length: 5 }, () => parseOp(web)));
  assert.deepEqual(answers, [
    'done',
    { errno: 'EEXIST' },
    'unknown',
    { errno: 'ENOENT', text: 'no such scheduler' },
    { errno: 'errno 9999' },
  ]);
});

test('of an errno that has two names the one is told that the kernel has for it', async () => {
  const { EAGAIN, EOPNOTSUPP } = constants.errno;
  const { kernel } = scriptedKernel({ apply: () => [EAGAIN, EOPNOTSUPP] });
  const { answers } = await kernel.apply([parseOp(web), parseOp(web)]);
  assert.deepEqual(answers, [{ errno: 'EAGAIN' }, { errno: 'EOPNOTSUPP' }]);
});

test("the kernel's words stay with their operation in a later request, too", async () => {
  const { kernel } = scriptedKernel({
    links: [link],
    apply: (records, family) => (family === 'ipvs' ? [0] : records[1] === 1 ? [0] : [ENOMEM]),
    texts: [{ index: 0, text: 'too much' }],
  });
  const { answers } = await kernel.apply([web, bound].map(parseOp));
  assert.deepEqual(answers, ['done', { errno: 'ENOMEM', text: 'too much' }]);
});

test("a route is deleted by the protocol it was seen with, so that somebody else's goes too", async () => {
  const { kernel, requests } = scriptedKernel({ links: [link], localRoutes: shown(routed, 3) });
  assert.deepEqual(await kernel.bindings(), [routed]);
  const other: Binding = { ...routed, prefix: 13, address: address('10.96.0.0') };
  for (const verb of ['add', 'delete'] as const) {
    await kernel.apply([routed, other].map((binding) => ({ kind: 'binding', verb, binding })));
  }
  const protocols = requests.map(({ records }) => [records[9], records[routeRecordSize + 9]]);
  assert.deepEqual(protocols, [
    [0, 0],
    [3, 0],
  ]);
});

test('an address that has a peer is deleted by both, and what replaces it by itself', async () => {
  const bind = (text: string): Binding => ({ form: 'address', address: address(text), prefix: 32 });
  const peered = shown(bind('10.96.0.99'), 0);
  peered.set([10, 1, 0, 2], 32);
  const { kernel, requests } = scriptedKernel({ links: [link], addresses: peered });
  assert.deepEqual(await kernel.bindings(), [bind('10.96.0.99')]);
  for (const verb of ['add', 'delete'] as const) {
    await kernel.apply(['10.96.0.99', '10.96.0.10'].map((text) => ({ kind: 'binding', verb, binding: bind(text) })));
  }
  const peers = requests.map(({ records }) => [...records.subarray(32, 36), ...records.subarray(104, 108)]);
  assert.deepEqual(peers, [
    [0, 0, 0, 0, 0, 0, 0, 0],
    [10, 1, 0, 2, 0, 0, 0, 0],
  ]);
});

test('once it was deleted or changed, a binding is deleted as ours, until it is seen again', async () => {
  const bind = (text: string): Binding => ({ form: 'address', address: address(text), prefix: 32 });
  const peered = shown(bind('10.96.0.99'), 0);
  peered.set([10, 1, 0, 2], 32);
  const { kernel, requests } = scriptedKernel({ links: [link], addresses: peered, localRoutes: shown(routed, 3) });
  for (let look = 0; look < 2; look++) {
    await kernel.bindings();
    const verbs = [
      ['delete', 'edit'],
      ['delete', 'delete'],
    ] as const;
    for (const [ofAddress, ofRoute] of verbs) {
      await kernel.apply([
        { kind: 'binding', verb: ofAddress, binding: bind('10.96.0.99') },
        { kind: 'binding', verb: ofRoute, binding: routed },
      ]);
    }
  }
  const told = requests.map(({ records }) => [...records.subarray(32, 36), records[routeRecordSize + 9]]);
  const asSeen = [10, 1, 0, 2, 0];
  const asOurs = [0, 0, 0, 0, 0];
  assert.deepEqual(told, [asSeen, asOurs, asSeen, asOurs]);
});

test('what was not deleted is still deleted as it was seen', async () => {
  const { kernel, requests } = scriptedKernel({ links: [link], localRoutes: shown(routed, 3), apply: () => [ENOMEM] });
  await kernel.bindings();
  for (let i = 0; i < 2; i++) await kernel.apply([{ kind: 'binding', verb: 'delete', binding: routed }]);
  assert.deepEqual(
    requests.map(({ records }) => records[9]),
    [3, 3],
  );
});

test("the kernel's own routes and link-local addresses are no bindings", async () => {
  const own: Binding = { form: 'route', address: address('10.96.0.10'), prefix: 32 };
  const local: Binding = { form: 'address', address: address('fe80::1'), prefix: 64 };
  const { kernel } = scriptedKernel({ links: [link], localRoutes: shown(own, 2), addresses: shown(local, 0) });
  assert.deepEqual(await kernel.bindings(), []);
});

test('without the device there are no bindings, and no device', async () => {
  const { kernel } = scriptedKernel({ links: [{ ...link, name: 'eth0' }], addresses: shown(routed, 0) });
  assert.equal(await kernel.device(), undefined);
  assert.deepEqual(await kernel.bindings(), []);
});

for (const [kind, words] of [
  ['bridge', 'a bridge, not a dummy device'],
  ['', 'no dummy device'],
] as const) {
  test(`a kube-ipvs0 that is ${words} is refused, with what to do`, async () => {
    const { kernel } = scriptedKernel({ links: [{ ...link, kind }] });
    await assert.rejects(kernel.device(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'FOREIGN_DEVICE');
      assert.ok(error.message.includes(words) && error.message.includes('rename or delete it'));
      return true;
    });
  });
}

test('a device of another kind that has taken the name of kube-ipvs0 is left alone', async () => {
  const links = [link];
  const { kernel, requests } = scriptedKernel({ links, addresses: shown({ ...routed, form: 'address' }, 0) });
  assert.equal((await kernel.bindings()).length, 1);
  links[0] = { ...link, index: 43, kind: 'bridge' };
  await assert.rejects(kernel.device(), { code: 'FOREIGN_DEVICE' });
  assert.deepEqual(await kernel.bindings(), []);
  const ops = [
    bound,
    bound.replace(' add ', ' delete '),
    'ip link set kube-ipvs0 addrgenmode none',
    'ip link set kube-ipvs0 up',
    'ip link delete kube-ipvs0',
  ];
  const { answers } = await kernel.apply(ops.map(parseOp));
  assert.deepEqual(
    answers,
    ops.map(() => ({ errno: 'ENODEV' })),
  );
  assert.deepEqual(requests, []);
});

test('addresses of all other devices are told with their device, those of kube-ipvs0 are not even asked for', async () => {
  const on = (text: string, index: number) =>
    encodeRoutes(
      [{ kind: 'binding', verb: 'add', binding: { form: 'address', address: address(text), prefix: 32 } }],
      index,
    );
  const lo = { index: 1, name: 'lo', kind: '', up: true, loopback: true };
  const { kernel } = scriptedKernel({
    links: [lo, link],
    otherAddresses: (index) => {
      assert.equal(index, link.index);
      return Buffer.concat([on('127.0.0.1', 1), on('192.0.2.1', 77)]);
    },
  });
  assert.deepEqual(await kernel.nodeAddresses(), [{ address: '127.0.0.1', device: 'lo', loopback: true }]);
});

test('an address that the kernel passes over when it looks for a source is told as such, and one that is tentative', async () => {
  const [global, onLink, onHost] = [0, 253, 254];
  const rows: readonly (readonly [
    text: string,
    scope: number,
    flags: number,
    isPassedOver: boolean,
    isTentative?: true,
  ])[] = [
    ['192.0.2.1', global, 0x80, false],
    ['192.0.2.2', global, 0xa0, false], // deprecated, which IPv4 does not look at
    ['192.0.2.3', onLink, 0x80, true],
    ['192.0.2.4', onHost, 0x80, true],
    ['2001:db8::1', global, 0x80, false],
    ['2001:db8::2', global, 0xa0, true], // deprecated
    ['2001:db8::3', global, 0xc0, true, true],
    ['2001:db8::4', global, 0xc8, true, true], // for ever: a duplicate
    ['2001:db8::5', global, 0xc4, false], // tentative, optimistic
  ];
  const records = rows.map(([text, scope, flags]) => {
    const binding: Binding = { form: 'address', address: address(text), prefix: 24 };
    const record = encodeRoutes([{ kind: 'binding', verb: 'add', binding }], 1);
    record[8] = scope;
    new DataView(record.buffer).setUint32(12, flags, true);
    return record;
  });
  const eth0 = { ...link, index: 1, name: 'eth0' };
  const { kernel } = scriptedKernel({ links: [eth0], otherAddresses: () => Buffer.concat(records) });
  assert.deepEqual(
    await kernel.nodeAddresses(),
    rows.map(([text, , , isPassedOver, isTentative]) => ({
      address: text,
      device: 'eth0',
      loopback: false,
      ...(isPassedOver ? { isPassedOver } : {}),
      ...(isTentative ? { isTentative } : {}),
    })),
  );
});

test('kube-ipvs0 that came after the devices were listed has none of the addresses of others', async () => {
  const bytes = encodeRoutes([{ kind: 'binding', verb: 'add', binding: { ...routed, form: 'address' } }], link.index);
  const { kernel } = scriptedKernel({ links: [], otherAddresses: (index) => (index === 0 ? bytes : new Uint8Array()) });
  assert.deepEqual(await kernel.nodeAddresses(), []);
});

test('only ESRCH says that a virtual service is not there; anything else says nothing', async () => {
  const records = new Uint8Array(112);
  const gone = scriptedKernel({ service: { records, errnos: Int32Array.of(ESRCH) } });
  assert.deepEqual(await gone.kernel.servicesAt([key]), [undefined]);
  for (const [errno, code] of [
    [-1, 'ENOBUFS'],
    [ENOMEM, 'ENOMEM'],
  ] as const) {
    const { kernel } = scriptedKernel({ service: { records, errnos: Int32Array.of(errno) } });
    await assert.rejects(kernel.servicesAt([key]), { name: 'KernelError', code });
  }
});

test('traffic is what the kernel counted, and nothing without virtual services', async () => {
  const dump = new Uint8Array(64);
  dump.set([4, 6, 80, 0, 0, 0, 0, 0, 10, 96, 0, 10]);
  dump.set([7], 24);
  const counted = { connections: 7, incomingPackets: 0, outgoingPackets: 0, incomingBytes: 0, outgoingBytes: 0 };
  assert.deepEqual(await scriptedKernel({ traffic: dump }).kernel.traffic(), [{ service: key, ...counted }]);
  assert.deepEqual(await scriptedKernel({}).kernel.traffic(), []);
});

test('a kernel has the schedulers whose probe it does not answer with ENOENT', async () => {
  const { kernel } = scriptedKernel({ apply: () => [22, ENOENT, 22] });
  assert.deepEqual(await kernel.schedulers(['rr', 'nonesuch', 'mh']), ['rr', 'mh']);
});

const failures: readonly [code: string, becomes: string, cure: RegExp][] = [
  ['EPERM', 'EPERM', /CAP_NET_ADMIN/],
  ['EACCES', 'EPERM', /CAP_NET_ADMIN/],
  ['ERR_NO_FAMILY', 'NO_IPVS', /modprobe ip_vs/],
  ['DUMP_INTERRUPTED', 'DUMP_INTERRUPTED', /second proxy/],
  ['ERR_CLOSED', 'CLOSED', /closed/],
  ['EIO', 'EIO', /something else/],
];

for (const [code, becomes, cure] of failures) {
  test(`a request that fails with ${code} says what to do`, async () => {
    const { kernel } = scriptedKernel({ error: { code, message: 'something else' } });
    await assert.rejects(kernel.apply([parseOp(web)]), { name: 'KernelError', code: becomes, message: cure });
    await assert.rejects(kernel.device(), { name: 'KernelError', code: becomes, message: cure });
    await assert.rejects(kernel.traffic(), { name: 'KernelError', code: becomes, message: cure });
  });
}

test('a network namespace that is not there is named', () => {
  const openError = { code: 'ENOENT', message: 'no such file' };
  assert.throws(() => scriptedKernel({ openError }, 'blue'), {
    name: 'KernelError',
    code: 'NO_NETNS',
    message: /blue/,
  });
});

const refusals: readonly [op: string, errno: string, line: RegExp][] = [
  [web, 'ENOENT', /^-A -t 10.96.0.10:80 -s rr failed with ENOENT; .*modprobe ip_vs_/],
  [pod, 'EINVAL', /unicast destination/],
  [bound, 'EACCES', /disable_ipv6/],
  [device, 'EOPNOTSUPP', /modprobe dummy/],
  [web, 'EPERM', /CAP_NET_ADMIN/],
  [web, 'EXOTIC', /^-A -t 10.96.0.10:80 -s rr failed with EXOTIC$/],
];

for (const [op, errno, line] of refusals) {
  test(`"${op}" refused with ${errno} is one line with what can be done`, () => {
    assert.match(refusalText(parseOp(op), { errno }), line);
  });
}

test("the kernel's own words are passed on", () => {
  assert.equal(
    refusalText(parseOp(web), { errno: 'EXOTIC', text: 'not today' }),
    `${web} failed with EXOTIC: not today`,
  );
});
