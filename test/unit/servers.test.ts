/** The daemon's own listeners, as the configuration says. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Servers } from '../../src/cli/servers.ts';
import { Metrics } from '../../src/serve/metrics.ts';
import { ProxyHealth } from '../../src/serve/proxy-health.ts';
import { configured } from '../support/configured.ts';
import { ask, freePort, occupied } from '../support/http.ts';
import { logged } from '../support/logged.ts';
import { quiet } from '../support/metrics.ts';
import { Told } from '../support/told.ts';

function servers(context: TestContext, configuration: () => object = () => ({})) {
  const { log, line, lines } = logged();
  const fatal = new Told();
  const families = [4] as const;
  const all = new Servers({
    log,
    health: new ProxyHealth({ now: () => 0, steadyNow: () => 0, limit: () => 60_000, families }),
    metrics: new Metrics({ families, version: '1.2.3', sample: () => quiet }),
    configuration,
    report: () => Promise.reject(new Error('no report')),
    onFatal: (server, { message }) => fatal.add(`${server}: ${message}`),
  });
  context.after(() => all.close());
  const listen = (flags: string, statusSocket = '') => all.listen({ ...configured(`run ${flags}`), statusSocket });
  return { all, listen, line, lines, fatal };
}

test('an answer that fails does not end a daemon that must listen, and does', async (context) => {
  const { listen, line, fatal } = servers(context, () => {
    throw new Error('no configuration');
  });
  const port = await freePort();
  listen(`--bind-address-hard-fail --healthz-bind-address= --metrics-bind-address=127.0.0.1:${port}`);
  await line(/^info the metrics server listens/);
  assert.equal((await ask({ port, path: '/configz' })).code, 500);
  await line(/^error the metrics server cannot serve 127\.0\.0\.1:\d+: no configuration$/m);
  assert.equal(fatal.count, 0);
});

test('servers that change places find them free', async (context) => {
  const { listen, lines, fatal } = servers(context);
  const [first, second] = [await freePort(), await freePort()];
  const at = (healthz: number, metrics: number) =>
    `--bind-address-hard-fail --healthz-bind-address=0.0.0.0:${healthz} --metrics-bind-address=0.0.0.0:${metrics}`;
  listen(at(first, second));
  assert.equal((await ask({ port: second, path: '/proxyMode' })).code, 200);
  listen(at(second, first));
  assert.equal((await ask({ port: first, path: '/proxyMode' })).code, 200);
  assert.equal((await ask({ port: second, path: '/livez' })).code, 200);
  assert.deepEqual(
    lines.filter((text) => !text.startsWith('info')),
    [],
  );
  assert.equal(fatal.count, 0);
});

test('an address that is taken ends a daemon that must listen', async (context) => {
  const { listen, line, fatal } = servers(context);
  const other = await occupied();
  context.after(() => other.close());
  listen(`--bind-address-hard-fail --healthz-bind-address= --metrics-bind-address=127.0.0.1:${other.port}`);
  await line(/^error the metrics server cannot serve .*EADDRINUSE/);
  assert.match(await fatal.next(), /^metrics: listen EADDRINUSE/);
});

test('whether a server must listen is as the last configuration says, without another address', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const { listen, line, fatal } = servers(context);
  const other = await occupied();
  context.after(() => other.close());
  const flags = `--healthz-bind-address= --metrics-bind-address=127.0.0.1:${other.port}`;
  listen(flags);
  await line(/^error the metrics server cannot serve .*EADDRINUSE.*; it is tried again$/m);
  assert.equal(fatal.count, 0);
  listen(`${flags} --bind-address-hard-fail`);
  mock.timers.tick(5_000);
  assert.match(await fatal.next(), /^metrics: listen EADDRINUSE/);
});

test('an address of IPv6 stands in brackets before its port', async (context) => {
  const { listen, line } = servers(context);
  const port = await freePort();
  listen(`--healthz-bind-address=[::1]:${port} --metrics-bind-address=`);
  await line(/^info the health server listens at \[::1\]:\d+$/m);
});

test('a status socket that somebody has removed is made again, and no other is touched', async (context) => {
  const { all, listen, lines } = servers(context);
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'run', 'status.sock');
  const none = '--healthz-bind-address= --metrics-bind-address=';
  const made = async () => {
    while (!existsSync(path)) await setImmediate();
  };
  const asked = () => ask({ socketPath: path, path: '/status' });
  listen(none, path);
  await made();
  const first = (await asked()).body;
  await all.restore();
  rmSync(join(folder, 'run'), { recursive: true });
  await Promise.all([all.restore(), all.restore()]);
  await made();
  assert.deepEqual((await asked()).body, first);

  rmSync(path);
  const restored = all.restore();
  all.close();
  await restored;
  for (let turns = 0; turns < 10; turns++) await setImmediate();
  assert.equal(existsSync(path), false);
  assert.deepEqual(
    lines.filter((text) => !text.endsWith(': no report\n')),
    [],
  );
});
