/** What the daemon tells of its virtual services. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Op } from '../../src/model/op.ts';
import { port, service, setService, setSlice, slice, storeOf } from '../support/cluster.ts';
import { noFaults } from '../support/faults.ts';
import { serving, started, webSlice } from '../support/served-node.ts';

const rows: readonly (readonly [string, string, string])[] = [
  ['nothing', '', 'in sync: 10.244.0.1:8080 serving, 10.244.0.2:8080 serving'],
  [
    'a destination less',
    '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
    'pending: 10.244.0.1:8080 pending, 10.244.0.2:8080 serving',
  ],
  [
    'another weight',
    '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
    'pending: 10.244.0.1:8080 pending, 10.244.0.2:8080 serving',
  ],
  [
    'a destination more',
    '-a -t 10.96.0.10:80 -r 10.244.0.9:8080 -m -w 1',
    'pending: 10.244.0.1:8080 serving, 10.244.0.2:8080 serving, 10.244.0.9:8080 extra',
  ],
  [
    'a destination more that takes nothing new',
    '-a -t 10.96.0.10:80 -r 10.244.0.9:8080 -m -w 0',
    'in sync: 10.244.0.1:8080 serving, 10.244.0.2:8080 serving, 10.244.0.9:8080 draining',
  ],
  ['all of it', '-D -t 10.96.0.10:80', 'pending: 10.244.0.1:8080 pending, 10.244.0.2:8080 pending'],
];

for (const [what, line, expected] of rows) {
  it(`a virtual service of which somebody changed ${what} is told as it is, before the next look`, async () => {
    const { node, kernel } = await serving('10.244.0.1', '10.244.0.2');
    if (line !== '') kernel.run(line);
    const told = (await node.reconciler.view()).map(
      ({ state, destinations }) => `${state}: ${destinations.map((one) => `${one.id} ${one.state}`).join(', ')}`,
    );
    assert.deepEqual(told, [expected]);
  });
}

it('a virtual service of ours that nobody wants is told until it is gone, and none of others', async () => {
  const { node, kernel } = await serving('10.244.0.1');
  for (const line of ['-A -t 10.96.0.10:81 -s rr', '-A -t 192.0.2.1:81 -s rr']) kernel.run(line);
  await node.scrub(0);
  const told = async () => (await node.reconciler.view()).map(({ id, owner }) => `${id} ${owner}`);
  assert.deepEqual(await told(), ['10.96.0.10:80/TCP default/web', '10.96.0.10:81/TCP undefined']);
  await node.rest();
  assert.deepEqual(await told(), ['10.96.0.10:80/TCP default/web']);
});

it('a virtual service that the kernel refuses is told as failing', async () => {
  const refused = { kind: 'refused', errno: 'ENOMEM' } as const;
  const faults = { ...noFaults, ofOperation: ({ kind }: Op) => (kind === 'service' ? refused : undefined) };
  const { node } = started(storeOf(setService(service('default/web'))), { faults });
  await node.verify();
  await node.spend(1);
  assert.deepEqual(
    (await node.reconciler.view()).map(({ id, state }) => [id, state]),
    [['10.96.0.10:80/TCP', 'failing']],
  );
});

it('a destination that drains is told with how long it has', async () => {
  const { node, store } = await serving('10.244.0.1', '10.244.0.2');
  store.apply(webSlice('10.244.0.1'));
  await node.rest();
  node.clock.pass(3_000);
  const [one] = await node.reconciler.view();
  assert.deepEqual(
    one?.destinations.map(({ state, drainingFor }) => [state, drainingFor]),
    [
      ['serving', undefined],
      ['draining', 3_000],
    ],
  );
});

it('virtual services are told by address, port and protocol, and are counted with their destinations', async () => {
  const ports = [port(443), port(53), port(53, { name: 'dns', protocol: 'UDP' })];
  const store = storeOf(
    setService(service('default/b', { vips: ['10.96.0.3'] })),
    setService(service('default/a', { vips: ['10.96.0.20'], ports })),
    setSlice(slice('default/b', ['10.244.0.2', '10.244.0.1'])),
  );
  const { node } = started(store);
  await node.converge();
  const ids = (await node.reconciler.view()).map(({ id }) => id);
  assert.deepEqual(ids, ['10.96.0.20:53/TCP', '10.96.0.20:53/UDP', '10.96.0.20:443/TCP', '10.96.0.3:80/TCP']);
  assert.deepEqual(node.reconciler.size(), { virtualServices: 4, destinations: 2 });
});
