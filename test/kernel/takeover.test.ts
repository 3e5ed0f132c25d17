/** A node of kube-proxy's ipvs mode is taken over and handed back, and connections that were open before live through both. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAddress } from '../../src/model/address.ts';
import { list } from '../support/cluster-objects.ts';
import {
  kubeProxyAddresses,
  kubeProxyFlags,
  kubeProxyObjects,
  kubeProxyRules,
  kubeProxyServices,
  kubeProxySetNames,
  kubeProxySets,
  staleServices,
} from '../support/kube-proxy-state.ts';
import { type Connection, Network } from '../support/network.ts';
import { kubeIpvs, type Run } from '../support/program.ts';
import { boundAddresses, ipvsLines } from '../support/witness.ts';

/** What an administrator, the kubelet, Docker and kube-router have beside it. */
const foreignRules = `*nat
:DOCKER - [0:0]
:KUBE-MARK-DROP - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -m comment --comment "kubernetes has \\"nothing\\" to do with it" -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000
COMMIT
*filter
:ADMIN - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-ROUTER-FORWARD - [0:0]
:KUBE-NWPLCY-DEFAULT - [0:0]
-A INPUT -m comment --comment "block incoming localnet connections" -j KUBE-FIREWALL
-A INPUT -p tcp -m tcp --dport 2222 -j ADMIN
-A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD
-A ADMIN -m set --match-set admins src -j ACCEPT
-A ADMIN -j DROP
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-ROUTER-FORWARD -j KUBE-NWPLCY-DEFAULT
-A KUBE-NWPLCY-DEFAULT -m set --match-set KUBE-SRC-ABCDEFGHIJKLMNOP src -j ACCEPT
COMMIT
*mangle
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-IPTABLES-HINT - [0:0]
COMMIT
`;
const foreignSets = 'create admins hash:ip\nadd admins 198.51.100.99\ncreate KUBE-SRC-ABCDEFGHIJKLMNOP hash:ip\n';
const foreignServices = [
  '-A -f 7 -s wlc',
  '-a -f 7 -r 198.51.100.2:0 -g -w 1',
  '-A -t 192.0.2.1:8443 -s sh',
  '-a -t 192.0.2.1:8443 -r 10.244.0.1:8080 -m -w 3',
  '-A -t 198.51.100.200:80 -s rr',
];

/** socat writes all bytes of an address, and IPv4 as IPv6 where its server is of both. */
function plain(answer: string | undefined): string | undefined {
  return answer?.replace(/\[(.*)\]/, (_, address: string) => parseAddress(address) ?? address);
}

/** kube-proxy's iptables of a family may be of either kind; here each is of another. */
const commands = { 4: 'iptables-nft', 6: 'ip6tables-legacy' } as const;

