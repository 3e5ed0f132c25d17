/** Real packets through our rules and through IPVS, which ipvsadm sets up: who reaches what, and as whom. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import type { FilterPolicy } from '../../src/desired/ruleset.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { type Address, parseAddress } from '../../src/model/address.ts';
import type { Op } from '../../src/model/op.ts';
import { cidr, facts, type NodeOptions, tableOf } from '../support/filter-tables.ts';
import { Network } from '../support/network.ts';
import { parseOp } from '../support/parse-op.ts';

type Client = 'outside' | 'pod' | 'host';

const worlds = [
  {
    family: 4,
    node: '192.0.2.1',
    outside: '198.51.100.7',
    pod: '10.244.1.1',
    far: '10.244.9.9',
    clusterIP: '10.96.0.10',
    balancer: '203.0.113.10',
    unused: '10.96.77.77',
    device: '169.254.1.1',
    podNetwork: '10.244.0.0/16',
    serviceNetwork: '10.96.0.0/12',
    allowed: '198.51.100.0/24',
  },
  {
    family: 6,
    node: '2001:db8::1',
    outside: '2001:db8:100::7',
    pod: 'fd00:244:1::1',
    far: 'fd00:244:9::9',
    clusterIP: 'fd00:96::10',
    balancer: '2001:db8:113::10',
    unused: 'fd00:96::77',
    device: 'fd00:169::1',
    podNetwork: 'fd00:244::/32',
    serviceNetwork: 'fd00:96::/108',
    allowed: '2001:db8:100::/48',
  },
] as const;

describe('packets through the rules', () => {
  let network: Network;
  let kernel: Kernel;
  const namespaces = {} as Record<Client | 'far', string>;

  before(async () => {
    network = new Network('rules');
    kernel = openKernel({ netns: network.node });
    namespaces.host = network.node;
    for (const name of ['outside', 'pod', 'far'] as const) {
      namespaces[name] = network.join(
        name,
        worlds.map((world) => world[name]),
      );
    }
    for (const name of ['pod', 'far'] as const) {
      await network.serve(namespaces[name], 'TCP', 8080, `${name} $SOCAT_PEERADDR`);
    }
    await network.serve(network.node, 'TCP', 22, 'host');
    await network.serve(network.node, 'TCP', 30_000, 'health');
    shell(
      'ipvsadm -Ln; sysctl -qw net.ipv4.vs.conntrack=1; ip link add uplink type dummy; ip link add kube-ipvs0 type dummy; ip link set uplink up',
    );
    for (const world of worlds) program(world);
  });

  after(async () => {
    kernel.close();
    await network.close();
  });

  function shell(script: string): void {
    execFileSync('ip', ['netns', 'exec', network.node, 'sh', '-ec', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** Port 80 has its endpoint on another node, the others have theirs here, where they have any. */
  function program({ family, node, clusterIP, balancer, pod, far }: (typeof worlds)[number]): void {
    const at = (address: string, port: number) => (family === 4 ? `${address}:${port}` : `[${address}]:${port}`);
    const service = (front: string, target?: string) =>
      `ipvsadm -A -t ${front} -s rr\n${target === undefined ? '' : `ipvsadm -a -t ${front} -r ${at(target, 8080)} -m\n`}`;
    const nodad = family === 6 ? 'nodad' : '';
    shell(`
      ip address add ${node} dev uplink ${nodad}
      for vip in ${clusterIP} ${balancer}; do ip address add $vip dev kube-ipvs0 ${nodad}; done
      ${service(at(clusterIP, 80), far)} ${service(at(clusterIP, 81), pod)}
      ${service(at(node, 30080), far)} ${service(at(node, 30443), pod)}
      ${service(at(balancer, 80), far)} ${service(at(balancer, 443), pod)} ${service(at(balancer, 444))}
      ${service(at(balancer, 8443), far)}`);
  }

  /** The table of the family with the elements that the services ask for. */
  async function filter(
    world: (typeof worlds)[number],
    fields: Partial<FilterPolicy>,
    node: NodeOptions = { nodeIPs: [world.node] },
    devices: readonly string[] = ['to-outside', 'to-pod', 'to-far', 'uplink'],
  ): Promise<void> {
    const { family, clusterIP, balancer, pod, allowed } = world;
    const table = tableOf(family, facts(node), fields);
    const elements = [
      ...[80, 81].map((port) => `services { ${clusterIP} . tcp . ${port} }`),
      ...[80, 443, 444, 8443].map((port) => `services { ${balancer} . tcp . ${port} }`),
      ...[30080, 30443].map((port) => `services { ${world.node} . tcp . ${port} }`),
      ...[80, 81].map((port) => `cluster-ips { ${clusterIP} . tcp . ${port} }`),
      ...[80, 8443].map((port) => `masqueraded { ${balancer} . tcp . ${port} }`),
      `masqueraded { ${world.node} . tcp . 30080 }`,
      `virtual-ips { ${clusterIP} }`,
      `virtual-ips { ${balancer} }`,
      'health-check-ports { 30000 }',
      `hairpins { ${pod} . ${pod} . tcp . 8080 }`,
      `restricted { ${balancer} . tcp . 8443 }`,
      `allowed-sources { ${balancer} . tcp . 8443 . ${allowed} }`,
      `without-local { ${balancer} . tcp . 444 }`,
      ...[443, 444].map((port) => `local-clients { ${balancer} . tcp . ${port} : ${clusterIP} . 80 }`),
      `local-clients { ${world.node} . tcp . 30443 : ${clusterIP} . 80 }`,
      ...devices.map((device) => `numbered-devices { "${device}" }`),
    ];
    const ip = family === 4 ? 'ip' : 'ip6';
    const ops: Op[] = [
      { kind: 'table', verb: 'add', table },
      ...elements.map((one) => parseOp(`nft add element ${ip} kube-ipvs ${one}`)),
    ];
    const { answers } = await kernel.apply(ops);
    assert.deepEqual(new Set(answers), new Set(['done']));
  }

  /** `far own`: the far Pod answered, and saw the client's own address; or a name's, or the address itself. */
  function ask(world: (typeof worlds)[number], client: Client, address: string, port: number): string {
    const answer = network.reach(namespaces[client], address, port);
    const [server = '', peer] = answer.split(' ');
    if (peer === undefined) return answer;
    const seen = parseAddress(peer.replace(/[[\]]/g, ''));
    const names = new Map<Address | undefined | string, string>([
      [client === 'host' ? '' : world[client], 'own'],
      [world.device, 'device'],
      [world.node, 'node'],
    ]);
    return `${server} ${names.get(seen) ?? seen}`;
  }

  for (const world of worlds) {
    const { family, clusterIP, balancer, node } = world;
    const networks: FilterPolicy['pods'] = { by: 'networks', cidrs: [cidr(world.podNetwork)] };

    describe(`of IPv${family}`, () => {
      const told = {
        'by network': { pods: networks },
        'by device': { pods: { by: 'bridge', name: 'to-pod' } },
        "by their devices' prefix": { pods: { by: 'devicePrefix', prefix: 'to-p' } },
        'not at all': {},
        'by network, with all masqueraded': { pods: networks, masqueradeAll: true },
      } as const satisfies Record<string, Partial<FilterPolicy>>;
      const masqueraded: Readonly<Record<keyof typeof told, readonly Client[]>> = {
        'by network': ['outside', 'host'],
        'by device': ['outside', 'host'],
        "by their devices' prefix": ['outside', 'host'],
        'not at all': ['host'],
        'by network, with all masqueraded': ['outside', 'host', 'pod'],
      };

      for (const [how, fields] of Object.entries(told)) {
        const who = masqueraded[how as keyof typeof told];
        it(`with Pods told ${how}, ${who.join(' and ')} come to a ClusterIP's Pod as the node`, async () => {
          await filter(world, fields);
          for (const client of ['outside', 'pod', 'host'] as const) {
            const wanted = who.includes(client) ? 'far device' : 'far own';
            assert.equal(ask(world, client, clusterIP, 80), wanted, client);
          }
        });
      }

      describe('with Pods told by network', () => {
        before(() => filter(world, { pods: networks }));

        it('everybody comes through a NodePort and a load balancer with the policy Cluster as the node', () => {
          for (const client of ['outside', 'pod', 'host'] as const) {
            assert.equal(ask(world, client, node, 30_080), 'far device', client);
            assert.equal(ask(world, client, balancer, 80), 'far device', client);
          }
        });

        it('a Pod that reaches itself through a Service sees the node', () => {
          assert.equal(ask(world, 'pod', clusterIP, 81), 'pod device');
        });

        it('with the policy Local a client from outside keeps its address and reaches the Pod here', () => {
          assert.equal(ask(world, 'outside', balancer, 443), 'pod own');
          assert.equal(ask(world, 'outside', node, 30_443), 'pod own');
        });

        it("with the policy Local this node's Pods and the host reach the cluster's endpoints", () => {
          assert.equal(ask(world, 'pod', balancer, 443), 'far own');
          assert.equal(ask(world, 'pod', node, 30_443), 'far own');
          assert.equal(ask(world, 'host', balancer, 443), 'far device');
          assert.equal(ask(world, 'host', node, 30_443), 'far device');
        });

        it('with the policy Local and no endpoint here, clients from outside hear nothing and those of this node are served', () => {
          assert.equal(ask(world, 'outside', balancer, 444), 'silent');
          assert.equal(ask(world, 'pod', balancer, 444), 'far own');
          assert.equal(ask(world, 'host', balancer, 444), 'far device');
        });

        it('only allowed sources reach a load balancer that has some', () => {
          assert.equal(ask(world, 'outside', balancer, 8443), 'far device');
          assert.equal(ask(world, 'pod', balancer, 8443), 'silent');
          assert.equal(ask(world, 'host', balancer, 8443), 'silent');
        });

        it("the host's ports are refused at virtual addresses, but for health checks", () => {
          for (const client of ['outside', 'pod', 'host'] as const) {
            assert.equal(ask(world, client, clusterIP, 22), 'refused', client);
            assert.equal(ask(world, client, balancer, 22), 'refused', client);
            assert.equal(ask(world, client, balancer, 30_000), 'health', client);
          }
          assert.equal(ask(world, 'outside', node, 22), 'host');
          assert.equal(ask(world, 'outside', clusterIP, 30_080), 'refused', 'a NodePort');
        });

        it('a datagram to a port that no Service has is refused at a virtual address', () => {
          assert.match(datagram(namespaces.outside, clusterIP), /ECONNREFUSED/);
        });

        it('ping to a virtual address is answered', () => {
          for (const client of ['outside', 'host'] as const) {
            assert.match(network.run(namespaces[client], 'ping', '-c', '1', '-W', '5', clusterIP), / 0% packet loss/);
          }
        });
      });

      it('with all masqueraded, Pods that leave for the ClusterIP are, too', async () => {
        await filter(world, { pods: networks, masqueradeAll: true });
        assert.equal(ask(world, 'pod', balancer, 443), 'far device');
        assert.equal(ask(world, 'outside', balancer, 443), 'pod own');
      });

      it("with Pods told not at all, they are known by the Node's networks as clients of this node", async () => {
        await filter(world, {}, { podCIDRs: [world.podNetwork] });
        assert.equal(ask(world, 'pod', balancer, 444), 'far own');
      });

      it('in a routed network unknown addresses are guarded, too, and the host is masqueraded', async () => {
        const routedCIDRs = [cidr(world.serviceNetwork)];
        const dummy = family === 4 ? '' : 'ip link set kube-ipvs0 addrgenmode none; ip link set kube-ipvs0 up;';
        shell(
          `${dummy} ip route add local ${world.serviceNetwork} dev kube-ipvs0 table local; ip address delete ${clusterIP} dev kube-ipvs0`,
        );
        await filter(world, { routedCIDRs });
        await kernel.apply([
          parseOp(`nft delete element ip${family === 4 ? '' : '6'} kube-ipvs virtual-ips { ${clusterIP} }`),
        ]);
        assert.equal(ask(world, 'outside', world.unused, 22), 'refused');
        assert.equal(ask(world, 'outside', clusterIP, 22), 'refused');
        assert.equal(ask(world, 'host', clusterIP, 80), 'far device');
        assert.equal(ask(world, 'outside', clusterIP, 80), 'far own');
        shell(
          `ip address add ${clusterIP} dev kube-ipvs0 ${family === 6 ? 'nodad' : ''}; ip route delete local ${world.serviceNetwork} dev kube-ipvs0 table local`,
        );
      });

      it("what leaves by a device without an address has the node's", async () => {
        const { pod, far } = world;
        for (const [name, address] of [
          ['pod', pod],
          ['far', far],
        ] as const) {
          const [link] = JSON.parse(network.run(network.node, 'ip', '-j', 'link', 'show', `to-${name}`)) as [
            { address: string },
          ];
          network.run(
            namespaces[name],
            'ip',
            'neigh',
            'replace',
            world.device,
            'lladdr',
            link.address,
            'dev',
            'eth0',
            'nud',
            'permanent',
          );
          shell(
            `ip -${family} address flush dev to-${name} scope global; ip -${family} route replace ${address} dev to-${name}`,
          );
        }
        await filter(world, { pods: networks }, { nodeIPs: [node] }, ['to-outside', 'uplink']);
        assert.equal(ask(world, 'outside', clusterIP, 80), 'far node');
        assert.equal(ask(world, 'host', clusterIP, 80), 'far node');
        assert.equal(ask(world, 'pod', clusterIP, 81), 'pod node', 'to itself');
      });
    });
  }
});

/** What becomes of two datagrams: the first is refused, the second hears of it. */
function datagram(namespace: string, address: string): string {
  const script = `
    const socket = require('node:dgram').createSocket(${address.includes(':') ? "'udp6'" : "'udp4'"});
    socket.on('error', (error) => { console.log(error.code); process.exit(); });
    socket.connect(5353, '${address}', () => setInterval(() => socket.send('hello'), 100));
    setTimeout(() => { console.log('silent'); process.exit(); }, 10000);`;
  return execFileSync('ip', ['netns', 'exec', namespace, process.execPath, '-e', script], { encoding: 'utf8' });
}
