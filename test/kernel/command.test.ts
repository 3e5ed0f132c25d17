/** What operators see of `reconcile` and `cleanup` on a real kernel: exit status, texts, and what the witnesses say is there. */

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { StatusServer } from '../../src/serve/status-server.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { bundle, kubeIpvs, type Run } from '../support/program.ts';
import { sampleReport } from '../support/status-report.ts';
import { boundAddresses, device, ipvsLines } from '../support/witness.ts';

const web = [serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1', '10.244.0.2'])];
const webLines = [
  '-A -t 10.96.0.10:80 -s rr',
  '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
  '-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1',
];

describe('kube-ipvs', () => {
  let network: Network;
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    network = new Network('cmd');
  });
  afterEach(() => network.close());

  function reconcile(text: string, ...flags: readonly string[]): Promise<Run> {
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, text);
    return kubeIpvs(['reconcile', '--once', '--manifests', file, '--netns', network.node, ...flags]);
  }

  function onNode(...command: readonly string[]): void {
    network.run(network.node, ...command);
  }

  it('serves the IPv4 half of a Service on a node without IPv6', async () => {
    onNode('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
    const dual = serviceObject('web', { clusterIPs: ['10.96.0.10', 'fd00:96::10'] });
    const { status, stdout, stderr } = await reconcile(list([dual, ...web.slice(1)]));
    assert.equal(status, 0, stderr);
    assert.match(stderr, /this node has no IPv6/);
    assert.deepEqual(ipvsLines(network.node), webLines);
    assert.doesNotMatch(stdout, /fd00:96::10/);
  });

  it('does what its lines say, says so again with no change, and cleans up to nothing', async () => {
    const first = await reconcile(list(web));
    assert.equal(first.status, 0, first.stderr);
    const lines = first.stdout.trim().split('\n').slice(0, -1);
    assert.deepEqual(
      lines.filter((line) => /^(-|ip )/.test(line)),
      ['ip link add kube-ipvs0 type dummy', ...webLines, 'ip addr add 10.96.0.10/32 dev kube-ipvs0'],
    );
    const others = lines.filter((line) => !/^(-|ip )/.test(line));
    assert.ok(others.includes('sysctl -w net.ipv4.vs.conntrack=1'));
    assert.ok(others.includes('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }'));
    assert.match(first.stdout, /services: 1 added, 0 edited, 0 deleted, 0 unchanged; destinations: 2 added/);
    assert.deepEqual(ipvsLines(network.node), webLines);
    assert.deepEqual(boundAddresses(network.node), ['10.96.0.10/32']);

    const second = await reconcile(list(web));
    assert.equal(second.status, 0);
    assert.match(second.stdout, /^nothing to do; services: 0 added, 0 edited, 0 deleted, 1 unchanged; /);

    const cleaned = await kubeIpvs(['cleanup', '--netns', network.node]);
    assert.equal(cleaned.status, 0, cleaned.stderr);
    assert.deepEqual(ipvsLines(network.node), []);
    assert.equal(device(network.node), undefined);
    assert.equal(network.run(network.node, 'nft', 'list', 'tables'), '');
    const again = await kubeIpvs(['cleanup', '--netns', network.node]);
    assert.equal(again.status, 0);
    assert.match(again.stdout, /^nothing to do; /);
  });

  it('removes a Service in the order destinations, virtual service, address', async () => {
    await reconcile(list(web));
    const { stdout } = await reconcile(list([]));
    const lines = stdout.trim().split('\n');
    const destinations = ['-d -t 10.96.0.10:80 -r 10.244.0.1:8080', '-d -t 10.96.0.10:80 -r 10.244.0.2:8080'];
    assert.deepEqual(lines.slice(0, 2).toSorted(), destinations);
    assert.deepEqual(lines.slice(2, 4), ['-D -t 10.96.0.10:80', 'ip addr delete 10.96.0.10/32 dev kube-ipvs0']);
    assert.ok(
      lines.slice(4, -1).every((line) => line.startsWith('nft delete element ip kube-ipvs ')),
      'what the packet filter knew of it goes last',
    );
  });

  it('applies all of it although a full disk does not take its lines, and fails', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `web${i}`);
    const addresses = names.map((_, i) => `10.96.${1 + (i >> 8)}.${i & 255}`);
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, list(names.map((name, i) => serviceObject(name, { clusterIPs: [addresses[i]!] }))));
    const command = `exec ${bundle} reconcile --once --manifests ${file} --netns ${network.node} > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [1, 'kube-ipvs: ENOSPC: no space left on device, write\n']);
    assert.equal(ipvsLines(network.node).length, names.length);
    assert.equal(boundAddresses(network.node).length, names.length);
  });

  it('plans without touching anything: exit status 2 with changes, 0 without', async () => {
    const planned = await reconcile(list(web), '--dry-run');
    assert.equal(planned.status, 2);
    assert.match(planned.stdout, /-A -t 10\.96\.0\.10:80 -s rr\n/);
    assert.deepEqual(ipvsLines(network.node), []);
    assert.equal(device(network.node), undefined);
    await reconcile(list(web));
    assert.equal((await reconcile(list(web), '--dry-run')).status, 0);
    assert.equal((await kubeIpvs(['cleanup', '--dry-run', '--netns', network.node])).status, 2);
    assert.deepEqual(ipvsLines(network.node), webLines);
  });

  it('tells programs what it did as JSON', async () => {
    const { stdout } = await reconcile(
      list([...web, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }]),
      '-o',
      'json',
    );
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(report['version'], 1);
    assert.equal(report['converged'], true);
    assert.deepEqual(report['summary'], {
      services: { added: 1, edited: 0, deleted: 0, unchanged: 0 },
      destinations: { added: 2, edited: 0, deleted: 0, unchanged: 0 },
      addresses: { added: 1, edited: 0, deleted: 0, unchanged: 0 },
      elements: { added: 3, edited: 0, deleted: 0, unchanged: 0 },
    });
    assert.deepEqual((report['manifests'] as Record<string, unknown>)['ignored'], { Pod: 1 });
  });

  it('leaves foreign virtual services, fwmark services and addresses of other devices as they are', async () => {
    const foreign = [
      '-A -t 192.0.2.1:80 -s wlc -p 120',
      '-a -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 7',
      '-A -u [2001:db8::1]:53 -s sh -b sh-port',
      '-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -m -w 3',
      '-A -f 7 -s rr',
      '-a -f 7 -r 198.51.100.2:0 -i -w 1',
    ];
    for (const line of foreign) onNode('ipvsadm', ...line.split(' '));
    onNode('ip', 'link', 'add', 'lb0', 'type', 'dummy');
    onNode('ip', 'addr', 'add', '10.96.7.7/32', 'dev', 'lb0');
    const beside = () => network.run(network.node, 'ip', '-j', 'addr', 'show', 'dev', 'lb0');
    const addresses = beside();
    const services = ipvsLines(network.node);

    assert.equal((await reconcile(list(web))).status, 0);
    assert.deepEqual(ipvsLines(network.node), [...services, ...webLines].toSorted());
    assert.equal(beside(), addresses);
    assert.equal((await kubeIpvs(['cleanup', '--netns', network.node])).status, 0);
    assert.deepEqual(ipvsLines(network.node), services);
    assert.equal(beside(), addresses);
  });

  it('cleans up by kube-proxy’s own command line too, but for what its file excludes', async () => {
    onNode('ip', 'link', 'add', 'kube-ipvs0', 'type', 'dummy');
    onNode('ip', 'addr', 'add', '10.97.0.1/32', 'dev', 'kube-ipvs0');
    assert.equal((await reconcile(list(web), '--ipvs-exclude-cidrs', '10.97.0.0/16')).status, 0);
    const file = join(folder, 'config.conf');
    const identity = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    writeFileSync(file, `${identity}ipvs: {excludeCIDRs: [10.97.0.0/16]}\nkubeIpvs: {netns: ${network.node}}\n`);
    const { status, stderr } = await kubeIpvs([`--config=${file}`, '--hostname-override=node-a', '--cleanup']);
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual([ipvsLines(network.node), boundAddresses(network.node)], [[], ['10.97.0.1/32']]);
  });

  for (const named of ['file', 'flag'] as const) {
    it(`says that a daemon which runs, at the socket that a ${named} names, will make again what is cleaned up`, async () => {
      await reconcile(list(web));
      const [socket, file] = [join(folder, 'status.sock'), join(folder, 'config.conf')];
      const identity = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
      writeFileSync(file, `${identity}kubeIpvs: {statusSocket: ${socket}}\n`);
      const server = new StatusServer({ path: socket, report: async () => sampleReport, onError: assert.fail });
      await server.listening;
      const flags = named === 'file' ? ['--config', file] : ['--status-socket', socket];
      const command = ['netns', 'exec', network.node, process.execPath, bundle, 'cleanup', ...flags];
      const { status, stderr } = await new Promise<{ readonly status: unknown; readonly stderr: string }>((resolve) =>
        execFile('ip', command, (error, _, text) => resolve({ status: error?.code ?? 0, stderr: text })),
      );
      await server.close();
      assert.deepEqual([status, ipvsLines(network.node)], [3, []]);
      assert.match(
        stderr,
        /^warn kube-ipvs runs here and makes all of it again within syncPeriod: stop it, and run again\n$/,
      );
    });
  }

  it('protects what lies in excluded networks, addresses and virtual services alike', async () => {
    onNode('ip', 'link', 'add', 'kube-ipvs0', 'type', 'dummy');
    onNode('ip', 'addr', 'add', '10.97.0.1/32', 'dev', 'kube-ipvs0');
    onNode('ipvsadm', '-A', '-t', '10.97.0.1:80', '-s', 'rr');
    const exclude = ['--ipvs-exclude-cidrs', '10.97.0.0/16'];
    assert.equal((await reconcile(list(web), ...exclude)).status, 0);
    assert.ok(ipvsLines(network.node).includes('-A -t 10.97.0.1:80 -s rr'));
    assert.equal((await kubeIpvs(['cleanup', '--netns', network.node, ...exclude])).status, 0);
    assert.deepEqual(ipvsLines(network.node), ['-A -t 10.97.0.1:80 -s rr']);
    assert.deepEqual(boundAddresses(network.node), ['10.97.0.1/32']);
    assert.equal((await reconcile(list(web))).status, 0);
    assert.deepEqual(
      ipvsLines(network.node),
      webLines,
      'without the exclusion it is ours: its address is on our device',
    );
  });

  it('applies the good Services beside a bad one, names the bad one, and exits 1', async () => {
    const bad = serviceObject('broken', { clusterIPs: ['10.96.0.300'] });
    const run = await reconcile(list([bad, ...web]));
    assert.equal(run.status, 1);
    assert.match(run.stderr, /objects\.yaml:\d+:\d+: Service default\/broken: spec\.clusterIPs?\b.*10\.96\.0\.300/);
    assert.deepEqual(ipvsLines(network.node), webLines);
  });

  it('changes nothing when a manifest cannot be read, and says file and line', async () => {
    await reconcile(list(web));
    const run = await reconcile('apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: [Service\n');
    assert.equal(run.status, 64);
    assert.match(run.stderr, /objects\.yaml:\d+:\d+/);
    assert.deepEqual(ipvsLines(network.node), webLines);
  });

  it('refuses a scheduler the kernel has not before anything is changed, and names those it has', async () => {
    const run = await reconcile(list(web), '--scheduler', 'fastest');
    assert.equal(run.status, 64);
    assert.match(run.stderr, /no scheduler fastest; it offers .*\brr\b.*\bwrr\b.*\bmh\b/);
    assert.deepEqual(ipvsLines(network.node), []);
    assert.equal(device(network.node), undefined);
  });

  it('refuses a kube-ipvs0 that is no dummy device', async () => {
    onNode('ip', 'link', 'add', 'kube-ipvs0', 'type', 'bridge');
    const run = await reconcile(list(web));
    assert.equal(run.status, 1);
    assert.match(run.stderr, /kube-ipvs0 exists but is a bridge/);
    assert.deepEqual(ipvsLines(network.node), []);
  });

  it('says in one line that a network namespace does not exist', async () => {
    const run = await kubeIpvs(['cleanup', '--netns', 'no-such-namespace']);
    assert.equal(run.status, 1);
    assert.match(run.stderr, /^kube-ipvs: there is no network namespace no-such-namespace.*\n$/);
  });

  it('says in one line that it lacks CAP_NET_ADMIN', async () => {
    const without = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'];
    const run = await kubeIpvs(['cleanup', '--netns', network.node], { prefix: without });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /^kube-ipvs: .*CAP_NET_ADMIN.*\n$/);
  });

  it('reads the same cluster from standard input', async () => {
    const run = await kubeIpvs(['reconcile', '--once', '--manifests', '-', '--netns', network.node], {
      input: list(web),
    });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(ipvsLines(network.node), webLines);
  });

  it('puts right what somebody changed by hand', async () => {
    await reconcile(list(web));
    onNode('ipvsadm', '-E', '-t', '10.96.0.10:80', '-s', 'wlc', '-p', '60');
    onNode('ipvsadm', '-e', '-t', '10.96.0.10:80', '-r', '10.244.0.1:8080', '-m', '-w', '9');
    onNode('ipvsadm', '-d', '-t', '10.96.0.10:80', '-r', '10.244.0.2:8080');
    onNode('ip', 'addr', 'flush', 'dev', 'kube-ipvs0');
    onNode('ip', 'addr', 'add', '203.0.113.9/32', 'dev', 'kube-ipvs0');
    const run = await reconcile(list(web));
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(ipvsLines(network.node), webLines);
    assert.deepEqual(boundAddresses(network.node), ['10.96.0.10/32']);
  });

  it('binds nothing to other namespaces: the namespace it runs in stays empty', () => {
    const here = execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' });
    assert.doesNotMatch(here, /kube-ipvs0/);
  });
});
