/** Each answer of a real API server in test/support/recordings, and what the watch makes of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSliceResource, nodeResource, services } from '../../src/watch/kubernetes/resources.ts';
import { settled, watched } from '../support/watched.ts';

test('a streamed list of Services is asked for as the API says, and told with its end', async () => {
  const { client, told, watch } = watched(services);
  const request = await client.next();
  assert.equal(request.path, '/api/v1/services');
  assert.deepEqual(request.query, {
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '450',
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  });
  request.replay('services-watchlist', { ends: false });
  await settled();
  // ExternalName demo/ext asks nothing of a node
  assert.deepEqual(told(), ['set default/kubernetes', 'set demo/edge', 'set demo/web', 'synced services']);
  const { phase, synced, objects, resourceVersion, restarts, lastError } = watch.state();
  assert.deepEqual(
    { phase, synced, objects, resourceVersion, restarts, lastError },
    { phase: 'watching', synced: true, objects: 3, resourceVersion: '226', restarts: 0, lastError: undefined },
  );
  watch.close();
});

test('a streamed list of the one Node', async () => {
  const { client, told, events, watch } = watched(nodeResource('node-a'));
  const request = await client.next();
  assert.equal(request.path, '/api/v1/nodes');
  assert.equal(request.query.fieldSelector, 'metadata.name=node-a');
  request.replay('node-watchlist', { ends: false });
  await settled();
  assert.deepEqual(told(), ['set node-a', 'synced node']);
  assert.deepEqual(events[0], {
    kind: 'node',
    verb: 'set',
    node: {
      name: 'node-a',
      zone: 'zone-a',
      addresses: ['10.0.2.15'],
      podCIDRs: [{ address: '10.244.1.0', prefix: 24 }],
      eligible: true,
    },
  });
  watch.close();
});

for (const [name, why] of [
  ['watchlist-missing-match', 'ListOptions.meta.k8s.io "" is invalid'],
  ['watchlist-unsupported-by-etcd-3.4', 'RequestWatchProgress is disabled'],
] as const) {
  test(`a server that does not stream lists (${name}) is asked for pages, at once and from then on`, async () => {
    const { client, told, remarks, waits, restarts, watch } = watched(services);
    (await client.next()).replay(name);
    const first = await client.next();
    assert.deepEqual(first.query, {
      limit: '500',
      labelSelector: '!service.kubernetes.io/service-proxy-name',
      fieldSelector: 'spec.clusterIP!=None',
    });
    first.replay('services-list-page1');
    const second = await client.next();
    assert.equal(second.query.limit, '500');
    assert.equal(second.query.continue, continueToken);
    assert.deepEqual(told(), ['set default/kubernetes', 'set demo/edge']);
    second.replay('services-list-page2');
    (await client.next()).begin().send(emptyPage).end();
    const changes = await client.next();
    assert.deepEqual(told(), ['set demo/web', 'synced services']);
    assert.deepEqual([changes.query.watch, changes.query.resourceVersion], ['true', '18180']);
    assert.equal(changes.query.sendInitialEvents, undefined);
    assert.deepEqual([waits, restarts, remarks.length], [[], [], 1]);
    assert.ok(
      remarks[0]!.startsWith('info services: the API server does not stream lists') && remarks[0]!.includes(why),
    );

    changes.begin().send({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } });
    assert.equal((await client.next()).query.limit, '500');
    watch.close();
  });
}

/** What is behind the second page: nothing that the selectors let through. */
const emptyPage = '{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"18180"},"items":null}';

const continueToken = 'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTgxODAsInN0YXJ0IjoiZGVtby9lZGdlXHUwMDAwIn0';

test('a list and a watch of EndpointSlices: a condition flips, a slice is deleted, bookmarks advance the version', async () => {
  const { client, told, events, watch } = watched(endpointSliceResource());
  const stream = await client.next();
  assert.deepEqual(
    [stream.path, stream.query.labelSelector, stream.query.fieldSelector],
    ['/apis/discovery.k8s.io/v1/endpointslices', '!service.kubernetes.io/headless', undefined],
  );
  stream.replay('watchlist-missing-match');
  (await client.next()).replay('endpointslices-list');
  const changes = await client.next();
  assert.deepEqual(told(), ['set demo/edge-v4', 'set demo/edge-v6', 'set demo/web-abcde', 'synced endpointSlices']);
  assert.equal(changes.query.resourceVersion, '18180');
  changes.replay('endpointslices-watch', { ends: false });
  await settled();
  assert.deepEqual(told(), ['set demo/web-abcde', 'delete demo/edge-v6']);
  const [ready, flipped] = [events[2], events[4]].map((event) =>
    event?.kind === 'endpointSlice' && event.verb === 'set' ? event.slice.endpoints.map((each) => each.ready) : [],
  );
  assert.deepEqual(
    [ready, flipped],
    [
      [true, true, false],
      [false, true, false],
    ],
  );
  assert.equal(watch.state().resourceVersion, '18196');
  changes.end();
  assert.equal((await client.next()).query.resourceVersion, '18196');
  watch.close();
});