describe('a node of kube-proxy', () => {
  let network: Network;
  let client: string;
  let pod: string;
  let folder: string;
  let own: string[];
  let connections: Readonly<Record<string, Connection>>;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
    writeFileSync(join(folder, 'objects.json'), list(kubeProxyObjects));
    network = new Network('takeover');
    client = network.join('client', ['198.51.100.7', '2001:db8:100::7']);
    pod = network.join('pod', ['10.244.0.1', 'fd00:244::1']);
    await network.serve(pod, 'TCP', 8080, 'pod sees $SOCAT_PEERADDR');
    onNode('ipvsadm -Ln\nsysctl -qw net.ipv4.vs.conntrack=1\nip link add uplink type dummy\nip link set uplink up');
    onNode('ip address add 192.0.2.1/24 dev uplink\nip address add 2001:db8::1/64 dev uplink nodad');
    onNode('ip link add kube-ipvs0 type dummy\nip address add 10.96.0.99/32 dev kube-ipvs0');
    onNode(kubeProxyAddresses.map((address) => `ip address add ${address} dev kube-ipvs0`).join('\n'));
    onNode('ipvsadm -R', [...kubeProxyServices, ...staleServices, ...foreignServices].join('\n'));
    onNode('ipset restore', foreignSets);
    onNode(`${commands[4]}-restore --noflush`, foreignRules);
    own = state();
    playKubeProxy();
    connections = {
      'client to a ClusterIP': await network.connect(client, '10.96.0.10', 80),
      'client to a NodePort': await network.connect(client, '192.0.2.1', 30080),
      'client to a load balancer': await network.connect(client, '203.0.113.10', 80),
      'client to an IPv6 ClusterIP': await network.connect(client, 'fd00:96::10', 80),
      'client to a NodePort with the policy Local': await network.connect(client, '192.0.2.1', 30081),
      'host to a ClusterIP': await network.connect(network.node, '10.96.0.10', 80),
      'Pod to itself': await network.connect(pod, '10.96.0.10', 80),
    };
    await allTalk();
  });
  after(async () => {
    await network?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function onNode(script: string, input = ''): string {
    const args = ['netns', 'exec', network.node, 'sh', '-ec', script];
    return execFileSync('ip', args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Rules, ipsets and the table of the nftables mode. */
  function playKubeProxy(): void {
    onNode('ipset restore -exist', kubeProxySets);
    for (const family of [4, 6] as const) onNode(`${commands[family]}-restore --noflush`, kubeProxyRules(family));
    onNode('nft "add table ip kube-proxy; add chain ip kube-proxy services; add table ip6 kube-proxy"');
  }

  /** All chains and rules of both kinds of iptables, ipsets with their elements, and tables, without counters. */
  function state(): string[] {
    const shown = onNode(
      `for command in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do echo "$command-save"; $command-save; done
      ipset save; nft list tables`,
    );
    let place = '';
    return shown.split('\n').flatMap((line) => {
      if (/^ip\S+-save$/.test(line)) place = line;
      if (line.startsWith('*')) place = `${place.split(' ')[0]} ${line}`;
      if (/^(-A |:\S+ - )/.test(line)) return [`${place} ${line.replace(/ \[.*/, '')}`];
      return /^(create |add |table ip6? kube-)/.test(line) ? [line] : [];
    });
  }

  /** Each through the connection that was opened first. */
  async function allTalk(): Promise<void> {
    const seen: Record<string, string | undefined> = {};
    for (const [name, connection] of Object.entries(connections)) seen[name] = plain(await connection.ask());
    assert.deepEqual(seen, {
      'client to a ClusterIP': 'pod sees 169.254.1.1',
      'client to a NodePort': 'pod sees 169.254.1.1',
      'client to a load balancer': 'pod sees 169.254.1.1',
      'client to an IPv6 ClusterIP': 'pod sees fd00:169::1',
      'client to a NodePort with the policy Local': 'pod sees 198.51.100.7',
      'host to a ClusterIP': 'pod sees 169.254.1.1',
      'Pod to itself': 'pod sees 169.254.1.1',
    });
  }

  /** Connections that the virtual service has had: a new one of the same address would begin at 0. */
  function connectionsOf(service: string): number {
    const line = onNode('ipvsadm -Ln --stats')
      .split('\n')
      .find((one) => one.includes(` ${service} `));
    return Number(line?.trim().split(/\s+/)[2]);
  }

  function takeover(...flags: readonly string[]): Promise<Run> {
    const args = ['--manifests', join(folder, 'objects.json'), '--netns', network.node, ...kubeProxyFlags, ...flags];
    return kubeIpvs(['takeover', ...args]);
  }

  function release(...flags: readonly string[]): Promise<Run> {
    return kubeIpvs(['cleanup', '--release', '--netns', network.node, ...flags]);
  }

  it('tells beforehand all that a takeover would do, and changes nothing', async () => {
    const before = [state(), ipvsLines(network.node), boundAddresses(network.node)];
    const { status, stdout, stderr } = await takeover('--dry-run');
    assert.deepEqual([status, stderr], [2, '']);
    const lines = stdout.split('\n');
    assert.deepEqual(lines.filter((line) => /^(-[AEDaed] |ip )/.test(line)).toSorted(), [
      '-D --sctp-service 192.0.2.1:30199',
      '-D -t 10.96.0.99:80',
      '-D -t 192.0.2.1:31099',
      '-d -t 10.96.0.99:80 -r 10.244.0.1:8080',
      '-d -t 192.0.2.1:31099 -r 10.244.0.1:8080',
      'ip addr delete 10.96.0.99/32 dev kube-ipvs0',
    ]);
    for (const line of [
      'nft add table ip kube-ipvs',
      'iptables-nft -t nat -D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
      'iptables-nft -t nat -D KUBE-SERVICES -s 127.0.0.0/8 -j RETURN',
      'iptables-nft -t nat -X KUBE-MARK-MASQ',
      'ip6tables-legacy -t filter -X KUBE-IPVS-OUT-FILTER',
      'ipset destroy KUBE-6-LOAD-BALANCER-SOURCE-CID',
      'nft delete table ip6 kube-proxy',
    ]) {
      assert.ok(lines.includes(line), `nothing says "${line}"\n${stdout}`);
    }
    assert.equal(lines.filter((line) => line.startsWith('ipset destroy ')).length, kubeProxySetNames.length);
    assert.equal(lines.filter((line) => / -X KUBE-/.test(line)).length, 22);
    assert.equal(lines.filter((line) => / -D (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) /.test(line)).length, 18);
    assert.deepEqual([state(), ipvsLines(network.node), boundAddresses(network.node)], before);
  });

  it('is taken over in place: nothing of kube-proxy is left, all of others is, and open connections talk on', async () => {
    const had = connectionsOf('192.0.2.1:30080');
    const { status, stdout, stderr } = await takeover();
    assert.deepEqual([status, stderr], [0, ''], stdout);
    assert.deepEqual(state(), [...own, 'table ip kube-ipvs', 'table ip6 kube-ipvs']);
    assert.deepEqual(ipvsLines(network.node), [...kubeProxyServices, ...foreignServices].toSorted());
    assert.deepEqual(boundAddresses(network.node), kubeProxyAddresses);
    assert.equal(connectionsOf('192.0.2.1:30080'), had);
    await allTalk();
    assert.equal(plain(network.reach(client, '192.0.2.1', 30080)), 'pod sees 169.254.1.1');
    assert.equal(network.reach(client, '10.96.0.10', 22), 'refused');
  });

  it('has nothing more to do for a second takeover, which tells when kube-proxy runs', async () => {
    symlinkSync('/usr/bin/sleep', join(folder, 'kube-proxy'));
    const kubeProxy = network.start(network.node, join(folder, 'kube-proxy'), '600');
    try {
      const { status, stdout, stderr } = await takeover();
      assert.equal(status, 3);
      assert.match(stdout, /^nothing to do; .*\nkube-proxy: nothing of it to remove\n$/);
      assert.match(stderr, /^warn kube-proxy runs here \(process \d+\) and makes all of its own again .*\n$/);
    } finally {
      process.kill(-kubeProxy.pid!, 'SIGKILL');
    }
  });

  it('is handed back to a kube-proxy that has written its rules, without a connection lost', async () => {
    playKubeProxy();
    const kubeProxys = state().filter((line) => !/^table ip6? kube-ipvs$/.test(line));
    const fromOutside = () => plain(network.reach(client, '192.0.2.1', 30080));
    assert.equal(fromOutside(), 'pod sees 169.254.1.1', 'with the rules of both');
    const { status, stdout, stderr } = await release();
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /^nft delete table ip kube-ipvs\nnft delete table ip6 kube-ipvs\nkept for kube-proxy: 16 virtual /,
    );
    assert.deepEqual(state(), kubeProxys);
    assert.deepEqual(ipvsLines(network.node), [...kubeProxyServices, ...foreignServices].toSorted());
    assert.deepEqual(boundAddresses(network.node), kubeProxyAddresses);
    await allTalk();
    assert.equal(fromOutside(), 'pod sees 169.254.1.1', 'with the rules of kube-proxy');
    assert.match((await release()).stdout, /^nothing to do; /);
  });
});
