/**
 * Facts of the cluster, projected from Kubernetes objects to the few fields a node needs, with every address canonical.
 * A fact that is here is valid; what could not be read never becomes one.
 */

import type { Address, Cidr, Family } from './address.ts';
import type { Protocol } from './virtual-service.ts';

/** `namespace/name`. */
export type ObjectName = string;

export interface ServicePort {
  /** Empty for the only port of a Service. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** undefined without. */
  readonly nodePort: number | undefined;
}

export type TrafficPolicy = 'Cluster' | 'Local';

/** Endpoints that get a weight of their own. The first rule that fits an endpoint decides; without one it has weight 1. */
export interface WeightRule {
  readonly endpoints:
    | { readonly of: 'zone' | 'node'; readonly name: string }
    | { readonly of: 'network'; readonly cidr: Cidr }
    | { readonly of: 'all' };
  /** 0–65535; 0 takes no new connections. */
  readonly weight: number;
}

/** What a Service asks by annotation; undefined is the node's own setting. */
export interface Tuning {
  readonly scheduler: string | undefined;
  /** Of `serviceFlags`: the three scheduler bits. */
  readonly schedulerFlags: number | undefined;
  /** Milliseconds. */
  readonly drainTimeout: number | undefined;
  readonly weights: readonly WeightRule[];
}

export const untuned: Tuning = {
  scheduler: undefined,
  schedulerFlags: undefined,
  drainTimeout: undefined,
  weights: [],
};

/** A Service that asks something of a node; headless, ExternalName and foreign-proxy Services never become one. */
export interface Service {
  readonly name: ObjectName;
  /** metadata.uid, or '' in a manifest without: events name the very object by it. */
  readonly uid: string;
  /** metadata.creationTimestamp (RFC 3339, so that text order is time order) or ''. The older Service owns a disputed VIP:port. */
  readonly createdAt: string;
  /** At most one of each family. */
  readonly clusterIPs: readonly Address[];
  readonly ports: readonly ServicePort[];
  /** Seconds of ClientIP affinity; undefined without. */
  readonly affinityTimeout: number | undefined;
  readonly internalTrafficPolicy: TrafficPolicy;
  /** `Local` only where something outside can reach the Service: a NodePort, a load balancer or an external IP. */
  readonly externalTrafficPolicy: TrafficPolicy;
  /** Of the families of `clusterIPs` only. */
  readonly externalIPs: readonly Address[];
  /** Addresses of status.loadBalancer.ingress with ipMode VIP, of the families of `clusterIPs` only. */
  readonly loadBalancerIPs: readonly Address[];
  /** Who may reach the load balancer IPs of the family; no network of a family: everybody. */
  readonly sourceRanges: readonly Cidr[];
  /** Of load balancers with the external policy Local. */
  readonly healthCheckNodePort: number | undefined;
  readonly tuning: Tuning;
}

export interface Endpoint {
  readonly address: Address;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string | undefined;
  /** The zone it is in; not a hint. */
  readonly zone: string | undefined;
  /** hints.forZones / hints.forNodes; empty without hints. */
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

export interface EndpointPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface EndpointSlice {
  readonly name: ObjectName;
  /** The Service it belongs to, from the label kubernetes.io/service-name. */
  readonly service: ObjectName;
  readonly family: Family;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  /** Annotation endpoints.kubernetes.io/last-change-trigger-time: when what led to this change happened; milliseconds since 1970. */
  readonly triggeredAt: number | undefined;
}

/** The node that we run on. */
export interface Node {
  readonly name: string;
  /** Label topology.kubernetes.io/zone. */
  readonly zone: string | undefined;
  /** InternalIPs, then ExternalIPs; the first of a family is the node's address in it. */
  readonly addresses: readonly Address[];
  /** spec.podCIDRs: what the node's own Pods have their addresses from. */
  readonly podCIDRs: readonly Cidr[];
  /** Neither being deleted nor about to be (taint ToBeDeletedByClusterAutoscaler): load balancers may send it new traffic. */
  readonly eligible: boolean;
}

/** An address of any device of the node but kube-ipvs0. */
export interface NodeAddress {
  readonly address: Address;
  readonly device: string;
  /** On a loopback device, whatever the address. */
  readonly loopback: boolean;
  /** Where what leaves by its device may come from another device's address all the same. */
  readonly isPassedOver?: true;
  /** Of IPv6: it may be somebody else's, and packets to it are not the node's until that is found out. */
  readonly isTentative?: true;
}

/** One change of the cluster as a source reports it. */
export type ClusterEvent =
  | { readonly kind: 'service'; readonly verb: 'set'; readonly service: Service }
  | { readonly kind: 'service'; readonly verb: 'delete'; readonly name: ObjectName }
  | { readonly kind: 'endpointSlice'; readonly verb: 'set'; readonly slice: EndpointSlice }
  | { readonly kind: 'endpointSlice'; readonly verb: 'delete'; readonly name: ObjectName }
  | { readonly kind: 'node'; readonly verb: 'set'; readonly node: Node }
  | { readonly kind: 'node'; readonly verb: 'delete' }
  | { readonly kind: 'nodeAddresses'; readonly verb: 'set'; readonly addresses: readonly NodeAddress[] }
  /** The object could not be read: what was last known of it stays. */
  | {
      readonly kind: 'unreadable';
      readonly object: 'Service' | 'EndpointSlice' | 'Node';
      readonly name: ObjectName;
      /** Of an EndpointSlice, whose endpoints it tells of; absent where that could not be read either. */
      readonly service?: ObjectName;
    }
  /** The source has told everything it had at start. */
  | { readonly kind: 'synced'; readonly source: Source };

export type Source = 'services' | 'endpointSlices' | 'node' | 'nodeAddresses';
