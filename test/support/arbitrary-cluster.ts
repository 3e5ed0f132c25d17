/**
 * Clusters small enough to collide: few addresses, few ports, shared VIPs, disputed VIP:ports, every state of an endpoint, and
 * external IPs that are some device's.
 */

import fc from 'fast-check';
import { familyOf } from '../../src/model/address.ts';
import {
  type ClusterEvent,
  type Endpoint,
  type EndpointSlice,
  type Node,
  type NodeAddress,
  type Service,
  type ServicePort,
  type Tuning,
  untuned,
} from '../../src/model/cluster.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';
import { address, cidr, deleteService, deleteSlice, nodeAddress, setNode, setService, setSlice } from './cluster.ts';
import { type AskedBy, type Cluster, missingScheduler } from './expected.ts';

export const vips = {
  4: ['10.96.0.1', '10.96.0.2', '10.96.0.3', '10.96.0.10'],
  6: ['fd00:96::1', 'fd00:96::2', 'fd00:96::a'],
} as const;
const podAddresses = {
  4: ['10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.1.1', '10.244.1.2'],
  6: ['fd00:244::1', 'fd00:244::2', 'fd00:244::3'],
} as const;
/** Some that devices of the node have, and one that is an external and a load balancer IP. */
const outsideAddresses = {
  external: ['198.51.100.7', '198.51.100.8', '192.0.2.10', '2001:db8:7::7', '2001:db8::10'],
  balancer: ['198.51.100.8', '198.51.100.9', '10.88.0.1', '2001:db8:7::9'],
} as const;
const deviceAddresses = [
  '127.0.0.1 lo',
  '192.0.2.10 eth0',
  '192.0.2.11 eth0',
  '10.88.0.1 cni0',
  '198.51.100.7 lo',
  '2001:db8::10 eth0',
  'fe80::1 eth0',
  'fe80::1 cni0',
  '::1 lo',
] as const;
const ranges = [
  '192.0.2.0/24',
  '198.51.100.0/24',
  '10.0.0.0/8',
  '10.0.0.0/16',
  '10.88.0.0/16',
  '10.1.2.3/32',
  '2001:db8::/32',
  'fd00::/8',
];
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
  fc.record({
    name: fc.constantFrom(...portNames),
    protocol: protocols,
    port: servicePorts,
    nodePort: fc.constantFrom(undefined, undefined, 30_080, 443),
  }),
  { minLength: 1, maxLength: 3, selector: ({ protocol, port }) => `${port}/${protocol}` },
);

const clusterIPs = fc
  .tuple(fc.option(fc.constantFrom(...vips[4])), fc.option(fc.constantFrom(...vips[6])))
  .map((pair) => pair.filter((text) => text !== null).map(address));

function few<T>(values: readonly T[]): fc.Arbitrary<readonly T[]> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...values), { maxLength: 3 }) },
  );
}

const weightRules = fc.record({
  endpoints: fc.oneof(
    fc.constantFrom(...zones).map((name) => ({ of: 'zone' as const, name })),
    fc.constantFrom(...nodeNames).map((name) => ({ of: 'node' as const, name })),
    fc.constantFrom('10.244.0.0/24', '10.244.1.1/32', 'fd00:244::/64').map((text) => ({
      of: 'network' as const,
      cidr: cidr(text),
    })),
    fc.constant({ of: 'all' as const }),
  ),
  weight: fc.constantFrom(0, 1, 5, 65_535),
});

const tunings: fc.Arbitrary<Tuning> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(untuned) },
  {
    weight: 1,
    arbitrary: fc.record({
      scheduler: fc.constantFrom(undefined, 'lc', 'mh', missingScheduler),
      schedulerFlags: fc.constantFrom(undefined, undefined, 0, 0x8, 0x18, 0x20),
      drainTimeout: fc.constantFrom(undefined, undefined, 0),
      weights: fc.array(weightRules, { maxLength: 3 }),
    }),
  },
);

