/** Other programs that serve Services on this node, or did: kube-proxy, kube-router, Cilium. */

import type { FilterName } from '../../kernel/filter-names.ts';
import { counted, some } from '../../model/counted.ts';
import { familyName } from '../../model/filter.ts';
import { nftablesTable } from '../kube-proxy/names.ts';
import { kubeProxyChainsAlone, kubeProxySets, kubeProxyTables } from '../kube-proxy/traces.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** `running` is by what it is seen; undefined: it is not. */
export function processFinding(running: string | undefined): Finding {
  const check = 'kube-proxy-process';
  if (running === undefined) return ok(check, 'it is not seen from here');
  return fail(
    check,
    `kube-proxy runs on this node (${running}): each of the two undoes what the other does`,
    'take it off this node (README, Moving from kube-proxy), then: kube-ipvs takeover',
  );
}

/** By the names of all devices and chains. */
export function kubeRouterFinding(devices: readonly string[], chains: readonly string[]): Finding {
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

/** By the names of all devices. */
export function ciliumFinding(devices: readonly string[]): Finding {
  const check = 'cilium';
  const found = devices.filter((name) => name === 'cilium_host' || name === 'cilium_net');
  if (found.length === 0) return ok(check, 'no trace of it');
  return warn(
    check,
    `Cilium runs here, or did (${found.join(', ')}): where it replaces kube-proxy its programs take packets to Services before IPVS sees them`,
    'make sure that it does not: kubeProxyReplacement: false (cilium status shows KubeProxyReplacement)',
  );
}

/** It knows kube-proxy's by their exact names, and so leaves what the kubelet and kube-router call KUBE-… too. */
const cure =
  'once kube-proxy is gone from this node: kube-ipvs takeover (--dry-run shows all that it would do); or restart the node, ' +
  'where it does not run any more';

/** Of one kind: a finding for iptables and ip6tables together. */
export function iptablesFinding(kind: 'legacy' | 'nft', names: readonly FilterName[]): Finding {
  const check = `kube-proxy-iptables-${kind}`;
  const chains = kubeProxyChainsAlone(names);
  if (chains.length === 0) return ok(check, 'no chain of it');
  const shown = chains.map(({ family, table, chain }) => `${familyName(family)} ${table} ${chain}`);
  const found = `${counted(chains.length, 'chain')} of kube-proxy (${some(shown)})`;
  return chains.every(({ chain }) => harmless.has(chain))
    ? warn(check, `${found}: they do no harm to Services; a takeover tells what needs them`, cure)
    : fail(check, `${found}: they take or reject packets to Services before IPVS sees them`, cure);
}

/** What lets answers through, marks what is sent to it, and holds nothing: a takeover leaves the first two where others need them. */
const harmless: ReadonlySet<string> = new Set(['KUBE-FORWARD', 'KUBE-MARK-MASQ', 'KUBE-PROXY-CANARY']);

export function nftablesFinding(names: readonly FilterName[]): Finding {
  const check = 'kube-proxy-nftables';
  const tables = kubeProxyTables(names).map((family) => `table ${familyName(family)} ${nftablesTable}`);
  if (tables.length === 0) return ok(check, 'no table of it');
  return fail(
    check,
    `kube-proxy's mode nftables left, or uses: ${tables.join(', ')}; it takes packets to Services before IPVS sees them`,
    cure,
  );
}

export function setFinding(names: readonly string[]): Finding {
  const check = 'kube-proxy-ipsets';
  const sets = kubeProxySets(names);
  if (sets.length === 0) return ok(check, 'no ipset of it');
  return warn(
    check,
    `${counted(sets.length, 'ipset')} of kube-proxy (${some(sets)}): they decide nothing by themselves, rules that use them do`,
    cure,
  );
}
