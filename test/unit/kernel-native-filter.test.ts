/** Between the addon and the core: tables, elements, flows, settings and timeouts, over a scripted addon. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { flowKeySize } from '../../src/kernel/addon.ts';
import { encodeFlowKeys } from '../../src/kernel/flow-records.ts';
import { refusalText } from '../../src/kernel/refusals.ts';
import { additionOf, encodeTable } from '../../src/kernel/table-records.ts';
import type { Flow } from '../../src/model/node-state.ts';
import type { Op } from '../../src/model/op.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { objectLines } from '../support/nft-records.ts';
import { parseOp } from '../support/parse-op.ts';
import { scriptedKernel } from '../support/scripted-addon.ts';

const { ECANCELED, EEXIST, ENOENT, ENOMEM } = constants.errno;
const table = tableOf(4, facts());
/** As the kernel shows what was added: without verbs. */
const dump = additionOf(encodeTable(table)).subarray(2 * 128);
for (let at = 0; at < dump.length; at += 128) dump[at] = 0;
const services = ['1', '2', '3', '4'].map((end) =>
  parseOp(`nft add element ip kube-ipvs services { 10.96.0.${end} . tcp . 80 }`),
);
const web = '-A -t 10.96.0.10:80 -s rr';
const flow: Flow = {
  protocol: 'UDP',
  original: {
    source: address('192.0.2.7'),
    sourcePort: 40_000,
    destination: address('10.96.0.10'),
    destinationPort: 53,
  },
  reply: {
    source: address('10.244.0.1'),
    sourcePort: 5353,
    destination: address('192.0.2.7'),
    destinationPort: 40_001,
  },
  id: 0xfedcba98,
  zone: 7,
};
const setting: Op = {
  kind: 'setting',
  verb: 'edit',
  setting: { name: 'net/ipv4/vs/conntrack', value: '1', when: 'different', required: true },
};
const timeouts: Op = { kind: 'timeouts', verb: 'edit', timeouts: { tcp: 900, tcpFin: 0, udp: 0 } };

test('all kinds of operations go in order, elements and flows together, tables and settings each alone', async () => {
  const { kernel, requests } = scriptedKernel({});
  const add: Op = { kind: 'table', verb: 'add', table };
  const gone: Op = { kind: 'flow', verb: 'delete', flow };
  const ops = [add, add, ...services, parseOp(web), setting, timeouts, ...services.slice(0, 1), gone, gone];
  const { answers } = await kernel.apply(ops);
  assert.deepEqual(
    answers,
    ops.map(() => 'done'),
  );
  const counts = requests.map(({ family, records }) =>
    family === 'table'
      ? 'table'
      : `${records.length / { element: 136, ipvs: 80, flow: 96, route: 72 }[family]} ${family}`,
  );
  assert.deepEqual(counts, ['table', 'table', '4 element', '1 ipvs', '1 element', '2 flow']);
});

test('an aborted transaction of elements is sent again without those that were refused', async () => {
  const script = [
    [ECANCELED, EEXIST, ECANCELED, ECANCELED],
    [0, 0, 0],
  ];
  const { kernel, requests } = scriptedKernel({
    apply: () => script.shift()!,
    texts: [{ index: 1, text: 'other data' }],
  });
  const { answers, milliseconds } = await kernel.apply(services);
  assert.deepEqual(answers, ['done', { errno: 'EEXIST', text: 'other data' }, 'done', 'done']);
  assert.deepEqual(
    requests.map(({ records }) => records.length / 136),
    [4, 3],
  );
  assert.deepEqual([...requests[1]!.records.subarray(32 + 136, 36 + 136)], [10, 96, 0, 3]);
  assert.equal(milliseconds, 2);
});

