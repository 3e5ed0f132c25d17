/** What somebody meant who mistyped. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../src/config/spelling.ts';

const known = ['cluster-cidr', 'cleanup', 'config', 'conntrack-min', 'version'];

const rows: readonly [word: string, meant: string | undefined, why: string][] = [
  ['confg', 'config', 'a letter less'],
  ['confiig', 'config', 'a letter more'],
  ['comfig', 'config', 'another letter'],
  ['ocnfig', 'config', 'two letters exchanged, two errors in six'],
  ['conn', 'conntrack-min', 'its beginning'],
  ['cluster-cdri', 'cluster-cidr', 'two in twelve'],
  ['cleaup', 'cleanup', 'the nearest, whatever comes behind'],
  ['help', undefined, 'none is near'],
  ['xersiox', 'version', 'two errors in seven'],
  ['xxrsiox', undefined, 'three in seven'],
  ['v', undefined, 'one letter means nothing'],
  ['ve', 'version', 'two may'],
];

for (const [word, meant, why] of rows) {
  test(`"${word}" means ${meant ?? 'nothing known'}: ${why}`, () => {
    assert.equal(nearest(word, known), meant);
    assert.equal(nearest(word, known.toReversed()), meant);
  });
}

test('of two the nearer is meant, and of two as near the first', () => {
  assert.equal(nearest('modes', ['mode', 'nodes', 'moods']), 'mode');
  assert.equal(nearest('proxyx', ['prox', 'proxy']), 'proxy');
  assert.equal(nearest('proxyx', ['proxy', 'prox']), 'proxy');
});

test('no word is longer than 64 letters', () => {
  const [longest, longer] = ['a'.repeat(64), 'a'.repeat(65)];
  assert.equal(nearest(longest, [longer]), longer);
  assert.equal(nearest(longer, [longer]), undefined);
});
