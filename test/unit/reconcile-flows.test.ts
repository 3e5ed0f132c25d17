/** Which tracked connections are forgotten. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelError } from '../../src/kernel/kernel.ts';
import { type Flow, flowId } from '../../src/model/node-state.ts';
import { opText } from '../../src/model/text.ts';
import type { Address } from '../../src/model/address.ts';
import { staleFlows } from '../../src/reconcile/flows.ts';
import { settle } from '../../src/reconcile/settle.ts';
import {
  address,
  deleteService,
  endpoint,
  port,
  service,
  setService,
  setSlice,
  slice,
  storeOf,
} from '../support/cluster.ts';
import { faultsAt, noFaults } from '../support/faults.ts';
import { NodeLoop } from '../support/node-loop.ts';
import { started } from '../support/served-node.ts';

/** `client > virtual service > who answers`, each `address:port`. */
function flow(text: string, id = 1): Flow {
  const [client, service, answering] = text.split(' > ').map((end) => {
    const [, host, number] = /^\[?(.+?)\]?:(\d+)$/.exec(end)!;
    return { address: address(host!), port: Number(number) };
  });
  const tuple = (from: typeof client, to: typeof client) => ({
    source: from!.address,
    sourcePort: from!.port,
    destination: to!.address,
    destinationPort: to!.port,
  });
  return { protocol: 'UDP', original: tuple(client, service), reply: tuple(answering, client), id, zone: 0 };
}

const answering: Readonly<Record<string, readonly string[]>> = {
  '10.96.0.10:53/UDP': ['10.244.0.1:5353', '10.244.0.2:5353'],
  '[fd00:96::10]:53/UDP': ['[fd00:244::1]:5353'],
  '10.96.0.11:53/UDP': [],
  '203.0.113.5:53/UDP': [],
};

/** Those from which clients of this node were sent on; one of them nobody wants any more. */
const sendingOn = new Set(['203.0.113.5:53/UDP', '203.0.113.6:53/UDP']);

const rows: readonly [what: string, flow: string, stale: boolean][] = [
  ['a flow that an endpoint answers stays', '192.0.2.7:4000 > 10.96.0.10:53 > 10.244.0.1:5353', false],
  ['one whose endpoint is gone goes', '192.0.2.7:4000 > 10.96.0.10:53 > 10.244.0.3:5353', true],
  ['one to another port of an endpoint goes', '192.0.2.7:4000 > 10.96.0.10:53 > 10.244.0.1:53', true],
  ['one that is older than the virtual service goes', '192.0.2.7:4000 > 10.96.0.10:53 > 10.96.0.10:53', true],
  ['one of a Service that nobody serves stays', '192.0.2.7:4000 > 10.96.0.11:53 > 10.244.0.3:5353', false],
  [
    'one that was sent on to a backend of such a Service goes',
    '10.244.0.9:4000 > 203.0.113.5:53 > 10.244.0.3:5353',
    true,
  ],
  ['one that was sent on nowhere stays', '10.244.0.9:4000 > 203.0.113.5:53 > 203.0.113.5:53', false],
  ['one that was sent on, of a Service that is gone, goes', '10.244.0.9:4000 > 203.0.113.6:53 > 10.244.0.3:5353', true],
  ['one to somewhere else stays', '192.0.2.7:4000 > 192.0.2.1:53 > 192.0.2.1:53', false],
  ['likewise IPv6: served', '[2001:db8::7]:4000 > [fd00:96::10]:53 > [fd00:244::1]:5353', false],
  ['likewise IPv6: gone', '[2001:db8::7]:4000 > [fd00:96::10]:53 > [fd00:244::9]:5353', true],
];

for (const [what, text, isStale] of rows) {
  test(what, () => {
    const found = staleFlows([flow(text)], (id) => new Set(answering[id] ?? []), sendingOn);
    assert.equal(found.length, isStale ? 1 : 0);
  });
}

