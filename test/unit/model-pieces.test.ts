/** Long work in pieces. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inPieces } from '../../src/model/pieces.ts';

test('every item has its turn, in order, and others run in between when it takes long', async () => {
  const items = Array.from({ length: 40 }, (_, i) => i);
  const seen: number[] = [];
  let turns = 0;
  const other = setInterval(() => turns++, 1);
  await inPieces(items, (item) => {
    seen.push(item);
    const end = performance.now() + 2;
    while (performance.now() < end);
  });
  clearInterval(other);
  assert.deepEqual(seen, items);
  assert.ok(turns > 0);
});

test('what an item throws rejects, and no other item has its turn', async () => {
  const seen: number[] = [];
  const work = inPieces([1, 2, 3], (item) => {
    seen.push(item);
    if (item === 2) throw new Error('two');
  });
  await assert.rejects(work, /two/);
  assert.deepEqual(seen, [1, 2]);
});
