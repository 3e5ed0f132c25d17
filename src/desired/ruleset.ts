/**
 * The configuration and the node in; the chains and rules of our tables out. Pure; independent of the Services.
 *
 * How a packet to a virtual service passes, with IPVS at input 98 and output -98 (net/netfilter/ipvs/ip_vs_core.c, 6.1):
 *
 *     prerouting -120, output -120   source-ranges   sources that a load balancer does not allow are dropped
 *     prerouting -110, output -110   local-policy-*  clients on this node leave virtual services that have local endpoints only
 *     prerouting -105, output -105   services        what must be masqueraded is marked; others' nat chains at -100 have no say
 *     input         0                input           nothing but virtual services is reachable at a virtual address
 *     postrouting 95                 postrouting     what is marked, or comes back to its sender, is masqueraded, by nobody else at 100
 *
 * Chains of the type nat see the first packet of a connection only, and the first that sets up a destination ends the others of its
 * hook for the connection (nf_nat_inet_fn in nf_nat_core.c, 6.1). Rules are in the form in which nft 1.0.6 lists them.
 */

import { type Address, type Cidr, families, type Family, familyOf, networkText } from '../model/address.ts';
import { type BaseChain, type Chain, familyName, type Rule, setSpecs, type Table } from '../model/filter.ts';
import type { NodeFacts } from './node-facts.ts';

/** How traffic of the node's own Pods is told from other traffic; kube-proxy's detectLocalMode. */
export type PodDetector =
  | { readonly by: 'nothing' }
  /** Their sources, at most one network of each family. */
  | { readonly by: 'networks'; readonly cidrs: readonly Cidr[] }
  /** The Node's podCIDRs. */
  | { readonly by: 'node' }
  | { readonly by: 'bridge'; readonly name: string }
  | { readonly by: 'devicePrefix'; readonly prefix: string };

/** What of the configuration the rules depend on. */
export interface FilterPolicy {
  readonly pods: PodDetector;
  readonly masqueradeAll: boolean;
  /** One bit of the packet mark. */
  readonly masqueradeMark: number;
  /** Networks whose every address is the node's, because a route leads them to kube-ipvs0. */
  readonly routedCIDRs: readonly Cidr[];
}

/**
 * In front of others' nat chains, of which the last one made would be the first at 100: whoever masquerades instead of us leaves the mark,
 * and a tunnel's own packets bear it on and are masqueraded by it.
 */
export const masqueradingPlace = { type: 'nat', hook: 'postrouting', priority: 95 } as const satisfies BaseChain;

/** One table of each family, always both. */
export function ruleset(node: NodeFacts, policy: FilterPolicy): readonly Table[] {
  const sets = Object.values(setSpecs);
  return families.map((family) => ({ family, sets, chains: chains(terms(family, node, policy), policy) }));
}

/** What differs between the families and the nodes, as parts of rules. */
interface Terms {
  readonly saddr: string;
  readonly daddr: string;
  /** The virtual service that a packet is for, as the sets are keyed. */
  readonly service: string;
  readonly loopback: string;
  readonly echoRequest: string;
  readonly dnat: string;
  /** Of a packet for a virtual service: it goes where it goes. */
  readonly stay: string;
  /** The node's own Pods by the configured detector; undefined where there is none for the family. */
  readonly pods: PodMatch | undefined;
  /** The same, or else by the Node's podCIDRs. */
  readonly localPods: PodMatch | undefined;
  readonly routedNetworks: readonly string[];
  readonly masqueradeIP: Address | undefined;
  readonly mark: string;
  readonly unmark: string;
  readonly unmarked: string;
}

interface PodMatch {
  readonly is: string;
  readonly isNot: string;
}

