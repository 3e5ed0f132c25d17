/**
 * A Service, its EndpointSlices and the node in; the virtual services it asks of this node, with their destinations, out. Pure.
 * Each kind of front end (ClusterIP now) is one generator; what they yield has one shape.
 */

import { type Address, familyOf, hostPrefix } from '../model/address.ts';
import type { EndpointSlice, ObjectName, Service, ServicePort, TrafficPolicy } from '../model/cluster.ts';
import { type Destination, destination } from '../model/destination.ts';
import { serviceFlags, type VirtualService, virtualServiceKey } from '../model/virtual-service.ts';
import { type ChosenEndpoints, candidates, chooseEndpoints, endpointsFor, type Locality } from './endpoints.ts';

export interface FrontEnd {
  readonly owner: ObjectName;
  readonly service: VirtualService;
  readonly destinations: readonly Destination[];
  /** Whether the node must hold the virtual service's address itself. */
  readonly bound: boolean;
}

/** What of the configuration the derivation depends on. */
export interface Policy {
  readonly scheduler: string;
}

export function frontEnds(
  service: Service,
  slices: readonly EndpointSlice[],
  locality: Locality,
  policy: Policy,
): FrontEnd[] {
  const found: FrontEnd[] = [];
  for (const port of service.ports) {
    for (const address of service.clusterIPs) {
      const chosen = chooseEndpoints(candidates(slices, port, familyOf(address)), locality);
      found.push(clusterIPFrontEnd(service, port, address, chosen, policy));
    }
  }
  return found;
}

function clusterIPFrontEnd(
  service: Service,
  port: ServicePort,
  address: Address,
  chosen: ChosenEndpoints,
  policy: Policy,
): FrontEnd {
  return {
    owner: service.name,
    service: virtualService(service, port, address, port.port, policy),
    destinations: destinations(chosen, service.internalTrafficPolicy),
    bound: true,
  };
}

function virtualService(
  service: Service,
  { protocol }: ServicePort,
  address: Address,
  port: number,
  { scheduler }: Policy,
): VirtualService {
  const persistent = service.affinityTimeout !== undefined;
  const { id } = virtualServiceKey(protocol, address, port);
  return {
    id,
    protocol,
    address,
    port,
    scheduler,
    flags: (persistent ? serviceFlags.persistent : 0) | schedulerFlags(scheduler),
    timeout: service.affinityTimeout ?? 0,
    persistencePrefix: hostPrefix(familyOf(address)),
  };
}

/** kube-proxy hashes the source port too with `mh` (mh-port), so that one client's connections spread; no other scheduler gets flags. */
function schedulerFlags(scheduler: string): number {
  return scheduler === 'mh' ? serviceFlags.schedule2 : 0;
}

function destinations(chosen: ChosenEndpoints, policy: TrafficPolicy): Destination[] {
  return endpointsFor(policy, chosen).map(({ key }) => destination(key.address, key.port, 1));
}
