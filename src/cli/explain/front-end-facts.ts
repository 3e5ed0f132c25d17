/** What a front end is, and which setting of its Service made it so. Pure. */

import { type Backends, type Hints, hintsInForce, isReady, type Locality } from '../../desired/endpoints.ts';
import { allBackends, type FrontEnd, type ServedSite, servedSites, trafficPolicy } from '../../desired/front-ends.ts';
import type { NodeFacts } from '../../desired/node-facts.ts';
import { type Site, siteKinds, sites } from '../../desired/sites.ts';
import { familyOf } from '../../model/address.ts';
import type { ObjectName, Service, TrafficPolicy } from '../../model/cluster.ts';
import { serviceOptionsText } from '../../model/text.ts';
import { drains } from '../../reconcile/drain.ts';
import type { WantedState } from '../../reconcile/wanted.ts';
import type { Store } from '../../store/store.ts';

export interface FrontEndFacts {
  readonly service: ObjectName;
  readonly kind: Site['kind'];
  /** Of the Service's port; empty where it has none. */
  readonly portName: string;
  /** What else of the Service is the same address, port and protocol. */
  readonly alsoKinds: readonly Site['kind'][];
  readonly holder: 'kube-ipvs0' | 'another device';
  readonly policyField: 'internalTrafficPolicy' | 'externalTrafficPolicy';
  readonly policy: TrafficPolicy;
  /** Which hints of topology choose; `ignored`: there are some, and none counts. undefined: nobody asks for any. */
  readonly hints: Hints | 'ignored' | undefined;
  readonly scheduler: string;
  /** `missing`: the annotation asks for one that the kernel has not. */
  readonly schedulerFrom: 'configuration' | 'annotation' | 'missing';
  /** As ipvsadm writes them: `-p 10800`, `-b mh-port`. */
  readonly options: string;
  /** Seconds of ClientIP affinity; undefined without. */
  readonly affinity: number | undefined;
  /** Milliseconds, 0 where nothing drains; undefined: a drain ends when the destination is idle. */
  readonly drainTimeout: number | undefined;
  /** Why there is no endpoint at all; undefined where there are any. */
  readonly withoutEndpoints: WithoutEndpoints | undefined;
}

export type WithoutEndpoints =
  | 'no EndpointSlice names the Service'
  | 'no EndpointSlice of the family'
  | 'no EndpointSlice has the port'
  | 'no endpoint in its EndpointSlices';

/** undefined: the Service is not known any more. */
export function describeFrontEnd(frontEnd: FrontEnd, store: Store, wanted: WantedState): FrontEndFacts | undefined {
  const { owner, service: virtual } = frontEnd;
  const found = siteOf(frontEnd, store, wanted);
  const service = store.service(owner);
  if (found === undefined || service === undefined) return undefined;
  const { site, behind, backends, facts } = found;
  const policy = trafficPolicy(site, service);
  const isMissing = wanted.missingSchedulers().some((missing) => missing.owner === owner);
  return {
    service: owner,
    kind: site.kind,
    portName: behind.port.name,
    alsoKinds: kindsAt(service, backends, facts, site, behind).filter((kind) => kind !== site.kind),
    holder: frontEnd.bound ? 'kube-ipvs0' : 'another device',
    policyField: site.kind === 'clusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy',
    policy,
    hints: policy === 'Local' ? undefined : hintsOf(behind, facts),
    scheduler: virtual.scheduler,
    schedulerFrom: service.tuning.scheduler === undefined ? 'configuration' : isMissing ? 'missing' : 'annotation',
    options: serviceOptionsText(virtual),
    affinity: service.affinityTimeout,
    drainTimeout: drains(virtual.protocol) ? frontEnd.drainTimeout : 0,
    withoutEndpoints: behind.all.length > 0 ? undefined : whyNone(behind, owner, store),
  };
}

function hintsOf({ all }: Backends, locality: Locality): FrontEndFacts['hints'] {
  const ready = all.filter(isReady);
  const isHinted = ready.some(({ endpoint }) => endpoint.nodes.length + endpoint.zones.length > 0);
  return hintsInForce(ready, locality) ?? (isHinted ? 'ignored' : undefined);
}

export interface FoundSite extends ServedSite {
  readonly backends: readonly Backends[];
  readonly facts: NodeFacts;
}

/** The site of its Service that a front end is. */
export function siteOf({ owner, service }: FrontEnd, store: Store, wanted: WantedState): FoundSite | undefined {
  const asking = store.service(owner);
  const facts = wanted.nodeFacts;
  if (asking === undefined || facts === undefined) return undefined;
  const backends = allBackends(asking, store.slicesOf(owner), facts);
  const served = servedSites(asking, backends, facts).find(({ key }) => key.id === service.id);
  return served && { ...served, backends, facts };
}

function kindsAt(
  service: Service,
  backends: readonly Backends[],
  facts: NodeFacts,
  { address, port }: Site,
  { port: { protocol } }: Backends,
): Site['kind'][] {
  const isThere = (kind: Site['kind']) =>
    backends
      .filter((behind) => behind.port.protocol === protocol)
      .flatMap((behind) => sites(kind, service, behind, facts))
      .some((site) => site.address === address && site.port === port);
  return siteKinds.filter(isThere);
}

function whyNone({ port, clusterIP }: Backends, owner: ObjectName, store: Store): WithoutEndpoints {
  const slices = store.slicesOf(owner);
  const ofFamily = slices.filter(({ family }) => family === familyOf(clusterIP));
  const hasPort = ofFamily.some(({ ports }) =>
    ports.some(({ name, protocol }) => name === port.name && protocol === port.protocol),
  );
  if (slices.length === 0) return 'no EndpointSlice names the Service';
  if (ofFamily.length === 0) return 'no EndpointSlice of the family';
  return hasPort ? 'no endpoint in its EndpointSlices' : 'no EndpointSlice has the port';
}
