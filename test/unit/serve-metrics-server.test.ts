import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MetricsServer } from '../../src/serve/metrics-server.ts';
import { ask } from '../support/http.ts';

async function serving(context: TestContext, text: () => Promise<string> = async () => 'up 1\n') {
  const errors: string[] = [];
  const server = new MetricsServer({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text },
    configuration: () => ({ kind: 'KubeProxyConfiguration', mode: 'ipvs' }),
    onError: ({ message }) => errors.push(message),
  });
  context.after(() => server.close());
  await server.listener.listen();
  return { port: server.listener.port!, errors };
}

const plain = ['Content-Type: text/plain; charset=utf-8', 'X-Content-Type-Options: nosniff'];

const rows: readonly (readonly [path: string, code: number, headers: readonly string[], body: string])[] = [
  ['/metrics', 200, ['Content-Type: text/plain; version=0.0.4; charset=utf-8', 'Content-Length: 5'], 'up 1\n'],
  ['/healthz', 200, [...plain, 'Content-Length: 2'], 'ok'],
  ['/healthz/ping', 200, [...plain, 'Content-Length: 2'], 'ok'],
  ['/healthz?verbose', 200, [...plain, 'Content-Length: 32'], '[+]ping ok\nhealthz check passed\n'],
  ['/healthz?verbose=true', 200, [...plain, 'Content-Length: 32'], '[+]ping ok\nhealthz check passed\n'],
  ['/proxyMode', 200, [...plain, 'Content-Length: 4'], 'ipvs'],
  [
    '/configz',
    200,
    ['Content-Type: application/json', 'X-Content-Type-Options: nosniff', 'Content-Length: 75'],
    '{"kubeproxy.config.k8s.io":{"kind":"KubeProxyConfiguration","mode":"ipvs"}}',
  ],
  ...['/', '/metrics/', '/proxymode', '/debug/pprof/', '/statusz'].map(
    (path) => [path, 404, [...plain, 'Content-Length: 19'], '404 page not found\n'] as const,
  ),
];

for (const [path, code, headers, body] of rows) {
  test(`${path} is answered as kube-proxy answers it`, async (context) => {
    const { port } = await serving(context);
    assert.deepEqual(await ask({ port, path }), { code, headers, body });
  });
}

test('metrics that cannot be made are an error of the server', async (context) => {
  const { port, errors } = await serving(context, () => Promise.reject(new Error('no sample')));
  const { code, body } = await ask({ port, path: '/metrics' });
  assert.deepEqual([code, body], [500, 'internal server error; the log of kube-ipvs says more\n']);
  assert.deepEqual(errors, ['no sample']);
  assert.equal((await ask({ port, path: '/healthz' })).code, 200);
});
