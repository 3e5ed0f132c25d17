import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination } from '../../src/model/destination.ts';
import type { Binding } from '../../src/model/op.ts';
import { type VirtualService, virtualServiceKey } from '../../src/model/virtual-service.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { address } from '../support/cluster.ts';
import { parseOp } from '../support/parse-op.ts';

const key = virtualServiceKey('TCP', address('10.96.0.10'), 80);
const service: VirtualService = { ...key, scheduler: 'rr', flags: 0, timeout: 0, persistencePrefix: 32 };
const pod = destination(address('10.244.0.1'), 8080, 1);
const idle = { active: 0, inactive: 0 };
const down = { kind: 'dummy', up: false };

function binding(line: string): Binding {
  const op = parseOp(line);
  assert.ok(op.kind === 'binding');
  return op.binding;
}

const held = binding('ip addr add 10.96.0.10/32 dev kube-ipvs0');
const routed = binding('ip route add local 10.96.0.10/32 dev kube-ipvs0 table local');
const wide = binding('ip route add local 10.96.0.0/12 dev kube-ipvs0 table local');

test('nothing is known at first', () => {
  const actual = new Actual();
  assert.equal(actual.device, undefined);
  assert.ok(actual.bindingsUnknown);
});

test('a route for one type of service goes without those for all, and is another', async () => {
  const actual = new Actual();
  const [oneType, widely] = [routed, wide].map((one) => ({ ...one, tos: 0x10 })) as [Binding, Binding];
  await actual.observeBindings(down, [routed, oneType, wide, widely]);
  for (const one of [oneType, widely, routed]) actual.deleteBinding(one);
  assert.deepEqual([...actual.bindings.values()], [wide]);
  assert.ok(actual.holds(key.address));
  actual.deleteBinding(wide);
  assert.ok(!actual.holds(key.address));
});

test('what is adopted is ours, wherever its address is, and stays so', async () => {
  const actual = new Actual();
  const other: VirtualService = { ...service, ...virtualServiceKey('TCP', address('192.0.2.1'), 30080) };
  await actual.observeServices([{ service }, { service: other }]);
  await actual.rememberOurs(({ port }) => port === 30080);
  assert.deepEqual(
    [actual.isOurs(actual.service(service.id)!), actual.isOurs(actual.service(other.id)!)],
    [false, true],
  );
  await actual.rememberOurs();
  assert.ok(actual.isOurs(actual.service(other.id)!));
});

for (const [what, bindings, holds] of [
  ['an address', [held], true],
  ['a host route', [routed], true],
  ['a wider route', [wide], true],
  ['all three', [held, routed, wide], true],
  ['another address', [binding('ip addr add 10.96.0.11/32 dev kube-ipvs0')], false],
  ['an address whose network it is in', [binding('ip addr add 10.96.0.11/24 dev kube-ipvs0')], false],
  [
    'routes for one type of service',
    [
      { ...routed, tos: 0x10 },
      { ...wide, tos: 0x10 },
    ],
    false,
  ],
  ['nothing', [], false],
] as const) {
  test(`a device with ${what} ${holds ? 'holds' : 'does not hold'} the VIP, and holds nothing when it is gone`, async () => {
    const actual = new Actual();
    await actual.observeBindings(down, bindings);
    assert.equal(actual.holds(key.address), holds);
    actual.deleteDevice();
    assert.equal(actual.holds(key.address), false);
    assert.equal(actual.device, 'absent');
  });
}

test('an address held twice is held until the last binding goes', async () => {
  const actual = new Actual();
  await actual.observeBindings(down, [held, routed]);
  actual.deleteBinding(routed);
  actual.deleteBinding(routed);
  assert.ok(actual.holds(key.address));
  actual.deleteBinding(held);
  assert.ok(!actual.holds(key.address));
  assert.ok(!actual.bindingsUnknown);
});

