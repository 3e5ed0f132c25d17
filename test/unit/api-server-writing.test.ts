/** What the test API server makes of objects that are written to it. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isObject, type JsonObject, listAt, objectAt, omit, textAt } from '../support/api-server/json.ts';
import { expectStatus, get, patch, post, put, remove, startApiServer } from '../support/api-server-client.ts';
import { ask } from '../support/recorded.ts';

const services = '/api/v1/namespaces/default/services';
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

function service(name: string, spec: object = {}): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } };
}

function ofPorts(object: JsonObject, field: string): unknown[] {
  return listAt(object, 'spec', 'ports')
    .filter(isObject)
    .map((port) => port[field]);
}

describe('a created Service', () => {
  it('gets its defaults, a uid, and an address', async (test) => {
    const server = await startApiServer(test, { now: () => Date.parse('2026-01-01T00:00:00.999Z'), random: () => 0.5 });
    const { metadata, spec, status } = await expectStatus(201, post(server, services, service('web')));
    const rest = omit(objectAt(metadata), 'uid', 'managedFields');
    assert.match(textAt(metadata, 'uid'), /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, {
      name: 'web',
      namespace: 'default',
      resourceVersion: String(server.revision),
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
    assert.deepEqual(spec, {
      ports: [{ protocol: 'TCP', port: 80, targetPort: 80 }],
      clusterIP: '10.104.0.0',
      clusterIPs: ['10.104.0.0'],
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
    });
    assert.deepEqual(status, { loadBalancer: {} });
  });

  it('has ports of its own, and both protocols of one port share a node port', async (test) => {
    const server = await startApiServer(test);
    const ports = [
      { name: 'a', port: 53 },
      { name: 'b', port: 53, protocol: 'UDP' },
      { name: 'c', port: 54 },
    ];
    const made = await expectStatus(201, post(server, services, service('dns', { type: 'NodePort', ports })));
    const [a, b, c] = ofPorts(made, 'nodePort') as number[];
    assert.ok(a! >= 30000 && a! <= 32767);
    assert.equal(b, a);
    assert.notEqual(c, a);
  });

  it('may be of two families', async (test) => {
    const server = await startApiServer(test);
    const made = await expectStatus(
      201,
      post(server, services, service('web', { ipFamilyPolicy: 'RequireDualStack' })),
    );
    const [first, second] = listAt(made, 'spec', 'clusterIPs') as string[];
    assert.match(first!, /^10\.(9[6-9]|10\d|11[01])\./);
    assert.match(second!, /^fd00:10:96::/);
    assert.deepEqual(listAt(made, 'spec', 'ipFamilies'), ['IPv4', 'IPv6']);
  });

  it('with no address of its own keeps none', async (test) => {
    const server = await startApiServer(test);
    const headless = await expectStatus(201, post(server, services, service('a', { clusterIP: 'None' })));
    assert.deepEqual(listAt(headless, 'spec', 'clusterIPs'), ['None']);
    const spec = { type: 'ExternalName', externalName: 'example.com' };
    const named = await expectStatus(201, post(server, services, { metadata: { name: 'b' }, spec }));
    assert.deepEqual(named['spec'], { type: 'ExternalName', sessionAffinity: 'None', externalName: 'example.com' });
  });

  it('cannot have what another one has', async (test) => {
    const server = await startApiServer(test);
    const taken = await expectStatus(422, post(server, services, service('web', { clusterIP: '10.96.0.1' })));
    assert.equal(
      taken['message'],
      'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
    );
    await expectStatus(201, post(server, services, service('web')));
    const again = await expectStatus(409, post(server, services, service('web')));
    assert.deepEqual([again['reason'], again['message']], ['AlreadyExists', 'services "web" already exists']);
  });

  it('needs a namespace and a name', async (test) => {
    const server = await startApiServer(test);
    const nowhere = await expectStatus(404, post(server, '/api/v1/namespaces/nowhere/services', service('web')));
    assert.equal(nowhere['message'], 'namespaces "nowhere" not found');
    await expectStatus(422, post(server, services, { spec: { ports: [{ port: 80 }] } }));
    const generated = await expectStatus(
      201,
      post(server, services, { metadata: { generateName: 'web-' }, spec: { ports: [{ port: 80 }] } }),
    );
    assert.match(textAt(generated, 'metadata', 'name'), /^web-[a-z0-9]{5}$/);
  });

  it('may say what the type does not have, unless that is asked about', async (test) => {
    const server = await startApiServer(test);
    const odd = service('web', { colour: 'green' });
    const refused = await expectStatus(400, post(server, `${services}?fieldValidation=Strict`, odd));
    assert.match(textAt(refused, 'message'), /strict decoding error: unknown field "spec\.colour"$/);
    const made = await expectStatus(201, post(server, services, odd));
    assert.equal(objectAt(made, 'spec')['colour'], undefined);
  });

  it('is not stored by a dry run', async (test) => {
    const server = await startApiServer(test);
    const { revision } = server;
    await expectStatus(201, post(server, `${services}?dryRun=All`, service('web')));
    assert.deepEqual([server.revision, server.get('Service', 'default/web')], [revision, undefined]);
  });
});

describe('an updated Service', () => {
  it('keeps what was allocated', async (test) => {
    const server = await startApiServer(test);
    const made = await expectStatus(201, post(server, services, service('web', { type: 'NodePort' })));
    const changed = await expectStatus(
      200,
      put(server, `${services}/web`, service('web', { type: 'NodePort', sessionAffinity: 'ClientIP' })),
    );
    assert.equal(textAt(changed, 'spec', 'clusterIP'), textAt(made, 'spec', 'clusterIP'));
    assert.deepEqual(ofPorts(changed, 'nodePort'), ofPorts(made, 'nodePort'));
    assert.deepEqual(objectAt(changed, 'spec')['sessionAffinityConfig'], { clientIP: { timeoutSeconds: 10800 } });
  });

  it('loses what its new type has no use for, and others may have it', async (test) => {
    const server = await startApiServer(test);
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30001 }] };
    const made = await expectStatus(201, post(server, services, service('web', local)));
    const { healthCheckNodePort } = objectAt(made, 'spec');
    assert.ok(Number(healthCheckNodePort) >= 30000);
    const spec = { ...objectAt(made, 'spec'), type: 'ClusterIP' };
    const changed = await expectStatus(200, put(server, `${services}/web`, { ...made, spec }));
    const fields = Object.keys(objectAt(changed, 'spec'));
    for (const field of ['healthCheckNodePort', 'externalTrafficPolicy', 'allocateLoadBalancerNodePorts']) {
      assert.ok(!fields.includes(field), field);
    }
    assert.deepEqual(ofPorts(changed, 'nodePort'), [undefined]);
    const next = service('next', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
    await expectStatus(201, post(server, services, next));
  });

  it('cannot change its address', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(201, post(server, services, service('web', { clusterIP: '10.96.0.9' })));
    const refused = await expectStatus(
      422,
      put(server, `${services}/web`, service('web', { clusterIP: '10.96.0.10' })),
    );
    assert.match(
      textAt(refused, 'message'),
      /spec\.clusterIPs\[0\]: Invalid value: \["10\.96\.0\.10"\]: may not change once set/,
    );
  });

  it('that is the same is not stored again', async (test) => {
    const server = await startApiServer(test);
    const made = await expectStatus(201, post(server, services, service('web')));
    const { revision } = server;
    const same = await expectStatus(200, put(server, `${services}/web`, made));
    assert.deepEqual([server.revision, same], [revision, made]);
  });

  it('must be of the version that is there', async (test) => {
    const server = await startApiServer(test);
    const made = await expectStatus(201, post(server, services, service('web')));
    await expectStatus(200, put(server, `${services}/web`, service('web', { sessionAffinity: 'ClientIP' })));
    const refused = await expectStatus(409, put(server, `${services}/web`, made));
    assert.deepEqual(
      [refused['reason'], refused['message'], refused['details']],
      [
        'Conflict',
        'Operation cannot be fulfilled on services "web": the object has been modified; please apply your changes to the latest version and try again',
        { name: 'web', kind: 'services' },
      ],
    );
  });

  it('keeps its status, which is written apart', async (test) => {
    const server = await startApiServer(test);
    const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.4' }] } };
    const made = await expectStatus(201, post(server, services, { metadata: { name: 'web' }, spec, status }));
    assert.deepEqual(made['status'], { loadBalancer: {} });
    const path = `${services}/web/status`;
    await expectStatus(200, patch(server, path, 'merge-patch+json', { status, spec: { sessionAffinity: 'ClientIP' } }));
    const stored = server.get('Service', 'default/web')!;
    assert.deepEqual(stored['status'], { loadBalancer: { ingress: [{ ip: '198.51.100.4', ipMode: 'VIP' }] } });
    assert.equal(textAt(stored, 'spec', 'sessionAffinity'), 'None');
    await expectStatus(
      200,
      put(server, `${services}/web`, made).then(() => get(server, `${services}/web`)),
    );
    assert.deepEqual(server.get('Service', 'default/web')!['status'], stored['status']);
  });
});

it('a Node has its Pod network in both fields, whichever is written', async (test) => {
  const server = await startApiServer(test);
  for (const [name, spec] of [
    ['one', { podCIDR: '10.244.1.0/24' }],
    ['all', { podCIDRs: ['10.244.1.0/24'] }],
  ] as const) {
    const made = await expectStatus(201, post(server, '/api/v1/nodes', { metadata: { name }, spec }));
    assert.deepEqual(omit(objectAt(made, 'spec'), 'taints'), {
      podCIDR: '10.244.1.0/24',
      podCIDRs: ['10.244.1.0/24'],
    });
  }
});

describe('a patch', () => {
  it('goes by keys into lists that have some', async (test) => {
    const server = await startApiServer(test);
    const ports = [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ];
    await expectStatus(201, post(server, services, service('web', { ports })));
    const patched = await expectStatus(
      200,
      patch(server, `${services}/web`, 'strategic-merge-patch+json', {
        spec: {
          '$setElementOrder/ports': [{ port: 82 }, { port: 81 }],
          ports: [
            { port: 81, targetPort: 'x' },
            { port: 82, name: 'c' },
            { port: 80, $patch: 'delete' },
          ],
        },
      }),
    );
    assert.deepEqual(listAt(patched, 'spec', 'ports'), [
      { name: 'c', protocol: 'TCP', port: 82, targetPort: 82 },
      { name: 'b', protocol: 'TCP', port: 81, targetPort: 'x' },
    ]);
  });

  it('takes all from a list that have the key', async (test) => {
    const server = await startApiServer(test);
    const ports = [
      { name: 'a', port: 53 },
      { name: 'b', port: 53, protocol: 'UDP' },
      { name: 'c', port: 54 },
    ];
    await expectStatus(201, post(server, services, service('dns', { ports })));
    const spec = { ports: [{ port: 53, protocol: 'UDP', $patch: 'delete' }] };
    const patched = await expectStatus(200, patch(server, `${services}/dns`, 'strategic-merge-patch+json', { spec }));
    assert.deepEqual(ofPorts(patched, 'name'), ['c']);
  });

  it('replaces other lists', async (test) => {
    const server = await startApiServer(test);
    const endpoints = [{ addresses: ['10.244.0.1'] }, { addresses: ['10.244.0.2'] }];
    const slice = { metadata: { name: 'web-1' }, addressType: 'IPv4', endpoints, ports: [{ port: 80 }] };
    await expectStatus(201, post(server, slices, slice));
    const patched = await expectStatus(
      200,
      patch(server, `${slices}/web-1`, 'strategic-merge-patch+json', { endpoints: [{ addresses: ['10.244.0.3'] }] }),
    );
    assert.deepEqual(patched['endpoints'], [{ addresses: ['10.244.0.3'], conditions: {} }]);
    assert.deepEqual(
      [objectAt(patched, 'metadata')['generation'], patched['ports']],
      [2, [{ name: '', protocol: 'TCP', port: 80 }]],
    );
  });

  it('may be a list of operations', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(201, post(server, services, service('web')));
    const path = `${services}/web`;
    const patched = await expectStatus(
      200,
      patch(server, path, 'json-patch+json', [
        { op: 'test', path: '/spec/type', value: 'ClusterIP' },
        { op: 'add', path: '/metadata/labels', value: { 'a/b': 'c' } },
        { op: 'copy', from: '/metadata/labels/a~1b', path: '/metadata/labels/d' },
        { op: 'add', path: '/spec/ports/-', value: { name: 'b', port: 81 } },
        { op: 'add', path: '/spec/ports/0/name', value: 'a' },
        { op: 'remove', path: '/spec/internalTrafficPolicy' },
      ]),
    );
    assert.deepEqual(objectAt(patched, 'metadata', 'labels'), { 'a/b': 'c', d: 'c' });
    assert.deepEqual(ofPorts(patched, 'name'), ['a', 'b']);
    await expectStatus(
      422,
      patch(server, path, 'json-patch+json', [{ op: 'test', path: '/spec/type', value: 'NodePort' }]),
    );
  });

  it('removes what is null', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(
      201,
      post(server, services, { ...service('web'), metadata: { name: 'web', labels: { a: 'b', c: 'd' } } }),
    );
    const patched = await expectStatus(
      200,
      patch(server, `${services}/web`, 'merge-patch+json', { metadata: { labels: { a: null } } }),
    );
    assert.deepEqual(objectAt(patched, 'metadata', 'labels'), { c: 'd' });
  });

  it('that is applied creates what is not there', async (test) => {
    const server = await startApiServer(test);
    const path = `${services}/web?fieldManager=me`;
    for (const [status, spec] of [
      [201, {}],
      [200, { sessionAffinity: 'ClientIP' }],
    ] as const) {
      const applied = await expectStatus(status, patch(server, path, 'apply-patch+yaml', service('web', spec)));
      const managers = listAt(applied, 'metadata', 'managedFields').filter(isObject);
      assert.deepEqual(
        managers.map((manager) => [textAt(manager, 'manager'), textAt(manager, 'operation')]),
        [['me', 'Apply']],
      );
    }
  });

  it('of an unknown type is refused', async (test) => {
    const server = await startApiServer(test);
    await expectStatus(415, patch(server, `${services}/kubernetes`, 'xml', {}));
  });
});

describe('a deletion', () => {
  it('says what is gone', async (test) => {
    const server = await startApiServer(test);
    const made = await expectStatus(201, post(server, services, service('web')));
    const { uid } = objectAt(made, 'metadata');
    const deleted = await expectStatus(200, remove(server, `${services}/web`));
    assert.deepEqual(deleted, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'web', kind: 'services', uid },
    });
    await expectStatus(404, remove(server, `${services}/web`));
  });

  it('holds to its preconditions', async (test) => {
    const server = await startApiServer(test);
    const preconditions = { uid: '00000000-0000-4000-8000-000000000000' };
    const refused = await expectStatus(409, remove(server, `${services}/kubernetes`, { preconditions }));
    assert.match(textAt(refused, 'message'), /Precondition failed: UID in precondition: 0{8}-/);
  });

  it('takes nothing where its options ask for a dry run', async (test) => {
    const server = await startApiServer(test);
    const options = { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] };
    await expectStatus(200, remove(server, `${services}/kubernetes`, options));
    await expectStatus(200, remove(server, services, options));
    assert.deepEqual(server.keys('Service'), ['default/kubernetes']);
  });

  it('waits for finalizers', async (test) => {
    const server = await startApiServer(test, { now: () => 0 });
    const finalizers = ['service.kubernetes.io/load-balancer-cleanup'];
    await expectStatus(201, post(server, services, { ...service('web'), metadata: { name: 'web', finalizers } }));
    const kept = await expectStatus(200, remove(server, `${services}/web`));
    assert.equal(textAt(kept, 'metadata', 'deletionTimestamp'), '1970-01-01T00:00:00Z');
    await expectStatus(200, patch(server, `${services}/web`, 'merge-patch+json', { metadata: { finalizers: null } }));
    assert.equal(server.get('Service', 'default/web'), undefined);
  });

  it('takes all that the selector selects', async (test) => {
    const server = await startApiServer(test);
    for (const name of ['a', 'b']) server.apply({ ...service(name), metadata: { name, labels: { name } } });
    await expectStatus(200, remove(server, `${services}?labelSelector=name%3Da`));
    assert.deepEqual(server.keys('Service'), ['default/b', 'default/kubernetes']);
  });
});

it('events are the same in both of their groups', async (test) => {
  const server = await startApiServer(test);
  const regarding = { kind: 'Service', name: 'web', namespace: 'default' };
  const event = { metadata: { name: 'web.1' }, regarding, note: 'disputed', reason: 'Conflict', type: 'Warning' };
  await expectStatus(201, post(server, '/apis/events.k8s.io/v1/namespaces/default/events', event));
  const core = await expectStatus(200, get(server, '/api/v1/namespaces/default/events/web.1'));
  assert.deepEqual([core['apiVersion'], core['involvedObject'], core['message']], ['v1', regarding, 'disputed']);
  const list = await expectStatus(
    200,
    get(server, '/apis/events.k8s.io/v1/events?fieldSelector=involvedObject.name%3Dweb'),
  );
  const [own] = listAt(list, 'items').filter(isObject);
  assert.deepEqual([own!['regarding'], own!['note']], [regarding, 'disputed']);
});

it('a body that is no JSON is refused', async (test) => {
  const server = await startApiServer(test);
  await expectStatus(400, ask(server, services, { method: 'POST', body: 'text', headers: {} }));
});
