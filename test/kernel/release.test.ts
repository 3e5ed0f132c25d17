/** `kube-ipvs cleanup --release` on a node whose NAT is ours alone. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Network } from '../support/network.ts';
import { kubeIpvs } from '../support/program.ts';
import { boundAddresses, boundRoutes } from '../support/witness.ts';

describe('a node that never had kube-proxy', () => {
  let network: Network;

  before(() => {
    network = new Network('release');
  });
  after(() => network.close());

  const onNode = (...commands: readonly string[]) => {
    for (const command of commands) network.run(network.node, ...command.split(' '));
  };
  const ruleset = () => network.run(network.node, 'nft', 'list', 'ruleset').replaceAll(/\s+/g, ' ').trim();

  it('keeps masqueraded connections through a release, and new ones are for kube-proxy', async () => {
    const client = network.join('client', ['198.51.100.7']);
    const pod = network.join('pod', ['10.244.0.1']);
    await network.serve(pod, 'TCP', 8080, 'web');
    const ports = [{ name: 'http', port: 80, nodePort: 30_080, protocol: 'TCP', targetPort: 8080 }];
    const nodePort = { type: 'NodePort' };
    const web = [
      serviceObject('web', { clusterIPs: ['10.96.0.10'], ports, spec: nodePort }),
      sliceObject('web', ['10.244.0.1']),
    ];
    const addresses = ['--cluster-cidr=10.244.0.0/16', '--nodeport-addresses=169.254.1.0/24'];
    const args = ['--manifests', '-', '--netns', network.node, ...addresses, '--vip-binding=route'];
    const made = await kubeIpvs(['reconcile', '--once', ...args], { input: list(web) });
    assert.equal(made.status, 0, made.stderr);
    const connection = await network.connect(client, '10.96.0.10', 80);
    assert.equal(await connection.ask(), 'web');

    const release = (...flags: readonly string[]) =>
      kubeIpvs(['cleanup', '--release', '--netns', network.node, ...flags]);
    const first = await release();
    assert.equal(first.status, 3, first.stderr);
    assert.match(
      first.stderr,
      /^warn the rules of kube-proxy that masquerade are not there: ip kube-ipvs keeps one rule, .* loadBalancerSourceRanges hold nobody back/,
    );
    const [, elements] = /elements = \{ (.*?) \}/.exec(ruleset()) ?? [];
    assert.deepEqual(elements?.split(', ').toSorted(), ['10.96.0.10 . tcp . 80', '169.254.1.1 . tcp . 30080']);
    assert.equal(
      ruleset().replace(/elements = \{.*?\}/, 'elements'),
      'table ip kube-ipvs { set services { type ipv4_addr . inet_proto . inet_service elements } chain postrouting { type nat hook postrouting priority srcnat - 5; policy accept; ' +
        'ct state new return comment "masqueraded connections live on until kube-proxy is here" } }',
    );
    assert.deepEqual(boundAddresses(network.node), ['10.96.0.10/32']);
    assert.deepEqual(boundRoutes(network.node), []);
    assert.equal(await connection.ask(), 'web');
    const { operations, failures, stays, kept } = JSON.parse((await release('-o', 'json')).stdout) as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      { operations, failures, stays, kept },
      {
        operations: [],
        failures: [],
        stays: { services: 2, destinations: 2, addresses: 1 },
        kept: ['ip kube-ipvs'],
      },
    );

    // what kube-proxy begins with; the rules come when it has looked at all Services
    onNode('iptables-legacy -t nat -N KUBE-POSTROUTING', 'iptables-nft -t nat -N KUBE-POSTROUTING');
    onNode('iptables-legacy -t nat -I POSTROUTING -j KUBE-POSTROUTING');
    const early = await release();
    assert.deepEqual([early.status, early.stderr], [3, first.stderr]);
    assert.equal(await connection.ask(), 'web');

    onNode('iptables-legacy -t nat -A KUBE-POSTROUTING -j MASQUERADE', 'nft delete table ip nat');
    const last = await release();
    assert.deepEqual([last.status, last.stderr], [0, '']);
    assert.match(last.stdout, /^kept for kube-proxy: 2 virtual services, 2 destinations, 1 address of kube-ipvs0$/m);
    assert.equal(ruleset(), '');
    assert.equal(await connection.ask(), 'web');
  });
});
