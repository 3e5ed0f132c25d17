/**
 * Services with a traffic policy Local and no endpoint here, while there are some elsewhere: kube-proxy counts them in
 * sync_proxy_rules_no_local_endpoints_total. As in its ipvs mode (syncEndpoint in pkg/proxy/ipvs/proxier.go, Kubernetes 1.36) an
 * endpoint that terminates and still serves counts as one, and a Service counts once, however many ports it has.
 */

import { type Family, familyOf } from '../model/address.ts';
import type { EndpointSlice, ObjectName, Service } from '../model/cluster.ts';
import { candidates, chooseEndpoints } from './endpoints.ts';

/** The families in which a policy of the Service finds nobody. */
export interface LocalPolicyGaps {
  readonly internal: readonly Family[];
  readonly external: readonly Family[];
}

/** Costs O(ports x endpoints). */
export function localPolicyGaps(service: Service, slices: readonly EndpointSlice[], nodeName: string): LocalPolicyGaps {
  const { internalTrafficPolicy, externalTrafficPolicy } = service;
  if (internalTrafficPolicy === 'Cluster' && externalTrafficPolicy === 'Cluster') return none;
  const families = service.clusterIPs.map(familyOf);
  const isElsewhere = (port: Service['ports'][number], family: Family) => {
    const chosen = chooseEndpoints(candidates(slices, port, family), { name: nodeName, zone: undefined });
    return chosen.local.length === 0 && chosen.cluster.length > 0;
  };
  return {
    internal: families.filter(
      (family) => internalTrafficPolicy === 'Local' && service.ports.some((port) => isElsewhere(port, family)),
    ),
    external: families.filter(
      (family) =>
        externalTrafficPolicy === 'Local' &&
        service.ports.some((port) => isExternal(service, port, family) && isElsewhere(port, family)),
    ),
  };
}

const none: LocalPolicyGaps = { internal: [], external: [] };

function isExternal(service: Service, port: Service['ports'][number], family: Family): boolean {
  if (port.nodePort !== undefined) return true;
  return [...service.loadBalancerIPs, ...service.externalIPs].some((address) => familyOf(address) === family);
}

/** How many Services have a gap, kept up to date one Service at a time. */
export class LocalPolicyCount {
  readonly #gaps = new Map<ObjectName, LocalPolicyGaps>();
  readonly #counts = { internal: new Map<Family, number>(), external: new Map<Family, number>() };

  /** undefined: there is no such Service. */
  set(name: ObjectName, gaps: LocalPolicyGaps | undefined): void {
    this.#add(this.#gaps.get(name), -1);
    this.#add(gaps, 1);
    if (gaps === undefined || gaps.internal.length + gaps.external.length === 0) this.#gaps.delete(name);
    else this.#gaps.set(name, gaps);
  }

  count(policy: keyof LocalPolicyGaps, family: Family): number {
    return this.#counts[policy].get(family) ?? 0;
  }

  #add(gaps: LocalPolicyGaps | undefined, amount: 1 | -1): void {
    for (const policy of ['internal', 'external'] as const) {
      for (const family of gaps?.[policy] ?? []) {
        this.#counts[policy].set(family, this.count(policy, family) + amount);
      }
    }
  }
}
