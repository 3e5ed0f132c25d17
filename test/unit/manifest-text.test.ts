/** Text that is broken, odd or hostile: what is said about it, and where. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventText, problemLines, readText, serviceText, synced } from '../support/manifest-files.ts';

describe('lines and columns', () => {
  const bad = {
    metadata: { name: 'x' },
    spec: { clusterIP: '1.2.3.4', ports: [{ port: 1 }, { name: 'b', port: 70000 }] },
  };
  const typed = { apiVersion: 'v1', kind: 'Service', ...bad };
  const rows: readonly (readonly [string, string, string])[] = [
    [
      'in a document',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: x\nspec:\n  clusterIP: 1.2.3.4\n  ports:\n  - port: 1\n  - name: b\n    port: 70000\n',
      '10:11',
    ],
    ['in the second document', `---\na: b\nkind: X\napiVersion: v1\n---\n\n${JSON.stringify(typed)}\n`, '7:130'],
    [
      'in an item of a List',
      `apiVersion: v1\nitems:\n- kind: X\n  apiVersion: v1\n- apiVersion: v1\n  kind: Service\n  metadata: {name: x}\n  spec:\n    clusterIP: 1.2.3.4\n    ports:\n    - port: 1\n    - name: b\n      port: 70000\nkind: List\n`,
      '13:13',
    ],
    [
      'in an item of an indented List',
      'kind: List\napiVersion: v1\nitems:\n  - kind: Service\n    apiVersion: v1\n    metadata: {name: x}\n    spec: {clusterIP: 1.2.3.4, ports: [{port: 1}, {name: b, port: 70000}]}\n',
      '7:67',
    ],
    [
      'in a List in a List',
      `apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: Service\n    metadata: {name: x}\n    spec: {clusterIP: 1.2.3.4, ports: [{port: 1}, {name: b, port: 70000}]}\nkind: List\n`,
      '9:67',
    ],
    [
      'in JSON',
      JSON.stringify(
        {
          kind: 'ServiceList',
          apiVersion: 'v1',
          items: [{ metadata: { name: 'n', annotations: { 'a\\"': '}]"' } }, spec: { clusterIP: 'None' } }, bad],
        },
        undefined,
        2,
      ),
      '28:21',
    ],
    ['in JSON in one line', JSON.stringify(typed), '1:130'],
    [
      'in JSON behind other JSON',
      `${JSON.stringify({ kind: 'X', apiVersion: 'v1' })}\n\n  ${JSON.stringify(typed)}`,
      '3:132',
    ],
    [
      'behind an alias, where its anchor is',
      `kind: List\napiVersion: v1\nitems:\n- {kind: X, apiVersion: v1, spec: &ports [{port: 1}, {name: b, port: 70000}]}\n- {kind: Service, apiVersion: v1, metadata: {name: x}, spec: {clusterIP: 1.2.3.4, ports: *ports}}\n`,
      '4:70',
    ],
  ];
  for (const [sentence, text, position] of rows) {
    it(`are right ${sentence}`, async () => {
      assert.deepEqual(problemLines(await readText(text)), [
        `value stdin:${position}: Service default/x: spec.ports[1].port is 70000: not a port; write a whole number from 1 to 65535`,
      ]);
    });
  }

  it('are those of the map around what is missing', async () => {
    const text =
      'apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    labels: {}\n  spec: {}\nkind: List\n';
    assert.deepEqual(problemLines(await readText(text)), [
      'shape stdin:6:5: Service: metadata.name is missing; write a text',
    ]);
    const json = '{\n "apiVersion": "v1",\n "kind": "Service",\n "metadata": {"a": 1}\n}';
    assert.deepEqual(problemLines(await readText(json)), [
      'shape stdin:4:14: Service: metadata.name is missing; write a text',
    ]);
  });
});

describe('broken text', () => {
  const rows: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'in one item does not hide what is wrong in others',
      'apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n   name: a\n    namespace: b\n- apiVersion: v1\n  kind: 3\n- "open\nkind: List\n',
      [
        'syntax stdin:7:14: not YAML: bad indentation of a mapping entry',
        'shape stdin:9:9: kind is the number 3; write the kind of the object, such as Service',
        'syntax stdin:11:1: not YAML: deficient indentation',
      ],
    ],
    [
      'around the items of a List is told',
      'apiVersion: v1\nitems:\n- kind: X\n  apiVersion: v1\nkind: List\nkind: List\n',
      ['syntax stdin:6:1: not YAML: duplicated mapping key'],
    ],
    [
      'of an item left of the others is told',
      'kind: List\nitems:\n  - {kind: X, apiVersion: v1}\n- {kind: Y, apiVersion: v1}\n',
      ['syntax stdin:4:1: not YAML: end of the stream or a document separator is expected'],
    ],
    [
      'in JSON is told where it is',
      '{"kind": "List",\n "items": [1}',
      ['syntax stdin:2:13: not JSON: missed comma between flow collection entries'],
    ],
    [
      'in one of several JSON values does not hide the others',
      '{"kind": 1}\n{"kind": "X", "apiVersion"}\n\n{"kind": "X",\n "apiVersion": }\n[{"a": 1]\n',
      [
        'shape stdin:1:10: kind is the number 1; write the kind of the object, such as Service',
        "shape stdin:2:15: apiVersion is missing; write the version of the object's API, such as v1",
        "shape stdin:5:2: apiVersion is missing; write the version of the object's API, such as v1",
        'syntax stdin:6:9: not JSON: missed comma between flow collection entries',
      ],
    ],
    [
      'that ends too early says so',
      '{"kind": "List",\n "items": [',
      ['syntax stdin:2:12: not JSON: unexpected end of the stream within a flow collection'],
    ],
    [
      'with an unfinished string says so',
      '{"kind": "List',
      ['syntax stdin:1:15: not JSON: unexpected end of the stream within a double quoted scalar'],
    ],
    [
      'that refers to nothing names it',
      'a: 1\nkind: X\napiVersion: v1\nspec: *nothing\n',
      ['syntax stdin:4:7: not YAML: unidentified alias "nothing"'],
    ],
    [
      'that is no object says what would be',
      'hello\n---\n- 1\n---\n17\n',
      [
        'shape stdin:1:1: here is the text "hello"; write Kubernetes objects, each with apiVersion, kind and metadata',
        'shape stdin:3:1: here is a list; write Kubernetes objects, each with apiVersion, kind and metadata',
        'shape stdin:5:1: here is the number 17; write Kubernetes objects, each with apiVersion, kind and metadata',
      ],
    ],
    [
      'without kind or version says so',
      'metadata: {name: a}\n---\nkind: Service\n---\nkind: List\napiVersion: v1\nitems: {}\n',
      [
        'shape stdin:1:1: kind is missing; write the kind of the object, such as Service',
        "shape stdin:3:1: apiVersion is missing; write the version of the object's API, such as v1",
        'shape stdin:7:8: items is a map; write a list of objects',
      ],
    ],
    [
      'that reads an odd name as a boolean asks for quotes',
      serviceText('on', '10.96.0.1'),
      ['shape stdin:3:18: Service: metadata.name is the boolean true; a text is needed: put it in quotes'],
    ],
  ];
  for (const [sentence, text, expected] of rows) {
    it(sentence, async () => {
      assert.deepEqual(problemLines(await readText(text)), expected);
    });
  }

  it('in flow style that only looks like JSON is YAML', async () => {
    const manifests = await readText(
      '{"kind": "Service", apiVersion: v1, metadata: {name: a,}, spec: {clusterIP: 10.96.0.1}} # yes\n',
    );
    assert.deepEqual(
      [problemLines(manifests), manifests.events.map(eventText)],
      [[], ['set service default/a', ...synced]],
    );
  });
});

describe('names that YAML tools like to change', () => {
  for (const [written, meant] of [
    ['e1', 'e1'],
    ['2026-11-20', '2026-11-20'],
    ['1.2.3', '1.2.3'],
    ['"on"', 'on'],
    ["'123'", '123'],
    ['12e', '12e'],
  ] as const) {
    for (const [style, text] of [
      ['block', `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${written}\nspec:\n  clusterIP: 10.96.0.1\n`],
      ['flow', serviceText(written, '10.96.0.1')],
    ] as const) {
      it(`${written} stays a text in ${style} style`, async () => {
        const manifests = await readText(text);
        assert.deepEqual(
          [problemLines(manifests), eventText(manifests.events[0]!)],
          [[], `set service default/${meant}`],
        );
      });
    }
  }

  it('and IPv6 addresses stay addresses, also where YAML 1.1 sees base sixty', async () => {
    const manifests = await readText(
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  clusterIP: 1:2:3:4:5:6:7:8\n',
    );
    const [event] = manifests.events;
    assert.ok(event?.kind === 'service' && event.verb === 'set');
    assert.deepEqual(event.service.clusterIPs, ['1:2:3:4:5:6:7:8']);
  });

  it('and an unquoted time stays a time', async () => {
    const manifests = await readText(
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, creationTimestamp: 2026-11-20T18:27:00Z}\nspec: {clusterIP: 10.96.0.1}\n',
    );
    const [event] = manifests.events;
    assert.ok(event?.kind === 'service' && event.verb === 'set');
    assert.equal(event.service.createdAt, '2026-11-20T18:27:00Z');
  });
});

describe('hostile text', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`),
  ].join('\n');
  const nested = '{"kind":"List","apiVersion":"v1","items":['.repeat(20_000) + ']}'.repeat(20_000);
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ['an alias bomb', bomb, /^shape stdin:1:1: kind is missing/],
    [
      'a bomb of Lists',
      `kind: List\napiVersion: v1\nmetadata:\n- &a {kind: List, apiVersion: v1, items: []}\n${'bcdefghi'
        .split('')
        .map(
          (name, i) =>
            `- &${name} {kind: List, apiVersion: v1, items: [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]}\n`,
        )
        .join('')}items: [*i]\n`,
      /^shape stdin:4:\d+: the same List stands here once more, by an alias; leave it out/,
    ],
    [
      'a List that holds itself',
      '&a\nkind: List\napiVersion: v1\nitems: [*a]\n',
      /^shape stdin:4:8: the same List stands here once more/,
    ],
    [
      'a crowd of aliases',
      `kind: X\napiVersion: v1\na: &a 1\nb: [${'*a, '.repeat(101)}]\n`,
      /^syntax stdin:4:\d+: not YAML: aliases exceeded/,
    ],
    ['deep YAML', `kind: X\na: ${'['.repeat(100_000)}`, /^syntax stdin:/],
    [
      'deep block YAML',
      Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /^(syntax|shape) stdin:/,
    ],
    ['deep JSON', '['.repeat(1_000_000), /^syntax stdin:1:1000: not JSON: nesting exceeded/],
    ['Lists in Lists in Lists', nested, /^shape stdin:1:\d+: there are more than 32 Lists in one another/],
    [
      'control characters in a name',
      JSON.stringify({ kind: 'Service', apiVersion: 'v1', metadata: { name: 'a\u0000\u001b[31m\u202eb\nc' } }),
      /^value stdin:1:\d+: Service: metadata.name is "a\\u0000\\u001b\[31m\\u202eb\\nc": not a name/,
    ],
    [
      'a name of a million letters',
      serviceText('x'.repeat(1_000_000), '10.96.0.1'),
      /^value stdin:3:18: Service: metadata.name is "x{80}…": not a name/,
    ],
  ];
  for (const [sentence, text, expected] of rows) {
    it(`${sentence} is one short line`, async () => {
      const [line] = problemLines(await readText(text));
      assert.match(line ?? 'nothing was wrong', expected);
      assert.ok(line!.length < 600, `${line!.length} characters`);
    });
  }

  it('a key __proto__ changes nothing', async () => {
    for (const text of [
      '__proto__: {kind: Service, apiVersion: v1}\nmetadata: {name: a}\n',
      '{"__proto__": {"kind": "Service", "apiVersion": "v1"}}',
      'kind: X\napiVersion: v1\nmetadata:\n  __proto__:\n    polluted: 1\n',
    ]) {
      const manifests = await readText(text);
      assert.deepEqual(manifests.counts, { services: 0, endpointSlices: 0, nodes: 0 });
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  it('a field of a megabyte is read', async () => {
    const note = 'x'.repeat(1_000_000);
    const text = `apiVersion: v1\nkind: Service\nmetadata:\n  annotations:\n    note: ${note}\n    digits: ${'1'.repeat(100_000)}x\n  name: a\nspec:\n  clusterIP: 10.96.0.1\n`;
    const manifests = await readText(text);
    assert.deepEqual([problemLines(manifests), manifests.counts.services], [[], 1]);
  });
});
