/** Service → fact. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { projectService } from '../../src/watch/service-projection.ts';

interface Written {
  readonly metadata?: object;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A Service as an API server prints it, with `spec` over it. */
function written({ metadata, spec }: Written = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'demo', creationTimestamp: '2026-11-20T18:27:00Z', ...metadata },
    spec: {
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      internalTrafficPolicy: 'Cluster',
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      sessionAffinity: 'None',
      type: 'ClusterIP',
      ...spec,
    },
  };
}

const noNodePort = { nodePort: undefined };

const fact = {
  name: 'demo/web',
  uid: '',
  createdAt: '2026-11-20T18:27:00Z',
  clusterIPs: ['10.96.0.10'],
  ports: [{ name: 'http', protocol: 'TCP', port: 80, ...noNodePort }],
  affinityTimeout: undefined,
  internalTrafficPolicy: 'Cluster',
  externalTrafficPolicy: 'Cluster',
  externalIPs: [],
  loadBalancerIPs: [],
  sourceRanges: [],
  healthCheckNodePort: undefined,
  tuning: { scheduler: undefined, schedulerFlags: undefined, drainTimeout: undefined, weights: [] },
};

describe('a Service becomes a fact', () => {
  const rows: readonly (readonly [string, Written, object])[] = [
    ['as an API server prints it', {}, fact],
    [
      'with a cluster IP of a range of IPv4 link-local ones',
      { spec: { clusterIP: '169.254.96.10', clusterIPs: ['169.254.96.10'] } },
      { ...fact, clusterIPs: ['169.254.96.10'] },
    ],
    [
      'in namespace default when it names none',
      { metadata: { namespace: undefined } },
      { ...fact, name: 'default/web' },
    ],
    ['without age when it was never created', { metadata: { creationTimestamp: null } }, { ...fact, createdAt: '' }],
    [
      'with its age in UTC and seconds, whatever zone and fractions it is written in',
      { metadata: { creationTimestamp: '2026-11-20T19:27:00.123456+01:00' } },
      fact,
    ],
    [
      'with both addresses of a dual-stack Service, in the order of ipFamilies',
      { spec: { clusterIP: 'fd00::0010', clusterIPs: ['fd00::0010', '10.96.0.10'], ipFamilies: ['IPv6', 'IPv4'] } },
      { ...fact, clusterIPs: ['fd00::10', '10.96.0.10'] },
    ],
    [
      'with clusterIP alone when it is from before dual stack',
      { spec: { clusterIPs: undefined, ipFamilies: undefined } },
      fact,
    ],
    [
      'with both addresses and no word about families, in the order of clusterIPs',
      { spec: { clusterIP: 'fd00::1', clusterIPs: ['fd00::1', '10.96.0.10'], ipFamilies: null } },
      { ...fact, clusterIPs: ['fd00::1', '10.96.0.10'] },
    ],
    ['with clusterIP when ipFamilies is there and clusterIPs is not', { spec: { clusterIPs: null } }, fact],
    ['with no address of a family that has none yet', { spec: { ipFamilies: ['IPv4', 'IPv6'] } }, fact],
    ['with leading zeros read as decimal', { spec: { clusterIP: '010.096.000.010', clusterIPs: null } }, fact],
    ['with an IPv4-mapped address as IPv4', { spec: { clusterIP: '::ffff:10.96.0.10', clusterIPs: null } }, fact],
    ['with protocol TCP when a port names none', { spec: { ports: [{ name: 'http', port: 80 }] } }, fact],
    [
      'with an empty port name when there is one port',
      { spec: { ports: [{ port: 80 }] } },
      { ...fact, ports: [{ name: '', protocol: 'TCP', port: 80, ...noNodePort }] },
    ],
    [
      'with TCP and UDP ports of the same name and number told apart',
      {
        spec: {
          ports: [
            { name: 'dns', port: 53 },
            { name: 'dns', port: 53, protocol: 'UDP' },
            { name: 'sip', port: 53, protocol: 'SCTP' },
          ],
        },
      },
      {
        ...fact,
        ports: [
          { name: 'dns', protocol: 'TCP', port: 53, ...noNodePort },
          { name: 'dns', protocol: 'UDP', port: 53, ...noNodePort },
          { name: 'sip', protocol: 'SCTP', port: 53, ...noNodePort },
        ],
      },
    ],
    ['without ports when it has none', { spec: { ports: null } }, { ...fact, ports: [] }],
    [
      'with three hours of affinity unless it says how long',
      { spec: { sessionAffinity: 'ClientIP' } },
      { ...fact, affinityTimeout: 10800 },
    ],
    [
      'with the affinity that it asks for',
      { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86400 } } } },
      { ...fact, affinityTimeout: 86400 },
    ],
    [
      'without affinity when only the timeout is left of it',
      { spec: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } } },
      fact,
    ],
    ['with a local policy', { spec: { internalTrafficPolicy: 'Local' } }, { ...fact, internalTrafficPolicy: 'Local' }],
    ['with policy Cluster when it is from before there was one', { spec: { internalTrafficPolicy: undefined } }, fact],
    [
      'whatever fields there are that nobody here knows',
      { spec: { future: { deep: [1] }, __proto__: { clusterIP: 7 } } },
      fact,
    ],
  ];
  for (const [sentence, service, expected] of rows) {
    it(sentence, () => {
      const projection = projectService(written(service));
      assert.deepEqual(projection.problems, []);
      assert.ok(projection.outcome === 'fact');
      assert.deepEqual(projection.fact, expected);
    });
  }
});

