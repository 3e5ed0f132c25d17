/** Lists: what is told, what is deleted and when, and what cannot be read. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { longestInitialSilence } from '../../src/watch/kubernetes/list-watch.ts';
import { nodeResource, services } from '../../src/watch/kubernetes/resources.ts';
import { added, bookmark, deleted, listEnd, modified, page, service } from '../support/watch-lines.ts';
import { settled, type Watched, watched } from '../support/watched.ts';

/** Watched after a streamed list of the Services a and b, in version 10. */
async function listed(): Promise<Watched> {
  const all = watched(services);
  const stream = await all.client.next();
  stream.begin().send(added(service('a', '8')), added(service('b', '9')), listEnd('10'));
  await settled();
  assert.deepEqual(all.told(), ['set default/a', 'set default/b', 'synced services']);
  stream.send({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } });
  return all;
}

test('a new list deletes what it does not name only when it is complete, and repeats nothing that is unchanged', async () => {
  const { client, told, watch } = await listed();
  const again = await client.next();
  again.begin().send(added(service('b', '9')), added(service('c', '12')));
  await settled();
  assert.deepEqual(told(), ['set default/c']);
  again.send(listEnd('13'));
  await settled();
  assert.deepEqual(told(), ['delete default/a']);
  assert.deepEqual([watch.state().objects, watch.state().resourceVersion], [2, '13']);
  watch.close();
});

test('a streamed list that breaks off deletes nothing, and is asked for again from the beginning', async () => {
  const { client, told, waits, restarts, watch } = await listed();
  const broken = await client.next();
  broken.begin().send(added(service('a', '11')));
  await settled();
  broken.lose('ECONNRESET');
  const again = await client.next();
  assert.deepEqual([again.query.sendInitialEvents, again.query.resourceVersion], ['true', undefined]);
  assert.deepEqual([told(), waits, restarts], [['set default/a'], [400], ['services expired', 'services connection']]);
  watch.close();
});

test('changes in the middle of a streamed list count', async () => {
  const { client, told, watch } = await listed();
  (await client.next())
    .begin()
    .send(added(service('a', '8')), added(service('c', '12')), deleted(service('a', '13')), deleted(service('c', '14')))
    .send(listEnd('15'));
  await settled();
  assert.deepEqual(told(), ['set default/c', 'delete default/a', 'delete default/c', 'delete default/b']);
  watch.close();
});

test('paged: nothing is deleted before the last page, and a page that fails begins all anew', async () => {
  const { client, told, watch } = await listed();
  (await client.next()).begin(400).send('{}').end();
  (await client.next())
    .begin()
    .send(page([service('b', '9')], '20', 'more'))
    .end();
  (await client.next()).begin(500).end();
  const first = await client.next();
  assert.deepEqual([first.query.limit, first.query.continue], ['500', undefined]);
  assert.deepEqual(told(), []);
  first
    .begin()
    .send(page([service('b', '9')], '21', 'more'))
    .end();
  (await client.next())
    .begin()
    .send(page([service('c', '19')], '21'))
    .end();
  assert.equal((await client.next()).query.resourceVersion, '21');
  assert.deepEqual(told(), ['set default/c', 'delete default/a']);
  watch.close();
});

for (const [what, body] of [
  ['ends early', page([service('b', '20')], '20').slice(0, -1)],
  ['has no items', '{"metadata":{"resourceVersion":"20"}}'],
  ['has a map of items', '{"metadata":{"resourceVersion":"20"},"items":{"a":[]}}'],
  ['names no version', '{"metadata":{},"items":[]}'],
  ['is a page of something else', '<html>'],
  ['holds what is no JSON', '{"metadata":{"resourceVersion":"20"},"items":[{oops}]}'],
] as const) {
  test(`a list that ${what} deletes nothing`, async () => {
    const { client, told, restarts, watch } = await listed();
    (await client.next()).begin(400).send('{}').end();
    (await client.next()).begin().send(body).end();
    const again = await client.next();
    assert.equal(again.query.limit, '500');
    assert.deepEqual(
      told().filter((event) => event.startsWith('delete')),
      [],
    );
    assert.deepEqual(restarts, ['services expired', 'services malformed']);
    assert.equal(watch.state().objects >= 2, true);
    watch.close();
  });
}

