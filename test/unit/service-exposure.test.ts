/** How a Service can be reached from outside, and what it asks by annotation: Service → fact. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from '../../src/model/cluster.ts';
import { projectService } from '../../src/watch/service-projection.ts';
import { cidr } from '../support/cluster.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A dual-stack Service of one port. */
function written(spec: Fields, ingress: readonly Fields[] = [], annotations: Fields = {}): object {
  return {
    metadata: { name: 'web', namespace: 'demo', annotations },
    spec: {
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
      ...spec,
    },
    status: { loadBalancer: { ingress } },
  };
}

function factOf(object: object): Service {
  const projection = projectService(object);
  assert.deepEqual(projection.problems, []);
  assert.ok(projection.outcome === 'fact');
  return projection.fact;
}

const v4Only = { clusterIPs: ['10.96.0.10'] };

describe('a Service is reached from outside', () => {
  const ingress = [
    { ip: '203.0.113.9', ipMode: 'VIP' },
    { ip: '203.0.113.8', ipMode: 'Proxy' },
    { hostname: 'lb.example' },
    { ip: '2001:DB8::0009' },
    { ip: '203.0.113.9' },
    { ip: '', ipMode: null },
  ];
  const rows: readonly (readonly [string, Fields, Fields])[] = [
    ['not at all with type ClusterIP, whatever is left of NodePorts and load balancers', { type: 'ClusterIP' }, {}],
    [
      'nor without a type',
      { externalTrafficPolicy: 'Local', healthCheckNodePort: 32000, loadBalancerSourceRanges: ['10.0.0.0/8'] },
      {},
    ],
    ['at a NodePort', { type: 'NodePort' }, { ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }] }],
    [
      'at a NodePort with the policy Local, without health checks and source ranges',
      {
        type: 'NodePort',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32000,
        loadBalancerSourceRanges: ['10.0.0.0/8'],
      },
      { ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }], externalTrafficPolicy: 'Local' },
    ],
    [
      'at no NodePort where a load balancer needs none',
      { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 0 }] },
      {
        ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: undefined }],
        loadBalancerIPs: ['203.0.113.9', '2001:db8::9'],
      },
    ],
    [
      'at external IPs with the policy Local, even with type ClusterIP',
      {
        type: 'ClusterIP',
        externalIPs: ['203.0.113.7', '2001:DB8::7', '203.0.113.7'],
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32000,
      },
      { externalIPs: ['203.0.113.7', '2001:db8::7'], externalTrafficPolicy: 'Local' },
    ],
    [
      'at external IPs of the families of its cluster IPs only',
      { ...v4Only, externalIPs: ['2001:db8::7', '203.0.113.7'] },
      { clusterIPs: ['10.96.0.10'], externalIPs: ['203.0.113.7'] },
    ],
    [
      'at IPs of a load balancer of the families of its cluster IPs only',
      { ...v4Only, type: 'LoadBalancer', ports: [{ port: 80 }] },
      {
        clusterIPs: ['10.96.0.10'],
        ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: undefined }],
        loadBalancerIPs: ['203.0.113.9'],
      },
    ],
    [
      'at a load balancer with health checks where the policy is Local',
      { type: 'LoadBalancer', ports: [], externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 },
      {
        ports: [],
        loadBalancerIPs: ['203.0.113.9', '2001:db8::9'],
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32000,
      },
    ],
    [
      'at a load balancer without health checks where the policy is Cluster',
      { type: 'LoadBalancer', ports: [], externalTrafficPolicy: 'Cluster', healthCheckNodePort: 32000 },
      { ports: [], loadBalancerIPs: ['203.0.113.9', '2001:db8::9'] },
    ],
  ];
  for (const [sentence, spec, expected] of rows) {
    it(sentence, () => {
      const { name: _name, uid: _uid, createdAt: _age, tuning: _tuning, ...fact } = factOf(written(spec, ingress));
      assert.deepEqual(fact, {
        clusterIPs: ['10.96.0.10', 'fd00:96::10'],
        ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: undefined }],
        affinityTimeout: undefined,
        internalTrafficPolicy: 'Cluster',
        externalTrafficPolicy: 'Cluster',
        externalIPs: [],
        loadBalancerIPs: [],
        sourceRanges: [],
        healthCheckNodePort: undefined,
        ...expected,
      });
    });
  }

  const ranges: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['everybody without a word', [], []],
    ['those of both families, with spaces around', [' 10.0.0.0/8 ', 'FD00::/8'], ['10.0.0.0/8', 'fd00::/8']],
    ['with host bits cleared', ['10.1.2.3/8'], ['10.0.0.0/8']],
    ['everybody of a family with a /0', ['10.0.0.0/8', '0.0.0.0/0', 'fd00::/8'], ['fd00::/8']],
    ['everybody of both with two', ['::/0', '0.0.0.0/0', 'fd00::/8'], []],
  ];
  for (const [sentence, texts, expected] of ranges) {
    it(`by ${sentence}`, () => {
      const { sourceRanges } = factOf(written({ type: 'LoadBalancer', loadBalancerSourceRanges: texts }));
      assert.deepEqual(sourceRanges, expected.map(cidr));
    });
  }

  it('by those of its own families only', () => {
    const spec = { ...v4Only, type: 'LoadBalancer', loadBalancerSourceRanges: ['fd00::/8', '10.0.0.0/8'] };
    assert.deepEqual(factOf(written(spec)).sourceRanges, [cidr('10.0.0.0/8')]);
  });
});

