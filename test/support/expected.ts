/**
 * What a cluster asks of a node, said a second time: straight from what kube-proxy's ipvs mode does and where we differ, one virtual
 * service at a time over plain lists, sharing nothing with src/desired but the facts. Properties compare the kernel with this.
 */

import { endpointText, type Family, familyOf } from '../../src/model/address.ts';
import type { NodeAddress, Node, EndpointSlice, Service, ServicePort } from '../../src/model/cluster.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import { choose, endpointsOf, type Member, weightOf } from './expected-endpoints.ts';
import { type ExpectedNode, expectedNode, holds } from './expected-node.ts';
import { stateText } from './kernel-state.ts';

export interface Cluster {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly node: Node | undefined;
  readonly addresses: readonly NodeAddress[];
}

/** A virtual service as it should be: its `-A` line behind the verb, and its destinations as `ip:port`. */
export interface Asked {
  readonly id: string;
  readonly address: string;
  readonly option: string;
  readonly line: string;
  readonly protocol: string;
  readonly bound: boolean;
  readonly destinations: readonly string[];
  /** Of each destination. */
  readonly weights: readonly number[];
  /** Milliseconds. */
  readonly drainTimeout: number | undefined;
  /** As `nft` commands. */
  readonly elements: readonly string[];
}

export type AskedBy = Pick<Wishes, 'nodeName' | 'scheduler' | 'vipBinding' | 'nodePortAddresses' | 'nodeIP'>;

/** No kernel has it: a Service that asks for it gets the node's. */
export const missingScheduler = 'nosuch';

/** By id, each from the Service that owns it. */
export function asked(cluster: Cluster, wishes: AskedBy): Map<string, Asked> {
  const oldestFirst = cluster.services.toSorted((a, b) => (seniority(a) < seniority(b) ? -1 : 1));
  const found = new Map<string, Asked>();
  for (const service of oldestFirst) {
    for (const one of ofService(cluster, wishes, service)) if (!found.has(one.id)) found.set(one.id, one);
  }
  return found;
}

/** The kernel's state when there is nothing but what the cluster asks. */
export function expectedState(cluster: Cluster, wishes: AskedBy, others: Iterable<string> = []): string {
  const lines = [...others, 'ip link add kube-ipvs0 type dummy', ...expectedElements(cluster, wishes)];
  for (const { line, option, destinations, weights } of asked(cluster, wishes).values()) {
    lines.push(`-A ${line}`, ...destinations.map((one, i) => `-a ${option} -r ${one} -m -w ${weights[i]}`));
  }
  const { own } = expectedNode(cluster, wishes);
  for (const address of boundAddresses(cluster, wishes)) {
    const host = `${address}/${address.includes(':') ? 128 : 32}`;
    const source = own[address.includes(':') ? 6 : 4];
    if (wishes.vipBinding === 'address') lines.push(`ip addr add ${host} dev kube-ipvs0`);
    else lines.push(`ip route add local ${host} dev kube-ipvs0 table local${source ? ` src ${source}` : ''}`);
  }
  return stateText(new Set(lines));
}

/** All elements of our sets, as `nft` commands. */
export function expectedElements(cluster: Cluster, wishes: AskedBy): Set<string> {
  const node = expectedNode(cluster, wishes);
  const devices = [4, 6].flatMap((family) =>
    node.devices[family as Family].map((device) => elementLine(family as Family, 'numbered-devices', device)),
  );
  const vips = boundAddresses(cluster, wishes).map((one) => elementLine(one.includes(':') ? 6 : 4, 'virtual-ips', one));
  const shared = cluster.services.flatMap((service) => sharedLines(cluster, wishes, service));
  return new Set([
    ...devices,
    ...vips,
    ...shared,
    ...[...asked(cluster, wishes).values()].flatMap((one) => one.elements),
  ]);
}

/** Also those that a Service asks for at a virtual service that another owns. */
export function boundAddresses(cluster: Cluster, wishes: AskedBy): string[] {
  const all = cluster.services.flatMap((service) => ofService(cluster, wishes, service));
  return [...new Set(all.filter(({ bound }) => bound).map(({ address }) => address))];
}

function elementLine(family: Family, set: string, key: string): string {
  return `nft add element ${family === 4 ? 'ip' : 'ip6'} kube-ipvs ${set} { ${key} }`;
}

function seniority({ createdAt, name }: Service): string {
  return createdAt === '' ? `9999 ${name}` : `${createdAt} ${name}`;
}

/** One of each id: the ClusterIP's before the load balancer's before the external IP's before the NodePort's. */
function ofService(cluster: Cluster, wishes: AskedBy, service: Service): Asked[] {
  const node = expectedNode(cluster, wishes);
  const found: Asked[] = [];
  const add = (front: Front) => {
    const one = virtualService(cluster, wishes, node, service, front);
    if (!found.some(({ id }) => id === one.id)) found.push(one);
  };
  const ports = service.ports.flatMap((port) => service.clusterIPs.map((clusterIP) => ({ port, clusterIP })));
  const outside = (kind: Front['kind'], addresses: readonly string[]) => {
    for (const { port, clusterIP } of ports) {
      for (const address of addresses.filter((one) => one.includes(':') === clusterIP.includes(':'))) {
        const number = kind === 'node' ? port.nodePort : port.port;
        if (number !== undefined)
          add({ kind, port, clusterIP, address: address as Service['clusterIPs'][number], number });
      }
    }
  };
  for (const { port, clusterIP } of ports)
    add({ kind: 'cluster', port, clusterIP, address: clusterIP, number: port.port });
  outside('balancer', service.loadBalancerIPs);
  outside('external', service.externalIPs);
  outside('node', node.nodePortAddresses);
  return found;
}

