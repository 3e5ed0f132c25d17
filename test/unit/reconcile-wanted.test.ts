/** What should be, while the store changes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WantedState } from '../../src/reconcile/wanted.ts';
import { service, setService, storeOf } from '../support/cluster.ts';
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
