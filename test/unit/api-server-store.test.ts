/** The test API server's store: what was, at any revision that is not compacted. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Store, textOf, versionOf } from '../support/api-server/store.ts';
import { Random } from '../../src/kernel/random.ts';

function put(store: Store, name: string, value: string): void {
  const object = {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name, namespace: 'demo', uid: 'u' },
    data: { value },
  };
  store.put('configmaps', versionOf(object, {}, store.next));
}

function texts(store: Store, revision: number): string[] {
  return store.sortedAt('configmaps', revision).map((version) => `{${textOf(version)}`);
}

describe('a store', () => {
  it('writes the revision where Go writes it', () => {
    const store = new Store({ keep: 10, revision: 41 });
    put(store, 'a', '"resourceVersion":"7"');
    assert.deepEqual(texts(store, 42), [
      '{"metadata":{"name":"a","namespace":"demo","uid":"u","resourceVersion":"42"},"data":{"value":"\\"resourceVersion\\":\\"7\\""}}',
    ]);
  });

  it('remembers every revision, and what changed since', () => {
    const random = new Random(7);
    const store = new Store({ keep: 1000, revision: 1 });
    const then = new Map<number, string[]>();
    for (let i = 0; i < 300; i++) {
      const name = `n${Math.floor(random.next() * 12)}`;
      if (random.next() < 0.3) store.delete('configmaps', `demo/${name}`);
      else put(store, name, String(i));
      if (random.next() < 0.2) store.put('others', versionOf({ metadata: { name } }, {}, store.next));
      then.set(store.revision, texts(store, store.revision));
    }
    for (const [revision, expected] of then) {
      assert.deepEqual(texts(store, revision), expected);
      const replayed = new Map(store.sortedAt('configmaps', revision).map((version) => [version.key, version]));
      for (const { resource, version, previous } of store.changesSince(revision)) {
        if (resource !== 'configmaps') continue;
        if (version === undefined) replayed.delete(previous!.key);
        else replayed.set(version.key, version);
      }
      assert.deepEqual(replayed, new Map(store.sortedAt('configmaps', store.revision).map((v) => [v.key, v])));
    }
  });

  it('forgets by itself what is long ago', () => {
    const store = new Store({ keep: 10, revision: 0 });
    for (let i = 1; i <= 21; i++) put(store, 'a', String(i));
    const kept = [...store.changesSince(0)].map(({ revision }) => revision);
    assert.deepEqual([store.compacted, kept[0], kept.at(-1)], [12, 13, 21]);
  });
});
