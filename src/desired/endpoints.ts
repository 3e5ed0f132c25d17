/**
 * Which endpoints of a service port take its traffic: endpoints in, the two lists that traffic policies choose from out. As
 * kube-proxy's CategorizeEndpoints, except that a Local policy never falls back to the cluster's endpoints.
 */

import { type Address, type Family, familyOf } from '../model/address.ts';
import type { Endpoint, EndpointSlice, Node, Service, ServicePort, TrafficPolicy } from '../model/cluster.ts';
import { type Destination, type DestinationKey, destinationKey } from '../model/destination.ts';
import { weightOf } from './weights.ts';

/** An endpoint as one service port sees it: with the slice's port. */
export interface Candidate {
  readonly key: DestinationKey;
  readonly endpoint: Endpoint;
}

export interface ChosenEndpoints {
  readonly cluster: readonly Candidate[];
  readonly local: readonly Candidate[];
}

/** A service port in one family, and what is behind it. */
export interface Backends {
  readonly port: ServicePort;
  /** The Service's address in the family. */
  readonly clusterIP: Address;
  readonly all: readonly Candidate[];
  readonly destinations: Readonly<Record<TrafficPolicy, readonly Destination[]>>;
  /** Ids of those that may still answer, whatever the policies say; of UDP only, where nothing else tells that a flow is stale. */
  readonly serving: ReadonlySet<string>;
}

/** The part of a Node that the choice depends on. */
export type Locality = Pick<Node, 'name' | 'zone'>;

/** All that the front ends of one port share in the family of `clusterIP`. */
export function backendsOf(
  { tuning }: Service,
  port: ServicePort,
  clusterIP: Address,
  slices: readonly EndpointSlice[],
  locality: Locality,
): Backends {
  const all = candidates(slices, port, familyOf(clusterIP));
  const chosen = chooseEndpoints(all, locality);
  const destinations = (policy: TrafficPolicy) =>
    endpointsFor(policy, chosen).map(
      ({ key: { id, address, port }, endpoint }): Destination => ({
        id,
        address,
        port,
        weight: weightOf(endpoint, tuning.weights),
        forwarding: 'masquerade',
      }),
    );
  return {
    port,
    clusterIP,
    all,
    destinations: { Cluster: destinations('Cluster'), Local: destinations('Local') },
    serving: port.protocol === 'UDP' ? servingIds(all) : nobody,
  };
}

const nobody: ReadonlySet<string> = new Set();

function servingIds(all: readonly Candidate[]): ReadonlySet<string> {
  return new Set(all.filter(({ endpoint }) => endpoint.serving).map(({ key }) => key.id));
}

/**
 * Every endpoint of the port in the family, whatever its state, one per ip:port. Where slices repeat one (a Pod that moves
 * between slices), one that is not terminating wins.
 */
export function candidates(slices: readonly EndpointSlice[], port: ServicePort, family: Family): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.family !== family) continue;
    for (const slicePort of slice.ports) {
      if (slicePort.name !== port.name || slicePort.protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) {
        const key = destinationKey(endpoint.address, slicePort.port);
        if (endpoint.terminating && found.has(key.id)) continue;
        found.set(key.id, { key, endpoint });
      }
    }
  }
  return [...found.values()];
}

export function chooseEndpoints(all: readonly Candidate[], locality: Locality): ChosenEndpoints {
  const ready = all.filter(({ endpoint }) => endpoint.ready);
  const serving = all.filter(({ endpoint }) => !endpoint.ready && endpoint.serving && endpoint.terminating);
  const isLocal = ({ endpoint }: Candidate) => endpoint.nodeName === locality.name;
  const hinted = matchingHints(ready, locality);
  return {
    cluster: hinted.length > 0 ? hinted : serving,
    local: firstNonEmpty(ready.filter(isLocal), serving.filter(isLocal)),
  };
}

/** A policy's list. Local without local endpoints stays empty: the kernel then refuses the connection. */
export function endpointsFor(policy: TrafficPolicy, chosen: ChosenEndpoints): readonly Candidate[] {
  return policy === 'Local' ? chosen.local : chosen.cluster;
}

/** Topology: node hints first, then zone hints; a mode counts only when every ready endpoint carries its hint (KEP-2433). */
function matchingHints(ready: readonly Candidate[], { name, zone }: Locality): readonly Candidate[] {
  const onNode = ready.filter(({ endpoint }) => endpoint.nodes.includes(name));
  if (onNode.length > 0 && ready.every(({ endpoint }) => endpoint.nodes.length > 0)) return onNode;
  if (zone === undefined) return ready;
  const inZone = ready.filter(({ endpoint }) => endpoint.zones.includes(zone));
  if (inZone.length > 0 && ready.every(({ endpoint }) => endpoint.zones.length > 0)) return inZone;
  return ready;
}

function firstNonEmpty<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  return first.length > 0 ? first : second;
}
