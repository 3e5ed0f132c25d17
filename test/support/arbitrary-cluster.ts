/** Clusters small enough to collide: few addresses, few ports, shared VIPs, disputed VIP:ports, every state of an endpoint. */

import fc from 'fast-check';
import type { ClusterEvent, Endpoint, EndpointSlice, Node, Service, ServicePort } from '../../src/model/cluster.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';
import { address, deleteService, deleteSlice, setNode, setService, setSlice } from './cluster.ts';
import type { AskedBy, Cluster } from './expected.ts';

export const vips = {
  4: ['10.96.0.1', '10.96.0.2', '10.96.0.3', '10.96.0.10'],
  6: ['fd00:96::1', 'fd00:96::2', 'fd00:96::a'],
} as const;
const podAddresses = {
  4: ['10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.1.1', '10.244.1.2'],
  6: ['fd00:244::1', 'fd00:244::2', 'fd00:244::3'],
} as const;
const serviceNames = ['default/a', 'default/b', 'kube-system/c', 'shop/d'] as const;
const nodeNames = ['node-a', 'node-b'] as const;
const zones = ['east', 'west'] as const;
const portNames = ['', 'http', 'dns'] as const;

export const protocols: fc.Arbitrary<Protocol> = fc.constantFrom('TCP', 'TCP', 'TCP', 'UDP', 'SCTP');
export const servicePorts = fc.constantFrom(53, 80, 443);
export const podPorts = fc.constantFrom(8080, 9090);
export const families = fc.constantFrom(4 as const, 4 as const, 6 as const);

export function podAddress(family: 4 | 6): fc.Arbitrary<string> {
  return fc.constantFrom(...podAddresses[family]);
}

const ports: fc.Arbitrary<ServicePort[]> = fc.uniqueArray(
  fc.record({ name: fc.constantFrom(...portNames), protocol: protocols, port: servicePorts }),
  { minLength: 1, maxLength: 3, selector: ({ protocol, port }) => `${port}/${protocol}` },
);

const clusterIPs = fc
  .tuple(fc.option(fc.constantFrom(...vips[4])), fc.option(fc.constantFrom(...vips[6])))
  .map((pair) => pair.filter((text) => text !== null).map(address));

export const services: fc.Arbitrary<Service> = fc.record({
  name: fc.constantFrom(...serviceNames),
  createdAt: fc.constantFrom('', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
  clusterIPs,
  ports,
  affinityTimeout: fc.constantFrom(undefined, undefined, 60, 10_800),
  internalTrafficPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
});

/** Hints decide only where every ready endpoint has one. */
function endpoints(family: 4 | 6, hinted: boolean): fc.Arbitrary<Endpoint> {
  const minLength = hinted ? 1 : 0;
  return fc.record({
    address: podAddress(family).map(address),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    nodeName: fc.constantFrom(undefined, ...nodeNames),
    zones: fc.subarray([...zones], { minLength }),
    nodes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.subarray([...nodeNames], { minLength }) },
    ),
  });
}

/** A slice may belong to one Service now and to another later. */
export const slices: fc.Arbitrary<EndpointSlice> = fc.tuple(families, fc.boolean()).chain(([family, hinted]) =>
  fc
    .record({
      service: fc.constantFrom(...serviceNames),
      number: fc.nat(5),
      ports: fc.array(fc.record({ name: fc.constantFrom(...portNames), protocol: protocols, port: podPorts }), {
        minLength: 1,
        maxLength: 3,
      }),
      endpoints: fc.array(endpoints(family, hinted), { maxLength: 4 }),
    })
    .map(({ number, ...rest }) => ({ ...rest, name: `default/slice-${number}`, family })),
);

export const nodes: fc.Arbitrary<Node> = fc.record({
  name: fc.constant('node-a'),
  zone: fc.constantFrom(undefined, ...zones),
  addresses: fc.constant([]),
});

export const clusters: fc.Arbitrary<Cluster> = fc.record({
  services: fc.uniqueArray(services, { maxLength: 4, selector: ({ name }) => name }),
  slices: fc.uniqueArray(slices, { maxLength: 8, selector: ({ name }) => name }),
  node: fc.option(nodes, { nil: undefined }),
});

export const wishes: fc.Arbitrary<AskedBy> = fc.record({
  nodeName: fc.constant('node-a'),
  scheduler: fc.constantFrom('rr', 'wrr', 'mh', 'sh'),
  vipBinding: fc.constantFrom('address', 'route'),
});

export function eventsOf({ services: facts, slices: members, node }: Cluster): ClusterEvent[] {
  return [...facts.map(setService), ...members.map(setSlice), ...(node === undefined ? [] : [setNode(node)])];
}

/** Any change of a cluster, of things that are there and of things that are not. */
export const changes: fc.Arbitrary<ClusterEvent> = fc.oneof(
  { weight: 4, arbitrary: services.map(setService) },
  { weight: 2, arbitrary: fc.constantFrom(...serviceNames).map(deleteService) },
  { weight: 5, arbitrary: slices.map(setSlice) },
  { weight: 2, arbitrary: slices.map(({ name }) => deleteSlice(name)) },
  { weight: 2, arbitrary: nodes.map(setNode) },
  { weight: 1, arbitrary: fc.constant<ClusterEvent>({ kind: 'node', verb: 'delete' }) },
);

/** The cluster after a change. */
export function changed(cluster: Cluster, event: ClusterEvent): Cluster {
  const others = <T extends { name: string }>(facts: readonly T[], name: string) =>
    facts.filter((fact) => fact.name !== name);
  switch (event.kind) {
    case 'service': {
      if (event.verb === 'delete') return { ...cluster, services: others(cluster.services, event.name) };
      return { ...cluster, services: [...others(cluster.services, event.service.name), event.service] };
    }
    case 'endpointSlice': {
      if (event.verb === 'delete') return { ...cluster, slices: others(cluster.slices, event.name) };
      return { ...cluster, slices: [...others(cluster.slices, event.slice.name), event.slice] };
    }
    case 'node':
      return { ...cluster, node: event.verb === 'set' ? event.node : undefined };
    default:
      return cluster;
  }
}
