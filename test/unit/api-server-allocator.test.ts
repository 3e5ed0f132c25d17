/** What the test API server gives to Services. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Allocator } from '../support/api-server/allocator.ts';

it('gives a node port that somebody may name only when all others are taken', () => {
  for (const random of [0, 0.5, 0.999_999]) {
    const allocator = new Allocator(() => random);
    assert.ok(allocator.freePort([]) >= 30_086);
    const others = Array.from({ length: 2_768 - 86 }, (_, i) => 30_086 + i);
    allocator.hold('demo/many', { addresses: [], ports: others });
    assert.equal(allocator.freePort([]), 30_000);
    assert.equal(allocator.freePort([30_000]), 30_001);
  }
});