test('with the last IPv4 address go all IPv4 routes, and what is left must be looked at', async () => {
  const other = binding('ip addr add 10.96.0.11/32 dev kube-ipvs0');
  const six = binding('ip route add local fd00::10/128 dev kube-ipvs0 table local');
  const heldSix = binding('ip addr add fd00::11/128 dev kube-ipvs0');
  const actual = new Actual();
  await actual.observeBindings(down, [held, other, routed, wide, six, heldSix]);
  actual.deleteBinding(held);
  assert.ok(actual.holds(key.address));
  assert.ok(!actual.bindingsUnknown);
  actual.deleteBinding(other);
  assert.deepEqual([...actual.bindings.values()], [six, heldSix]);
  assert.ok(!actual.holds(key.address));
  assert.ok(actual.bindingsUnknown);
});

test('a device that was made anew has none of the addresses of before', async () => {
  const actual = new Actual();
  await actual.observeBindings(down, [held]);
  actual.deleteDevice();
  await actual.observeBindings(down, [held, routed]);
  actual.deleteBinding(held);
  assert.deepEqual([actual.bindings.size, actual.holds(key.address), actual.bindingsUnknown], [0, false, true]);
});

test('a virtual service is ours when the device holds its address, or when we added it', async () => {
  const actual = new Actual();
  const observed = actual.setService(service, false);
  assert.ok(!actual.isOurs(observed));
  await actual.observeBindings(down, [held]);
  assert.ok(actual.isOurs(observed));
  await actual.observeBindings(down, []);
  assert.ok(!actual.isOurs(observed));
  assert.ok(actual.isOurs(actual.setService(service, true)));
});

test('a dump of all virtual services replaces what was known of which there are', async () => {
  const actual = new Actual();
  actual.setService({ ...service, ...virtualServiceKey('TCP', address('10.96.0.11'), 80) }, true);
  actual.setService(service, true);
  await actual.observeServices([{ service: { ...service, scheduler: 'wlc' } }]);
  assert.deepEqual([...actual.services.keys()], [key.id]);
  assert.equal(actual.service(key.id)?.service.scheduler, 'wlc');
  assert.ok(!actual.hasServiceAt(address('10.96.0.11')));
});

test('a dump of destinations replaces what was known, ends the doubt, and keeps since when they drain', () => {
  const actual = new Actual();
  actual.setService(service, false);
  actual.unknown.set(key.id, key);
  const draining = { destination: { ...pod, weight: 0 }, connections: { active: 2, inactive: 1 } };
  actual.observeDestinations(key.id, [draining], 1, 5_000);
  assert.equal(actual.unknown.size, 0);
  const seen = () => actual.service(key.id)?.destinations.get(pod.id);
  assert.deepEqual(seen(), { ...draining, observedIn: 1, drainingSince: 5_000 });
  actual.observeDestinations(key.id, [{ ...draining, connections: idle }], 2, 9_000);
  assert.deepEqual(seen(), { ...draining, connections: idle, observedIn: 2, drainingSince: 5_000 });
  actual.observeDestinations(key.id, [], 3, 9_000);
  assert.equal(seen(), undefined);
});

test("destinations of a virtual service that vanished meanwhile are nobody's", () => {
  const actual = new Actual();
  actual.observeDestinations(key.id, [{ destination: pod, connections: idle }], 1, 0);
  assert.equal(actual.service(key.id), undefined);
});

test('a virtual service of which only the entry is known is not read', () => {
  const actual = new Actual();
  assert.equal(actual.setService(service, false).read, false);
  actual.deleteService(key.id);
  assert.equal(actual.setService(service, true).read, true, 'one that we added has no destinations but ours');
});

test('a binding serves the addresses it holds at which virtual services are, or may be', () => {
  const actual = new Actual();
  assert.deepEqual(actual.servedBy(held), []);
  actual.unknown.set(key.id, key);
  assert.deepEqual(actual.servedBy(held), [key.address]);
  assert.deepEqual(actual.servedBy(wide), [key.address]);
  actual.unknown.clear();
  actual.setService(service, true);
  assert.deepEqual(actual.servedBy(routed), [key.address]);
  assert.deepEqual(actual.servedBy(wide), [key.address]);
  assert.deepEqual(actual.servedBy(binding('ip route add local 10.112.0.0/12 dev kube-ipvs0 table local')), []);
});

test('the holders of an address are its own bindings and the routes around it', async () => {
  const actual = new Actual();
  await actual.observeBindings(down, [held, wide, binding('ip addr add 10.96.0.11/32 dev kube-ipvs0')]);
  assert.deepEqual(actual.holders(key.address), [held, wide]);
});