function terms(family: Family, node: NodeFacts, { pods, masqueradeMark, routedCIDRs }: FilterPolicy): Terms {
  const ip = familyName(family);
  const service = `${ip} daddr . meta l4proto . th dport`;
  const ofFamily = (cidrs: readonly Cidr[]) => cidrs.filter(({ address }) => familyOf(address) === family);
  const within = ([cidr]: readonly Cidr[]) => cidr && matching(`${ip} saddr`, networkText(cidr));
  const byNode = within(ofFamily(node.podCIDRs));
  const detected = detect(pods, (cidrs) => within(ofFamily(cidrs)), byNode);
  return {
    saddr: `${ip} saddr`,
    daddr: `${ip} daddr`,
    service,
    loopback: family === 4 ? 'ip saddr 127.0.0.0/8' : 'ip6 saddr ::1',
    echoRequest: `${family === 4 ? 'icmp' : 'icmpv6'} type echo-request`,
    dnat: `dnat ${ip} to ${service} map @${setSpecs.localClients.name}`,
    stay: `${service} @${setSpecs.services.name} dnat to ${ip} daddr`,
    pods: detected,
    localPods: detected ?? byNode,
    routedNetworks: ofFamily(routedCIDRs).map(networkText),
    masqueradeIP: node.masqueradeIPs.get(family),
    mark: `meta mark set meta mark | ${maskText(masqueradeMark)}`,
    unmark: `meta mark set meta mark & ${maskText(~masqueradeMark)}`,
    unmarked: `meta mark & ${maskText(masqueradeMark)} == 0x00000000`,
  };
}

function detect(
  detector: PodDetector,
  within: (cidrs: readonly Cidr[]) => PodMatch | undefined,
  byNode: PodMatch | undefined,
): PodMatch | undefined {
  switch (detector.by) {
    case 'nothing':
      return undefined;
    case 'networks':
      return within(detector.cidrs);
    case 'node':
      return byNode;
    case 'bridge':
      return matching('iifname', `"${detector.name}"`);
    case 'devicePrefix':
      return matching('iifname', `"${detector.prefix}*"`);
    default:
      return detector satisfies never;
  }
}

function matching(selector: string, value: string): PodMatch {
  return { is: `${selector} ${value}`, isNot: `${selector} != ${value}` };
}

function maskText(mask: number): string {
  return `0x${(mask >>> 0).toString(16).padStart(8, '0')}`;
}

function chains(terms: Terms, policy: FilterPolicy): readonly Chain[] {
  const sourceRanges = { name: 'source-ranges', base: undefined, rules: sourceRangeRules(terms) };
  const services = { name: 'services', base: undefined, rules: serviceRules(terms, policy) };
  const virtualIP = { name: 'virtual-ip', base: undefined, rules: virtualIPRules(terms) };
  const masquerading = { name: 'masquerading', base: undefined, rules: masqueradingRules(terms) };
  const newConnections = rule(
    `ct state new,untracked jump ${sourceRanges.name}`,
    'who may reach which load balancer IP',
  );
  const marking = rule(`jump ${services.name}`, 'which virtual services are masqueraded for whom');
  const staying = rule(terms.stay, 'no hostPort or published port of this number gets it');
  return [
    sourceRanges,
    base('source-ranges-prerouting', { type: 'filter', hook: 'prerouting', priority: -120 }, [newConnections]),
    base('source-ranges-output', { type: 'filter', hook: 'output', priority: -120 }, [newConnections]),
    base('local-policy-prerouting', { type: 'nat', hook: 'prerouting', priority: -110 }, podRules(terms, policy)),
    base('local-policy-output', { type: 'nat', hook: 'output', priority: -110 }, hostRules(terms)),
    services,
    base('services-prerouting', { type: 'nat', hook: 'prerouting', priority: -105 }, [marking, staying]),
    base('services-output', { type: 'nat', hook: 'output', priority: -105 }, [marking, staying]),
    virtualIP,
    base('input', { type: 'filter', hook: 'input', priority: 0 }, inputRules(terms, virtualIP.name)),
    masquerading,
    base('postrouting', masqueradingPlace, postroutingRules(terms, masquerading.name)),
  ];
}

function base(name: string, place: BaseChain, rules: readonly Rule[]): Chain {
  return { name, base: place, rules };
}

function rule(text: string, comment: string): Rule {
  return { text, comment };
}

function sourceRangeRules({ service, saddr }: Terms): Rule[] {
  const { restricted, allowedSources } = setSpecs;
  return [
    rule(
      `${service} @${restricted.name} ${service} . ${saddr} != @${allowedSources.name} drop`,
      'not in loadBalancerSourceRanges',
    ),
  ];
}

/** A ClusterIP has the cluster's endpoints, whatever the external policy: the node's own clients go there instead. */
function podRules({ localPods, service, mark, dnat }: Terms, { masqueradeAll }: FilterPolicy): Rule[] {
  if (localPods === undefined) return [];
  const marking = rule(
    `${localPods.is} ${notClusterIP(service)} ${mark}`,
    'Pods of this node, to all but ClusterIPs: masquerade all',
  );
  const leaving = rule(`${localPods.is} ${dnat}`, "Pods of this node, policy Local: to the cluster's endpoints");
  return masqueradeAll ? [marking, leaving] : [leaving];
}

