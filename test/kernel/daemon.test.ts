/** `kube-ipvs run` from its start to its end: what the cluster asks is what ipvsadm, ip and nft say. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { loadAll } from 'js-yaml';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiServer } from '../support/api-server/api-server.ts';
import { type JsonObject, objectAt, omit } from '../support/api-server/json.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, type DaemonSettings, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { samplePath } from '../support/manifest-files.ts';
import { kubeIpvs } from '../support/program.ts';
import { ipvsLines } from '../support/witness.ts';

const flags = ['--cluster-cidr', '10.244.0.0/16,fd00:10:244::/56', '--nodeport-addresses', '192.168.1.0/24'];
const eth0 = [
  'ip link add eth0 type dummy',
  'ip link set eth0 addrgenmode none',
  'ip link set eth0 up',
  'ip addr add 192.168.1.10/24 dev eth0',
];
const leftovers = [
  'ip link add kube-ipvs0 type dummy',
  'ip addr add 10.96.5.5/32 dev kube-ipvs0',
  '-A -t 10.96.5.5:80 -s rr',
  '-a -t 10.96.5.5:80 -r 10.244.1.5:8080 -m -w 1',
];
const vip = '10.96.0.10';

/** As somebody applies them: without what servers put in. */
function sampleObjects(): object[] {
  const documents = loadAll(readFileSync(samplePath('cluster.yaml'), 'utf8')) as { items: JsonObject[] }[];
  return documents.flatMap(({ items }) =>
    items.map((item) => ({ ...item, metadata: omit(objectAt(item, 'metadata'), 'resourceVersion', 'uid') })),
  );
}

