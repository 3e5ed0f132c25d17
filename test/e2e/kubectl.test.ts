/** The real kubectl against the test API server. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { load } from 'js-yaml';
import { ApiServer, type ApiServerOptions } from '../support/api-server/api-server.ts';
import { Kubectl, rows } from '../support/kubectl.ts';
import { recordingPath } from '../support/recorded.ts';

interface Pair {
  readonly server: ApiServer;
  readonly kubectl: Kubectl;
}

const admin = { kind: 'certificate', user: 'kubernetes-admin', groups: ['system:masters'] } as const;

/** With HTTP/2, TLS and a client certificate; objects.yaml is applied in the namespace `demo`. */
async function start(test: TestContext, options: ApiServerOptions = {}): Promise<Pair> {
  const server = await ApiServer.start({ tls: true, authentication: true, ...options });
  test.after(() => server.close());
  server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } });
  const kubectl = await Kubectl.with(test, server.kubeconfig(admin));
  await kubectl.run(['apply', '-f', recordingPath('objects.yaml')]);
  return { server, kubectl };
}

function service(
  server: ApiServer,
  name: string,
): { metadata: { labels?: object }; spec: { ports: object[]; type: string; clusterIP: string } } {
  return server.get('Service', `demo/${name}`) as unknown as ReturnType<typeof service>;
}

