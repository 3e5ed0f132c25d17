import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HealthServer } from '../../src/serve/health-server.ts';
import { ask } from '../support/http.ts';

async function serving(context: TestContext) {
  const health = {
    healthz: () => ({ code: 503, body: '{"healthy":false}' }) as const,
    livez: () => ({ code: 200, body: '{"healthy":true}' }) as const,
  };
  const counted: string[] = [];
  const server = new HealthServer({
    host: '0.0.0.0',
    port: 0,
    health,
    count: (path, code) => counted.push(`${path} ${code}`),
    onError: assert.fail,
  });
  context.after(() => server.close());
  await server.listener.listen();
  return { server, counted, port: server.listener.port! };
}

const json = ['Content-Type: application/json', 'X-Content-Type-Options: nosniff'];
const text = ['Content-Type: text/plain; charset=utf-8', 'X-Content-Type-Options: nosniff'];

test('/healthz and /livez answer what the proxy says of itself, to any method, and are counted', async (context) => {
  const { counted, port } = await serving(context);
  const healthz = { code: 503, headers: [...json, 'Content-Length: 17'], body: '{"healthy":false}' };
  assert.deepEqual(await ask({ port, path: '/healthz' }), healthz);
  assert.deepEqual(await ask({ port, path: '/healthz?verbose', method: 'POST' }), healthz);
  assert.deepEqual(await ask({ port, path: '/livez' }), {
    code: 200,
    headers: [...json, 'Content-Length: 16'],
    body: '{"healthy":true}',
  });
  assert.deepEqual(counted, ['healthz 503', 'healthz 503', 'livez 200']);
});

test('/readyz is 503 until the first pass is done', async (context) => {
  const { server, port } = await serving(context);
  assert.deepEqual(await ask({ port, path: '/readyz' }), {
    code: 503,
    headers: [...text, 'Content-Length: 75'],
    body: 'not ready: the first pass, which brings the kernel up to date, is not done\n',
  });
  server.ready();
  assert.deepEqual(await ask({ port, path: '/readyz' }), {
    code: 200,
    headers: [...text, 'Content-Length: 2'],
    body: 'ok',
  });
});

for (const path of ['/', '/healthz/', '/healthz/ping', '//healthz', '/metrics', '/Livez']) {
  test(`${path} is not found`, async (context) => {
    const { counted, port } = await serving(context);
    assert.deepEqual(await ask({ port, path }), {
      code: 404,
      headers: [...text, 'Content-Length: 19'],
      body: '404 page not found\n',
    });
    assert.deepEqual(counted, []);
  });
}
