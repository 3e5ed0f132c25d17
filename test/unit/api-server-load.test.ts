/** The large clusters that load tests and benches use. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isObject, type JsonObject, listAt, objectAt, textAt } from '../support/api-server/json.ts';
import { churn, clusterOf, parseSize, turnedOver } from '../support/api-server/load.ts';
import { expectStatus, get, startApiServer, watch } from '../support/api-server-client.ts';

const slices = '/apis/discovery.k8s.io/v1/endpointslices';

it('a cluster has Services and slices as large as real ones', async (test) => {
  const server = await startApiServer(test);
  server.apply(...clusterOf(parseSize('300x10')));
  assert.equal(server.keys('Service').length, 301);
  const list = await expectStatus(200, get(server, slices));
  const of = listAt(list, 'items')
    .filter(isObject)
    .filter((slice) => textAt(slice, 'metadata', 'name') === 'service-299-v4');
  const [slice] = of as [JsonObject];
  assert.equal(listAt(slice, 'endpoints').length, 10);
  assert.equal(objectAt(slice, 'metadata', 'labels')['kubernetes.io/service-name'], 'service-299');
  assert.equal(textAt(server.get('Service', 'default/service-299'), 'spec', 'clusterIP'), '10.97.1.44');
  const bytes = JSON.stringify(slice).length;
  assert.ok(bytes > 3000 && bytes < 5000, `${bytes} bytes`);
});

it('what is no size is refused', () => {
  assert.throws(() => parseSize('5000'), { message: 'not SERVICESxENDPOINTS: 5000' });
});

it('one endpoint is turned over in its turn', () => {
  const slice = { endpoints: [{ conditions: { ready: true } }, { conditions: { ready: true } }] };
  const once = turnedOver(slice, 1);
  assert.deepEqual(once, { endpoints: [{ conditions: { ready: true } }, { conditions: { ready: false } }] });
  assert.deepEqual(turnedOver(once, 3), slice);
});

it('changes are as many as they are told', async (test) => {
  const server = await startApiServer(test);
  server.apply(...clusterOf({ services: 5, endpoints: 2 }));
  const { events } = await watch(server, `${slices}?watch=true&resourceVersion=${server.revision}`);
  const ending = new AbortController();
  const churning = churn(server, { perSecond: 1000, signal: ending.signal });
  const before = server.revision;
  while (server.revision < before + 20) await new Promise((resolve) => setImmediate(resolve));
  ending.abort();
  const made = await churning;
  server.endWatches();
  assert.equal((await events).length, made);
});