describe('a Service that is reached from outside is refused', () => {
  const rows: readonly (readonly [string, Fields, readonly Fields[], readonly string[]])[] = [
    [
      'when an external IP is none',
      { externalIPs: ['203.0.113.7', '203.0.113.300'] },
      [],
      [
        'spec.externalIPs[1] is "203.0.113.300": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
      ],
    ],
    [
      'when a load balancer’s IP is none, or its mode',
      { type: 'LoadBalancer' },
      [{ ip: 'x' }, { ip: '203.0.113.9', ipMode: 'vip' }],
      [
        'status.loadBalancer.ingress[0].ip is "x": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
        'status.loadBalancer.ingress[1].ipMode is "vip": not a mode; write VIP or Proxy',
      ],
    ],
    [
      'when a source range is none',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', '10.0.0.1'] },
      [],
      [
        'spec.loadBalancerSourceRanges[1] is "10.0.0.1": not a network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
      ],
    ],
    [
      'when its policy is none',
      { externalTrafficPolicy: 'local' },
      [],
      ['spec.externalTrafficPolicy is "local": not a policy; write Cluster or Local'],
    ],
    [
      'when a NodePort is none, or there twice',
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 80, nodePort: 70000 },
          { name: 'b', port: 81, nodePort: 30000 },
          { name: 'c', port: 82, nodePort: 30000 },
          { name: 'd', port: 82, nodePort: 30000, protocol: 'UDP' },
        ],
      },
      [],
      [
        'spec.ports[0].nodePort is 70000: not a port; write a whole number from 1 to 65535',
        'spec.ports[2].nodePort is 30000: the second TCP port with that NodePort; leave one out',
      ],
    ],
    [
      'when its health check port is none',
      { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: -1 },
      [],
      ['spec.healthCheckNodePort is -1: not a port; write a whole number from 1 to 65535'],
    ],
  ];
  for (const [sentence, spec, ingress, expected] of rows) {
    it(sentence, () => {
      const projection = projectService(written(spec, ingress));
      assert.equal(projection.outcome, 'refused');
      assert.deepEqual(
        projection.problems.map(({ message }) => message),
        expected,
      );
      assert.ok(projection.problems.every((problem) => problem.class === 'value'));
    });
  }

  it('and not when an external IP is one that no packet is routed to, as an API server takes: that IP is left out, with a warning', () => {
    const projection = projectService(written({ externalIPs: ['239.1.1.1', '203.0.113.9'] }));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact.externalIPs, ['203.0.113.9']);
    assert.deepEqual(
      projection.warnings.map(({ message }) => message),
      ['spec.externalIPs[0] is "239.1.1.1": a multicast address, which no Service can use; write a routable one'],
    );
  });

  it('and not when a load balancer’s IP is one that no packet is routed to: that IP is left out, with a warning', () => {
    const projection = projectService(written({ type: 'LoadBalancer' }, [{ ip: '127.0.0.1' }, { ip: '203.0.113.9' }]));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact.loadBalancerIPs, ['203.0.113.9']);
    assert.deepEqual(
      projection.warnings.map(({ message }) => message),
      [
        'status.loadBalancer.ingress[0].ip is "127.0.0.1": a loopback address, which no Service can use; write a routable one',
      ],
    );
  });

  it('nor when a load balancer’s IP is an IPv4 link-local one: clients on the link reach it', () => {
    const projection = projectService(written({ type: 'LoadBalancer' }, [{ ip: '169.254.7.9' }]));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual([projection.fact.loadBalancerIPs, projection.warnings], [['169.254.7.9'], []]);
  });
});
