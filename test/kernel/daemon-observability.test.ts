/** What a running daemon tells: health, metrics, status, events, and that it asks the API server for no more than it may. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiServer } from '../support/api-server/api-server.ts';
import { textAt } from '../support/api-server/json.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { deployed } from '../support/deployment.ts';
import { ask, freePort } from '../support/http.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { startKubeIpvs } from '../support/program.ts';
import { runPromtool } from '../support/promtool.ts';
import { type Access, accessText, unusedAccess } from '../support/rbac.ts';

const user = 'system:serviceaccount:kube-system:kube-ipvs';
const role = deployed('ClusterRole');
const nodeA = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' }, spec: {} };
const toBeDeleted = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' };

describe('a running kube-ipvs tells', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let node: KernelNamespace;
  let daemon: Daemon;
  let healthCheckPort: number;

  before(async () => {
    healthCheckPort = await freePort();
    server = await ApiServer.start({ authentication: true });
    server.access.tokens.set('secret', user);
    server.access.rules = new Map([
      [user, role.rules.map(({ apiGroups, ...rule }) => ({ ...rule, groups: apiGroups }))],
    ]);
    server.apply(
      nodeA,
      serviceObject('web', { clusterIPs: ['10.96.0.10'] }),
      sliceObject('web', ['10.244.0.1'], { nodeName: 'node-a' }),
      serviceObject('edge', {
        clusterIPs: ['10.96.0.11'],
        ports: [{ name: 'http', port: 80, nodePort: 30_081, protocol: 'TCP', targetPort: 8080 }],
        spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: healthCheckPort },
      }),
      sliceObject('edge', ['10.244.0.2', '10.244.0.3'], { nodeName: 'node-a' }),
    );
    node = new KernelNamespace('observed');
    const kubeconfig = workplace.write('kubeconfig', server.kubeconfig({ kind: 'token', token: 'secret' }));
    daemon = await Daemon.ready({
      netns: node.name,
      source: { kubeconfig },
      args: ['--cluster-cidr', '10.244.0.0/16', '--traffic-series', '10'],
    });
  });
  after(async () => {
    await daemon?.kill();
    await server.close();
    node.close();
    workplace.close();
  });

  const time = String.raw`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"`;
  const families = `"status":\\{"IPv4":\\{"lastUpdated":${time},"healthy":true\\},"IPv6":\\{"lastUpdated":${time},"healthy":true\\}\\}`;

  it('its health as kube-proxy does, and that the node should get no new traffic', async () => {
    const good = await daemon.health('/healthz');
    assert.equal(good.code, 200);
    assert.match(
      good.body,
      new RegExp(`^{"lastUpdated":${time},"currentTime":${time},"nodeEligible":true,"healthy":true,${families}}$`),
    );
    const from = daemon.lines.length;
    server.apply({ ...nodeA, spec: { taints: [toBeDeleted] } });
    // what follows the Node on the same connection to the server has come after it
    const code = async () => (await daemon.health('/healthz')).code;
    while ((await code()) !== 503) assert.ok(daemon.isRunning, daemon.lines.slice(from).join('\n'));
    assert.match((await daemon.health('/healthz')).body, /"nodeEligible":false,"healthy":true/);
    const live = await daemon.health('/livez');
    assert.equal(live.code, 200);
    assert.match(live.body, new RegExp(`^{"lastUpdated":${time},"currentTime":${time},"healthy":true,${families}}$`));
    server.apply({ ...nodeA, spec: { taints: [] } });
    while ((await code()) !== 200) assert.ok(daemon.isRunning, daemon.lines.slice(from).join('\n'));
  });

  it('load balancers how many endpoints of a Service are here', async () => {
    const told = async () => {
      const { code, body } = await ask({ port: healthCheckPort });
      return [code, JSON.parse(body) as unknown];
    };
    const answer = (localEndpoints: number) => ({
      service: { namespace: 'default', name: 'edge' },
      localEndpoints,
      serviceProxyHealthy: true,
    });
    assert.deepEqual(await told(), [200, answer(2)]);
    server.apply(sliceObject('edge', ['10.244.1.2'], { nodeName: 'node-b' }));
    await daemon.until(told, [503, answer(0)]);
    server.delete('Service', 'default/edge');
    const reached = () =>
      ask({ port: healthCheckPort }).then(
        ({ code }) => code,
        (error: { code: string }) => error.code,
      );
    while ((await reached()) !== 'ECONNREFUSED') assert.ok(daemon.isRunning);
  });

  it('its metrics, which promtool reads', async () => {
    const { code, body } = await daemon.metrics();
    assert.equal(code, 200);
    const promtool = runPromtool(['check', 'metrics'], body);
    const names = promtool.stdout + promtool.stderr;
    assert.deepEqual(
      names
        .split('\n')
        .filter((line) => line !== '' && !/_no_local_endpoints_total |^kubernetes_build_info /.test(line)),
      [],
    );
    const value = (series: string) =>
      body
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.slice(series.length + 1);
    assert.equal(value('kube_ipvs_virtual_services'), '2');
    assert.ok(Number(value('kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"}')) > 0);
    assert.match(body, /^kube_ipvs_\w+\{[^}]*10\.96\.0\.10[^}]*\} 0$/m, 'traffic of a virtual service');
  });

  it('its mode and its configuration', async () => {
    const mode = await daemon.metrics('/proxyMode');
    assert.deepEqual([mode.code, mode.body], [200, 'ipvs']);
    const { body } = await daemon.metrics('/configz');
    const config = (JSON.parse(body) as Record<string, Record<string, unknown>>)['kubeproxy.config.k8s.io']!;
    assert.deepEqual(
      [config['mode'], config['clusterCIDR'], config['hostnameOverride']],
      ['ipvs', '10.244.0.0/16', 'node-a'],
    );
  });

  it('its status, to people and to programs', async () => {
    const text = await daemon.askStatus();
    assert.equal(text.status, 0, text.stderr);
    assert.match(text.stdout, /^Node: +node-a\n/);
    assert.match(text.stdout, /^Ready: +yes$/m);
    assert.match(text.stdout, /^services +watching +yes +2 /m);
    assert.match(
      text.stdout,
      /^10\.96\.0\.10:80\/TCP +rr +default\/web +in sync\n {2}-> 10\.244\.0\.1:8080 +1 +0 +0 +serving$/m,
    );
    const report = JSON.parse((await daemon.askStatus('-o', 'json')).stdout) as Awaited<ReturnType<Daemon['status']>>;
    assert.equal(report.daemon!.pid, daemon.pid);
    assert.deepEqual(
      report.virtualServices.map(({ id, owner, state }) => [id, owner, state]),
      [
        ['10.96.0.1:443/TCP', 'default/kubernetes', 'in sync'],
        ['10.96.0.10:80/TCP', 'default/web', 'in sync'],
      ],
    );
    assert.deepEqual(report.differences, []);
  });

  it('its status again and again, until that is interrupted', async () => {
    const child = startKubeIpvs(['status', '-w', '-o', 'json', '--status-socket', daemon.socket]);
    child.stdin!.end();
    let printed = '';
    const prints = (text: string) =>
      new Promise<void>((resolve) => {
        const look = () => (printed.includes(text) ? resolve() : child.stdout!.once('data', look));
        look();
      });
    child.stdout!.setEncoding('utf8').on('data', (piece: string) => (printed += piece));
    await prints('10.96.0.10:80/TCP');
    server.apply(sliceObject('web', ['10.244.0.1', '10.244.0.9'], { nodeName: 'node-a' }));
    await prints('10.244.0.9:8080');
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'exit'), [130, null]);
  });

  it('by events that it started, and whose claim on an address it does not serve', async () => {
    const posted = server.audit.next(({ resource, code }) => resource === 'events' && code === 201);
    // younger by its time of creation, though its name comes first
    const rival = serviceObject('rival', { clusterIPs: ['10.96.0.12'], spec: { externalIPs: ['10.96.0.10'] } }) as {
      metadata: object;
    };
    server.apply({ ...rival, metadata: { ...rival.metadata, creationTimestamp: '2026-02-01T00:00:00Z' } });
    await posted;
    const seen = server.keys('Event').map((key) => {
      const event = server.get('Event', key)!;
      const word = (...path: readonly string[]) => textAt(event, ...path);
      return [word('type'), word('reason'), word('involvedObject', 'kind'), word('involvedObject', 'name')].join(' ');
    });
    assert.deepEqual(seen.toSorted(), ['Normal Starting Node node-a', 'Warning VirtualServiceConflict Service rival']);
    await daemon.line(/^warn .*default\/rival/);
    assert.ok(node.text().includes('-A -t 10.96.0.10:80 -s rr\n-a -t 10.96.0.10:80 -r 10.244.0.1:8080'));
  });

  it('by its requests that it needs all that its ClusterRole allows, and nothing more', async () => {
    // a server that cannot stream lists is asked for them in pages
    server.faults.etcd34 = true;
    server.compact();
    server.expireWatches();
    server.drop('reset');
    server.apply(serviceObject('late', { clusterIPs: ['10.96.0.13'] }));
    await daemon.until(() => node.text().includes('-A -t 10.96.0.13:80 -s rr'), true);
    const own = () => server.audit.entries.filter((entry) => entry.user === user);
    const used = () =>
      own()
        .filter(({ resource }) => resource !== '')
        .map(({ verb, group, resource }): Access => ({ verb, group, resource }));
    // each source is listed again in its own time
    const end = performance.now() + 120_000;
    while (unusedAccess(role, used()).length > 0 && performance.now() < end) await sleep(50);
    assert.deepEqual(unusedAccess(role, used()), []);
    assert.deepEqual(
      own().filter(({ code }) => code === 403),
      [],
    );
    assert.deepEqual([...new Set(used().map(accessText))].toSorted(), [
      'create events.events.k8s.io',
      'list endpointslices.discovery.k8s.io',
      'list nodes',
      'list services',
      'watch endpointslices.discovery.k8s.io',
      'watch nodes',
      'watch services',
    ]);
  });
});
