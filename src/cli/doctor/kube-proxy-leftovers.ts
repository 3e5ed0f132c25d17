/** What of a packet filter kube-proxy made, by its names: it removes nothing when it ends. Pure. */

import type { FilterName } from '../../kernel/filter-names.ts';

/** A chain of iptables: of the older kind (`legacy`), or made by iptables-nft. */
export interface IptablesChain {
  readonly variant: 'legacy' | 'nf_tables';
  readonly family: 'ip' | 'ip6';
  readonly table: string;
  readonly chain: string;
}

/** A table of nf_tables. */
export interface NftablesTable {
  readonly family: string;
  readonly table: string;
}

/**
 * Chains of kube-proxy's modes iptables and ipvs among the names of one variant. Those that a kubelet makes too do not count where one
 * was at work: it has a chain of its own in every family (KUBE-KUBELET-CANARY, pkg/kubelet/kubelet_network_linux.go of Kubernetes 1.36;
 * until 1.27 it made KUBE-MARK-MASQ, KUBE-MARK-DROP and KUBE-POSTROUTING as well).
 */
export function iptablesLeftovers(variant: IptablesChain['variant'], names: readonly FilterName[]): IptablesChain[] {
  const chains = names.flatMap(({ family, table, chain }): IptablesChain[] =>
    chain !== undefined && (family === 'ip' || family === 'ip6') && iptablesTables.has(table)
      ? [{ variant, family, table, chain }]
      : [],
  );
  const ofKubelet = new Set(chains.filter(({ chain }) => chain === kubeletCanary).map(({ family }) => family));
  return chains.filter(({ family, chain }) => isOfKubeProxy(chain) && !(ofKubelet.has(family) && shared.has(chain)));
}

/** Tables of kube-proxy's mode nftables. */
export function kubeProxyTables(names: readonly FilterName[]): NftablesTable[] {
  return names.flatMap(({ family, table, chain }) =>
    chain === undefined && table === 'kube-proxy' ? [{ family, table }] : [],
  );
}

/** ipsets of kube-proxy's mode ipvs, of both families (pkg/proxy/ipvs/ipset.go); kube-router's begin likewise. */
export function kubeProxySets(names: readonly string[]): string[] {
  return names.filter((name) => setNames.test(name));
}

const iptablesTables: ReadonlySet<string> = new Set(['nat', 'filter', 'mangle', 'raw', 'security']);
const kubeletCanary = 'KUBE-KUBELET-CANARY';
const shared: ReadonlySet<string> = new Set(['KUBE-MARK-MASQ', 'KUBE-MARK-DROP', 'KUBE-POSTROUTING']);
/** What only others make: the kubelet, kube-router. */
const others = /^KUBE-(KUBELET-CANARY|IPTABLES-HINT|FIREWALL|ROUTER-|POD-FW-|NWPLCY-)/;
const setNames =
  /^KUBE-(6-)?(LOOP-BACK|CLUSTER-IP|EXTERNAL-IP|LOAD-BALANCER|NODE-PORT|HEALTH-CHECK-NODE-PORT|IPVS-IPS)(-|$)/;

function isOfKubeProxy(chain: string): boolean {
  return chain.startsWith('KUBE-') && !others.test(chain);
}
