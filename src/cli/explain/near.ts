/** What somebody may have meant who asked for an address that nobody claims. Pure; costs O(cluster). */

import { type Address, endpointText } from '../../model/address.ts';
import type { ObjectName } from '../../model/cluster.ts';
import { serviceFamily, type VirtualServiceKey } from '../../model/virtual-service.ts';
import type { WantedState } from '../../reconcile/wanted.ts';
import type { Store } from '../../store/store.ts';
import type { KnownEndpoint } from './clients.ts';

export interface Near {
  /** `10.96.0.10:443/TCP`; of an endpoint `10.244.1.7:8080`; of a NodePort without address `30080/TCP`. */
  readonly id: string;
  readonly service: ObjectName;
  readonly because:
    | 'same address'
    /** A NodePort, which this address does not have. */
    | 'same NodePort'
    /** A NodePort that no address of the node has. */
    | 'NodePort without address'
    /** The address is an endpoint's. */
    | 'endpoint'
    /** Where the Service of that endpoint is reached. */
    | 'front end'
    | 'health check port'
    /** Where there is nothing nearer. */
    | 'same port, other family';
}

/** So many of each kind. */
const most = 10;

export function near(key: VirtualServiceKey, wanted: WantedState, store: Store): Near[] {
  const claimed = [...wanted.services()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const found = (because: Near['because'], is: (other: VirtualServiceKey) => boolean): Near[] =>
    claimed
      .filter(is)
      .slice(0, most)
      .flatMap(({ id }) => {
        const service = wanted.ownerOf(id);
        return service === undefined ? [] : [{ id, service, because }];
      });
  const isSamePort = (other: VirtualServiceKey) => other.port === key.port && other.protocol === key.protocol;
  const nodePorts = nodePortOwners(key, store);
  const isNodePort = (other: VirtualServiceKey) => nodePorts.has(wanted.ownerOf(other.id) ?? '') && isSamePort(other);
  const isOther = (other: VirtualServiceKey) => serviceFamily(other) !== serviceFamily(key) && isSamePort(other);
  const served = found('same NodePort', isNodePort);
  const members = endpoints(key, store);
  const services = new Set(members.map(({ service }) => service));
  const nearer = [
    ...found('same address', (other) => other.address === key.address),
    ...served,
    ...[...nodePorts]
      .filter((service) => served.every((other) => other.service !== service))
      .map((service): Near => ({ id: `${key.port}/${key.protocol}`, service, because: 'NodePort without address' })),
    ...members,
    ...found('front end', (other) => services.has(wanted.ownerOf(other.id) ?? '')),
    ...healthChecks(key, store),
  ];
  return nearer.length > 0 ? nearer : found('same port, other family', isOther);
}

function nodePortOwners({ port, protocol }: VirtualServiceKey, store: Store): ReadonlySet<ObjectName> {
  const isIt = (one: { readonly nodePort: number | undefined; readonly protocol: string }) =>
    one.nodePort === port && one.protocol === protocol;
  return new Set([...store.names()].filter((name) => store.service(name)?.ports.some(isIt)));
}

function endpoints({ address }: VirtualServiceKey, store: Store): Near[] {
  return [...store.names()]
    .flatMap((service) =>
      store
        .slicesOf(service)
        .filter((slice) => slice.endpoints.some((endpoint) => endpoint.address === address))
        .flatMap(({ ports }) =>
          ports.map(({ port }): Near => ({ id: endpointText(address, port), service, because: 'endpoint' })),
        ),
    )
    .slice(0, most);
}

function healthChecks({ address, port, protocol }: VirtualServiceKey, store: Store): Near[] {
  if (protocol !== 'TCP') return [];
  return [...store.names()]
    .filter((name) => store.service(name)?.healthCheckNodePort === port)
    .map((service) => ({ id: endpointText(address, port), service, because: 'health check port' }));
}

/** Who has which address as an endpoint; one of this node goes before others. Costs O(endpoints). */
export function endpointsByAddress(store: Store, nodeName: string): ReadonlyMap<Address, KnownEndpoint> {
  const found = new Map<Address, KnownEndpoint>();
  for (const service of store.names()) {
    for (const { endpoints: members } of store.slicesOf(service)) {
      for (const { address, nodeName: of } of members) {
        if (!found.has(address) || of === nodeName) found.set(address, { service, nodeName: of });
      }
    }
  }
  return found;
}