describe('a Service is not for us', () => {
  const rows: readonly (readonly [string, Written, string])[] = [
    ['when it is headless', { spec: { clusterIP: 'None', clusterIPs: ['None'] } }, 'headless'],
    ['when it is ExternalName, even with an address', { spec: { type: 'ExternalName' } }, 'ExternalName'],
    ['when it has no address', { spec: { clusterIP: '', clusterIPs: null } }, 'no cluster IP'],
    [
      'when another proxy serves it',
      { metadata: { labels: { 'service.kubernetes.io/service-proxy-name': 'cilium' } } },
      'another proxy serves it',
    ],
    [
      'when the label that names another proxy is empty',
      { metadata: { labels: { 'service.kubernetes.io/service-proxy-name': '' } } },
      'another proxy serves it',
    ],
  ];
  for (const [sentence, service, reason] of rows) {
    it(sentence, () => {
      const projection = projectService(written(service));
      assert.ok(projection.outcome === 'notForUs');
      assert.deepEqual([projection.name, projection.reason, projection.problems], ['demo/web', reason, []]);
    });
  }

  it('and one that never got an address is worth a warning', () => {
    const { warnings } = projectService(written({ spec: { clusterIP: undefined } }));
    assert.match(warnings[0]!.message, /^spec\.clusterIP is missing: the Service is skipped; write the address/);
  });
});

