/** Files → events, counts, warnings. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, { readFile, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { readYaml } from '../../src/watch/yaml-text.ts';
import {
  eventText,
  problemLines,
  readPaths,
  readText,
  samplePath,
  serviceText,
  synced,
  writeManifests,
} from '../support/manifest-files.ts';

describe('what kubectl prints', () => {
  it('becomes set events in order, then three synced', async () => {
    const manifests = await readPaths([samplePath('cluster.yaml')]);
    assert.deepEqual(problemLines(manifests), []);
    assert.deepEqual(manifests.events.map(eventText), [
      'set service default/kubernetes',
      'set service demo/edge',
      'set service demo/web',
      'set slice demo/edge-v4',
      'set slice demo/edge-v6',
      'set slice demo/web-abcde',
      'set node node-a',
      ...synced,
    ]);
    assert.deepEqual(manifests.counts, { services: 4, endpointSlices: 3, nodes: 1 });
    assert.deepEqual([manifests.notForUs, manifests.ignored.size], [1, 0]);
  });

  it('says what the objects say', async () => {
    const { events } = await readPaths([samplePath('cluster.yaml')]);
    assert.deepEqual(events[1], {
      kind: 'service',
      verb: 'set',
      service: {
        name: 'demo/edge',
        uid: 'a39aad69-08f3-4ed0-9f76-56fe9991d2f6',
        createdAt: '2026-11-20T18:27:00Z',
        clusterIPs: ['10.100.10.218', 'fd00:10:96::d:d4b5'],
        ports: [{ name: 'https', protocol: 'TCP', port: 443, nodePort: 31484 }],
        affinityTimeout: undefined,
        internalTrafficPolicy: 'Cluster',
        externalTrafficPolicy: 'Local',
        externalIPs: ['203.0.113.7'],
        loadBalancerIPs: ['198.51.100.4'],
        sourceRanges: [
          { address: '10.0.0.0', prefix: 8 },
          { address: '10.1.0.0', prefix: 16 },
        ],
        healthCheckNodePort: 32638,
        tuning: { scheduler: undefined, schedulerFlags: undefined, drainTimeout: undefined, weights: [] },
      },
    });
    const slice = events[5];
    assert.ok(slice?.kind === 'endpointSlice' && slice.verb === 'set');
    assert.deepEqual(slice.slice.endpoints.at(-1), {
      address: '10.244.2.12',
      ready: false,
      serving: true,
      terminating: true,
      nodeName: 'node-b',
      zone: 'zone-b',
      zones: [],
      nodes: [],
    });
    assert.deepEqual(events[6], {
      kind: 'node',
      verb: 'set',
      node: {
        name: 'node-a',
        zone: 'zone-a',
        addresses: ['10.0.2.15'],
        podCIDRs: [{ address: '10.244.1.0', prefix: 24 }],
        eligible: true,
      },
    });
  });

  it('is the same as JSON, as documents, with other line ends, with a byte order mark, with tabs and with comments', async () => {
    const text = await readFile(samplePath('cluster.yaml'), 'utf8');
    const { events } = await readText(text);
    const reading = readYaml(text);
    assert.ok('value' in reading);
    const list = reading.value as { readonly items: readonly unknown[] };
    const forms: Readonly<Record<string, string>> = {
      JSON: JSON.stringify(list, undefined, 4),
      'JSON in one line': JSON.stringify(list),
      'JSON values behind one another': list.items.map((item) => JSON.stringify(item)).join('\n'),
      'JSON documents': list.items.map((item) => JSON.stringify(item)).join('\n---\n'),
      'a List in a List': JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [list, { kind: 'List', apiVersion: 'v1', items: null }],
      }),
      'CR LF': text.replaceAll('\n', '\r\n'),
      CR: text.replaceAll('\n', '\r'),
      'CR between items': text.replaceAll('\n  - ', '\r  - '),
      'a byte order mark': `\ufeff${text}`,
      'a marker in front and one behind': `---\n${text}...\n---\n# the end\n`,
      'a directive': `%YAML 1.1\n---\n${text}`,
      comments: text.replaceAll('\n  - ', '\n# next\n  - ').replace('items:\n', 'items: \n\n'),
      'a tab between items': text.replaceAll('\n  - ', '\n \t\n  - '),
      'a tab in front of comments': text.replaceAll('\n  - ', '\n\t# next\n  - '),
      'items indented': text.replaceAll(/^(?=[ -] )/gm, '  '),
      'kind in front': `kind: List\n${text.replace('\nkind: List\n', '\n')}`,
    };
    for (const [form, other] of Object.entries(forms)) {
      const manifests = await readText(other);
      assert.deepEqual([form, problemLines(manifests), manifests.events], [form, [], events]);
    }
  });

  it('may be a typed list, whose items do not say what they are', async () => {
    const manifests = await readPaths([samplePath('service-list.json')]);
    assert.deepEqual(problemLines(manifests), []);
    assert.deepEqual(manifests.events.map(eventText), [
      'set service default/kubernetes',
      'set service demo/edge',
      ...synced,
    ]);
  });

  it('is no text of what an API server answers when it refuses: a cluster without Services says something else', async () => {
    const refusal =
      '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services is forbidden","code":403}';
    const manifests = await readText(refusal);
    assert.deepEqual(
      manifests.problems.map((problem) => [problem.class, problem.message]),
      [
        [
          'shape',
          'here is what an API server answers in place of objects ("services is forbidden"); ask it for the objects again',
        ],
      ],
    );
  });

  it('of a cluster without anything is nothing', async () => {
    for (const text of [
      '',
      '\n# nothing\n',
      '---\n---\n',
      'apiVersion: v1\nitems: []\nkind: List\n',
      'apiVersion: v1\nitems:\nkind: List\n',
      '{"kind":"List","apiVersion":"v1","items":[]}',
    ]) {
      const manifests = await readText(text);
      assert.deepEqual([problemLines(manifests), manifests.events.map(eventText)], [[], synced], JSON.stringify(text));
    }
  });
});

describe('objects of other kinds', () => {
  it('are counted and left alone, also those that share a name with ours', async () => {
    const kinds = [
      'kind: Deployment\napiVersion: apps/v1\nspec: [nonsense]',
      'kind: Deployment\napiVersion: apps/v1',
      'kind: Endpoints\napiVersion: v1',
      'kind: Service\napiVersion: serving.knative.dev/v1',
      'kind: Node\napiVersion: example.com/v1',
      'kind: AllowList\napiVersion: example.com/v1\nspec: {}',
      'kind: PodList\napiVersion: v1\nitems:\n- {metadata: {name: a}}\n- {metadata: {name: b}}',
    ];
    const slice = sliceText('web-1', 'web');
    const manifests = await readText([...kinds, slice].join('\n---\n'));
    assert.deepEqual(problemLines(manifests), []);
    assert.deepEqual(
      [...manifests.ignored],
      [
        ['Deployment', 2],
        ['Endpoints', 1],
        ['Service (serving.knative.dev/v1)', 1],
        ['Node (example.com/v1)', 1],
        ['AllowList', 1],
        ['Pod', 2],
      ],
    );
    assert.deepEqual(manifests.counts, { services: 0, endpointSlices: 1, nodes: 0 });
  });

  it('are told where they are Endpoints that nobody reads, and no EndpointSlice stands beside them', async () => {
    const manifests = await readText(`${serviceText('web', '10.96.0.1')}\n---\nkind: Endpoints\napiVersion: v1\n`);
    assert.deepEqual(
      problemLines(manifests).map((line) => line.replace(/^.*: Endp/, 'Endp')),
      [
        'Endpoints are not read, and there is no EndpointSlice: no Service has destinations; give the EndpointSlices (kubectl get endpointslices)',
      ],
    );
  });
});

describe('objects of ours in another version', () => {
  it('cannot be read, and are not taken for nothing', async () => {
    const other = sliceText('web-1', 'web').replace('discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1');
    const manifests = await readText(other);
    assert.deepEqual(
      problemLines(manifests).map((line) => line.replace(/^.*(?=EndpointSlice)/, '')),
      [
        'EndpointSlice default/web-1: apiVersion is "discovery.k8s.io/v1beta1": not the version that is read; give it as discovery.k8s.io/v1',
      ],
    );
    assert.deepEqual(manifests.events[0], {
      kind: 'unreadable',
      object: 'EndpointSlice',
      name: 'default/web-1',
      service: 'default/web',
    });
    assert.deepEqual([...manifests.ignored], []);
  });

  it('may be such without the group, which is easily forgotten', async () => {
    const manifests = await readText(sliceText('web-1', 'web').replace('discovery.k8s.io/v1', 'v1'));
    assert.match(problemLines(manifests).join(), /apiVersion is "v1": .*; give it as discovery\.k8s\.io\/v1$/);
  });

  it('are left alone where they would not be for us', async () => {
    const other = serviceText('web', 'None').replace('apiVersion: v1', 'apiVersion: v1beta3');
    const manifests = await readText(other);
    assert.deepEqual([problemLines(manifests), manifests.events.map(eventText)], [[], synced]);
  });
});

describe('paths', () => {
  it('may be files, folders and standard input; a folder’s manifests are read by name, deep, without dot files', async (test) => {
    const folder = await writeManifests(test, {
      'all/b.yml': serviceText('b', '10.96.0.2'),
      'all/a.YAML': serviceText('a', '10.96.0.1'),
      'all/aa/deep.json': JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'deep' },
        spec: { clusterIP: '10.96.0.3' },
      }),
      'all/notes.txt': 'not: [yaml',
      'all/.hidden.yaml': 'not: [yaml',
      'all/..2026/a.yaml': 'not: [yaml',
      'list.conf': serviceText('conf', '10.96.0.4'),
    });
    const stdin = Readable.from([Buffer.from(serviceText('stdin', '10.96.0.5'))]);
    const manifests = await readPaths([join(folder, 'list.conf'), '-', join(folder, 'all')], { stdin });
    assert.deepEqual(problemLines(manifests), []);
    assert.deepEqual(manifests.events.map(eventText), [
      'set service default/conf',
      'set service default/stdin',
      'set service default/a',
      'set service default/deep',
      'set service default/b',
      ...synced,
    ]);
  });

  it('are not left out because a folder within cannot be looked at', async (test) => {
    const folder = await writeManifests(test, {
      'a.yaml': serviceText('a', '10.96.0.1'),
      'sub/b.yaml': serviceText('b', '10.96.0.2'),
    });
    const { stat } = fs;
    test.mock.method(fs, 'stat', (path: string) =>
      path.endsWith('/sub')
        ? Promise.reject(Object.assign(new Error(`EIO: i/o error, stat '${path}'`), { code: 'EIO' }))
        : stat(path),
    );
    syncBuiltinESMExports();
    const manifests = await readPaths([folder]);
    test.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(
      problemLines(manifests).map((line) => line.replaceAll(folder, '')),
      ["syntax : cannot be read: EIO: i/o error, stat '/sub' (EIO); check the path"],
    );
  });

  it('that lead nowhere, in circles or twice to standard input are problems of the whole file', async (test) => {
    const folder = await writeManifests(test, { 'a/a.yaml': serviceText('a', '10.96.0.1'), 'empty/readme': '' });
    await symlink(join(folder, 'a'), join(folder, 'a', 'again'));
    await symlink(join(folder, 'nowhere'), join(folder, 'a', 'dangling.yaml'));
    const manifests = await readPaths([
      join(folder, 'a'),
      join(folder, 'missing.yaml'),
      join(folder, 'empty'),
      '-',
      '-',
    ]);
    assert.deepEqual(
      problemLines(manifests).map((line) => line.replaceAll(folder, '')),
      [
        'syntax /a/dangling.yaml: no such file or folder (ENOENT); check the path',
        'syntax /missing.yaml: no such file or folder (ENOENT); check the path',
        'syntax stdin: standard input can be read only once; write - once',
        'warning /empty: the folder holds no *.yaml, *.yml or *.json; give the folder that holds the manifests',
      ],
    );
    assert.deepEqual(manifests.counts, { services: 1, endpointSlices: 0, nodes: 0 });
  });

  it('may be pipes where they are named, not where they lie in a folder', async (test) => {
    const folder = await writeManifests(test, {});
    const pipe = join(folder, 'pipe.yaml');
    execFileSync('mkfifo', [pipe]);
    assert.deepEqual(
      problemLines(await readPaths([folder])).map((line) => line.replaceAll(folder, '')),
      ['syntax /pipe.yaml: a pipe, a socket or a device is no manifest; put a file there, or take it away'],
    );
    const [manifests] = await Promise.all([readPaths([pipe]), writeFile(pipe, serviceText('a', '10.96.0.1'))]);
    assert.deepEqual(manifests.events.map(eventText), ['set service default/a', ...synced]);
  });

  it('of what is no text are refused by name', async (test) => {
    const folder = await writeManifests(test, {
      'binary.yaml': Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0]),
      'latin.yaml': Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]),
      'utf16.yaml': Buffer.from([0xff, 0xfe, 0x61, 0x00]),
    });
    assert.deepEqual(
      problemLines(await readPaths([folder])).map((line) => line.replaceAll(folder, '')),
      [
        'syntax /binary.yaml: the file is no text (a zero byte at offset 4); give YAML or JSON in UTF-8',
        'syntax /latin.yaml: the file is no UTF-8 text; give YAML or JSON in UTF-8',
        'syntax /utf16.yaml: the file is UTF-16; save it as UTF-8',
      ],
    );
  });
});

describe('the same object twice', () => {
  it('counts as it was read last, and both places are told', async (test) => {
    const folder = await writeManifests(test, {
      'a.yaml': `${serviceText('web', '10.96.0.1')}---\n${serviceText('api', '10.96.0.9')}`,
      'b.json': `{"kind": "ServiceList", "apiVersion": "v1", "items": [\n  {"metadata": {"name": "web"}, "spec": {"clusterIP": "10.96.0.2"}}]}`,
    });
    const manifests = await readPaths([folder]);
    assert.deepEqual(
      problemLines(manifests).map((line) => line.replaceAll(`${folder}/`, '')),
      ['warning b.json:2:3: Service default/web: this one, the last, counts; leave out the one at a.yaml:1:1'],
    );
    const [api, web] = manifests.events;
    assert.equal(eventText(api!), 'set service default/api');
    assert.ok(web?.kind === 'service' && web.verb === 'set');
    assert.deepEqual(web.service.clusterIPs, ['10.96.0.2']);
    assert.equal(manifests.counts.services, 2);
  });

  it('is gone when the last one is not for us, and unreadable when the last one is refused', async () => {
    const manifests = await readText(
      [
        serviceText('a', '10.96.0.1'),
        serviceText('b', '10.96.0.2'),
        serviceText('a', 'None'),
        serviceText('b', 'nonsense'),
      ].join('---\n'),
    );
    assert.deepEqual(manifests.events.map(eventText), ['unreadable Service default/b', ...synced]);
  });
});

describe('a refused object', () => {
  it('is unreadable behind all that is set, and a bad endpoint refuses nothing else', async () => {
    const manifests = await readText(`apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: bad
  spec:
    clusterIP: 10.96.0.300
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata:
    name: slice
    labels:
      kubernetes.io/service-name: good
  addressType: IPv4
  endpoints:
  - addresses:
    - fd00::1
  - addresses:
    - 10.244.0.1
- apiVersion: v1
  kind: Service
  metadata:
    name: good
  spec:
    clusterIP: 10.96.0.1
`);
    assert.deepEqual(problemLines(manifests), [
      'value stdin:9:16: Service default/bad: spec.clusterIP is "10.96.0.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
      'value stdin:19:7: EndpointSlice default/slice: endpoints[0].addresses[0] is "fd00::1": not an IPv4 address, which addressType says it is; put it into a slice of its own type',
    ]);
    assert.deepEqual(manifests.problems[0], {
      class: 'value',
      file: 'stdin',
      line: 9,
      column: 16,
      object: 'Service default/bad',
      field: 'spec.clusterIP',
      message:
        'spec.clusterIP is "10.96.0.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
    });
    assert.deepEqual(manifests.events.map(eventText), [
      'set slice default/slice',
      'set service default/good',
      'unreadable Service default/bad',
      ...synced,
    ]);
  });
});

function sliceText(name: string, service: string): string {
  const metadata = `{name: ${name}, labels: {kubernetes.io/service-name: ${service}}}`;
  return `kind: EndpointSlice\napiVersion: discovery.k8s.io/v1\nmetadata: ${metadata}\naddressType: IPv4\nendpoints: []\n`;
}

function node(name: string): string {
  return `kind: Node\napiVersion: v1\nmetadata: {name: ${name}}\n`;
}

describe('a bad annotation', () => {
  it('is a warning at its line, and the Service is set', async () => {
    const text = [
      'apiVersion: v1',
      'kind: Service',
      'metadata:',
      '  name: web',
      '  annotations:',
      '    example.org/color: blue',
      '    kube-ipvs.io/drain-timeout: "30"',
      'spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}',
    ].join('\n');
    const manifests = await readText(text);
    assert.deepEqual(problemLines(manifests), [
      'warning stdin:7:33: Service default/web: metadata.annotations["kube-ipvs.io/drain-timeout"] is "30": ' +
        'ignored, it is no duration from 0s; write one such as 30s or 1m30s',
    ]);
    assert.deepEqual(manifests.events.map(eventText), ['set service default/web', ...synced]);
  });
});

describe('the node', () => {
  it('is told to be missing when there are others', async () => {
    const manifests = await readText(`${node('b')}---\n${node('c')}`);
    assert.deepEqual(problemLines(manifests), [
      'warning stdin:1:1: no Node is named "node-a", only b, c: zone hints are not used; name one with --hostname-override',
    ]);
    assert.deepEqual([manifests.counts.nodes, manifests.notForUs], [2, 2]);
  });

  it('is not missed when there are no Nodes at all', async () => {
    assert.deepEqual(problemLines(await readText(serviceText('a', '10.96.0.1'))), []);
  });
});

describe('long reading', () => {
  const text = `apiVersion: v1\nitems:\n${Array.from({ length: 5000 }, (_, i) => `- apiVersion: v1\n  kind: Service\n  metadata:\n    name: s${i}\n  spec:\n    clusterIP: 10.96.${i >> 8}.${i & 255}\n`).join('')}kind: List\n`;

  it('tells its progress up to the end', async () => {
    const told: number[] = [];
    const manifests = await readPaths(['-'], {
      stdin: Readable.from([Buffer.from(text)]),
      onProgress: (done, total) => {
        assert.equal(total, text.length);
        told.push(done);
      },
    });
    assert.equal(manifests.counts.services, 5000);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    assert.equal(told.at(-1), text.length);
  });

  it('ends with the reason when it is aborted, before it begins and in the middle', async () => {
    const reason = new Error('enough');
    await assert.rejects(readPaths(['-'], { signal: AbortSignal.abort(reason) }), reason);
    const abort = new AbortController();
    const reading = readPaths(['-'], {
      stdin: Readable.from([Buffer.from(text)]),
      signal: abort.signal,
      onProgress: () => abort.abort(reason),
    });
    await assert.rejects(reading, reason);
  });

  it('ends also while a pipe has no writer, or one that says nothing', async (test) => {
    const pipe = join(await writeManifests(test, {}), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const readUntilAborted = () => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('enough')), 10);
      return assert.rejects(readPaths([pipe], { signal: abort.signal }), /enough/);
    };
    await readUntilAborted();
    const writer = await fs.open(pipe, 'r+');
    await writer.write('kind: ');
    await readUntilAborted();
    await writer.close();
  });

  it('ends also while standard input says nothing', async () => {
    const abort = new AbortController();
    const reading = readPaths(['-'], { stdin: new Readable({ read() {} }), signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 10);
    await assert.rejects(reading, /enough/);
  });
});
