/**
 * A Service, its EndpointSlices and the node in; the virtual services it asks of this node, with their destinations, and what the
 * packet filter must know of them, out. Pure.
 */

import { familyOf, hostPrefix } from '../model/address.ts';
import type { EndpointSlice, ObjectName, Service, TrafficPolicy } from '../model/cluster.ts';
import type { Destination } from '../model/destination.ts';
import type { Element } from '../model/filter.ts';
import {
  serviceFlags,
  type VirtualService,
  type VirtualServiceKey,
  virtualServiceKey,
} from '../model/virtual-service.ts';
import { type Backends, backendsOf, type Locality } from './endpoints.ts';
import { sharedElements, siteElements } from './filter-elements.ts';
import type { NodeFacts } from './node-facts.ts';
import { type Site, siteKinds, sites } from './sites.ts';
import { weightRules } from './weights.ts';

export interface FrontEnd {
  readonly owner: ObjectName;
  readonly service: VirtualService;
  readonly destinations: readonly Destination[];
  /** Whether the node must hold the virtual service's address itself. */
  readonly bound: boolean;
  /** Elements of the packet filter that tell what the virtual service is; each names it in its key. */
  readonly elements: readonly Element[];
  /** Milliseconds; undefined: a drain ends when the destination is idle. */
  readonly drainTimeout: number | undefined;
  /** Ids of all destinations that may answer, those of the ClusterIP too; not of TCP. */
  readonly answering: ReadonlySet<string>;
}

/** What of the configuration the derivation depends on. */
export interface Policy {
  readonly scheduler: string;
  /** Milliseconds; undefined: none. */
  readonly drainTimeout: number | undefined;
  /** Whether the kernel has a scheduler that a Service asks for; one that it lacks is as if the Service had not asked. */
  readonly hasScheduler: (name: string) => boolean;
}

/** All that a Service asks of the node. */
export interface Asked {
  /** At most one of each virtual service. */
  readonly frontEnds: readonly FrontEnd[];
  /** Elements that other Services may ask for too. */
  readonly shared: readonly Element[];
}

/** Costs O(ports x (addresses + endpoints)). */
export function ask(service: Service, slices: readonly EndpointSlice[], node: NodeFacts, policy: Policy): Asked {
  const backends = allBackends(service, slices, node);
  const frontEnds = servedSites(service, backends, node).map(
    ({ key, site, behind }): FrontEnd => ({
      owner: service.name,
      service: virtualService(service, key, policy),
      destinations: behind.destinations[trafficPolicy(site, service)],
      bound: site.bound,
      elements: siteElements(site, service, behind, node),
      drainTimeout: service.tuning.drainTimeout ?? policy.drainTimeout,
      answering: behind.answering,
    }),
  );
  const bound = frontEnds.filter((frontEnd) => frontEnd.bound).map((frontEnd) => frontEnd.service.address);
  return { frontEnds, shared: sharedElements(service, bound, backends, node.name) };
}

/** What serves each service port of a Service in each of its families. */
export function allBackends(service: Service, slices: readonly EndpointSlice[], locality: Locality): Backends[] {
  const ruleOf = weightRules(service.tuning.weights);
  return service.ports.flatMap((port) =>
    service.clusterIPs.map((clusterIP) => backendsOf(service, port, clusterIP, slices, locality, ruleOf)),
  );
}

/** A site that became a virtual service, and what is behind it. */
export interface ServedSite {
  readonly key: VirtualServiceKey;
  readonly site: Site;
  readonly behind: Backends;
}

/** One for each virtual service of the Service: of sites that are the same one the first kind of {@link siteKinds} is served. */
export function servedSites(service: Service, backends: readonly Backends[], node: NodeFacts): ServedSite[] {
  const found = new Map<string, ServedSite>();
  for (const kind of siteKinds) {
    for (const behind of backends) {
      for (const site of sites(kind, service, behind, node)) {
        const key = virtualServiceKey(behind.port.protocol, site.address, site.port);
        if (!found.has(key.id)) found.set(key.id, { key, site, behind });
      }
    }
  }
  return [...found.values()];
}

export function trafficPolicy(
  { kind }: Site,
  { internalTrafficPolicy, externalTrafficPolicy }: Service,
): TrafficPolicy {
  return kind === 'clusterIP' ? internalTrafficPolicy : externalTrafficPolicy;
}

function virtualService({ tuning, affinityTimeout }: Service, key: VirtualServiceKey, policy: Policy): VirtualService {
  const { scheduler = policy.scheduler } = tuning;
  const usable = policy.hasScheduler(scheduler) ? scheduler : policy.scheduler;
  return {
    id: key.id,
    protocol: key.protocol,
    address: key.address,
    port: key.port,
    scheduler: usable,
    flags:
      (affinityTimeout === undefined ? 0 : serviceFlags.persistent) | (tuning.schedulerFlags ?? usualFlags(usable)),
    timeout: affinityTimeout ?? 0,
    persistencePrefix: hostPrefix(familyOf(key.address)),
  };
}

/** kube-proxy hashes the source port too with `mh` (mh-port), so that one client's connections spread; no other scheduler gets flags. */
function usualFlags(scheduler: string): number {
  return scheduler === 'mh' ? serviceFlags.schedule2 : 0;
}
