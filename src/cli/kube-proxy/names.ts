/**
 * The names by which kube-proxy's chains, ipsets and tables are known. Source: pkg/proxy/ipvs/{proxier,ipset}.go, pkg/proxy/iptables/proxier.go
 * of Kubernetes 1.36, and what earlier versions called theirs. Others write KUBE-… too and are not kube-proxy: the kubelet
 * (KUBE-FIREWALL of the filter table, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT, KUBE-MARK-DROP), kube-router (KUBE-ROUTER-…, KUBE-POD-FW-…,
 * KUBE-NWPLCY-…; sets KUBE-SRC-…, KUBE-DST-…).
 */

import type { Family } from '../../model/address.ts';

type ChainNames = Readonly<Record<string, ReadonlySet<string>>>;

const chains: ChainNames = {
  nat: new Set([
    'KUBE-SERVICES',
    'KUBE-POSTROUTING',
    'KUBE-NODE-PORT',
    'KUBE-LOAD-BALANCER',
    'KUBE-MARK-MASQ',
    // ipvs mode up to 1.25, and its first versions
    'KUBE-FIREWALL',
    'KUBE-FIRE-WALL',
    // iptables mode
    'KUBE-NODEPORTS',
    'KUBE-PROXY-CANARY',
  ]),
  filter: new Set([
    'KUBE-FORWARD',
    'KUBE-NODE-PORT',
    'KUBE-PROXY-FIREWALL',
    'KUBE-SOURCE-RANGES-FIREWALL',
    'KUBE-IPVS-FILTER',
    'KUBE-IPVS-OUT-FILTER',
    // iptables mode
    'KUBE-SERVICES',
    'KUBE-EXTERNAL-SERVICES',
    'KUBE-NODEPORTS',
    'KUBE-PROXY-CANARY',
  ]),
  mangle: new Set(['KUBE-PROXY-CANARY']),
};

/** Of the iptables mode, one chain for each port, endpoint, external policy and source range: a hash behind it. */
const hashed = /^KUBE-(SVC|SVL|SEP|EXT|XLB|FW)-[A-Z2-7]{16}$/;

/** A table may be called as what every object has (`constructor`). */
export function isKubeProxyChain(table: string, name: string): boolean {
  return (Object.hasOwn(chains, table) && chains[table]!.has(name)) || (table === 'nat' && hashed.test(name));
}

/** Comments of the rules by which the kernel's own chains lead to kube-proxy's; no version wrote one without. */
export function isKubeProxyComment(comment: string | undefined): boolean {
  return comment !== undefined && /^(kubernetes|kube-proxy) /.test(comment);
}

/** The name of the tables of its nftables mode, of both families (pkg/proxy/nftables/proxier.go). */
export const nftablesTable = 'kube-proxy';

const sets = [
  'LOOP-BACK',
  'CLUSTER-IP',
  'EXTERNAL-IP',
  'EXTERNAL-IP-LOCAL',
  'LOAD-BALANCER',
  'LOAD-BALANCER-LOCAL',
  'LOAD-BALANCER-FW',
  'LOAD-BALANCER-SOURCE-CIDR',
  'LOAD-BALANCER-SOURCE-IP',
  'NODE-PORT-TCP',
  'NODE-PORT-UDP',
  'NODE-PORT-LOCAL-TCP',
  'NODE-PORT-LOCAL-UDP',
  'NODE-PORT-SCTP-HASH',
  'NODE-PORT-LOCAL-SCTP-HASH',
  'HEALTH-CHECK-NODE-PORT',
  'IPVS-IPS',
  // up to 1.14
  'LOAD-BALANCER-MASQ',
  'NODE-PORT-SCTP',
  'NODE-PORT-LOCAL-SCTP',
];

/** Names of ipsets have 31 characters at most (IPSET_MAXNAMELEN), and kube-proxy cuts what is longer. */
const setNames: ReadonlySet<string> = new Set(sets.flatMap((name) => [`KUBE-${name}`, `KUBE-6-${name}`.slice(0, 31)]));

export function isKubeProxySet(name: string): boolean {
  return setNames.has(name);
}

/** Of one of kube-proxy's. */
export function familyOfSet(name: string): Family {
  return name.startsWith('KUBE-6-') ? 6 : 4;
}

/** Sets whose elements are virtual services as `ADDRESS,PROTOCOL:PORT`. */
export const frontEndSets: readonly string[] = ['', '6-'].flatMap((family) =>
  ['CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL', 'LOAD-BALANCER', 'NODE-PORT-SCTP-HASH'].map(
    (name) => `KUBE-${family}${name}`,
  ),
);

/** Sets whose elements are NodePorts of the protocol, at whatever address of the node. */
export const nodePortSets: ReadonlyMap<string, 'TCP' | 'UDP'> = new Map([
  ['KUBE-NODE-PORT-TCP', 'TCP'],
  ['KUBE-NODE-PORT-UDP', 'UDP'],
  ['KUBE-6-NODE-PORT-TCP', 'TCP'],
  ['KUBE-6-NODE-PORT-UDP', 'UDP'],
]);
