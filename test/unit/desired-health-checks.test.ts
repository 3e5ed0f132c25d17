/** What health-check ports tell and where, and which Services lack local endpoints. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthCheckAddresses, healthCheckOf } from '../../src/desired/health-checks.ts';
import { LocalPolicyCount, localPolicyGaps } from '../../src/desired/local-policy-gaps.ts';
import type { Endpoint, Service } from '../../src/model/cluster.ts';
import { address, cidr, endpoint, factsOf, port, service, slice } from '../support/cluster.ts';

const here = { nodeName: 'node-a' } as const;
const leaving = { ready: false, serving: true, terminating: true } as const;
const web = service('default/web', {
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 32_000,
  ports: [port(80, { nodePort: 30_080 })],
});

function count(members: readonly Endpoint[], of: Service = web): unknown {
  return healthCheckOf(of, [slice('default/web', members)], 'node-a')?.localEndpoints.get(4);
}

test('a Service without a health-check port tells nothing', () => {
  const plain = service('default/web', { externalTrafficPolicy: 'Local' });
  assert.equal(healthCheckOf(plain, [slice('default/web', [endpoint('10.244.0.1', here)])], 'node-a'), undefined);
});

test('the Service, its port and the count of every family that it has an address of', () => {
  const dual = { ...web, clusterIPs: [address('10.96.0.10'), address('fd00::10')] };
  const slices = [
    slice('default/web', [endpoint('10.244.0.1', here), endpoint('10.244.0.2', here)]),
    slice('default/web', [endpoint('fd01::1', here)], { name: 'default/web-2' }),
  ];
  assert.deepEqual(healthCheckOf(dual, slices, 'node-a'), {
    service: 'default/web',
    port: 32_000,
    localEndpoints: new Map([
      [4, 2],
      [6, 1],
    ]),
  });
  assert.deepEqual(
    healthCheckOf(web, slices, 'node-a')?.localEndpoints,
    new Map([[4, 2]]),
    'a family without a cluster IP has no port',
  );
});

test('an address that is kept counts in its family, and once', () => {
  const dual = { ...web, clusterIPs: [address('10.96.0.10'), address('fd00::10')] };
  const slices = [slice('default/web', [endpoint('10.244.0.1', here)])];
  const kept = new Set(['10.244.0.1', '10.244.0.9', 'fd01::9'].map(address));
  assert.deepEqual(
    [...healthCheckOf(dual, slices, 'node-a', kept)!.localEndpoints],
    [
      [4, 2],
      [6, 1],
    ],
  );
});

test('no endpoints count as none', () => {
  assert.deepEqual(healthCheckOf(web, [], 'node-a')?.localEndpoints, new Map([[4, 0]]));
});

const rows: readonly [what: string, fields: Partial<Endpoint>, counted: number][] = [
  ['a ready endpoint of this node counts', here, 1],
  ['one of another node does not', { nodeName: 'node-b' }, 0],
  ['one of no node does not', { nodeName: undefined }, 0],
  ['one that is not ready does not', { ...here, ready: false }, 0],
  ['one that terminates does not, though it serves', { ...here, ...leaving }, 0],
  ['one that publishes itself as ready while it terminates does', { ...here, terminating: true }, 1],
];

for (const [what, fields, counted] of rows) {
  test(what, () => assert.equal(count([endpoint('10.244.0.1', fields)]), counted));
}

test('an address counts once, however many ports and slices name it', () => {
  const twoPorts = { ...web, ports: [port(80, { name: 'http' }), port(443, { name: 'https' })] };
  const ports = [
    { name: 'http', protocol: 'TCP', port: 8080 },
    { name: 'https', protocol: 'TCP', port: 8443 },
  ] as const;
  const members = [endpoint('10.244.0.1', here), endpoint('10.244.0.2', here)];
  const slices = [
    slice('default/web', members, { ports }),
    slice('default/web', [members[0]!], { name: 'default/web-2', ports: [ports[1]] }),
  ];
  assert.deepEqual(healthCheckOf(twoPorts, slices, 'node-a')?.localEndpoints, new Map([[4, 2]]));
});

test('an endpoint that is ready for one port only counts', () => {
  const twoPorts = { ...web, ports: [port(80, { name: 'http' }), port(443, { name: 'https' })] };
  const slices = [
    slice('default/web', [endpoint('10.244.0.1', { ...here, ready: false })], {
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    }),
    slice('default/web', [endpoint('10.244.0.1', here)], {
      name: 'default/web-2',
      ports: [{ name: 'https', protocol: 'TCP', port: 8443 }],
    }),
  ];
  assert.deepEqual(healthCheckOf(twoPorts, slices, 'node-a')?.localEndpoints, new Map([[4, 1]]));
});

const nodeA = factsOf(['127.0.0.1 lo', '192.0.2.10', '10.0.0.10 eth1', '::1 lo', '2001:db8::10', 'fe80::10'], {
  addresses: [address('192.0.2.10'), address('2001:db8::10')],
});

const places: readonly [wanted: 'primary' | readonly string[], listened: readonly string[]][] = [
  [[], ['0.0.0.0', '::']],
  [['0.0.0.0/0'], ['0.0.0.0', '::']],
  [['10.0.0.0/8'], ['10.0.0.10', '::']],
  [
    ['10.0.0.0/8', '::/0'],
    ['10.0.0.10', '::'],
  ],
  [
    ['127.0.0.0/8', '192.0.2.0/24', '2001:db8::/32', 'fe80::/10'],
    ['127.0.0.1', '192.0.2.10', '2001:db8::10'],
  ],
  [['127.0.0.0/8'], ['0.0.0.0', '::']],
  [
    ['198.51.100.0/24', '2001:db8:1::/48'],
    ['0.0.0.0', '::'],
  ],
  ['primary', ['192.0.2.10', '2001:db8::10']],
];

for (const [wanted, listened] of places) {
  test(`with --nodeport-addresses ${wanted.toString() || 'unset'} they are at ${listened.join(', ')}`, () => {
    const policy = wanted === 'primary' ? wanted : wanted.map(cidr);
    assert.deepEqual(healthCheckAddresses(nodeA, policy), listened);
  });
}

test('"primary" of a node whose address is not known is everywhere', () => {
  assert.deepEqual(healthCheckAddresses(factsOf([]), 'primary'), ['0.0.0.0', '::']);
});

const nodePort = [port(80, { nodePort: 30_080 })];
const elsewhere = endpoint('10.244.1.1');
const gaps: readonly [
  what: string,
  fields: Partial<Service>,
  members: readonly Endpoint[],
  internal: readonly number[],
  external: readonly number[],
][] = [
  ['policies Cluster have none', { ports: nodePort }, [elsewhere], [], []],
  ['internal policy Local, endpoints elsewhere', { internalTrafficPolicy: 'Local' }, [elsewhere], [4], []],
  [
    'internal policy Local, one here',
    { internalTrafficPolicy: 'Local' },
    [elsewhere, endpoint('10.244.0.1', here)],
    [],
    [],
  ],
  [
    'internal policy Local, one here that still serves',
    { internalTrafficPolicy: 'Local' },
    [elsewhere, endpoint('10.244.0.1', { ...here, ...leaving })],
    [],
    [],
  ],
  [
    'internal policy Local, one here that is gone',
    { internalTrafficPolicy: 'Local' },
    [elsewhere, endpoint('10.244.0.1', { ...here, ...leaving, serving: false })],
    [4],
    [],
  ],
  [
    'nobody anywhere is no gap',
    { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local', ports: nodePort },
    [],
    [],
    [],
  ],
  [
    'one that is not ready elsewhere is no gap',
    { internalTrafficPolicy: 'Local' },
    [endpoint('10.244.1.1', { ready: false, serving: false })],
    [],
    [],
  ],
  [
    'one elsewhere that still serves is a gap',
    { internalTrafficPolicy: 'Local' },
    [endpoint('10.244.1.1', leaving)],
    [4],
    [],
  ],
  ['external policy Local with a NodePort', { externalTrafficPolicy: 'Local', ports: nodePort }, [elsewhere], [], [4]],
  [
    'external policy Local with an external IP',
    { externalTrafficPolicy: 'Local', externalIPs: [address('203.0.113.1')] },
    [elsewhere],
    [],
    [4],
  ],
  [
    'external policy Local with a load balancer',
    { externalTrafficPolicy: 'Local', loadBalancerIPs: [address('203.0.113.1')] },
    [elsewhere],
    [],
    [4],
  ],
  ['external policy Local while nothing external is there', { externalTrafficPolicy: 'Local' }, [elsewhere], [], []],
  [
    'both policies Local',
    { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local', ports: nodePort },
    [elsewhere],
    [4],
    [4],
  ],
];

for (const [what, fields, members, internal, external] of gaps) {
  test(`gaps: ${what}`, () => {
    const found = localPolicyGaps(service('default/web', fields), [slice('default/web', members)], 'node-a');
    assert.deepEqual(found, { internal, external });
  });
}

test('gaps are of a family', () => {
  const dual = service('default/web', { vips: ['10.96.0.10', 'fd00::10'], internalTrafficPolicy: 'Local' });
  const slices = [
    slice('default/web', [endpoint('10.244.0.1', here)]),
    slice('default/web', ['fd01::1'], { name: 'default/web-2' }),
  ];
  assert.deepEqual(localPolicyGaps(dual, slices, 'node-a'), { internal: [6], external: [] });
});

test('Services with a gap are counted as they come, change and go', () => {
  const count = new LocalPolicyCount();
  const counts = () =>
    (['internal', 'external'] as const).map((policy) => [count.count(policy, 4), count.count(policy, 6)]);
  count.set('default/web', { internal: [4, 6], external: [4] });
  count.set('default/api', { internal: [4], external: [] });
  assert.deepEqual(counts(), [
    [2, 1],
    [1, 0],
  ]);
  count.set('default/web', { internal: [4], external: [4] });
  count.set('default/web', { internal: [6], external: [] });
  count.set('default/api', { internal: [], external: [] });
  assert.deepEqual(counts(), [
    [0, 1],
    [0, 0],
  ]);
  count.set('default/web', undefined);
  count.set('default/web', undefined);
  assert.deepEqual(counts(), [
    [0, 0],
    [0, 0],
  ]);
});