for (const [what, unnamed] of [
  ['no metadata', { spec: { clusterIP: '10.96.0.1' } }],
  ['a name that is none', { metadata: { name: 7, resourceVersion: '19' } }],
] as const) {
  test(`of a list with an object that has ${what} the others count, and nothing is deleted before the next list`, async () => {
    const { client, told, watch } = await listed();
    (await client.next()).begin(400).send('{}').end();
    (await client.next())
      .begin()
      .send(page([unnamed, service('b', '9'), service('c', '19')], '20'))
      .end();
    const watching = await client.next();
    assert.deepEqual(told(), ['set default/c']);
    watching.begin(410).send('{}').end();
    (await client.next())
      .begin()
      .send(page([service('b', '9')], '21'))
      .end();
    await client.next();
    assert.deepEqual(told(), ['delete default/a', 'delete default/c']);
    watch.close();
  });
}

test('of a streamed list with what is no object likewise', async () => {
  const { client, told, watch } = await listed();
  (await client.next()).begin().send('{"type":"ADDED","object":null}\n', added(service('c', '19')), listEnd('20'));
  await settled();
  assert.deepEqual(told(), ['set default/c']);
  watch.close();
});

test('pages that lead in a circle are a malformed list, and are not asked for without end', async () => {
  const { client, told, restarts, waits, watch } = await listed();
  (await client.next()).begin(400).send('{}').end();
  const more = page([service('b', '9')], '20', 'more');
  (await client.next()).begin().send(more).end();
  (await client.next()).begin().send(more).end();
  const again = await client.next();
  assert.equal(again.query.continue, undefined);
  assert.deepEqual([told(), restarts.at(-1), waits.length], [[], 'services malformed', 1]);
  watch.close();
});

test('a page that falls silent before its end is given up and asked for again after a wait, and so is a refusal', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { client, told, waits, restarts, watch } = watched(services);
    (await client.next()).begin(400).send('{}').end();
    const text = page([service('a', '8'), service('b', '9')], '20');
    const silent = await client.next();
    silent.begin().send(text.slice(0, 20));
    await settled();
    mock.timers.tick(longestInitialSilence - 1);
    silent.send(text.slice(20, -9));
    await settled();
    mock.timers.tick(longestInitialSilence - 1);
    await settled();
    assert.deepEqual([silent.signal.aborted, told()], [false, ['set default/a']]);
    mock.timers.tick(1);
    const refused = await client.next();
    assert.deepEqual([silent.signal.aborted, waits, restarts], [true, [400], ['services connection']]);
    refused.begin(503).send('{"kind":');
    await settled();
    mock.timers.tick(longestInitialSilence);
    const third = await client.next();
    assert.deepEqual([refused.signal.aborted, waits], [true, [400, 800]]);
    third
      .begin()
      .send(page([service('b', '9')], '21'))
      .end();
    await settled();
    assert.deepEqual(told(), ['set default/b', 'delete default/a', 'synced services']);
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('a server that never says where a streamed list ends is asked for pages', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { client, told, remarks, watch } = watched(services);
    const stream = await client.next();
    stream.begin().send(added(service('a', '8')));
    await settled();
    mock.timers.tick(longestInitialSilence - 1);
    stream.send(added(service('b', '9')));
    await settled();
    mock.timers.tick(longestInitialSilence - 1);
    await settled();
    assert.equal(stream.signal.aborted, false);
    mock.timers.tick(1);
    const first = await client.next();
    assert.equal(stream.signal.aborted, true);
    assert.equal(first.query.limit, '500');
    assert.deepEqual(told(), ['set default/a', 'set default/b']);
    assert.match(
      remarks.join(),
      /^info services: the API server does not stream lists.*did not say where the list ends/,
    );
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('likewise a server that meanwhile goes on telling changes', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { client, told, watch } = watched(services);
    const stream = await client.next();
    stream.begin().send(added(service('a', '8')));
    await settled();
    mock.timers.tick(longestInitialSilence - 1);
    stream.send(modified(service('a', '12')), bookmark('13'));
    await settled();
    assert.equal(stream.signal.aborted, false);
    mock.timers.tick(1);
    assert.equal((await client.next()).query.limit, '500');
    assert.deepEqual(told(), ['set default/a', 'set default/a']);
    watch.close();
  } finally {
    mock.timers.reset();
  }
});

