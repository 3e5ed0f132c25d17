/** kubectl reads the deployment. Even a dry run on its own side asks a server which kinds there are. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { deploymentFile } from '../support/deployment.ts';

const rbac = 'rbac.authorization.k8s.io';

function group(name: string): object {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
}

function resources(groupVersion: string, ...kinds: readonly [name: string, kind: string, namespaced: boolean][]) {
  const verbs = ['create', 'get', 'patch'];
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: kinds.map(([name, kind, namespaced]) => ({ name, singularName: '', namespaced, kind, verbs })),
  };
}

const discovery: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/api/v1': resources('v1', ['serviceaccounts', 'ServiceAccount', true]),
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [group('apps'), group(rbac)] },
  '/apis/apps/v1': resources('apps/v1', ['daemonsets', 'DaemonSet', true]),
  [`/apis/${rbac}/v1`]: resources(
    `${rbac}/v1`,
    ['clusterroles', 'ClusterRole', false],
    ['clusterrolebindings', 'ClusterRoleBinding', false],
  ),
};
const notFound = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };

it('kubectl would create all that is in deploy/kube-ipvs.yaml', async (test) => {
  const server = createServer((request, response) => {
    const document = discovery[new URL(request.url!, 'http://server').pathname];
    response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(document ?? notFound));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  const home = mkdtempSync(join(tmpdir(), 'kube-ipvs-kubectl-'));
  test.after(() => rmSync(home, { recursive: true, force: true }));

  const { port } = server.address() as AddressInfo;
  const args = [`--server=http://127.0.0.1:${port}`, '--kubeconfig=/dev/null', `--cache-dir=${home}`, 'apply'];
  const kubectl = spawn('kubectl', [...args, '--dry-run=client', '--validate=false', '-f', deploymentFile], {
    env: { PATH: process.env['PATH'], HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  kubectl.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  kubectl.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status] = (await once(kubectl, 'close')) as [number | null];
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.trim().split('\n'), [
    'serviceaccount/kube-ipvs created (dry run)',
    `clusterrole.${rbac}/kube-ipvs created (dry run)`,
    `clusterrolebinding.${rbac}/kube-ipvs created (dry run)`,
    'daemonset.apps/kube-ipvs created (dry run)',
  ]);
});
