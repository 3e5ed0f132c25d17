/** What the doctor says of an API server, asked over real sockets. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { clusterFindings } from '../../src/cli/doctor/cluster-checks.ts';
import { clusterFacts } from '../../src/cli/doctor/cluster-facts.ts';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { startApiServer } from '../support/api-server-client.ts';

const nobody = new AbortController().signal;

/** `level check: message` of each finding. */
async function examined(
  access: { readonly master?: string; readonly kubeconfig?: string },
  limit?: number,
): Promise<string[]> {
  const cluster = { master: '', kubeconfig: '', ...access };
  const facts = await clusterFacts({ cluster, manifests: [], nodeName: 'node-a' }, nobody, limit);
  return clusterFindings(facts).map(({ level, check, message }) => `${level} ${check}: ${message}`);
}

function kubeconfigWith(test: TestContext, server: ApiServer, token: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  test.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'kubeconfig');
  writeFileSync(file, server.kubeconfig({ kind: 'token', token }));
  return file;
}

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' } };
const rule = (groups: string[], resources: string[], verbs: string[]) => ({ groups, resources, verbs });
const all = ['list', 'watch'];

describe('an API server', () => {
  it('that allows everything is all right', async (test) => {
    const server = await startApiServer(test);
    server.apply(node);
    assert.deepEqual(await examined({ master: server.url }), [
      'ok api-server: it answers',
      'ok rights:services: list and watch',
      'ok rights:endpointslices: list and watch',
      'ok rights:nodes: list and watch',
      'ok node: node-a',
      'ok rights:events: create',
    ]);
  });

  it('is asked nothing that changes it, and no more than what the daemon may', async (test) => {
    const server = await startApiServer(test);
    const { revision } = server;
    await examined({ master: server.url });
    assert.equal(server.revision, revision);
    const requests = server.audit.entries.map(({ verb, path, query }) => `${verb} ${path} ${query['limit'] ?? ''}`);
    assert.deepEqual(requests.toSorted(), [
      'get /apis/authorization.k8s.io/v1/selfsubjectaccessreviews ',
      'list /api/v1/nodes 1',
      'list /api/v1/services 1',
      'list /apis/discovery.k8s.io/v1/endpointslices 1',
      'watch /api/v1/nodes ',
      'watch /api/v1/services ',
      'watch /apis/discovery.k8s.io/v1/endpointslices ',
    ]);
  });

  it('without the Node is worth a warning', async (test) => {
    const server = await startApiServer(test);
    const lines = await examined({ master: server.url });
    assert.ok(
      lines.includes(
        'warn node: no Node is named node-a: its zone, its Pod networks and local endpoints are not known',
      ),
    );
  });

  it('that lets us do less than we need is told right by right', async (test) => {
    const server = await startApiServer(test, { authentication: true });
    server.access.tokens.set('secret', 'proxy');
    const rules = [rule([''], ['services'], all), rule(['discovery.k8s.io'], ['endpointslices'], ['list'])];
    server.access.rules = new Map([['proxy', rules]]);
    const lines = await examined({ kubeconfig: kubeconfigWith(test, server, 'secret') });
    assert.deepEqual(lines.slice(0, 2), ['ok api-server: it answers', 'ok rights:services: list and watch']);
    assert.match(
      lines[2]!,
      /^fail rights:endpointslices: watch is refused \(403\): .*forbidden: User "proxy" cannot watch/,
    );
    assert.match(lines[3]!, /^fail rights:nodes: list is refused \(403\): .*User "proxy" cannot list/);
    assert.match(lines[4]!, /^warn rights:events: create is not allowed \(no rule of RBAC allows it\)/);
    assert.equal(lines.length, 5);
  });

  it('that does not know us is a failure of its own', async (test) => {
    const server = await startApiServer(test, { authentication: true });
    const lines = await examined({ kubeconfig: kubeconfigWith(test, server, 'wrong') });
    assert.deepEqual(lines, ['fail api-server: it does not accept the credentials (401): Unauthorized']);
  });

  it('that refuses connections, or hangs, is said to', async (test) => {
    const server = await startApiServer(test);
    server.hangs = true;
    assert.deepEqual(await examined({ master: server.url }, 50), [
      `fail api-server: ${new URL(server.url).host}: no answer within 50 ms`,
    ]);
    await server.stop();
    assert.match(
      (await examined({ master: server.url })).join(),
      /^fail api-server: 127\.0\.0\.1:\d+: connect ECONNREFUSED/,
    );
  });

  it('whose address is one that is served here is worth a warning', () => {
    const done = { kind: 'done' } as const;
    const resources = [{ name: 'services', list: done, count: 1, watch: done }] as const;
    const facts = { kind: 'answers', resources, events: { allowed: true, why: '' }, nodeName: 'node-a' } as const;
    assert.equal(clusterFindings({ ...facts, byService: false })[0]?.level, 'ok');
    assert.equal(clusterFindings({ ...facts, byService: true })[0]?.level, 'warn');
  });

  for (const [name, path] of [
    ['nodes', '/api/v1/nodes'],
    ['services', '/api/v1/services'],
  ] as const) {
    it(`that fails with ${name} is no question of rights, nor of credentials`, async (test) => {
      const server = await startApiServer(test);
      server.faults.fail(1, { code: 500, matches: (request) => request.path === path });
      const lines = await examined({ master: server.url });
      assert.equal(lines[0], 'ok api-server: it answers');
      assert.ok(
        lines.some((line) => line.startsWith(`fail rights:${name}: list is refused (500)`)),
        lines.join('\n'),
      );
    });
  }
});