test('a streamed list that ends without its end is asked for once more, and then in pages', async () => {
  const { client, told, waits, watch } = watched(services);
  (await client.next())
    .begin()
    .send(added(service('a', '8')))
    .end();
  const again = await client.next();
  assert.deepEqual([again.query.sendInitialEvents, waits], ['true', [400]]);
  again.begin().end();
  assert.equal((await client.next()).query.limit, '500');
  assert.deepEqual([told(), waits], [['set default/a'], [400]]);
  watch.close();
});

test('a server that can stream no list, whatever it says of that, is asked for one in pages after three tries, and for streams again', async () => {
  const { client, told, waits, watch } = watched(services);
  for (let round = 0; round < 2; round++) {
    for (const status of [500, 502, 504]) {
      const stream = await client.next();
      assert.equal(stream.query.sendInitialEvents, 'true');
      stream.begin(status).end();
    }
    const pages = await client.next();
    assert.equal(pages.query.limit, '500');
    if (round === 0) pages.begin(503).end();
    else
      pages
        .begin()
        .send(page([service('a', '8')], '20'))
        .end();
  }
  const changes = await client.next();
  assert.equal(changes.query.resourceVersion, '20');
  assert.deepEqual([told(), waits.length], [['set default/a', 'synced services'], 7]);
  changes.begin(410).send('{}').end();
  assert.equal((await client.next()).query.sendInitialEvents, 'true');
  watch.close();
});

test('a Node that is deleted keeps what was last known of it, and takes no new traffic', async () => {
  const { client, told, events, watch } = watched(nodeResource('node-a'));
  const node = { metadata: { name: 'node-a', resourceVersion: '3', labels: { 'topology.kubernetes.io/zone': 'a' } } };
  const stream = await client.next();
  stream.begin().send(added(node), listEnd('5'), deleted(node));
  await settled();
  assert.deepEqual(told(), ['set node-a', 'synced node', 'set node-a (not eligible)']);
  const last = events.at(-1);
  assert.equal(last?.kind === 'node' && last.verb === 'set' && last.node.zone, 'a');
  stream.send(added({ metadata: { ...node.metadata, resourceVersion: '9' } }));
  await settled();
  assert.deepEqual(told(), ['set node-a']);
  watch.close();
});

test('a Node that a new list does not name any more likewise', async () => {
  const { client, told, watch } = watched(nodeResource('node-a'));
  const stream = await client.next();
  stream.begin().send(added({ metadata: { name: 'node-a', resourceVersion: '3' } }), listEnd('5'));
  stream.send({ type: 'ERROR', object: { kind: 'Status', code: 410 } });
  (await client.next()).begin().send(listEnd('9'));
  await settled();
  assert.deepEqual(told(), ['set node-a', 'synced node', 'set node-a (not eligible)']);
  watch.close();
});

test('without a Node of the name all is told nevertheless, and a line says so once', async () => {
  const { client, told, remarks, watch } = watched(nodeResource('node-x'));
  const stream = await client.next();
  stream.begin().send(listEnd('5'), { type: 'ERROR', object: { kind: 'Status', code: 410 } });
  (await client.next()).begin().send(listEnd('9'));
  await settled();
  assert.deepEqual(told(), ['synced node']);
  assert.deepEqual(
    remarks.filter((line) => line.startsWith('warn')),
    [
      'warn nodes: no Node is named "node-x": zone hints and its pod networks are not used; name one with --hostname-override',
    ],
  );
  watch.close();
});
