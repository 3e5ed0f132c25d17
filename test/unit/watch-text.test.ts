/** Bytes as they arrive, cut into lines and into the items of a list. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LineSplitter } from '../../src/watch/kubernetes/line-splitter.ts';
import { readList } from '../../src/watch/kubernetes/list.ts';
import { ListItems } from '../../src/watch/kubernetes/list-items.ts';

/** In chunks of so many bytes. */
function chunks(text: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

describe('lines', () => {
  const text = '{"a":"gr\u00fc\u00df \u{1f30d}"}\n\r\n\n{"b":1}\r\n{"unfinished"';
  for (const size of [1, 2, 3, 7, 1000]) {
    test(`are the same in chunks of ${size} bytes, characters across two chunks included`, () => {
      const splitter = new LineSplitter();
      const lines = chunks(text, size).flatMap((chunk) => [...splitter.push(chunk)]);
      assert.deepEqual(lines, ['{"a":"gr\u00fc\u00df \u{1f30d}"}', '{"b":1}']);
    });
  }

  test('an unfinished line comes with its end', () => {
    const splitter = new LineSplitter();
    assert.deepEqual([...splitter.push(Buffer.from('{"a":'))], []);
    assert.deepEqual([...splitter.push(Buffer.from('1}\n'))], ['{"a":1}']);
  });

  test('a line as long as the limit is read, a longer one is refused whether its end came or not', () => {
    assert.deepEqual([...new LineSplitter(8).push(Buffer.from('12345678\n'))], ['12345678']);
    const refusal = { code: 'MALFORMED_ANSWER', message: 'a line has more than 8 bytes' };
    assert.throws(() => [...new LineSplitter(8).push(Buffer.from('123456789\n'))], refusal);
    const splitter = new LineSplitter(8);
    assert.deepEqual([...splitter.push(Buffer.from('12345'))], []);
    assert.throws(() => [...splitter.push(Buffer.from('6789'))], refusal);
  });
});

describe('the items of a list', () => {
  const frame = '{"kind":"ServiceList","metadata":{"resourceVersion":"7","items":[{"not":"these"}]},"items":[]}';
  const items = [
    '{"a":{"items":[1,{"b":[]}]}}',
    '{}',
    '{"s":"\\"}]{[ \\\\"}',
    '{ "pretty" :\n [ true ] }',
    '{"\u00fc":"\u{1f30d}"}',
  ];
  const text = frame.replace(/\[\]\}$/, `[ ${items.join(' ,\n')} ] }`);
  for (const size of [1, 2, 3, 7, 1000]) {
    test(`are the same in chunks of ${size} bytes, whatever their strings hold`, () => {
      const list = new ListItems();
      assert.deepEqual(
        chunks(text, size).flatMap((chunk) => [...list.push(chunk)]),
        items,
      );
      assert.deepEqual(JSON.parse(list.end()), JSON.parse(frame));
    });
  }

  for (const [what, body] of [
    ['an empty list', '{"items":[],"metadata":{"resourceVersion":"7"}}'],
    ['a list without items', '{"metadata":{"resourceVersion":"7"},"items":null}'],
    ['a Status', '{"kind":"Status","details":{"causes":[{"reason":"x"}]},"code":410}'],
  ] as const) {
    test(`${what} has none, and keeps all else`, () => {
      const list = new ListItems();
      assert.deepEqual([...list.push(Buffer.from(body))], []);
      assert.equal(list.end(), body);
    });
  }

  test('that are written as no API server writes them make the list malformed, not empty', async () => {
    const key = { escaped: '"\\u0069tems":', spaced: `"items":${' '.repeat(100)}` };
    for (const written of Object.values(key)) {
      const list = readList(arriving(`{"metadata":{"resourceVersion":"7"},${written}[{"a":1}]}`));
      const found: object[] = [];
      for await (const item of list.items) found.push(item);
      assert.deepEqual(found, []);
      assert.throws(() => list.frame(), { code: 'MALFORMED_ANSWER', message: /items are not where they belong/ });
    }
  });

  test('are malformed with what is no list', async () => {
    for (const body of ['null', '7', '"items"', '[]', '{}', '{"items":{}}']) {
      const list = readList(arriving(body));
      const read = async () => {
        for await (const item of list.items) assert.fail(JSON.stringify(item));
        list.frame();
      };
      await assert.rejects(read, { code: 'MALFORMED_ANSWER' }, body);
    }
  });

  test('cost no more behind half a million arrays', () => {
    const list = new ListItems();
    const arrays = Array.from({ length: 500_000 }, (_, i) => `"${i}":[]`).join(',');
    assert.deepEqual([...list.push(Buffer.from(`{${arrays},"items":[{"a":1}]}`))], ['{"a":1}']);
  });

  test('what ends early is no JSON', () => {
    const list = new ListItems();
    const early = '{"metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b"';
    assert.deepEqual([...list.push(Buffer.from(early))], ['{"a":1}']);
    assert.throws(() => JSON.parse(list.end()), SyntaxError);
  });

  test('an item that is no object is refused, and so is one that is too long', () => {
    for (const item of ['null', '"a"', '[]', '1']) {
      assert.throws(() => [...new ListItems().push(Buffer.from(`{"items":[{},${item}]}`))], {
        code: 'MALFORMED_ANSWER',
        message: 'an item of the list is no object',
      });
    }
    assert.throws(() => [...new ListItems(20).push(Buffer.from('{"items":[{"a":"123456789012345"}]}'))], {
      code: 'MALFORMED_ANSWER',
      message: 'an item of the list has more than 20 bytes',
    });
  });

  test('a list whose frame is too long is refused, before its items or behind them', () => {
    for (const list of ['{"metadata":{"a":"12345"},"items":[]}', '{"items":[{}],"metadata":{"a":"12345"}}']) {
      assert.throws(() => [...new ListItems(20).push(Buffer.from(list))], {
        code: 'MALFORMED_ANSWER',
        message: "what is around the list's items has more than 20 bytes",
      });
    }
  });
});

async function* arriving(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