test('what is refused again and again leaves the rest unknown, and so does silence', async () => {
  const stubborn = scriptedKernel({
    apply: (records) => Array.from({ length: records.length / 136 }, (_, i) => (i === 0 ? ENOMEM : ECANCELED)),
  });
  const five = [...services, services[0]!];
  assert.deepEqual((await stubborn.kernel.apply(five)).answers, [
    { errno: 'ENOMEM' },
    { errno: 'ENOMEM' },
    { errno: 'ENOMEM' },
    { errno: 'ENOMEM' },
    'unknown',
  ]);
  assert.equal(stubborn.requests.length, 4);
  for (const errno of [-1, ECANCELED]) {
    const { kernel, requests } = scriptedKernel({ apply: () => [errno, errno, errno, errno] });
    assert.deepEqual((await kernel.apply(services)).answers, Array(4).fill('unknown'));
    assert.equal(requests.length, 1);
  }
});

test('thousands of elements are cut into transactions, and each refusal stays with its element', async () => {
  const many = Array.from({ length: 8193 }, (_, i) =>
    parseOp(`nft add element ip kube-ipvs services { 10.96.${i >> 8}.${i & 255} . tcp . 80 }`),
  );
  const { kernel, requests } = scriptedKernel({
    apply: (records) => (records.length === 136 ? [ENOENT] : Array.from({ length: records.length / 136 }, () => 0)),
    texts: [],
  });
  const { answers } = await kernel.apply(many);
  assert.deepEqual(
    requests.map(({ records }) => records.length / 136),
    [8192, 1],
  );
  assert.deepEqual(answers.at(-1), { errno: 'ENOENT' });
  assert.ok(answers.slice(0, -1).every((answer) => answer === 'done'));
});

test("a refused table is one answer, with the kernel's reason and words and not their consequences", async () => {
  const { kernel } = scriptedKernel({
    apply: (records) => Array.from({ length: records.length / 128 }, (_, i) => (i === 20 ? ENOENT : ECANCELED)),
    texts: [{ index: 20, text: 'no such expression' }],
  });
  const { answers } = await kernel.apply([{ kind: 'table', verb: 'add', table }]);
  assert.deepEqual(answers, [{ errno: 'ENOENT', text: 'no such expression' }]);
  const silent = scriptedKernel({ apply: (records) => Array.from({ length: records.length / 128 }, () => -1) });
  assert.deepEqual((await silent.kernel.apply([{ kind: 'table', verb: 'delete', table }])).answers, ['unknown']);
});

test('an edit looks at what is there, and is refused where nothing is', async () => {
  const there = scriptedKernel({ objects: dump });
  assert.deepEqual((await there.kernel.apply([{ kind: 'table', verb: 'edit', table }])).answers, ['done']);
  const lines = objectLines(there.requests[0]!.records);
  assert.ok(lines.includes('flush chain input type 1 hook 1 policy 1 priority 0'));
  assert.ok(!lines.some((line) => /^(add|delete) (table|chain|set)/.test(line)));
  const absent = scriptedKernel({});
  assert.deepEqual((await absent.kernel.apply([{ kind: 'table', verb: 'edit', table }])).answers, [
    { errno: 'ENOENT' },
  ]);
  assert.equal(absent.requests.length, 0);
});

test('tables are compared with what is wanted', async () => {
  assert.deepEqual(await scriptedKernel({ objects: dump }).kernel.tables([table]), ['same']);
  assert.deepEqual(await scriptedKernel({}).kernel.tables([table, tableOf(6, facts())]), ['absent', 'absent']);
});

test('flows are records and back, with number and zone', async () => {
  const { kernel, requests } = scriptedKernel({});
  await kernel.apply([{ kind: 'flow', verb: 'delete', flow }]);
  const { records } = requests[0]!;
  const view = new DataView(records.buffer, records.byteOffset);
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  assert.deepEqual([records[0], records[1]], [4, 17]);
  assert.deepEqual(
    [2, 12, 14, 16, 18].map((at) => view.getUint16(at, little)),
    [7, 40_000, 53, 5353, 40_001],
  );
  assert.equal(view.getUint32(4, little), 0xfedcba98);
  const addresses = [32, 48, 64, 80].map((at) => [...records.subarray(at, at + 4)].join('.'));
  assert.deepEqual(addresses, ['192.0.2.7', '10.96.0.10', '10.244.0.1', '192.0.2.7']);
  const reader = scriptedKernel({ flows: records });
  assert.deepEqual(await reader.kernel.flows([virtualServiceKey('UDP', address('10.96.0.10'), 53)]), [flow]);
});

