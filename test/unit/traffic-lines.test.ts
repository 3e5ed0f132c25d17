/** Lines of traffic say what they mean, and differ from what was seen exactly where it was something else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedText, parseTraffic, seenText } from '../support/traffic.ts';

const agreeing: readonly (readonly [line: string, ...seen: string[]])[] = [
  ['client -> 10.96.0.10:80/TCP answered by web-1 from 192.168.1.10', 'web-1 192.168.1.10', 'web-1 192.168.1.10'],
  [
    'client -> [fd00:96::10]:80/TCP answered by web-1, web-2 from fd00::1',
    'web-2 fd00::1',
    'web-1 fd00::1',
    'web-2 fd00::1',
    'web-1 fd00::1',
  ],
  [
    'web-1 -> 10.96.0.10:80/UDP answered by web-1 from 192.168.1.10 and web-2 from 10.244.0.11',
    'web-1 192.168.1.10',
    'web-2 10.244.0.11',
    'web-2 10.244.0.11',
    'web-2 10.244.0.11',
  ],
  ['client -> 10.96.0.10:80/TCP answered by one of web-1, web-2 from 192.0.2.7', 'web-2 192.0.2.7', 'web-2 192.0.2.7'],
  [
    'client -> 10.96.0.10:80/TCP answered by web-1 2 times, web-2 from 192.0.2.7',
    'web-1 192.0.2.7',
    'web-1 192.0.2.7',
    'web-2 192.0.2.7',
  ],
  ['host as 192.168.1.10 -> 10.96.0.10:80/SCTP refused', 'refused'],
  ['client from 53000 -> 10.96.0.10:53/UDP dropped', 'dropped'],
  ['client pings 10.96.0.10 answered', 'echoed'],
];

const disagreeing: readonly (readonly [line: string, told: string, ...seen: string[]])[] = [
  ['client -> 10.96.0.10:80/TCP answered by web-1 from 192.168.1.10', 'web-1 192.0.2.7 (1)', 'web-1 192.0.2.7'],
  [
    'client -> 10.96.0.10:80/TCP answered by web-1, web-2 from 192.0.2.7',
    'web-1 192.0.2.7 (2)',
    'web-1 192.0.2.7',
    'web-1 192.0.2.7',
  ],
  [
    'client -> 10.96.0.10:80/TCP answered by web-1 from 192.0.2.7',
    'web-1 192.0.2.7 (1), dropped (1)',
    'web-1 192.0.2.7',
    'dropped',
  ],
  [
    'client -> 10.96.0.10:80/TCP answered by one of web-1, web-2 from 192.0.2.7',
    'web-1 192.0.2.7 (1), web-2 192.0.2.7 (1)',
    'web-1 192.0.2.7',
    'web-2 192.0.2.7',
  ],
  [
    'client -> 10.96.0.10:80/TCP answered by web-1 2 times, web-2 from 192.0.2.7',
    'web-1 192.0.2.7 (1), web-2 192.0.2.7 (2)',
    'web-1 192.0.2.7',
    'web-2 192.0.2.7',
    'web-2 192.0.2.7',
  ],
  ['host -> 10.96.0.10:80/TCP refused', 'dropped (1)', 'dropped'],
  ['host -> 10.96.0.10:80/TCP dropped', 'refused (1)', 'refused'],
  ['client pings 10.96.0.10 answered', 'refused (1)', 'refused'],
];

for (const [text, ...seen] of agreeing) {
  test(`${seen.join(', ')} is what "${text}" expects`, () => {
    const line = parseTraffic(text);
    assert.equal(seenText(line, seen), expectedText(line));
  });
}

for (const [text, told, ...seen] of disagreeing) {
  test(`${seen.join(', ')} is not what "${text}" expects`, () => {
    const line = parseTraffic(text);
    assert.notEqual(seenText(line, seen), expectedText(line));
    assert.ok(seenText(line, seen).endsWith(` ${told}`), seenText(line, seen));
  });
}

test('as many requests are made as tell the answers apart', () => {
  const requests = (outcome: string) => parseTraffic(`client -> 10.96.0.10:80/TCP ${outcome}`).requests;
  assert.equal(requests('answered by web-1 from 192.0.2.7'), 2);
  assert.equal(requests('answered by web-1, web-2 from 192.0.2.7'), 4);
  assert.equal(requests('answered by one of web-1, web-2 from 192.0.2.7'), 3);
  assert.equal(requests('answered by web-1 3 times, web-2 from 192.0.2.7'), 4);
  assert.equal(requests('refused'), 1);
});

for (const line of [
  'client 10.96.0.10:80/TCP refused',
  'client -> 10.96.0.10/TCP refused',
  'client -> 10.96.0.10:80/ICMP refused',
  'client -> 10.96.0.300:80/TCP refused',
  'client -> 10.96.0.10:80/TCP perhaps',
  'client -> 10.96.0.10:80/TCP answered by web-1',
]) {
  test(`"${line}" is no line of traffic`, () => {
    assert.throws(() => parseTraffic(line), SyntaxError);
  });
}
