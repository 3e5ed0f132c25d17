/** Facts of a cluster for tests: everything a test does not speak of has the value that changes nothing. */

import { type NodeFacts, nodeFacts, type NodePolicy } from '../../src/desired/node-facts.ts';
import { type Address, type Cidr, familyOf, parseAddress, parseCidr } from '../../src/model/address.ts';
import {
  type ClusterEvent,
  type Endpoint,
  type EndpointPort,
  type EndpointSlice,
  type Node,
  type NodeAddress,
  type Service,
  type ServicePort,
  type Tuning,
  untuned,
} from '../../src/model/cluster.ts';
import { Store } from '../../src/store/store.ts';

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new SyntaxError(`no address: ${text}`);
  return parsed;
}

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new SyntaxError(`no network: ${text}`);
  return parsed;
}

export function service(name: string, fields: Partial<Service> & { readonly vips?: readonly string[] } = {}): Service {
  const { vips = ['10.96.0.10'], ...rest } = fields;
  return {
    name,
    uid: '',
    createdAt: '2026-01-01T00:00:00Z',
    clusterIPs: vips.map(address),
    ports: [port(80)],
    affinityTimeout: undefined,
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    healthCheckNodePort: undefined,
    tuning: untuned,
    ...rest,
  };
}

export function port(number: number, fields: Partial<ServicePort> = {}): ServicePort {
  return { name: '', protocol: 'TCP', port: number, nodePort: undefined, ...fields };
}

/** A ready endpoint. */
export function endpoint(text: string, fields: Partial<Endpoint> = {}): Endpoint {
  return {
    address: address(text),
    ready: true,
    serving: true,
    terminating: false,
    nodeName: 'node-b',
    zone: undefined,
    zones: [],
    nodes: [],
    ...fields,
  };
}

/** Endpoints given as text are ready ones; the slice is named after its Service unless it has a name. */
export function slice(
  of: string,
  endpoints: readonly (Endpoint | string)[],
  fields: Partial<EndpointSlice> & { readonly port?: number } = {},
): EndpointSlice {
  const { port: number = 8080, ...rest } = fields;
  const members = endpoints.map((member) => (typeof member === 'string' ? endpoint(member) : member));
  const ports: EndpointPort[] = [{ name: '', protocol: 'TCP', port: number }];
  const family = members[0] === undefined ? 4 : familyOf(members[0].address);
  return { name: `${of}-1`, service: of, family, ports, endpoints: members, triggeredAt: undefined, ...rest };
}

export function node(fields: Partial<Node> = {}): Node {
  return { name: 'node-a', zone: undefined, addresses: [], podCIDRs: [], eligible: true, ...fields };
}

export function tuning(fields: Partial<Tuning>): Tuning {
  return { ...untuned, ...fields };
}

/** `10.0.0.1`, on eth0, or `10.0.0.1 eth1`; on lo it is on a loopback device. */
export function nodeAddress(text: string): NodeAddress {
  const [at, device = 'eth0'] = text.split(' ');
  return { address: address(at!), device, loopback: device === 'lo' };
}

export const plainNodePolicy: NodePolicy = { nodeName: 'node-a', nodePortAddresses: [], nodeIP: undefined };

/** Of node-a with these addresses, without a Node object unless one is given. */
export function factsOf(addresses: readonly string[], fields?: Partial<Node>): NodeFacts {
  return nodeFacts(fields === undefined ? undefined : node(fields), addresses.map(nodeAddress), plainNodePolicy);
}

export const synced: readonly ClusterEvent[] = [
  { kind: 'synced', source: 'services' },
  { kind: 'synced', source: 'endpointSlices' },
  { kind: 'synced', source: 'node' },
  { kind: 'synced', source: 'nodeAddresses' },
];

export function setService(fact: Service): ClusterEvent {
  return { kind: 'service', verb: 'set', service: fact };
}

export function deleteService(name: string): ClusterEvent {
  return { kind: 'service', verb: 'delete', name };
}

export function setSlice(fact: EndpointSlice): ClusterEvent {
  return { kind: 'endpointSlice', verb: 'set', slice: fact };
}

export function deleteSlice(name: string): ClusterEvent {
  return { kind: 'endpointSlice', verb: 'delete', name };
}

export function setNode(fact: Node): ClusterEvent {
  return { kind: 'node', verb: 'set', node: fact };
}

export function storeOf(...events: readonly ClusterEvent[]): Store {
  const store = new Store();
  for (const event of [...events, ...synced]) store.apply(event);
  return store;
}