test('a watch of Services: a label takes one out of the selector and back in, a policy changes', async () => {
  const { client, told, watch } = watched(services);
  (await client.next()).replay('watchlist-missing-match');
  (await client.next()).replay('services-list-page1');
  (await client.next()).replay('services-list-page2');
  (await client.next()).begin().send(emptyPage).end();
  const changes = await client.next();
  told();
  changes.replay('services-watch', { ends: false });
  await settled();
  assert.deepEqual(told(), ['delete demo/web', 'set demo/web', 'set demo/edge']);
  assert.equal(watch.state().resourceVersion, '18186');
  watch.close();
});

test('a version too old for a watch leads to a new list at once', async () => {
  const { client, told, waits, restarts, watch } = watched(services);
  (await client.next()).replay('services-watchlist');
  const changes = await client.next();
  assert.equal(changes.query.resourceVersion, '226');
  told();
  changes.replay('watch-resource-version-too-old');
  const again = await client.next();
  assert.equal(again.query.sendInitialEvents, 'true');
  again.replay('services-watchlist', { ends: false });
  await settled();
  // all in the version that is known
  assert.deepEqual([told(), waits, restarts], [[], [], ['services expired']]);
  watch.close();
});

test('a list whose continue token expired begins anew, in one piece', async () => {
  const { client, told, waits, watch } = watched(services);
  (await client.next()).replay('watchlist-missing-match');
  (await client.next()).replay('services-list-page1');
  (await client.next()).replay('list-continue-expired');
  const whole = await client.next();
  assert.deepEqual([whole.query.limit, whole.query.continue, waits], [undefined, undefined, []]);
  told();
  whole.replay('services-list-page2');
  (await client.next()).begin().send(emptyPage).end();
  await client.next();
  // what the first page named and the whole list does not is gone only now
  assert.deepEqual(told(), ['set demo/web', 'delete default/kubernetes', 'delete demo/edge', 'synced services']);
  watch.close();
});

test('a list from the future is waited for as long as the server asks', async () => {
  const { client, waits, watch } = watched(services, () => 0);
  (await client.next()).replay('list-resource-version-in-future');
  await client.next();
  assert.deepEqual(waits, [1000]);
  assert.equal(watch.state().lastError, 'Timeout: Too large resource version: 99999999, current: 18186');
  watch.close();
});

test('a version from the future is given up after three tries for a new list', async () => {
  const { client, waits, watch } = watched(services, () => 0);
  (await client.next()).replay('services-watchlist');
  for (let tries = 0; tries < 3; tries++) {
    const changes = await client.next();
    assert.equal(changes.query.resourceVersion, '226');
    changes.replay('list-resource-version-in-future');
  }
  assert.equal((await client.next()).query.sendInitialEvents, 'true');
  assert.deepEqual(waits, [1000, 1000, 1000]);
  watch.close();
});

test('a watch that was silent for all its life, as one from the future is, leads to a new list', async () => {
  const { client, clock, told, waits, restarts, watch } = watched(services);
  (await client.next()).replay('services-watchlist');
  const changes = await client.next();
  told();
  changes.replay('watch-resource-version-in-future', { ends: false });
  await settled();
  clock.pass(450_000);
  changes.end();
  const list = await client.next();
  assert.equal(list.query.sendInitialEvents, 'true');
  list.replay('services-watchlist', { ends: false });
  await settled();
  // the same versions may mean other objects
  assert.deepEqual(told(), ['set default/kubernetes', 'set demo/edge', 'set demo/web']);
  assert.deepEqual([waits, restarts], [[], ['services silent']]);
  watch.close();
});

test('what is unauthorized is tried again, and status says why', async () => {
  const { client, waits, remarks, watch } = watched(services);
  for (let tries = 0; tries < 3; tries++) {
    (await client.next()).replay('unauthorized');
    await settled();
  }
  const { phase, synced, lastError, restarts } = watch.state();
  assert.deepEqual([phase, synced, lastError, restarts], ['listing', false, 'Unauthorized', 3]);
  assert.deepEqual([waits, remarks], [[400, 800, 1600], ['warn services: Unauthorized']]);
  watch.close();
});
