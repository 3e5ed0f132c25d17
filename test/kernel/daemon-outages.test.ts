/** An API server that goes, comes back, forgets or is another: the data plane serves on, and afterwards is what the cluster asks. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { Network } from '../support/network.ts';
import { ipvsLines } from '../support/witness.ts';

const web = ['-A -t 10.96.0.10:80 -s rr', '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'] as const;

describe('a running kube-ipvs whose API server', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let network: Network;
  let daemon: Daemon;
  let client: string;
  let tokenFile: string;

  before(async () => {
    server = await ApiServer.start({ authentication: true, revision: 1_000_000 });
    server.access.tokens.set('first', 'system:serviceaccount:kube-system:kube-ipvs');
    tokenFile = workplace.write('token', 'first');
    server.apply(
      serviceObject('web', { clusterIPs: ['10.96.0.10'] }),
      sliceObject('web', ['10.244.0.1']),
      serviceObject('old', { clusterIPs: ['10.96.0.11'] }),
    );
    network = new Network('outage');
    client = network.join('client', ['10.244.0.7']);
    await network.serve(network.join('pod', ['10.244.0.1']), 'TCP', 8080, 'web');
    const kubeconfig = workplace.write('kubeconfig', server.kubeconfig({ kind: 'tokenFile', path: tokenFile }));
    const args = ['--cluster-cidr', '10.244.0.0/16'];
    daemon = await Daemon.ready({ netns: network.node, source: { kubeconfig }, args });
  });
  after(async () => {
    await daemon?.kill();
    await network.close();
    await server.close();
    workplace.close();
  });

  /** Without the API server's own. */
  function lines(): string[] {
    return ipvsLines(network.node).filter((line) => !line.includes('10.96.0.1:'));
  }

  /** A new connection. */
  async function serves(): Promise<void> {
    const connection = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await connection.ask(), 'web');
  }

  it('stops, and starts again with other objects, is followed from where it was', async () => {
    const from = daemon.lines.length;
    await server.stop();
    server.delete('Service', 'default/old');
    server.apply(serviceObject('new', { clusterIPs: ['10.96.0.12'] }), sliceObject('new', ['10.244.0.2']));
    await daemon.line(/services: .*ECONN/, from);
    assert.deepEqual(lines(), ['-A -t 10.96.0.11:80 -s rr', ...web].toSorted());
    await serves();
    assert.equal((await daemon.health('/livez')).code, 200);
    await server.start();
    await daemon.until(lines, [
      web[0],
      '-A -t 10.96.0.12:80 -s rr',
      web[1],
      '-a -t 10.96.0.12:80 -r 10.244.0.2:8080 -m -w 1',
    ]);
    assert.ok(!server.audit.entries.some(({ code }) => code === 410));
    await serves();
  });

  it('no longer knows what changed meanwhile is asked for all, and what is gone goes', async () => {
    await server.stop();
    server.delete('Service', 'default/new');
    server.delete('EndpointSlice', 'default/new-v4');
    server.apply(serviceObject('newer', { clusterIPs: ['10.96.0.13'] }));
    server.compact();
    await server.start();
    await daemon.until(lines, [web[0], '-A -t 10.96.0.13:80 -s rr', web[1]]);
    await serves();
  });

  it('takes another token than before is asked with that', async () => {
    server.access.tokens.set('second', 'system:serviceaccount:kube-system:kube-ipvs');
    server.access.tokens.delete('first');
    writeFileSync(tokenFile, 'second');
    server.drop('reset');
    server.apply(serviceObject('newer', { clusterIPs: ['10.96.0.13'] }), sliceObject('newer', ['10.244.0.3']));
    await daemon.until(lines, [
      web[0],
      '-A -t 10.96.0.13:80 -s rr',
      web[1],
      '-a -t 10.96.0.13:80 -r 10.244.0.3:8080 -m -w 1',
    ]);
    await serves();
  });

  it('refuses every token leaves the kernel as it is', async () => {
    const from = daemon.lines.length;
    server.access.tokens.clear();
    server.drop('reset');
    server.delete('Service', 'default/newer');
    await daemon.line(/Unauthorized/, from);
    assert.ok(lines().includes('-A -t 10.96.0.13:80 -s rr'));
    await serves();
    server.access.tokens.set('second', 'system:serviceaccount:kube-system:kube-ipvs');
    await daemon.until(lines, [...web]);
  });

  it('is replaced by one whose versions are lower is listed again when the time of a silent watch is over', async () => {
    // longer than the daemon asks of a watch that it takes for a sign of life, and shorter than a server's minutes
    server.faults.longestWatch = 6;
    server.reset();
    server.apply(
      serviceObject('web', { clusterIPs: ['10.96.0.10'] }),
      sliceObject('web', ['10.244.0.1']),
      serviceObject('other', { clusterIPs: ['10.96.0.14'] }),
    );
    await serves();
    await daemon.until(lines, [web[0], '-A -t 10.96.0.14:80 -s rr', web[1]]);
    server.faults.clear();
    await serves();
    server.delete('Service', 'default/other');
    await daemon.until(lines, [...web]);
  });

  it('answers nothing any more, and the daemon ends by itself when it is told to', async () => {
    server.hangs = true;
    server.drop('reset');
    assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
    assert.deepEqual(lines(), [...web]);
    await serves();
  });
});
