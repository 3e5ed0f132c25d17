/** What an API server says of itself: versions, groups, resources, and as much OpenAPI as kubectl needs to send objects unexamined. */

import type { JsonObject } from './json.ts';
import { apiVersionOf, apiVersions, type Resource, resources } from './resources.ts';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Undefined for a path that is not there. */
export function discovery(path: string): JsonObject | undefined {
  switch (path) {
    case '/version':
      return version;
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups().map(apiGroup) };
    case '/openapi/v2':
      return { swagger: '2.0', info: { title: 'Kubernetes', version: version['gitVersion']! }, paths: {} };
    case '/openapi/v3':
      return {
        paths: Object.fromEntries(
          apiVersions.map((name) => [rootOf(name), { serverRelativeURL: `/openapi/v3/${rootOf(name)}` }]),
        ),
      };
    default:
      return below(path);
  }
}

/** The OpenAPI v2 document that kubectl asks for as protobuf: `swagger: "2.0"` and nothing else. */
export const openApi = {
  protobuf: Buffer.from([0x0a, 0x03, ...Buffer.from('2.0')]),
  type: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
} as const;

const version: JsonObject = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-04-22T00:00:00Z',
  goVersion: 'go1.26.0',
  compiler: 'gc',
  platform: 'linux/amd64',
};

function below(path: string): JsonObject | undefined {
  const openApiRoot = '/openapi/v3/';
  const isOpenApi = path.startsWith(openApiRoot);
  const apiVersion = apiVersions.find((name) => (isOpenApi ? openApiRoot : '/') + rootOf(name) === path);
  if (apiVersion !== undefined) return isOpenApi ? openApiOf(apiVersion) : resourceList(apiVersion);
  const group = groups().find((name) => path === `/apis/${name}`);
  return group === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) };
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`;
}

function groups(): string[] {
  return [...new Set(resources.map(({ group }) => group))].filter((group) => group !== '');
}

function apiGroup(name: string): JsonObject {
  const versions = apiVersions
    .filter((apiVersion) => apiVersion.startsWith(`${name}/`))
    .map((groupVersion) => ({ groupVersion, version: groupVersion.slice(name.length + 1) }));
  return { name, versions, preferredVersion: versions[0]! };
}

function resourceList(apiVersion: string): JsonObject {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersion,
    resources: ofVersion(apiVersion).flatMap(
      ({ name, singular, namespaced, kind, shortNames, categories, subresources }) => [
        {
          name,
          singularName: singular,
          namespaced,
          kind,
          verbs,
          ...(shortNames.length === 0 ? {} : { shortNames: [...shortNames] }),
          ...(categories.length === 0 ? {} : { categories: [...categories] }),
        },
        ...subresources.map((subresource) => ({
          name: `${name}/${subresource}`,
          singularName: '',
          namespaced,
          kind,
          verbs: ['get', 'patch', 'update'],
        })),
      ],
    ),
  };
}

/** Tells kubectl that this server finds unknown fields itself. */
function openApiOf(apiVersion: string): JsonObject {
  const paths = ofVersion(apiVersion).map(({ group, version, kind, name, namespaced }) => [
    `/${rootOf(apiVersion)}/${namespaced ? 'namespaces/{namespace}/' : ''}${name}/{name}`,
    {
      patch: {
        parameters: [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }],
        responses: {},
        'x-kubernetes-group-version-kind': { group, version, kind },
      },
    },
  ]);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: version['gitVersion']! },
    paths: Object.fromEntries(paths) as JsonObject,
  };
}

function ofVersion(apiVersion: string): Resource[] {
  return resources.filter((resource) => apiVersionOf(resource) === apiVersion);
}
