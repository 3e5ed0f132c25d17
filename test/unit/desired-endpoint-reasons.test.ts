/** Why endpoints take traffic or not: every reason of policies, readiness and hints. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointReasons } from '../../src/desired/endpoint-reasons.ts';
import { candidates } from '../../src/desired/endpoints.ts';
import type { Endpoint } from '../../src/model/cluster.ts';
import { endpoint, port, slice } from '../support/cluster.ts';

const here = { nodeName: 'node-a' } as const;
const notReady = { ready: false, serving: false } as const;
const leaving = { ready: false, serving: true, terminating: true } as const;
const gone = { ready: false, serving: false, terminating: true } as const;
const east = { zones: ['east'] } as const;
const west = { zones: ['west'] } as const;
const forUs = { nodes: ['node-a'] } as const;
const forThem = { nodes: ['node-b'] } as const;

type Row = readonly [
  what: string,
  policy: 'Cluster' | 'Local',
  members: readonly Partial<Endpoint>[],
  reasons: readonly string[],
];

const rows: readonly Row[] = [
  ['ready ones are taken, others not', 'Cluster', [{}, notReady], ['+ready', '-not ready']],
  ['who is gone is told from who is not ready', 'Cluster', [gone, notReady, {}], ['-gone', '-not ready', '+ready']],
  ['while one is ready those that terminate are not needed', 'Cluster', [{}, leaving], ['+ready', '-terminating']],
  ['where none is ready they are the last resort', 'Cluster', [leaving, gone], ['+last resort', '-gone']],
  [
    'zone hints choose, and leave others out',
    'Cluster',
    [east, west],
    ['+hinted for this zone', '-hinted for other zones'],
  ],
  [
    'node hints go before zone hints',
    'Cluster',
    [
      { ...east, ...forUs },
      { ...east, ...forThem },
    ],
    ['+hinted for this node', '-hinted for other nodes'],
  ],
  ['hints that one lacks count for none', 'Cluster', [east, west, {}], ['+ready', '+ready', '+ready']],
  [
    'hints that only one lacks that is not ready choose all the same',
    'Cluster',
    [east, notReady, leaving],
    ['+hinted for this zone', '-not ready', '-terminating'],
  ],
  ['hints for nobody here count for none', 'Cluster', [west, west], ['+ready', '+ready']],
  [
    'Local leaves out other nodes, whatever the hints',
    'Local',
    [{ ...here, ...west }, { ...east }, { nodeName: undefined, ...east }],
    ['+ready', '-on another node', '-on another node'],
  ],
  [
    'Local takes those here that terminate as the last resort',
    'Local',
    [{ ...leaving, ...here }, leaving, {}],
    ['+last resort', '-on another node', '-on another node'],
  ],
  [
    'Local leaves out those here that terminate while one here is ready',
    'Local',
    [{ ...leaving, ...here }, here],
    ['-terminating', '+ready'],
  ],
  ['of one that is not ready it matters not where it is', 'Local', [notReady, here], ['-not ready', '+ready']],
];

for (const [what, policy, members, reasons] of rows) {
  test(what, () => {
    const endpoints = members.map((fields, i) => endpoint(`10.244.0.${i + 1}`, fields));
    const all = candidates([slice('default/a', endpoints)], port(80), 4);
    const found = endpointReasons(policy, all, { name: 'node-a', zone: 'east' });
    assert.deepEqual(
      found.map(({ taken, because }) => `${taken ? '+' : '-'}${because}`),
      reasons,
    );
  });
}
