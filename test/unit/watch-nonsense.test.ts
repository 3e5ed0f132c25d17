/** Servers, and what stands in front of them, that say something else than was asked for: nothing is deleted, and all is asked for again. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { longestText } from '../../src/watch/kubernetes/line-splitter.ts';
import { services } from '../../src/watch/kubernetes/resources.ts';
import type { Exchange } from '../support/scripted-client.ts';
import { added, bookmark, listEnd, modified, page, service } from '../support/watch-lines.ts';
import { settled, type Watched, watched } from '../support/watched.ts';

/** Watched from version 10 on, with the Service a of version 8. */
async function watching(): Promise<Watched & { readonly changes: Exchange }> {
  const all = watched(services);
  const changes = await all.client.next();
  changes.begin().send(added(service('a', '8')), listEnd('10'));
  await settled();
  assert.deepEqual(all.told(), ['set default/a', 'synced services']);
  return { ...all, changes };
}

const addressOf = (events: Watched['events']) => {
  const last = events.at(-1)!;
  assert.ok(last.kind === 'service' && last.verb === 'set');
  return last.service.clusterIPs[0];
};

test('a server that goes back in time is gone on with from where it was then, so that it must come by again', async () => {
  const { client, clock, changes, events, told, watch } = await watching();
  const at = (version: string, ip: string) => modified(service('a', version, { clusterIP: ip, clusterIPs: [ip] }));
  changes.send(at('30', '10.96.0.30'), at('20', '10.96.0.20'));
  await settled();
  assert.equal(addressOf(events), '10.96.0.20');
  clock.pass(5_000);
  changes.end();
  const next = await client.next();
  assert.equal(next.query.resourceVersion, '20');
  next.begin().send(at('30', '10.96.0.30'), bookmark('31'));
  await settled();
  assert.equal(addressOf(events), '10.96.0.30');
  assert.deepEqual(told(), ['set default/a', 'set default/a', 'set default/a']);
  watch.close();
});

test('half a line and then the end of the connection is as good as nothing', async () => {
  for (const how of ['end', 'loss'] as const) {
    const { client, clock, changes, told, watch } = await watching();
    const line = `${JSON.stringify(added(service('b', '12')))}\n`;
    clock.pass(5_000);
    changes.send(line.slice(0, 40));
    if (how === 'end') changes.end();
    else changes.lose('ECONNRESET');
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '10');
    next.begin().send(line);
    await settled();
    assert.deepEqual(told(), ['set default/b']);
    watch.close();
  }
});

const nonsense: readonly [what: string, bytes: string | Uint8Array][] = [
  ['a page of HTML', '<!DOCTYPE html>\n<html><body>Sign in</body></html>\n'],
  ['what is compressed though nobody asked for that', gzipSync(JSON.stringify(added(service('b', '12'))))],
  ['zeros', new Uint8Array(4096)],
];
for (const [what, bytes] of nonsense) {
  test(`${what} in place of a watch leads to a watch from the version before it`, async () => {
    const { client, changes, told, restarts, watch } = await watching();
    changes.send(bytes, '\n');
    const next = await client.next();
    assert.equal(next.query.resourceVersion, '10');
    next.begin().send(added(service('b', '12')));
    await settled();
    assert.deepEqual([told(), restarts], [['set default/b'], ['services malformed']]);
    watch.close();
  });

  test(`${what} in place of a list deletes nothing, and the list is asked for again`, async () => {
    const { client, changes, told, waits, watch } = await watching();
    changes.send({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } });
    // streamed, then in pages
    (await client.next()).begin().send(bytes, '\n');
    (await client.next()).begin(400).send('{}').end();
    (await client.next()).begin().send(bytes).end();
    const again = await client.next();
    assert.equal(again.query.limit, '500');
    assert.deepEqual(told(), []);
    again
      .begin()
      .send(page([service('b', '12')], '20'))
      .end();
    await client.next();
    assert.deepEqual(told(), ['set default/b', 'delete default/a']);
    assert.equal(waits.length, 2);
    watch.close();
  });
}

test('a line without end is given up, and not kept', async () => {
  const { client, changes, told, restarts, watch } = await watching();
  const piece = Buffer.alloc(1024 * 1024, 'x');
  for (let sent = 0; sent <= longestText; sent += piece.length) changes.send(piece);
  const next = await client.next();
  assert.equal(next.query.resourceVersion, '10');
  next.begin().send(added(service('b', '12')));
  await settled();
  assert.deepEqual([told(), restarts], [['set default/b'], ['services malformed']]);
  watch.close();
});

test('a version is whatever the server says, and is asked for as one', async () => {
  const { client, clock, changes, watch } = await watching();
  changes.send(bookmark('1&limit=1#\r\nHost: x'));
  await settled();
  clock.pass(5_000);
  changes.end();
  const next = await client.next();
  assert.deepEqual([next.query.resourceVersion, next.query['limit']], ['1&limit=1#\r\nHost: x', undefined]);
  watch.close();
});
