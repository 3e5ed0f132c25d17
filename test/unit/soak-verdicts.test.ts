/** Which requests of a soak count as failed: all that a perfect proxy would have served. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { table, total, Verdicts } from '../soak/verdicts.ts';

const request = (begun: number, ended: number, failure?: string) => ({ target: 'Pod to web', begun, ended, failure });

describe('a request that fails', () => {
  const rows: readonly [what: string, begun: number, ended: number, counts: boolean][] = [
    ['before anything was done counts', 1, 9.5, true],
    ['and was under way when it was done does not', 9, 10.5, false],
    ['and was begun before its repair does not', 11, 30, false],
    ['and was begun after its repair counts', 12.5, 13, true],
    ['and was begun before and ended after does not', 9, 13, false],
  ];
  for (const [what, begun, ended, counts] of rows) {
    it(what, () => {
      const verdicts = new Verdicts();
      verdicts.sabotage(10)(12);
      assert.equal(verdicts.judge(request(begun, ended, 'refused')), counts);
    });
  }

  it('counts for nothing while what was done is not repaired', () => {
    const verdicts = new Verdicts();
    verdicts.sabotage(10);
    assert.equal(verdicts.judge(request(1_000, 1_001, 'refused')), false);
  });
});

it('requests are counted by their targets, and the table ends where the last of them stands', () => {
  const verdicts = new Verdicts();
  verdicts.sabotage(10)(12);
  for (const one of [request(1, 2), request(3, 4, 'refused'), request(11, 11.5), request(11, 13, 'timed out')]) {
    verdicts.judge(one);
  }
  verdicts.judge({ ...request(1, 1.25), target: 'node to web' });
  assert.equal(
    table(verdicts.tallies()),
    [
      'target       requests  failed  during sabotage  of these failed  slowest other, s',
      'Pod to web          4       1                2                1              1.00',
      'node to web         1       0                0                0              0.25',
    ].join('\n'),
  );
  assert.deepEqual(total(verdicts.tallies()), { requests: 5, failed: 1 });
});
