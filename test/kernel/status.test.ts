/** `kube-ipvs status` without a daemon: the kernel's table, and what of it is ours. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { StatusReport } from '../../src/model/status.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { device, ipvsLines } from '../support/witness.ts';

describe('kube-ipvs status without a daemon', () => {
  let network: Network;
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    network = new Network('status');
  });
  afterEach(() => network.close());

  function onNode(...command: readonly string[]): string {
    return network.run(network.node, ...command);
  }

  function status(...flags: readonly string[]): Promise<Run> {
    return kubeIpvs(['status', '--status-socket', join(folder, 'none.sock'), '--netns', network.node, ...flags]);
  }

  /** Everything that a read must leave as it is. */
  function everything(): unknown[] {
    return [ipvsLines(network.node), device(network.node), onNode('ip', 'addr'), onNode('nft', 'list', 'ruleset')];
  }

  it('tells ours by their address and by our set, and all others as foreign', async () => {
    const web = [
      serviceObject('web', {
        clusterIPs: ['10.96.0.10'],
        ports: [{ name: 'http', port: 80, nodePort: 30_080, protocol: 'TCP', targetPort: 8080 }],
        spec: { type: 'NodePort' },
      }),
      sliceObject('web', ['10.244.0.1', '10.244.0.2']),
    ];
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, list(web));
    network.join('uplink', []);
    onNode('ip', 'address', 'add', '192.168.1.10/24', 'dev', 'to-uplink');
    const flags = ['--manifests', file, '--netns', network.node, '--nodeport-addresses', '192.168.1.0/24'];
    const reconciled = await kubeIpvs(['reconcile', '--once', ...flags]);
    assert.equal(reconciled.status, 0, reconciled.stderr);
    for (const line of [
      '-A -u [2001:db8::1]:53 -s sh -b sh-port',
      '-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -m -w 3',
      '-A -t 192.0.2.1:80 -s wlc -p 120',
      '-a -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 0',
      '-A -f 7 -s rr',
    ]) {
      onNode('ipvsadm', ...line.split(' '));
    }
    const before = everything();

    const run = await status();
    assert.deepEqual([run.status, run.stderr], [0, '']);
    assert.equal(
      run.stdout,
      `\
no daemon answers at ${folder}/none.sock: this is what the kernel says

VIRTUAL SERVICE         SCHEDULER  OPTIONS     STATE
  -> DESTINATION        WEIGHT  ACTIVE  INACTIVE  STATE
10.96.0.10:80/TCP       rr                     ours
  -> 10.244.0.1:8080         1       0         0  serving
  -> 10.244.0.2:8080         1       0         0  serving
192.0.2.1:80/TCP        wlc        -p 120      foreign
  -> 198.51.100.1:80         0       0         0  draining
192.168.1.10:30080/TCP  rr                     ours
  -> 10.244.0.1:8080         1       0         0  serving
  -> 10.244.0.2:8080         1       0         0  serving
[2001:db8::1]:53/UDP    sh         -b sh-port  foreign
  -> [2001:db8::2]:53        3       0         0  serving
`,
    );

    const report = JSON.parse((await status('-o', 'json')).stdout) as StatusReport;
    assert.equal(report.daemon, null);
    assert.deepEqual(report.virtualServices.map(({ id, state, owner }) => [id, state, owner]).toSorted(byId), [
      ['10.96.0.10:80/TCP', 'ours', null],
      ['192.0.2.1:80/TCP', 'foreign', null],
      ['192.168.1.10:30080/TCP', 'ours', null],
      ['[2001:db8::1]:53/UDP', 'foreign', null],
    ]);
    assert.deepEqual(everything(), before);
  });

  it('makes nothing in a namespace that has nothing', async () => {
    const before = everything();
    const run = await status();
    assert.deepEqual([run.status, run.stdout.split('\n').slice(2)], [0, ['no virtual services', '']]);
    assert.deepEqual(everything(), before);
  });

  it('counts connections as they are', async () => {
    const client = network.join('client', ['192.0.2.7']);
    const pod = network.join('pod', ['10.244.0.1']);
    await network.serve(pod, 'TCP', 8080, 'web');
    onNode('ip', 'address', 'add', '10.96.0.10/32', 'dev', 'lo');
    onNode('ipvsadm', '-A', '-t', '10.96.0.10:80', '-s', 'rr');
    onNode('ipvsadm', '-a', '-t', '10.96.0.10:80', '-r', '10.244.0.1:8080', '-m');
    const connection = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await connection.ask(), 'web');
    const { stdout } = await status('-o', 'wide');
    assert.match(stdout, /^ {2}-> 10\.244\.0\.1:8080 +1 +1 +0 {2}serving$/m);
  });

  it('calls nothing ours for the sake of a kube-ipvs0 that is not', async () => {
    onNode('ip', 'link', 'add', 'kube-ipvs0', 'type', 'bridge');
    onNode('ip', 'address', 'add', '10.96.0.10/32', 'dev', 'kube-ipvs0');
    onNode('ipvsadm', '-A', '-t', '10.96.0.10:80', '-s', 'rr');
    const run = await status();
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /^10\.96\.0\.10:80\/TCP {2}rr {9}foreign$/m);
  });

  it('says in one line that it lacks CAP_NET_ADMIN', async () => {
    const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'];
    const socket = join(folder, 'none.sock');
    const run = await kubeIpvs(['status', '--status-socket', socket, '--netns', network.node], { prefix: without });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /^kube-ipvs: no daemon answers at .*none\.sock, and .*CAP_NET_ADMIN.*\n$/);
  });
});

function byId([one]: readonly unknown[], [other]: readonly unknown[]): number {
  return String(one) < String(other) ? -1 : 1;
}
