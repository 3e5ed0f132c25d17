/** The order in which Services are looked at. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgeQueue } from '../../src/reconcile/age-queue.ts';
import fc from '../support/property.ts';

function drained(queue: AgeQueue): string[] {
  const names: string[] = [];
  for (let name = queue.take(); name !== undefined; name = queue.take()) names.push(name);
  return names;
}

test('what a node needs first comes first, then the older ones, and by name what is as old or of unknown age', () => {
  const queue = new AgeQueue();
  queue.add('a/unknown', '');
  queue.add('b/unknown', '');
  queue.add('a/young', '2026-02-02T00:00:00Z');
  queue.add('z/old', '2026-01-01T00:00:00Z');
  queue.add('a/old', '2026-01-01T00:00:00Z');
  queue.add('kube-system/coredns', '2026-04-04T00:00:00Z');
  queue.add('kube-system/kube-dns', '2026-03-03T00:00:00Z');
  queue.add('default/kubernetes', '');
  assert.deepEqual(drained(queue), [
    'default/kubernetes',
    'kube-system/kube-dns',
    'kube-system/coredns',
    'a/old',
    'z/old',
    'a/young',
    'a/unknown',
    'b/unknown',
  ]);
  assert.equal(queue.take(), undefined);
});

test('who waits already waits once, and may wait again afterwards', () => {
  const queue = new AgeQueue();
  queue.add('a/one', '');
  queue.add('a/one', '2026-01-01T00:00:00Z');
  assert.equal(queue.size, 1);
  assert.deepEqual(drained(queue), ['a/one']);
  queue.add('a/one', '');
  assert.equal(queue.size, 1);
});

test('one whose age becomes known while it waits takes its place', () => {
  const queue = new AgeQueue();
  queue.add('a/old', '');
  queue.add('b/young', '2026-02-02T00:00:00Z');
  queue.add('a/old', '2026-01-01T00:00:00Z');
  assert.deepEqual(drained(queue), ['a/old', 'b/young']);
});

test('whatever is added and taken, the first of those that wait is taken', () => {
  const steps = fc.array(fc.option(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 3 }))));
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new AgeQueue();
      const waiting = new Map<string, string>();
      for (const step of all) {
        if (step === null) {
          const [expected] = [...waiting].toSorted(([, a], [, b]) => (a < b ? -1 : 1));
          assert.equal(queue.take(), expected?.[0]);
          if (expected !== undefined) waiting.delete(expected[0]);
          continue;
        }
        const [name, createdAt] = [`n/${step[0]}`, `2026-01-0${step[1] + 1}T00:00:00Z`];
        queue.add(name, createdAt);
        waiting.set(name, `${createdAt} ${name}`);
      }
      assert.equal(queue.size, waiting.size);
    }),
  );
});
