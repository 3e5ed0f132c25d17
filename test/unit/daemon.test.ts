/** The daemon's parts together, over a fake kernel. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { Daemon } from '../../src/cli/daemon.ts';
import { askDaemon } from '../../src/cli/status-client.ts';
import { ApiServer } from '../support/api-server/api-server.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { configured } from '../support/configured.ts';
import { KernelError } from '../../src/kernel/kernel.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../support/faults.ts';
import { ask, freePort } from '../support/http.ts';
import { listening } from '../support/http-servers.ts';
import { logged } from '../support/logged.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
after(() => rmSync(folder, { recursive: true }));

function config(flags: string) {
  return configured(`run --status-socket=${join(folder, 'socket')} --metrics-bind-address= ${flags}`);
}

function started(flags: string, faults = noFaults, kernel = new FakeKernel({ faults })) {
  const { log, line, lines } = logged();
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
  return { daemon, kernel, line, lines, ended };
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

test('a daemon whose kubeconfig names another API server goes there when it reads its configuration again', async (context) => {
  const [before, after] = [await ApiServer.start(), await ApiServer.start()];
  context.after(() => Promise.all([before.close(), after.close()]));
  before.apply(serviceObject('web', { clusterIPs: ['10.96.0.10'] }));
  after.apply(serviceObject('api', { clusterIPs: ['10.96.0.20'] }));
  const kubeconfig = join(folder, 'moved');
  writeFileSync(kubeconfig, before.kubeconfig());
  const same = config(`--healthz-bind-address= --kubeconfig ${kubeconfig}`);
  const { daemon, kernel, line, ended } = started(`--healthz-bind-address= --kubeconfig ${kubeconfig}`);
  context.after(ended);
  await line(/^info ready/);
  assert.equal(await daemon.isElsewhere(same), false);

  writeFileSync(kubeconfig, after.kubeconfig());
  assert.equal(await daemon.isElsewhere(same), true);
  const added = new Promise<string>((resolve) => {
    kernel.onChange = (op) => {
      if (op.kind === 'service' && op.verb === 'add') resolve(op.service.id);
    };
  });
  await daemon.reload(same);
  assert.equal(await added, '10.96.0.20:80/TCP');
  assert.equal(await daemon.isElsewhere(same), false);
});

test('a daemon reads a kubeconfig in a pipe once, also when it reads its configuration again', async (context) => {
  const server = await ApiServer.start();
  context.after(() => server.close());
  const kubeconfig = join(folder, 'pipe');
  execFileSync('mkfifo', [kubeconfig]);
  const { daemon, line, ended } = started(`--healthz-bind-address= --kubeconfig ${kubeconfig}`);
  context.after(ended);
  await writeFile(kubeconfig, server.kubeconfig());
  await line(/^info ready/);
  assert.equal(await daemon.isElsewhere(config(`--healthz-bind-address= --kubeconfig ${kubeconfig}`)), false);
});

test('a daemon that is given other sources asks the kernel for no notifications that it has', async () => {
  const [before, after] = [join(folder, 'before.json'), join(folder, 'after.json')];
  writeFileSync(before, list([serviceObject('web', { clusterIPs: ['10.96.0.10'] })]));
  writeFileSync(after, list([serviceObject('api', { clusterIPs: ['10.96.0.20'] })]));
  const { daemon, kernel, line, ended } = started(`--healthz-bind-address= --manifests ${before}`);
  await line(/^info ready/);
  kernel.watchAddresses = () => {
    throw new Error('too many open files');
  };
  const added = new Promise<string>((resolve) => {
    kernel.onChange = (op) => {
      if (op.kind === 'service' && op.verb === 'add') resolve(op.service.id);
    };
  });
  await daemon.reload(config(`--healthz-bind-address= --manifests ${after}`));
  assert.equal(await added, '10.96.0.20:80/TCP');
  await ended();
});

test('a daemon that is closed while it opens asks nobody for anything more', async () => {
  const manifests = join(folder, 'never.json');
  writeFileSync(manifests, list([serviceObject('web', { clusterIPs: ['10.96.0.10'] })]));
  const kernel = new FakeKernel({ faults: noFaults });
  const settings = kernel.settings.bind(kernel);
  const asked = new Promise<() => void>((resolve) => {
    kernel.settings = (names) => new Promise((answer) => resolve(() => answer(settings(names))));
  });
  const { log, lines } = logged();
  const signal = AbortSignal.abort();
  const flags = `--healthz-bind-address= --manifests ${manifests}`;
  const daemon = new Daemon({ config: config(flags), kernel, log, signal, onFatal: assert.fail });
  const opened = daemon.open();
  const answer = await asked;
  daemon.close();
  answer();
  kernel.close();
  await opened;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(lines, []);
});

test('a daemon whose tracked connections cannot be looked through says so once', async () => {
  const manifests = join(folder, 'dns.json');
  const udp = { name: 'dns', port: 53, protocol: 'UDP' };
  const write = (...addresses: readonly string[]) =>
    writeFileSync(
      manifests,
      list([
        serviceObject('dns', { clusterIPs: ['10.96.0.10'], ports: [udp] }),
        sliceObject('dns', addresses, { ports: [udp] }),
      ]),
    );
  write('10.244.0.1');
  const { kernel, line, lines, ended } = started(`--healthz-bind-address= --manifests ${manifests}`);
  const asked = new Promise<void>((resolve) => {
    let looks = 0;
    kernel.flows = () => {
      if (++looks === 3) resolve();
      return Promise.reject(new KernelError('ENOBUFS', 'no buffers'));
    };
  });
  await line(/^warn tracked connections cannot be looked through: no buffers; it is tried again/);
  await asked;
  const replaced = new Promise<void>((resolve) => {
    kernel.onChange = (op) => {
      if (op.kind === 'destination' && op.verb === 'delete') resolve();
    };
  });
  write('10.244.0.2');
  await replaced;
  await ended();
  assert.equal(lines.filter((one) => one.includes('tracked connections')).length, 1);
});

test('health-check node ports answer as before until a new cluster has told everything', async () => {
  const manifests = join(folder, 'health.json');
  const healthCheckNodePort = await freePort();
  const write = (...addresses: string[]) =>
    writeFileSync(
      manifests,
      list([
        serviceObject('api', { clusterIPs: ['10.96.0.20'] }),
        sliceObject('api', addresses),
        serviceObject('web', {
          clusterIPs: ['10.96.0.10'],
          spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort },
        }),
        sliceObject('web', ['10.244.0.1'], { nodeName: 'node-a' }),
      ]),
    );
  write('10.244.1.1');
  const { daemon, kernel, line, ended } = started(`--healthz-bind-address= --manifests ${manifests}`);
  await line(/^info ready/);
  const probe = async () => (await ask({ port: healthCheckNodePort, path: '/' })).code;
  assert.equal(await probe(), 200);

  const reloaded = new Promise<void>((resolve, reject) => {
    kernel.onChange = () => {
      daemon.reload(config('--healthz-bind-address= --manifests /no/such/file')).then(resolve, reject);
    };
  });
  write('10.244.1.1', '10.244.1.2');
  await Promise.all([reloaded, line(/^info applied 1 operation: 1 destination add/)]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await probe(), 200);
  await ended();
});

test('health-check node ports count the endpoints here that are kept for a slice that cannot be read', async () => {
  const manifests = join(folder, 'kept.json');
  const healthCheckNodePort = await freePort();
  const write = (port: number) =>
    writeFileSync(
      manifests,
      list([
        serviceObject('web', {
          clusterIPs: ['10.96.0.10'],
          spec: {
            type: 'LoadBalancer',
            externalTrafficPolicy: 'Local',
            externalIPs: ['203.0.113.5'],
            healthCheckNodePort,
          },
        }),
        sliceObject('web', ['10.244.0.1', '10.244.0.2'], {
          nodeName: 'node-a',
          ports: [{ name: 'http', port, protocol: 'TCP' }],
        }),
      ]),
    );
  const flags = `--hostname-override node-a --healthz-bind-address= --manifests ${manifests}`;
  write(8080);
  const { kernel, line, ended } = started(flags);
  await line(/^info ready/);
  await ended();
  write(80_800);
  const again = started(flags, noFaults, kernel);
  await again.line(/^info ready/);
  const { code, headers } = await ask({ port: healthCheckNodePort });
  assert.deepEqual([code, headers[2]], [200, 'X-Load-Balancing-Endpoint-Weight: 2']);
  await again.ended();
});

test('a daemon whose kernel refuses some of the first pass is ready, but does not say that all is as it should be', async () => {
  const manifests = join(folder, 'refused.json');
  const services = Array.from({ length: 30 }, (_, i) => serviceObject(`s${i}`, { clusterIPs: [`10.96.0.${10 + i}`] }));
  writeFileSync(manifests, list(services));
  const { line, lines, ended } = started(`--healthz-bind-address= --manifests ${manifests}`, {
    ...noFaults,
    ofOperation: ({ kind }) => (kind === 'service' ? { kind: 'refused', errno: 'ENOMEM' } : undefined),
  });
  await line(/^warn ready: .* refuses some of it; .* rest=\d+$/m);
  await ended();
  assert.equal(lines.filter((one) => one.includes('failed with ENOMEM')).length, 20);
  assert.ok(lines.some((one) => one.includes('… and 10 more; kube-ipvs status -o json prints all')));
  assert.ok(!lines.some((one) => one.includes('the kernel has what the cluster asks')));
});

test('what a pass did before it broke is told, too', async () => {
  const manifests = join(folder, 'broken.json');
  writeFileSync(
    manifests,
    list([serviceObject('web', { clusterIPs: ['10.96.0.10'] }), sliceObject('web', ['10.244.0.1', '10.244.0.2'])]),
  );
  let breaks = 1;
  const { kernel, line, lines, ended } = started(`--healthz-bind-address= --manifests ${manifests}`, {
    ...noFaults,
    ofOperation: ({ kind }) => (kind === 'binding' && breaks-- > 0 ? { kind: 'broken', code: 'ENOBUFS' } : undefined),
  });
  let changes = 0;
  kernel.onChange = () => changes++;
  await line(/^info ready/);
  const [before, after, ...more] = lines.filter((one) => one.startsWith('info applied'));
  assert.match(before!, / 1 service add, 2 destination adds$/m);
  assert.match(after!, /^info applied 1 operation: 1 binding add /);
  assert.deepEqual(more, []);
  assert.equal(Number(/\d+/.exec(before!)) + 1, changes);
  await ended();
});

test('how long ago something happened is told right after the clock was set', async (context) => {
  const manifests = join(folder, 'clock.json');
  writeFileSync(manifests, list([serviceObject('web', { clusterIPs: ['10.96.0.10'] })]));
  const { line, ended } = started(`--healthz-bind-address= --manifests ${manifests}`);
  await line(/^info ready/);
  context.after(() => mock.timers.reset());
  const day = 86_400_000;
  for (const now of [Date.now() + 20_000 * day, Date.now() - day, 1_000]) {
    mock.timers.enable({ apis: ['Date'], now });
    const { at, daemon } = (await askDaemon(join(folder, 'socket'), { signal: context.signal }))!;
    mock.timers.reset();
    assert.equal(at, now);
    const { startedAt, lastPass, sources } = daemon!;
    const times = [startedAt, lastPass!.at, ...sources.flatMap(({ since, heardAt }) => [since, heardAt!])];
    assert.ok(sources.length > 1);
    for (const time of times) assert.ok(Math.abs(at - time) < day / 2, `${at - time} ms`);
  }
  await ended();
});

test('a daemon whose status socket somebody has removed can be asked again after its next look', async (context) => {
  const manifests = join(folder, 'asked.json');
  writeFileSync(manifests, list([serviceObject('web', { clusterIPs: ['10.96.0.10'] })]));
  const { line, ended } = started(`--healthz-bind-address= --ipvs-sync-period=50ms --manifests ${manifests}`);
  context.after(ended);
  await line(/^info ready/);
  const socket = join(folder, 'socket');
  const asked = () => askDaemon(socket, { signal: context.signal });
  assert.notEqual(await asked(), undefined);
  rmSync(socket);
  while ((await asked()) === undefined) await new Promise((resolve) => setImmediate(resolve));
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

test('a daemon whose changes have reached the kernel is alive, however long ago', async (context) => {
  const server = await ApiServer.start();
  const port = await freePort();
  const { line, ended } = started(`--healthz-bind-address=127.0.0.1:${port} --master ${server.url}`);
  await line(/^info ready/);
  const time = performance.now.bind(performance);
  context.mock.method(performance, 'now', () => time() + 86_400_000);
  assert.equal((await ask({ port, path: '/livez' })).code, 200);
  await ended();
  await server.close();
});

test('a daemon that must listen and cannot says so by Events before it ends', async () => {
  const server = await ApiServer.start();
  const taken = createServer();
  const at = `127.0.0.1:${await listening(taken)}`;
  const flags = `--bind-address-hard-fail --healthz-bind-address=${at} --master ${server.url}`;
  const end = new AbortController();
  const daemon = new Daemon({
    config: { ...config(flags), metricsAddress: config(flags).healthzAddress },
    kernel: new FakeKernel({ faults: noFaults }),
    log: logged().log,
    signal: end.signal,
    onFatal: (error) => end.abort(error),
  });
  await daemon.open();
  await assert.rejects(
    daemon.run().then(() => end.signal.throwIfAborted()),
    /EADDRINUSE/,
  );
  daemon.close();
  assert.deepEqual(
    server
      .keys('Event')
      .map((key) => server.get('Event', key)!['reason'] as string)
      .toSorted(),
    ['FailedToStartMetricServer', 'FailedToStartProxierHealthcheck', 'Starting'],
  );
  taken.close();
  await server.close();
});

test('a daemon that starts while its API server is away tells that it starts once that is there', async (context) => {
  const port = await freePort();
  const { line, lines, ended } = started(`--healthz-bind-address= --master http://127.0.0.1:${port}`);
  context.after(ended);
  await line(/^warn nodes: .*ECONNREFUSED/);
  const server = await ApiServer.start({ port });
  context.after(() => server.close());
  await server.audit.next(({ resource, code }) => resource === 'events' && code === 201);
  assert.deepEqual(
    server.keys('Event').map((key) => server.get('Event', key)!['reason']),
    ['Starting'],
  );
  assert.ok(!lines.some((text) => text.includes('events cannot be told')));
});

test('of more conflicts than Events may tell at once the others are told later', async (context) => {
  const server = await ApiServer.start();
  context.after(() => server.close());
  const claims = (name: string, clusterIP: string) =>
    serviceObject(name, { clusterIPs: [clusterIP], spec: { externalIPs: ['192.0.2.1'] } });
  for (let i = 0; i <= 30; i++) server.apply(claims(`web-${i}`, `10.96.1.${i}`));
  const { kernel, line, ended } = started(`--healthz-bind-address= --master ${server.url}`);
  context.after(ended);
  kernel.run('ip addr add 192.168.1.10/24 dev eth0');
  const conflicts = () =>
    server.keys('Event').filter((key) => server.get('Event', key)!['reason'] === 'VirtualServiceConflict').length;
  const posted = async (count: number) => {
    const isEvent = ({ resource, code }: { resource: string; code: number }) => resource === 'events' && code === 201;
    while (conflicts() < count) await server.audit.next(isEvent);
  };
  await line(/^info ready/);
  await posted(24);
  const time = performance.now.bind(performance);
  context.mock.method(performance, 'now', () => time() + 600_000);
  server.apply(serviceObject('other', { clusterIPs: ['10.96.0.10'] }));
  await posted(30);
});

test('traffic that cannot be read is told once, however often somebody asks', async (context) => {
  const server = await ApiServer.start();
  context.after(() => server.close());
  const port = await freePort();
  const flags = `--healthz-bind-address= --metrics-bind-address=127.0.0.1:${port} --traffic-series 10`;
  const { kernel, line, lines, ended } = started(`${flags} --master ${server.url}`);
  context.after(ended);
  await line(/^info ready/);
  const traffic = kernel.traffic.bind(kernel);
  const refuse = () => Promise.reject(new Error('no memory'));
  const told = () => lines.filter((text) => text === 'warn no traffic is shown: no memory\n').length;
  const counts: number[] = [];
  for (const answer of [refuse, refuse, traffic, refuse, refuse]) {
    kernel.traffic = answer;
    await ask({ port, path: '/metrics' });
    counts.push(told());
  }
  assert.deepEqual(counts, [1, 1, 1, 2, 2]);
});

test('a daemon that is given another node speaks of that one', async (context) => {
  const server = await ApiServer.start();
  context.after(() => server.close());
  const [port, healthCheckPort] = [await freePort(), await freePort()];
  const taken = createServer();
  context.after(() => taken.close());
  const flags = `--healthz-bind-address=127.0.0.1:${port} --master ${server.url} --hostname-override`;
  server.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' }, spec: {} });
  const { daemon, line, ended } = started(`${flags} node-a`);
  context.after(ended);
  await line(/^info ready/);
  const health = async () => (await ask({ port, path: '/healthz' })).code;
  assert.equal(await health(), 200);

  await daemon.reload(config(`${flags} node-z`));
  await line(/^warn nodes: no Node is named "node-z"/);
  assert.equal(await health(), 503);
  await once(taken.listen(healthCheckPort, '0.0.0.0'), 'listening');
  const posted = server.audit.next(({ resource, code }) => resource === 'events' && code === 201);
  server.apply(
    serviceObject('edge', {
      clusterIPs: ['10.96.0.10'],
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: healthCheckPort },
    }),
  );
  await posted;
  const events = server.keys('Event').map((key) => server.get('Event', key)!);
  const failed = events.find(({ reason }) => reason === 'FailedToStartServiceHealthcheck')!;
  assert.match(failed['message'] as string, /^node node-z failed to start/);
  assert.equal(failed['reportingInstance'], 'kube-ipvs-node-z');
});

test('what changed endpoints is measured once, however often a slice is told', async () => {
  const server = await ApiServer.start();
  const port = await freePort();
  const flags = `--healthz-bind-address= --metrics-bind-address=127.0.0.1:${port}`;
  const { daemon, line, ended } = started(`${flags} --master ${server.url}`);
  await line(/^info ready/);
  const measured = async (family: string) => {
    const { body } = await ask({ port, path: '/metrics' });
    const series = new RegExp(
      `^kubeproxy_network_programming_duration_seconds_count{ip_family="${family}"} (.*)$`,
      'm',
    );
    return Number(series.exec(body)?.[1] ?? 0);
  };
  const until = async (family: string, count: number) => {
    while ((await measured(family)) < count) await new Promise((resolve) => setImmediate(resolve));
  };
  const tell = (addresses: readonly string[], triggered: string, labels: object = {}) => {
    const slice = sliceObject('web', addresses) as { metadata: { labels: object } };
    const metadata = {
      ...slice.metadata,
      labels: { ...slice.metadata.labels, ...labels },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': triggered },
    };
    server.apply({ ...slice, metadata });
  };
  const then = new Date().toISOString();
  tell(['10.244.0.1'], then);
  await until('IPv4', 1);

  tell(['10.244.0.1'], then, { team: 'shop' });
  tell(['fd00::1'], new Date().toISOString());
  await until('IPv6', 1);
  assert.equal(await measured('IPv4'), 1);

  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, server.kubeconfig());
  await daemon.reload(config(`${flags} --kubeconfig ${kubeconfig}`));
  tell(['fd00::1', 'fd00::2'], new Date().toISOString());
  await until('IPv6', 2);
  assert.deepEqual([await measured('IPv4'), await measured('IPv6')], [1, 2]);
  await ended();
  await server.close();
});
