import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineStarts, positionIn } from '../../src/model/line-starts.ts';

const rows: readonly [text: string, offset: number, position: string][] = [
  ['', 0, '1:1'],
  ['ab', 2, '1:3'],
  ['a\nb', 1, '1:2'],
  ['a\nb', 2, '2:1'],
  ['\na', 0, '1:1'],
  ['\na', 1, '2:1'],
  ['\n\na\n', 2, '3:1'],
  ['\n\na\n', 4, '4:1'],
];

for (const [text, offset, expected] of rows) {
  test(`offset ${offset} of ${JSON.stringify(text)} is ${expected}`, () => {
    const { line, column } = positionIn(lineStarts(text), offset);
    assert.equal(`${line}:${column}`, expected);
  });
}
