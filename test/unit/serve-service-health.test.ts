import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import type { Family } from '../../src/model/address.ts';
import type { ServiceHealth } from '../../src/model/service-health.ts';
import { ServiceHealthServers } from '../../src/serve/service-health.ts';
import { address } from '../support/cluster.ts';
import { ask, freePort, occupied } from '../support/http.ts';
import { Told } from '../support/told.ts';

function web(port: number, ...counts: readonly (readonly [Family, number])[]): ServiceHealth {
  return { service: 'default/web', port, localEndpoints: new Map(counts) };
}

function servers(context: TestContext, ...addresses: readonly string[]) {
  const told = new Told();
  const toldAgain = new Told();
  const health = { isHealthy: true };
  const ports = new ServiceHealthServers({
    health,
    onListening: (service, port, at) => told.add(`${service} ${port} listens at ${at}`),
    onFailure: (service, port, message, isFirst) => (isFirst ? told : toldAgain).add(`${service} ${port}: ${message}`),
    onError: assert.fail,
  });
  context.after(() => ports.close());
  ports.setAddresses(addresses.map(address));
  return { ports, told, toldAgain, health };
}

test('the count, the weight and the health of the proxy are told, whatever the path and the method', async (context) => {
  const { ports, told, health } = servers(context, '127.0.0.1');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 2]));
  assert.equal(await told.next(), `default/web ${port} listens at 127.0.0.1`);
  const body =
    '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}';
  const headers = [
    'Content-Type: application/json',
    'X-Content-Type-Options: nosniff',
    'X-Load-Balancing-Endpoint-Weight: 2',
    'Content-Length: 114',
  ];
  assert.deepEqual(await ask({ port, path: '/' }), { code: 200, headers, body });
  assert.deepEqual(await ask({ port, path: '/any/thing?x', method: 'PUT' }), { code: 200, headers, body });
  health.isHealthy = false;
  const unhealthy = await ask({ port });
  assert.deepEqual([unhealthy.code, unhealthy.headers[2]], [503, 'X-Load-Balancing-Endpoint-Weight: 2']);
  assert.match(unhealthy.body, /"localEndpoints": 2,\n\t"serviceProxyHealthy": false\n}$/);
});

test('another count is told at once, on the same server', async (context) => {
  const { ports, told } = servers(context, '127.0.0.1');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  await told.next();
  ports.set('default/web', web(port, [4, 0]));
  const none = await ask({ port });
  assert.deepEqual([none.code, none.headers[2]], [503, 'X-Load-Balancing-Endpoint-Weight: 0']);
  ports.set('default/web', web(port, [4, 3]));
  assert.equal((await ask({ port })).code, 200);
  assert.equal(told.count, 0);
});

test('another port closes the old one; no port closes it for good', async (context) => {
  const { ports, told } = servers(context, '127.0.0.1');
  const first = await freePort();
  ports.set('default/web', web(first, [4, 1]));
  await told.next();
  const second = await freePort();
  ports.set('default/web', web(second, [4, 1]));
  assert.equal(await told.next(), `default/web ${second} listens at 127.0.0.1`);
  await assert.rejects(ask({ port: first }), { code: 'ECONNREFUSED' });
  assert.equal((await ask({ port: second })).code, 200);
  ports.set('default/web', undefined);
  await assert.rejects(ask({ port: second }), { code: 'ECONNREFUSED' });
  ports.set('default/web', undefined);
});

test('a port that passes from one Service to another is served by the other', async (context) => {
  const { ports, told } = servers(context, '127.0.0.1');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  await told.next();
  ports.set('default/web', undefined);
  ports.set('default/api', { ...web(port, [4, 5]), service: 'default/api' });
  assert.equal(await told.next(), `default/api ${port} listens at 127.0.0.1`);
  assert.match((await ask({ port })).body, /"name": "api"/);
});

test('it listens at all addresses of the families that the Service has', async (context) => {
  const { ports, told } = servers(context, '127.0.0.1', '127.0.0.2', '::');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  const listening = [await told.next(), await told.next()];
  assert.deepEqual(listening.toSorted(), [
    `default/web ${port} listens at 127.0.0.1`,
    `default/web ${port} listens at 127.0.0.2`,
  ]);
  ports.set('default/web', web(port, [4, 1], [6, 0]));
  assert.equal(await told.next(), `default/web ${port} listens at ::`);
  assert.equal((await ask({ port, host: '127.0.0.2' })).code, 200);
  ports.set('default/web', web(port, [6, 0]));
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
});

