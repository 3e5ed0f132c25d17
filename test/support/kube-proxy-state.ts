/**
 * What kube-proxy 1.36 in ipvs mode leaves on a node, whole: all its chains, jumps, rules, ipsets of both families, addresses and virtual
 * services, as it writes them itself (createAndLinkKubeChain, writeIptablesRules, ensureIPSet and syncProxyRules of
 * pkg/proxy/ipvs/proxier.go). For the Services of {@link kubeProxyObjects}, with clusterCIDR 10.244.0.0/16 and fd00:244::/32, and
 * nodePortAddresses as in {@link kubeProxyFlags}.
 */

import type { Family } from '../../src/model/address.ts';
import { serviceObject, sliceObject } from './cluster-objects.ts';

export const nodeName = 'node-a';

export const kubeProxyFlags = [
  `--hostname-override=${nodeName}`,
  '--cluster-cidr=10.244.0.0/16,fd00:244::/32',
  '--nodeport-addresses=192.0.2.0/24,2001:db8::/64',
];

const tcp = (port: number, nodePort: number) => ({ name: 'http', port, protocol: 'TCP', nodePort, targetPort: 8080 });
const ingress = (...ips: readonly string[]) => ({ loadBalancer: { ingress: ips.map((ip) => ({ ip })) } });

