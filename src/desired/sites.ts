/** Where a Service can be reached at this node. */

import { type Address, familyOf } from '../model/address.ts';
import type { Service } from '../model/cluster.ts';
import type { Backends } from './endpoints.ts';
import type { NodeFacts } from './node-facts.ts';

/** In the order of precedence: of two of one address, protocol and port the earlier kind is served. */
export const siteKinds = ['clusterIP', 'loadBalancerIP', 'externalIP', 'nodePort'] as const;

export interface Site {
  readonly kind: (typeof siteKinds)[number];
  readonly address: Address;
  readonly port: number;
  /** Whether the node must hold the address itself, because no other device has it. */
  readonly bound: boolean;
}

/** The sites of one kind for a service port in one family. */
export function sites(kind: Site['kind'], service: Service, { clusterIP, port }: Backends, node: NodeFacts): Site[] {
  const family = familyOf(clusterIP);
  const own = (addresses: readonly Address[]) => addresses.filter((address) => familyOf(address) === family);
  const external = (addresses: readonly Address[]) =>
    own(addresses).map((address): Site => ({ kind, address, port: port.port, bound: !node.held.has(address) }));
  switch (kind) {
    case 'clusterIP':
      return [{ kind, address: clusterIP, port: port.port, bound: true }];
    case 'loadBalancerIP':
      return external(service.loadBalancerIPs);
    case 'externalIP':
      return external(service.externalIPs);
    case 'nodePort': {
      const { nodePort } = port;
      if (nodePort === undefined) return [];
      return own(node.nodePortAddresses).map((address) => ({ kind, address, port: nodePort, bound: false }));
    }
    default:
      return kind satisfies never;
  }
}