const udp = { name: 'dns', protocol: 'UDP' } as const;
const dns = service('default/dns', { ports: [port(53, udp)] });
const dnsSlice = (...endpoints: Parameters<typeof slice>[1]) =>
  setSlice(slice('default/dns', endpoints, { ports: [{ ...udp, port: 5353 }] }));
const toFirst = flow('192.0.2.7:4000 > 10.96.0.10:53 > 10.244.0.1:5353', 1);
const toSecond = flow('192.0.2.7:4001 > 10.96.0.10:53 > 10.244.0.2:5353', 2);

async function served() {
  const node = started(storeOf(setService(dns), dnsSlice('10.244.0.1', '10.244.0.2')));
  await node.node.converge();
  for (const one of [toFirst, toSecond]) node.kernel.track(one);
  node.kernel.flowReads = 0;
  return node;
}

test('a client of a UDP endpoint that is replaced is forgotten, others are not', async () => {
  const { node, kernel, store } = await served();
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toSecond)]);
  assert.equal(kernel.flowReads, 1);
});

test('an endpoint that serves on but takes no traffic loses its clients, as the kernel has it no more', async () => {
  const { node, kernel, store } = await served();
  store.apply(dnsSlice(endpoint('10.244.0.1', { ready: false, terminating: true }), '10.244.0.2'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toSecond)]);
});

test('an endpoint that is published although it is not ready keeps its clients', async () => {
  const { node, kernel, store } = await served();
  store.apply(dnsSlice(endpoint('10.244.0.1', { serving: false }), '10.244.0.2'));
  await node.rest();
  assert.equal(kernel.tracked().length, 2);
});

test('with a Service or one of its addresses go the clients that were sent on from there, and no others', async () => {
  const { node, kernel, store } = await served();
  const local = {
    ...dns,
    externalTrafficPolicy: 'Local',
    externalIPs: [address('203.0.113.5'), address('203.0.113.6')],
  } as const;
  store.apply(setService(local));
  await node.rest();
  const sentOn = ['203.0.113.5', '203.0.113.6'].map((at, i) =>
    flow(`10.244.0.9:4000 > ${at}:53 > 10.244.0.1:5353`, 3 + i),
  );
  for (const one of sentOn) kernel.track(one);
  store.apply(setService({ ...local, externalIPs: [address('203.0.113.6')] }));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [toFirst, toSecond, sentOn[1]!].map(flowId));
  store.apply(deleteService('default/dns'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [toFirst, toSecond].map(flowId));
});

test('where clients were sent on once and are no more, they stay when the last endpoint goes', async () => {
  const { node, kernel, store } = await served();
  const external = { ...dns, externalIPs: [address('203.0.113.5')] };
  store.apply(setService({ ...external, externalTrafficPolicy: 'Local' }));
  await node.rest();
  store.apply(setService(external));
  await node.rest();
  const direct = flow('192.0.2.7:4000 > 203.0.113.5:53 > 10.244.0.1:5353', 3);
  kernel.track(direct);
  store.apply(dnsSlice());
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [toFirst, toSecond, direct].map(flowId));
});

/** On a node whose daemon is not there any more. */
async function left(...externalIPs: Address[]) {
  const local = { ...dns, externalTrafficPolicy: 'Local', externalIPs } as const;
  const { node, kernel } = started(storeOf(setService(local), dnsSlice('10.244.0.1')));
  await node.converge();
  const sentOn = externalIPs.map((at, i) => flow(`10.244.0.9:4000 > ${at}:53 > 10.244.0.1:5353`, 3 + i));
  for (const one of [toFirst, ...sentOn]) kernel.track(one);
  return { kernel, sentOn: sentOn.map(flowId) };
}

test('clients that were sent on go with their Service, too, when it went while nobody looked, but from excluded addresses', async () => {
  const kept = address('203.0.113.6');
  const { kernel, sentOn } = await left(address('203.0.113.5'), kept);
  await new NodeLoop(kernel, storeOf(), { excluded: (at) => at === kept }).converge();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toFirst), sentOn[1]!]);
});

