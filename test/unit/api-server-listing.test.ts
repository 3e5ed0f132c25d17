/** Lists, watches, and what revisions mean in both. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { at, isObject, type JsonObject, listAt, objectAt, textAt } from '../support/api-server/json.ts';
import { eventLine, expectStatus, get, startApiServer, watch } from '../support/api-server-client.ts';

const maps = '/api/v1/namespaces/default/configmaps';

function configMap(
  name: string,
  fields: { readonly labels?: object; readonly value?: string; readonly namespace?: string } = {},
): object {
  const { labels = {}, value = '', namespace = 'default' } = fields;
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data: { value } };
}

function applyAll(server: ApiServer, ...names: readonly string[]): void {
  for (const name of names) server.apply(configMap(name));
}

function names(list: JsonObject): string[] {
  return listAt(list, 'items').map((item) => textAt(item, 'metadata', 'name'));
}

async function listed(server: ApiServer, path: string): Promise<string[]> {
  return names(await expectStatus(200, get(server, path)));
}

describe('a list', () => {
  it('holds items without kind, in the order of their keys', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'b', 'a-1', 'a');
    const list = await expectStatus(200, get(server, maps));
    assert.deepEqual(
      [list['kind'], list['apiVersion'], list['metadata']],
      ['ConfigMapList', 'v1', { resourceVersion: String(server.revision) }],
    );
    assert.deepEqual(names(list), ['a', 'a-1', 'b']);
    assert.deepEqual(Object.keys(objectAt(listAt(list, 'items')[0])), ['metadata', 'data']);
  });

  it('goes on where it was cut, as it was then', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'a', 'b', 'c', 'd');
    const first = await expectStatus(200, get(server, `${maps}?limit=2`));
    assert.deepEqual([names(first), at(first, 'metadata', 'remainingItemCount')], [['a', 'b'], 2]);
    server.delete('ConfigMap', 'default/c');
    server.apply(configMap('bb'), configMap('d', { value: 'changed' }));
    const second = await expectStatus(
      200,
      get(server, `${maps}?limit=2&continue=${textAt(first, 'metadata', 'continue')}`),
    );
    assert.deepEqual(names(second), ['c', 'd']);
    assert.deepEqual(
      listAt(second, 'items').map((item) => textAt(item, 'data', 'value')),
      ['', ''],
    );
    assert.deepEqual(second['metadata'], { resourceVersion: textAt(first, 'metadata', 'resourceVersion') });
  });

  it('may be of a revision that is over, until it is compacted', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'a', 'b');
    const then = server.revision;
    server.delete('ConfigMap', 'default/a');
    const exact = `${maps}?resourceVersion=${then}&resourceVersionMatch=Exact`;
    assert.deepEqual(await listed(server, exact), ['a', 'b']);
    assert.deepEqual(await listed(server, `${maps}?resourceVersion=${then}&resourceVersionMatch=NotOlderThan`), ['b']);
    assert.deepEqual(await listed(server, `${maps}?resourceVersion=0&limit=1`), ['b']);
    server.compact();
    const expired = await expectStatus(410, get(server, exact));
    assert.deepEqual(
      [expired['reason'], expired['message']],
      ['Expired', 'The resourceVersion for the provided list is too old.'],
    );
  });

  it('waits for a revision that is about to come', async (test) => {
    const server = await startApiServer(test, { futureMilliseconds: 60_000 });
    const isAsked = server.audit.nextReceived(({ verb }) => verb === 'list');
    const list = listed(server, `${maps}?resourceVersion=${server.revision + 1}`);
    await isAsked;
    applyAll(server, 'a');
    assert.deepEqual(await list, ['a']);
  });

  it('is refused what it cannot ask for', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(422, get(server, `${maps}?resourceVersionMatch=Exact`));
    await expectStatus(422, get(server, `${maps}?resourceVersionMatch=Exact&resourceVersion=0`));
    await expectStatus(422, get(server, `${maps}?sendInitialEvents=true`));
    await expectStatus(400, get(server, `${maps}?resourceVersion=latest`));
    await expectStatus(400, get(server, `${maps}?continue=nonsense`));
    await expectStatus(400, get(server, `${maps}?fieldSelector=data.value%3Dx`));
    await expectStatus(404, get(server, '/api/v1/gadgets'));
    await expectStatus(406, get(server, maps, { Accept: 'application/vnd.kubernetes.protobuf' }));
  });

  for (const [selector, expected] of [
    ['a', ['one', 'two']],
    ['!a', ['three']],
    ['a=1', ['one']],
    ['a==1,b', []],
    ['a!=1', ['three', 'two']],
    ['a in (1, 2)', ['one', 'two']],
    ['a notin (1)', ['three', 'two']],
    ['a in (1,2),b=x', ['two']],
    ['a>1', ['two']],
    ['example.com/c=', ['three']],
  ] as const) {
    it(`selects by ${selector}`, async (test) => {
      const server = await startApiServer(test);
      server.apply(
        configMap('one', { labels: { a: '1' } }),
        configMap('two', { labels: { a: '2', b: 'x' } }),
        configMap('three', { labels: { 'example.com/c': '' } }),
      );
      assert.deepEqual(await listed(server, `${maps}?labelSelector=${encodeURIComponent(selector)}`), expected);
    });
  }
});

describe('a watch', () => {
  it('tells what happened since, then what happens', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'a');
    const { revision } = server;
    applyAll(server, 'b');
    const { events } = await watch(server, `${maps}?watch=true&resourceVersion=${revision}`);
    server.apply(configMap('a', { value: 'changed' }));
    server.apply(configMap('elsewhere', { namespace: 'kube-system' }));
    server.delete('ConfigMap', 'default/b');
    server.endWatches();
    const told = await events;
    assert.deepEqual(told.map(eventLine), ['ADDED b', 'MODIFIED a', 'DELETED b']);
    const revisions = told.map(({ object }) => Number(at(object, 'metadata', 'resourceVersion')) - revision);
    assert.deepEqual(revisions, [1, 2, 4]);
  });

  it('that does not say from where begins with what is there', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'b', 'a');
    const { events } = await watch(server, `${maps}?watch=1`);
    server.delete('ConfigMap', 'default/a');
    server.endWatches();
    assert.deepEqual((await events).map(eventLine), ['ADDED a', 'ADDED b', 'DELETED a']);
  });

  it('gets bookmarks only when it wants them', async (test) => {
    const server = await startApiServer(test);
    const { revision } = server;
    const [wanting, other] = [
      await watch(server, `${maps}?watch=true&allowWatchBookmarks=true&resourceVersion=${revision}`),
      await watch(server, `${maps}?watch=true&resourceVersion=${revision}`),
    ];
    applyAll(server, 'a');
    server.bookmark();
    server.endWatches();
    const told = await wanting.events;
    assert.deepEqual(told.map(eventLine), ['ADDED a', 'BOOKMARK']);
    assert.deepEqual(told[1]!.object, {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(server.revision) },
    });
    assert.deepEqual((await other.events).map(eventLine), ['ADDED a']);
  });

  it('gets bookmarks by itself, and ends when its time is over', async (test) => {
    const server = await startApiServer(test, { bookmarkMilliseconds: 10 });
    const path = `${maps}?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=${server.revision}`;
    const told = (await (await watch(server, path)).events).map(eventLine);
    assert.ok(told.length > 0);
    assert.deepEqual([...new Set(told)], ['BOOKMARK']);
    assert.equal(server.watches(), 0);
  });

  it('of one object sees it come and go', async (test) => {
    const server = await startApiServer(test);
    const path = `${maps}?watch=true&fieldSelector=metadata.name%3Da&resourceVersion=${server.revision}`;
    const { events } = await watch(server, path);
    applyAll(server, 'b', 'a');
    server.delete('ConfigMap', 'default/b');
    server.delete('ConfigMap', 'default/a');
    server.endWatches();
    assert.deepEqual((await events).map(eventLine), ['ADDED a', 'DELETED a']);
  });

  it('from a compacted revision may be refused before it begins', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'a');
    server.compact();
    server.faults.expiredWatchIs = 'status';
    const refused = await expectStatus(410, get(server, `${maps}?watch=true&resourceVersion=1`));
    assert.equal(refused['message'], `too old resource version: 1 (${server.revision})`);
  });

  it('is refused what it cannot ask for', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(422, get(server, `${maps}?watch=true&resourceVersionMatch=NotOlderThan`));
    await expectStatus(422, get(server, `${maps}?watch=true&sendInitialEvents=false`));
  });
});

describe('a restored server', () => {
  it('has older revisions, and its watches have ended', async (test) => {
    const server = await startApiServer(test);
    applyAll(server, 'a');
    const backup = server.backup();
    const { revision } = server;
    applyAll(server, 'b', 'c');
    const { lines } = await watch(server, `${maps}?watch=true&resourceVersion=${server.revision}`);
    server.restore(backup);
    await assert.rejects(lines, { code: 'ECONNRESET' });
    assert.deepEqual([server.revision, await listed(server, maps)], [revision, ['a']]);
  });

  it('may be a new one', async (test) => {
    const server = await startApiServer(test);
    const first = server.revision;
    applyAll(server, 'a');
    server.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'x' },
      spec: { clusterIP: '10.96.0.7', ports: [{ port: 1 }] },
    });
    server.reset();
    assert.deepEqual(
      [server.revision, server.keys('ConfigMap'), server.keys('Service')],
      [first, [], ['default/kubernetes']],
    );
    server.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'y' },
      spec: { clusterIP: '10.96.0.7', ports: [{ port: 1 }] },
    });
  });
});

it('a table of a list names its columns', async (test) => {
  const server = await startApiServer(test, { now: () => Date.parse('2026-01-01T00:00:00Z') });
  applyAll(server, 'a');
  const table = await expectStatus(
    200,
    get(server, maps, { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' }),
  );
  assert.deepEqual(
    listAt(table, 'columnDefinitions').map((column) => textAt(column, 'name')),
    ['Name', 'Data', 'Age'],
  );
  const [row] = listAt(table, 'rows').filter(isObject);
  assert.deepEqual([row!['cells'], textAt(row, 'object', 'kind')], [['a', '1', '0s'], 'PartialObjectMetadata']);
});
