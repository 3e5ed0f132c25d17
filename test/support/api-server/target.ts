/** What a request is about, as apiserver's RequestInfo says it (staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go). */

import { findResource, type Resource } from './resources.ts';
import { methodNotAllowed } from './statuses.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface ResourceTarget {
  readonly kind: 'resource';
  readonly verb: Verb;
  readonly resource: Resource;
  /** Empty for all, and for what is in none. */
  readonly namespace: string;
  /** Empty for all, and for what is to be created. */
  readonly name: string;
  readonly subresource: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Discovery, health, metrics. */
export interface PathTarget {
  readonly kind: 'path';
  readonly path: string;
  readonly query: URLSearchParams;
}

export type Target = ResourceTarget | PathTarget;

export function targetOf(method: string, url: string): Target {
  const { pathname: path, searchParams: query } = new URL(url, 'http://server');
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const root = parts.shift();
  const group = root === 'api' ? '' : root === 'apis' ? parts.shift() : undefined;
  const version = parts.shift();
  if (group === undefined || version === undefined) return { kind: 'path', path, query };
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 2 && !['status', 'finalize'].includes(parts[2]!)) {
    namespace = parts[1]!;
    parts.splice(0, 2);
  }
  const [resourceName = '', name = '', subresource = ''] = parts;
  const resource = findResource(group, version, resourceName);
  const isKnown = resource !== undefined && (subresource === '' || resource.subresources.includes(subresource));
  if (!isKnown || parts.length > 3 || (!resource.namespaced && namespace !== '')) return { kind: 'path', path, query };
  return { kind: 'resource', verb: verbOf(method, name, query), resource, namespace, name, subresource, path, query };
}

function verbOf(method: string, name: string, query: URLSearchParams): Verb {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== '') return 'get';
      return isTrue(query.get('watch')) ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      throw methodNotAllowed();
  }
}

export function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1' || text === '';
}
