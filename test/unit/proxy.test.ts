/** The data plane over a change of the configuration, whatever is under way when it comes. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { Proxy } from '../../src/cli/proxy.ts';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import { opText } from '../../src/model/text.ts';
import { operations } from '../../src/reconcile/plan.ts';
import { address, deleteService, service, setService, setSlice, slice, synced, tuning } from '../support/cluster.ts';
import { configured } from '../support/configured.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../support/faults.ts';

const [web, sed] = [
  service('default/web'),
  service('default/sed', { vips: ['10.96.0.11'], tuning: tuning({ scheduler: 'sed' }) }),
];

interface Scene {
  readonly kernel: FakeKernel;
  readonly proxy: Proxy;
  readonly planned: string[];
  /** When a pass was done. */
  readonly passed: () => Promise<unknown>;
  readonly end: () => Promise<void>;
}

/** A proxy that was told the events, and has done its first pass. */
async function running(...events: readonly ClusterEvent[]): Promise<Scene> {
  const kernel = new FakeKernel({ faults: noFaults });
  const told = new EventEmitter();
  const abort = new AbortController();
  const planned: string[] = [];
  const proxy = new Proxy(
    configured('run'),
    kernel,
    {
      onStart: () => {},
      onPlan: (plan) => planned.push(...operations(plan).map(opText)),
      onApplied: () => {},
      onPass: () => {
        told.emit('pass');
      },
      onScrub: () => {},
      onError: (error) => assert.fail(String(error)),
    },
    abort.signal,
  );
  for (const event of [...events, ...synced]) proxy.apply(event);
  const ended = proxy.run();
  const passed = () => once(told, 'pass');
  await passed();
  planned.length = 0;
  const end = () => {
    abort.abort();
    return ended;
  };
  return { kernel, proxy, planned, passed, end };
}

test('a change that one configuration took and did not finish is finished by the next one', async () => {
  const { kernel, proxy, planned, passed, end } = await running(
    setService(web),
    setSlice(slice('default/web', ['10.244.0.1'])),
  );

  // comes while the pass before asks the kernel for the scheduler of the new Service
  const schedulers = kernel.schedulers.bind(kernel);
  kernel.schedulers = async (names) => {
    kernel.schedulers = schedulers;
    proxy.rewish(configured('run --scheduler wlc'));
    return schedulers(names);
  };
  proxy.apply(setService(sed));
  const services = () => [...kernel.table().values()].map(({ service: { id, scheduler } }) => `${id} ${scheduler}`);
  while (services().length < 2) await passed();
  assert.deepEqual(services(), ['10.96.0.10:80/TCP wlc', '10.96.0.11:80/TCP sed']);
  assert.deepEqual(
    planned.filter((line) => /^-D|^-d|^-e|-s rr/.test(line)),
    [],
  );
  assert.deepEqual(proxy.standing().missingSchedulers, []);
  assert.ok(kernel.holds(address('10.96.0.11')));
  await end();
});

test('what was ours under one configuration is so under the next, also when its marks are gone', async () => {
  const { kernel, proxy, passed, end } = await running(setService(web));
  kernel.run('-A -t 192.0.2.1:80 -s rr');
  kernel.run('nft flush ruleset');
  for (const line of ['ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'ip link delete kube-ipvs0']) kernel.run(line);
  proxy.rewish(configured('run --scheduler wlc'));
  proxy.rewish(configured('run --scheduler lc'));
  proxy.apply(deleteService('default/web'));
  await passed();
  assert.deepEqual([...kernel.table().keys()], ['192.0.2.1:80/TCP']);
  await end();
});
