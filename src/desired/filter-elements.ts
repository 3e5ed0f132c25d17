/** What the packet filter must know of the front ends of a Service. */

import { type Address, familyOf } from '../model/address.ts';
import type { Service } from '../model/cluster.ts';
import { type Element, element } from '../model/filter.ts';
import type { Backends } from './endpoints.ts';
import type { NodeFacts } from './node-facts.ts';
import type { Site } from './sites.ts';
import { allowedSources } from './source-ranges.ts';

/** What one front end is; the key of each element begins with address, protocol and port of the site. */
export function siteElements(site: Site, service: Service, backends: Backends, node: NodeFacts): Element[] {
  const family = familyOf(site.address);
  const key = [site.address, backends.port.protocol, site.port];
  const found = [element(family, 'services', key)];
  if (site.kind === 'clusterIP') {
    found.push(element(family, 'clusterIPs', key));
    return found;
  }
  if (service.externalTrafficPolicy === 'Cluster') found.push(element(family, 'masqueraded', key));
  else {
    found.push(element(family, 'localClients', key, [backends.clusterIP, backends.port.port]));
    if (isElsewhere(backends)) found.push(element(family, 'withoutLocal', key));
  }
  if (site.kind !== 'loadBalancerIP') return found;
  const sources = allowedSources(service.sourceRanges, site.address, node.nodeIPs);
  if (sources.length > 0) found.push(element(family, 'restricted', key));
  for (const source of sources) found.push(element(family, 'allowedSources', [...key, source]));
  return found;
}

/** Where nobody serves at all, clients are better told so than left without an answer. */
function isElsewhere({ destinations }: Backends): boolean {
  return destinations.Local.length === 0 && destinations.Cluster.length > 0;
}

/** What other Services may ask for too: each element once. */
export function sharedElements(
  service: Service,
  bound: Iterable<Address>,
  backends: readonly Backends[],
  nodeName: string,
): Element[] {
  const found = new Map<string, Element>();
  const add = (one: Element) => found.set(one.id, one);
  for (const address of bound) add(element(familyOf(address), 'virtualIPs', [address]));
  for (const { port, all } of backends) {
    for (const { key, endpoint } of all) {
      if (endpoint.nodeName !== nodeName) continue;
      add(element(familyOf(key.address), 'hairpins', [key.address, key.address, port.protocol, key.port]));
    }
  }
  const { healthCheckNodePort, clusterIPs } = service;
  if (healthCheckNodePort === undefined) return [...found.values()];
  for (const address of clusterIPs) add(element(familyOf(address), 'healthCheckPorts', [healthCheckNodePort]));
  return [...found.values()];
}
