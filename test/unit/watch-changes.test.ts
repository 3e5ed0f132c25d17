/** Watches: what is gone on from, what is waited for, and what cannot be read. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { longestSilence } from '../../src/watch/kubernetes/list-watch.ts';
import { endpointSliceResource, services } from '../../src/watch/kubernetes/resources.ts';
import type { Exchange } from '../support/scripted-client.ts';
import { added, bookmark, deleted, listEnd, modified, refusal, service } from '../support/watch-lines.ts';
import { settled, type Watched, watched } from '../support/watched.ts';

/** Watched from version 10 on, with the Service a. */
async function watching(random?: () => number): Promise<Watched & { readonly changes: Exchange }> {
  const all = watched(services, random);
  const changes = await all.client.next();
  changes.begin().send(added(service('a', '8')), listEnd('10'));
  await settled();
  assert.deepEqual(all.told(), ['set default/a', 'synced services']);
  return { ...all, changes };
}

test('a watch that the server ends is gone on with at once, from the last version heard', async () => {
  const { client, clock, changes, told, waits, restarts, watch } = await watching(() => 0.999);
  changes.send(modified(service('a', '12')), bookmark('17'));
  await settled();
  clock.pass(5_000);
  changes.end();
  const next = await client.next();
  assert.deepEqual(next.query, {
    resourceVersion: '17',
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '600',
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  });
  next.begin().send(deleted(service('a', '21')));
  await settled();
  assert.deepEqual(told(), ['set default/a', 'delete default/a']);
  clock.pass(5_000);
  next.end();
  assert.equal((await client.next()).query.resourceVersion, '21');
  assert.deepEqual([waits, restarts], [[], []]);
  watch.close();
});

test('the same change twice is told once', async () => {
  const { changes, told, watch } = await watching();
  changes.send(modified(service('a', '12')), modified(service('a', '12')), deleted(service('x', '13')));
  await settled();
  assert.deepEqual(told(), ['set default/a']);
  watch.close();
});

test('lines come in any pieces', async () => {
  const { changes, told, watch } = await watching();
  const bytes = Buffer.from(`${JSON.stringify(added(service('b', '12', { externalName: 'gr\u00fc\u00df' })))}\r\n`);
  for (const byte of bytes) changes.send(Buffer.from([byte]));
  await settled();
  assert.deepEqual(told(), ['set default/b']);
  watch.close();
});

test('a lost connection leads to a watch from the last version after a wait, and back to the shortest wait once one lived', async () => {
  const { client, clock, changes, waits, restarts, remarks, watch } = await watching();
  changes.send(bookmark('17'));
  await settled();
  changes.lose('read ECONNRESET');
  for (let tries = 0; tries < 7; tries++) {
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '17');
    next.refuse(new Error('connect ECONNREFUSED'));
  }
  assert.equal(watch.state().phase, 'waiting');
  const lived = await client.next();
  // half of 0.8 s doubled up to 30 s
  assert.deepEqual(waits, [400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000]);
  lived.begin().send(bookmark('18'));
  await settled();
  assert.equal(watch.state().lastError, undefined);
  clock.pass(5_000);
  lived.lose('read ECONNRESET');
  await client.next();
  assert.deepEqual(waits.slice(8), [400]);
  assert.equal(watch.state().restarts, 9);
  assert.deepEqual(new Set(restarts), new Set(['services connection']));
  assert.deepEqual(remarks, [
    'warn services: read ECONNRESET',
    'warn services: connect ECONNREFUSED',
    'info services: the API server answers again',
    'warn services: read ECONNRESET',
  ]);
  watch.close();
});

test('Retry-After is kept to, the one of the answer and the one of the Status', async () => {
  const { client, changes, waits, watch } = await watching(() => 0);
  changes.send(refusal(429, 'slow down', { retryAfterSeconds: 7 }));
  (await client.next()).begin(503, 11_000).send('upstream is away').end();
  (await client.next()).begin(429, 3_600_000).end();
  assert.equal((await client.next()).query.resourceVersion, '10');
  assert.deepEqual(waits, [7_000, 11_000, 60_000]);
  assert.equal(watch.state().lastError, 'HTTP 429');
  watch.close();
});

test('a redirection is told with where it leads', async () => {
  const { client, remarks, watch } = watched(services);
  const stream = await client.next();
  stream.begin(302, undefined, 'https://login.test/').send('<html>moved</html>').end();
  await client.next();
  const cure = 'name the API server itself in the kubeconfig or with --master';
  assert.deepEqual(remarks, [`warn services: HTTP 302, a redirection to "https://login.test/"; ${cure}`]);
  watch.close();
});

