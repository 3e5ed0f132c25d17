/** YAML as kubectl reads it, and where its values are. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { locateYaml, readYaml } from '../../src/watch/yaml-text.ts';
import { heapInUse } from '../support/garbage.ts';
import fc from '../support/property.ts';

describe('YAML', () => {
  const read: readonly (readonly [string, string, unknown])[] = [
    ['a list at the column of its key', 'a:\n- 1\n- b: 2\n  c: 3\nd: 4\n', { a: [1, { b: 2, c: 3 }], d: 4 }],
    ['a list that is indented', 'a:\n  - 1\n  - - 2\n    - 3\n', { a: [1, [2, 3]] }],
    ['a key without a value', 'a:\nb:\n  c:\n', { a: null, b: { c: null } }],
    ['empty maps, lists and texts', 'a: {}\nb: []\nc: ""\nd: \'\'\n', { a: {}, b: [], c: '', d: '' }],
    [
      'words that YAML 1.1 does not take for text',
      'a: yes\nb: Off\nc: null\nd: y\n',
      { a: true, b: false, c: null, d: true },
    ],
    [
      'quoted words and numbers as text',
      'a: "yes"\nb: \'1\'\nc: "2026-11-20T18:27:00Z"\n',
      { a: 'yes', b: '1', c: '2026-11-20T18:27:00Z' },
    ],
    [
      'plain text of all kinds',
      'a: 10.0.0.1\nb: 62089cb6-24d6-4ce4-bb51-21a8fea9c3d5\nc: fd00::1\nd: a b, [c] {d}\n',
      { a: '10.0.0.1', b: '62089cb6-24d6-4ce4-bb51-21a8fea9c3d5', c: 'fd00::1', d: 'a b, [c] {d}' },
    ],
    [
      'numbers as Go does',
      '[0, -1, +2, 0x1f, 0b11, 017, 0o17, -0o17, 08, 1_000, 1.5, .5, 1., 1e3, 1.5E-1]',
      [0, -1, 2, 31, 3, 15, 15, -15, 8, 1000, 1.5, 0.5, 1, 1000, 0.15],
    ],
    [
      'times, dates, base sixty and what only begins like a number as text',
      '[2026-11-20, 2026-11-20T18:27:00Z, 1:30, 190:20:30.15, 1:2:3:4:5:6:7:8, 12e, e1, ., _1, =]',
      '2026-11-20 2026-11-20T18:27:00Z 1:30 190:20:30.15 1:2:3:4:5:6:7:8 12e e1 . _1 ='.split(' '),
    ],
    ['escapes', 'a: "x\\n\\"y\\" \\u0041"\nb: \'it\'\'s\'\n', { a: 'x\n"y" A', b: "it's" }],
    ['blocks of text', 'a: |\n  x\n    y\n\n  z\nb: |-\n  x\n\nc: 1\n', { a: 'x\n  y\n\nz\n', b: 'x', c: 1 }],
    ['keys with dots, slashes and colons', 'kubernetes.io/a-b: 1\nf:x: 2\n', { 'kubernetes.io/a-b': 1, 'f:x': 2 }],
    ['keys that look like something else as text', 'on: 1\n17: 2\n', { true: 1, '17': 2 }],
    [
      'aliases and merge keys',
      'a: &a {x: 1}\nb: *a\nc: {<<: *a, z: 2}\n',
      { a: { x: 1 }, b: { x: 1 }, c: { x: 1, z: 2 } },
    ],
    [
      'brackets and quotes whose lines are no deeper than their key, as Go reads them',
      'a: [\n  1, # one\n# two\n2\n]\nb: {\n\t"c": "x\n\ny"\n}\nd:\n- e: [\n  3\n  ]\n',
      { a: [1, 2], b: { c: 'x\ny' }, d: [{ e: [3] }] },
    ],
    ['tabs in brackets', 'a:\t[1,\t2]\nb: {c:\t \t"x\ty"}\n', { a: [1, 2], b: { c: 'x\ty' } }],
    ['tags of its own', '[!!str 1, !!int "2"]', ['1', 2]],
    [
      'tags of others as if they were not there, also those that would make odd objects',
      '[!Ref a, !x {b: 1}, !y [c], !!timestamp 2026-11-20, !!binary YQ==, !!set {d: }]',
      ['a', { b: 1 }, ['c'], '2026-11-20', 'YQ==', { d: null }],
    ],
  ];
  for (const [sentence, text, expected] of read) {
    it(`has ${sentence}`, () => assert.deepEqual(readYaml(text), { value: expected }));
  }

  it('makes an own field of __proto__', () => {
    const reading = readYaml('__proto__: {a: 1}\n');
    assert.ok('value' in reading);
    assert.deepEqual(Object.keys(reading.value as object), ['__proto__']);
  });

  const broken: Readonly<Record<string, readonly [string, number]>> = {
    'a key twice': ['a: 1\na: 2\n', 5],
    'wrong columns': ['a:\n   b: 1\n  c: 2\n', 13],
    'an alias of nothing': ['a: *x\n', 3],
    'a map for a key': ['{{a: 1}: 2}\n', 1],
    'a template in place of a value': ['kind: Service\nmetadata:\n  name: {{ .Values.name }}\n', 33],
    'a list for a key, among values that are lists': ['a:\n- [b]\n- ? [c]\n  : d\n', 13],
    'a control character': ['a: \u0007\n', 3],
    'a zero byte': ['a: \0\n', 3],
    'several documents': ['a: 1\n---\nb: 2\n', 0],
  };
  for (const [sentence, [text, offset]] of Object.entries(broken)) {
    it(`does not have ${sentence}`, () => {
      const reading = readYaml(text);
      assert.ok('message' in reading);
      assert.equal(reading.offset, offset, reading.message);
    });
  }

  it('is read or refused, whatever it is', () => {
    const odd = fc.string({
      unit: fc.constantFrom(...Array.from('ab1:-?,[]{}#&*!|>\'"%@` \n\t\r.<=~_0\\')),
      maxLength: 40,
    });
    fc.assert(
      fc.property(odd, (text) => {
        const reading = readYaml(text);
        if ('message' in reading) assert.ok(reading.offset >= 0 && reading.offset <= text.length);
        locateYaml(text, [['a', 0]]);
      }),
      { numRuns: 5000 },
    );
  });

  it('leaves nothing of a text in memory but the values that are kept', () => {
    const kept: unknown[] = [];
    const before = heapInUse();
    for (let version = 0; version < 20; version++) {
      const name = `a-name-of-${version}`.padEnd(40, 'e');
      const reading = readYaml(`a: ${name}\nb: "${name}"\nc: [ ${name}]\n# ${'x'.repeat(1_000_000)}\n`);
      assert.ok('value' in reading);
      kept.push(reading.value);
    }
    const more = heapInUse() - before;
    assert.ok(more < 5_000_000, `${more} bytes`);
    assert.equal(kept.length, 20);
  });
});

describe('values', () => {
  it('are found by their paths, and what is missing by the value around it', () => {
    const text = '{"a": [1, {"b\\u0063": "x]}\\""}], "d": {}}';
    const places = locateYaml(text, [[], ['a'], ['a', 1, 'bc'], ['a', 2], ['d', 'e', 'f'], ['x'], ['a', 0]]);
    assert.deepEqual(places, [0, 6, 22, 6, 38, 0, 7]);
  });

  it('are found in every style', () => {
    const text =
      'a: x\nb: "y"\nc: \'z\'\nd: |\n  t\ne: > # |\n  t\nf:\n- g: 1\n  ? [h]\n  : i\n  j: !t k\nl: &m {n: o}\np: *m\nq:\n';
    const found = (...path: (string | number)[]) => text.slice(locateYaml(text, [path])[0]).split('\n', 1)[0];
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e', 'q'].map((name) => found(name)),
      ['x', '"y"', "'z'", '|', '> # |', 'q:'],
    );
    assert.deepEqual(
      [found('f'), found('f', 0, 'g'), found('f', 0, 'j'), found('l'), found('p', 'n')],
      ['- g: 1', '1', 'k', '{n: o}', 'o}'],
    );
  });

  it('in and behind brackets whose lines are not deep are found where they are written', () => {
    const text = 'a: [\n1, {b: 2,\nc: 3}\n]\nd:\t[4,\t5]\n';
    const places = locateYaml(text, [['a'], ['a', 0], ['a', 1, 'b'], ['a', 1, 'c'], ['d', 1]]);
    assert.deepEqual(
      places.map((at) => text[at]),
      ['[', '1', '2', '3', '5'],
    );
  });

  it('in JSON stand where the path leads to', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.infiniteStream(fc.nat()),
        fc.constantFrom(undefined, 1, '\t'),
        (value, random, indent) => {
          let found: unknown = value;
          const path: (string | number)[] = [];
          while (typeof found === 'object' && found !== null && Object.keys(found).length > 0) {
            const names: string[] = Object.keys(found);
            const name = names[random.next().value! % names.length]!;
            path.push(Array.isArray(found) ? Number(name) : name);
            found = (found as Record<string, unknown>)[name];
          }
          const text = JSON.stringify(value, undefined, indent);
          const [offset] = locateYaml(text, [path]);
          assert.ok(text.startsWith(JSON.stringify(found), offset), `${text} ${offset}`);
        },
      ),
    );
  });

  it('in what nests too deeply to be read are at its beginning', () => {
    assert.deepEqual(locateYaml('['.repeat(5000), [[0, 0], []]), [0, 0]);
  });
});
