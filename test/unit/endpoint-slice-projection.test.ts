/** EndpointSlice and Node → facts. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { projectEndpointSlice } from '../../src/watch/endpoint-slice-projection.ts';
import { projectNode } from '../../src/watch/node-projection.ts';

function slice(
  fields: Readonly<Record<string, unknown>> = {},
  labels: object = { 'kubernetes.io/service-name': 'web' },
): object {
  return {
    metadata: { name: 'web-abcde', namespace: 'demo', labels },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [endpoint()],
    ...fields,
  };
}

function endpoint(fields: object = {}): object {
  return {
    addresses: ['10.244.1.10'],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: 'node-a',
    ...fields,
  };
}

const fact = {
  address: '10.244.1.10',
  ready: true,
  serving: true,
  terminating: false,
  nodeName: 'node-a',
  zone: undefined,
  zones: [],
  nodes: [],
};

describe('an endpoint becomes a fact', () => {
  const rows: readonly (readonly [string, object, object])[] = [
    ['as an API server prints it', {}, fact],
    ['ready and serving when it has no conditions', { conditions: null }, fact],
    ['ready and serving when its conditions are unknown', { conditions: { ready: null } }, fact],
    [
      'serving but not ready while it terminates',
      { conditions: { ready: false, serving: true, terminating: true } },
      { ...fact, ready: false, terminating: true },
    ],
    ['serving when it is not ready and says no more', { conditions: { ready: false } }, { ...fact, ready: false }],
    ['on no node when it names none', { nodeName: undefined }, { ...fact, nodeName: undefined }],
    ['with the first of its addresses', { addresses: ['10.244.1.10', '10.244.1.11', 'nonsense'] }, fact],
    ['with an IPv4-mapped address as IPv4', { addresses: ['::ffff:10.244.1.10'] }, fact],
    ['with leading zeros read as decimal', { addresses: ['010.244.001.010'] }, fact],
    [
      'with its hints',
      { hints: { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'node-b' }] } },
      { ...fact, zones: ['a', 'b'], nodes: ['node-b'] },
    ],
    ['with the zone it is in, which is no hint', { zone: 'zone-a' }, { ...fact, zone: 'zone-a' }],
    ['without hints when they are empty', { hints: { forZones: null } }, fact],
  ];
  for (const [sentence, fields, expected] of rows) {
    it(sentence, () => {
      const projection = projectEndpointSlice(slice({ endpoints: [endpoint(fields)] }));
      assert.ok(projection.outcome === 'fact');
      assert.deepEqual(projection.fact.endpoints, [expected]);
      assert.deepEqual([projection.problems, projection.warnings], [[], []]);
    });
  }

  it('not at all when it has no address', () => {
    const projection = projectEndpointSlice(slice({ endpoints: [{ addresses: [] }, {}, endpoint()] }));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual([projection.fact.endpoints, projection.problems], [[fact], []]);
  });

  it('not when its address is bad or of the other family; the others of the slice stay', () => {
    const addresses = [['fd00::1'], ['10.0.0.256'], ['169.254.1.1'], ['10.244.1.10'], ['']];
    const projection = projectEndpointSlice(slice({ endpoints: addresses.map((one) => endpoint({ addresses: one })) }));
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact.endpoints, [fact]);
    assert.deepEqual(
      projection.problems.map((problem) => `${problem.class}: ${problem.message}`),
      [
        'value: endpoints[0].addresses[0] is "fd00::1": not an IPv4 address, which addressType says it is; put it into a slice of its own type',
        'value: endpoints[1].addresses[0] is "10.0.0.256": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
        'value: endpoints[2].addresses[0] is "169.254.1.1": a link-local address, which no Service can use; write a routable one',
        'value: endpoints[4].addresses[0] is "": not an IP address; write four numbers from 0 to 255, such as 10.96.0.10',
      ],
    );
  });
});

describe('the ports of a slice', () => {
  const rows: readonly (readonly [string, unknown, object])[] = [
    [
      'keep an empty name, which is that of an unnamed Service port',
      [{ name: '', port: 80 }],
      [{ name: '', protocol: 'TCP', port: 80 }],
    ],
    [
      'have an empty name when they have none, as an API server fills in',
      [{ port: 80 }, { name: null, port: 81, protocol: 'UDP' }],
      [
        { name: '', protocol: 'TCP', port: 80 },
        { name: '', protocol: 'UDP', port: 81 },
      ],
    ],
    ['are skipped without a number', [{ name: 'a' }, { name: 'b', port: null }, { name: 'c', port: 0 }], []],
    ['are none when there is no list', null, []],
    ['have their protocol', [{ name: 'a', port: 1, protocol: 'SCTP' }], [{ name: 'a', protocol: 'SCTP', port: 1 }]],
  ];
  for (const [sentence, ports, expected] of rows) {
    it(sentence, () => {
      const projection = projectEndpointSlice(slice({ ports }));
      assert.ok(projection.outcome === 'fact');
      assert.deepEqual([projection.fact.ports, projection.problems, projection.warnings], [expected, [], []]);
    });
  }
});

describe('a slice', () => {
  it('belongs to the Service of its label, in its own namespace', () => {
    const projection = projectEndpointSlice(slice());
    assert.ok(projection.outcome === 'fact');
    const { name, service, family } = projection.fact;
    assert.deepEqual([name, service, family], ['demo/web-abcde', 'demo/web', 4]);
  });

  const triggers: readonly (readonly [string, unknown, number | undefined])[] = [
    ['in the precision of its clock', '2026-11-20T18:27:00.123456789Z', 1_795_199_220_123],
    ['in another time zone', '2026-11-20T19:27:00+01:00', 1_795_199_220_000],
    ['nowhere when it is not told', undefined, undefined],
    ['nowhere when it is told as nothing', null, undefined],
    ['nowhere when it is told as no time', 'yesterday', undefined],
  ];
  for (const [sentence, time, expected] of triggers) {
    it(`has what led to it ${sentence}`, () => {
      const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': time };
      const labels = { 'kubernetes.io/service-name': 'web' };
      const metadata = { name: 'web-abcde', namespace: 'demo', labels, annotations };
      const projection = projectEndpointSlice(slice({ metadata }));
      assert.ok(projection.outcome === 'fact');
      assert.deepEqual([projection.fact.triggeredAt, projection.problems], [expected, []]);
    });
  }

  const foreign: readonly (readonly [string, object, string])[] = [
    ['without a Service', slice({}, {}), 'of no Service'],
    ['with an empty Service label', slice({}, { 'kubernetes.io/service-name': '' }), 'of no Service'],
    [
      'of a headless Service',
      slice({}, { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/headless': '' }),
      'headless',
    ],
    ['of host names', slice({ addressType: 'FQDN', endpoints: [endpoint({ addresses: ['example.com'] })] }), 'FQDN'],
  ];
  for (const [sentence, raw, reason] of foreign) {
    it(`${sentence} is not for us`, () => {
      const projection = projectEndpointSlice(raw);
      assert.ok(projection.outcome === 'notForUs');
      assert.deepEqual([projection.reason, projection.problems], [reason, []]);
    });
  }

  const refused: readonly (readonly [string, object, readonly string[]])[] = [
    [
      'of unknown addresses',
      { addressType: 'ipv4' },
      ['value: addressType is "ipv4": not a type of addresses; write IPv4 or IPv6'],
    ],
    [
      'of no type',
      { addressType: undefined },
      ['value: addressType is missing: not a type of addresses; write IPv4 or IPv6'],
    ],
    [
      'with bad ports',
      {
        ports: [
          { name: 'a', port: 65536 },
          { name: 'b', port: 1, protocol: 'HTTP' },
        ],
      },
      [
        'value: ports[0].port is 65536: not a port; write a whole number from 1 to 65535',
        'value: ports[1].protocol is "HTTP": not a protocol of Services; write TCP, UDP or SCTP',
      ],
    ],
    [
      'of another shape',
      { endpoints: { addresses: [] }, ports: [{ name: 1 }] },
      [
        'shape: ports[0].name is the number 1; a text is needed: put it in quotes',
        'shape: endpoints is a map; write a list',
      ],
    ],
    [
      'with endpoints of another shape',
      { endpoints: [endpoint({ addresses: '10.0.0.1', conditions: { ready: 'yes' }, hints: { forZones: ['a'] } })] },
      [
        'shape: endpoints[0].addresses is the text "10.0.0.1"; write a list',
        'shape: endpoints[0].conditions.ready is the text "yes"; write true or false, without quotes',
        'shape: endpoints[0].hints.forZones[0] is the text "a"; write a map (lines of name: value)',
      ],
    ],
  ];
  for (const [sentence, fields, expected] of refused) {
    it(`${sentence} is refused`, () => {
      const projection = projectEndpointSlice(slice({ ...fields }));
      assert.deepEqual([projection.outcome, projection.name], ['refused', 'demo/web-abcde']);
      assert.deepEqual(
        projection.problems.map((problem) => `${problem.class}: ${problem.message}`),
        expected,
      );
    });
  }
});

it('a slice that is refused says whose it is, as far as that can be read', () => {
  const labels = { 'kubernetes.io/service-name': 'web' };
  const metadata = { name: 'web-1', namespace: 'shop', labels };
  const rows: readonly (readonly [object, string | undefined])[] = [
    [{ metadata, addressType: 'IPv5' }, 'shop/web'],
    [{ metadata, addressType: 'IPv4', ports: 80 }, 'shop/web'],
    [{ metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 7 } }, addressType: 'IPv4' }, undefined],
  ];
  for (const [raw, service] of rows) {
    const projection = projectEndpointSlice(raw);
    assert.ok(projection.outcome === 'refused');
    assert.equal(projection.service, service);
  }
});

function node(fields: object = {}): object {
  return {
    metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'FD00:244:1::/64'] },
    status: {
      addresses: [
        { type: 'ExternalIP', address: '203.0.113.1' },
        { type: 'Hostname', address: 'node-a' },
        { type: 'InternalIP', address: '10.0.2.15' },
        { type: 'InternalIP', address: 'FD00::0015' },
      ],
    },
    ...fields,
  };
}

describe('a Node', () => {
  it('of our name is a fact: zone, then InternalIPs in front of ExternalIPs', () => {
    const projection = projectNode(node(), 'node-a');
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact, {
      name: 'node-a',
      zone: 'zone-a',
      addresses: ['10.0.2.15', 'fd00::15', '203.0.113.1'],
      podCIDRs: [
        { address: '10.244.1.0', prefix: 24 },
        { address: 'fd00:244:1::', prefix: 64 },
      ],
      eligible: true,
    });
  });

  it('has no zone, no addresses and no networks when it does not say', () => {
    const projection = projectNode({ metadata: { name: 'node-a' } }, 'node-a');
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact, { name: 'node-a', zone: undefined, addresses: [], podCIDRs: [], eligible: true });
  });

  const leaving: readonly (readonly [string, object])[] = [
    [
      'is not eligible while it is being deleted',
      { metadata: { name: 'node-a', deletionTimestamp: '2026-11-20T18:27:00Z' } },
    ],
    [
      'is not eligible once the cluster autoscaler will delete it',
      { spec: { taints: [{ key: 'other' }, { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } },
    ],
  ];
  for (const [sentence, fields] of leaving) {
    it(sentence, () => {
      const projection = projectNode(node(fields), 'node-a');
      assert.ok(projection.outcome === 'fact');
      assert.equal(projection.fact.eligible, false);
    });
  }

  it('stays eligible with any other taint', () => {
    const projection = projectNode(node({ spec: { taints: [{ key: 'node.kubernetes.io/unreachable' }] } }), 'node-a');
    assert.ok(projection.outcome === 'fact');
    assert.equal(projection.fact.eligible, true);
  });

  it('from before dual stack has the one network that it names', () => {
    const projection = projectNode(node({ spec: { podCIDR: '10.244.1.7/24' } }), 'node-a');
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact.podCIDRs, [{ address: '10.244.1.0', prefix: 24 }]);
  });

  it('with a bad network is refused', () => {
    const rows = [
      [{ podCIDR: '10.244.1.0' }, /^spec\.podCIDR is "10\.244\.1\.0": not a network; write ADDRESS\/PREFIX/],
      [{ podCIDRs: ['10.0.0.0/8', 'x/8'] }, /^spec\.podCIDRs\[1\] is "x\/8": not a network/],
    ] as const;
    for (const [spec, message] of rows) {
      const projection = projectNode(node({ spec }), 'node-a');
      assert.equal(projection.outcome, 'refused');
      assert.match(projection.problems[0]!.message, message);
    }
  });

  it('of another name is not for us, whatever it holds', () => {
    assert.equal(projectNode(node({ status: 'nonsense' }), 'node-b').outcome, 'notForUs');
  });

  it('with addresses that are none keeps the others, its zone and its networks', () => {
    const addresses = [
      { type: 'ExternalIP', address: '' },
      { type: 'InternalIP', address: 'node-a.example.com' },
      { type: 'InternalIP', address: '10.0.2.15' },
    ];
    const projection = projectNode(node({ status: { addresses } }), 'node-a');
    assert.ok(projection.outcome === 'fact');
    assert.deepEqual(projection.fact.addresses, ['10.0.2.15']);
    assert.equal(projection.fact.zone, 'zone-a');
    assert.equal(projection.fact.podCIDRs.length, 2);
    assert.deepEqual(projection.problems, []);
    assert.deepEqual(
      projection.warnings.map(({ message }) => message.replace(/: not an IP address; .*$/, '')),
      ['status.addresses[1].address is "node-a.example.com"', 'status.addresses[0].address is ""'],
    );
  });
});
