/** Which endpoints take the traffic of a service port, and with which weight, said a second time for {@link expectedState}. */

import { endpointText, type Family, familyOf } from '../../src/model/address.ts';
import type { Endpoint, EndpointSlice, ServicePort, WeightRule } from '../../src/model/cluster.ts';
import { holds } from './expected-node.ts';

export interface Member {
  /** `ip:port`. */
  readonly text: string;
  readonly port: number;
  readonly endpoint: Endpoint;
}

export function endpointsOf(
  slices: readonly EndpointSlice[],
  owner: string,
  { name, protocol }: ServicePort,
  family: Family,
): Member[] {
  const all = slices
    .filter((slice) => slice.service === owner && slice.family === family)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((slice) =>
      slice.ports
        .filter((port) => port.name === name && port.protocol === protocol)
        .flatMap(({ port }) =>
          slice.endpoints.map((endpoint) => ({ text: endpointText(endpoint.address, port), port, endpoint })),
        ),
    );
  return [...new Set(all.map(({ text }) => text))].map((text) => {
    const same = all.filter((member) => member.text === text);
    const ready = same.filter(({ endpoint }) => endpoint.ready);
    const best = ready.length > 0 ? ready : same;
    return best.findLast(({ endpoint }) => !endpoint.terminating) ?? best[0]!;
  });
}

export function choose(
  all: readonly Member[],
  policy: string,
  nodeName: string,
  zone: string | undefined,
): readonly Member[] {
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

export function weightOf({ zone, nodeName, address }: Endpoint, rules: readonly WeightRule[]): number {
  for (const { endpoints, weight } of rules) {
    if (endpoints.of === 'all') return weight;
    if (endpoints.of === 'zone' && endpoints.name === zone) return weight;
    if (endpoints.of === 'node' && endpoints.name === nodeName) return weight;
    if (endpoints.of !== 'network' || familyOf(endpoints.cidr.address) !== familyOf(address)) continue;
    if (holds(endpoints.cidr, address)) return weight;
  }
  return 1;
}