test('flows of both families go together, and are looked for by keys of both', async () => {
  const ofIPv6: Flow = {
    protocol: 'SCTP',
    original: { source: address('fd00::7'), sourcePort: 9, destination: address('fd00:96::10'), destinationPort: 5060 },
    reply: { source: address('fd00:244::1'), sourcePort: 5061, destination: address('fd00::7'), destinationPort: 9 },
    id: 3,
    zone: 0,
  };
  const { kernel, requests } = scriptedKernel({});
  await kernel.apply([flow, ofIPv6].map((one): Op => ({ kind: 'flow', verb: 'delete', flow: one })));
  const reader = scriptedKernel({ flows: requests[0]!.records });
  const keys = [
    virtualServiceKey('UDP', address('10.96.0.10'), 53),
    virtualServiceKey('SCTP', address('fd00:96::10'), 1),
  ];
  assert.deepEqual(await reader.kernel.flows(keys), [flow, ofIPv6]);
  const bytes = encodeFlowKeys(keys);
  const [four, six] = [bytes.subarray(0, flowKeySize), bytes.subarray(flowKeySize)];
  assert.deepEqual([...four.subarray(0, 2), ...four.subarray(8, 12)], [4, 17, 10, 96, 0, 10]);
  assert.deepEqual([...six.subarray(0, 2), ...six.subarray(8)], [6, 132, 0xfd, 0, 0, 0x96, ...Array(11).fill(0), 0x10]);
  assert.deepEqual([...new Uint16Array(bytes.buffer).filter((_, i) => i % (flowKeySize / 2) === 1)], [53, 1]);
});

test('only services of UDP and SCTP have flows that are looked for', async () => {
  const { kernel } = scriptedKernel({ error: { code: 'EIO', message: 'asked' } });
  assert.deepEqual(await kernel.flows([virtualServiceKey('TCP', address('10.96.0.10'), 80)]), []);
  for (const protocol of ['UDP', 'SCTP'] as const) {
    await assert.rejects(kernel.flows([virtualServiceKey(protocol, address('10.96.0.10'), 53)]), { code: 'EIO' });
  }
});

test('a kernel that shows no connections has none to clean up', async () => {
  const { kernel } = scriptedKernel({ error: { code: 'ERR_NO_CONNTRACK', message: 'none' } });
  assert.deepEqual(await kernel.flows([virtualServiceKey('UDP', address('10.96.0.10'), 53)]), []);
});

test('settings are read in order; one that cannot be read has no value', async () => {
  const read = { 'net/ipv4/ip_forward': { value: '1', writable: true, errno: 0 } };
  const { kernel } = scriptedKernel({ settings: read });
  assert.deepEqual(await kernel.settings(['net/ipv4/gone', 'net/ipv4/ip_forward']), [
    { value: undefined, writable: false },
    { value: '1', writable: true },
  ]);
});

test('a setting that we had no means to look at is not taken for one that is not there', async () => {
  const read = { 'net/ipv4/ip_forward': { value: undefined, writable: true, errno: constants.errno.EMFILE } };
  const { kernel } = scriptedKernel({ settings: read });
  await assert.rejects(kernel.settings(['net/ipv4/gone', 'net/ipv4/ip_forward']), { code: 'EMFILE' });
});

test('a setting or timeouts that the kernel refuses are refused, and a broken channel is broken', async () => {
  const refused = scriptedKernel({ error: { code: 'EACCES', message: 'read-only' } });
  assert.deepEqual((await refused.kernel.apply([setting, timeouts])).answers, [
    { errno: 'EACCES' },
    { errno: 'EACCES' },
  ]);
  const broken = scriptedKernel({ error: { code: 'ERR_NO_FAMILY', message: 'gone' } });
  await assert.rejects(broken.kernel.apply([timeouts]), { code: 'NO_IPVS' });
});

