/** What the health-check node port of a Service tells load balancers, and where it is told. Pure. */

import { type Address, cidrContains, families, type Family, familyOf, parseAddress } from '../model/address.ts';
import type { EndpointSlice, Service } from '../model/cluster.ts';
import type { ServiceHealth } from '../model/service-health.ts';
import { candidates } from './endpoints.ts';
import { isLoopback, type NodeFacts, type NodePolicy } from './node-facts.ts';

/**
 * undefined: the Service has no such port. `kept` are addresses of endpoints of this node that no slice names and that go on taking the
 * Service's traffic. Costs O(ports x endpoints).
 */
export function healthCheckOf(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  kept: ReadonlySet<Address> = nobody,
): ServiceHealth | undefined {
  const { healthCheckNodePort: port } = service;
  if (port === undefined) return undefined;
  const localEndpoints = new Map<Family, number>();
  for (const family of service.clusterIPs.map(familyOf)) {
    const named = localAddresses(service, slices, nodeName, family);
    const others = [...kept].filter((address) => familyOf(address) === family && !named.has(address));
    localEndpoints.set(family, named.size + others.length);
  }
  return { service: service.name, port, localEndpoints };
}

const nobody: ReadonlySet<Address> = new Set();

/**
 * Addresses of this node that are ready for any port of the Service. Those that only terminate do not count, so that load balancers
 * leave a node in time (LocalReadyEndpoints in pkg/proxy/endpointschangetracker.go, Kubernetes 1.36).
 */
function localAddresses(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  family: Family,
): ReadonlySet<Address> {
  const found = new Set<Address>();
  for (const port of service.ports) {
    for (const { endpoint } of candidates(slices, port, family)) {
      if (endpoint.ready && endpoint.nodeName === nodeName) found.add(endpoint.address);
    }
  }
  return found;
}

const everywhere: Readonly<Record<Family, Address>> = { 4: parseAddress('0.0.0.0')!, 6: parseAddress('::')! };

/**
 * Where health-check ports listen: on all addresses unless --nodeport-addresses restricts them, as with kube-proxy. One thing differs.
 * The flag may leave no address of a family that a load balancer could reach: `127.0.0.0/8` is how NodePorts are switched off, and
 * `primary` may name none. kube-proxy then answers no probe, and all nodes count as dead; we listen on all addresses of that family. All
 * that a stranger can learn there is a number of endpoints.
 */
export function healthCheckAddresses(node: NodeFacts, wanted: NodePolicy['nodePortAddresses']): Address[] {
  return families.flatMap((family) => {
    const found = wanted === 'primary' ? [...node.nodeIPs.values()] : within(node.held, wanted, family);
    const own = found.filter((address) => familyOf(address) === family);
    return own.every(isLoopback) ? [everywhere[family]] : own;
  });
}

function within(
  held: ReadonlySet<Address>,
  networks: Exclude<NodePolicy['nodePortAddresses'], 'primary'>,
  family: Family,
) {
  const own = networks.filter(({ address }) => familyOf(address) === family);
  if (own.some(({ prefix }) => prefix === 0)) return [];
  return [...held].filter((address) => own.some((network) => cidrContains(network, address)));
}
