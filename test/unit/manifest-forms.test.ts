/** One List in all of the forms that it may be written in. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { dump } from 'js-yaml';
import { problemText } from '../../src/watch/manifests.ts';
import { readText } from '../support/manifest-files.ts';
import fc from '../support/property.ts';

it('a List gives the same events however it is written: cut at its items, whole, as documents, as JSON', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(rawService, rawSlice, rawNode), { maxLength: 6 }), async (items) => {
      const list = { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
      const block = yamlText(list);
      const forms = {
        'as kubectl prints it': block,
        'with comments': block.replaceAll(/^- /gm, '- # item\n  '),
        'with tabs between items': block.replaceAll(/^- /gm, '\t\n\t# item\n- '),
        whole: dump(list, { flowLevel: 1, noRefs: true }),
        documents: items.map((item) => `---\n${yamlText(item)}`).join(''),
        'JSON values': items.map((item) => `${JSON.stringify(item)}\n`).join(''),
        JSON: JSON.stringify(list, undefined, 4),
      };
      const expected = await eventsOf(forms.JSON);
      for (const [form, text] of Object.entries(forms))
        assert.deepEqual([form, await eventsOf(text)], [form, expected], text);
    }),
    { numRuns: 200 },
  );
});

/** As kubectl prints it: no wrapped lines, lists at the column of their keys. */
function yamlText(value: unknown): string {
  return dump(value, { seqNoIndent: true, lineWidth: -1, noRefs: true });
}

async function eventsOf(written: string): Promise<unknown> {
  const manifests = await readText(written);
  const said = (problems: typeof manifests.problems) =>
    problems.map((problem) => problemText({ ...problem, line: 0 }).replace(/stdin:\d+:\d+$/, 'stdin'));
  return [manifests.events, manifests.counts, said(manifests.problems), said(manifests.warnings).toSorted()];
}

const name = fc.constantFrom(...'web api e1 123 on 1e3 null 2026-11-20 a.b-c Bad ü " ~'.split(' '), '- a', 'a: b');
const address = fc.constantFrom(
  ...'10.96.0.1 10.244.0.7 fd00::1 1:2:3:4:5:6:7:8 ::ffff:1.2.3.4 010.1.1.1 10.96.0.300 127.0.0.1'.split(' '),
  '',
);
const port = fc.constantFrom(80, 443, 1, 65535, 0, 70000, undefined);
const text = fc.constantFrom(
  '',
  'plain',
  '# no comment',
  ' lead',
  'trail ',
  'a\nb\n',
  'a\n\n  b',
  '\n',
  'it\'s "it"',
  '{"a":"b"}\n{"c":"d"}\n',
  'ä\t\u0001',
  'a\u2028---\u2028b',
  '%',
  '- x',
  '!',
  'x: y',
);
const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const record = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { noNullPrototype: true });
const metadata = (labels: fc.Arbitrary<object>) =>
  record({
    annotations: fc.dictionary(fc.constantFrom('note', 'k8s.io/note', 'y'), text, {
      maxKeys: 2,
      noNullPrototype: true,
    }),
    labels,
    name,
    namespace: option(name),
    uid: text,
  });
const rawService = record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Service'),
  metadata: metadata(fc.constant({ app: 'web' })),
  spec: record({
    clusterIP: fc.oneof(address, fc.constant('None')),
    clusterIPs: fc.array(address, { maxLength: 2 }),
    ipFamilies: fc.constantFrom([], ['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
    ports: fc.array(record({ name: option(name), port, protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', 'HTTP') }), {
      maxLength: 2,
    }),
    sessionAffinity: fc.constantFrom('None', 'ClientIP'),
  }),
});
const rawSlice = record({
  addressType: fc.constantFrom('IPv4', 'IPv6', 'FQDN'),
  apiVersion: fc.constantFrom('discovery.k8s.io/v1', 'discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1'),
  endpoints: fc.array(
    record({
      addresses: fc.array(address, { maxLength: 2 }),
      conditions: record({ ready: fc.constantFrom(true, false, null) }),
      nodeName: option(name),
    }),
    { maxLength: 3 },
  ),
  kind: fc.constant('EndpointSlice'),
  metadata: metadata(record({ 'kubernetes.io/service-name': name })),
  ports: fc.array(record({ name: option(name), port }), { maxLength: 2 }),
});
const rawNode = record({
  apiVersion: fc.constant('v1'),
  kind: fc.constantFrom('Node', 'Pod'),
  metadata: record({ name: fc.constantFrom('node-a', 'node-b') }),
  status: record({
    addresses: fc.array(record({ address, type: fc.constantFrom('InternalIP', 'Hostname') }), { maxLength: 2 }),
  }),
});
