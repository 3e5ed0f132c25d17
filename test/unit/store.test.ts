import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterEvent, ObjectName } from '../../src/model/cluster.ts';
import { Store } from '../../src/store/store.ts';
import {
  deleteService,
  deleteSlice,
  node,
  service,
  setNode,
  setService,
  setSlice,
  slice,
  storeOf,
  tuning,
} from '../support/cluster.ts';

function dirtyAfter(store: Store, ...events: readonly ClusterEvent[]): string[] {
  for (const event of events) store.apply(event);
  return [...store.takeDirty()].toSorted();
}

function filled(): Store {
  const store = storeOf(
    setService(service('default/a')),
    setService(service('default/b')),
    setSlice(slice('default/a', ['10.244.0.1'])),
    setNode(node({ zone: 'east' })),
  );
  store.takeDirty();
  return store;
}

test('a store knows what it was told last', () => {
  const store = filled();
  assert.equal(store.service('default/a')?.name, 'default/a');
  assert.equal(store.service('default/none'), undefined);
  store.apply(setService(service('default/a', { affinityTimeout: 60 })));
  assert.equal(store.service('default/a')?.affinityTimeout, 60);
  store.apply(deleteService('default/a'));
  assert.equal(store.service('default/a'), undefined);
  assert.equal(store.node?.zone, 'east');
  store.apply({ kind: 'node', verb: 'delete' });
  assert.equal(store.node, undefined);
});

const marks: readonly [what: string, events: readonly ClusterEvent[], dirty: readonly string[]][] = [
  ['a new Service is dirty', [setService(service('default/c'))], ['default/c']],
  ['a changed Service is dirty, and no other', [setService(service('default/a', { uid: 'other' }))], ['default/a']],
  ['a Service that says what it said changes nothing', [setService(service('default/a'))], []],
  [
    'a slice that says what it said changes nothing',
    [setSlice(structuredClone(slice('default/a', ['10.244.0.1'])))],
    [],
  ],
  ['a deleted Service is dirty', [deleteService('default/a')], ['default/a']],
  ['deleting an unknown Service changes nothing', [deleteService('default/none')], []],
  ['a changed slice makes its Service dirty', [setSlice(slice('default/a', []))], ['default/a']],
  ['a slice of a Service that is not known yet makes it dirty', [setSlice(slice('default/z', []))], ['default/z']],
  ['a deleted slice makes its Service dirty', [deleteSlice('default/a-1')], ['default/a']],
  ['deleting an unknown slice changes nothing', [deleteSlice('default/none')], []],
  [
    'a slice that moves to another Service makes both dirty',
    [setSlice(slice('default/b', ['10.244.0.1'], { name: 'default/a-1' }))],
    ['default/a', 'default/b'],
  ],
  ['a node that stays where it is changes nothing', [setNode(node({ zone: 'east' }))], []],
  ['an unreadable object changes nothing', [{ kind: 'unreadable', object: 'Service', name: 'default/a' }], []],
];

for (const [what, events, dirty] of marks) {
  test(what, () => {
    assert.deepEqual(dirtyAfter(filled(), ...events), dirty);
  });
}

test("what was taken is the taker's: it is not dirty a second time", () => {
  const store = filled();
  assert.deepEqual(dirtyAfter(store, setService(service('default/a', { uid: 'other' }))), ['default/a']);
  assert.deepEqual(dirtyAfter(store), []);
});

test('changes are counted, each once, until they are taken', () => {
  const store = filled();
  const steps: readonly [ClusterEvent, services: number, slices: number][] = [
    [setService(service('default/a')), 0, 0],
    [setService(service('default/a', { uid: 'other' })), 1, 0],
    [deleteService('default/b'), 2, 0],
    [deleteService('default/b'), 2, 0],
    [setSlice(slice('default/a', ['10.244.0.1'])), 2, 0],
    [setSlice(slice('default/a', [])), 2, 1],
    [setSlice(slice('default/z', [])), 2, 2],
    [deleteSlice('default/a-1'), 2, 3],
    [deleteSlice('default/a-1'), 2, 3],
  ];
  for (const [event, services, slices] of steps) {
    store.apply(event);
    assert.deepEqual(store.pending, { services, slices });
  }
  store.takeDirty();
  assert.deepEqual(store.pending, { services: 0, slices: 0 });
});

