/**
 * What is watched, with the selectors of kube-proxy 1.36 (cmd/kube-proxy/app/server.go and pkg/proxy/apis/well_known_labels.go):
 * an object that leaves its selector arrives as deleted.
 */

import type { ClusterEvent, Node, ObjectName, Source } from '../../model/cluster.ts';
import { projectEndpointSlice } from '../endpoint-slice-projection.ts';
import { projectNode } from '../node-projection.ts';
import { quoted } from '../problem.ts';
import { asEvent, nameOf, type Projection } from '../projection.ts';
import { projectService } from '../service-projection.ts';

export interface Resource {
  /** As status and log name the source. */
  readonly name: 'services' | 'endpointslices' | 'nodes';
  readonly kind: 'Service' | 'EndpointSlice' | 'Node';
  readonly source: Source;
  readonly path: string;
  /** As in a query, percent-encoded. */
  readonly selectors: string;
  nameOf(raw: unknown): ObjectName | undefined;
  /** What the object says, as the event that tells it. */
  read(raw: unknown): Projection<ClusterEvent>;
  /** What tells that an object is gone; undefined where that changes nothing. */
  gone(name: ObjectName): ClusterEvent | undefined;
  /** Worth a line when there is none at first; undefined where that may well be. */
  readonly whenEmpty: string | undefined;
}

export const services: Resource = {
  name: 'services',
  kind: 'Service',
  source: 'services',
  path: '/api/v1/services',
  selectors: selectors({
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  }),
  nameOf: (raw) => nameOf(raw, 'namespaced'),
  read: (raw) => asEvent(projectService(raw), (service) => ({ kind: 'service', verb: 'set', service })),
  gone: (name) => ({ kind: 'service', verb: 'delete', name }),
  whenEmpty: undefined,
};

/** More than a cluster has of nodes and zones; then names are shared anew, so that those of nodes that are gone go too. */
const mostNames = 50_000;

/** Keeps the names of nodes and zones that it saw, so that the endpoints of a node share them. */
export function endpointSliceResource(): Resource {
  const names = new Map<string, string>();
  const shared = (name: string) => {
    const known = names.get(name);
    if (known === undefined) {
      if (names.size >= mostNames) names.clear();
      names.set(name, name);
    }
    return known ?? name;
  };
  return {
    name: 'endpointslices',
    kind: 'EndpointSlice',
    source: 'endpointSlices',
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    selectors: selectors({ labelSelector: '!service.kubernetes.io/headless' }),
    nameOf: (raw) => nameOf(raw, 'namespaced'),
    read: (raw) =>
      asEvent(projectEndpointSlice(raw, shared), (slice) => ({ kind: 'endpointSlice', verb: 'set', slice })),
    gone: (name) => ({ kind: 'endpointSlice', verb: 'delete', name }),
    whenEmpty: undefined,
  };
}

/**
 * The Node of one name. Deleted, it keeps what was last known of it and is no longer eligible: kube-proxy only logs the deletion
 * (NodeManager, pkg/proxy/node.go of 1.36), and without its zone and networks the node that still runs would serve its Pods wrongly.
 */
export function nodeResource(nodeName: string): Resource {
  let last: Node | undefined;
  return {
    name: 'nodes',
    kind: 'Node',
    source: 'node',
    path: '/api/v1/nodes',
    selectors: selectors({ fieldSelector: `metadata.name=${nodeName}` }),
    nameOf: (raw) => nameOf(raw, 'cluster'),
    read: (raw) =>
      asEvent(projectNode(raw, nodeName), (node) => {
        last = node;
        return { kind: 'node', verb: 'set', node };
      }),
    gone: () => last && { kind: 'node', verb: 'set', node: { ...last, eligible: false } },
    whenEmpty: `no Node is named ${quoted(nodeName)}: zone hints and its pod networks are not used; name one with --hostname-override`,
  };
}

function selectors(by: Readonly<Record<string, string>>): string {
  return Object.entries(by)
    .map(([parameter, selector]) => `${parameter}=${encodeURIComponent(selector)}`)
    .join('&');
}
