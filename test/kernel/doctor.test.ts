/** `kube-ipvs doctor` on a node that is well, and on one where much is wrong; others' tools made what it finds. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DoctorReport } from '../../src/cli/doctor/report.ts';
import { ApiServer } from '../support/api-server/api-server.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { device, ipvsLines } from '../support/witness.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

describe('kube-ipvs doctor', () => {
  let network: Network;
  let folder: string;
  let server: ApiServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    server = await ApiServer.start({ authentication: true });
    server.access.tokens.set('secret', 'proxy');
    server.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' } });
    writeFileSync(join(folder, 'kubeconfig'), server.kubeconfig({ kind: 'token', token: 'secret' }));
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    network = new Network('doctor');
  });
  afterEach(() => network.close());

  function onNode(...command: readonly string[]): string {
    return network.run(network.node, ...command);
  }

  function doctor(flags: readonly string[], prefix: readonly string[] = []): Promise<Run> {
    const access = ['--kubeconfig', join(folder, 'kubeconfig'), '--hostname-override', 'node-a'];
    return kubeIpvs(['doctor', '--netns', network.node, ...access, ...flags], { prefix });
  }

  /** Check → level. */
  function levels({ checks }: DoctorReport): Record<string, string> {
    return Object.fromEntries(checks.map(({ check, level }) => [check, level]));
  }

  /** Everything that a look must leave as it is. */
  function everything(): unknown[] {
    const settings = onNode('sysctl', 'net.ipv4.vs', 'net.ipv4.ip_forward');
    return [ipvsLines(network.node), device(network.node), settings, onNode('nft', 'list', 'ruleset')];
  }

  it('finds nothing that fails on a node that serves, and changes nothing', async () => {
    const objects = [serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1'])];
    const file = join(folder, 'objects.yaml');
    writeFileSync(file, list(objects));
    const reconcile = ['reconcile', '--once', '--manifests', file, '--netns', network.node];
    const reconciled = await kubeIpvs(reconcile);
    assert.equal(reconciled.status, 0, reconciled.stderr);
    const before = everything();

    const run = await doctor([]);
    assert.deepEqual([run.status, run.stderr], [0, ''], run.stdout);
    assert.doesNotMatch(run.stdout, /^fail/m);
    assert.match(run.stdout, /^ok {4}ipvs +version 1\.2\.1, 1 virtual service$/m);
    assert.match(run.stdout, /^ok {4}sysctl:net\.ipv4\.vs\.conntrack +1$/m);
    assert.match(run.stdout, /^ok {4}device +kube-ipvs0 is a dummy device$/m);
    assert.match(run.stdout, /^ok {4}rights:services +list and watch$/m);
    assert.match(run.stdout, /^ok {4}kube-proxy-iptables-legacy +no chain of it$/m);
    assert.match(run.stdout, /\n\n\d+ ok, \d+ warn, 0 fail\n$/);
    assert.deepEqual(everything(), before);
  });

  it('finds what others made, without their tools', async () => {
    server.access.rules = new Map([['proxy', [{ groups: [''], resources: ['services'], verbs: ['list', 'watch'] }]]]);
    for (const line of [
      'iptables-legacy -t nat -N KUBE-SERVICES',
      'iptables-legacy -t nat -N KUBE-ROUTER-SERVICES',
      'ip6tables-legacy -t filter -N KUBE-IPVS-FILTER',
      'iptables-nft -t nat -N KUBE-SVC-TCOU7JCQXEZGVUNU',
      'nft add table ip6 kube-proxy',
      'ipset create KUBE-6-CLUSTER-IP hash:ip,port family inet6',
      'ip link add kube-ipvs0 type bridge',
      'ip link set kube-ipvs0 up',
      'ip link add cilium_host type dummy',
      'sysctl -w net.ipv4.vs.conntrack=0',
    ]) {
      onNode(...line.split(' '));
    }
    const flags = ['-o', 'json', '--scheduler', 'none', '--nodeport-addresses', '203.0.113.0/24'];
    const run = await doctor(flags, ['env', 'PATH=/nowhere']);
    assert.deepEqual([run.status, run.stderr], [1, '']);
    const report = JSON.parse(run.stdout) as DoctorReport;
    assert.deepEqual([report.nodeName, report.kernel, report.level], ['node-a', release(), 'fail']);
    const found = levels(report);
    const expected = {
      ipvs: 'ok',
      scheduler: 'fail',
      schedulers: 'ok',
      'sysctl:net.ipv4.vs.conntrack': 'warn',
      capabilities: 'ok',
      device: 'fail',
      'nodeport-addresses': 'warn',
      'kube-proxy-iptables-legacy': 'fail',
      'kube-proxy-iptables-nft': 'fail',
      'kube-proxy-nftables': 'fail',
      'kube-proxy-ipsets': 'warn',
      'kube-router': 'fail',
      cilium: 'warn',
      'api-server': 'ok',
      'rights:services': 'ok',
      'rights:endpointslices': 'fail',
      'rights:nodes': 'fail',
      'rights:events': 'warn',
    };
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((check) => [check, found[check]])), expected);
    const messageOf = (wanted: string) => report.checks.find(({ check }) => check === wanted)?.message ?? '';
    assert.match(
      messageOf('kube-proxy-iptables-legacy'),
      /^2 chains .*ip nat KUBE-SERVICES, ip6 filter KUBE-IPVS-FILTER\)/,
    );
    assert.match(messageOf('kube-proxy-iptables-nft'), /^1 chain .*\(ip nat KUBE-SVC-TCOU7JCQXEZGVUNU\)/);
    assert.match(messageOf('kube-proxy-nftables'), /table ip6 kube-proxy;/);
    assert.match(messageOf('kube-proxy-ipsets'), /\(KUBE-6-CLUSTER-IP\)/);
    assert.ok(report.checks.every(({ level, cure }) => (level === 'ok') === (cure === null)));
    const [, renaming] = /rename it \((.*?)\)/.exec(report.checks.find(({ check }) => check === 'device')?.cure ?? '')!;
    onNode('sh', '-ec', renaming!.replace('NAME', 'theirs'));
    assert.match(onNode('ip', '-br', 'link', 'show', 'theirs'), /^theirs /);
  });

  it('finds settings that CAP_NET_ADMIN may write without being root', async () => {
    onNode('sysctl', '-w', 'net.ipv4.ip_forward=0');
    // the program may lie where nobody else comes: the folder at the top is made anew, with nothing else in it
    const reachable = [
      `mount --bind ${root} /mnt`,
      `mount -t tmpfs -o mode=755 none /${root.split('/')[1]!}`,
      `mkdir -p ${root} && mount --move /mnt ${root}`,
    ].join(' && ');
    const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+net_admin --ambient-caps=+net_admin';
    const around = ['unshare', '--mount', 'sh', '-c', `${reachable} && exec ${nobody} -- "$0" "$@"`];
    const prefix = ['ip', 'netns', 'exec', network.node, ...around];
    const run = await kubeIpvs(['doctor', '-o', 'json'], { prefix });
    const found = levels(JSON.parse(run.stdout) as DoctorReport);
    assert.deepEqual([found['proc-sys'], found['sysctl:net.ipv4.ip_forward']], ['ok', 'warn'], run.stderr);
  });

  it('says what a process without rights, on an old kernel without modules, cannot do', async () => {
    writeFileSync(join(folder, 'osrelease'), '5.4.0-216-generic\n');
    execFileSync('modprobe', ['ip_vs']);
    // whoever asked for a scheduler that the kernel lacks has had all others loaded
    execFileSync('modprobe', ['-r', 'ip_vs_lblcr']);
    const around = [
      'mount -t tmpfs none /etc && mkdir -p /etc/systemd/network /etc/NetworkManager',
      "printf '[Match]\\nName=*\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/10-all.network",
      "printf '[device]\\nmatch-device=*\\nmanaged=1\\n' > /etc/NetworkManager/NetworkManager.conf",
      'mount -t tmpfs none /lib/modules && mkdir /lib/modules/5.4.0-216-generic',
      'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys',
      `mount --bind ${folder}/osrelease /proc/sys/kernel/osrelease`,
      'exec setpriv --bounding-set=-net_admin --inh-caps=-net_admin -- "$0" "$@"',
    ].join(' && ');
    server.hangs = true;
    const run = await doctor(['-o', 'json', '--scheduler', 'lblcr'], ['unshare', '--mount', 'sh', '-c', around]);
    server.hangs = false;
    assert.equal(run.status, 1, run.stderr);
    const report = JSON.parse(run.stdout) as DoctorReport;
    const found = levels(report);
    const expected = {
      kernel: 'warn',
      ipvs: 'fail',
      'connection-reuse': 'warn',
      'module:ip_vs': 'ok',
      scheduler: 'fail',
      'proc-sys': 'fail',
      'sysctl:net.ipv4.vs.expire_nodest_conn': 'fail',
      capabilities: 'fail',
      'user-namespace': 'ok',
      device: 'ok',
      'systemd-networkd': 'warn',
      'network-manager': 'warn',
      'api-server': 'fail',
    };
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((check) => [check, found[check]])), expected);
    assert.equal(report.kernel, '5.4.0-216-generic');
  });
});
