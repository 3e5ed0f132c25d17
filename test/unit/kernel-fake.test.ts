/** The fake kernel keeps what the tests believe of it: the answers of a real one (test/kernel/answers), faults, counts, texts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { randomFaults } from '../../src/kernel/faults.ts';
import { crashAfter, faultsAt, noFaults } from '../support/faults.ts';
import { answerRows } from '../support/kernel-answers.ts';
import { stateText } from '../support/kernel-state.ts';
import { parseOp } from '../support/parse-op.ts';

for (const { before, op, answer, after } of answerRows) {
  test(`the fake kernel answers ${answer} to "${op}" after ${before.length} others`, async () => {
    const kernel = FakeKernel.from(before.join('\n'), { faults: noFaults });
    const { answers } = await kernel.apply([parseOp(op)]);
    assert.deepEqual(answers, [answer === 'done' ? 'done' : { errno: answer }]);
    assert.equal(kernel.text(), stateText(after));
  });
}

const state = [
  'ip link add kube-ipvs0 type dummy',
  '-A -t 10.96.0.10:80 -s rr',
  '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
  'ip addr add 10.96.0.10/32 dev kube-ipvs0',
].join('\n');
const key = virtualServiceKey('TCP', address('10.96.0.10'), 80);
const unknown = virtualServiceKey('TCP', address('10.96.0.11'), 80);

test('the text of a kernel makes the same kernel', () => {
  const lines = `${state}\n-A -f 7 -s rr\n-a -f 7 -r 192.0.2.1:0 -g -w 1\nip addr add 192.0.2.5/24 dev eth0`;
  const kernel = FakeKernel.from(lines, { faults: noFaults });
  assert.equal(FakeKernel.from(kernel.text(), { faults: noFaults }).text(), stateText(lines.split('\n')));
});

test('a kernel reads what is there, and firewall mark services are never there', async () => {
  const kernel = FakeKernel.from(`${state}\n-A -f 7 -s rr\nip addr add 192.0.2.5/24 dev eth0`, { faults: noFaults });
  kernel.setConnections(key.id, '10.244.0.1:8080', { active: 2, inactive: 1 });
  assert.deepEqual(
    (await kernel.services()).map(({ service }) => service.id),
    [key.id],
  );
  assert.deepEqual(
    (await kernel.servicesAt([unknown, key])).map((found) => found?.service.id),
    [undefined, key.id],
  );
  const [known, none] = await kernel.destinations([key, unknown]);
  assert.deepEqual(
    known?.map(({ connections }) => connections),
    [{ active: 2, inactive: 1 }],
  );
  assert.deepEqual(none, [], 'the destinations of a service that is not there are none, and no error');
  assert.deepEqual(await kernel.device(), { kind: 'dummy', up: false });
  assert.deepEqual(
    (await kernel.bindings()).map((binding) => opText({ kind: 'binding', verb: 'add', binding })),
    ['ip addr add 10.96.0.10/32 dev kube-ipvs0'],
  );
  assert.deepEqual(await kernel.nodeAddresses(), [{ address: '192.0.2.5', device: 'eth0', loopback: false }]);
  assert.deepEqual(await kernel.schedulers(['rr', 'nonesuch', 'mh']), ['rr', 'mh']);
  assert.equal(kernel.reads, 7);
  assert.equal(kernel.writes, 0);
});

test('counters are those of a virtual service since it was added', async () => {
  const kernel = FakeKernel.from(state, { faults: noFaults });
  const counted = { connections: 1, incomingPackets: 2, outgoingPackets: 3, incomingBytes: 4, outgoingBytes: 5 };
  kernel.setTraffic(key.id, counted);
  assert.deepEqual(await kernel.traffic(), [{ service: key, ...counted }]);
  await kernel.apply(['-D -t 10.96.0.10:80', '-A -t 10.96.0.10:80 -s rr'].map(parseOp));
  const none = { connections: 0, incomingPackets: 0, outgoingPackets: 0, incomingBytes: 0, outgoingBytes: 0 };
  assert.deepEqual(await kernel.traffic(), [{ service: key, ...none }]);
  assert.throws(() => kernel.setTraffic(unknown.id, counted), /no virtual service 10.96.0.11:80\/TCP/);
});

test('what somebody else changes in the packet filter is told from what was changed through the kernel', async () => {
  const kernel = FakeKernel.from(state, { faults: noFaults });
  const othersAfter = async (change: () => unknown) => {
    const before = await kernel.otherFilterChanges();
    await change();
    return (await kernel.otherFilterChanges()) - before;
  };
  const element = parseOp('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }');
  const table: Op = { kind: 'table', verb: 'add', table: tableOf(4, facts()) };
  assert.equal(await othersAfter(() => kernel.apply([parseOp('-A -t 10.96.0.11:80 -s rr')])), 0);
  assert.equal(await othersAfter(() => kernel.elements(4)), 0);
  assert.equal(await othersAfter(() => kernel.apply([element])), 0, 'there is no table: refused');
  assert.equal(await othersAfter(() => kernel.apply([table, element])), 0);
  assert.equal(await othersAfter(() => kernel.run('nft flush ruleset')), 1);
});

test('later operations run after an earlier one was refused', async () => {
  const kernel = new FakeKernel({ faults: noFaults });
  const { answers } = await kernel.apply(['-D -t 10.96.0.10:80', '-A -t 10.96.0.10:80 -s rr'].map(parseOp));
  assert.deepEqual(answers, [{ errno: 'ESRCH' }, 'done']);
});

test('a fault leaves undone what was refused, and may have done what was lost', async () => {
  const op = parseOp('-A -t 10.96.0.10:80 -s rr');
  for (const [fault, answer, text] of [
    [{ kind: 'refused', errno: 'ENOMEM' }, { errno: 'ENOMEM' }, ''],
    [{ kind: 'lost', applied: false }, 'unknown', ''],
    [{ kind: 'lost', applied: true }, 'unknown', '-A -t 10.96.0.10:80 -s rr'],
  ] as const) {
    const kernel = new FakeKernel({ faults: faultsAt(new Map([[0, fault]])) });
    assert.deepEqual((await kernel.apply([op])).answers, [answer]);
    assert.equal(kernel.text(), text);
  }
});

test('a channel breaks in the middle of a request: what came before is done, nothing after', async () => {
  const ops = [1, 2, 3].map((octet) => parseOp(`-A -t 10.96.0.${octet}:80 -s rr`));
  const kernel = new FakeKernel({ faults: faultsAt(new Map([[1, { kind: 'broken', code: 'EPIPE' }]])) });
  await assert.rejects(kernel.apply(ops), { code: 'EPIPE' });
  assert.equal(kernel.text(), '-A -t 10.96.0.1:80 -s rr');
});

test('after a crash nothing works any more, until the next process comes', async () => {
  const ops = [1, 2, 3].map((octet) => parseOp(`-A -t 10.96.0.${octet}:80 -s rr`));
  const kernel = new FakeKernel({ faults: crashAfter(2) });
  await assert.rejects(kernel.apply(ops));
  await assert.rejects(kernel.apply(ops));
  await assert.rejects(kernel.services());
  assert.equal(kernel.text().split('\n').length, 2);
  kernel.faults = noFaults;
  assert.equal((await kernel.services()).length, 2);
});

test('a kernel fails on purpose unless it is told not to, and the same way each time', async () => {
  const ops = Array.from({ length: 500 }, (_, i) => parseOp(`-A -t 10.96.0.1:${i + 1} -s rr`));
  const outcomes = async (kernel: FakeKernel) => {
    const answers = await Promise.all(ops.map((op) => kernel.apply([op]).catch(() => 'broken')));
    return answers.map((one) => JSON.stringify(one)).join('\n');
  };
  const one = await outcomes(new FakeKernel());
  assert.equal(one, await outcomes(new FakeKernel()));
  assert.notEqual(one, await outcomes(new FakeKernel({ faults: randomFaults({ seed: 2, rate: 0.1 }) })));
  const failed = one.split('\n').filter((line) => !line.includes('"done"')).length;
  assert.ok(failed > 20 && failed < 100, `${failed} of 500`);
});

test('a closed kernel answers nobody', async () => {
  const kernel = new FakeKernel({ faults: noFaults });
  kernel.close();
  await assert.rejects(kernel.services(), { code: 'CLOSED' });
  await assert.rejects(kernel.apply([]), { code: 'CLOSED' });
});
