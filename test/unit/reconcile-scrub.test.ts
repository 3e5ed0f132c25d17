/** What somebody else changes is found and mended, and what is right is not touched. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelError } from '../../src/kernel/kernel.ts';
import { type Drift, noDrift, sum } from '../../src/model/drift.ts';
import { scrubSize } from '../../src/reconcile/scrub.ts';
import { noFaults } from '../support/faults.ts';
import { service, setService, setSlice, slice, storeOf, tuning } from '../support/cluster.ts';
import { serving, started, texts, web, webSlice } from '../support/served-node.ts';

const vip = '10.96.0.10:80';

const drifts: readonly [what: string, lines: readonly string[], found: Partial<Drift>, mended: readonly string[]][] = [
  ['nothing', [], {}, []],
  [
    'a weight that was changed',
    [`-e -t ${vip} -r 10.244.0.1:8080 -m -w 7`],
    { destination: 1 },
    [`-e -t ${vip} -r 10.244.0.1:8080 -m -w 1`],
  ],
  [
    'a destination that was deleted',
    [`-d -t ${vip} -r 10.244.0.1:8080`],
    { destination: 1 },
    [`-a -t ${vip} -r 10.244.0.1:8080 -m -w 1`],
  ],
  [
    'another scheduler and a destination that went with it',
    [`-E -t ${vip} -s sh`, `-d -t ${vip} -r 10.244.0.2:8080`],
    { service: 1 },
    [`-a -t ${vip} -r 10.244.0.2:8080 -m -w 1`, `-E -t ${vip} -s rr`],
  ],
  [
    'a virtual service that was deleted, with all its destinations',
    [`-D -t ${vip}`],
    { service: 1 },
    [`-A -t ${vip} -s rr`, `-a -t ${vip} -r 10.244.0.1:8080 -m -w 1`, `-a -t ${vip} -r 10.244.0.2:8080 -m -w 1`],
  ],
  [
    'an address that was deleted',
    ['ip addr delete 10.96.0.10/32 dev kube-ipvs0'],
    { binding: 1 },
    ['ip addr add 10.96.0.10/32 dev kube-ipvs0'],
  ],
  [
    'an address on our device that nobody wants',
    ['ip addr add 10.96.0.99/32 dev kube-ipvs0'],
    { binding: 1 },
    ['ip addr delete 10.96.0.99/32 dev kube-ipvs0'],
  ],
  [
    'the device, with all that it held',
    ['ip link delete kube-ipvs0'],
    { binding: 1 },
    ['ip link add kube-ipvs0 type dummy', 'ip addr add 10.96.0.10/32 dev kube-ipvs0'],
  ],
  [
    'a virtual service at an address of ours that nobody claims',
    ['-A -t 10.96.0.10:81 -s rr'],
    { service: 1 },
    ['-D -t 10.96.0.10:81'],
  ],
  ['the rules of a table', ['nft flush table ip kube-ipvs'], { table: 1 }, []],
  ['a table that sleeps', ['nft add table ip kube-ipvs { flags dormant; }'], { table: 1 }, []],
  ['a table', ['nft delete table ip kube-ipvs'], { table: 1, element: 3 }, []],
  [
    'an element that was deleted',
    ['nft delete element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }'],
    { element: 1 },
    [],
  ],
  ["somebody else's virtual service, which stays", ['-A -t 192.0.2.1:81 -s rr'], {}, []],
];

for (const [what, lines, found, mended] of drifts) {
  test(`a scrub finds and mends ${what}`, async () => {
    const { node, kernel } = await serving('10.244.0.1', '10.244.0.2');
    await node.scrub(0);
    await node.rest();
    const before = kernel.text();
    const filter = () => [kernel.filter.lines(), kernel.filter.table(4), kernel.filter.table(6)];
    const filterBefore = filter();
    for (const line of lines) kernel.run(line);
    assert.deepEqual(await node.scrub(0), { ...noDrift, ...found });
    await node.rest();
    assert.deepEqual(texts(node), mended);
    if (!lines.some((line) => line.includes('192.0.2.1'))) assert.equal(kernel.text(), before);
    assert.deepEqual(filter(), filterBefore);
    assert.deepEqual(await node.scrub(0), noDrift);
  });
}

test('a change that we made ourselves is no drift', async () => {
  const { node, store } = await serving('10.244.0.1');
  await node.scrub(0);
  store.apply(setSlice(slice('default/web', ['10.244.0.1', '10.244.0.7'])));
  store.apply(setService(service('default/more', { vips: ['10.96.0.11'] })));
  await node.rest();
  assert.deepEqual(await node.scrub(0), noDrift);
});

test('destinations are looked at some at a time, each once a round', async () => {
  const count = scrubSize + 10;
  const vipOf = (i: number) => `10.96.${1 + Math.floor(i / 200)}.${1 + (i % 200)}`;
  const names = Array.from({ length: count }, (_, i) => `default/s${i}`);
  const { node, kernel } = started(
    storeOf(
      ...names.map((name, i) => setService(service(name, { vips: [vipOf(i)] }))),
      ...names.map((name) => setSlice(slice(name, ['10.244.0.1']))),
    ),
  );
  await node.converge();
  for (const name of [0, count - 1]) kernel.run(`-e -t ${vipOf(name)}:80 -r 10.244.0.1:8080 -m -w 9`);
  const first = await node.scrub(0);
  const second = await node.scrub(0);
  assert.deepEqual([first.destination, second.destination], [1, 1]);
});

test('a scheduler whose module came after the Service that asks for it is used from the next scrub on', async () => {
  const store = storeOf(setService({ ...web, tuning: tuning({ scheduler: 'wlc' }) }), webSlice('10.244.0.1'));
  const { node, kernel } = started(store, { schedulers: ['rr'] });
  await node.converge();
  await node.scrub(0);
  await node.rest();
  assert.equal(node.reconciler.standing().missingSchedulers.length, 1);
  node.applied.length = 0;
  kernel.schedulerNames.add('wlc');
  assert.deepEqual(await node.scrub(0), noDrift);
  await node.rest();
  assert.deepEqual(texts(node), [`-E -t ${vip} -s wlc`]);
  assert.deepEqual(node.reconciler.standing().missingSchedulers, []);
});

test('timeouts that nobody asks for are not ours to mend', async () => {
  const { node, kernel } = await serving('10.244.0.1');
  await node.scrub(0);
  await kernel.apply([{ kind: 'timeouts', verb: 'edit', timeouts: { tcp: 60, tcpFin: 0, udp: 0 } }]);
  assert.deepEqual(await node.scrub(0), noDrift);
});

test('timeouts that somebody asks for are set again, and those beside them are nobody’s', async () => {
  const { node, kernel } = started(storeOf(), {}, { timeouts: { tcp: 60, tcpFin: 0, udp: 0 } });
  await node.converge();
  await kernel.apply([{ kind: 'timeouts', verb: 'edit', timeouts: { tcp: 0, tcpFin: 20, udp: 20 } }]);
  assert.deepEqual(await node.scrub(0), noDrift);
  await kernel.apply([{ kind: 'timeouts', verb: 'edit', timeouts: { tcp: 61, tcpFin: 0, udp: 0 } }]);
  assert.deepEqual(await node.scrub(0), { ...noDrift, setting: 1 });
  await node.rest();
  assert.deepEqual(await kernel.timeouts(), { tcp: 60, tcpFin: 20, udp: 20 });
  assert.deepEqual(await node.scrub(0), noDrift);
});

test('what a scrub found before a read failed is mended all the same, whichever read that was', async () => {
  const { node, kernel } = await serving('10.244.0.1', '10.244.0.2');
  await node.scrub(0);
  const before = kernel.text();
  kernel.reads = 0;
  await node.scrub(0);
  // the last one asks for destinations, which go with their virtual service
  const reads = kernel.reads - 1;
  assert.ok(reads > 4);
  for (let broken = 1; broken <= reads; broken++) {
    kernel.run(`-D -t ${vip}`);
    let next = 1;
    kernel.faults = { ...noFaults, ofRead: () => (next++ === broken ? 'ENOBUFS' : undefined) };
    let found = noDrift;
    const collect = async () => {
      for await (const drift of node.reconciler.scrub(0)) found = sum(found, drift);
    };
    await assert.rejects(collect, KernelError);
    await collect();
    assert.deepEqual(found, { ...noDrift, service: 1 });
    await node.rest();
    assert.equal(kernel.text(), before);
  }
});

test('passes between the reads of a scrub mend what was found, and what the rest finds is mended after it', async () => {
  const { node, kernel } = await serving('10.244.0.1', '10.244.0.2');
  await node.scrub(0);
  const before = kernel.text();
  for (const line of ['nft flush ruleset', `-D -t ${vip}`, 'ip link delete kube-ipvs0']) kernel.run(line);
  await node.scrub(0, () => node.rest());
  assert.equal(kernel.text(), before);
  assert.deepEqual(await node.scrub(0), noDrift);
});

const takings: readonly [how: string, line: string, found: Partial<Drift>][] = [
  ['the address that somebody bound to our device', 'ip addr add 10.96.7.7/32 dev kube-ipvs0', { binding: 1 }],
  ['the element that names it', 'nft add element ip kube-ipvs services { 10.96.7.7 . tcp . 80 }', { element: 1 }],
];
for (const [how, line, found] of takings) {
  test(`somebody else's virtual service is ours, and goes, with ${how}`, async () => {
    const { node, kernel } = await serving('10.244.0.1');
    const before = kernel.text();
    const elements = kernel.filter.lines();
    kernel.run('-A -t 10.96.7.7:80 -s rr');
    assert.deepEqual(await node.scrub(0), noDrift);
    kernel.run(line);
    assert.deepEqual(await node.scrub(0), { ...noDrift, service: 1, ...found });
    await node.rest();
    assert.deepEqual([kernel.text(), kernel.filter.lines()], [before, elements]);
  });
}

test("a virtual service that was somebody else's until a Service claimed it is nobody's change", async () => {
  const { node, kernel, store } = await serving('10.244.0.1');
  kernel.run('-A -t 10.96.0.20:80 -s rr');
  await node.scrub(0);
  store.apply(setService(service('default/other', { vips: ['10.96.0.20'] })));
  await node.rest();
  kernel.run('ip addr add 10.96.7.7/32 dev kube-ipvs0');
  assert.deepEqual(await node.scrub(0), { ...noDrift, binding: 1 });
});