test('a page in place of a Status is told in part, and printable', async () => {
  const { client, changes, remarks, watch } = await watching();
  changes.send(refusal(500, 'etcdserver: request timed out'));
  (await client.next()).begin(502).send('<html>\n\u001b[31mBad Gateway').end();
  await client.next();
  assert.deepEqual(remarks, [
    'warn services: etcdserver: request timed out',
    'warn services: HTTP 502: "<html>\\n\\u001b[31mBad Gateway"',
  ]);
  watch.close();
});

test('a version too old, told by HTTP status or in the stream, leads to a list at once; again and again, after a wait', async () => {
  const { client, changes, waits, restarts, watch } = await watching();
  changes.send(refusal(410, 'too old resource version: 10 (20)'));
  (await client.next())
    .begin()
    .send(added(service('a', '8')), listEnd('10'))
    .end();
  const second = await client.next();
  assert.equal(second.query.resourceVersion, '10');
  assert.deepEqual(waits, []);
  second.begin(410).send('{"kind":"Status","code":410,"message":"gone"}').end();
  assert.equal((await client.next()).query.sendInitialEvents, 'true');
  assert.deepEqual([waits, restarts], [[400], ['services expired', 'services expired']]);
  watch.close();
});

test('watches that end as soon as they began are waited for from the second on', async () => {
  const { client, changes, waits, restarts, watch } = await watching();
  changes.end();
  (await client.next()).begin().end();
  (await client.next()).begin().end();
  assert.equal((await client.next()).query.resourceVersion, '10');
  assert.deepEqual(
    [waits, restarts],
    [
      [400, 800],
      ['services short', 'services short'],
    ],
  );
  watch.close();
});

test('a watch that falls silent is made again; one that is silent from its beginning leads to a list', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { client, clock, changes, waits, restarts, watch } = await watching();
    const pass = (milliseconds: number) => {
      clock.pass(milliseconds);
      mock.timers.tick(milliseconds);
    };
    pass(longestSilence - 1);
    changes.send(bookmark('17'));
    await settled();
    pass(longestSilence - 1);
    assert.equal(changes.signal.aborted, false);
    pass(1);
    const second = await client.next();
    assert.deepEqual([changes.signal.aborted, second.query.resourceVersion, restarts], [true, '17', []]);
    second.begin();
    await settled();
    pass(longestSilence);
    assert.equal((await client.next()).query.sendInitialEvents, 'true');
    assert.deepEqual([waits, restarts], [[], ['services silent']]);
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('a line that is no JSON leads to a watch from the version before it, and after three of them to a new list', async () => {
  const { client, changes, told, waits, remarks, watch } = await watching();
  changes.send(added(service('b', '11')), '{"type":"ADDED","object":{"metadata":{"na\n', added(service('c', '13')));
  for (let tries = 0; tries < 2; tries++) {
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '11');
    next.begin().send('{"type":"ADDED","object":{"metadata":{"na\n');
  }
  const list = await client.next();
  assert.equal(list.query.sendInitialEvents, 'true');
  list.begin().send(added(service('c', '13')), listEnd('14'));
  await settled();
  assert.deepEqual(told(), ['set default/b', 'set default/c', 'delete default/a', 'delete default/b']);
  assert.deepEqual(waits, [400, 800, 1600]);
  assert.deepEqual(remarks, [
    String.raw`warn services: a line of the watch is no JSON: "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"na"`,
    'info services: the API server answers again',
  ]);
  watch.close();
});

test('a watch that breaks off at one change with an internal error, time and again, leads to a new list', async () => {
  const { client, changes, told, waits, watch } = await watching();
  changes.send(modified(service('a', '12')), refusal(500, 'unable to decode'));
  for (let tries = 0; tries < 2; tries++) {
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '12');
    next.begin().send(refusal(500, 'unable to decode'));
  }
  const list = await client.next();
  assert.equal(list.query.sendInitialEvents, 'true');
  list.begin().send(added(service('c', '13')), listEnd('14'));
  await settled();
  assert.deepEqual(
    [told(), waits],
    [
      ['set default/a', 'set default/c', 'delete default/a'],
      [400, 800, 1600],
    ],
  );
  watch.close();
});

test('a watch that is refused, or broken off, by a server in trouble goes on from its version, however often', async () => {
  const { client, changes, watch } = await watching();
  changes.send(refusal(503, 'shutting down'));
  for (let tries = 0; tries < 4; tries++) {
    (await client.next()).begin(500).end();
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '10');
    next.begin().send(refusal(429, 'storage is reinitializing'));
  }
  assert.equal((await client.next()).query.resourceVersion, '10');
  watch.close();
});

