/** A configuration that changes while the daemon runs: what changes in it is changed, and nothing else. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { ask, freePort } from '../support/http.ts';
import { type Connection, Network } from '../support/network.ts';
import { ipvsLines } from '../support/witness.ts';

const destination = '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1';
const kubernetes = ['-A -t 10.96.0.1:443 -s rr', '-a -t 10.96.0.1:443 -r 192.0.2.1:6443 -m -w 1'];

describe('a running kube-ipvs whose configuration file changes', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let network: Network;
  let daemon: Daemon;
  let connection: Connection;

  before(async () => {
    server = await ApiServer.start();
    server.apply(serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1']));
    network = new Network('config');
    const client = network.join('client', ['10.244.0.7']);
    await network.serve(network.join('pod', ['10.244.0.1']), 'TCP', 8080, 'web');
    const source = workplace.kubeconfig(server);
    daemon = await Daemon.ready({ netns: network.node, source, config: { clusterCIDR: '10.244.0.0/16' } });
    connection = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await connection.ask(), 'web');
  });
  after(async () => {
    await daemon?.kill();
    await network.close();
    await server.close();
    workplace.close();
  });

  function onNode(...command: readonly string[]): string {
    return network.run(network.node, ...command);
  }

  /** Addresses and packet filter. */
  function others(): string[] {
    return [onNode('ip', 'addr'), onNode('nft', 'list', 'ruleset')];
  }

  it('has another scheduler after the file became another: by an edit, under an open connection', async () => {
    const before = others();
    const from = daemon.lines.length;
    daemon.mount.become({ clusterCIDR: '10.244.0.0/16', ipvs: { scheduler: 'wlc' } });
    await daemon.line(/the configuration was read again, and is in force/, from);
    await daemon.until(
      () => ipvsLines(network.node),
      [...kubernetes.map((line) => line.replace('rr', 'wlc')), '-A -t 10.96.0.10:80 -s wlc', destination].toSorted(),
    );
    assert.match(await daemon.line(/applied/, from), /applied 2 operations: 2 service edits/);
    assert.deepEqual(others(), before);
    assert.equal(await connection.ask(), 'web');
  });

  it('answers for its health at another address', async () => {
    const port = await freePort();
    const from = daemon.lines.length;
    const { metricsPort, healthPort } = daemon;
    const config = {
      clusterCIDR: '10.244.0.0/16',
      ipvs: { scheduler: 'wlc' },
      healthzBindAddress: `127.0.0.1:${port}`,
    };
    daemon.mount.become(config);
    await daemon.line(/in force/, from);
    await daemon.line(new RegExp(`the health server listens at 127.0.0.1:${port}`), from);
    assert.equal((await ask({ port, path: '/readyz' })).code, 200);
    await assert.rejects(ask({ port: healthPort, path: '/readyz' }), { code: 'ECONNREFUSED' });
    const { body } = await ask({ port: metricsPort, path: '/configz' });
    assert.match(body, new RegExp(`"healthzBindAddress":"127.0.0.1:${port}"`));
    assert.equal(await connection.ask(), 'web');
  });

  const wrong: readonly [what: string, config: object | string, told: RegExp][] = [
    ['a value that is none', { ipvs: { scheduler: 'rr', syncPeriod: '5 parsecs' } }, /5 parsecs.*is no duration/],
    ['another mode', { mode: 'nftables' }, /mode is "nftables", and kube-ipvs is IPVS only/],
    ['a scheduler that the kernel has not', { ipvs: { scheduler: 'xyz' } }, /no scheduler xyz/],
    ['half of a file', '{"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kin', /config\.conf/],
    [
      'an API server that cannot be made out',
      { clientConnection: { kubeconfig: '/nowhere/kubeconfig' } },
      /\/nowhere\/kubeconfig/,
    ],
  ];
  for (const [what, config, told] of wrong) {
    it(`refuses ${what}, and the configuration before stays in force`, async () => {
      const before = [ipvsLines(network.node), others()];
      const from = daemon.lines.length;
      daemon.mount.become(config);
      await daemon.line(/the configuration is not taken: the one before stays in force/, from);
      await daemon.line(told, from);
      assert.deepEqual([ipvsLines(network.node), others()], before);
      assert.ok(daemon.isRunning);
    });
  }

  it('reads it again on SIGHUP, and says nothing of a file that says the same', async () => {
    const from = daemon.lines.length;
    daemon.mount.become({ clusterCIDR: '10.244.0.0/16', ipvs: { scheduler: 'sh' } });
    daemon.signal('SIGHUP');
    await daemon.line(/in force/, from);
    await daemon.until(
      () => ipvsLines(network.node).filter((line) => line.startsWith('-A')),
      ['-A -t 10.96.0.10:80 -s sh', '-A -t 10.96.0.1:443 -s sh'],
    );
    assert.equal(await connection.ask(), 'web');
    const after = daemon.lines.length;
    daemon.signal('SIGHUP');
    server.apply(serviceObject('next', { clusterIPs: ['10.96.0.11'] }));
    await daemon.line(/applied/, after);
    assert.deepEqual(
      daemon.lines.slice(after).filter((line) => /configuration|is not taken/.test(line)),
      [],
    );
  });

  it('goes to another cluster, and back by another kubeconfig in its place: nothing is deleted before all is known', async () => {
    const other = await ApiServer.start();
    try {
      other.apply(serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1']));
      const kubeconfig = workplace.write('other', other.kubeconfig());
      const from = daemon.lines.length;
      daemon.mount.become({
        ipvs: { scheduler: 'sh' },
        clusterCIDR: '10.244.0.0/16',
        clientConnection: { kubeconfig },
      });
      await daemon.line(/in force/, from);
      await daemon.until(
        () => ipvsLines(network.node).filter((line) => line.startsWith('-A')),
        ['-A -t 10.96.0.10:80 -s sh', '-A -t 10.96.0.1:443 -s sh'],
      );
      assert.equal(await connection.ask(), 'web');
      server.apply(serviceObject('late', { clusterIPs: ['10.96.0.12'] }));
      other.apply(serviceObject('here', { clusterIPs: ['10.96.0.13'] }));
      const added = () => ipvsLines(network.node).filter((line) => /10\.96\.0\.1[1-9]:/.test(line));
      await daemon.until(added, ['-A -t 10.96.0.13:80 -s sh']);

      workplace.write('other', server.kubeconfig());
      daemon.signal('SIGHUP');
      await daemon.until(added, ['-A -t 10.96.0.11:80 -s sh', '-A -t 10.96.0.12:80 -s sh']);
      assert.equal(await connection.ask(), 'web');
      assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
    } finally {
      await other.close();
    }
  });
});