test('the slices of a Service come in the order of their names, whatever order they arrived in', () => {
  const store = new Store();
  for (const name of ['default/a-3', 'default/a-1', 'default/a-2'])
    store.apply(setSlice(slice('default/a', [], { name })));
  assert.deepEqual(
    store.slicesOf('default/a').map(({ name }) => name),
    ['default/a-1', 'default/a-2', 'default/a-3'],
  );
  store.apply(deleteSlice('default/a-2'));
  assert.deepEqual(
    store.slicesOf('default/a').map(({ name }) => name),
    ['default/a-1', 'default/a-3'],
  );
  assert.deepEqual(store.slicesOf('default/none'), []);
});

test('a scheduler is known as long as any Service asks for it', () => {
  const asking = (name: string, scheduler: string | undefined) =>
    setService(service(name, { tuning: tuning({ scheduler }) }));
  const store = storeOf(asking('default/a', 'sh'), asking('default/b', 'sh'), asking('default/c', undefined));
  const steps: readonly [ClusterEvent, readonly string[]][] = [
    [asking('default/a', 'sh'), ['sh']],
    [asking('default/a', 'lc'), ['lc', 'sh']],
    [deleteService('default/b'), ['lc']],
    [deleteService('default/b'), ['lc']],
    [asking('default/a', undefined), []],
  ];
  assert.deepEqual([...store.schedulers], ['sh']);
  for (const [event, expected] of steps) {
    store.apply(event);
    assert.deepEqual([...store.schedulers].toSorted(), expected);
  }
});

test('all Services are looked at again, and what is dirty for another reason stays so', () => {
  const store = filled();
  store.apply(deleteService('default/b'));
  store.markAll();
  assert.deepEqual(dirtyAfter(store), ['default/a', 'default/b']);
});

test('a slice that moved belongs to its new Service alone', () => {
  const store = filled();
  store.apply(setSlice(slice('default/b', ['10.244.0.1'], { name: 'default/a-1' })));
  assert.deepEqual(store.slicesOf('default/a'), []);
  assert.equal(store.slicesOf('default/b').length, 1);
});

test('a store is synced when the last of the four sources is', () => {
  const store = new Store();
  for (const source of ['node', 'services', 'endpointSlices', 'nodeAddresses'] as const) {
    assert.equal(store.synced, false);
    store.apply({ kind: 'synced', source });
  }
  assert.equal(store.synced, true);
});

test('an unreadable Service that was known stays as it was known, and is not unread', () => {
  const store = filled();
  store.apply({ kind: 'unreadable', object: 'Service', name: 'default/a' });
  assert.equal(store.service('default/a')?.name, 'default/a');
  assert.equal(store.unread.size, 0);
});

for (const [what, event] of [
  ['can be read', setService(service('default/broken'))],
  ['is deleted', deleteService('default/broken')],
] as const) {
  test(`a Service that was never read is unread until it ${what}`, () => {
    const store = filled();
    store.apply({ kind: 'unreadable', object: 'Service', name: 'default/broken' });
    assert.deepEqual([...store.unread], ['default/broken']);
    store.apply(event);
    assert.equal(store.unread.size, 0);
  });
}

test('an unreadable slice that was known stays as it was known, and is not unread', () => {
  const store = filled();
  store.apply({ kind: 'unreadable', object: 'EndpointSlice', name: 'default/a-1', service: 'default/a' });
  assert.equal(store.slicesOf('default/a').length, 1);
  assert.deepEqual([[...store.unreadSlices], store.unreadEndpoints.size], [[], 0]);
});

const broken = (service?: ObjectName): ClusterEvent => ({
  kind: 'unreadable',
  object: 'EndpointSlice',
  name: 'default/broken',
  ...(service === undefined ? {} : { service }),
});
for (const [what, event, unread] of [
  ['can be read', setSlice(slice('default/z', [], { name: 'default/broken' })), []],
  ['is deleted', deleteSlice('default/broken'), []],
  ['says that it is of another Service', broken('default/z'), ['default/z']],
] as const) {
  test(`a slice that was never read is unread until it ${what}, and what it may have named is looked at again`, () => {
    for (const [named, looked] of [
      ['default/b', ['default/b']],
      [undefined, ['default/a', 'default/b']],
    ] as const) {
      const store = filled();
      store.apply(setService(service('other/a')));
      store.takeDirty();
      store.apply(broken(named));
      assert.deepEqual([...store.unreadEndpoints], [named ?? 'default']);
      const dirty = dirtyAfter(store, event).filter((name) => name !== 'default/z');
      assert.deepEqual([dirty, [...store.unreadEndpoints]], [looked, unread]);
    }
  });
}