/** `web` of both families with the policy Cluster and source ranges, `local` with the policy Local, `dns` over UDP, `sctp` over SCTP. */
export const kubeProxyObjects: readonly object[] = [
  {
    ...serviceObject('web', {
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      ports: [tcp(80, 30080)],
      spec: {
        type: 'LoadBalancer',
        externalIPs: ['203.0.113.20', '2001:db8:113::20'],
        loadBalancerSourceRanges: ['198.51.100.0/24', '2001:db8:100::/48'],
      },
    }),
    status: ingress('203.0.113.10', '2001:db8:113::10'),
  },
  sliceObject('web', ['10.244.0.1'], { nodeName }),
  sliceObject('web', ['fd00:244::1'], { nodeName }),
  {
    ...serviceObject('local', {
      clusterIPs: ['10.96.0.11'],
      ports: [tcp(80, 30081)],
      spec: {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32000,
        externalIPs: ['203.0.113.21'],
      },
    }),
    status: ingress('203.0.113.11'),
  },
  sliceObject('local', ['10.244.0.1'], { nodeName }),
  serviceObject('dns', {
    clusterIPs: ['10.96.0.53'],
    ports: [{ name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 }],
    spec: { type: 'NodePort' },
  }),
  sliceObject('dns', ['10.244.0.1'], { nodeName, ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
  serviceObject('sctp', {
    clusterIPs: ['10.96.0.132'],
    ports: [{ name: 'sctp', port: 132, protocol: 'SCTP', nodePort: 30132 }],
    spec: { type: 'NodePort' },
  }),
];

/** For `iptables-restore --noflush`, the jumps on top; rules stand where their set has elements. */
export function kubeProxyRules(family: Family): string {
  return `${natRules(family)}${filterRules(family)}`;
}

function natRules(family: Family): string {
  const six = family === 6;
  const set = (name: string) => setName(name, family);
  const pods = six ? 'fd00:244::/32' : '10.244.0.0/16';
  const local = (rules: string) => (six ? '' : rules);
  return `*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-MARK-MASQ - [0:0]
-I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -s ${six ? '::1/128' : '127.0.0.0/8'} -j RETURN
-A KUBE-POSTROUTING -m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" -m set --match-set ${set('LOOP-BACK')} dst,dst,src -j MASQUERADE
-A KUBE-SERVICES -m comment --comment "Kubernetes service lb portal" -m set --match-set ${set('LOAD-BALANCER')} dst,dst -j KUBE-LOAD-BALANCER
${local(`-A KUBE-LOAD-BALANCER -m comment --comment "Kubernetes service load balancer ip + port with externalTrafficPolicy=local" -m set --match-set ${set('LOAD-BALANCER-LOCAL')} dst,dst -j RETURN
-A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port with externalTrafficPolicy=local" -m set --match-set ${set('NODE-PORT-LOCAL-TCP')} dst -j RETURN
`)}-A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" -m set --match-set ${set('NODE-PORT-TCP')} dst -j KUBE-MARK-MASQ
${local(`-A KUBE-NODE-PORT -p udp -m comment --comment "Kubernetes nodeport UDP port for masquerade purpose" -m set --match-set ${set('NODE-PORT-UDP')} dst -j KUBE-MARK-MASQ
-A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'" -m set --match-set ${set('NODE-PORT-SCTP-HASH')} dst,dst -j KUBE-MARK-MASQ
`)}-A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" -m set --match-set ${set('CLUSTER-IP')} dst,dst ! -s ${pods} -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set ${set('EXTERNAL-IP')} dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set ${set('EXTERNAL-IP')} dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" -m set --match-set ${set('EXTERNAL-IP')} dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
${local(`-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set ${set('EXTERNAL-IP-LOCAL')} dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port with externalTrafficPolicy=local" -m set --match-set ${set('EXTERNAL-IP-LOCAL')} dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
`)}-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set ${set('CLUSTER-IP')} dst,dst -j ACCEPT
-A KUBE-SERVICES -m set --match-set ${set('LOAD-BALANCER')} dst,dst -j ACCEPT
-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
COMMIT
`;
}

function filterRules(family: Family): string {
  const set = (name: string) => setName(name, family);
  const balancer = family === 6 ? '2001:db8:113::10' : '203.0.113.10';
  return `*filter
:KUBE-FORWARD - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SOURCE-RANGES-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
:KUBE-IPVS-OUT-FILTER - [0:0]
-I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-I INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
-I INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-I FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-I INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
-I OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
-A KUBE-PROXY-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" -m set --match-set ${set('LOAD-BALANCER-FW')} dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
-A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter" -m set --match-set ${set('LOAD-BALANCER-SOURCE-CIDR')} dst,dst,src -j RETURN
-A KUBE-SOURCE-RANGES-FIREWALL -j DROP
-A KUBE-IPVS-OUT-FILTER -s ${balancer} -m ipvs --vaddr ${balancer} --vproto TCP --vport 80 -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x00004000/0x00004000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" -m set --match-set ${set('HEALTH-CHECK-NODE-PORT')} dst -j ACCEPT
-A KUBE-IPVS-FILTER -m set --match-set ${set('LOAD-BALANCER')} dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set ${set('CLUSTER-IP')} dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set ${set('EXTERNAL-IP')} dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set ${set('EXTERNAL-IP-LOCAL')} dst,dst -j RETURN
-A KUBE-IPVS-FILTER -m set --match-set ${set('HEALTH-CHECK-NODE-PORT')} dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set ${set('IPVS-IPS')} dst -j REJECT
COMMIT
`;
}

interface SetFixture {
  readonly name: string;
  readonly type: string;
  readonly entries: Readonly<Record<Family, readonly string[]>>;
}

const bitmap = 'bitmap:port range 0-65535';
/** The seventeen of each family. 31099 and 30199 are of Services that were deleted while kube-proxy was away. */
const setFixtures: readonly SetFixture[] = [
  {
    name: 'LOOP-BACK',
    type: 'hash:ip,port,ip',
    entries: {
      4: ['10.244.0.1,tcp:8080,10.244.0.1', '10.244.0.1,udp:53,10.244.0.1'],
      6: ['fd00:244::1,tcp:8080,fd00:244::1'],
    },
  },
  {
    name: 'CLUSTER-IP',
    type: 'hash:ip,port',
    entries: {
      4: ['10.96.0.10,tcp:80', '10.96.0.11,tcp:80', '10.96.0.53,udp:53', '10.96.0.132,sctp:132', '10.96.0.99,tcp:80'],
      6: ['fd00:96::10,tcp:80'],
    },
  },
  {
    name: 'EXTERNAL-IP',
    type: 'hash:ip,port',
    entries: { 4: ['203.0.113.20,tcp:80'], 6: ['2001:db8:113::20,tcp:80'] },
  },
  { name: 'EXTERNAL-IP-LOCAL', type: 'hash:ip,port', entries: { 4: ['203.0.113.21,tcp:80'], 6: [] } },
  {
    name: 'LOAD-BALANCER',
    type: 'hash:ip,port',
    entries: { 4: ['203.0.113.10,tcp:80', '203.0.113.11,tcp:80'], 6: ['2001:db8:113::10,tcp:80'] },
  },
  { name: 'LOAD-BALANCER-LOCAL', type: 'hash:ip,port', entries: { 4: ['203.0.113.11,tcp:80'], 6: [] } },
  {
    name: 'LOAD-BALANCER-FW',
    type: 'hash:ip,port',
    entries: { 4: ['203.0.113.10,tcp:80'], 6: ['2001:db8:113::10,tcp:80'] },
  },
  {
    name: 'LOAD-BALANCER-SOURCE-CIDR',
    type: 'hash:ip,port,net',
    entries: { 4: ['203.0.113.10,tcp:80,198.51.100.0/24'], 6: ['2001:db8:113::10,tcp:80,2001:db8:100::/48'] },
  },
  { name: 'LOAD-BALANCER-SOURCE-IP', type: 'hash:ip,port,ip', entries: { 4: [], 6: [] } },
  { name: 'NODE-PORT-TCP', type: bitmap, entries: { 4: ['30080', '30081', '31099'], 6: ['30080'] } },
  { name: 'NODE-PORT-UDP', type: bitmap, entries: { 4: ['30053'], 6: [] } },
  { name: 'NODE-PORT-LOCAL-TCP', type: bitmap, entries: { 4: ['30081'], 6: [] } },
  { name: 'NODE-PORT-LOCAL-UDP', type: bitmap, entries: { 4: [], 6: [] } },
  {
    name: 'NODE-PORT-SCTP-HASH',
    type: 'hash:ip,port',
    entries: { 4: ['192.0.2.1,sctp:30132', '192.0.2.1,sctp:30199'], 6: [] },
  },
  { name: 'NODE-PORT-LOCAL-SCTP-HASH', type: 'hash:ip,port', entries: { 4: [], 6: [] } },
  { name: 'HEALTH-CHECK-NODE-PORT', type: bitmap, entries: { 4: ['32000'], 6: [] } },
  {
    name: 'IPVS-IPS',
    type: 'hash:ip',
    entries: {
      4: [
        '10.96.0.10',
        '10.96.0.11',
        '10.96.0.53',
        '10.96.0.132',
        '10.96.0.99',
        '203.0.113.10',
        '203.0.113.11',
        '203.0.113.20',
        '203.0.113.21',
      ],
      6: ['fd00:96::10', '2001:db8:113::10', '2001:db8:113::20'],
    },
  },
];

/** As kube-proxy shortens what is longer than ipset takes. */
function setName(name: string, family: Family): string {
  return family === 4 ? `KUBE-${name}` : `KUBE-6-${name}`.slice(0, 31);
}

/** All names, as `ipset list -name` prints them. */
export const kubeProxySetNames: readonly string[] = ([4, 6] as const).flatMap((family) =>
  setFixtures.map(({ name }) => setName(name, family)),
);

/** For `ipset restore`. */
export const kubeProxySets: string = ([4, 6] as const)
  .flatMap((family) =>
    setFixtures.flatMap(({ name, type, entries }) => [
      `create ${setName(name, family)} ${type}${
        type === bitmap ? '' : ` family ${family === 4 ? 'inet' : 'inet6'} hashsize 1024 maxelem 65536`
      }`,
      ...entries[family].map((entry) => `add ${setName(name, family)} ${entry}`),
    ]),
  )
  .join('\n');

const web4 = ['10.96.0.10:80', '192.0.2.1:30080', '203.0.113.10:80', '203.0.113.20:80'];
const web6 = ['[fd00:96::10]:80', '[2001:db8::1]:30080', '[2001:db8:113::10]:80', '[2001:db8:113::20]:80'];
const local = ['10.96.0.11:80', '192.0.2.1:30081', '203.0.113.11:80', '203.0.113.21:80'];

/** Lines of `ipvsadm -S -n` that Services ask for. */
export const kubeProxyServices: readonly string[] = [
  ...[...web4, ...local].flatMap((front) => [`-A -t ${front} -s rr`, `-a -t ${front} -r 10.244.0.1:8080 -m -w 1`]),
  ...web6.flatMap((front) => [`-A -t ${front} -s rr`, `-a -t ${front} -r [fd00:244::1]:8080 -m -w 1`]),
  ...['10.96.0.53:53', '192.0.2.1:30053'].flatMap((front) => [
    `-A -u ${front} -s rr`,
    `-a -u ${front} -r 10.244.0.1:53 -m -w 1`,
  ]),
  ...['10.96.0.132:132', '192.0.2.1:30132'].map((front) => `-A --sctp-service ${front} -s rr`),
];

/** Of Services that were deleted while kube-proxy was away. */
export const staleServices: readonly string[] = [
  '-A -t 10.96.0.99:80 -s rr',
  '-a -t 10.96.0.99:80 -r 10.244.0.1:8080 -m -w 1',
  '-A -t 192.0.2.1:31099 -s rr',
  '-a -t 192.0.2.1:31099 -r 10.244.0.1:8080 -m -w 1',
  '-A --sctp-service 192.0.2.1:30199 -s rr',
];

/** Those of Services that are there still; with their length of prefix. */
export const kubeProxyAddresses: readonly string[] = [
  '10.96.0.10/32',
  '10.96.0.11/32',
  '10.96.0.132/32',
  '10.96.0.53/32',
  '2001:db8:113::10/128',
  '2001:db8:113::20/128',
  '203.0.113.10/32',
  '203.0.113.11/32',
  '203.0.113.20/32',
  '203.0.113.21/32',
  'fd00:96::10/128',
];
