/** Services in the address families that the node has: kube-proxy drops the others too. */

import { ipv6Disabled } from '../desired/settings.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Address, families, type Family, familyOf } from '../model/address.ts';
import type { ClusterEvent, Service } from '../model/cluster.ts';
import type { Logger } from './log.ts';

/** Those of the node now, IPv4 always among them; what it lacks is said. Never rejects: of what cannot be read the kernel itself will tell. */
export async function servedFamilies(kernel: Kernel, log: Logger): Promise<readonly Family[]> {
  const [disabled] = await kernel.settings([ipv6Disabled]).catch(() => [{ value: '0' }]);
  if (disabled?.value === '0') return families;
  log.info('this node has no IPv6 (net.ipv6.conf.all.disable_ipv6): Services are served by IPv4 only');
  return [4];
}

/** The event as a node of these families takes it: a Service that has no address in them asks nothing of it. */
export function inFamilies(event: ClusterEvent, served: readonly Family[]): ClusterEvent {
  if (event.kind !== 'service' || event.verb === 'delete') return event;
  const service = serviceIn(event.service, served);
  if (service === event.service) return event;
  if (service.clusterIPs.length === 0) return { kind: 'service', verb: 'delete', name: service.name };
  return { ...event, service };
}

function serviceIn(service: Service, served: readonly Family[]): Service {
  const own = (addresses: readonly Address[]) => addresses.filter((address) => served.includes(familyOf(address)));
  const clusterIPs = own(service.clusterIPs);
  if (clusterIPs.length === service.clusterIPs.length) return service;
  return {
    ...service,
    clusterIPs,
    externalIPs: own(service.externalIPs),
    loadBalancerIPs: own(service.loadBalancerIPs),
  };
}