test('a line that is JSON and no event is told, and the watch goes on', async () => {
  const { changes, told, remarks, client, watch } = await watching();
  changes.send('42\n', 'null\n', { type: 'ADDED' }, { type: 'MOVED', object: {} }, added(service('b', '12')));
  await settled();
  assert.deepEqual(told(), ['set default/b']);
  assert.deepEqual(remarks, [
    'error services: a line of the watch is no event: "42"',
    'error services: a line of the watch is no event: "null"',
    String.raw`error services: a line of the watch is no event: "{\"type\":\"ADDED\"}"`,
    'error services: the watch has an event of unknown type "MOVED"',
  ]);
  assert.equal(client.waiting, 0);
  watch.close();
});

test('an object that cannot be read is told once, what is known of it stays, and the watch goes on', async () => {
  const { changes, told, remarks, watch } = await watching();
  const bad = { clusterIP: '10.96.0.300', clusterIPs: ['10.96.0.300'] };
  changes.send(modified(service('a', '11', bad)), modified(service('a', '12', bad)), added(service('b', '13')));
  await settled();
  assert.deepEqual(told(), ['unreadable default/a', 'unreadable default/a', 'set default/b']);
  const complaint =
    'error Service default/a: spec.clusterIPs[0] is "10.96.0.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10; what was last known of it stays';
  assert.deepEqual(remarks, [complaint]);
  changes.send(modified(service('a', '14')), modified(service('a', '15', bad)), deleted(service('a', '16')));
  await settled();
  assert.deepEqual(told(), ['set default/a', 'unreadable default/a', 'delete default/a']);
  assert.deepEqual(remarks, [complaint, complaint]);
  watch.close();
});

test('of an object without a usable name there is a line and no event', async () => {
  const { changes, told, remarks, watch } = await watching();
  changes.send(added({ metadata: { name: '../etc', resourceVersion: '11' } }), bookmark('12'));
  await settled();
  assert.deepEqual(told(), []);
  assert.equal(remarks.length, 1);
  assert.match(remarks[0]!, /^error a Service: metadata.name is "..\/etc": not a name/);
  assert.equal(watch.state().resourceVersion, '12');
  watch.close();
});

test('thousands of bad objects fill twenty lines a minute', async () => {
  const { clock, date, changes, told, remarks, watch } = await watching();
  const bad = (name: string, version: string) => added(service(name, version, { type: 'Nonsense' }));
  changes.send(...Array.from({ length: 1000 }, (_, i) => bad(`bad-${i}`, `${i + 20}`)));
  await settled();
  assert.equal(told().length, 1000);
  assert.equal(remarks.length, 21);
  assert.equal(remarks[20], 'warn 20 lines about objects in a minute: the next are left out until it is over');
  clock.pass(60_000);
  // how long a minute is does not depend on what the date is set to
  date.shift = -86_400_000;
  changes.send(bad('bad-500', '2000'));
  await settled();
  assert.match(remarks[21]!, /^error Service default\/bad-500: spec.type is "Nonsense"/);
  watch.close();
});

test('a Service that becomes headless, or is handed to another proxy, is deleted even when the selector let it through', async () => {
  const { changes, told, watch } = await watching();
  changes.send(
    modified(service('a', '11', { clusterIP: 'None' })),
    modified(service('a', '12', { clusterIP: 'None' })),
    deleted(service('a', '13', { clusterIP: 'None' })),
  );
  await settled();
  assert.deepEqual(told(), ['delete default/a']);
  assert.equal(watch.state().objects, 0);
  watch.close();
});

test('endpoints that cannot be read are left out and told as a warning', async () => {
  const { client, told, remarks, watch } = watched(endpointSliceResource());
  const slice = {
    metadata: { name: 'web', namespace: 'demo', resourceVersion: '3', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [],
    endpoints: Array.from({ length: 5 }, () => ({ addresses: ['10.0.0.300'] })),
  };
  (await client.next()).begin().send(added(slice), listEnd('4'));
  await settled();
  assert.deepEqual(told(), ['set demo/web', 'synced endpointSlices']);
  assert.equal(remarks.length, 1);
  assert.match(remarks[0]!, /^warn EndpointSlice demo\/web: endpoints\[0\].*; endpoints\[2\].*; and 2 more$/);
  watch.close();
});

test('after closing nothing is told and nothing is asked', async () => {
  const { client, changes, told, remarks, watch } = await watching();
  watch.close();
  watch.close();
  assert.equal(changes.signal.aborted, true);
  changes.send(added(service('b', '12')));
  await settled();
  assert.deepEqual([told(), remarks, client.waiting], [[], [], 0]);
});
