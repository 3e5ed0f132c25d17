/** All sources of a cluster together: on a scripted client, and on the sockets of a server that answers as the recordings do. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import { ClusterWatch } from '../../src/watch/kubernetes/cluster-watch.ts';
import { type Answer, serve, wireTo } from '../support/http-servers.ts';
import { makeCertificates } from '../support/certificates.ts';
import { clientOf } from '../support/clients.ts';
import { kubeconfigFile } from '../support/kubeconfig-file.ts';
import { recording } from '../support/recording.ts';
import { ScriptedClient } from '../support/scripted-client.ts';
import { settled } from '../support/watched.ts';

const silent = { onRemark: () => {}, now: () => 1_000_000, random: () => 0.5 };

test('Services, EndpointSlices and the one Node are watched side by side, each with its own end of the beginning', async () => {
  const client = new ScriptedClient();
  const events: ClusterEvent[] = [];
  const watch = new ClusterWatch(client, {
    ...silent,
    nodeName: 'node-a',
    onEvent: (event) => events.push(event),
    sleep: (_milliseconds, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  });
  const asked = [await client.next(), await client.next(), await client.next()];
  assert.deepEqual(
    asked.map(({ path, query }) => [path, query.labelSelector, query.fieldSelector]),
    [
      ['/api/v1/services', '!service.kubernetes.io/service-proxy-name', 'spec.clusterIP!=None'],
      ['/apis/discovery.k8s.io/v1/endpointslices', '!service.kubernetes.io/headless', undefined],
      ['/api/v1/nodes', undefined, 'metadata.name=node-a'],
    ],
  );
  asked[2]!.replay('node-watchlist', { ends: false });
  asked[0]!.refuse(new Error('connect ECONNREFUSED'));
  await settled();
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['node', 'synced'],
  );
  assert.deepEqual(watch.sources(), [
    {
      name: 'services',
      phase: 'waiting',
      synced: false,
      objects: 0,
      resourceVersion: undefined,
      since: 1_000_000,
      heardAt: undefined,
      restarts: 1,
      lastError: 'connect ECONNREFUSED',
    },
    {
      name: 'endpointslices',
      phase: 'listing',
      synced: false,
      objects: 0,
      resourceVersion: undefined,
      since: 1_000_000,
      heardAt: undefined,
      restarts: 0,
      lastError: undefined,
    },
    {
      name: 'nodes',
      phase: 'watching',
      synced: true,
      objects: 1,
      resourceVersion: '226',
      since: 1_000_000,
      heardAt: 1_000_000,
      restarts: 0,
      lastError: undefined,
    },
  ]);
  watch.close();
  assert.deepEqual([asked[1]!.signal.aborted, asked[2]!.signal.aborted, client.closed], [true, true, 0]);
});

/** A server of a cluster that does not stream lists of EndpointSlices, and where nothing changes. */
const cluster: Answer = ({ url }, response) => {
  const { pathname, searchParams } = new URL(url!, 'http://server');
  const isStream = searchParams.has('sendInitialEvents');
  const names: Readonly<Record<string, readonly [string, string]>> = {
    '/api/v1/services': ['services-watchlist', ''],
    '/apis/discovery.k8s.io/v1/endpointslices': ['watchlist-missing-match', 'endpointslices-list'],
    '/api/v1/nodes': ['node-watchlist', ''],
  };
  const name = names[pathname]![isStream ? 0 : 1];
  const isWatch = searchParams.has('watch');
  if (isWatch && !isStream) {
    response.writeHead(200).flushHeaders();
    return;
  }
  const { status, body } = recording(name);
  response.writeHead(status);
  if (isStream && status === 200) response.write(body);
  else response.end(body);
};

test('a cluster is read from a server', async () => {
  const server = await serve('http', cluster);
  const client = await clientOf({ master: `http://127.0.0.1:${server.port}` });
  const told: string[] = [];
  await new Promise<void>((resolve) => {
    const watch = new ClusterWatch(client, {
      ...silent,
      nodeName: 'node-a',
      onEvent: (event) => {
        told.push(event.kind === 'synced' ? `synced ${event.source}` : event.kind);
        if (told.filter((text) => text.startsWith('synced')).length < 3) return;
        watch.close();
        resolve();
      },
    });
  });
  assert.deepEqual(told.toSorted(), [
    'endpointSlice',
    'endpointSlice',
    'endpointSlice',
    'node',
    'service',
    'service',
    'service',
    'synced endpointSlices',
    'synced node',
    'synced services',
  ]);
  client.close();
  await server.close();
});

/** Watches the server of the kubeconfig given; closed when `go` comes on standard input. */
const script = `
import { once } from 'node:events';
import { ClusterWatch } from '${new URL('../../src/watch/kubernetes/cluster-watch.js', import.meta.url).href}';
import { openApiClient } from '${new URL('../../src/watch/kubernetes/http-client.js', import.meta.url).href}';
const access = { kubeconfig: process.argv[1], master: '' };
const client = await openApiClient(access, { onRequest() {}, userAgent: 'test' });
let synced = 0;
const watch = new ClusterWatch(client, {
  nodeName: 'node-a', onRemark() {}, now: Date.now, random: Math.random,
  onEvent({ kind }) { if (kind === 'synced' && ++synced === 3) process.stdout.write('synced'); },
});
await once(process.stdin, 'data');
watch.close();
client.close();
process.stdin.destroy();
`;

describe('once closed nothing keeps the process', () => {
  const certificates = makeCertificates();
  after(() => rmSync(certificates.folder, { recursive: true }));
  for (const protocol of ['http', 'h2'] as const) {
    for (const state of ['answers', 'hangs'] as const) {
      test(`when a server of ${protocol} ${state}`, async () => {
        const server = await serve(protocol, cluster, certificates);
        const wire = await wireTo(server.port);
        const scheme = protocol === 'http' ? 'http' : 'https';
        const config = kubeconfigFile(certificates.folder, { server: `${scheme}://127.0.0.1:${wire.port}` });
        const args = ['--input-type=module', '-e', script, config];
        const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
        const ended = once(child, 'close');
        assert.equal(String((await once(child.stdout, 'data'))[0]), 'synced');
        if (state === 'hangs') wire.freeze();
        child.stdin.write('go');
        assert.deepEqual(await ended, [0, null]);
        wire.close();
        await server.close();
      });
    }
  }
});
