/** The ports that tests are given. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../support/http.ts';

test('no port is given twice, though nobody listens on it yet', async () => {
  const ports = new Set<number>();
  for (let i = 0; i < 400; i++) ports.add(await freePort());
  assert.equal(ports.size, 400);
});
