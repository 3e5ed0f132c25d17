/** What should be, while the store changes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WantedState } from '../../src/reconcile/wanted.ts';
import { setNodeAddresses } from '../support/arbitrary-cluster.ts';
import { nodeAddress, port, service, setService, storeOf, tuning } from '../support/cluster.ts';
import { plainWishes } from '../support/node-loop.ts';

test('a Service that changes while others are folded in is not known before the next turn has taken it', async () => {
  const older = setService(service('default/older', { vips: ['10.96.0.1'], createdAt: '2026-01-01T00:00:00Z' }));
  const younger = (vip: string) =>
    setService(service('default/younger', { vips: [vip], createdAt: '2026-02-02T00:00:00Z' }));
  const store = storeOf(older, younger('10.96.0.2'));
  const slicesOf = store.slicesOf.bind(store);
  let isChanged = false;
  store.slicesOf = (name) => {
    if (!isChanged) store.apply(younger('10.96.0.3'));
    isChanged = true;
    return slicesOf(name);
  };
  const wanted = new WantedState(plainWishes, store);
  wanted.learnSchedulers(['rr'], ['rr']);

  const first = await wanted.takeChanges(Number.POSITIVE_INFINITY);
  assert.deepEqual(first.names, ['default/older']);
  assert.equal(wanted.isBehind, true);
  assert.equal(wanted.limits.mayDelete('10.96.0.9:80/TCP'), false);
  wanted.endTurn();

  const second = await wanted.takeChanges(Number.POSITIVE_INFINITY);
  assert.deepEqual(second.names, ['default/younger']);
  assert.equal(wanted.isBehind, false);
  assert.deepEqual(
    Array.from(wanted.services(), ({ id }) => id),
    ['10.96.0.1:80/TCP', '10.96.0.3:80/TCP'],
  );
});

test('a Pod whose device has the address that those of other Pods have too is no reason to look at Services', async () => {
  const store = storeOf(setService(service('default/web', { ports: [port(80, { nodePort: 30_080 })] })));
  const wanted = new WantedState(plainWishes, store);
  wanted.learnSchedulers(['rr'], ['rr']);
  const take = async (...addresses: readonly string[]) => {
    store.apply(setNodeAddresses(addresses.map(nodeAddress)));
    const { names, elements } = await wanted.takeChanges(Number.POSITIVE_INFINITY);
    wanted.endTurn();
    return { names, devices: [...elements].filter(({ set }) => set === 'numberedDevices').map(({ id }) => id) };
  };
  const before = ['192.0.2.10 eth0', '10.244.0.1 veth1', '198.51.100.1 wg0'];
  assert.deepEqual((await take(...before)).names, ['default/web']);
  assert.deepEqual(await take(...before, '10.244.0.1 veth2'), { names: [], devices: ['ip numbered-devices veth2'] });
  const [first, , last] = before;
  const without = { names: [], devices: ['ip numbered-devices veth1'] };
  assert.deepEqual(await take(first!, last!, '10.244.0.1 veth2'), without);
  assert.deepEqual((await take(first!, last!)).names, ['default/web'], 'the address is gone, and with it a NodePort');
});

test('schedulers that no Service names any more are forgotten, and asked for again once one does', () => {
  const naming = (scheduler: string) => setService(service('default/web', { tuning: tuning({ scheduler }) }));
  const store = storeOf(naming('first'));
  const wanted = new WantedState(plainWishes, store);
  for (const scheduler of ['first', 'second', 'third', 'first']) {
    store.apply(naming(scheduler));
    assert.deepEqual(wanted.unknownSchedulers(), [scheduler]);
    wanted.learnSchedulers([scheduler], []);
    assert.deepEqual(wanted.knownSchedulers(), [scheduler]);
    assert.deepEqual(wanted.lackingSchedulers(), [scheduler]);
  }
});
