/** The test API server behind TLS: who it is, who its clients are, HTTP/1.1 and HTTP/2. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { get as getHttps, type RequestOptions } from 'node:https';
import { describe, it, type TestContext } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { startApiServer } from '../support/api-server-client.ts';

const maps = '/api/v1/namespaces/default/configmaps';

function apply(server: ApiServer, name: string): void {
  server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: {} });
}

/** Status by HTTP/1.1. */
function status(server: ApiServer, options: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = getHttps(`${server.url}${maps}`, { agent: false, ...options }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.on('error', reject);
  });
}

function session(test: TestContext, server: ApiServer): ClientHttp2Session {
  const opened = connect(server.url, { ca: server.certificates.authority });
  opened.on('error', () => {});
  test.after(() => opened.destroy());
  return opened;
}

interface Http2Reply {
  readonly status: number;
  readonly body: string;
}

async function reply(stream: ClientHttp2Stream): Promise<Http2Reply> {
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  let body = '';
  for await (const piece of stream.setEncoding('utf8')) body += piece as string;
  return { status: Number(headers[':status']), body };
}

function watch(opened: ClientHttp2Session, server: ApiServer): ClientHttp2Stream {
  return opened.request({ ':path': `${maps}?watch=true&resourceVersion=${server.revision}` });
}

describe('a client', () => {
  it('knows the server by its authority, and by no other', async (test) => {
    const server = await startApiServer(test, { tls: true });
    const other = await startApiServer(test, { tls: true });
    assert.equal(await status(server, { ca: server.certificates.authority }), 200);
    await assert.rejects(status(server, { ca: other.certificates.authority }), {
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    });
  });

  it('is known by its certificate, unless another authority signed it', async (test) => {
    const server = await startApiServer(test, { tls: true, authentication: true });
    const other = await startApiServer(test, { tls: true });
    const ca = server.certificates.authority;
    const own = server.certificates.client('system:node:node-a', ['system:nodes']);
    assert.equal(await status(server, { ca, cert: own.certificate, key: own.key }), 200);
    assert.equal(server.audit.entries.at(-1)!.user, 'system:node:node-a');
    const foreign = other.certificates.client('system:node:node-a', ['system:nodes']);
    assert.equal(await status(server, { ca, cert: foreign.certificate, key: foreign.key }), 401);
    assert.equal(await status(server, { ca }), 401);
  });

  it('finds all it needs in the kubeconfig', async (test) => {
    const server = await startApiServer(test, { tls: true, authentication: true });
    const config = new KubeConfig();
    config.loadFromString(server.kubeconfig({ kind: 'certificate', user: 'kube-ipvs', groups: [] }));
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    assert.equal(config.getCurrentCluster()!.server, server.url);
    assert.equal(await status(server, options), 200);
    assert.equal(server.audit.entries.at(-1)!.user, 'kube-ipvs');
  });
});

describe('HTTP/2', () => {
  it('carries lists and watches on one connection', async (test) => {
    const server = await startApiServer(test, { tls: true });
    const opened = session(test, server);
    const watching = watch(opened, server);
    const told = reply(watching);
    await once(watching, 'response');
    apply(server, 'a');
    const { status: listed, body } = await reply(opened.request({ ':path': maps }));
    assert.deepEqual([listed, (JSON.parse(body) as { items: object[] }).items.length], [200, 1]);
    server.endWatches();
    assert.match((await told).body, /^\{"type":"ADDED",.*\}\n$/);
    assert.deepEqual(
      [server.connections, server.audit.entries.map(({ httpVersion }) => httpVersion)],
      [1, ['2.0', '2.0']],
    );
  });

  it('is asked to go away, and what is under way comes to its end', async (test) => {
    const server = await startApiServer(test, { tls: true });
    const opened = session(test, server);
    const watching = watch(opened, server);
    const told = reply(watching);
    await once(watching, 'response');
    const asked = once(opened, 'goaway');
    server.goaway();
    await asked;
    apply(server, 'a');
    server.endWatches();
    assert.match((await told).body, /^\{"type":"ADDED",.*\}\n$/);
  });

  it('answers no ping on a connection that is frozen', async (test) => {
    const server = await startApiServer(test, { tls: true });
    const frozen = session(test, server);
    const watching = watch(frozen, server);
    watching.on('error', () => {});
    await once(watching, 'response');
    server.freeze();
    let isAnswered = false;
    frozen.ping((error) => void (isAnswered = error === null));
    const fresh = session(test, server);
    await once(fresh, 'connect');
    await new Promise<void>((resolve, reject) => fresh.ping((error) => (error === null ? resolve() : reject(error))));
    assert.equal(isAnswered, false);
    const closed = new Promise((resolve) => frozen.once('close', resolve));
    server.drop('reset');
    await closed;
  });

  it('breaks in the middle of a line', async (test) => {
    const server = await startApiServer(test, { tls: true });
    const opened = session(test, server);
    const watching = watch(opened, server);
    let text = '';
    watching.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    watching.on('error', () => {});
    await once(watching, 'response');
    server.cut('ConfigMap', '{"type":"ADD');
    await once(opened, 'close');
    assert.equal(text, '{"type":"ADD');
  });
});
