/** The resources that are served. */

import type { JsonObject } from './json.ts';
import type { Shape } from './shape.ts';
import { anything, endpointSlice, node, pod, service, workload } from './shapes.ts';

export interface Resource {
  /** `endpointslices.discovery.k8s.io`, `services`. */
  readonly id: string;
  /** Empty for the core. */
  readonly group: string;
  readonly version: string;
  readonly name: string;
  readonly singular: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  /** `all`: it is among what `kubectl get all` asks for. */
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly shape: Shape;
  /** What an object consists of beside its metadata when nothing was set; bookmarks are such objects. */
  readonly zero: JsonObject;
  /** Subresources that are stored with it. */
  readonly subresources: readonly string[];
  /** Paths of fields by which it can be selected, beside name and namespace. */
  readonly selectable: readonly string[];
  /** metadata.generation counts the changes of all but metadata and status. */
  readonly counted: boolean;
  /** The id under which its objects are stored. */
  readonly storedAs: string;
}

interface Row extends Partial<Omit<Resource, 'id' | 'group' | 'version' | 'name' | 'kind' | 'zero'>> {}

function resource(apiVersion: string, name: string, kind: string, row: Row = {}): Resource {
  const [version, group = ''] = apiVersion.split('/').toReversed() as [string, string?];
  const id = group === '' ? name : `${name}.${group}`;
  const shape = row.shape ?? anything;
  return {
    id,
    group,
    version,
    name,
    kind,
    singular: row.singular ?? kind.toLowerCase(),
    shortNames: row.shortNames ?? [],
    categories: row.categories ?? [],
    namespaced: row.namespaced ?? true,
    shape,
    zero: shape.kind === 'struct' ? shape.zero : {},
    subresources: row.subresources ?? [],
    selectable: row.selectable ?? [],
    counted: row.counted ?? false,
    storedAs: row.storedAs ?? id,
  };
}

const status = ['status'];
const categories = ['all'];
const workloadRow: Row = { categories, shape: workload, subresources: status, counted: true };
const clusterWide: Row = { namespaced: false };
const eventFields = [
  'involvedObject.kind',
  'involvedObject.namespace',
  'involvedObject.name',
  'involvedObject.uid',
  'involvedObject.apiVersion',
  'involvedObject.fieldPath',
  'reason',
  'reportingComponent',
  'source',
  'type',
];

export const resources: readonly Resource[] = [
  resource('v1', 'configmaps', 'ConfigMap', { shortNames: ['cm'] }),
  resource('v1', 'endpoints', 'Endpoints', { shortNames: ['ep'] }),
  resource('v1', 'events', 'Event', { shortNames: ['ev'], selectable: eventFields }),
  resource('v1', 'namespaces', 'Namespace', {
    shortNames: ['ns'],
    namespaced: false,
    subresources: status,
    selectable: ['status.phase'],
  }),
  resource('v1', 'nodes', 'Node', {
    shortNames: ['no'],
    namespaced: false,
    shape: node,
    subresources: status,
    selectable: ['spec.unschedulable'],
  }),
  resource('v1', 'pods', 'Pod', {
    shortNames: ['po'],
    categories,
    shape: pod,
    subresources: status,
    selectable: ['spec.nodeName', 'status.phase', 'status.podIP'],
  }),
  resource('v1', 'secrets', 'Secret', { selectable: ['type'] }),
  resource('v1', 'serviceaccounts', 'ServiceAccount', { shortNames: ['sa'] }),
  resource('v1', 'services', 'Service', {
    shortNames: ['svc'],
    categories,
    shape: service,
    subresources: status,
    selectable: ['spec.clusterIP', 'spec.type'],
  }),
  resource('apps/v1', 'daemonsets', 'DaemonSet', { ...workloadRow, shortNames: ['ds'] }),
  resource('apps/v1', 'deployments', 'Deployment', { ...workloadRow, shortNames: ['deploy'] }),
  resource('coordination.k8s.io/v1', 'leases', 'Lease'),
  resource('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice', { shape: endpointSlice, counted: true }),
  resource('events.k8s.io/v1', 'events', 'Event', { shortNames: ['ev'], storedAs: 'events', selectable: eventFields }),
  resource('rbac.authorization.k8s.io/v1', 'clusterrolebindings', 'ClusterRoleBinding', clusterWide),
  resource('rbac.authorization.k8s.io/v1', 'clusterroles', 'ClusterRole', clusterWide),
  resource('rbac.authorization.k8s.io/v1', 'rolebindings', 'RoleBinding'),
  resource('rbac.authorization.k8s.io/v1', 'roles', 'Role'),
];

export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Group and versions in the order in which they are told. */
export const apiVersions: readonly string[] = [...new Set(resources.map(apiVersionOf))];

export function findResource(group: string, version: string, name: string): Resource | undefined {
  return resources.find((row) => row.group === group && row.version === version && row.name === name);
}

/** By kind, `Service`, or by name, `services`; with its apiVersion where it is not the only one. */
export function resourceOf(kindOrName: string, apiVersion?: string): Resource {
  const found = resources.find(
    (row) =>
      (row.kind === kindOrName || row.name === kindOrName || row.id === kindOrName) &&
      (apiVersion === undefined || apiVersionOf(row) === apiVersion),
  );
  if (found === undefined) throw new Error(`no such resource: ${kindOrName} of ${apiVersion ?? 'any group'}`);
  return found;
}

export function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
