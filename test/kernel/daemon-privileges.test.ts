/** A daemon that was started as root: what it gave up, that it does all its work with the rest, and where it listens. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { ipvsLines } from '../support/witness.ts';

const local = {
  clusterIPs: ['10.96.0.10'],
  spec: {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 32_001,
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30_080 }],
  },
};
const web = [serviceObject('web', local), sliceObject('web', ['10.244.0.1'])];
const api = [serviceObject('api', { clusterIPs: ['10.96.0.11'] }), sliceObject('api', ['10.244.0.2'])];
const clusterCIDR = '10.244.0.0/16';

describe('a running kube-ipvs that was started as root', () => {
  const workplace = new Workplace();
  let node: KernelNamespace;
  let daemon: Daemon;
  let manifests: string;

  before(async () => {
    // a scheduler that no other test needs: its module is loaded here or nowhere
    execFileSync('modprobe', ['-r', 'ip_vs_ovf']);
    manifests = workplace.write('objects.json', list(web));
    node = new KernelNamespace('rights');
    node.run('ip addr add 192.0.2.1/24 dev lo');
    const config = { clusterCIDR, ipvs: { syncPeriod: '2s' } };
    daemon = await Daemon.ready({ netns: node.name, isInside: true, source: { manifests }, config });
  });
  after(async () => {
    await daemon?.kill();
    node.close();
    workplace.close();
  });

  it('has NET_ADMIN and no way to more, in every thread', () => {
    const threads = readdirSync(`/proc/${daemon.pid}/task`);
    // Node's own, libuv's, and ours that hears of addresses
    assert.ok(threads.length > 4, String(threads.length));
    for (const thread of threads) {
      const status = readFileSync(`/proc/${daemon.pid}/task/${thread}/status`, 'utf8');
      assert.deepEqual(
        status.split('\n').filter((line) => /^(Cap|NoNewPrivs)/.test(line)),
        [...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:\t0000000000001000`), 'NoNewPrivs:\t1'],
      );
    }
  });

  it('listens where the README says, and nowhere else', () => {
    const sockets = node.show('ss -Hln -A inet,unix,packet');
    const places = sockets
      .trim()
      .split('\n')
      .map((line) => {
        const [kind = '', , , , address = '', peer = ''] = line.trim().split(/\s+/);
        return kind.startsWith('u_') ? `${kind} ${address}` : `${kind} ${address} ${peer}`;
      });
    const expected = [
      'tcp 0.0.0.0:32001 0.0.0.0:*',
      `tcp 127.0.0.1:${daemon.healthPort} 0.0.0.0:*`,
      `tcp 127.0.0.1:${daemon.metricsPort} 0.0.0.0:*`,
      `u_str ${daemon.socket}`,
    ];
    assert.deepEqual(places.toSorted(), expected.toSorted());
  });

  it('lets only its owner ask for the status', () => {
    assert.equal((statSync(daemon.socket).mode & 0o7777).toString(8), '600');
    assert.equal((statSync(dirname(daemon.socket)).mode & 0o7777).toString(8), '700');
    const nobody = ['--reuid', '65534', '--clear-groups', '--inh-caps', '-all', '--'];
    const refused = spawnSync('setpriv', [...nobody, 'socat', '-', `UNIX-CONNECT:${daemon.socket}`], {
      encoding: 'utf8',
    });
    assert.match(refused.stderr, /Permission denied/);
  });

  it('writes settings, loads a scheduler that is asked for later, and takes new objects', async () => {
    assert.equal(existsSync('/sys/module/ip_vs_ovf'), false);
    node.show('sysctl -qw net.ipv4.vs.expire_nodest_conn=0');
    daemon.mount.become({ clusterCIDR, ipvs: { scheduler: 'ovf', strictARP: true, syncPeriod: '2s' } });
    await daemon.until(
      () => ipvsLines(node.name).filter((line) => line.startsWith('-A')),
      ['-A -t 10.96.0.10:80 -s ovf', '-A -t 192.0.2.1:30080 -s ovf'],
    );
    assert.equal(existsSync('/sys/module/ip_vs_ovf'), true);
    const settings = 'net.ipv4.vs.conntrack net.ipv4.conf.all.arp_ignore net.ipv4.vs.expire_nodest_conn';
    await daemon.until(() => node.show(`sysctl -n ${settings}`), '1\n1\n1\n');
    workplace.write('objects.json', list([...web, ...api]));
    await daemon.until(
      () => ipvsLines(node.name).filter((line) => line.includes('10.96.0.11')),
      ['-A -t 10.96.0.11:80 -s ovf', '-a -t 10.96.0.11:80 -r 10.244.0.2:8080 -m -w 1'],
    );
    const { failures } = (await daemon.status()).daemon!;
    assert.deepEqual([failures, daemon.lines.filter((line) => /EPERM|EACCES/.test(line))], [[], []]);
    assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
  });
});
