/** Passes until nothing can be done without waiting, as `reconcile --once` makes them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import type { WeightRule } from '../../src/model/cluster.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { settle } from '../../src/reconcile/settle.ts';
import { cidr, port, service, setService, setSlice, slice, storeOf, tuning } from '../support/cluster.ts';
import { NodeLoop } from '../support/node-loop.ts';
import { serving, started, web } from '../support/served-node.ts';

test('a virtual service that a dump left out is there all the same: it is read again at once, and nothing is left to do', async () => {
  const { kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  // where a dump goes on, the kernel counts what other network namespaces have (ip_vs_genl_dump_services in ip_vs_ctl.c, 6.1)
  const services = kernel.services.bind(kernel);
  kernel.services = async () => {
    kernel.services = services;
    return [];
  };
  const { reconciler, clock } = new NodeLoop(kernel, store);
  const { applied, failures, blocked, open } = await settle(reconciler, clock.now);
  assert.deepEqual([applied, failures, blocked, open], [[], [], [], []]);
});

test('a virtual service of ours that a dump left out goes with what marks it, when nobody wants it any more', async () => {
  const { kernel } = await serving('10.244.0.1');
  const services = kernel.services.bind(kernel);
  kernel.services = async () => {
    kernel.services = services;
    return [];
  };
  const { reconciler, clock } = new NodeLoop(kernel, storeOf(), { device: false });
  await settle(reconciler, clock.now);
  assert.equal(kernel.text(), '');
});

test('where one endpoint takes the whole weight of another, one run does it', async () => {
  const { kernel, store, node } = await serving('10.244.0.1', '10.244.0.2');
  const weighted = (...weights: readonly number[]) => {
    const rules = weights.map((weight, i): WeightRule => {
      return { endpoints: { of: 'network', cidr: cidr(`10.244.0.${i + 1}/32`) }, weight };
    });
    return setService({ ...web, tuning: tuning({ weights: rules }) });
  };
  store.apply(weighted(1, 0));
  await node.rest();
  store.apply(weighted(0, 1));
  const { reconciler, clock } = new NodeLoop(kernel, store);
  const { applied, blocked } = await settle(reconciler, clock.now);
  assert.deepEqual(blocked.map(opText), []);
  assert.deepEqual(applied.map(opText), [
    '-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1',
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
  ]);
});

for (const [what, fault, expected] of [
  ['is refused', { kind: 'refused', errno: 'ENOMEM' }, { failures: 1, blocked: 2, open: 0 }],
  ['is never answered', { kind: 'lost', applied: false }, { failures: 0, blocked: 0, open: 1 }],
] as const) {
  test(`a virtual service whose addition ${what} is told of, once, and what waits for it`, async () => {
    const { kernel, node } = started(storeOf(setService(web), setSlice(slice('default/web', ['10.244.0.1']))));
    kernel.faults = { ...noFaults, ofOperation: ({ kind }) => (kind === 'service' ? fault : undefined) };
    const { failures, blocked, open, unchanged } = await settle(node.reconciler, node.clock.now);
    assert.deepEqual({ failures: failures.length, blocked: blocked.length, open: open.length }, expected);
    assert.deepEqual(unchanged, { services: 0, destinations: 0, addresses: 0, elements: 0 });
  });
}

test('what is right is counted', async () => {
  const { kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  const { reconciler, clock } = new NodeLoop(kernel, store);
  const { unchanged } = await settle(reconciler, clock.now);
  assert.deepEqual(unchanged, { services: 1, destinations: 2, addresses: 1, elements: kernel.filter.lines().length });
});

const udp = { name: 'dns', protocol: 'UDP' } as const;

/** A run in which that happens to the first operation of the kind; each exchange takes so many milliseconds. What is left then. */
async function settledWith(fault: Fault, kind: Op['kind'], services: number, milliseconds: number) {
  const vips = Array.from({ length: services }, (_, i) => `10.96.0.${i + 1}`);
  const facts = vips.map((vip) => setService(service(`default/${vip}`, { vips: [vip], ports: [port(53, udp)] })));
  const ports = [{ ...udp, port: 53 }];
  const members = vips.map((vip) => setSlice(slice(`default/${vip}`, ['10.244.0.1'], { ports })));
  const { kernel, node } = started(storeOf(...facts, ...members));
  let isFirst = true;
  kernel.faults = {
    ...noFaults,
    ofOperation: (op) => {
      if (op.kind !== kind || !isFirst) return undefined;
      isFirst = false;
      return fault;
    },
  };
  const apply = kernel.apply.bind(kernel);
  kernel.apply = (ops) => {
    node.clock.pass(milliseconds);
    return apply(ops);
  };
  const { failures, blocked, open } = await settle(node.reconciler, node.clock.now);
  return { failures, blocked, open, due: node.reconciler.nextDue() };
}

const done = { failures: [], blocked: [], open: [], due: undefined };
/** Six Services are more than one turn. */

for (const kind of ['table', 'element', 'service', 'destination', 'binding', 'device'] as const) {
  test(`what a later turn made good of the first ${kind} is no trouble in the end`, async () => {
    const faults: readonly Fault[] = [
      { kind: 'refused', errno: 'ENOMEM' },
      { kind: 'lost', applied: false },
      { kind: 'lost', applied: true },
    ];
    for (const fault of faults) assert.deepEqual(await settledWith(fault, kind, 6, 60), done);
  });

  test(`where the answer to the first ${kind} is lost, what waits for it does not wait for a retry`, async () => {
    for (const applied of [false, true]) {
      assert.deepEqual(await settledWith({ kind: 'lost', applied }, kind, 1, 0), done);
    }
  });
}
