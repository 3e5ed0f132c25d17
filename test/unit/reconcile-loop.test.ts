/** The loop over a kernel that does as it is told: what it reads, sends and remembers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { Store } from '../../src/store/store.ts';
import {
  address,
  cidr,
  deleteService,
  deleteSlice,
  endpoint,
  port,
  service,
  setService,
  setSlice,
  slice,
  storeOf,
  tuning,
} from '../support/cluster.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../support/faults.ts';
import { stateText } from '../support/kernel-state.ts';
import { NodeLoop } from '../support/node-loop.ts';
import { device, filterTexts, serving, started, texts, web, webSlice } from '../support/served-node.ts';

test('a first pass makes device, virtual service, destinations and address, in that order', async () => {
  const { node, kernel } = started(storeOf(setService(web), webSlice('10.244.0.1')));
  await node.converge();
  assert.deepEqual(texts(node), [
    device,
    '-A -t 10.96.0.10:80 -s rr',
    '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    'ip addr add 10.96.0.10/32 dev kube-ipvs0',
  ]);
  assert.equal(kernel.text(), stateText(texts(node)));
});

test('the API server and DNS come first in every phase', async () => {
  const at = (name: string, vip: string) => setService(service(name, { vips: [vip] }));
  const { node } = started(
    storeOf(at('a/first', '10.96.0.9'), at('kube-system/kube-dns', '10.96.0.2'), at('default/kubernetes', '10.96.0.1')),
  );
  await node.converge();
  const order = (verb: string) =>
    texts(node).flatMap((line) => (line.startsWith(verb) ? [line.split(' ')[verb === '-A' ? 2 : 3]!] : []));
  assert.deepEqual(order('-A'), ['10.96.0.1:80', '10.96.0.2:80', '10.96.0.9:80']);
  assert.deepEqual(order('ip addr'), ['10.96.0.1/32', '10.96.0.2/32', '10.96.0.9/32']);
});

test('in however many turns a start is made, what an older Service owns never passes through the hands of a younger one', async () => {
  const vips = ['10.96.0.10'];
  const old = { vips, createdAt: '2026-01-01T00:00:00Z' };
  const others = ['a', 'b', 'c', 'd'].map((name, i) =>
    setService(service(`default/${name}`, { vips: [`10.96.1.${i}`] })),
  );
  const { node } = started(
    storeOf(
      setService(service('default/young', { vips, createdAt: '2026-02-02T00:00:00Z' })),
      setSlice(slice('default/young', ['10.244.0.9'])),
      ...others,
      setService(service('default/old', old)),
      setSlice(slice('default/old', ['10.244.0.1', '10.244.0.2', '10.244.0.3'])),
    ),
  );
  await node.converge();
  const disputed = texts(node).filter((line) => line.startsWith('-a -t 10.96.0.10:80'));
  assert.deepEqual(
    disputed,
    [1, 2, 3].map((i) => `-a -t 10.96.0.10:80 -r 10.244.0.${i}:8080 -m -w 1`),
  );
});

test('in however many turns a start is made, an old source goes right before the one that it is in the way of', async () => {
  const others = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) =>
    setService(service(`default/${name}`, { vips: [`10.96.1.${i}`] })),
  );
  const balanced = (sources: string) => {
    const loadBalancerIPs = [address('203.0.113.5')];
    const createdAt = '2025-01-01T00:00:00Z';
    return setService(service('default/web', { loadBalancerIPs, createdAt, sourceRanges: [cidr(sources)] }));
  };
  const { node: before, kernel } = started(storeOf(balanced('10.0.0.0/8'), ...others));
  await before.converge();
  const node = new NodeLoop(kernel, storeOf(balanced('10.1.0.0/16'), ...others));
  await node.converge();
  const sources = (network: string) => `element ip kube-ipvs allowed-sources { 203.0.113.5 . tcp . 80 . ${network} }`;
  assert.deepEqual(filterTexts(node), [`nft delete ${sources('10.0.0.0/8')}`, `nft add ${sources('10.1.0.0/16')}`]);
});

test('a pass tells how long the kernel took for each part of it', async () => {
  const milliseconds: Record<Op['kind'], number> = {
    service: 1,
    destination: 2,
    device: 10,
    binding: 20,
    table: 100,
    element: 200,
    setting: 1_000,
    timeouts: 2_000,
    flow: 4_000,
  };
  const timeouts = { tcp: 60, tcpFin: 0, udp: 0 };
  const { node, kernel } = started(storeOf(setService(web), webSlice('10.244.0.1')), {}, { timeouts });
  const apply = kernel.apply.bind(kernel);
  kernel.apply = async (ops) => ({ ...(await apply(ops)), milliseconds: milliseconds[ops[0]!.kind] });
  await node.verify();
  const [report] = await node.rest();
  assert.deepEqual(report?.kernelTime, { ipvs: 3, addresses: 30, filter: 300, other: 2_000 });
});

test('a pass tells of every Service that it took in, also of what changed between its turns', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `default/${name}`);
  const store = storeOf(...names.map((name, i) => setService(service(name, { vips: [`10.96.1.${i}`] }))));
  const { node, kernel } = started(store);
  const apply = kernel.apply.bind(kernel);
  kernel.apply = async (ops) => {
    kernel.apply = apply;
    store.apply(setService(service('default/late', { vips: ['10.96.2.1'] })));
    return apply(ops);
  };
  await node.verify();
  const [report, ...more] = await node.rest();
  assert.deepEqual([...report!.services].toSorted(), [...names, 'default/late']);
  assert.deepEqual(
    more.flatMap(({ services }) => [...services]),
    [],
  );
});

test('a disputed virtual service passes to the other Service in place, also when its owner goes while a pass reads', async () => {
  const vips = ['10.96.0.10'];
  const { node, kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  store.apply(setService(service('default/young', { vips, createdAt: '2999-01-01T00:00:00Z' })));
  store.apply(setSlice(slice('default/young', ['10.244.0.9'])));
  await node.rest();
  kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.2:8080', { active: 1, inactive: 0 });
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  node.applied.length = 0;
  const servicesAt = kernel.servicesAt.bind(kernel);
  kernel.servicesAt = async (keys) => {
    kernel.servicesAt = servicesAt;
    store.apply(deleteService(web.name));
    return servicesAt(keys);
  };
  await node.checkDrains();
  assert.deepEqual(texts(node), [
    '-a -t 10.96.0.10:80 -r 10.244.0.9:8080 -m -w 1',
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
  ]);
});

test('before every source is synced a pass is none', async () => {
  const store = new Store();
  store.apply(setService(web));
  const { node, kernel } = started(store);
  await node.reconciler.verify();
  assert.equal(await node.reconciler.pass(), undefined);
  for (const source of ['services', 'endpointSlices', 'node', 'nodeAddresses'] as const)
    store.apply({ kind: 'synced', source });
  assert.notEqual(await node.reconciler.pass(), undefined);
  assert.ok(kernel.writes > 0);
});

test('a preview changes nothing, and a pass after it does what it showed', async () => {
  const { node, kernel } = started(storeOf(setService(web)));
  await node.reconciler.verify();
  const shown = (await node.reconciler.prepare())!.plan.ops['add service'].map(opText);
  assert.deepEqual(shown, ['-A -t 10.96.0.10:80 -s rr']);
  assert.equal(kernel.writes, 0);
  await node.rest();
  assert.ok(texts(node).includes(shown[0]!));
});

test('a removed endpoint drains without a read, and goes once a look finds it idle', async () => {
  const { node, kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.2:8080', { active: 1, inactive: 0 });
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  assert.deepEqual(texts(node), ['-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 0']);
  assert.equal(kernel.reads, 0);
  assert.equal(node.reconciler.draining().length, 1);

  await node.checkDrains();
  assert.equal(node.applied.length, 1, 'a busy destination stays');
  assert.deepEqual(
    node.reconciler.draining().map(({ destination, active }) => [destination.id, active]),
    [['10.244.0.2:8080', 1]],
  );

  kernel.endAllConnections();
  await node.checkDrains();
  assert.deepEqual(texts(node).slice(1), ['-d -t 10.96.0.10:80 -r 10.244.0.2:8080']);
  assert.deepEqual(node.reconciler.draining(), []);
});

test('nothing that drains, nothing to look at', async () => {
  const { node, kernel } = await serving('10.244.0.1');
  await node.checkDrains();
  assert.equal(kernel.reads, 0);
});

test('an endpoint that returns while it drains gets its weight back, and is never deleted', async () => {
  const { node, store } = await serving('10.244.0.1', '10.244.0.2');
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  store.apply(webSlice('10.244.0.1', '10.244.0.2'));
  await node.rest();
  await node.checkDrains();
  assert.deepEqual(texts(node), [
    '-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 0',
    '-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1',
  ]);
});

test('a Service that is deleted forgets its drains: deleted and made again it has live destinations', async () => {
  const { node, kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.2:8080', { active: 1, inactive: 0 });
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  store.apply(deleteService('default/web'));
  await node.rest();
  assert.equal(kernel.text(), device);
  store.apply(setService(web));
  store.apply(webSlice('10.244.0.1', '10.244.0.2'));
  await node.rest();
  node.applied.length = 0;
  await node.checkDrains();
  assert.deepEqual(texts(node), []);
});

test('a restart finds what drains by its weight 0, and counts its deadline from there', async () => {
  const state = [
    device,
    '-A -t 10.96.0.10:80 -s rr',
    '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    '-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 0',
    'ip addr add 10.96.0.10/32 dev kube-ipvs0',
  ].join('\n');
  const kernel = FakeKernel.from(state, { faults: noFaults });
  kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.2:8080', { active: 1, inactive: 0 });
  const store = storeOf(setService(web), webSlice('10.244.0.1'));
  const node = new NodeLoop(kernel, store, { drainTimeout: 60_000 });
  await node.converge();
  assert.deepEqual(texts(node), []);
  node.clock.pass(59_999);
  await node.checkDrains();
  assert.deepEqual(texts(node), []);
  node.clock.pass(1);
  await node.checkDrains();
  assert.deepEqual(texts(node), ['-d -t 10.96.0.10:80 -r 10.244.0.2:8080']);
});

test('a destination that was wanted with weight 0 has the whole time of its drain when it is wanted no more', async () => {
  const first = { endpoints: { of: 'network', cidr: cidr('10.244.0.1/32') }, weight: 0 } as const;
  const store = storeOf(
    setService({ ...web, tuning: tuning({ weights: [first] }) }),
    webSlice('10.244.0.1', '10.244.0.2'),
  );
  const { node, kernel } = started(store, {}, { drainTimeout: 60_000 });
  await node.converge();
  kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.1:8080', { active: 1, inactive: 0 });
  node.clock.pass(3_600_000);
  await node.scrubbed();
  node.applied.length = 0;
  store.apply(webSlice('10.244.0.2'));
  await node.rest();
  await node.checkDrains();
  node.clock.pass(59_999);
  await node.checkDrains();
  const gone = '-d -t 10.96.0.10:80 -r 10.244.0.1:8080';
  assert.ok(!texts(node).includes(gone), 'not before its time');
  node.clock.pass(1);
  await node.checkDrains();
  assert.equal(texts(node).at(-1), gone);
});

test('who owns a disputed VIP and port stays the owner while the other changes, and hands over when it goes', async () => {
  const older = service('shop/older', { createdAt: '2025-01-01T00:00:00Z' });
  const younger = service('default/younger', { createdAt: '2026-01-01T00:00:00Z' });
  const store = storeOf(
    setService(younger),
    setSlice(slice('default/younger', ['10.244.2.1'])),
    setService(older),
    setSlice(slice('shop/older', ['10.244.1.1'])),
  );
  const { node, kernel } = started(store);
  await node.converge();
  assert.match(kernel.text(), /10.244.1.1/);
  node.applied.length = 0;
  store.apply(setSlice(slice('default/younger', ['10.244.2.1', '10.244.2.2'])));
  await node.rest();
  assert.deepEqual(texts(node), []);
  assert.deepEqual(node.reconciler.standing().conflicts, [
    { service: '10.96.0.10:80/TCP', owner: 'shop/older', loser: 'default/younger' },
  ]);
  store.apply(deleteService('shop/older'));
  await node.rest();
  assert.deepEqual(texts(node), [
    '-a -t 10.96.0.10:80 -r 10.244.2.1:8080 -m -w 1',
    '-a -t 10.96.0.10:80 -r 10.244.2.2:8080 -m -w 1',
    '-e -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 0',
  ]);
});

test("what an unreadable Service may own is kept, and goes as soon as it is known to be nobody's", async () => {
  const state = [device, '-A -t 10.96.0.99:80 -s rr', 'ip addr add 10.96.0.99/32 dev kube-ipvs0'];
  const kernel = FakeKernel.from(state.join('\n'), { faults: noFaults });
  const store = storeOf({ kind: 'unreadable', object: 'Service', name: 'default/broken' });
  const node = new NodeLoop(kernel, store);
  await node.converge();
  assert.deepEqual(texts(node), []);
  store.apply(setService(service('default/broken', { vips: ['10.96.0.10'] })));
  await node.rest();
  assert.equal(
    kernel.text(),
    stateText([device, '-A -t 10.96.0.10:80 -s rr', 'ip addr add 10.96.0.10/32 dev kube-ipvs0']),
  );
});

test('what a Service had goes with it, while others cannot be read that came later, or of which something older is kept', async () => {
  const old = ['-A -t 10.96.0.99:80 -s rr', 'ip addr add 10.96.0.99/32 dev kube-ipvs0'];
  const kernel = FakeKernel.from([device, ...old].join('\n'), { faults: noFaults });
  const broken = (name: string) => ({ kind: 'unreadable', object: 'Service', name }) as const;
  const both = service('default/both', { vips: ['10.96.0.99', '10.96.0.20'], ports: [port(443)] });
  const store = storeOf(setService(web), webSlice('10.244.0.1'), setService(both), broken('default/broken'));
  const node = new NodeLoop(kernel, store);
  await node.converge();
  store.apply(broken('default/later'));
  store.apply(deleteService('default/web'));
  store.apply(deleteService('default/both'));
  await node.rest();
  assert.equal(kernel.text(), stateText([device, ...old]));
  assert.deepEqual(kernel.filter.lines(), ['ip virtual-ips 10.96.0.99']);
  store.apply(deleteService('default/broken'));
  store.apply(deleteService('default/later'));
  await node.rest();
  assert.equal(kernel.text(), device);
  assert.deepEqual(kernel.filter.lines(), []);
});

test('endpoints leave their Service while an EndpointSlice of another cannot be read, and while one of their own cannot they stay', async () => {
  const broken = { kind: 'unreadable', object: 'EndpointSlice', name: 'default/broken' } as const;
  for (const [unreadable, expected] of [
    [{ ...broken, service: 'default/other' }, ['-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0']],
    [{ ...broken, service: 'default/web' }, []],
    [broken, []],
  ] as const) {
    const { node, store, kernel } = await serving('10.244.0.1', '10.244.0.2');
    kernel.setConnections('10.96.0.10:80/TCP', '10.244.0.1:8080', { active: 1, inactive: 0 });
    store.apply(unreadable);
    store.apply(webSlice('10.244.0.2'));
    await node.rest();
    assert.deepEqual(texts(node), expected);
    store.apply({ kind: 'unreadable', object: 'Service', name: 'default/broken' });
    store.apply(deleteSlice('default/broken'));
    await node.rest();
    assert.deepEqual(texts(node), ['-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0']);
  }
});

test('an endpoint that stays while an EndpointSlice of its Service cannot be read goes on reaching itself', async () => {
  const here = (...hosts: readonly string[]) => hosts.map((host) => endpoint(host, { nodeName: 'node-a' }));
  const broken = { kind: 'unreadable', object: 'EndpointSlice', name: 'default/broken' } as const;
  for (const [owner, kept] of [
    ['default/web', true],
    ['default/other', false],
  ] as const) {
    const { node, store, kernel } = await serving(...here('10.244.0.1', '10.244.0.2'));
    const hairpins = () => kernel.filter.lines().filter((line) => line.startsWith('ip hairpins'));
    const [first, second] = hairpins();
    store.apply({ ...broken, service: owner });
    store.apply(webSlice(...here('10.244.0.2')));
    await node.rest();
    assert.deepEqual(hairpins(), kept ? [first, second] : [second]);
    store.apply(deleteSlice('default/broken'));
    await node.rest();
    assert.deepEqual(hairpins(), [second]);
  }
});

test('destinations that are kept for an EndpointSlice that cannot be read are told, however many turns a pass takes', async () => {
  const names = ['default/a', 'default/b', 'default/c'];
  const services = names.map((name, i) => setService(service(name, { vips: [`10.96.0.${i + 1}`] })));
  const slices = names.map((name) => setSlice(slice(name, ['10.244.0.1', '10.244.0.2'])));
  const { node, kernel } = started(storeOf(...services, ...slices));
  await node.converge();
  const broken = { kind: 'unreadable', object: 'EndpointSlice', name: 'default/broken' } as const;
  const again = new NodeLoop(kernel, storeOf(...services, broken));
  await again.verify();
  const [report] = await again.rest();
  assert.deepEqual(
    report!.kept.map(({ service: { id }, destination }) => `${id} -> ${destination.id}`).toSorted(),
    names.flatMap((_, i) => [1, 2].map((host) => `10.96.0.${i + 1}:80/TCP -> 10.244.0.${host}:8080`)),
  );
});

test('clients are kept away for want of an endpoint here as soon as no EndpointSlice may tell of one', async () => {
  const outside = { ...web, externalIPs: [address('198.51.100.7')], externalTrafficPolicy: 'Local' } as const;
  const broken: ClusterEvent = {
    kind: 'unreadable',
    object: 'EndpointSlice',
    name: 'default/more',
    service: 'default/web',
  };
  const { node, store } = started(storeOf(setService(outside), webSlice('10.244.1.1'), broken));
  const keepsAway = () => filterTexts(node).some((line) => line.includes('without-local'));
  await node.converge();
  assert.equal(keepsAway(), false);
  store.apply(deleteSlice('default/more'));
  await node.rest();
  assert.equal(keepsAway(), true);
});

test('a scrub finds and repairs what somebody else changed: weights, schedulers, destinations, addresses', async () => {
  const { node, kernel } = await serving('10.244.0.1', '10.244.0.2');
  const before = kernel.text();
  for (const line of [
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 9',
    '-d -t 10.96.0.10:80 -r 10.244.0.2:8080',
    '-a -t 10.96.0.10:80 -r 10.244.0.3:8080 -m -w 1',
    '-E -t 10.96.0.10:80 -s wlc',
    'ip addr delete 10.96.0.10/32 dev kube-ipvs0',
    'ip addr add 10.96.0.77/32 dev kube-ipvs0',
  ]) {
    kernel.run(line);
  }
  await node.converge();
  assert.equal(kernel.text(), before);
});

test('a foreign virtual service that a new Service claims is read before it is changed', async () => {
  const state = ['-A -t 10.96.0.10:80 -s wlc', '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 4'];
  const kernel = FakeKernel.from(state.join('\n'), { faults: noFaults });
  const store = storeOf();
  const node = new NodeLoop(kernel, store);
  await node.converge();
  assert.equal(kernel.text(), stateText([...state, device]));
  node.applied.length = 0;
  store.apply(setService(web));
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  assert.deepEqual(texts(node), [
    '-E -t 10.96.0.10:80 -s rr',
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    'ip addr add 10.96.0.10/32 dev kube-ipvs0',
  ]);
});

test('an endpoint that goes from ready to terminating drains while it serves on elsewhere', async () => {
  const { node, store } = await serving('10.244.0.1', '10.244.0.2');
  const leaving = endpoint('10.244.0.1', { ready: false, terminating: true });
  store.apply(webSlice(leaving, '10.244.0.2'));
  await node.rest();
  store.apply(webSlice(leaving));
  await node.rest();
  assert.deepEqual(texts(node), [
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
    '-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 0',
  ]);
});
