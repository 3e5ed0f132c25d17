/** `kube-ipvs explain` beside a real kernel: what it says of it is what ipvsadm, nft and the packets themselves say. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { runCommandLine } from '../../src/cli/command-line.ts';
import type { Explanation } from '../../src/cli/explain/explanation.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { fates } from '../support/explained.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { dismissAgent, KernelNetwork } from '../support/kernel-network.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { parseSurroundings } from '../support/surroundings.ts';
import { parseTraffic } from '../support/traffic.ts';

const surroundings = parseSurroundings([]);
const endpoints = ['10.244.0.11', '10.244.1.12'];
const objects = [
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-a' },
    spec: { podCIDRs: ['10.244.0.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.1.10' }] },
  },
  serviceObject('web', {
    clusterIPs: ['10.96.0.10'],
    ports: [{ name: 'http', port: 80, nodePort: 30_080, protocol: 'TCP', targetPort: 8080 }],
    spec: { type: 'NodePort', externalIPs: ['198.51.100.5'] },
  }),
  sliceObject('web', endpoints, { nodeName: 'node-a' }),
];
const flags = ['--hostname-override', 'node-a', '--cluster-cidr', '10.244.0.0/16'];

describe('kube-ipvs explain', () => {
  let folder: string;
  let file: string;
  let node: KernelNamespace;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    file = join(folder, 'objects.json');
    writeFileSync(file, list(objects));
  });
  after(() => {
    dismissAgent();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    node = new KernelNamespace('explain');
  });
  afterEach(() => node.close());

  /** In this process: to start one costs seconds in an emulated guest. */
  async function run(...words: readonly string[]): Promise<Run> {
    const printed = { stdout: '', stderr: '' };
    const streams = {
      stdin: Readable.from([]),
      stdout: { write: (text: string) => (printed.stdout += text) },
      stderr: { write: (text: string) => (printed.stderr += text) },
    };
    const status = await runCommandLine(
      [...words, ...flags, '--netns', node.name],
      streams,
      new AbortController().signal,
    );
    return { status, ...printed };
  }

  async function explain(...words: readonly string[]): Promise<Explanation> {
    const { status, stdout, stderr } = await run('explain', ...words, '--manifests', file, '-o', 'json');
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout, (_, value: unknown) => value ?? undefined) as Explanation;
  }

  /** All that a reader must leave as it is. */
  function everything(): string {
    return [
      node.text(),
      node.show('nft list ruleset'),
      node.show('sysctl net.ipv4.vs.conntrack net.ipv4.ip_forward'),
    ].join('\n');
  }

  it('says what somebody changed, and what then becomes of packets', async () => {
    const network = await KernelNetwork.around(node.name, surroundings);
    try {
      const reconciled = await run('reconcile', '--once', '--manifests', file);
      assert.equal(reconciled.status, 0, reconciled.stderr);
      const right = await explain('198.51.100.5:80');
      assert.deepEqual(fates(right), [
        'pod any: reaches 10.244.0.11:8080* 10.244.1.12:8080*',
        'host 198.51.100.5: reaches 10.244.0.11:8080* 10.244.1.12:8080*',
        'external any: reaches 10.244.0.11:8080* 10.244.1.12:8080*',
      ]);
      assert.deepEqual(right.differences, []);

      node.run(
        '-d -t 198.51.100.5:80 -r 10.244.0.11:8080',
        '-e -t 198.51.100.5:80 -r 10.244.1.12:8080 -m -w 7',
        'nft delete element ip kube-ipvs masqueraded { 198.51.100.5 . tcp . 80 }',
        '-a -t 10.96.0.10:80 -r 10.244.9.9:8080 -m -w 0',
        '-D -t 192.168.1.10:30080',
      );
      const before = everything();
      const changed = await explain('198.51.100.5:80', '--from', '10.244.0.20');
      assert.deepEqual(
        changed.endpoints.map(({ id, state, weight, kernel }) => [id, state, weight, kernel?.weight]),
        [
          ['10.244.0.11:8080', 'missing', 1, undefined],
          ['10.244.1.12:8080', 'differs', 1, 7],
        ],
      );
      assert.deepEqual(changed.differences, [
        'nft add element ip kube-ipvs masqueraded { 198.51.100.5 . tcp . 80 }',
        '-a -t 198.51.100.5:80 -r 10.244.0.11:8080 -m -w 1',
        '-e -t 198.51.100.5:80 -r 10.244.1.12:8080 -m -w 1',
      ]);
      assert.deepEqual(fates(changed), [
        'pod 10.244.0.20: reaches 10.244.0.11:8080* 10.244.1.12:8080* | reaches 10.244.1.12:8080',
      ]);
      const extra = await explain('10.96.0.10:80');
      assert.deepEqual(extra.differences, ['-d -t 10.96.0.10:80 -r 10.244.9.9:8080']);
      assert.deepEqual(extra.endpoints.at(-1)?.state, 'draining');
      const gone = await explain('192.168.1.10:30080', '--from', '10.244.0.20');
      assert.match(fates(gone).join(), / \| host$/);
      assert.equal(everything(), before);

      const lines = [
        'pod -> 198.51.100.5:80/TCP  answered by web-2 from 10.244.0.20',
        'pod -> 192.168.1.10:30080/TCP  refused',
      ];
      const seen = await network.observe(lines.map(parseTraffic));
      assert.deepEqual(
        seen.map((outcomes) => [...new Set(outcomes)]),
        [['web-2 10.244.0.20'], ['refused']],
      );
    } finally {
      await network.close();
    }
  });

  it('makes nothing, and says in one line that it lacks CAP_NET_ADMIN', async () => {
    const before = everything();
    const words = ['explain', '10.96.0.10:80', '--manifests', file, ...flags, '--netns', node.name];
    const told = await kubeIpvs(words);
    assert.equal(told.status, 0, told.stderr);
    assert.match(told.stdout, /^Kernel: {6}no virtual service; not as it should be, see below$/m);
    assert.equal(everything(), before);
    const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'];
    const refused = await kubeIpvs(words, { prefix: without });
    assert.deepEqual([refused.status, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^kube-ipvs: .*CAP_NET_ADMIN.*\n$/);
  });
});
