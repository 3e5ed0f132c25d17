import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayAfter } from '../../src/model/growing-delay.ts';

test('a delay doubles with each failure up to the longest, and stays there', () => {
  const after = (failures: number) => delayAfter(failures, { first: 100, longest: 3_000 });
  assert.deepEqual([1, 2, 3, 5, 6, 7, 5_000].map(after), [100, 200, 400, 1600, 3000, 3000, 3000]);
});
