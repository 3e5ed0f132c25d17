import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deployed } from '../support/deployment.ts';
import { accessOf, accessText, allows, unusedAccess } from '../support/rbac.ts';

const requests: readonly [method: string, path: string, access: string | undefined][] = [
  ['GET', '/api/v1/services?limit=500', 'list services'],
  ['GET', '/api/v1/services?watch=true&resourceVersion=7', 'watch services'],
  ['GET', '/apis/discovery.k8s.io/v1/endpointslices?watch=1', 'watch endpointslices.discovery.k8s.io'],
  ['GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a&watch=false', 'list nodes'],
  ['GET', '/api/v1/nodes/node-a', 'get nodes'],
  ['PATCH', '/api/v1/nodes/node-a/status', 'patch nodes/status'],
  ['POST', '/apis/events.k8s.io/v1/namespaces/default/events', 'create events.events.k8s.io'],
  ['PATCH', '/apis/events.k8s.io/v1/namespaces/default/events/web.17', 'patch events.events.k8s.io'],
  ['GET', '/api/v1/namespaces/default', 'get namespaces'],
  ['GET', '/api/v1/namespaces/default/configmaps', 'list configmaps'],
  ['DELETE', '/api/v1/namespaces/default/pods', 'deletecollection pods'],
  ['PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a', 'update leases.coordination.k8s.io'],
  ['GET', '/version', undefined],
  ['GET', '/apis', undefined],
  ['GET', '/api/v1', undefined],
];

describe('the right that a request needs', () => {
  for (const [method, path, expected] of requests) {
    it(`${method} ${path}: ${expected ?? 'none'}`, () => {
      const access = accessOf(method, path);
      assert.equal(access && accessText(access), expected);
    });
  }
});

describe('the ClusterRole', () => {
  const role = deployed('ClusterRole');
  const accesses = (...texts: readonly (readonly [string, string])[]) =>
    texts.map(([method, path]) => accessOf(method, path)!);

  it('allows what the daemon asks, and nothing of it is left over', () => {
    const asked = accesses(
      ['GET', '/api/v1/services?limit=500'],
      ['GET', '/api/v1/services?watch=true'],
      ['GET', '/apis/discovery.k8s.io/v1/endpointslices'],
      ['GET', '/apis/discovery.k8s.io/v1/endpointslices?watch=true'],
      ['GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a'],
      ['GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a&watch=true'],
      ['POST', '/apis/events.k8s.io/v1/namespaces/default/events'],
    );
    assert.deepEqual(
      asked.filter((access) => !allows(role, access)),
      [],
    );
    assert.deepEqual(unusedAccess(role, asked), []);
    assert.deepEqual(unusedAccess(role, asked.slice(1, -1)), ['list services', 'create events.events.k8s.io']);
  });

  it('allows nothing else: neither secrets nor changes of nodes and Services', () => {
    const others = accesses(
      ['GET', '/api/v1/secrets'],
      ['GET', '/api/v1/namespaces/kube-system/configmaps/kube-proxy'],
      ['GET', '/api/v1/services/kubernetes'],
      ['PATCH', '/api/v1/nodes/node-a/status'],
      ['PUT', '/api/v1/namespaces/default/services/web'],
      ['POST', '/api/v1/namespaces/default/events'],
      ['PATCH', '/apis/events.k8s.io/v1/namespaces/default/events/web.17'],
      ['GET', '/apis/discovery.k8s.io/v1/nodes'],
    );
    assert.deepEqual(
      others.filter((access) => allows(role, access)),
      [],
    );
  });

  it('is bound to the account of the DaemonSet', () => {
    const { roleRef, subjects } = deployed('ClusterRoleBinding');
    const { metadata: account } = deployed('ServiceAccount');
    const daemon = deployed('DaemonSet');
    assert.deepEqual([roleRef.kind, roleRef.name], ['ClusterRole', role.metadata.name]);
    assert.deepEqual(subjects, [{ kind: 'ServiceAccount', name: account.name, namespace: account.namespace }]);
    assert.deepEqual(
      [daemon.spec.template.spec.serviceAccountName, daemon.metadata.namespace],
      [account.name, account.namespace],
    );
  });
});

it('a rule with a star allows everything of its kind', () => {
  const role = { ...deployed('ClusterRole'), rules: [{ apiGroups: [''], resources: ['*'], verbs: ['*'] }] };
  assert.ok(allows(role, { verb: 'delete', group: '', resource: 'nodes' }));
  assert.ok(!allows(role, { verb: 'delete', group: 'apps', resource: 'daemonsets' }));
});
