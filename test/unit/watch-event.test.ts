/** Lines of a watch, and what a server says in place of an answer. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOf } from '../../src/watch/kubernetes/refusal.ts';
import { readWatchEvent } from '../../src/watch/kubernetes/watch-event.ts';

const metadata = { name: 'web', resourceVersion: '7' };
const end = { 'k8s.io/initial-events-end': 'true' };

const events: readonly [what: string, event: object | null, read: object][] = [
  ['an object', { type: 'ADDED', object: { metadata } }, { type: 'set', object: { metadata }, version: '7' }],
  ['a change', { type: 'MODIFIED', object: { metadata } }, { type: 'set', object: { metadata }, version: '7' }],
  ['a deletion', { type: 'DELETED', object: { metadata } }, { type: 'delete', object: { metadata }, version: '7' }],
  ['a bookmark', { type: 'BOOKMARK', object: { metadata } }, { type: 'bookmark', version: '7', isInitialEnd: false }],
  [
    'the bookmark behind the first objects',
    { type: 'BOOKMARK', object: { metadata: { ...metadata, annotations: end } } },
    { type: 'bookmark', version: '7', isInitialEnd: true },
  ],
  ...[{}, { resourceVersion: '' }, { resourceVersion: 7 }, null].map((without): [string, object, object] => [
    `a version that is none, in ${JSON.stringify(without)}`,
    { type: 'BOOKMARK', object: { metadata: without } },
    { type: 'bookmark', version: undefined, isInitialEnd: false },
  ]),
  [
    'an error without a Status',
    { type: 'ERROR', object: {} },
    {
      type: 'error',
      refusal: {
        code: 500,
        message: 'an error without a Status: "{\\"type\\":\\"ERROR\\",\\"object\\":{}}"',
        retryAfter: undefined,
        isAhead: false,
      },
    },
  ],
  [
    'an unknown type',
    { type: 'X', object: {} },
    { type: 'odd', message: 'the watch has an event of unknown type "X"' },
  ],
  ['null', null, { type: 'odd', message: 'a line of the watch is no event: "null"' }],
  [
    'no object',
    { type: 'ADDED', object: null },
    { type: 'odd', message: 'a line of the watch is no event: "{\\"type\\":\\"ADDED\\",\\"object\\":null}"' },
  ],
];

for (const [what, event, read] of events) {
  test(`of a watch ${what} is read`, () => {
    assert.deepEqual(readWatchEvent(JSON.stringify(event)), read);
  });
}

const statuses: readonly [what: string, status: object, refusal: readonly unknown[]][] = [
  ['with all', { code: 410, message: 'too old', reason: 'Expired' }, [410, 'too old', undefined, false]],
  ['without a message', { code: 410, reason: 'Expired' }, [410, 'Expired', undefined, false]],
  ['with an empty message', { code: 410, message: '', reason: 'Expired' }, [410, 'Expired', undefined, false]],
  ['without words', { code: 429, details: { retryAfterSeconds: 7 } }, [429, 'HTTP 503', 7_000, false]],
  ['without a code', { message: 'no', details: { retryAfterSeconds: 0 } }, [503, 'no', undefined, false]],
  ['with a code that is none', { code: 0, message: 'no', details: null }, [503, 'no', undefined, false]],
  [
    'of a server that is behind',
    { code: 504, message: 'wait', details: { causes: [null, { reason: 'ResourceVersionTooLarge' }] } },
    [504, 'wait', undefined, true],
  ],
  [
    'of an old server that is behind',
    { code: 504, message: 'Timeout: Too large resource version: 9, current: 7' },
    [504, 'Timeout: Too large resource version: 9, current: 7', undefined, true],
  ],
];

for (const [what, status, expected] of statuses) {
  test(`a Status ${what} is a refusal`, () => {
    const refusal = refusalOf({ kind: 'Status', ...status }, 503)!;
    assert.deepEqual([refusal.code, refusal.message, refusal.retryAfter, refusal.isAhead], expected);
  });
}

test('what is no Status is no refusal', () => {
  for (const other of [null, 'Status', {}, { kind: 'Service', code: 410 }])
    assert.equal(refusalOf(other, 503), undefined);
});
