/** What of a dump is known already. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reading } from '../../src/kernel/reading.ts';

const dump = (...texts: readonly string[]) => texts.map((text) => Buffer.from(text));

test('a dump that says what the last one said has its very value, and any other has one of its own', async () => {
  const reading = new Reading<readonly string[]>();
  let decoded = 0;
  const read = (records: readonly Uint8Array[]) =>
    reading.of(records, async () => {
      decoded++;
      return records.map(String);
    });
  const first = await read(dump('a', 'b'));
  assert.equal(await read(dump('a', 'b')), first);
  assert.equal(decoded, 1);
  for (const other of [dump('a', 'c'), dump('a'), dump('a', 'b'), dump('a', 'b', 'c'), dump()]) {
    assert.deepEqual(await read(other), other.map(String));
  }
  assert.equal(decoded, 6);
});

test('what could not be decoded is not known', async () => {
  const reading = new Reading<string>();
  await assert.rejects(
    reading.of(dump('a'), () => Promise.reject(new Error('odd'))),
    /odd/,
  );
  assert.equal(await reading.of(dump('a'), async () => 'read'), 'read');
});
