/** What a ClusterRole allows, as an API server's RBAC authorizer decides it for cluster-wide rules. */

import type { ClusterRole } from './deployment.ts';

/** One right: what a request needs, and what a rule is made of. */
export interface Access {
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  /** With its subresource: `nodes/status`. */
  readonly resource: string;
}

/**
 * The right that an HTTP request needs (RequestInfoFactory of Kubernetes 1.36, staging/src/k8s.io/apiserver); undefined for one that
 * asks for no resource, such as /version. The path may have a query.
 */
export function accessOf(method: string, path: string): Access | undefined {
  const { pathname, searchParams } = new URL(path, 'http://server');
  const [, api, ...rest] = pathname.split('/');
  if (api !== 'api' && api !== 'apis') return undefined;
  const group = api === 'api' ? '' : rest.shift();
  const [, ...steps] = rest;
  // A namespace is a resource too, as long as nothing follows its name.
  if (steps[0] === 'namespaces' && steps.length > 2) steps.splice(0, 2);
  const [resource, name, subresource] = steps;
  if (group === undefined || resource === undefined) return undefined;
  const isWatch = ['true', '1'].includes(searchParams.get('watch') ?? '');
  return {
    verb: verbOf(method, name, isWatch),
    group,
    resource: subresource ? `${resource}/${subresource}` : resource,
  };
}

function verbOf(method: string, name: string | undefined, isWatch: boolean): string {
  switch (method) {
    case 'GET':
      if (isWatch) return 'watch';
      return name === undefined ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      throw new Error(`no verb of a resource: ${method}`);
  }
}

export function allows(role: ClusterRole, access: Access): boolean {
  return role.rules.some(
    ({ apiGroups, resources, verbs }) =>
      [access.group, '*'].some((group) => apiGroups.includes(group)) &&
      [access.resource, '*'].some((resource) => resources.includes(resource)) &&
      [access.verb, '*'].some((verb) => verbs.includes(verb)),
  );
}

/** What the role allows and none of the requests needed, as `watch nodes`, `create events.events.k8s.io`. */
export function unusedAccess(role: ClusterRole, used: readonly Access[]): string[] {
  const needed = new Set(used.map(accessText));
  const allowed = role.rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource })))),
  );
  return allowed.map(accessText).filter((text) => !needed.has(text));
}

export function accessText({ verb, group, resource }: Access): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}`;
}
