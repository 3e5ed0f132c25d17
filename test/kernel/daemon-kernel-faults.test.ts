/** A daemon of whose exchanges with the kernel one in ten fails: it ends up with exactly what one has whose kernel does as it is told. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/kernel/random.ts';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';

const seed = 20_261_121;
const services = 8;
const changes = 40;

const workplace = new Workplace();
const random = new Random(seed);
let server: ApiServer;
let nodes: readonly KernelNamespace[];
const daemons: Daemon[] = [];

before(async () => {
  server = await ApiServer.start();
  for (let i = 0; i < services; i++) change(i);
  nodes = ['faulty', 'faultless'].map((name) => {
    const node = new KernelNamespace(name);
    node.run(
      'ip link add eth0 type dummy',
      'ip link set eth0 addrgenmode none',
      'ip addr add 192.168.1.10/24 dev eth0',
    );
    return node;
  });
});

after(async () => {
  for (const daemon of daemons) await daemon.kill();
  for (const node of nodes) node.close();
  await server.close();
  workplace.close();
});

/** A Service of other kind and other endpoints than before, or none. */
function change(i: number): void {
  const name = `service-${i}`;
  const vips = [`10.96.1.${i + 1}`, `fd00:96::${i + 1}`];
  if (random.next() < 0.2 && server.get('Service', `default/${name}`) !== undefined) {
    server.delete('Service', `default/${name}`);
    server.delete('EndpointSlice', `default/${name}-v4`);
    return;
  }
  const ports = [{ name: 'http', port: 80, nodePort: 30_000 + i, protocol: 'TCP', targetPort: 8080 }];
  const type = random.pick(['ClusterIP', 'NodePort']);
  const sessionAffinity = random.pick(['None', 'ClientIP']);
  server.apply(
    serviceObject(name, {
      clusterIPs: vips,
      ports: type === 'NodePort' ? ports : [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      spec: { type, sessionAffinity },
    }),
  );
  const first = Math.floor(random.next() * 100);
  const count = Math.floor(random.next() * 4);
  server.apply(
    sliceObject(
      name,
      Array.from({ length: count }, (_, e) => `10.244.${i}.${1 + first + e}`),
    ),
  );
}

/** What the kernel says; elements in an order of their own. */
function state(node: KernelNamespace): string[] {
  return [node.text(), ...node.elements(), node.show('nft -st list ruleset')];
}

it(`a tenth of the exchanges fails (seed ${seed}), and after ${changes} changes both kernels are the same`, async () => {
  const source = workplace.kubeconfig(server);
  const args = ['--cluster-cidr', '10.244.0.0/16', '--nodeport-addresses', '192.168.1.0/24', '--drain-timeout', '0s'];
  const faults = ['--inject-kernel-faults', `seed=${seed},rate=0.1`];
  const [faulty, faultless] = nodes as [KernelNamespace, KernelNamespace];
  const suffering = await Daemon.ready({ netns: faulty.name, source, args: [...args, ...faults] });
  daemons.push(suffering);
  daemons.push(await Daemon.ready({ netns: faultless.name, source, args }));
  for (let n = 0; n < changes; n++) {
    change(Math.floor(random.next() * services));
    await sleep(random.next() * 100);
  }
  // the last, of which the second daemon tells that it has seen all; the pass that adds it goes on with what is to go
  server.apply(serviceObject('last', { clusterIPs: ['10.96.2.1'] }), sliceObject('last', ['10.244.200.1']));
  await daemons[1]!.until(() => faultless.text().includes('-a -t 10.96.2.1:80 -r 10.244.200.1:8080 -m -w 1'), true);
  await daemons[1]!.until(async () => (await daemons[1]!.status()).differences, []);
  await suffering.until(() => state(faulty), state(faultless));
  assert.match(await suffering.line(/faults are injected/), /tests only/);
  assert.ok(suffering.lines.some((line) => /failed with E[A-Z]+/.test(line)));
  assert.ok(suffering.lines.some((line) => /the pass could not be finished: .*injected/.test(line)));
});
