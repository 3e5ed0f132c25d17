/** What a machine may lack while the daemon runs: room for files, a root to write to, file descriptors, its network namespace. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, type DaemonSettings, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { ipvsLines } from '../support/witness.ts';

describe('a daemon', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let node: KernelNamespace;
  let settings: DaemonSettings;
  let daemon: Daemon;

  before(async () => {
    server = await ApiServer.start();
    server.delete('EndpointSlice', 'default/kubernetes');
    server.delete('Service', 'default/kubernetes');
    server.apply(serviceObject('web', { clusterIPs: ['10.96.0.10'] }));
    node = new KernelNamespace('lack');
    const source = workplace.kubeconfig(server);
    const args = ['--cluster-cidr', '10.244.0.0/16', '--ipvs-sync-period', '1s', '--drain-timeout', '0s'];
    settings = { netns: node.name, source, args };
  });
  after(async () => {
    await daemon?.kill();
    await server.close();
    node.close();
    workplace.close();
  });

  function lines(): string[] {
    return ipvsLines(node.name);
  }

  /** What the cluster asks from now on reaches the kernel. */
  async function follows(octet: number): Promise<void> {
    server.apply(sliceObject('web', [`10.244.0.${octet}`]));
    await daemon.until(lines, ['-A -t 10.96.0.10:80 -s rr', `-a -t 10.96.0.10:80 -r 10.244.0.${octet}:8080 -m -w 1`]);
  }

  /** In a mount namespace of its own, after these commands. */
  function behind(commands: string): readonly string[] {
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${commands}\nexec "$@"`, 'sh'];
  }

  const places: readonly [what: string, commands: (folder: string) => string, why: RegExp][] = [
    [
      'whose root may not be written',
      () => 'for place in / /tmp /run; do mountpoint -q $place && mount -o remount,bind,ro $place; done; true',
      /kube-ipvs status will not answer at .*(?:EROFS|read-only)/,
    ],
    [
      'whose disk is full',
      (folder) => `mount -t tmpfs -o nr_inodes=1 full ${folder}`,
      /kube-ipvs status will not answer at .*(?:ENOSPC|no space)/,
    ],
  ];
  places.forEach(([what, commands, why], i) => {
    it(`${what} says that status will not answer, and does all else`, async () => {
      daemon = await Daemon.ready({ ...settings, under: (folder) => behind(commands(folder)) });
      await daemon.line(why);
      await follows(1 + i);
      assert.equal((await daemon.health('/livez')).code, 200);
      assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
    });
  });

  it('that has no file descriptors left goes on when it has', async () => {
    daemon = await Daemon.ready(settings);
    await follows(11);
    const limit = (most: number) => execFileSync('prlimit', ['--pid', String(daemon.pid), `--nofile=${most}:1024`]);
    // no new one can have a number below
    limit(3);
    const from = daemon.lines.length;
    server.drop('reset');
    server.apply(sliceObject('web', ['10.244.0.12']));
    await daemon.line(/EMFILE|too many open files/i, from);
    node.run('-D -t 10.96.0.10:80');
    limit(1024);
    await follows(13);
    assert.equal((await daemon.health('/livez')).code, 200);
  });

  it('whose network namespace is deleted, and made again, ends with a sentence, and the next one has the new one', async () => {
    execFileSync('ip', ['netns', 'delete', node.name]);
    execFileSync('ip', ['netns', 'add', node.name]);
    node.run('ip link set lo up');
    await daemon.line(/kube-ipvs ends: the network namespace lack-\d+ is (?:gone|another now): start/);
    assert.deepEqual(await daemon.exited, { status: 1, signal: null });
    assert.deepEqual(lines(), []);
    daemon = await Daemon.ready(settings);
    await follows(14);
  });
});
