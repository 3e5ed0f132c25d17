/** An API server that talks nonsense, about objects that somebody made to do harm: the data plane serves on, and nothing gets through. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { ApiServer } from '../support/api-server/api-server.ts';
import { textAt } from '../support/api-server/json.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { hostileLines, hostileObjects } from '../support/hostile-objects.ts';
import { assertPrintable } from '../support/mutation.ts';
import { type Connection, Network } from '../support/network.ts';
import { kubeIpvs } from '../support/program.ts';
import { runPromtool } from '../support/promtool.ts';
import { ipvsLines } from '../support/witness.ts';

const web = ['-A -t 10.96.0.10:80 -s rr', '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'] as const;

describe('a running kube-ipvs whose API server', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let network: Network;
  let daemon: Daemon;
  let connection: Connection;
  const changes = ['-A -t 10.96.0.67:80 -s rr'];

  before(async () => {
    server = await ApiServer.start({ revision: 1_000_000 });
    server.apply(
      serviceObject('web', { clusterIPs: ['10.96.0.10'] }),
      sliceObject('web', ['10.244.0.1']),
      serviceObject('back', { clusterIPs: ['10.96.0.67'] }),
    );
    network = new Network('nonsense');
    const client = network.join('client', ['10.244.0.7']);
    await network.serve(network.join('pod', ['10.244.0.1']), 'TCP', 8080, 'web');
    const args = ['--cluster-cidr', '10.244.0.0/16', '--logging-format', 'json', '--traffic-series', '100', '-v', '4'];
    daemon = await Daemon.start({ netns: network.node, source: workplace.kubeconfig(server), args });
    await daemon.line(/"ready: /);
    connection = await network.connect(client, '10.96.0.10', 80);
  });
  after(async () => {
    await daemon?.kill();
    await network.close();
    await server.close();
    workplace.close();
  });

  /** Without the API server's own. */
  function lines(): string[] {
    return ipvsLines(network.node).filter((line) => !line.includes('10.96.0.1:'));
  }

  /** The connection through the virtual service of web lives on, and a change that is made now gets to the kernel. */
  async function serves(others: readonly string[] = []): Promise<void> {
    assert.equal(await connection.ask(), 'web');
    const ip = `10.96.0.${100 + changes.length}`;
    server.apply(serviceObject(`change-${changes.length}`, { clusterIPs: [ip] }));
    changes.push(`-A -t ${ip}:80 -s rr`);
    await daemon.until(lines, [...web, ...changes, ...others].toSorted());
    assert.equal(await connection.ask(), 'web');
  }

  const event = (name: string, version: string, ip: string, type = 'MODIFIED') => {
    const object = serviceObject(name, { clusterIPs: [ip] }) as { readonly metadata: object };
    return `${JSON.stringify({ type, object: { ...object, metadata: { ...object.metadata, resourceVersion: version } } })}\n`;
  };

  const nonsense: readonly [what: string, talk: () => void][] = [
    ['says half a line and goes on with another', () => server.inject('Service', '{"type":"ADDED","object":{"meta')],
    ['says half a line and goes away', () => server.cut('Service', event('web', '1000500', '10.96.0.66').slice(0, 90))],
    ['says everything twice', () => (server.faults.repeatsEvents = true)],
    [
      'goes back in time, and forth',
      () => {
        const version = textAt(server.get('Service', 'default/back'), 'metadata', 'resourceVersion');
        server.inject('Service', event('back', '900000', '10.96.0.66') + event('back', version, '10.96.0.67'));
      },
    ],
    [
      'deletes what is not there, twice',
      () => server.inject('Service', event('none', '7', '10.96.0.68', 'DELETED').repeat(2)),
    ],
    [
      'has a page of HTML for an answer',
      () => server.inject('EndpointSlice', '<html>\n<body>Sign in</body>\n</html>\n'),
    ],
    [
      'tells of an error of a megabyte',
      () =>
        server.inject(
          'Service',
          `{"type":"ERROR","object":{"kind":"Status","code":500,"message":"${'\\n\\u001b'.repeat(100_000)}"}}\n`,
        ),
    ],
    ['has a line of 5 MB that is no event', () => server.inject('Service', `"${'y'.repeat(5_000_000)}"\n`)],
    [
      'does not answer, answers with half a list, and with 500',
      () => {
        server.faults.fail(1, { code: 500 });
        server.faults.fail(1, { code: 'half' });
        server.expireWatches();
      },
    ],
  ];
  for (const [what, talk] of nonsense) {
    it(`${what} is followed all the same`, async () => {
      talk();
      await serves();
    });
  }

  it('has a thousand bad objects among good ones: the good ones count, and the log stays short', async () => {
    const from = daemon.lines.length;
    const bad = Array.from({ length: 1_000 }, (_, i) => event(`bad-${i}`, `${2_000_000 + i}`, '10.96.0.300', 'ADDED'));
    server.inject('Service', bad.slice(0, 500).join(''));
    server.apply(serviceObject('good', { clusterIPs: ['10.96.0.20'] }));
    server.inject('Service', bad.slice(500).join(''));
    await serves(['-A -t 10.96.0.20:80 -s rr']);
    const told = daemon.lines.slice(from);
    assert.ok(told.filter((line) => line.includes('10.96.0.300')).length <= 20);
    assert.ok(told.length < 60, `${told.length} lines`);
    // none of them is in the server's own list
    server.delete('Service', 'default/good');
    server.expireWatches('Service');
    await daemon.until(lines, [...web, ...changes].toSorted());
  });

  it('has objects that somebody made to do harm: what of them is right is done, and nothing else', async () => {
    for (const [kind, key, object] of hostileObjects(10_000)) server.plant(kind, key, { metadata: {}, ...object });
    await serves(hostileLines);
    assert.equal(network.run(network.node, 'nft', 'list', 'ruleset').includes('pwned'), false);
  });

  it('gets nothing of that into log, metrics, health, events or status', async () => {
    for (const line of daemon.lines) {
      assertPrintable(line);
      assert.equal(typeof (JSON.parse(line) as { msg: unknown }).msg, 'string');
      assert.ok(line.length < 5_000, line.slice(0, 5_000));
    }
    const { body } = await daemon.metrics();
    assert.equal(body.includes('pwned'), false);
    for (const line of body.split('\n')) assertPrintable(line);
    const promtool = runPromtool(['check', 'metrics'], body);
    assert.match(promtool.stdout + promtool.stderr, /^(?!.*(error|expected))/s);
    for (const path of ['/healthz', '/livez']) JSON.parse((await daemon.health(path)).body);
    for (const key of server.keys('Event')) assertPrintable(textAt(server.get('Event', key), 'note'));
    const status = await daemon.askStatus('-o', 'wide');
    assert.equal(status.status, 0, status.stderr);
    for (const line of status.stdout.split('\n')) assertPrintable(line);
    const [, resident] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8')) ?? [];
    assert.ok(Number(resident) < 400_000, `${resident} kB`);
  });

  it('is read by a single run just so', async () => {
    const objects = hostileObjects(10_000).map(([kind, , object]) => ({
      apiVersion: kind === 'Service' ? 'v1' : 'discovery.k8s.io/v1',
      kind,
      ...object,
    }));
    const args = ['reconcile', '--once', '--dry-run', '--netns', network.node, '--manifests', '-'];
    const { status, stdout, stderr } = await kubeIpvs(args, { input: list(objects) });
    assert.equal(status, 1, stderr.slice(0, 2_000));
    for (const line of `${stdout}${stderr}`.split('\n')) {
      assertPrintable(line);
      assert.ok(line.length < 5_000);
    }
    assert.ok(stderr.split('\n').length < 60);
    assert.equal(stdout.includes('pwned'), false);
  });
});
