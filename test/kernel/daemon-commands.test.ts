/** The other ways to run it: files in place of a cluster, only its beginning, its configuration, and its end. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { ipvsLines } from '../support/witness.ts';

const web = (...addresses: readonly string[]) =>
  list([serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', addresses)]);
const webLines = ['-A -t 10.96.0.10:80 -s rr', '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'];
const range = ['--cluster-cidr', '10.244.0.0/16'];

let workplace: Workplace;
let node: KernelNamespace;

beforeEach(() => {
  workplace = new Workplace();
  node = new KernelNamespace('commands');
});
afterEach(() => {
  node.close();
  workplace.close();
});

function run(...flags: readonly string[]): Promise<Run> {
  return kubeIpvs(['run', '--netns', node.name, ...flags]);
}

function lines(): string[] {
  return ipvsLines(node.name);
}

it('files in place of a cluster are followed, and broken ones change nothing', async () => {
  const file = workplace.write('web.yaml', web('10.244.0.1'));
  const daemon = await Daemon.ready({ netns: node.name, source: { manifests: workplace.folder }, args: range });
  try {
    assert.deepEqual(lines(), webLines);
    writeFileSync(file, web('10.244.0.1', '10.244.0.2'));
    await daemon.until(lines, [...webLines, '-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1']);
    const from = daemon.lines.length;
    writeFileSync(file, 'kind: [');
    await daemon.line(/the manifests are applied as they were before/, from);
    assert.deepEqual(lines(), [...webLines, '-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1']);
    writeFileSync(file, web('10.244.0.1'));
    workplace.write('more.json', list([serviceObject('more', { clusterIPs: ['10.96.0.11'] })]));
    await daemon.until(lines, [webLines[0]!, '-A -t 10.96.0.11:80 -s rr', webLines[1]!]);
    rmSync(join(workplace.folder, 'more.json'));
    await daemon.until(lines, webLines);
    const { sources } = (await daemon.status()).daemon!;
    assert.deepEqual(
      sources.map(({ name, phase }) => [name, phase]),
      [
        ['manifests', 'watching'],
        ['addresses', 'watching'],
      ],
    );
    assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
    assert.deepEqual(lines(), webLines);
  } finally {
    await daemon.kill();
  }
});

it('ends when it is told to, although it waits for a kubeconfig that nobody writes', { timeout: 60_000 }, async () => {
  const kubeconfig = join(workplace.folder, 'pipe');
  execFileSync('mkfifo', [kubeconfig]);
  const daemon = await Daemon.start({ netns: node.name, source: { kubeconfig } });
  try {
    await daemon.line(/kube-ipvs begins/);
    assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
  } finally {
    await daemon.kill();
  }
});

it('says once that a kubeconfig is not there, and ends', async () => {
  const daemon = await Daemon.start({ netns: node.name, source: { kubeconfig: '/nowhere' }, config: {} });
  assert.deepEqual(await daemon.exited, { status: 1, signal: null });
  assert.match(daemon.lines.join('\n'), /^[^\n]* kube-ipvs begins[^\n]*\nkube-ipvs: \/nowhere: cannot be read [^\n]*$/);
});

describe('without staying', () => {
  it('--init-only makes settings and nothing else', async () => {
    const before = node.show('sysctl -n net.ipv4.vs.conntrack net.ipv4.ip_forward');
    assert.equal(before, '0\n0\n');
    const made = await run('--init-only', '--master', 'http://127.0.0.1:1');
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /sysctl -w net\.ipv4\.vs\.conntrack=1/);
    assert.equal(node.show('sysctl -n net.ipv4.vs.conntrack net.ipv4.ip_forward'), '1\n1\n');
    assert.equal(node.text(), '');
    assert.equal(node.show('nft list tables'), '');
    const again = await run('--init-only', '--master', 'http://127.0.0.1:1');
    assert.equal(again.status, 0);
    assert.match(again.stderr, /initialised: 0 settings written, 0 refused/);
  });

  it('--cleanup removes what a daemon left, and nothing of others', async () => {
    const file = workplace.write('web.yaml', web('10.244.0.1'));
    const foreign = ['-A -t 192.0.2.1:80 -s rr', '-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 1'];
    node.run(...foreign);
    const own = ['--netns', node.name, '--manifests', file, ...range];
    const once = await kubeIpvs(['reconcile', '--once', ...own]);
    assert.equal(once.status, 0, once.stderr);
    const cleaned = await run('--cleanup');
    assert.equal(cleaned.status, 0, cleaned.stderr);
    assert.equal(node.text(), foreign.join('\n'));
    assert.equal(node.show('nft list tables'), '');
  });

  it('--write-config-to writes what would be in force', async () => {
    const path = join(workplace.folder, 'config.yaml');
    const written = await run('--write-config-to', path, '--scheduler', 'wlc', '--ipvs-sync-period', '1m', ...range);
    assert.equal(written.status, 0, written.stderr);
    const text = readFileSync(path, 'utf8');
    assert.match(text, /^kind: KubeProxyConfiguration$/m);
    assert.match(text, /^ {2}scheduler: wlc$/m);
    assert.match(text, /^clusterCIDR: ['"]?10\.244\.0\.0\/16['"]?$/m);
    assert.equal(node.text(), '');
    const again = join(workplace.folder, 'again.yaml');
    assert.equal((await run('--config', path, '--write-config-to', again)).status, 0);
    assert.equal(readFileSync(again, 'utf8'), text);
  });
});