interface Front {
  readonly kind: 'cluster' | 'balancer' | 'external' | 'node';
  readonly port: ServicePort;
  readonly clusterIP: Service['clusterIPs'][number];
  readonly address: Service['clusterIPs'][number];
  readonly number: number;
}

const options = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' } as const;

function virtualService(cluster: Cluster, wishes: AskedBy, node: ExpectedNode, service: Service, front: Front): Asked {
  const { kind, port, address, number } = front;
  const at = endpointText(address, number);
  const option = `${options[port.protocol]} ${at}`;
  const all = endpointsOf(cluster.slices, service.name, port, familyOf(address));
  const policy = kind === 'cluster' ? service.internalTrafficPolicy : service.externalTrafficPolicy;
  const chosen = choose(all, policy, wishes.nodeName, cluster.node?.zone);
  return {
    id: `${at}/${port.protocol}`,
    address,
    option,
    protocol: port.protocol,
    line: `${option} ${configuration(service, wishes.scheduler)}`,
    bound: kind === 'cluster' || (kind !== 'node' && !node.held.includes(address)),
    destinations: chosen.map(({ text }) => text),
    weights: chosen.map(({ endpoint }) => weightOf(endpoint, service.tuning.weights)),
    drainTimeout: service.tuning.drainTimeout,
    elements: elementLines(service, front, node, (local) => choose(all, local, wishes.nodeName, cluster.node?.zone)),
  };
}

/** `-s rr -p 10800 -b mh-port`. */
function configuration({ tuning, affinityTimeout }: Service, usual: string): string {
  const { scheduler: own, schedulerFlags } = tuning;
  const scheduler = own === undefined || own === missingScheduler ? usual : own;
  const prefix = scheduler === 'mh' || scheduler === 'sh' ? scheduler : undefined;
  const names =
    prefix === undefined ? ['flag-1', 'flag-2', 'flag-3'] : [`${prefix}-fallback`, `${prefix}-port`, 'flag-3'];
  const bits = schedulerFlags ?? (scheduler === 'mh' ? 16 : 0);
  const flags = names.filter((_, i) => bits & (8 << i)).join(',');
  return [
    `-s ${scheduler}`,
    ...(affinityTimeout === undefined ? [] : [`-p ${affinityTimeout}`]),
    ...(flags === '' ? [] : [`-b ${flags}`]),
  ].join(' ');
}

function elementLines(
  service: Service,
  { kind, port, clusterIP, address, number }: Front,
  node: ExpectedNode,
  chosen: (policy: string) => readonly Member[],
): string[] {
  const family = familyOf(address);
  const key = `${address} . ${port.protocol.toLowerCase()} . ${number}`;
  const line = (set: string, more = '') => elementLine(family, set, `${key}${more}`);
  if (kind === 'cluster') return [line('services'), line('cluster-ips')];
  const lines = [line('services')];
  if (service.externalTrafficPolicy === 'Cluster') lines.push(line('masqueraded'));
  else lines.push(line('local-clients', ` : ${clusterIP} . ${port.port}`));
  const isElsewhere = chosen('Local').length === 0 && chosen('Cluster').length > 0;
  if (service.externalTrafficPolicy === 'Local' && isElsewhere) lines.push(line('without-local'));
  const sources = kind === 'balancer' ? allowed(service, address, node) : [];
  return [
    ...lines,
    ...(sources.length > 0 ? [line('restricted')] : []),
    ...sources.map((one) => line('allowed-sources', ` . ${one}`)),
  ];
}

/** Networks, and the host as a bare address; of networks in one another the widest. */
function allowed({ sourceRanges }: Service, vip: Service['clusterIPs'][number], { own }: ExpectedNode): string[] {
  const family = familyOf(vip);
  const ranges = sourceRanges.filter(({ address }) => familyOf(address) === family);
  const widest = ranges.filter(
    (one) => !ranges.some((other) => other.prefix < one.prefix && holds(other, one.address)),
  );
  const full = family === 4 ? 32 : 128;
  const texts = new Set(widest.map(({ address, prefix }) => (prefix === full ? address : `${address}/${prefix}`)));
  const reach = (address: string | undefined) =>
    address !== undefined && ranges.some((range) => holds(range, address as typeof vip));
  if (reach(own[family]) && !reach(vip)) texts.add(vip);
  return [...texts];
}

/** Hairpins of Pods of this node, and health checks: nobody owns them. */
function sharedLines({ slices }: Cluster, { nodeName }: AskedBy, service: Service): string[] {
  const families = service.clusterIPs.map(familyOf);
  const hairpins = families.flatMap((family) =>
    service.ports.flatMap((port) =>
      endpointsOf(slices, service.name, port, family)
        .filter(({ endpoint }) => endpoint.nodeName === nodeName)
        .map(({ endpoint: { address }, port: number }) =>
          elementLine(family, 'hairpins', `${address} . ${address} . ${port.protocol.toLowerCase()} . ${number}`),
        ),
    ),
  );
  const { healthCheckNodePort: check } = service;
  return [
    ...hairpins,
    ...(check === undefined ? [] : families.map((family) => elementLine(family, 'health-check-ports', `${check}`))),
  ];
}