describe('kubectl get', () => {
  it('prints tables', async (test) => {
    const { server, kubectl } = await start(test);
    const { clusterIP } = service(server, 'web').spec;
    const dns = (service(server, 'web').spec.ports[1] as { nodePort: number }).nodePort;
    assert.deepEqual(
      rows(await kubectl.run(['-n', 'demo', 'get', 'services', 'web', 'headless', 'ext', '-o', 'wide'])),
      [
        ['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'SELECTOR'],
        ['web', 'NodePort', clusterIP, '<none>', `80:30080/TCP,53:${dns}/UDP`, 'app=web'],
        ['headless', 'ClusterIP', 'None', '<none>', '80/TCP', 'app=web'],
        ['ext', 'ExternalName', '<none>', 'example.com', '<none>', '<none>'],
      ],
    );
    assert.deepEqual(rows(await kubectl.run(['-n', 'demo', 'get', 'endpointslices'])), [
      ['NAME', 'ADDRESSTYPE', 'PORTS', 'ENDPOINTS'],
      ['edge-v4', 'IPv4', '8443', '10.244.1.20,10.244.2.20'],
      ['edge-v6', 'IPv6', '8443', 'fd00:10:244:1::20'],
      ['web-abcde', 'IPv4', '8080,5353', '10.244.1.10,10.244.2.11,10.244.2.12'],
    ]);
  });

  it('prints whole objects', async (test) => {
    const { server, kubectl } = await start(test);
    const printed = load(await kubectl.run(['-n', 'demo', 'get', 'service', 'web', '-o', 'yaml'])) as object;
    const { spec } = printed as { spec: object };
    assert.deepEqual(spec, service(server, 'web').spec);
  });

  it('selects by labels and by fields', async (test) => {
    const { kubectl } = await start(test);
    const names = (...selector: string[]) => kubectl.run(['get', 'services', '-A', '-o', 'name', ...selector]);
    assert.equal(await names('-l', 'app in (web,other)'), 'service/web\n');
    assert.equal(
      await names('-l', '!app', '--field-selector', 'spec.clusterIP!=None,metadata.namespace=demo'),
      'service/edge\nservice/ext\n',
    );
  });

  it('goes on in pages', async (test) => {
    const { server, kubectl } = await start(test);
    const printed = await kubectl.run(['get', 'services', '-A', '-o', 'name', '--chunk-size', '2']);
    assert.equal(printed.trimEnd().split('\n').length, 5);
    const pages = server.audit.entries.filter(({ verb, resource }) => verb === 'list' && resource === 'services');
    assert.deepEqual(
      pages.map(({ query }) => [query['limit'], query['continue'] !== undefined]),
      [
        ['2', false],
        ['2', true],
        ['2', true],
      ],
    );
  });

  it('watches', async (test) => {
    const { server, kubectl } = await start(test);
    const isOpen = server.audit.next(({ verb, resource }) => verb === 'watch' && resource === 'endpointslices');
    const lines = kubectl.lines(test, [
      '-n',
      'demo',
      'get',
      'endpointslices',
      '-w',
      '--no-headers',
      '-o',
      'custom-columns=:metadata.name,:metadata.generation',
    ]);
    const next = async () => ((await lines.next()).value as string).trim().split(/\s+/);
    assert.deepEqual(
      [await next(), await next(), await next()],
      [
        ['edge-v4', '1'],
        ['edge-v6', '1'],
        ['web-abcde', '1'],
      ],
    );
    await isOpen;
    server.apply({ ...server.get('EndpointSlice', 'demo/edge-v4'), endpoints: [] });
    assert.deepEqual(await next(), ['edge-v4', '2']);
    server.delete('EndpointSlice', 'demo/edge-v6');
    assert.deepEqual(await next(), ['edge-v6', '1']);
  });

  it('watches in tables', async (test) => {
    const { server, kubectl } = await start(test);
    const isOpen = server.audit.next(({ verb, resource }) => verb === 'watch' && resource === 'services');
    const lines = kubectl.lines(test, ['-n', 'demo', 'get', 'services', 'headless', '-w']);
    const next = async () => ((await lines.next()).value as string).split(/\s+/).slice(0, 3);
    assert.deepEqual(
      [await next(), await next()],
      [
        ['NAME', 'TYPE', 'CLUSTER-IP'],
        ['headless', 'ClusterIP', 'None'],
      ],
    );
    await isOpen;
    await kubectl.run(['-n', 'demo', 'annotate', 'service', 'headless', 'seen=yes']);
    assert.deepEqual(await next(), ['headless', 'ClusterIP', 'None']);
  });
});

describe('kubectl changes', () => {
  it('a namespace into being', async (test) => {
    const { server, kubectl } = await start(test);
    assert.equal(await kubectl.run(['create', 'namespace', 'new']), 'namespace/new created\n');
    const { metadata, spec, status } = server.get('Namespace', 'new') as {
      metadata: { labels: object };
      spec: object;
      status: object;
    };
    assert.deepEqual(
      [metadata.labels, spec, status],
      [{ 'kubernetes.io/metadata.name': 'new' }, { finalizers: ['kubernetes'] }, { phase: 'Active' }],
    );
  });

  it('a Service into being by its ports, and gets it among all else', async (test) => {
    const { server, kubectl } = await start(test);
    const create = (...args: string[]) => kubectl.run(['-n', 'demo', 'create', 'service', ...args]);
    await create('clusterip', 'made', '--tcp', '81:8081', '--tcp', '444:https');
    await create('nodeport', 'made-np', '--tcp', '82:8082', '--node-port', '30082');
    await create('externalname', 'made-ext', '--external-name', 'example.org');
    const ports = (name: string) => service(server, name).spec.ports;
    assert.deepEqual(ports('made'), [
      { name: '81-8081', port: 81, protocol: 'TCP', targetPort: 8081 },
      { name: '444-https', port: 444, protocol: 'TCP', targetPort: 'https' },
    ]);
    assert.deepEqual(ports('made-np'), [
      { name: '82-8082', port: 82, protocol: 'TCP', targetPort: 8082, nodePort: 30082 },
    ]);
    assert.match(
      await kubectl.run(['-n', 'demo', 'get', 'all']),
      /^service\/made-ext +ExternalName +<none> +example.org/m,
    );
  });

  it('nothing when the same is applied again', async (test) => {
    const { server, kubectl } = await start(test);
    const { revision } = server;
    const printed = await kubectl.run(['apply', '-f', recordingPath('objects.yaml')]);
    // where the file leaves a default out of a list that counts as one, kubectl sends the list again
    assert.match(printed, /^service\/web unchanged$.*^endpointslice\S*\/edge-v4 configured$/ms);
    assert.equal(server.revision, revision);
  });

  it('what apply says, and drops what it no longer says', async (test) => {
    const { server, kubectl } = await start(test);
    const { clusterIP } = service(server, 'web').spec;
    const changed = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'demo' },
      spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 9090 }] },
    };
    assert.equal(await kubectl.run(['apply', '-f', '-'], JSON.stringify(changed)), 'service/web configured\n');
    const { metadata, spec } = service(server, 'web');
    assert.equal(metadata.labels, undefined);
    assert.deepEqual(spec.ports, [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 9090 }]);
    assert.deepEqual([spec.type, spec.clusterIP], ['ClusterIP', clusterIP]);
  });

  it('one port of several by its number', async (test) => {
    const { server, kubectl } = await start(test);
    const before = service(server, 'web').spec.ports as [object, object];
    await kubectl.run([
      '-n',
      'demo',
      'patch',
      'service',
      'web',
      '-p',
      '{"spec":{"ports":[{"port":53,"targetPort":5454}]}}',
    ]);
    assert.deepEqual(service(server, 'web').spec.ports, [before[0], { ...before[1], targetPort: 5454 }]);
    await kubectl.run([
      '-n',
      'demo',
      'patch',
      'service',
      'web',
      '--type',
      'json',
      '-p',
      '[{"op":"remove","path":"/spec/ports/0"}]',
    ]);
    assert.deepEqual(service(server, 'web').spec.ports, [{ ...before[1], targetPort: 5454 }]);
  });

  it('all endpoints of a slice together', async (test) => {
    const { server, kubectl } = await start(test);
    const endpoints = [{ addresses: ['10.244.1.21'], conditions: { ready: true } }];
    await kubectl.run([
      '-n',
      'demo',
      'patch',
      'endpointslice',
      'edge-v4',
      '--type',
      'merge',
      '-p',
      JSON.stringify({ endpoints }),
    ]);
    const slice = server.get('EndpointSlice', 'demo/edge-v4') as
      | { endpoints: object[]; metadata: { generation: number } }
      | undefined;
    assert.deepEqual([slice!.endpoints, slice!.metadata.generation], [endpoints, 2]);
  });

  it('labels, there and back', async (test) => {
    const { server, kubectl } = await start(test);
    await kubectl.run(['-n', 'demo', 'label', 'service', 'web', 'tier=front']);
    assert.deepEqual(service(server, 'web').metadata.labels, { app: 'web', tier: 'front' });
    await kubectl.run(['-n', 'demo', 'label', 'service', 'web', 'tier-']);
    assert.deepEqual(service(server, 'web').metadata.labels, { app: 'web' });
  });

  it('taints of a node', async (test) => {
    const { server, kubectl } = await start(test);
    server.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' } });
    await kubectl.run(['taint', 'node', 'node-a', 'ToBeDeletedByClusterAutoscaler=1:NoSchedule']);
    const node = server.get('Node', 'node-a') as { spec: { taints: { key: string }[] } } | undefined;
    assert.deepEqual(node!.spec.taints.map(({ key }) => key).toSorted(), [
      'ToBeDeletedByClusterAutoscaler',
      'node.kubernetes.io/not-ready',
    ]);
  });

  it('objects away, and a namespace with all that is in it', async (test) => {
    const { server, kubectl } = await start(test);
    assert.match(
      await kubectl.run(['-n', 'demo', 'delete', 'service', 'web', 'edge']),
      /"web" deleted.*\n.*"edge" deleted/,
    );
    assert.deepEqual(server.keys('Service'), ['default/kubernetes', 'demo/ext', 'demo/headless']);
    await kubectl.run(['-n', 'demo', 'delete', 'endpointslices', '--all']);
    assert.deepEqual(server.keys('EndpointSlice'), ['default/kubernetes']);
    await kubectl.run(['delete', 'namespace', 'demo']);
    assert.deepEqual(server.keys('Service'), ['default/kubernetes']);
  });
});

