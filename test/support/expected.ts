/**
 * What a cluster asks of a node, said a second time: straight from what kube-proxy's ipvs mode does and where we differ, one virtual
 * service at a time over plain lists, sharing nothing with src/desired but the facts. Properties compare the kernel with this.
 */

import { endpointText, type Family, familyOf } from '../../src/model/address.ts';
import type { Endpoint, EndpointSlice, Node, Service, ServicePort } from '../../src/model/cluster.ts';
import type { Wishes } from '../../src/reconcile/loop.ts';
import { stateText } from './kernel-state.ts';

export interface Cluster {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly node: Node | undefined;
}

/** A virtual service as it should be: its `-A` line behind the verb, and its destinations as `ip:port`. */
export interface Asked {
  readonly id: string;
  readonly address: string;
  readonly option: string;
  readonly line: string;
  readonly protocol: string;
  readonly destinations: readonly string[];
}

export type AskedBy = Pick<Wishes, 'nodeName' | 'scheduler' | 'vipBinding'>;

/** By id, each from the Service that owns it. */
export function asked(cluster: Cluster, wishes: AskedBy): Map<string, Asked> {
  const oldestFirst = cluster.services.toSorted((a, b) => (seniority(a) < seniority(b) ? -1 : 1));
  const found = new Map<string, Asked>();
  for (const service of oldestFirst) {
    const own = new Map<string, Asked>();
    for (const port of service.ports) {
      for (const address of service.clusterIPs) {
        const one = virtualService(cluster, wishes, service, port, address);
        if (!found.has(one.id)) own.set(one.id, one);
      }
    }
    for (const [id, one] of own) found.set(id, one);
  }
  return found;
}

/** The kernel's state when there is nothing but what the cluster asks. */
export function expectedState(cluster: Cluster, wishes: AskedBy, others: Iterable<string> = []): string {
  const lines = [...others, 'ip link add kube-ipvs0 type dummy'];
  const addresses = new Set<string>();
  for (const { address, line, option, destinations } of asked(cluster, wishes).values()) {
    addresses.add(address);
    lines.push(`-A ${line}`, ...destinations.map((destination) => `-a ${option} -r ${destination} -m -w 1`));
  }
  for (const address of addresses) {
    const host = `${address}/${address.includes(':') ? 128 : 32}`;
    if (wishes.vipBinding === 'address') lines.push(`ip addr add ${host} dev kube-ipvs0`);
    else lines.push(`ip route add local ${host} dev kube-ipvs0 table local`);
  }
  return stateText(new Set(lines));
}

function seniority({ createdAt, name }: Service): string {
  return createdAt === '' ? `9999 ${name}` : `${createdAt} ${name}`;
}

const options = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' } as const;

function virtualService(
  cluster: Cluster,
  { nodeName, scheduler }: AskedBy,
  service: Service,
  { name, protocol, port }: ServicePort,
  address: Service['clusterIPs'][number],
): Asked {
  const at = endpointText(address, port);
  const option = `${options[protocol]} ${at}`;
  const persistence = service.affinityTimeout === undefined ? '' : ` -p ${service.affinityTimeout}`;
  const flags = scheduler === 'mh' ? ' -b mh-port' : '';
  const members = endpointsOf(cluster, service.name, name, protocol, familyOf(address));
  const chosen = choose(members, service.internalTrafficPolicy, nodeName, cluster.node?.zone);
  return {
    id: `${at}/${protocol}`,
    address,
    option,
    protocol,
    line: `${option} -s ${scheduler}${persistence}${flags}`,
    destinations: chosen.map(({ text }) => text),
  };
}

interface Member {
  readonly text: string;
  readonly endpoint: Endpoint;
}

function endpointsOf(cluster: Cluster, owner: string, name: string, protocol: string, family: Family): Member[] {
  const all = cluster.slices
    .filter((slice) => slice.service === owner && slice.family === family)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((slice) =>
      slice.ports
        .filter((port) => port.name === name && port.protocol === protocol)
        .flatMap(({ port }) =>
          slice.endpoints.map((endpoint) => ({ text: endpointText(endpoint.address, port), endpoint })),
        ),
    );
  return [...new Set(all.map(({ text }) => text))].map((text) => {
    const same = all.filter((member) => member.text === text);
    return same.findLast(({ endpoint }) => !endpoint.terminating) ?? same[0]!;
  });
}

function choose(all: readonly Member[], policy: string, nodeName: string, zone: string | undefined): readonly Member[] {
  const ready = all.filter(({ endpoint }) => endpoint.ready);
  const leaving = all.filter(({ endpoint }) => !endpoint.ready && endpoint.serving && endpoint.terminating);
  if (policy === 'Local') {
    const here = (members: readonly Member[]) => members.filter(({ endpoint }) => endpoint.nodeName === nodeName);
    return here(ready).length > 0 ? here(ready) : here(leaving);
  }
  if (ready.length === 0) return leaving;
  const forNode = ready.filter(({ endpoint }) => endpoint.nodes.includes(nodeName));
  const forZone = ready.filter(({ endpoint }) => zone !== undefined && endpoint.zones.includes(zone));
  if (forNode.length > 0 && !ready.some(({ endpoint }) => endpoint.nodes.length === 0)) return forNode;
  if (forZone.length > 0 && !ready.some(({ endpoint }) => endpoint.zones.length === 0)) return forZone;
  return ready;
}
