/** Clusters of any size, their objects as large as real ones, and changes that never end. */

import { setTimeout as sleep } from 'node:timers/promises';
import { manyServices } from '../cluster-objects.ts';
import type { ApiServer } from './api-server.ts';
import { isObject, type JsonObject, listAt, objectAt, omit, textAt } from './json.ts';

export interface Size {
  readonly services: number;
  /** Of each, all in one slice. */
  readonly endpoints: number;
}

/** `5000x10` → 5000 Services of 10 endpoints each. */
export function parseSize(text: string): Size {
  const [, services, endpoints] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (services === undefined) throw new SyntaxError(`not SERVICESxENDPOINTS: ${text}`);
  return { services: Number(services), endpoints: Number(endpoints) };
}

const nodes = 10;
const time = '2026-01-01T00:00:00Z';

/** Services as kubectl made them and slices as kube-controller-manager did, named `default/service-0` and `default/service-0-v4`. */
export function clusterOf({ services, endpoints }: Size): JsonObject[] {
  return (manyServices(services, endpoints) as JsonObject[]).map((object) =>
    object['kind'] === 'Service' ? asByKubectl(object) : asByController(object),
  );
}

function asByKubectl(service: JsonObject): JsonObject {
  const { name, namespace } = objectAt(service, 'metadata') as { name: string; namespace: string };
  const spec = omit(objectAt(service, 'spec'), 'clusterIP', 'clusterIPs');
  const labels = {
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/managed-by': 'Helm',
    'app.kubernetes.io/name': name,
  };
  const selector = { 'app.kubernetes.io/instance': name };
  const applied = { apiVersion: 'v1', kind: 'Service', metadata: { annotations: {}, labels, name, namespace }, spec };
  return {
    ...service,
    metadata: {
      name,
      namespace,
      labels,
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify(applied)}\n` },
      managedFields: [
        managed('kubectl-client-side-apply', 'v1', {
          'f:metadata': {
            'f:annotations': { '.': {}, 'f:kubectl.kubernetes.io/last-applied-configuration': {} },
            'f:labels': { '.': {}, ...Object.fromEntries(Object.keys(labels).map((label) => [`f:${label}`, {}])) },
          },
          'f:spec': {
            'f:internalTrafficPolicy': {},
            'f:ports': {
              '.': {},
              'k:{"port":80,"protocol":"TCP"}': {
                '.': {},
                'f:name': {},
                'f:port': {},
                'f:protocol': {},
                'f:targetPort': {},
              },
            },
            'f:selector': {},
            'f:sessionAffinity': {},
            'f:type': {},
          },
        }),
      ],
    },
    spec: { ...spec, selector, clusterIP: behindFirst(textAt(service, 'spec', 'clusterIP')) },
  };
}

/** 10.96.0.1 is taken: 10.97.0.1 stands for it, and so on. */
function behindFirst(clusterIP: string): string {
  const [first, second, ...rest] = clusterIP.split('.');
  return [first, Number(second) + 1, ...rest].join('.');
}

function asByController(slice: JsonObject): JsonObject {
  const { name, namespace, labels } = objectAt(slice, 'metadata') as {
    name: string;
    namespace: string;
    labels: JsonObject;
  };
  const service = textAt(labels, 'kubernetes.io/service-name');
  const uid = uidOf(service, 0);
  return {
    ...slice,
    metadata: {
      name,
      generateName: `${service}-`,
      namespace,
      labels: { ...labels, 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': time },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: service, uid, controller: true, blockOwnerDeletion: true },
      ],
      managedFields: [
        managed('kube-controller-manager', 'discovery.k8s.io/v1', {
          'f:addressType': {},
          'f:endpoints': {},
          'f:metadata': {
            'f:annotations': { '.': {}, 'f:endpoints.kubernetes.io/last-change-trigger-time': {} },
            'f:generateName': {},
            'f:labels': { '.': {}, 'f:endpointslice.kubernetes.io/managed-by': {}, 'f:kubernetes.io/service-name': {} },
            'f:ownerReferences': { '.': {}, [`k:{"uid":"${uid}"}`]: {} },
          },
          'f:ports': {},
        }),
      ],
    },
    endpoints: listAt(slice, 'endpoints')
      .filter(isObject)
      .map((endpoint, i) => ({
        ...endpoint,
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${i % nodes}`,
        targetRef: { kind: 'Pod', name: `${service}-${i}`, namespace, uid: uidOf(service, i + 1) },
        zone: `zone-${i % 3}`,
      })),
  };
}

function managed(manager: string, apiVersion: string, fieldsV1: JsonObject): JsonObject {
  return { manager, operation: 'Update', apiVersion, time, fieldsType: 'FieldsV1', fieldsV1 };
}

/** `service-7` and 3 → `00000007-0000-4000-8000-000000000003`. */
function uidOf(service: string, part: number): string {
  const number = service.split('-').at(-1)!;
  return `${number.padStart(8, '0')}-0000-4000-8000-${String(part).padStart(12, '0')}`;
}

/** The slice with one endpoint's readiness turned over: the one whose turn it is. */
export function turnedOver(slice: JsonObject, turn: number): JsonObject {
  const endpoints = listAt(slice, 'endpoints').filter(isObject);
  const which = turn % Math.max(1, endpoints.length);
  return {
    ...slice,
    endpoints: endpoints.map((endpoint, i) => {
      if (i !== which) return endpoint;
      const conditions = objectAt(endpoint, 'conditions');
      return { ...endpoint, conditions: { ...conditions, ready: conditions['ready'] === false } };
    }),
  };
}

const tickMilliseconds = 20;

/** Changes slices in turn, evenly over time, until the signal is aborted. Gives how many changes it made. */
export async function churn(
  server: ApiServer,
  { perSecond, signal }: { readonly perSecond: number; readonly signal: AbortSignal },
): Promise<number> {
  const keys = server.keys('EndpointSlice');
  const start = performance.now();
  let made = 0;
  while (!signal.aborted && keys.length > 0) {
    const due = ((performance.now() - start) / 1000) * perSecond;
    for (; made < due; made++) {
      const slice = server.get('EndpointSlice', keys[made % keys.length]!);
      if (slice !== undefined) server.apply(turnedOver(slice, Math.floor(made / keys.length)));
    }
    await sleep(tickMilliseconds, undefined, { signal }).catch(() => {});
  }
  return made;
}