it('kubectl asks what its user may do', async (test) => {
  const { server, kubectl } = await start(test);
  server.access.rules = new Map([
    [admin.user, [{ verbs: ['list'], groups: [''], resources: ['services', 'nodes/status'] }]],
  ]);
  const answers = [];
  for (const resource of ['services', 'nodes', 'nodes --subresource=status', 'endpointslices']) {
    const { status, stdout } = await kubectl.try(['auth', 'can-i', 'list', ...resource.split(' ')]);
    answers.push([status, stdout.trim()]);
  }
  assert.deepEqual(answers, [
    [0, 'yes'],
    [1, 'no - no rule of RBAC allows it'],
    [0, 'yes'],
    [1, 'no - no rule of RBAC allows it'],
  ]);
});

describe('kubectl is refused', () => {
  it('what is not there', async (test) => {
    const { kubectl } = await start(test);
    const { status, stderr } = await kubectl.try(['-n', 'demo', 'get', 'service', 'nobody']);
    assert.deepEqual([status, stderr], [1, 'Error from server (NotFound): services "nobody" not found\n']);
  });

  it('a node port that another has', async (test) => {
    const { kubectl } = await start(test);
    const spec = { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] };
    const object = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'second', namespace: 'demo' }, spec };
    const { status, stderr } = await kubectl.try(['create', '-f', '-'], JSON.stringify(object));
    const why = 'spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated';
    assert.deepEqual([status, stderr], [1, `The Service "second" is invalid: ${why}\n`]);
  });

  it('what its user may not do', async (test) => {
    const { server, kubectl } = await start(test);
    server.access.rules = new Map([[admin.user, [{ verbs: ['get'], groups: [''], resources: ['services'] }]]]);
    const { stderr } = await kubectl.try(['get', 'endpointslices', '-A']);
    assert.equal(
      stderr,
      'Error from server (Forbidden): endpointslices.discovery.k8s.io is forbidden: User "kubernetes-admin" cannot list ' +
        'resource "endpointslices" in API group "discovery.k8s.io" at the cluster scope\n',
    );
  });
});

it('kubectl comes with a token', async (test) => {
  const server = await ApiServer.start({ tls: true, authentication: true });
  test.after(() => server.close());
  server.access.tokens.set('secret', 'system:node:node-a');
  const kubectl = await Kubectl.with(test, server.kubeconfig({ kind: 'token', token: 'secret' }));
  assert.equal(await kubectl.run(['get', '--raw', '/healthz']), 'ok');
  assert.equal(server.audit.entries.at(-1)!.user, 'system:node:node-a');
  server.access.tokens.clear();
  const { stderr } = await kubectl.try(['get', '--raw', '/healthz']);
  assert.match(stderr, /You must be logged in to the server/);
});

it('kubectl comes without TLS', async (test) => {
  const server = await ApiServer.start();
  test.after(() => server.close());
  const kubectl = await Kubectl.with(test, server.kubeconfig());
  assert.equal(
    await kubectl.run(['get', 'namespaces', '-o', 'name']),
    'namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n',
  );
});
