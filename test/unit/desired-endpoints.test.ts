/** Endpoint choice for a ClusterIP: every case of policies, readiness and hints. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, chooseEndpoints, endpointsFor } from '../../src/desired/endpoints.ts';
import type { Endpoint, EndpointSlice } from '../../src/model/cluster.ts';
import { endpoint, port, slice } from '../support/cluster.ts';

/** Endpoints are named by the last octet of their address. */
type Members = Readonly<Record<number, Partial<Endpoint>>>;

const here = { nodeName: 'node-a' } as const;
const notReady = { ready: false, serving: false } as const;
const leaving = { ready: false, serving: true, terminating: true } as const;
const gone = { ready: false, serving: false, terminating: true } as const;
/** Set by publishNotReadyAddresses: ready while it terminates. */
const readyAndLeaving = { ready: true, serving: true, terminating: true } as const;

function chosen(members: Members, policy: 'Cluster' | 'Local', zone?: string): number[] {
  const endpoints = Object.entries(members).map(([octet, fields]) => endpoint(`10.244.0.${octet}`, fields));
  const all = candidates([slice('default/a', endpoints)], port(80), 4);
  const locality = { name: 'node-a', zone };
  return endpointsFor(policy, chooseEndpoints(all, locality)).map(({ endpoint: one }) =>
    Number(one.address.split('.')[3]),
  );
}

const rows: readonly [what: string, members: Members, policy: 'Cluster' | 'Local', chosen: readonly number[]][] = [
  ['all ready endpoints take traffic', { 1: {}, 2: here }, 'Cluster', [1, 2]],
  ['an endpoint that is not ready takes none', { 1: {}, 2: notReady }, 'Cluster', [1]],
  [
    'an endpoint that is not ready and serves on, but does not terminate, takes none',
    { 1: { ready: false } },
    'Cluster',
    [],
  ],
  ['while one is ready, those that terminate take none', { 1: {}, 2: leaving }, 'Cluster', [1]],
  [
    'when none is ready, those that terminate and still serve do',
    { 1: leaving, 2: gone, 3: notReady, 4: leaving },
    'Cluster',
    [1, 4],
  ],
  [
    'an endpoint that is ready although it terminates counts as ready',
    { 1: readyAndLeaving, 2: leaving },
    'Cluster',
    [1],
  ],
  ['when none serves, none takes traffic', { 1: gone, 2: notReady }, 'Cluster', []],
  ['no endpoints, no destinations', {}, 'Cluster', []],
  ['Local takes the ready ones of this node', { 1: {}, 2: here, 3: here, 4: { nodeName: undefined } }, 'Local', [2, 3]],
  [
    'Local without endpoints here has no destinations, whatever others have',
    { 1: {}, 2: { nodeName: undefined } },
    'Local',
    [],
  ],
  [
    'Local takes those of this node that terminate, when none here is ready',
    { 1: {}, 2: { ...leaving, ...here } },
    'Local',
    [2],
  ],
  ['Local ignores those that terminate while one here is ready', { 1: here, 2: { ...leaving, ...here } }, 'Local', [1]],
  ['Local takes none of this node that are only gone', { 1: {}, 2: { ...gone, ...here } }, 'Local', []],
];

for (const [what, members, policy, wanted] of rows) {
  test(what, () => {
    assert.deepEqual(chosen(members, policy), wanted);
  });
}

const east = { zones: ['east'] } as const;
const west = { zones: ['west'] } as const;
const forUs = { nodes: ['node-a'] } as const;
const forThem = { nodes: ['node-b'] } as const;