test('with what is kept for an object that cannot be read stay its clients, until it goes', async () => {
  const { kernel, sentOn } = await left(address('203.0.113.5'));
  const store = storeOf({ kind: 'unreadable', object: 'Service', name: 'default/dns' });
  const node = new NodeLoop(kernel, store);
  await node.converge();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toFirst), ...sentOn]);
  store.apply(deleteService('default/dns'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toFirst)]);
});

test('what is kept for an object that cannot be read is not looked at again and again', async () => {
  const { node, store } = await served();
  store.apply({ kind: 'unreadable', object: 'Service', name: 'default/other' });
  await node.verify();
  store.apply(deleteService('default/dns'));
  await node.rest();
  assert.equal(node.reconciler.nextDue(), undefined);
});

test('a change of the Service alone is looked at too', async () => {
  const { node, kernel, store } = await served();
  const early = flow('192.0.2.7:4002 > 10.96.0.12:53 > 10.96.0.12:53', 3);
  kernel.track(early);
  store.apply(setService({ ...dns, clusterIPs: [address('10.96.0.12')] }));
  await node.rest();
  assert.ok(!kernel.tracked().map(flowId).includes(flowId(early)));
});

const absences: readonly [what: string, lines: readonly string[]][] = [
  ['its virtual service was gone', ['-D -u 10.96.0.10:53']],
  ['its address was gone', ['ip addr delete 10.96.0.10/32 dev kube-ipvs0']],
  ['kube-ipvs0 was gone', ['ip link delete kube-ipvs0']],
];
for (const [what, lines] of absences) {
  test(`a client that sent while ${what} is forgotten once that is put right`, async () => {
    const { node, kernel } = await served();
    for (const line of lines) kernel.run(line);
    kernel.track(flow('192.0.2.7:4002 > 10.96.0.10:53 > 10.96.0.10:53', 3));
    await node.scrubbed();
    await node.rest();
    assert.deepEqual(kernel.tracked().map(flowId), [toFirst, toSecond].map(flowId));
  });
}

test('a client that sent while kube-ipvs0 was gone is forgotten, too, where no look but a new Service finds it gone', async () => {
  const { node, kernel, store } = await served();
  kernel.run('ip link delete kube-ipvs0');
  kernel.track(flow('192.0.2.7:4002 > 10.96.0.10:53 > 10.96.0.10:53', 3));
  store.apply(setService(service('default/web', { vips: ['10.96.0.20'] })));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [toFirst, toSecond].map(flowId));
});

test('a client that sent before the address of a new Service could be bound is forgotten once it is', async () => {
  const { node, kernel, store } = started(storeOf());
  await node.converge();
  // the virtual service, its destination, the address
  kernel.faults = faultsAt(new Map([[2, { kind: 'refused', errno: 'ENOMEM' }]]));
  store.apply(setService(dns));
  store.apply(dnsSlice('10.244.0.1'));
  await node.spend(1);
  kernel.track(flow('192.0.2.7:4000 > 10.96.0.10:53 > 10.96.0.10:53'));
  await node.rest();
  assert.deepEqual(kernel.tracked(), []);
});

test('a deletion that fails is tried again', async () => {
  const { node, kernel, store } = await served();
  // two destinations change, then the flow
  kernel.faults = faultsAt(new Map([[2, { kind: 'refused', errno: 'ENOMEM' }]]));
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toSecond)]);
});

test('a deletion that the kernel refuses is among what fails until it does not, whatever clients come meanwhile', async () => {
  const { node, kernel, store } = await served();
  const failing = () => node.reconciler.failing().map(({ op, refusal }) => `${opText(op)} ${refusal.errno}`);
  const gone = 'conntrack -D -p udp --orig-src 192.0.2.7 --orig-dst 10.96.0.10 --sport 4000 --dport 53 EBUSY';
  // a flow that is offloaded to a flowtable is not deleted (ctnetlink_del_conntrack, 6.1)
  kernel.faults = {
    ...noFaults,
    ofOperation: ({ kind }) => (kind === 'flow' ? { kind: 'refused', errno: 'EBUSY' } : undefined),
  };
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  await node.spend(1);
  assert.deepEqual(failing(), [gone]);
  kernel.track(flow('192.0.2.7:4009 > 10.96.0.10:53 > 10.244.0.1:5353', 3));
  await node.spend(2);
  assert.deepEqual(failing(), [gone]);
  kernel.faults = noFaults;
  await node.rest();
  assert.deepEqual(failing(), []);
});

