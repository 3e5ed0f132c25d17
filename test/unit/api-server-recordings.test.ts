/** The test API server beside a real one: whole answers, headers and all; `normalised` says what may differ. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { loadAll } from 'js-yaml';
import { ApiServer, type ApiServerOptions } from '../support/api-server/api-server.ts';
import { ask, asApplied, normalised, recording, recordingPath, type Reply } from '../support/recorded.ts';
import { Random } from '../../src/kernel/random.ts';

/** The time of day at which the recorded server did things. */
class Watch {
  time = '17:13:20';
  readonly now = (): number => Date.parse(`2026-11-20T${this.time}Z`);
}

interface Cluster {
  readonly server: ApiServer;
  readonly watch: Watch;
}

async function startServer(test: TestContext, options: ApiServerOptions = {}): Promise<ApiServer> {
  const random = new Random(36);
  const server = await ApiServer.start({ random: () => random.next(), ...options });
  test.after(() => server.close());
  return server;
}

const paths: Readonly<Record<string, string>> = {
  Service: '/api/v1/namespaces/demo/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices',
};

async function create(server: ApiServer, path: string, object: object): Promise<void> {
  const { status } = await ask(server, `${path}?fieldManager=kubectl-client-side-apply`, {
    method: 'POST',
    body: asApplied(object),
  });
  assert.equal(status, 201);
}

async function patch(server: ApiServer, path: string, body: object, manager = 'kubectl-patch'): Promise<void> {
  const headers = { 'Content-Type': 'application/strategic-merge-patch+json' };
  const { status } = await ask(server, `${path}?fieldManager=${manager}`, { method: 'PATCH', body, headers });
  assert.equal(status, 200);
}

/** Holds objects.yaml as it was applied when the recordings were made. */
async function startCluster(
  test: TestContext,
  times: { readonly cluster: string; readonly web: string; readonly others: string },
): Promise<Cluster> {
  const watch = new Watch();
  watch.time = times.cluster;
  const server = await startServer(test, { now: watch.now, revision: 18000 });
  server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } });
  const objects = loadAll(await readFile(recordingPath('objects.yaml'), 'utf8')) as {
    kind: string;
    metadata: { name: string };
  }[];
  for (const object of objects) {
    watch.time = object.metadata.name === 'web' ? times.web : times.others;
    await create(server, paths[object.kind]!, object);
  }
  return { server, watch };
}

/** The cluster of the lists and plain watches. */
async function startListed(test: TestContext): Promise<Cluster> {
  const cluster = await startCluster(test, { cluster: '17:13:20', web: '18:26:59', others: '18:27:00' });
  const { server, watch } = cluster;
  const ingress = [{ ip: '198.51.100.4' }, { ip: '198.51.100.9', ipMode: 'Proxy' }, { hostname: 'lb.example' }];
  await patch(server, `${paths['Service']}/edge/status`, { status: { loadBalancer: { ingress } } });
  // a revision that no object has, and something behind the last page that the selectors hide
  const hidden = {
    name: 'zz-hidden',
    namespace: 'demo',
    labels: { 'service.kubernetes.io/service-proxy-name': 'other' },
  };
  await create(server, paths['Service']!, { metadata: hidden, spec: { ports: [{ port: 80 }] } });
  watch.time = '18:29:09';
  return cluster;
}

/** The cluster of the watches with initial events. */
function startWatched(test: TestContext): Promise<Cluster> {
  return startCluster(test, { cluster: '18:32:21', web: '18:32:44', others: '18:32:44' });
}

const services =
  '/api/v1/services?labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&fieldSelector=spec.clusterIP%21%3DNone';
const headlessToo = '/api/v1/services?labelSelector=%21service.kubernetes.io%2Fservice-proxy-name';
const slices =
  '/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices?labelSelector=%21service.kubernetes.io%2Fheadless';
const everythingFirst = '&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';

/** A watch, while it is open. */
async function watching(server: ApiServer, path: string, meanwhile: () => Promise<void>): Promise<Reply> {
  let reply: Promise<Reply> | undefined;
  await new Promise<void>((begun, failed) => {
    reply = ask(server, path, {}, begun);
    reply.catch(failed);
  });
  await meanwhile();
  server.endWatches();
  return reply!;
}

async function assertRecorded({ text }: Reply, name: string): Promise<void> {
  assert.equal(normalised(text), normalised(await recording(name)));
}

function continueOf(reply: Reply): string {
  return (JSON.parse(reply.body) as { metadata: { continue: string } }).metadata.continue;
}

describe('a list', () => {
  it('comes in pages', async (test) => {
    const { server } = await startListed(test);
    const first = await ask(server, `${services}&limit=2`);
    await assertRecorded(first, 'services-list-page1.http');
    const second = await ask(server, `${services}&limit=2&continue=${continueOf(first)}`);
    await assertRecorded(second, 'services-list-page2.http');
  });

  it('of one namespace comes at once', async (test) => {
    const { server } = await startListed(test);
    await assertRecorded(await ask(server, slices), 'endpointslices-list.http');
  });

  it('cannot be continued after a compaction, and says how to go on', async (test) => {
    const { server, watch } = await startListed(test);
    const first = await ask(server, `${headlessToo}&limit=1`);
    await patch(server, `${paths['Service']}/web`, { metadata: { labels: { tier: 'front' } } });
    server.compact();
    watch.time = '18:29:13';
    const expired = await ask(server, `${headlessToo}&limit=1&continue=${continueOf(first)}`);
    await assertRecorded(expired, 'list-continue-expired.http');
    const rest = await ask(server, `${headlessToo}&continue=${continueOf(expired)}`);
    const names = (JSON.parse(rest.body) as { items: { metadata: { name: string } }[] }).items.map(
      ({ metadata }) => metadata.name,
    );
    assert.deepEqual(names, ['edge', 'ext', 'headless', 'web']);
  });

  it('of the future is refused', async (test) => {
    const { server, watch } = await startFuture(test);
    watch.time = '18:29:19';
    const path = '/api/v1/services?resourceVersion=99999999&resourceVersionMatch=NotOlderThan';
    await assertRecorded(await ask(server, path), 'list-resource-version-in-future.http');
  });
});

