/** Who reaches whom: real clients, real Pods, the kernel's own forwarding. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs } from '../support/program.ts';
import { ipvsLines } from '../support/witness.ts';

const vip4 = '10.96.0.10';
const vip6 = 'fd00:96::10';
const ports = [
  { name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 },
  { name: 'dns', port: 53, protocol: 'UDP', targetPort: 5353 },
];
const slicePorts = [
  { name: 'http', port: 8080, protocol: 'TCP' },
  { name: 'dns', port: 5353, protocol: 'UDP' },
];
const pods = { one: ['10.244.0.1', 'fd00:244::1'], two: ['10.244.0.2', 'fd00:244::2'] } as const;

for (const binding of ['address', 'route'] as const) {
  describe(`through ClusterIPs held by ${binding}`, () => {
    let network: Network;
    let client: string;
    let folder: string;

    before(async () => {
      network = new Network(`t${binding.slice(0, 1)}`);
      client = network.join('client', ['192.0.2.7', '2001:db8::7']);
      for (const [name, addresses] of Object.entries(pods)) {
        const namespace = network.join(name, addresses);
        await network.serve(namespace, 'TCP', 8080, name);
        await network.serve(namespace, 'UDP', 5353, name);
      }
      folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
      const run = await reconcile([...allPods(0), ...allPods(1)]);
      assert.equal(run.status, 0, run.stderr);
    });

    after(async () => {
      rmSync(folder, { recursive: true, force: true });
      await network.close();
    });

    function allPods(family: 0 | 1): string[] {
      return Object.values(pods).map((addresses) => addresses[family]);
    }

    function reconcile(
      endpoints: readonly string[],
      spec: Record<string, unknown> = {},
      flags: readonly string[] = [],
    ) {
      const file = join(folder, 'web.json');
      const ofFamily = (isIPv6: boolean) => endpoints.filter((address) => address.includes(':') === isIPv6);
      const slices = [false, true].map((isIPv6) => sliceObject('web', ofFamily(isIPv6), { ports: slicePorts }));
      const service = serviceObject('web', { clusterIPs: [vip4, vip6], ports, spec });
      writeFileSync(file, list([service, ...slices.filter((_, i) => ofFamily(i === 1).length > 0)]));
      const args = ['reconcile', '--once', '--manifests', file, '--netns', network.node, '--vip-binding', binding];
      return kubeIpvs([...args, ...flags]);
    }

    for (const [protocol, port] of [
      ['TCP', 80],
      ['UDP', 53],
    ] as const) {
      for (const vip of [vip4, vip6]) {
        it(`a client's ${protocol} requests to ${vip} go to both Pods in turn`, () => {
          const answers = Array.from({ length: 4 }, () => network.ask(client, protocol, vip, port));
          assert.deepEqual(answers.toSorted(), ['one', 'one', 'two', 'two']);
        });

        it(`the host's own ${protocol} requests to ${vip} are answered`, () => {
          assert.match(network.ask(network.node, protocol, vip, port), /^(one|two)$/);
        });
      }
    }

    it('a port that no Service has is refused at a virtual address', () => {
      assert.equal(network.ask(client, 'TCP', vip4, 81), '');
    });

    it('an open connection survives changes around it, and its own Pod leaving the Service', async () => {
      const connection = await network.connect(client, vip4, 80);
      const pod = await connection.ask();
      assert.ok(pod === 'one' || pod === 'two');
      const stays = pods[pod];
      const leaves = pods[pod === 'one' ? 'two' : 'one'];

      const edited = await reconcile(stays, { sessionAffinity: 'ClientIP' }, ['--ipvs-scheduler', 'wrr']);
      assert.equal(edited.status, 0, edited.stderr);
      assert.equal(await connection.ask(), pod, 'after the other Pod left and the scheduler and affinity changed');

      const moved = await reconcile(leaves);
      assert.equal(moved.status, 0, moved.stderr);
      assert.ok(
        ipvsLines(network.node).includes(`-a -t ${vip4}:80 -r ${stays[0]}:8080 -m -w 0`),
        'a destination with an open connection is kept at weight 0',
      );
      assert.equal(await connection.ask(), pod, 'after its own Pod left');
      const others = Array.from({ length: 2 }, () => network.ask(client, 'TCP', vip4, 80));
      assert.deepEqual(others, Array(2).fill(pod === 'one' ? 'two' : 'one'), 'new connections avoid it');

      const back = await reconcile([...allPods(0), ...allPods(1)]);
      assert.equal(back.status, 0, back.stderr);
      assert.equal(await connection.ask(), pod, 'after its Pod came back');
    });

    it('a Service without endpoints refuses at once', async () => {
      assert.equal((await reconcile([])).status, 0);
      for (const vip of [vip4, vip6]) assert.equal(network.ask(client, 'TCP', vip, 80), '');
    });
  });
}
