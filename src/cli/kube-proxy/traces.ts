/** What of a packet filter is kube-proxy's, by its names: it removes nothing when it ends. Pure. */

import type { FilterName } from '../../kernel/filter-names.ts';
import { families, type Family } from '../../model/address.ts';
import { familyName } from '../../model/filter.ts';
import { isKubeProxyChain, isKubeProxySet, nftablesTable } from './names.ts';

/** A chain of iptables or ip6tables, of either kind. */
export interface IptablesChain {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
}

/** Chains of kube-proxy's modes iptables and ipvs among the names of one kind of iptables. */
export function kubeProxyChains(names: readonly FilterName[]): IptablesChain[] {
  return names.flatMap(({ family: name, table, chain }): IptablesChain[] => {
    const family = families.find((one) => familyName(one) === name);
    if (family === undefined || chain === undefined || !isKubeProxyChain(table, chain)) return [];
    return [{ family, table, chain }];
  });
}

/**
 * Of these, what only kube-proxy can have made. Where a kubelet was at work (it has a chain of its own in every family, KUBE-KUBELET-CANARY,
 * pkg/kubelet/kubelet_network_linux.go of Kubernetes 1.36) two may be its own: until 1.27 it made them as well.
 */
export function kubeProxyChainsAlone(names: readonly FilterName[]): IptablesChain[] {
  const ofKubelet = new Set(names.filter(({ chain }) => chain === kubeletCanary).map(({ family }) => family));
  return kubeProxyChains(names).filter(
    ({ family, chain }) => !(shared.has(chain) && ofKubelet.has(familyName(family))),
  );
}

const kubeletCanary = 'KUBE-KUBELET-CANARY';
const shared: ReadonlySet<string> = new Set(['KUBE-MARK-MASQ', 'KUBE-POSTROUTING']);

/** Families of which kube-proxy's mode nftables has a table. */
export function kubeProxyTables(names: readonly FilterName[]): Family[] {
  return families.filter((family) =>
    names.some(({ family: name, table }) => name === familyName(family) && table === nftablesTable),
  );
}

/** ipsets of kube-proxy's mode ipvs, of both families. */
export function kubeProxySets(names: readonly string[]): string[] {
  return names.filter(isKubeProxySet);
}

/**
 * Whether kube-proxy's rules that masquerade are there, of iptables or of its mode nftables; `names` are those of both kinds. The chain
 * alone proves nothing: a kube-proxy that starts makes it first, and writes its rules after it has looked at all Services, together with
 * those of KUBE-SERVICES (syncProxyRules of pkg/proxy/ipvs/proxier.go). A kubelet may have rules there too, but never KUBE-SERVICES.
 */
export function masquerades(names: readonly FilterName[], family: Family): boolean {
  const ofFamily = names.filter((name) => name.family === familyName(family));
  const hasRules = (table: string, chain: string) =>
    ofFamily.some((name) => name.table === table && name.chain === chain && name.hasRules);
  if (hasRules(nftablesTable, 'nat-postrouting')) return true;
  const mayBeKubelets = ofFamily.some(({ chain }) => chain === kubeletCanary) && !hasRules('nat', 'KUBE-SERVICES');
  return hasRules('nat', 'KUBE-POSTROUTING') && !mayBeKubelets;
}