describe('kube-ipvs run', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let node: KernelNamespace;
  let settings: DaemonSettings;
  let daemon: Daemon;

  before(async () => {
    server = await ApiServer.start();
    server.apply(...sampleObjects());
    node = new KernelNamespace('daemon');
    node.run(...eth0);
    settings = { netns: node.name, source: workplace.kubeconfig(server), args: flags };
  });
  after(async () => {
    await daemon?.kill();
    await server.close();
    node.close();
    workplace.close();
  });

  /** Everything that a node holds, by its own tools. */
  function everything(namespace = node): string[] {
    return [namespace.text(), namespace.show('ip addr'), namespace.show('nft list ruleset')];
  }

  function of(address: string): string[] {
    return ipvsLines(node.name).filter((line) => line.includes(` ${address}:`));
  }

  /** What the server holds, as `kubectl get -o yaml` prints it. */
  function manifests(): string {
    const kinds = ['Service', 'EndpointSlice', 'Node'];
    return list(kinds.flatMap((kind) => server.keys(kind).map((key) => server.get(kind, key)!)));
  }

  it('touches nothing before every source has told all it has', async () => {
    node.run(...leftovers);
    const before = everything();
    server.faults.fail(1_000, {
      code: 'never',
      matches: (target) => target.kind === 'resource' && target.resource.name === 'endpointslices',
    });
    daemon = await Daemon.start(settings);
    await daemon.line(/the health server listens/);
    const synced = async () => {
      const { sources } = (await daemon.status()).daemon!;
      return sources.filter((source) => source.synced).map(({ name }) => name);
    };
    while ((await synced()).length < 3) await sleep(50);
    assert.deepEqual(await synced(), ['services', 'nodes', 'addresses']);
    assert.deepEqual(everything(), before);
    const { code, body } = await daemon.health('/readyz');
    assert.deepEqual(
      [code, body],
      [503, 'not ready: the first pass, which brings the kernel up to date, is not done\n'],
    );
    assert.equal((await daemon.health('/livez')).code, 200);
    const queued = /^kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds\{/m;
    assert.doesNotMatch((await daemon.metrics()).body, queued, 'waiting for the cluster counts as no delay');
  });

  it('makes of a cluster what reconcile makes of its manifests', async () => {
    server.faults.clear();
    server.drop('reset');
    await daemon.line(/ ready: /);
    assert.deepEqual((await daemon.health('/readyz')).code, 200);
    const twin = new KernelNamespace('twin');
    try {
      twin.run(...eth0);
      const file = workplace.write('cluster.json', manifests());
      const own = ['--netns', twin.name, '--hostname-override', 'node-a', ...flags];
      const once = await kubeIpvs(['reconcile', '--once', '--manifests', file, ...own]);
      assert.equal(once.status, 0, once.stderr);
      assert.equal(node.text(), twin.text());
      assert.deepEqual(node.elements(), twin.elements());
      assert.equal(node.show('nft list ruleset'), twin.show('nft list ruleset'));
    } finally {
      twin.close();
    }
    assert.deepEqual(of('10.104.87.96').slice(0, 4), [
      '-A -t 10.104.87.96:80 -s rr -p 10800',
      '-A -u 10.104.87.96:53 -s rr -p 10800',
      '-a -t 10.104.87.96:80 -r 10.244.1.10:8080 -m -w 1',
      '-a -u 10.104.87.96:53 -r 10.244.1.10:5353 -m -w 1',
    ]);
    assert.deepEqual(of('10.96.5.5'), []);
  });

  it('leaves nothing to do for reconcile from the same cluster', async () => {
    const own = ['--netns', node.name, '--hostname-override', 'node-a', ...flags];
    const { kubeconfig } = workplace.kubeconfig(server);
    const once = await kubeIpvs(['reconcile', '--once', '--kubeconfig', kubeconfig, ...own]);
    assert.equal(once.status, 0, once.stderr);
    assert.match(once.stdout, /^nothing to do; /);
  });

  it('explains to who asks the same cluster what became of an address', async () => {
    const own = ['--netns', node.name, '--hostname-override', 'node-a', ...flags];
    const { kubeconfig } = workplace.kubeconfig(server);
    const words = ['explain', '10.104.87.96:80', '--kubeconfig', kubeconfig, ...own];
    const told = await kubeIpvs(words);
    assert.equal(told.status, 0, told.stderr);
    assert.match(told.stdout, /^Affinity: {4}ClientIP, for 10800 s$/m);
    assert.match(told.stdout, /^Kernel: {6}virtual service rr -p 10800; as it should be$/m);
    assert.match(told.stdout, /^10\.244\.1\.10:8080 +yes +1 +1 +0 +0 .* ready/m);
  });

  it('a Service that comes is served as soon as it has endpoints', async () => {
    server.apply(serviceObject('shop', { clusterIPs: [vip] }));
    await daemon.until(() => of(vip), ['-A -t 10.96.0.10:80 -s rr']);
    server.apply(sliceObject('shop', ['10.244.1.1', '10.244.1.2']));
    await daemon.until(
      () => of(vip),
      [
        '-A -t 10.96.0.10:80 -s rr',
        '-a -t 10.96.0.10:80 -r 10.244.1.1:8080 -m -w 1',
        '-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1',
      ],
    );
  });

  it('endpoints that come and go are followed', async () => {
    server.apply(sliceObject('shop', ['10.244.1.2', '10.244.1.3', '10.244.1.4']));
    await daemon.until(
      () => of(vip),
      [
        '-A -t 10.96.0.10:80 -s rr',
        '-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1',
        '-a -t 10.96.0.10:80 -r 10.244.1.3:8080 -m -w 1',
        '-a -t 10.96.0.10:80 -r 10.244.1.4:8080 -m -w 1',
      ],
    );
    server.delete('EndpointSlice', 'default/shop-v4');
    await daemon.until(() => of(vip), ['-A -t 10.96.0.10:80 -s rr']);
    server.apply(sliceObject('shop', ['10.244.1.2']));
    await daemon.until(() => of(vip), ['-A -t 10.96.0.10:80 -s rr', '-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1']);
  });

  const served = ['-A -t 10.96.0.10:80 -s rr', '-a -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1'];

  /** The object with a label more. */
  function labelled(object: object, label: string): object {
    const { metadata } = object as { metadata: { labels?: object } };
    return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, [label]: 'other' } } };
  }

  it('a Service that is labelled for another proxy is none of ours, and is again without the label', async () => {
    const shop = serviceObject('shop', { clusterIPs: [vip] });
    server.apply(labelled(shop, 'service.kubernetes.io/service-proxy-name'));
    await daemon.until(() => [...of(vip), node.text().includes(`${vip}/32`)], [false]);
    server.apply({ ...shop, metadata: { ...(shop as { metadata: object }).metadata, labels: {} } });
    await daemon.until(() => of(vip), served);
  });

  it('a slice that is labelled headless has no endpoints for us', async () => {
    const slice = sliceObject('shop', ['10.244.1.2']);
    server.apply(labelled(slice, 'service.kubernetes.io/headless'));
    await daemon.until(() => of(vip), served.slice(0, 1));
    server.apply(slice);
    await daemon.until(() => of(vip), served);
  });

  it('one object that cannot be read is told, and the others arrive', async () => {
    const from = daemon.lines.length;
    const odd = serviceObject('odd', { clusterIPs: ['10.96.0.300'] }) as { metadata: object };
    server.plant('Service', 'default/odd', odd);
    server.apply(serviceObject('next', { clusterIPs: ['10.96.0.11'] }));
    await daemon.until(() => of('10.96.0.11'), ['-A -t 10.96.0.11:80 -s rr']);
    await daemon.line(/default\/odd.*10\.96\.0\.300/, from);
    server.delete('Service', 'default/odd');
  });

  it('a Service that is deleted leaves nothing behind', async () => {
    server.delete('Service', 'default/shop');
    const left = () => [...node.text().split('\n'), ...node.elements()].filter((line) => line.includes(vip));
    await daemon.until(left, []);
  });

  it('ends by itself when it is told to, and leaves the data plane as it is', async () => {
    const before = everything();
    assert.deepEqual(await daemon.stop(), { status: 0, signal: null });
    assert.deepEqual(everything(), before);
  });

  it('finds nothing to change when it starts again', async () => {
    const before = everything();
    daemon = await Daemon.ready({ ...settings, args: [...flags, '-v', '4'] });
    assert.deepEqual(everything(), before);
    assert.deepEqual(
      daemon.lines.filter((line) => /applied|^debug/.test(line)),
      [],
    );
  });
});