test('virtual services do not wait for tracked connections that cannot be looked through', async () => {
  const { node, kernel, store } = await served();
  const flows = kernel.flows.bind(kernel);
  const broken = new KernelError('ENOBUFS', 'no buffers');
  kernel.flows = () => Promise.reject(broken);
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  assert.deepEqual(
    (await node.spend(2)).map(({ applied, flowError }) => [applied.length, flowError]),
    [
      [2, broken],
      [0, broken],
    ],
  );
  store.apply(setService(service('default/web', { vips: ['10.96.0.20'] })));
  const [first] = await node.spend(1);
  assert.ok(first!.applied.some(({ kind }) => kind === 'service'));
  kernel.flows = flows;
  assert.equal((await node.rest()).at(-1)!.flowError, undefined);
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toSecond)]);
});

test('a look that could not be made is no matter any more once its Service is gone', async () => {
  const { node, kernel, store } = await served();
  kernel.flows = () => Promise.reject(new KernelError('ENOBUFS', 'no buffers'));
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  await node.spend(1);
  store.apply(deleteService('default/dns'));
  assert.equal((await node.rest()).at(-1)!.flowError, undefined);
});

test('a run that is made once fails where tracked connections cannot be looked through, with all else done', async () => {
  const { node, kernel, store } = await served();
  const broken = new KernelError('ENOBUFS', 'no buffers');
  kernel.flows = () => Promise.reject(broken);
  store.apply(dnsSlice('10.244.0.2', '10.244.0.3'));
  node.applied.length = 0;
  await assert.rejects(settle(node.reconciler, node.clock.now), broken);
  assert.deepEqual(
    node.applied.map(({ kind, verb }) => `${kind} ${verb}`),
    ['destination add', 'destination delete'],
  );
});

test('a look through the tracked connections is told with the time that it took, whether or not any goes', async () => {
  const { node, kernel, store } = await served();
  const flows = kernel.flows.bind(kernel);
  kernel.flows = (keys) => {
    node.clock.pass(1_500);
    return flows(keys);
  };
  const searches = async (...endpoints: readonly string[]) => {
    store.apply(dnsSlice(...endpoints));
    return (await node.rest()).flatMap(({ flowSearches }) => flowSearches);
  };
  const told = (deleted: number) => [{ family: 4, milliseconds: 1_500, deleted }];
  assert.deepEqual(await searches('10.244.0.1', '10.244.0.2', '10.244.0.3'), told(0));
  assert.deepEqual(await searches('10.244.0.3'), told(2));
});

test('a client of SCTP that keeps its port is forgotten with its endpoint, too', async () => {
  const sctp = { name: 'sig', protocol: 'SCTP' } as const;
  const slices = (at: string) => setSlice(slice('default/sig', [at], { ports: [{ ...sctp, port: 5353 }] }));
  const { node, kernel, store } = started(
    storeOf(setService(service('default/sig', { ports: [port(53, sctp)] })), slices('10.244.0.1')),
  );
  await node.converge();
  kernel.track({ ...toFirst, protocol: 'SCTP' });
  kernel.track({ ...toSecond, protocol: 'UDP' });
  store.apply(slices('10.244.0.3'));
  await node.rest();
  assert.deepEqual(kernel.tracked().map(flowId), [flowId(toSecond)]);
});

test('a TCP change does not look through the tracked connections', async () => {
  const { node, kernel, store } = await served();
  store.apply(setService(service('default/web', { vips: ['10.96.0.20'] })));
  await node.rest();
  store.apply(deleteService('default/web'));
  await node.rest();
  assert.equal(kernel.flowReads, 0);
});
