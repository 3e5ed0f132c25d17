/** The loop over a kernel that refuses, falls silent or breaks: what it tells, tries again and never forgets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setSpecs } from '../../src/model/filter.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { Reconciler } from '../../src/reconcile/loop.ts';
import { address, deleteService, port, service, setService, setSlice, slice, storeOf } from '../support/cluster.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import type { Fault } from '../../src/kernel/faults.ts';
import { faultsAt, noFaults } from '../support/faults.ts';
import { stateText } from '../support/kernel-state.ts';
import { NodeLoop, plainWishes } from '../support/node-loop.ts';
import { device, serving, started, texts, web, webSlice } from '../support/served-node.ts';

const refused: Fault = { kind: 'refused', errno: 'ENOMEM' };
const lost: Fault = { kind: 'lost', applied: false };

test('a refused operation is told, and tried again after 100 ms, 200 ms, 400 ms', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([0, 1, 2].map((attempt) => [attempt, refused])));
  store.apply(webSlice('10.244.0.1'));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const report = await node.reconciler.pass();
    assert.deepEqual(
      report?.failures.map(({ op, refusal }) => `${opText(op)}: ${refusal.errno}`),
      ['-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1: ENOMEM'],
    );
    const next = node.reconciler.nextDue()!;
    waits.push(next - node.clock.time);
    node.clock.passTo(next - 1);
    await node.reconciler.pass();
    assert.equal(kernel.writes, attempt + 1, 'not before its time');
    node.clock.passTo(next);
  }
  assert.deepEqual(waits, [100, 200, 400]);
  await node.rest();
  assert.deepEqual(texts(node), ['-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1']);
});

test('a newer change of a Service that waits for a retry is applied at once', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([0, 1, 2].map((attempt) => [attempt, refused])));
  store.apply(webSlice('10.244.0.1'));
  for (let attempt = 0; attempt < 3; attempt++) {
    await node.reconciler.pass();
    node.clock.passTo(node.reconciler.nextDue()!);
  }
  const waiting = node.clock.time;
  store.apply(webSlice('10.244.0.2'));
  await node.reconciler.pass();
  assert.equal(node.clock.time, waiting);
  assert.deepEqual(texts(node), ['-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1']);
});

test('an address that would not make room is told until it does', async () => {
  const vip = address('fd00:10:96::10');
  const wide: Op = { kind: 'binding', verb: 'delete', binding: { form: 'address', address: vip, prefix: 64 } };
  const store = storeOf(setService(service('default/web', { vips: [vip] })));
  const { node, kernel } = started(store);
  await kernel.apply([
    { kind: 'device', verb: 'add' },
    { ...wide, verb: 'add' },
  ]);
  kernel.faults = { ...noFaults, ofOperation: (op) => (opText(op) === opText(wide) ? refused : undefined) };
  await node.converge();
  await node.scrubbed();
  await node.rest();
  assert.deepEqual(
    node.reconciler.failing().map(({ op }) => opText(op)),
    [opText(wide)],
  );
  kernel.faults = noFaults;
  await node.scrubbed();
  await node.rest();
  assert.match(kernel.text(), /ip addr add fd00:10:96::10\/128/);
  assert.deepEqual(node.reconciler.failing(), []);
});

test('a table of an older version that is not made anew at once loses nothing that it should hold', async () => {
  const { node, kernel } = started(storeOf(setService(web), webSlice('10.244.0.1')));
  const sets = [setSpecs.services, setSpecs.clusterIPs, setSpecs.virtualIPs];
  await kernel.apply([{ kind: 'table', verb: 'add', table: { family: 4, sets, chains: [] } }]);
  let tries = 0;
  kernel.faults = { ...noFaults, ofOperation: ({ kind }) => (kind === 'table' && tries++ === 0 ? refused : undefined) };
  await node.converge();
  assert.deepEqual(kernel.filter.lines(), [
    'ip cluster-ips 10.96.0.10 . tcp . 80',
    'ip services 10.96.0.10 . tcp . 80',
    'ip virtual-ips 10.96.0.10',
  ]);
});

test('one Service that the kernel refuses does not hold up another', async () => {
  const store = storeOf(
    setService(web),
    webSlice('224.0.0.1'),
    setService(service('default/other', { vips: ['10.96.0.11'] })),
    setSlice(slice('default/other', ['10.244.0.1'])),
  );
  const { node, kernel } = started(store);
  await node.reconciler.verify();
  const report = await node.reconciler.pass();
  assert.deepEqual(
    report?.failures.map(({ op, refusal }) => `${opText(op)}: ${refusal.errno}`),
    ['-a -t 10.96.0.10:80 -r 224.0.0.1:8080 -m -w 1: EINVAL'],
  );
  assert.match(kernel.text(), /-a -t 10.96.0.11:80 -r 10.244.0.1:8080 -m -w 1/);
});

test('a virtual service that cannot be made keeps its address unbound, and tells what it holds up', async () => {
  const store = storeOf(setService(web), webSlice('10.244.0.1'));
  const { node, kernel } = started(store, { schedulers: ['wlc'] });
  await node.reconciler.verify();
  const report = await node.reconciler.pass();
  assert.deepEqual(
    report?.failures.map(({ refusal }) => refusal.errno),
    ['ENOENT'],
  );
  assert.deepEqual(report?.blocked.map(opText), [
    '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    'ip addr add 10.96.0.10/32 dev kube-ipvs0',
  ]);
  assert.equal(kernel.text(), device);
});

test('a virtual service that cannot be deleted keeps its address', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([[0, refused]]));
  store.apply(deleteService('default/web'));
  await node.reconciler.pass();
  assert.match(kernel.text(), /ip addr add 10.96.0.10/);
  await node.rest();
  assert.equal(kernel.text(), device);
});

test('of two endpoints that leave one stays as long as the one that takes over is refused', async () => {
  const { node, kernel, store } = await serving();
  for (const leaving of ['10.244.0.1:8080', '10.244.0.2:8080']) {
    kernel.run(`-a -t 10.96.0.10:80 -r ${leaving} -m -w 1`);
    kernel.setConnections('10.96.0.10:80/TCP', leaving, { active: 1, inactive: 0 });
  }
  store.apply(webSlice('10.244.0.3'));
  await node.reconciler.verify();
  kernel.faults = faultsAt(new Map([[0, refused]]));
  const report = await node.reconciler.pass();
  assert.deepEqual(
    report?.failures.map(({ op }) => opText(op)),
    ['-a -t 10.96.0.10:80 -r 10.244.0.3:8080 -m -w 1'],
  );
  assert.deepEqual(report?.blocked.map(opText), ['-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 0']);
  assert.match(kernel.text(), /-r 10.244.0.2:8080 -m -w 1/);
  await node.rest();
  assert.deepEqual(kernel.text().match(/-r .* -w 1/g), ['-r 10.244.0.3:8080 -m -w 1']);
});

test('an address that is bound twice stays bound until its virtual service is gone', async () => {
  const { node, kernel, store } = await serving();
  kernel.run('ip route add local 10.96.0.10/32 dev kube-ipvs0 table local');
  store.apply(deleteService('default/web'));
  await node.reconciler.verify();
  kernel.faults = faultsAt(new Map([[0, refused]]));
  await node.reconciler.pass();
  assert.ok(kernel.holds(web.clusterIPs[0]!));
  await node.rest();
  assert.equal(kernel.text(), device);
});

test('a lost answer is read again before anything is decided on it', async () => {
  for (const applied of [true, false]) {
    const { node, kernel, store } = await serving();
    kernel.faults = faultsAt(new Map([[0, { kind: 'lost', applied }]]));
    store.apply(webSlice('10.244.0.1'));
    const first = await node.reconciler.pass();
    assert.deepEqual(first?.open.map(opText), ['-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1']);
    assert.equal(node.reconciler.nextDue(), node.clock.time, 'at once');
    await node.rest();
    assert.equal(kernel.writes, applied ? 1 : 2);
    assert.match(kernel.text(), /-r 10.244.0.1:8080 -m -w 1/);
  }
});

test('a virtual service whose addition was done without an answer is ours, whatever became of its mark when it is found', async () => {
  const { node, kernel, store } = await serving();
  const before = kernel.text();
  kernel.faults = faultsAt(new Map([[0, { kind: 'lost', applied: true }]]));
  store.apply(setService(service('default/other', { vips: ['10.96.0.11'] })));
  const first = await node.reconciler.pass();
  assert.deepEqual(first?.open.map(opText), ['-A -t 10.96.0.11:80 -s rr']);
  kernel.run('nft flush ruleset');
  store.apply(deleteService('default/other'));
  await node.scrubbed();
  await node.rest();
  assert.equal(kernel.text(), before);
});

test('a key whose answers keep getting lost is not asked for again and again without a pause', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([0, 1, 2, 3].map((attempt) => [attempt, lost])));
  store.apply(setService(service('default/web', { vips: ['10.96.0.10'], ports: [port(80), port(81)] })));
  const started = node.clock.time;
  await node.rest();
  assert.ok(node.clock.time - started >= 300);
  assert.match(kernel.text(), /-A -t 10.96.0.10:81 -s rr/);
});

test('addresses whose answers keep getting lost are not asked for without a pause either', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([1, 2, 3, 4].map((attempt) => [attempt, lost])));
  store.apply(setService(service('default/other', { vips: ['10.96.0.11'] })));
  const started = node.clock.time;
  await node.rest();
  assert.ok(node.clock.time - started >= 300);
  assert.match(kernel.text(), /ip addr add 10.96.0.11/);
});

test('when the device is gone it is made again with all that it held', async () => {
  const { node, kernel, store } = await serving('10.244.0.1');
  const before = kernel.text();
  kernel.run('ip link delete kube-ipvs0');
  store.apply(setService(service('default/other', { vips: ['10.96.0.11'] })));
  await node.rest();
  assert.equal(
    kernel.text(),
    stateText([...before.split('\n'), '-A -t 10.96.0.11:80 -s rr', 'ip addr add 10.96.0.11/32 dev kube-ipvs0']),
  );
});

test('a device that cannot be made is tried again, even when no Service needs it', async () => {
  const { node, kernel } = started(storeOf(), { faults: faultsAt(new Map([[0, refused]])) });
  await node.converge();
  assert.equal(kernel.text(), device);
});

test('a device that cannot be deleted is tried again', async () => {
  const kernel = FakeKernel.from(device, { faults: faultsAt(new Map([[0, refused]])) });
  await new NodeLoop(kernel, storeOf(), { device: false }).converge();
  assert.equal(kernel.text(), '');
});

test('a broken channel ends the pass, and nothing is forgotten', async () => {
  const { node, kernel, store } = await serving();
  kernel.faults = faultsAt(new Map([[1, { kind: 'broken', code: 'EPIPE' }]]));
  store.apply(webSlice('10.244.0.1', '10.244.0.2', '10.244.0.3'));
  await assert.rejects(node.reconciler.pass(), { code: 'EPIPE' });
  await node.rest();
  for (const octet of [1, 2, 3]) assert.match(kernel.text(), new RegExp(`-r 10.244.0.${octet}:8080 -m -w 1`));
});

test('a change that comes after a broken read is not overlooked', async () => {
  const { node, kernel, store } = await serving('10.244.0.1');
  kernel.faults = faultsAt(new Map([[0, lost]]));
  store.apply(webSlice('10.244.0.1', '10.244.0.2'));
  await node.reconciler.pass();
  kernel.faults = { ...noFaults, ofRead: () => 'ENOBUFS' };
  store.apply(webSlice('10.244.0.1', '10.244.0.3'));
  await assert.rejects(node.reconciler.pass(), { code: 'ENOBUFS' });
  kernel.faults = noFaults;
  store.apply(webSlice('10.244.0.1', '10.244.0.4'));
  await node.rest();
  assert.deepEqual(texts(node), ['-a -t 10.96.0.10:80 -r 10.244.0.4:8080 -m -w 1']);
});

test('what was under way when the channel broke is folded: nothing is sent a second time', async () => {
  const ports = Array.from({ length: 5_000 }, (_, i) => port(1_000 + i, { name: `p${i}` }));
  const { node, kernel } = started(storeOf(setService(service('default/web', { ports }))), {
    faults: faultsAt(new Map([[10, { kind: 'broken', code: 'EPIPE' }]])),
  });
  await node.reconciler.verify();
  await assert.rejects(node.reconciler.pass(), { code: 'EPIPE' });
  const reports = await node.rest();
  assert.deepEqual(reports.flatMap(({ open }) => open).map(opText), []);
  assert.equal(kernel.text().split('\n').length, 5_000 + 2);
});

test('an aborted pass finishes and folds what is under way, sends nothing more, and the next process goes on', async () => {
  const ports = Array.from({ length: 10_000 }, (_, i) => port(1_000 + i, { name: `p${i}` }));
  const store = () => storeOf(setService(service('default/web', { ports })));
  const kernel = new FakeKernel({ faults: noFaults });
  const stop = new AbortController();
  let told = 0;
  const onApplied = () => {
    if (++told === 100) stop.abort(new Error('enough'));
  };
  const reconciler = new Reconciler(plainWishes, {
    kernel,
    store: store(),
    now: () => 0,
    signal: stop.signal,
    onApplied,
  });
  await reconciler.verify();
  await assert.rejects(reconciler.pass(), /enough/);
  assert.ok(kernel.writes < 10_000);
  assert.equal(told, kernel.writes);
  await new NodeLoop(kernel, store()).converge();
  assert.equal(kernel.text().split('\n').length, 10_000 + 2);
});

test('an aborted start reads no more either, though all is right and there is nothing to send', async () => {
  const ports = (from: number) => Array.from({ length: 100 }, (_, i) => port(from + i, { name: `p${i}` }));
  const store = storeOf(
    ...[1_000, 2_000, 3_000].map((from) => setService(service(`default/s${from}`, { ports: ports(from) }))),
  );
  const kernel = new FakeKernel({ faults: noFaults });
  await new NodeLoop(kernel, store).converge();
  const read = kernel.destinations.bind(kernel);
  const startAgain = () => {
    const stop = new AbortController();
    const seen = { reads: 0, turns: 0 };
    const onPlan = () => {
      if (++seen.turns === 1) stop.abort(new Error('enough'));
    };
    store.markAll();
    const surroundings = { kernel, store, now: () => 0, signal: stop.signal, onPlan, turnSize: 1 };
    return { stop, seen, reconciler: new Reconciler(plainWishes, surroundings) };
  };

  const reading = startAgain();
  kernel.destinations = (keys) => {
    reading.seen.reads++;
    reading.stop.abort(new Error('enough'));
    return read(keys);
  };
  await assert.rejects(reading.reconciler.verify(), /enough/);
  assert.equal(reading.seen.reads, 1);

  kernel.destinations = read;
  const comparing = startAgain();
  await comparing.reconciler.verify();
  await assert.rejects(comparing.reconciler.pass(), /enough/);
  assert.equal(comparing.seen.turns, 1);
});
