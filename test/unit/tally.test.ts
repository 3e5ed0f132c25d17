import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tally } from '../../src/model/tally.ts';

test('operations are counted by kind and verb, in the order in which they came', () => {
  const tally = new Tally();
  assert.deepEqual(tally.counts(), []);
  tally.add({ kind: 'destination', verb: 'add' });
  tally.add({ kind: 'service', verb: 'edit' });
  for (let i = 0; i < 3; i++) tally.add({ kind: 'destination', verb: 'delete' });
  tally.add({ kind: 'destination', verb: 'add' });
  assert.deepEqual(tally.counts(), [
    { kind: 'destination', verb: 'add', count: 2 },
    { kind: 'destination', verb: 'delete', count: 3 },
    { kind: 'service', verb: 'edit', count: 1 },
  ]);
});
