/**
 * Which endpoints of a service port take its traffic: endpoints in, the two lists that traffic policies choose from out. As
 * kube-proxy's CategorizeEndpoints, except that a Local policy never falls back to the cluster's endpoints.
 */

import { type Address, type Family, familyOf } from '../model/address.ts';
import type { Endpoint, EndpointSlice, Node, Service, ServicePort, TrafficPolicy } from '../model/cluster.ts';
import { type Destination, type DestinationKey, destinationKey } from '../model/destination.ts';
import { isLookedThrough } from '../model/node-state.ts';
import type { WeightRuleOf } from './weights.ts';

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
  /** Ids of those that may answer, at whichever front end; not of TCP, where the client itself finds out. */
  readonly answering: ReadonlySet<string>;
}

/** The part of a Node that the choice depends on. */
export type Locality = Pick<Node, 'name' | 'zone'>;

/** All that the front ends of one port share in the family of `clusterIP`. */
export function backendsOf(
  { internalTrafficPolicy, externalTrafficPolicy }: Service,
  port: ServicePort,
  clusterIP: Address,
  slices: readonly EndpointSlice[],
  locality: Locality,
  ruleOf: WeightRuleOf,
): Backends {
  const all = candidates(slices, port, familyOf(clusterIP));
  const chosen = chooseEndpoints(all, locality);
  const destinationsFor = (policy: TrafficPolicy) =>
    endpointsFor(policy, chosen).map(
      ({ key: { id, address, port }, endpoint }): Destination => ({
        id,
        address,
        port,
        weight: ruleOf(endpoint)?.weight ?? 1,
        forwarding: 'masquerade',
      }),
    );
  const destinations = { Cluster: destinationsFor('Cluster'), Local: destinationsFor('Local') };
  // the node's own clients of other front ends may have been sent on to the ClusterIP
  const policies = [internalTrafficPolicy, externalTrafficPolicy];
  const answering = isLookedThrough(port.protocol) ? idsOf(policies.flatMap((policy) => destinations[policy])) : nobody;
  return { port, clusterIP, all, destinations, answering };
}

const nobody: ReadonlySet<string> = new Set();

function idsOf(destinations: readonly Destination[]): ReadonlySet<string> {
  return new Set(destinations.map(({ id }) => id));
}

/**
 * Every endpoint of the port in the family, whatever its state, one per ip:port. Where slices repeat one (a Pod that moves between
 * slices, Pods of the host's network of which one only could take the port), a ready one wins, then one that is not terminating.
 */
export function candidates(slices: readonly EndpointSlice[], port: ServicePort, family: Family): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.family !== family) continue;
    for (const slicePort of slice.ports) {
      if (slicePort.name !== port.name || slicePort.protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) {
        const key = destinationKey(endpoint.address, slicePort.port);
        const known = found.get(key.id)?.endpoint;
        if (known === undefined || !isWorse(endpoint, known)) found.set(key.id, { key, endpoint });
      }
    }
  }
  return [...found.values()];
}

/** Of two of one ip:port the later counts, unless it is worse. */
function isWorse(endpoint: Endpoint, known: Endpoint): boolean {
  return endpoint.ready === known.ready ? endpoint.terminating : known.ready;
}

export function chooseEndpoints(all: readonly Candidate[], locality: Locality): ChosenEndpoints {
  const ready = all.filter(isReady);
  const spare = all.filter(isSpare);
  const isLocal = (candidate: Candidate) => isHere(candidate, locality);
  const hinted = fitting(ready, hintsInForce(ready, locality), locality);
  return {
    cluster: hinted.length > 0 ? hinted : spare,
    local: firstNonEmpty(ready.filter(isLocal), spare.filter(isLocal)),
  };
}

/** A policy's list. Local without local endpoints stays empty: the kernel then refuses the connection. */
export function endpointsFor(policy: TrafficPolicy, chosen: ChosenEndpoints): readonly Candidate[] {
  return policy === 'Local' ? chosen.local : chosen.cluster;
}

export function isReady({ endpoint }: Candidate): boolean {
  return endpoint.ready;
}

/** It terminates and still serves: it takes traffic where none is ready. */
export function isSpare({ endpoint }: Candidate): boolean {
  return !endpoint.ready && endpoint.serving && endpoint.terminating;
}

export function isHere({ endpoint }: Candidate, { name }: Locality): boolean {
  return endpoint.nodeName === name;
}

/** Which hints of topology choose. */
export type Hints = 'nodes' | 'zones';

/** Node hints first, then zone hints; a mode counts only when every ready endpoint carries its hint (KEP-2433). undefined: none counts. */
export function hintsInForce(ready: readonly Candidate[], locality: Locality): Hints | undefined {
  return (['nodes', 'zones'] as const).find(
    (hints) =>
      ready.some((candidate) => fits(candidate, hints, locality)) &&
      ready.every(({ endpoint }) => endpoint[hints].length > 0),
  );
}

function fits({ endpoint }: Candidate, hints: Hints, { name, zone }: Locality): boolean {
  return hints === 'nodes' ? endpoint.nodes.includes(name) : zone !== undefined && endpoint.zones.includes(zone);
}

function fitting(ready: readonly Candidate[], hints: Hints | undefined, locality: Locality): readonly Candidate[] {
  return hints === undefined ? ready : ready.filter((candidate) => fits(candidate, hints, locality));
}

function firstNonEmpty<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  return first.length > 0 ? first : second;
}
