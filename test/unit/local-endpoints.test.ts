/** What the daemon shows of endpoints on this node, from one pass to the next. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalEndpoints } from '../../src/cli/local-endpoints.ts';
import { deleteService, service, setService, setSlice, slice, endpoint, storeOf } from '../support/cluster.ts';
import { configured } from '../support/configured.ts';
import { ask, freePort } from '../support/http.ts';

test('health-check ports that pass from one Service to another are free when they are opened', async (context) => {
  const all = new LocalEndpoints({
    health: { isHealthy: true },
    onFailure: (name, port, message) => assert.fail(`${name} ${port}: ${message}`),
    onError: assert.fail,
  });
  context.after(() => all.close());
  const config = configured('run');
  const [first, second] = [await freePort(), await freePort()];
  const checked = (name: string, healthCheckNodePort: number) =>
    setService(service(name, { externalTrafficPolicy: 'Local', healthCheckNodePort }));
  const told = async (port: number) => (JSON.parse((await ask({ port })).body) as { service: unknown }).service;
  const store = storeOf(
    checked('shop/web', first),
    checked('shop/old', second),
    setSlice(slice('shop/web', [endpoint('10.244.0.1', { nodeName: 'node-a' })])),
  );
  await all.update(new Set(['shop/web', 'shop/old']), store, config, new Map());
  assert.deepEqual(await told(first), { namespace: 'shop', name: 'web' });
  assert.deepEqual(await told(second), { namespace: 'shop', name: 'old' });

  for (const event of [checked('shop/new', first), checked('shop/web', second), deleteService('shop/old')]) {
    store.apply(event);
  }
  // others come in between, for so long that what was opened listens
  let time = 0;
  context.mock.method(performance, 'now', () => (time += 1_000));
  await all.update(new Set(['shop/new', 'a/1', 'a/2', 'a/3', 'a/4', 'shop/web', 'shop/old']), store, config, new Map());
  assert.deepEqual(await told(first), { namespace: 'shop', name: 'new' });
  assert.deepEqual(await told(second), { namespace: 'shop', name: 'web' });
});