for (const code of ['EINVAL', 'EPROTONOSUPPORT', 'EOPNOTSUPP']) {
  test(`a kernel without nf_tables (${code}) is named, with what to do`, async () => {
    const { kernel } = scriptedKernel({ error: { code, message: '' } });
    const expected = { name: 'KernelError', code: 'NO_NFTABLES', message: /modprobe nf_tables/ };
    await assert.rejects(kernel.tables([table]), expected);
    await assert.rejects(kernel.rehearse([table]), expected);
    await assert.rejects(kernel.otherFilterChanges(), expected);
    await assert.rejects(kernel.apply(services), expected);
  });
}

test('a rehearsal is an addition that ends with what cannot be done', async () => {
  const { kernel, requests } = scriptedKernel({});
  await kernel.rehearse([table]);
  const [request, ...others] = requests;
  assert.deepEqual(others, []);
  const addition = additionOf(encodeTable(table));
  assert.deepEqual(request!.records.subarray(0, addition.length), addition);
  assert.deepEqual(objectLines(request!.records.subarray(addition.length)), [
    'delete chain missing type 0 hook 0 policy 0 priority 0',
  ]);
});

test('the generation of the packet filter is what the kernel says', async () => {
  assert.equal(await scriptedKernel({ generation: 4_294_967_295 }).kernel.otherFilterChanges(), 4_294_967_295);
});

test('a change of others is seen beside a transaction of ours that found all there, and beside one whose answers are lost', async () => {
  for (const [errnos, newGeneration] of [
    [[0], false],
    [[-1], true],
  ] as const) {
    const script = { generation: 7, newGeneration, apply: () => errnos };
    const { kernel } = scriptedKernel(script);
    const before = await kernel.otherFilterChanges();
    script.generation += newGeneration ? 1 : 0;
    await kernel.apply(services.slice(0, 1));
    assert.equal(await kernel.otherFilterChanges(), before);
    script.generation++;
    assert.notEqual(await kernel.otherFilterChanges(), before);
  }
});

test('what is closed opens nothing more, neither for a new request nor for the rest of one', async () => {
  const many = Array.from({ length: 8193 }, () => services[0]!);
  const { kernel, requests } = scriptedKernel({
    apply: (records) => {
      kernel.close();
      return Array.from({ length: records.length / 136 }, () => 0);
    },
  });
  const closed = { name: 'KernelError', code: 'CLOSED' };
  await assert.rejects(kernel.apply(many), closed);
  assert.equal(requests.length, 1);
  for (const op of [services[0]!, setting, { kind: 'flow', verb: 'delete', flow } as const]) {
    await assert.rejects(kernel.apply([op]), closed);
  }
  await assert.rejects(kernel.elements(4), closed);
  await assert.rejects(kernel.rehearse([table]), closed);
  await assert.rejects(kernel.settings(['net/ipv4/vs/conntrack']), closed);
  await assert.rejects(kernel.flows([virtualServiceKey('UDP', address('10.96.0.10'), 53)]), closed);
  assert.equal(requests.length, 1);
});

test('who may not use the packet filter is told that it is this', async () => {
  const { kernel } = scriptedKernel({ error: { code: 'EPERM', message: '' } });
  await assert.rejects(kernel.elements(4), { code: 'EPERM', message: /nf_tables.*CAP_NET_ADMIN/ });
});

const refusals: readonly (readonly [op: Op, errno: string, line: RegExp])[] = [
  [
    { kind: 'table', verb: 'add', table },
    'EOPNOTSUPP',
    /^nft add table ip kube-ipvs failed with EOPNOTSUPP; .*modprobe nf_tables/,
  ],
  [{ kind: 'table', verb: 'add', table }, 'ENOENT', /modprobe -a .*nft_masq/],
  [
    { kind: 'timeouts', verb: 'edit', timeouts: { tcp: 2_200_000, tcpFin: 0, udp: 0 } },
    'EINVAL',
    /lower --ipvs-tcp-timeout.*2147483s/,
  ],
  [setting, 'EROFS', /^sysctl -w net.ipv4.vs.conntrack=1 failed with EROFS; .*read-only/],
];

for (const [op, errno, line] of refusals) {
  test(`"${op.kind}" refused with ${errno} is one line with what can be done`, () => {
    assert.match(refusalText(op, { errno }), line);
  });
}
