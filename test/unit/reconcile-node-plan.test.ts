/** Settings, timeouts and rules: what is changed, what is left alone, and what is only told. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedSetting, Timeouts, WantedSetting } from '../../src/model/node-state.ts';
import { opText } from '../../src/model/text.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import type { Faults } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import { NodeLoop } from '../support/node-loop.ts';
import { nodeAddress, storeOf } from '../support/cluster.ts';
import { conntrack, hashsize, limit } from '../support/wanted-settings.ts';

interface Row {
  readonly what: string;
  readonly wanted: WantedSetting;
  readonly is: ObservedSetting;
  readonly ops: readonly string[];
  readonly told?: boolean;
}

const rows: readonly Row[] = [
  {
    what: 'another value is written',
    wanted: conntrack,
    is: { value: '0', writable: true },
    ops: ['sysctl -w net.ipv4.vs.conntrack=1'],
  },
  { what: 'the right value is left alone', wanted: conntrack, is: { value: '1', writable: true }, ops: [] },
  { what: 'the right value may be read-only', wanted: conntrack, is: { value: '1', writable: false }, ops: [] },
  {
    what: 'a larger value is as good where that is said',
    wanted: hashsize,
    is: { value: '65536', writable: true },
    ops: [],
  },
  {
    what: 'a smaller one is not',
    wanted: hashsize,
    is: { value: '8192', writable: true },
    ops: ['echo 32768 > /sys/module/nf_conntrack/parameters/hashsize'],
  },
  {
    what: 'what is not required and read-only is told',
    wanted: limit,
    is: { value: '65536', writable: false },
    ops: [],
    told: true,
  },
  {
    what: 'what is not required and not there is nothing',
    wanted: limit,
    is: { value: undefined, writable: false },
    ops: [],
  },
];

function nodeWith(wanted: WantedSetting, is: ObservedSetting): { node: NodeLoop; kernel: FakeKernel } {
  const kernel = new FakeKernel({ faults: noFaults, settings: new Map([[wanted.name, is]]) });
  return { kernel, node: new NodeLoop(kernel, storeOf(), { settings: [wanted] }) };
}

const settingTexts = (node: NodeLoop) => node.applied.filter(({ kind }) => kind === 'setting').map(opText);

for (const { what, wanted, is, ops, told = false } of rows) {
  test(what, async () => {
    const { node, kernel } = nodeWith(wanted, is);
    await node.converge();
    assert.deepEqual(settingTexts(node), ops);
    assert.equal(kernel.setting(wanted.name), ops.length > 0 ? wanted.value : is.value);
    assert.deepEqual(node.reconciler.standing().unsettable, told ? [wanted] : []);
  });
}

test('what is not required and is refused, as on a read-only /proc/sys, is told and no trouble, however often it is tried', async () => {
  const refusing: Faults = {
    ...noFaults,
    ofOperation: ({ kind }) => (kind === 'setting' ? { kind: 'refused', errno: 'EROFS' } : undefined),
  };
  const settings = new Map([[limit.name, { value: '65536', writable: true }]]);
  const node = new NodeLoop(new FakeKernel({ faults: refusing, settings }), storeOf(), { settings: [limit] });
  await node.verify();
  const reports = [...(await node.rest())];
  await node.scrubbed();
  reports.push(...(await node.spend(1)));
  for (const { failures, blocked, open } of reports) assert.deepEqual([...failures, ...blocked, ...open], []);
  assert.deepEqual(node.reconciler.standing().unsettable, [limit]);
});

test('what is required and cannot be written is a failure, tried again after a while', async () => {
  const { node } = nodeWith(conntrack, { value: '0', writable: false });
  await node.verify();
  const [report] = await node.spend(1);
  assert.deepEqual(
    report?.failures.map(({ refusal }) => refusal.errno),
    ['EACCES'],
  );
  assert.equal(node.reconciler.nextDue(), node.clock.time + 100);
});

test('what could not be written fails no more once somebody else has written it', async () => {
  const refusing: Faults = {
    ...noFaults,
    ofOperation: ({ kind }) => (kind === 'setting' ? { kind: 'refused', errno: 'EACCES' } : undefined),
  };
  const { node, kernel } = nodeWith(conntrack, { value: '0', writable: true });
  kernel.faults = refusing;
  await node.verify();
  await node.spend(1);
  assert.equal(node.reconciler.failing().length, 1);
  kernel.faults = noFaults;
  await kernel.apply([{ kind: 'setting', verb: 'edit', setting: conntrack }]);
  kernel.faults = refusing;
  await node.scrubbed();
  await node.rest();
  assert.deepEqual(node.reconciler.failing(), []);
});

const timeouts: readonly [what: string, wanted: Timeouts, ops: readonly string[]][] = [
  ['timeouts that differ are set', { tcp: 60, tcpFin: 10, udp: 5 }, ['ipvsadm --set 60 10 5']],
  ['a zero keeps the kernel’s', { tcp: 0, tcpFin: 0, udp: 5 }, ['ipvsadm --set 0 0 5']],
  ['timeouts that are right are left alone', { tcp: 900, tcpFin: 0, udp: 300 }, []],
];

for (const [what, wanted, ops] of timeouts) {
  test(what, async () => {
    const kernel = new FakeKernel({ faults: noFaults });
    const node = new NodeLoop(kernel, storeOf(), { timeouts: wanted });
    await node.converge();
    assert.deepEqual(node.applied.filter(({ kind }) => kind === 'timeouts').map(opText), ops);
    assert.deepEqual((await node.spend(1))[0]?.applied, []);
    await node.converge();
    assert.equal(node.applied.filter(({ kind }) => kind === 'timeouts').length, ops.length, 'once');
  });
}

test('clean-up leaves no table, whatever is known of the node', async () => {
  const kernel = new FakeKernel({ faults: noFaults });
  const store = () => storeOf({ kind: 'nodeAddresses', verb: 'set', addresses: [nodeAddress('192.168.1.10')] });
  await new NodeLoop(kernel, store()).converge();
  assert.deepEqual(kernel.filter.lines(), ['ip numbered-devices eth0']);
  await new NodeLoop(kernel, store(), { device: false }).converge();
  assert.deepEqual([kernel.filter.table(4), kernel.filter.table(6)], [undefined, undefined]);
});
