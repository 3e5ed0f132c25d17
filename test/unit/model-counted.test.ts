import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, some } from '../../src/model/counted.ts';

test('of anything but one there are many', () => {
  const words = [0, 1, 2].flatMap((count) => [counted(count, 'chain'), counted(count, 'address')]);
  assert.deepEqual(words, ['0 chains', '0 addresses', '1 chain', '1 address', '2 chains', '2 addresses']);
});

test('of many names the first are told, and how many more there are', () => {
  assert.equal(some([]), '');
  assert.equal(some(['a', 'b'], 2), 'a, b');
  assert.equal(some(['a', 'b', 'c', 'd'], 2), 'a, b and 2 more');
  assert.equal(some(['a', 'b', 'c', 'd', 'e']), 'a, b, c, d, e');
  assert.equal(some(['a', 'b', 'c', 'd', 'e', 'f']), 'a, b, c, d, e and 1 more');
});
