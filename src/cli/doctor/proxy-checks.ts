/** Other programs that serve Services on this node, or did: kube-proxy, kube-router, Cilium. */

import type { FilterName } from '../../kernel/filter-names.ts';
import { counted, type Finding, fail, ok, some, warn } from './finding.ts';
import { type IptablesChain, iptablesLeftovers, kubeProxySets, kubeProxyTables } from './kube-proxy-leftovers.ts';

/** Programs that would undo our work, by the names of processes that were seen. */
export function processFinding(processes: readonly string[]): Finding {
  const check = 'kube-proxy-process';
  const found = processes.filter((name) => name === 'kube-proxy');
  if (found.length === 0) return ok(check, 'no process of that name is seen from here');
  return fail(
    check,
    'kube-proxy runs on this node: each of the two undoes what the other does',
    'take it off this node (README, Deploying); its rules stay until they are removed',
  );
}

/** Devices of other proxies, by the names of all devices and of processes. */
export function otherProxyFindings(devices: readonly string[], chains: readonly string[]): Finding[] {
  return [kubeRouterFinding(devices, chains), ciliumFinding(devices)];
}

function kubeRouterFinding(devices: readonly string[], chains: readonly string[]): Finding {
  const check = 'kube-router';
  const serves = [
    ...devices.filter((name) => name === 'kube-dummy-if').map((name) => `the device ${name}`),
    ...chains.filter((name) => name === 'KUBE-ROUTER-SERVICES').map((name) => `the chain ${name}`),
  ];
  if (serves.length > 0) {
    return fail(
      check,
      `kube-router serves Services here, or did (${serves.join(', ')}): it deletes virtual services that it does not know`,
      'run kube-router with --run-service-proxy=false, then ip link delete kube-dummy-if and restart the node',
    );
  }
  const traces = [
    ...devices.filter((name) => name === 'kube-bridge'),
    ...new Set(chains.filter((name) => name.startsWith('KUBE-ROUTER-'))),
  ];
  if (traces.length === 0) return ok(check, 'no trace of it');
  return ok(check, `here for Pods or policies, not for Services (${some(traces)})`);
}

function ciliumFinding(devices: readonly string[]): Finding {
  const check = 'cilium';
  const found = devices.filter((name) => name === 'cilium_host' || name === 'cilium_net');
  if (found.length === 0) return ok(check, 'no trace of it');
  return warn(
    check,
    `Cilium runs here, or did (${found.join(', ')}): where it replaces kube-proxy its programs take packets to Services before IPVS sees them`,
    'make sure that it does not: kubeProxyReplacement: false (cilium status shows KubeProxyReplacement)',
  );
}

const restart = 'or restart the node, where it does not run any more';

/** Of one variant: a finding for iptables and ip6tables together. */
export function iptablesFinding(variant: IptablesChain['variant'], names: readonly FilterName[]): Finding {
  const check = variant === 'legacy' ? 'kube-proxy-iptables-legacy' : 'kube-proxy-iptables-nft';
  const chains = iptablesLeftovers(variant, names);
  if (chains.length === 0) return ok(check, 'no chain of it');
  const shown = chains.map(({ family, table, chain }) => `${family} ${table} ${chain}`);
  const tool = variant === 'legacy' ? 'tables-legacy' : 'tables-nft';
  const clean = ['ip', 'ip6'].map((ip) => `${ip}${tool}-save | grep -v KUBE- | ${ip}${tool}-restore`).join('; ');
  return fail(
    check,
    `${counted(chains.length, 'chain')} of kube-proxy (${some(shown)}): they take or reject packets to Services before IPVS sees them`,
    `once kube-proxy is gone from this node: ${clean}; ${restart}`,
  );
}

export function nftablesFinding(names: readonly FilterName[]): Finding {
  const check = 'kube-proxy-nftables';
  const tables = kubeProxyTables(names).map(({ family, table }) => `${family} ${table}`);
  if (tables.length === 0) return ok(check, 'no table of it');
  return fail(
    check,
    `kube-proxy's mode nftables left, or uses: table ${tables.join(', table ')}; it takes packets to Services before IPVS sees them`,
    `once kube-proxy is gone from this node: ${tables.map((table) => `nft delete table ${table}`).join('; ')}; ${restart}`,
  );
}

export function setFinding(names: readonly string[]): Finding {
  const check = 'kube-proxy-ipsets';
  const sets = kubeProxySets(names);
  if (sets.length === 0) return ok(check, 'no ipset of it');
  return warn(
    check,
    `${counted(sets.length, 'ipset')} of kube-proxy (${some(sets)}): they decide nothing by themselves, rules that use them do`,
    `once kube-proxy and its chains are gone: ipset list -name | grep ^KUBE- | xargs -rn1 ipset destroy; ${restart}`,
  );
}
