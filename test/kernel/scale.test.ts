/** Large tables: right to the last entry, with exactly the operations that an edit needs, and safe to kill at any moment. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { list, manyServices, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs, startKubeIpvs } from '../support/program.ts';
import { boundAddresses, ipvsLines } from '../support/witness.ts';

const services = 500;
const endpoints = 20;
/** A virtual service, its destinations, and its two elements of the packet filter. */
const exchanged = 1 + endpoints + 2;

interface Report {
  readonly operations: readonly { readonly text: string }[];
}

describe(`${services} Services of ${endpoints} endpoints`, () => {
  let network: Network;
  let folder: string;
  let file: string;
  const objects = manyServices(services, endpoints);

  before(() => {
    network = new Network('scale');
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    file = join(folder, 'objects.json');
    writeFileSync(file, list(objects));
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await network.close();
  });

  const args = () => ['reconcile', '--once', '--manifests', file, '--netns', network.node];

  async function operations(changed: readonly object[], ...flags: readonly string[]): Promise<string[]> {
    writeFileSync(file, list(changed));
    const run = await kubeIpvs([...args(), '-o', 'json', ...flags]);
    assert.equal(run.status, 0, run.stderr);
    return (JSON.parse(run.stdout) as Report).operations.map(({ text }) => text);
  }

  it('are programmed after being killed in the middle of the first pass, and then nothing is left to do', async () => {
    const killed = startKubeIpvs(args());
    for await (const text of killed.stdout!) if (/^-a /m.test(String(text))) break;
    killed.kill('SIGKILL');
    await new Promise((resolve) => killed.once('close', resolve));
    const partly = ipvsLines(network.node).length;
    assert.ok(partly > 0 && partly < services * (endpoints + 1), `${partly} entries were there when it was killed`);

    const second = await kubeIpvs(args());
    assert.equal(second.status, 0, second.stderr);
    const lines = ipvsLines(network.node);
    assert.equal(lines.length, services * (endpoints + 1));
    assert.equal(lines.filter((line) => line.startsWith('-A')).length, services);
    assert.equal(boundAddresses(network.node).length, services);
    assert.deepEqual(await operations(objects), []);
  });

  it('one endpoint more is one operation', async () => {
    const changed = objects.with(1, sliceObject('service-0', [...podsOf(0), '10.244.9.9']));
    assert.deepEqual(await operations(changed), ['-a -t 10.96.0.1:80 -r 10.244.9.9:8080 -m -w 1']);
    assert.deepEqual(await operations(objects), ['-d -t 10.96.0.1:80 -r 10.244.9.9:8080']);
  });

  it('an affinity timeout is one edit', async () => {
    const spec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
    const sticky = objects.with(0, serviceObject('service-0', { clusterIPs: ['10.96.0.1'], spec }));
    assert.deepEqual(await operations(sticky), ['-E -t 10.96.0.1:80 -s rr -p 60']);
    assert.deepEqual(await operations(objects), ['-E -t 10.96.0.1:80 -s rr']);
  });

  it('a port moved is a virtual service exchanged under the same address', async () => {
    const ports = [{ name: 'http', port: 81, protocol: 'TCP' }];
    const moved = objects.with(0, serviceObject('service-0', { clusterIPs: ['10.96.0.1'], ports }));
    const done = await operations(moved);
    const ofFilter = (verb: string, port: number) =>
      ['services', 'cluster-ips'].map((set) => `nft ${verb} element ip kube-ipvs ${set} { 10.96.0.1 . tcp . ${port} }`);
    assert.equal(done.length, 2 * exchanged);
    assert.deepEqual(done.slice(0, 3), [...ofFilter('add', 81), '-A -t 10.96.0.1:81 -s rr']);
    assert.deepEqual(done.slice(-3), ['-D -t 10.96.0.1:80', ...ofFilter('delete', 80)]);
  });

  it('another scheduler is one edit each, and cleanup leaves nothing', async () => {
    assert.equal((await operations(objects)).length, 2 * exchanged);
    const edits = await operations(objects, '--scheduler', 'wrr');
    assert.equal(edits.length, services);
    assert.ok(edits.every((line) => /^-E -t \S+ -s wrr$/.test(line)));
    assert.equal((await kubeIpvs(['cleanup', '--netns', network.node])).status, 0);
    assert.deepEqual(ipvsLines(network.node), []);
  });

  function podsOf(index: number): string[] {
    const slice = objects[index * 2 + 1] as { endpoints: { addresses: string[] }[] };
    return slice.endpoints.map(({ addresses }) => addresses[0]!);
  }
});
