/** Durations as Go's time.ParseDuration reads them and Duration.String prints them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, parseDuration } from '../../src/model/duration.ts';

const good: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['0s', 0],
  ['30s', 30_000],
  ['1m30s', 90_000],
  ['24h', 86_400_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['1.s', 1000],
  ['+5m', 300_000],
  ['-5s', -5000],
  ['250ms', 250],
  ['5us', 0.005],
  ['5µs', 0.005],
  ['1000000ns', 1],
  ['1s1s', 2000],
  ['1.001s', 1001],
  ['-0s', 0],
];
for (const [text, milliseconds] of good) {
  test(`${text} is ${milliseconds} ms`, () => assert.equal(parseDuration(text), milliseconds));
}

for (const text of [
  '',
  '5',
  's',
  '.s',
  '-',
  '1 s',
  ' 1s',
  '1s ',
  '1S',
  '1d',
  '1s-1s',
  '1e3s',
  'NaNs',
  '9999999h',
  '1s\n',
]) {
  test(`${JSON.stringify(text)} is no duration`, () => assert.equal(parseDuration(text), undefined));
}

// each takes longer than anybody waits where digits are tried again in other ways, or from each of them on
for (const [what, text] of [
  ['digits', '1'.repeat(256 * 1024)],
  ['digits behind a duration', `1s${'1'.repeat(256 * 1024)}`],
  ['digits with points', '1.'.repeat(128 * 1024)],
] as const) {
  test(`256 KiB of ${what} are no duration`, () => assert.equal(parseDuration(text), undefined));
}

const printed: readonly (readonly [number, string])[] = [
  [0, '0s'],
  [0.000001, '1ns'],
  [0.0015, '1.5µs'],
  [1, '1ms'],
  [1.25, '1.25ms'],
  [1000, '1s'],
  [1001, '1.001s'],
  [59_999, '59.999s'],
  [60_000, '1m0s'],
  [90_000, '1m30s'],
  [3_600_000, '1h0m0s'],
  [86_400_000, '24h0m0s'],
  [5_025_500, '1h23m45.5s'],
  [2_147_483_647_000, '596523h14m7s'],
];
for (const [milliseconds, text] of printed) {
  test(`${milliseconds} ms is ${text} and back`, () => {
    assert.equal(durationText(milliseconds), text);
    assert.equal(parseDuration(text), milliseconds);
  });
}