const hints: readonly [
  what: string,
  members: Members,
  zone: string | undefined,
  policy: 'Cluster' | 'Local',
  chosen: readonly number[],
][] = [
  [
    "zone hints keep traffic in the node's zone",
    { 1: east, 2: west, 3: { zones: ['west', 'east'] } },
    'east',
    'Cluster',
    [1, 3],
  ],
  ['one endpoint without a zone hint disables them for all', { 1: east, 2: west, 3: {} }, 'east', 'Cluster', [1, 2, 3]],
  ['zone hints of which none is for this zone are ignored', { 1: west, 2: west }, 'east', 'Cluster', [1, 2]],
  ['a node without a zone ignores zone hints', { 1: east, 2: west }, undefined, 'Cluster', [1, 2]],
  [
    'a missing hint on an endpoint that is not ready does not matter',
    { 1: east, 2: west, 3: notReady },
    'east',
    'Cluster',
    [1],
  ],
  [
    'node hints come before zone hints',
    { 1: { ...forUs, ...west }, 2: { ...forThem, ...east } },
    'east',
    'Cluster',
    [1],
  ],
  [
    'one endpoint without a node hint leaves it to the zone hints',
    { 1: { ...forUs, ...west }, 2: east },
    'east',
    'Cluster',
    [2],
  ],
  [
    'node hints of which none is for this node leave it to the zone hints',
    { 1: { ...forThem, ...east }, 2: { ...forThem, ...west } },
    'east',
    'Cluster',
    [1],
  ],
  ['node hints need no zone', { 1: forUs, 2: forThem }, undefined, 'Cluster', [1]],
  [
    'hints do not hold back those that terminate, when none is ready',
    { 1: { ...leaving, ...west }, 2: { ...leaving, ...east } },
    'east',
    'Cluster',
    [1, 2],
  ],
  [
    'hints of those that terminate do not decide for the ready ones',
    { 1: {}, 2: { ...leaving, ...east } },
    'east',
    'Cluster',
    [1],
  ],
  ['hints do not filter Local', { 1: { ...here, ...west }, 2: { ...here, ...east } }, 'east', 'Local', [1, 2]],
];

for (const [what, members, zone, policy, wanted] of hints) {
  test(what, () => {
    assert.deepEqual(chosen(members, policy, zone), wanted);
  });
}

function idsOf(slices: readonly EndpointSlice[], wanted = port(80), family: 4 | 6 = 4): string[] {
  return candidates(slices, wanted, family).map(({ key }) => key.id);
}

test('endpoints of all slices of the family count, with the port of their slice', () => {
  const slices = [
    slice('default/a', ['10.244.0.1'], { port: 8080 }),
    slice('default/a', ['10.244.0.2'], { port: 9090 }),
    slice('default/a', ['fd00:244::1'], { port: 8080 }),
  ];
  assert.deepEqual(idsOf(slices), ['10.244.0.1:8080', '10.244.0.2:9090']);
  assert.deepEqual(idsOf(slices, port(80), 6), ['[fd00:244::1]:8080']);
});

test('a service port takes the slice port of its name and protocol', () => {
  const slices = [
    slice('default/a', ['10.244.0.1'], {
      ports: [
        { name: 'dns', protocol: 'UDP', port: 5353 },
        { name: 'dns', protocol: 'TCP', port: 5354 },
        { name: '', protocol: 'TCP', port: 8080 },
        { name: 'http', protocol: 'TCP', port: 8081 },
      ],
    }),
  ];
  assert.deepEqual(idsOf(slices, port(53, { name: 'dns', protocol: 'UDP' })), ['10.244.0.1:5353']);
  assert.deepEqual(idsOf(slices, port(53, { name: 'dns', protocol: 'TCP' })), ['10.244.0.1:5354']);
  assert.deepEqual(idsOf(slices, port(80)), ['10.244.0.1:8080']);
  assert.deepEqual(idsOf(slices, port(80, { name: 'metrics' })), []);
});

test('one slice port name on two numbers gives each endpoint twice', () => {
  const ports = [8080, 9090].map((number) => ({ name: '', protocol: 'TCP' as const, port: number }));
  assert.deepEqual(idsOf([slice('default/a', ['10.244.0.1'], { ports })]), ['10.244.0.1:8080', '10.244.0.1:9090']);
});

const repeated: readonly [what: string, first: Partial<Endpoint>, second: Partial<Endpoint>, ready: boolean][] = [
  ['of one ip:port in two slices the one that does not terminate wins', leaving, {}, true],
  ['of one ip:port in two slices a terminating one does not replace another', {}, leaving, true],
  ['of one ip:port in two slices the ready one wins, and not the later', {}, notReady, true],
  ['of one ip:port in two slices the ready one wins, and not the earlier', notReady, {}, true],
  ['of one ip:port in two slices the ready one wins, although it terminates', readyAndLeaving, notReady, true],
];

for (const [what, first, second, ready] of repeated) {
  test(what, () => {
    const slices = [first, second].map((fields) => slice('default/a', [endpoint('10.244.0.1', fields)]));
    const found = candidates(slices, port(80), 4);
    assert.deepEqual(
      found.map(({ endpoint: one }) => one.ready),
      [ready],
    );
  });
}
