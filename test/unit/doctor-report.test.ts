/** From examinations to text and JSON. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examine, within } from '../../src/cli/doctor/examination.ts';
import { type Finding, fail, ok, warn, worst } from '../../src/cli/doctor/finding.ts';
import { some } from '../../src/model/counted.ts';
import { doctorJson, doctorReport, doctorText } from '../../src/cli/doctor/report.ts';

const findings: readonly Finding[] = [
  ok('kernel', '6.1.0'),
  warn('connection-table', '4096 buckets', 'make it larger'),
  fail('api-server', 'refused: \u001b[2Jcome on\nnow', 'ask \u202eagain'),
];

describe('a report', () => {
  it('is a line for each check, with the cure below, and a line that counts', () => {
    assert.equal(
      doctorText(doctorReport('node-a', '6.1.0', findings)),
      `\
ok    kernel            6.1.0
warn  connection-table  4096 buckets
                        cure: make it larger
fail  api-server        refused: \\u001b[2Jcome on\\u000anow
                        cure: ask \\u202eagain

1 ok, 1 warn, 1 fail
`,
    );
  });

  it('is a document in which every field is always there', () => {
    const text = doctorJson(doctorReport('node-a', '6.1.0', findings));
    assert.ok(!text.includes('\u001b') && !text.includes('\u202e'), text);
    assert.deepEqual(JSON.parse(text), {
      nodeName: 'node-a',
      kernel: '6.1.0',
      level: 'fail',
      checks: [
        { check: 'kernel', level: 'ok', message: '6.1.0', cure: null },
        { check: 'connection-table', level: 'warn', message: '4096 buckets', cure: 'make it larger' },
        { check: 'api-server', level: 'fail', message: 'refused: \u001b[2Jcome on\nnow', cure: 'ask \u202eagain' },
      ],
    });
  });

  it('is as bad as its worst check', () => {
    assert.equal(worst([]), 'ok');
    assert.equal(worst([findings[1]!, findings[0]!]), 'warn');
    assert.equal(worst(findings), 'fail');
  });

  it('shortens what is long', () => {
    assert.equal(some(['a', 'b', 'c'], 3), 'a, b, c');
    assert.equal(some(['a', 'b', 'c', 'd'], 2), 'a, b and 2 more');
  });
});

describe('examinations', () => {
  const { signal } = new AbortController();

  it('come in their order, and one that fails or never ends is a finding', async () => {
    const found = await examine(
      [
        { check: 'slow', limit: 20, run: () => new Promise(() => {}) },
        { check: 'broken', limit: 60_000, run: () => Promise.reject(new Error('EACCES: /proc/modules')) },
        { check: 'fine', limit: 60_000, run: () => Promise.resolve([ok('one', '1'), ok('two', '2')]) },
      ],
      signal,
    );
    assert.deepEqual(
      found.map(({ check, level, message }) => [check, level, message]),
      [
        ['slow', 'warn', 'cannot be examined: no answer within 0.02 s'],
        ['broken', 'warn', 'cannot be examined: EACCES: /proc/modules'],
        ['one', 'ok', '1'],
        ['two', 'ok', '2'],
      ],
    );
  });

  it('may wait for a reading, though not for ever', async () => {
    assert.equal(await within(60_000, Promise.resolve(7)), 7);
    await assert.rejects(within(20, new Promise(() => {})), /no answer within 0\.02 s/);
    await assert.rejects(within(60_000, Promise.reject(new Error('EACCES'))), /EACCES/);
  });

  it('are told to end when their time is over', async () => {
    let reason: unknown;
    await examine(
      [
        {
          check: 'slow',
          limit: 20,
          run: (end) => new Promise(() => end.addEventListener('abort', () => (reason = end.reason))),
        },
      ],
      signal,
    );
    assert.match(String(reason), /no answer within/);
  });

  it('end with an interruption', async () => {
    const interruption = new AbortController();
    const examined = examine([{ check: 'slow', limit: 60_000, run: () => new Promise(() => {}) }], interruption.signal);
    interruption.abort(new Error('interrupted'));
    await assert.rejects(examined, /interrupted/);
  });
});
