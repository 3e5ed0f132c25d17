/** The daemon's parts together, over a fake kernel. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Daemon } from '../../src/cli/daemon.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { configured } from '../support/configured.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../../src/kernel/faults.ts';
import { ask } from '../support/http.ts';
import { listening } from '../support/http-servers.ts';
import { logged } from '../support/logged.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
after(() => rmSync(folder, { recursive: true }));

function config(flags: string) {
  return configured(`run --status-socket=${join(folder, 'socket')} --metrics-bind-address= ${flags}`);
}

function started(flags: string) {
  const kernel = new FakeKernel({ faults: noFaults });
  const { log, line } = logged();
  const end = new AbortController();
  const daemon = new Daemon({ config: config(flags), kernel, log, signal: end.signal, onFatal: assert.fail });
  const running = daemon
    .open()
    .then(() => daemon.run())
    .finally(() => daemon.close());
  const ended = () => {
    end.abort();
    return running;
  };
  return { daemon, kernel, line, ended };
}

/** A port of the loopback address that nobody listens at. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  return port;
}

test('a daemon whose new API server cannot be made out goes on with what it watches', async () => {
  const manifests = join(folder, 'web.json');
  const write = (...services: readonly (readonly [string, string])[]) =>
    writeFileSync(
      manifests,
      list(
        services.flatMap(([name, clusterIP]) => [
          serviceObject(name, { clusterIPs: [clusterIP] }),
          sliceObject(name, ['10.244.0.1']),
        ]),
      ),
    );
  write(['web', '10.96.0.10']);
  const { daemon, kernel, line, ended } = started(`--healthz-bind-address= --manifests ${manifests}`);
  await line(/^info ready/);

  const elsewhere = config('--healthz-bind-address= --kubeconfig /no/such/file');
  await assert.rejects(daemon.reload(elsewhere), /\/no\/such\/file: cannot be read/);
  const added = new Promise<string>((resolve) => {
    kernel.onChange = (op) => {
      if (op.kind === 'service') resolve(op.service.id);
    };
  });
  write(['web', '10.96.0.10'], ['api', '10.96.0.20']);
  assert.equal(await added, '10.96.0.20:80/TCP');
  await ended();
});

test('a daemon that waits for an API server is alive, however long, and not ready', async (context) => {
  const time = Date.now;
  let ahead = 0;
  context.mock.method(Date, 'now', () => time() + ahead);
  const port = await freePort();
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const { kernel, line, ended } = started(`--healthz-bind-address=127.0.0.1:${port} --master ${nobody}`);
  await Promise.all([line(/the health server listens/), line(/^warn services: .*ECONNREFUSED/)]);
  kernel.run('ip addr add 192.168.1.10/24 dev eth0');
  await new Promise((resolve) => setImmediate(resolve));
  ahead = 86_400_000;
  assert.equal((await ask({ port, path: '/livez' })).code, 200);
  assert.equal((await ask({ port, path: '/readyz' })).code, 503);
  await ended();
});