/** Its lists do not wait for the future. */
async function startFuture(test: TestContext): Promise<Cluster> {
  const watch = new Watch();
  return { watch, server: await startServer(test, { now: watch.now, revision: 18000, futureMilliseconds: 1 }) };
}

describe('a watch', () => {
  it('of slices tells changes and bookmarks', async (test) => {
    const { server, watch } = await startListed(test);
    const from = `${slices}&watch=true&allowWatchBookmarks=true&resourceVersion=${server.revision}`;
    const reply = await watching(server, from, async () => {
      const slice = server.get('EndpointSlice', 'demo/web-abcde') as {
        endpoints: { conditions: { ready: boolean } }[];
      };
      slice.endpoints[0]!.conditions.ready = false;
      watch.time = '18:29:12';
      await patch(server, `${paths['EndpointSlice']}/web-abcde`, { endpoints: slice.endpoints });
      watch.time = '18:29:13';
      await ask(server, `${paths['EndpointSlice']}/edge-v6`, { method: 'DELETE' });
      for (let i = 0; i < 3; i++) server.bookmark();
    });
    await assertRecorded(reply, 'endpointslices-watch.http');
  });

  it('of Services tells what leaves the selector as deleted and what comes back as added', async (test) => {
    const { server, watch } = await startListed(test);
    const from = `${services}&watch=true&allowWatchBookmarks=true&resourceVersion=${server.revision}`;
    const reply = await watching(server, from, async () => {
      const label = (value: string | null) => ({
        metadata: { labels: { 'service.kubernetes.io/service-proxy-name': value } },
      });
      watch.time = '18:29:12';
      await patch(server, `${paths['Service']}/web`, label('other'), 'kubectl-label');
      await patch(server, `${paths['Service']}/web`, label(null), 'kubectl-label');
      watch.time = '18:29:13';
      await patch(server, `${paths['Service']}/edge`, { spec: { externalTrafficPolicy: 'Cluster' } });
      for (let i = 0; i < 3; i++) server.bookmark();
    });
    await assertRecorded(reply, 'services-watch.http');
  });

  it('with initial events tells of Services, then where their end is', async (test) => {
    const { server } = await startWatched(test);
    const reply = await watching(server, services + everythingFirst, async () => {});
    // the recorded server listened on another port
    const recorded = (await recording('services-watchlist.http')).replace('"targetPort":6444', '"targetPort":6443');
    assert.equal(normalised(reply.text), normalised(recorded));
  });

  it('with initial events tells of one Node', async (test) => {
    const { server } = await startWatched(test);
    await create(server, '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'node-a',
        labels: { 'kubernetes.io/hostname': 'node-a', 'topology.kubernetes.io/zone': 'zone-a' },
      },
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    });
    const addresses = [
      { type: 'InternalIP', address: '10.0.2.15' },
      { type: 'Hostname', address: 'node-a' },
    ];
    await patch(server, '/api/v1/nodes/node-a/status', { status: { addresses } });
    const path = `/api/v1/nodes?fieldSelector=metadata.name%3Dnode-a${everythingFirst}`;
    await assertRecorded(await watching(server, path, async () => {}), 'node-watchlist.http');
  });

  it('with initial events fails inside of the stream where etcd is 3.4', async (test) => {
    const { server, watch } = await startListed(test);
    watch.time = '18:29:13';
    server.faults.etcd34 = true;
    await assertRecorded(await ask(server, services + everythingFirst), 'watchlist-unsupported-by-etcd-3.4.http');
  });

  it('with initial events needs to say of which age', async (test) => {
    const { server, watch } = await startListed(test);
    watch.time = '18:29:13';
    const reply = await ask(server, `${services}&watch=true&sendInitialEvents=true&allowWatchBookmarks=true`);
    await assertRecorded(reply, 'watchlist-missing-match.http');
  });

  it('from a compacted revision fails inside of the stream', async (test) => {
    const { server, watch } = await startListed(test);
    watch.time = '18:29:13';
    await assertRecorded(
      await ask(server, `${services}&watch=true&resourceVersion=1`),
      'watch-resource-version-too-old.http',
    );
  });

  it('from a revision of the future is silent', async (test) => {
    const { server, watch } = await startListed(test);
    watch.time = '18:29:13';
    const reply = await watching(server, `${services}&watch=true&resourceVersion=99999999`, async () => {
      server.delete('Service', 'demo/web');
    });
    await assertRecorded(reply, 'watch-resource-version-in-future.http');
  });
});

it('a request without credentials is refused', async (test) => {
  const watch = new Watch();
  watch.time = '18:29:13';
  const server = await startServer(test, { now: watch.now, authentication: true });
  await assertRecorded(await ask(server, services), 'unauthorized.http');
});