/** A Service as it was read has external addresses of its own families only, and is checked only when it is a load balancer. */
export const services: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom(...serviceNames),
    uid: fc.constant(''),
    createdAt: fc.constantFrom('', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
    clusterIPs,
    ports,
    affinityTimeout: fc.constantFrom(undefined, undefined, 60, 10_800),
    internalTrafficPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
    externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    externalIPs: few(outsideAddresses.external),
    loadBalancerIPs: few(outsideAddresses.balancer),
    sourceRanges: few(ranges).map((texts) => texts.map(cidr)),
    healthCheckNodePort: fc.constantFrom(undefined, 32_000, 32_001),
    tuning: tunings,
  })
  .map(({ externalIPs, loadBalancerIPs, ...rest }) => {
    const own = new Set(rest.clusterIPs.map(familyOf));
    const ofOwnFamily = (texts: readonly string[]) => texts.map(address).filter((one) => own.has(familyOf(one)));
    return { ...rest, externalIPs: ofOwnFamily(externalIPs), loadBalancerIPs: ofOwnFamily(loadBalancerIPs) };
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
    zone: fc.constantFrom(undefined, ...zones),
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
    .map(({ number, ...rest }) => ({ ...rest, name: `default/slice-${number}`, family, triggeredAt: undefined })),
);

export const nodes: fc.Arbitrary<Node> = fc.record({
  name: fc.constant('node-a'),
  zone: fc.constantFrom(undefined, ...zones),
  addresses: few(['192.0.2.10', '192.0.2.99', '10.88.0.1', '2001:db8::10']).map((texts) => texts.map(address)),
  podCIDRs: fc.constant([]),
  eligible: fc.boolean(),
});

export const nodeAddresses: fc.Arbitrary<NodeAddress[]> = fc
  .subarray([...deviceAddresses])
  .map((texts) => texts.map(nodeAddress));

export const clusters: fc.Arbitrary<Cluster> = fc.record({
  services: fc.uniqueArray(services, { maxLength: 4, selector: ({ name }) => name }),
  slices: fc.uniqueArray(slices, { maxLength: 8, selector: ({ name }) => name }),
  node: fc.option(nodes, { nil: undefined }),
  addresses: nodeAddresses,
});

export const wishes: fc.Arbitrary<AskedBy> = fc.record({
  nodeName: fc.constant('node-a'),
  scheduler: fc.constantFrom('rr', 'wrr', 'mh', 'sh'),
  vipBinding: fc.constantFrom('address', 'route'),
  nodePortAddresses: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant('primary' as const) },
    {
      weight: 1,
      arbitrary: fc
        .subarray(['192.0.2.0/24', '0.0.0.0/0', '127.0.0.0/8', '2001:db8::/32', 'fe80::/10'], { minLength: 1 })
        .map((texts) => texts.map(cidr)),
    },
  ),
  nodeIP: fc.constantFrom(undefined, undefined, address('10.88.0.1'), address('192.0.2.99')),
});

export function setNodeAddresses(addresses: readonly NodeAddress[]): ClusterEvent {
  return { kind: 'nodeAddresses', verb: 'set', addresses };
}

export function eventsOf({ services: facts, slices: members, node, addresses }: Cluster): ClusterEvent[] {
  return [
    ...facts.map(setService),
    ...members.map(setSlice),
    ...(node === undefined ? [] : [setNode(node)]),
    setNodeAddresses(addresses),
  ];
}

/** Any change of a cluster, of things that are there and of things that are not. */
export const changes: fc.Arbitrary<ClusterEvent> = fc.oneof(
  { weight: 4, arbitrary: services.map(setService) },
  { weight: 2, arbitrary: fc.constantFrom(...serviceNames).map(deleteService) },
  { weight: 5, arbitrary: slices.map(setSlice) },
  { weight: 2, arbitrary: slices.map(({ name }) => deleteSlice(name)) },
  { weight: 2, arbitrary: nodes.map(setNode) },
  { weight: 1, arbitrary: fc.constant<ClusterEvent>({ kind: 'node', verb: 'delete' }) },
  { weight: 2, arbitrary: nodeAddresses.map(setNodeAddresses) },
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
    case 'nodeAddresses':
      return { ...cluster, addresses: event.addresses };
    default:
      return cluster;
  }
}
