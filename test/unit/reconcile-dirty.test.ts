import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noDrift } from '../../src/model/drift.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { Dirty, type Ticket } from '../../src/reconcile/dirty.ts';
import { DirtyKeys } from '../../src/reconcile/dirty-keys.ts';
import { address } from '../support/cluster.ts';

const web = virtualServiceKey('TCP', address('10.96.0.10'), 80);

function only(dirty: Dirty<string>, now: number): Ticket<string> {
  const due = dirty.due(now);
  assert.equal(due.length, 1);
  return due[0]!;
}

function marked(...ids: readonly string[]): Dirty<string> {
  const dirty = new Dirty<string>(() => 0);
  for (const id of ids) dirty.mark(id, id);
  return dirty;
}

test('a marked key is due at once, and is dirty until it is done', () => {
  const dirty = marked('a', 'b');
  assert.equal(dirty.nextDue(), 0);
  const tickets = dirty.due(5_000);
  assert.deepEqual(
    tickets.map(({ key }) => key),
    ['a', 'b'],
  );
  assert.equal(dirty.size, 2, 'taking a ticket forgets nothing');
  for (const ticket of tickets) dirty.done(ticket);
  assert.equal(dirty.size, 0);
  assert.equal(dirty.nextDue(), undefined);
});

test('a key that fails waits 100 ms, then twice as long each time, at most a minute', () => {
  const dirty = marked('a');
  const waits: number[] = [];
  let now = 10_000;
  for (let turn = 0; turn < 13; turn++) {
    dirty.failed(only(dirty, now), now);
    const next = dirty.nextDue()!;
    assert.deepEqual(dirty.due(next - 1), []);
    waits.push(next - now);
    now = next;
  }
  assert.deepEqual(waits.slice(0, 10), [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200]);
  assert.deepEqual(waits.slice(10), [60_000, 60_000, 60_000]);
});

test('a key that fails for ever still waits a minute', () => {
  const dirty = marked('a');
  for (let turn = 0; turn < 2_000; turn++) dirty.failed(only(dirty, Number.MAX_SAFE_INTEGER), 0);
  assert.equal(dirty.nextDue(), 60_000);
});

test('a failing key does not hold up another', () => {
  const dirty = marked('a', 'b');
  const [a, b] = dirty.due(0);
  dirty.failed(a!, 0);
  dirty.failed(b!, 0);
  dirty.mark('b', 'b');
  assert.equal(dirty.nextDue(), 0);
  assert.deepEqual(
    dirty.due(0).map(({ key }) => key),
    ['b'],
  );
});

test('a newer change cancels the wait, and the wait starts anew', () => {
  const dirty = marked('a');
  for (const now of [0, 100, 300]) dirty.failed(only(dirty, now), now);
  dirty.mark('a', 'a');
  assert.equal(dirty.nextDue(), 0);
  dirty.failed(only(dirty, 1_000), 1_000);
  assert.equal(dirty.nextDue(), 1_100);
});

for (const outcome of ['done', 'failed', 'again', 'hold'] as const) {
  test(`a newer change outlives a pass that ends with "${outcome}"`, () => {
    const dirty = marked('a');
    const ticket = only(dirty, 0);
    dirty.mark('a', 'newer');
    dirty[outcome](ticket, 0);
    assert.equal(dirty.nextDue(), 0);
    assert.equal(only(dirty, 0).key, 'newer');
  });
}

test('a key that surprises is due at once the first time, then waits like one that fails', () => {
  const dirty = marked('a');
  const due: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    dirty.again(only(dirty, dirty.nextDue()!), 1_000);
    due.push(dirty.nextDue()! - 1_000);
  }
  assert.deepEqual(due, [0, 100, 200, 400]);
});

test('a suspected key is due at once, but one that waits for its turn goes on waiting', () => {
  const dirty = marked('a');
  dirty.failed(only(dirty, 0), 0);
  dirty.suspect('a', 'a');
  assert.equal(dirty.nextDue(), 100);
  dirty.suspect('b', 'b');
  assert.equal(only(dirty, 0).key, 'b');
});

test('a held key is never due, and is due at once when released', () => {
  const dirty = marked('a', 'b');
  const [a, b] = dirty.due(0);
  dirty.hold(a!);
  dirty.failed(b!, 0);
  assert.equal(dirty.nextDue(), 100);
  assert.equal(only(dirty, Number.MAX_SAFE_INTEGER).key, 'b');
  dirty.done(only(dirty, 100));
  assert.equal(dirty.nextDue(), undefined);
  assert.equal(dirty.size, 1);
  dirty.release();
  assert.equal(only(dirty, 0).key, 'a');
});

test('a release hurries nobody who waits for a retry', () => {
  const dirty = marked('a');
  dirty.failed(only(dirty, 0), 0);
  dirty.release();
  assert.equal(dirty.nextDue(), 100);
});

test('a key is as old as its first mark, however often it is marked, released or fails, until it is done', () => {
  let time = 1_000;
  const dirty = new Dirty<string>(() => time);
  assert.equal(dirty.oldest(), undefined);
  dirty.mark('a', 'a');
  time = 2_000;
  dirty.mark('b', 'b');
  dirty.mark('a', 'a');
  for (const ticket of dirty.due(time)) dirty.failed(ticket, time);
  assert.equal(dirty.oldest(), 1_000);
  for (const ticket of dirty.due(10_000)) if (ticket.id === 'a') dirty.done(ticket);
  assert.equal(dirty.oldest(), 2_000);
});

test('what is dirty anyway is no drift', () => {
  const keys = new DirtyKeys(() => 0);
  const found = { services: [web], destinations: [web], bindings: [], elements: [], tables: 0, settings: 0 };
  assert.deepEqual(keys.driftOf(found), { ...noDrift, service: 1, destination: 1 });
  keys.services.mark(web.id, web);
  assert.deepEqual(keys.driftOf(found), noDrift);
});

test('of the keys of all kinds the first counts', () => {
  let now = 5_000;
  const keys = new DirtyKeys(() => now);
  assert.deepEqual([keys.nextDue(), keys.oldest()], [undefined, undefined]);
  keys.fixtures.mark('ip', 'ip');
  keys.fixtures.failed(keys.fixtures.due(now)[0]!, now);
  now = 5_050;
  keys.services.mark(web.id, web);
  keys.services.failed(keys.services.due(now)[0]!, now);
  assert.deepEqual([keys.size, keys.nextDue(), keys.oldest()], [2, 5_100, 5_000]);
});
