/** Objects and lines of a watch, as an API server sends them. */

import { serviceObject } from './cluster-objects.ts';

/** A Service of the namespace default in some version. */
export function service(name: string, version: string, spec: Readonly<Record<string, unknown>> = {}): object {
  const object = serviceObject(name, { clusterIPs: ['10.96.0.10'], spec }) as { readonly metadata: object };
  return { ...object, metadata: { ...object.metadata, resourceVersion: version } };
}

export function added(object: object): object {
  return { type: 'ADDED', object };
}

export function modified(object: object): object {
  return { type: 'MODIFIED', object };
}

export function deleted(object: object): object {
  return { type: 'DELETED', object };
}

export function bookmark(version: string): object {
  return { type: 'BOOKMARK', object: { metadata: { resourceVersion: version } } };
}

/** The bookmark behind the objects of a streamed list. */
export function listEnd(version: string): object {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return { type: 'BOOKMARK', object: { metadata: { resourceVersion: version, annotations } } };
}

export function refusal(code: number, message: string, details: object = {}): object {
  return { type: 'ERROR', object: { kind: 'Status', status: 'Failure', code, message, details } };
}

export function page(items: readonly object[], version: string, token?: string): string {
  return JSON.stringify({ metadata: { resourceVersion: version, continue: token }, items });
}