describe('a Service is refused', () => {
  const rows: readonly (readonly [string, Written, readonly string[]])[] = [
    [
      'when its address is none, in both fields',
      { spec: { clusterIP: '10.96.0.300', clusterIPs: ['10.96.0.300'] } },
      [
        'value: spec.clusterIPs[0] is "10.96.0.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
      ],
    ],
    [
      'when only clusterIP is broken, although clusterIPs counts',
      { spec: { clusterIP: '10.96.0.300' } },
      [
        'value: spec.clusterIP is "10.96.0.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
      ],
    ],
    [
      'when its address is a network or has a zone',
      { spec: { clusterIP: '10.96.0.0/12', clusterIPs: ['fe80::1%eth0'] } },
      [
        'value: spec.clusterIPs[0] is "fe80::1%eth0": not an IP address; write the address without %zone',
        'value: spec.clusterIP is "10.96.0.0/12": not an IP address; write the address without /prefix',
      ],
    ],
    [
      'when its address is of the other family',
      { spec: { clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] } },
      [
        'value: spec.clusterIPs[0] is "fd00::1": not an IPv4 address, which spec.ipFamilies says it is; make the two agree',
      ],
    ],
    [
      'when its address can be nobody’s',
      { spec: { clusterIP: '127.0.0.1', clusterIPs: ['127.0.0.1', 'ff02::1'], ipFamilies: ['IPv4', 'IPv6'] } },
      [
        'value: spec.clusterIPs[0] is "127.0.0.1": a loopback address, which no Service can use; write a routable one',
        'value: spec.clusterIPs[1] is "ff02::1": a multicast address, which no Service can use; write a routable one',
      ],
    ],
    [
      'when its two addresses are of one family, and no word about families',
      { spec: { clusterIPs: ['10.96.0.10', '10.96.0.11'], ipFamilies: undefined } },
      ['value: spec.clusterIPs[1] is "10.96.0.11": the second IPv4 address; write one of each family'],
    ],
    [
      'when ipFamilies is not what it should be',
      { spec: { ipFamilies: ['IPv4', 'IPv5', 'IPv4'] } },
      [
        'value: spec.ipFamilies[1] is "IPv5": not an IP family; write IPv4 or IPv6',
        'value: spec.ipFamilies[2] is "IPv4": the second of the same family; write each family once',
      ],
    ],
    [
      'when its ports are out of range or missing',
      { spec: { ports: [{ name: 'a', port: 70000 }, { name: 'b' }, { name: 'c', port: -1 }] } },
      [
        'value: spec.ports[0].port is 70000: not a port; write a whole number from 1 to 65535',
        'value: spec.ports[1].port is missing: not a port; write a whole number from 1 to 65535',
        'value: spec.ports[2].port is -1: not a port; write a whole number from 1 to 65535',
      ],
    ],
    [
      'when a port is there twice',
      {
        spec: {
          ports: [
            { name: 'a', port: 80 },
            { name: 'a', port: 81 },
            { name: 'b', port: 80 },
          ],
        },
      },
      [
        'value: spec.ports[1].name is "a": the second TCP port of that name; give each port of the Service its own name',
        'value: spec.ports[2].port is 80: the second TCP port of that number; leave one out',
      ],
    ],
    [
      'when a protocol is none of Services, whatever its case',
      {
        spec: {
          ports: [
            { name: 'a', port: 80, protocol: 'HTTP' },
            { name: 'b', port: 81, protocol: 'tcp' },
          ],
        },
      },
      [
        'value: spec.ports[0].protocol is "HTTP": not a protocol of Services; write TCP, UDP or SCTP',
        'value: spec.ports[1].protocol is "tcp": not a protocol of Services; write TCP, UDP or SCTP',
      ],
    ],
    [
      'when affinity, policy and type are words nobody knows',
      { spec: { sessionAffinity: 'Cookie', internalTrafficPolicy: 'local', type: 'Clusterip' } },
      [
        'value: spec.type is "Clusterip": not a type of Services; write ClusterIP, NodePort, LoadBalancer or ExternalName',
        'value: spec.sessionAffinity is "Cookie": not a kind of affinity; write None or ClientIP',
        'value: spec.internalTrafficPolicy is "local": not a policy; write Cluster or Local',
      ],
    ],
    [
      'when affinity is longer than a day',
      { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } } },
      [
        'value: spec.sessionAffinityConfig.clientIP.timeoutSeconds is 86401: out of range; write seconds from 1 to 86400',
      ],
    ],
    [
      'when its name is none of Kubernetes',
      { metadata: { name: 'Web/x', namespace: '..' } },
      [
        'value: metadata.name is "Web/x": not a name of a Kubernetes object; write lower-case letters, digits, "-" and ".", at most 253',
        'value: metadata.namespace is "..": not a name of a Kubernetes object; write lower-case letters, digits, "-" and ".", at most 253',
      ],
    ],
    [
      'when its age is none',
      { metadata: { creationTimestamp: 'yesterday' } },
      ['value: metadata.creationTimestamp is "yesterday": not a time; write it as "2026-11-20T18:27:00Z"'],
    ],
    [
      'when fields have the wrong type, all of them told at once',
      { spec: { ports: 'http', clusterIPs: '10.96.0.10', type: ['ClusterIP'], sessionAffinity: true } },
      [
        'shape: spec.type is a list; write a text',
        'shape: spec.clusterIPs is the text "10.96.0.10"; write a list',
        'shape: spec.ports is the text "http"; write a list',
        'shape: spec.sessionAffinity is the boolean true; a text is needed: put it in quotes',
      ],
    ],
    [
      'when a port is a text or broken',
      { spec: { ports: [{ port: '80' }, { port: 80.5 }, null] } },
      [
        'shape: spec.ports[0].port is the text "80"; write a number, without quotes',
        'shape: spec.ports[1].port is the number 80.5; write a whole number, without quotes',
        'shape: spec.ports[2] is empty; write a map (lines of name: value)',
      ],
    ],
    ['when its name is missing', { metadata: { name: undefined } }, ['shape: metadata.name is missing; write a text']],
    [
      'when YAML made a boolean or a number of its name',
      { metadata: { name: true, namespace: 123 } },
      [
        'shape: metadata.name is the boolean true; a text is needed: put it in quotes',
        'shape: metadata.namespace is the number 123; a text is needed: put it in quotes',
      ],
    ],
  ];
  for (const [sentence, service, expected] of rows) {
    it(sentence, () => {
      const projection = projectService(written(service));
      assert.equal(projection.outcome, 'refused');
      assert.deepEqual(
        projection.problems.map((problem) => `${problem.class}: ${problem.message}`),
        expected,
      );
    });
  }

  it('and keeps its name, so that what was known of it can stay', () => {
    assert.equal(projectService(written({ spec: { clusterIP: 'x' } })).name, 'demo/web');
    assert.equal(projectService(written({ spec: { ports: 'x' } })).name, 'demo/web');
    assert.equal(projectService(written({ metadata: { name: 7 } })).name, undefined);
  });

  for (const raw of [
    undefined,
    null,
    7,
    'text',
    [],
    {},
    { metadata: null },
    { metadata: [] },
    { metadata: { name: {} } },
  ]) {
    it(`when it is ${JSON.stringify(raw)}`, () => {
      const projection = projectService(raw);
      assert.equal(projection.outcome, 'refused');
      assert.ok(projection.problems.length > 0 && projection.problems.every((problem) => problem.class === 'shape'));
    });
  }
});

describe('a Service is a fact with a warning', () => {
  it('when clusterIP and clusterIPs[0] differ: the list counts', () => {
    const projection = projectService(written({ spec: { clusterIP: '10.96.0.11' } }));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact, fact);
    assert.deepEqual(
      projection.warnings.map((warning) => warning.message),
      ['spec.clusterIP is "10.96.0.11": not spec.clusterIPs[0] "10.96.0.10", which counts; write the same in both'],
    );
  });
});