/** The host's packets come from the very virtual address that they go to, and answers to it would not come back. */
function hostRules({ loopback, service, mark, dnat }: Terms): Rule[] {
  return [
    rule(`${loopback} return`, 'loopback addresses stay on this node'),
    rule(`${notClusterIP(service)} ${mark}`, 'processes of this node, to all but ClusterIPs: masqueraded'),
    rule(dnat, "processes of this node, policy Local: the cluster's endpoints"),
  ];
}

function notClusterIP(service: string): string {
  return `${service} @${setSpecs.services.name} ${service} != @${setSpecs.clusterIPs.name}`;
}

function serviceRules(terms: Terms, policy: FilterPolicy): Rule[] {
  const { loopback, service, mark } = terms;
  return [
    rule(`${loopback} return`, 'loopback addresses stay on this node'),
    rule(
      `${service} @${setSpecs.masqueraded.name} ${mark}`,
      'NodePorts, load balancers, external IPs with policy Cluster',
    ),
    ...clusterIPRules(terms, policy),
  ];
}

/** By a device's name no packet of the host is a Pod's, since it comes in by none. */
function clusterIPRules(
  { pods, saddr, service, mark, routedNetworks }: Terms,
  { masqueradeAll }: FilterPolicy,
): Rule[] {
  const marking = `${service} @${setSpecs.clusterIPs.name} ${mark}`;
  if (masqueradeAll) return [rule(marking, 'masquerade all: every client of a ClusterIP')];
  if (pods !== undefined) return [rule(`${pods.isNot} ${marking}`, 'clients of a ClusterIP that are no Pods')];
  const virtual = [`@${setSpecs.virtualIPs.name}`, ...routedNetworks];
  return virtual.map((source) => rule(`${saddr} ${source} ${marking}`, 'processes of this node, to a ClusterIP'));
}

function inputRules({ service, daddr, routedNetworks }: Terms, virtualIP: string): Rule[] {
  const virtual = [`@${setSpecs.virtualIPs.name}`, ...routedNetworks];
  return [
    rule(
      `ct state new ${service} @${setSpecs.withoutLocal.name} drop`,
      'policy Local without an endpoint here: not from outside',
    ),
    ...virtual.map((destination) =>
      rule(`ct state new ${daddr} ${destination} goto ${virtualIP}`, 'ports of the host are not reachable here'),
    ),
  ];
}

/** Neighbour discovery is never tracked and so never new (nf_conntrack_icmpv6_error, 6.1); errors belong to a connection. */
function virtualIPRules({ service, echoRequest }: Terms): Rule[] {
  return [
    rule(`${service} @${setSpecs.services.name} return`, 'a virtual service: IPVS comes next'),
    rule(`${echoRequest} return`, 'ping is answered'),
    rule(`tcp dport @${setSpecs.healthCheckPorts.name} return`, 'health checks of load balancers'),
    rule('reject with tcp reset', 'nobody listens here'),
    rule('reject', 'nobody listens here'),
  ];
}

function postroutingRules({ saddr, daddr, unmarked }: Terms, masquerading: string): Rule[] {
  return [
    rule(
      `${saddr} . ${daddr} . meta l4proto . th dport @${setSpecs.hairpins.name} goto ${masquerading}`,
      'a Pod that reached itself through a Service',
    ),
    rule(`${unmarked} return`, 'not to be masqueraded'),
    rule(`goto ${masquerading}`, 'marked above'),
  ];
}

/**
 * To masquerade is to take an address of the device. Where it has none, the kernel takes one of any other, which may be a virtual
 * address (inet_select_addr in devinet.c, ipv6_dev_get_saddr in addrconf.c, 6.1).
 */
function masqueradingRules({ masqueradeIP, unmark }: Terms): Rule[] {
  const pinned = rule(
    `oifname != @${setSpecs.numberedDevices.name} snat to ${masqueradeIP} fully-random`,
    "devices without an address of their own: the node's",
  );
  return [
    rule(unmark, 'the mark has done its work'),
    ...(masqueradeIP === undefined ? [] : [pinned]),
    rule('masquerade fully-random', "the device's address"),
  ];
}