test('it follows the addresses of the node, from all to one and back', async (context) => {
  const { ports, told } = servers(context);
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  ports.setAddresses([address('0.0.0.0')]);
  assert.equal(await told.next(), `default/web ${port} listens at 0.0.0.0`);
  ports.setAddresses([address('127.0.0.2')]);
  assert.equal(await told.next(), `default/web ${port} listens at 127.0.0.2`);
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
  ports.setAddresses([address('0.0.0.0')]);
  assert.equal(await told.next(), `default/web ${port} listens at 0.0.0.0`);
  assert.equal((await ask({ port })).code, 200);
});

test('a port that somebody else keeps is told with every try, once as new', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const other = await occupied();
  context.after(() => other.close());
  const { ports, told, toldAgain } = servers(context, '127.0.0.1');
  ports.set('default/web', web(other.port, [4, 1]));
  const failure = await told.next();
  for (const delay of [1_000, 2_000, 4_000]) {
    mock.timers.tick(delay);
    assert.equal(await toldAgain.next(), failure);
  }
});

test('a port that somebody else has is told once, and tried again ever more seldom', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const other = await occupied();
    const { port } = other;
    const { ports, told } = servers(context, '127.0.0.1');
    ports.set('default/web', web(port, [4, 1]));
    assert.equal(await told.next(), `default/web ${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
    ports.set('default/web', web(port, [4, 2]));
    await other.close();
    mock.timers.tick(999);
    await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
    assert.equal(told.count, 0);
    mock.timers.tick(1);
    assert.equal(await told.next(), `default/web ${port} listens at 127.0.0.1`);
    assert.match((await ask({ port })).body, /"localEndpoints": 2,/);
  } finally {
    mock.timers.reset();
  }
});

test('an address that the kernel does not let be listened on yet is told when it stays so', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  // of the documentation: no machine has it
  const { ports, told } = servers(context, '192.0.2.1', '127.0.0.1');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  assert.equal(await told.next(), `default/web ${port} listens at 127.0.0.1`);
  for (const delay of [1_000, 2_000]) {
    for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(told.count, 0);
    mock.timers.tick(delay);
  }
  assert.match(await told.next(), /^default\/web \d+: listen EADDRNOTAVAIL: .*192\.0\.2\.1/);
});

test('a port that is taken at every address is told once', async (context) => {
  const first = await occupied();
  const second = await occupied(first.port, '127.0.0.2');
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const { ports, told } = servers(context, '127.0.0.1', '127.0.0.2');
  ports.set('default/web', web(first.port, [4, 1]));
  assert.match(await told.next(), /EADDRINUSE/);
  await first.close();
  await second.close();
  mock.timers.tick(1_000);
  const listening = [await told.next(), await told.next()];
  assert.deepEqual(listening.toSorted(), [
    `default/web ${first.port} listens at 127.0.0.1`,
    `default/web ${first.port} listens at 127.0.0.2`,
  ]);
});

test('a port that is taken at another address, after it could be listened on, is told anew', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const first = await occupied();
  const { port } = first;
  const second = await occupied(port, '127.0.0.2');
  context.after(() => second.close());
  const { ports, told } = servers(context, '127.0.0.1');
  ports.set('default/web', web(port, [4, 1]));
  assert.match(await told.next(), /EADDRINUSE: .* 127\.0\.0\.1:/);
  await first.close();
  mock.timers.tick(1_000);
  assert.equal(await told.next(), `default/web ${port} listens at 127.0.0.1`);
  ports.setAddresses([address('127.0.0.2')]);
  assert.match(await told.next(), /EADDRINUSE: .* 127\.0\.0\.2:/);
});

test('after closing nothing listens, and nothing is opened', async (context) => {
  const { ports, told } = servers(context, '127.0.0.1');
  const port = await freePort();
  ports.set('default/web', web(port, [4, 1]));
  await told.next();
  ports.close();
  ports.close();
  ports.set('default/web', web(port, [4, 1]));
  ports.setAddresses([address('127.0.0.1')]);
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
});
