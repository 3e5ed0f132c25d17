/** The data plane over a change of the configuration, whatever is under way when it comes. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { Proxy } from '../../src/cli/proxy.ts';
import { opText } from '../../src/model/text.ts';
import { operations } from '../../src/reconcile/plan.ts';
import { address, service, setService, setSlice, slice, synced, tuning } from '../support/cluster.ts';
import { configured } from '../support/configured.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../../src/kernel/faults.ts';

const [web, sed] = [
  service('default/web'),
  service('default/sed', { vips: ['10.96.0.11'], tuning: tuning({ scheduler: 'sed' }) }),
];

test('a change that one configuration took and did not finish is finished by the next one', async () => {
  const kernel = new FakeKernel({ faults: noFaults });
  const told = new EventEmitter();
  const end = new AbortController();
  const planned: string[] = [];
  const proxy = new Proxy(
    configured('run'),
    kernel,
    {
      onStart: () => {},
      onPlan: (plan) => planned.push(...operations(plan).map(opText)),
      onPass: () => {
        told.emit('pass');
      },
      onScrub: () => {},
      onError: (error) => assert.fail(String(error)),
    },
    end.signal,
  );
  for (const event of [setService(web), setSlice(slice('default/web', ['10.244.0.1'])), ...synced]) proxy.apply(event);
  const ended = proxy.run();
  await once(told, 'pass');
  planned.length = 0;

  // comes while the pass before asks the kernel for the scheduler of the new Service
  const schedulers = kernel.schedulers.bind(kernel);
  kernel.schedulers = async (names) => {
    kernel.schedulers = schedulers;
    proxy.rewish(configured('run --scheduler wlc'));
    return schedulers(names);
  };
  proxy.apply(setService(sed));
  const services = () => [...kernel.table().values()].map(({ service: { id, scheduler } }) => `${id} ${scheduler}`);
  while (services().length < 2) await once(told, 'pass');
  assert.deepEqual(services(), ['10.96.0.10:80/TCP wlc', '10.96.0.11:80/TCP sed']);
  assert.deepEqual(
    planned.filter((line) => /^-D|^-d|^-e|-s rr/.test(line)),
    [],
  );
  assert.deepEqual(proxy.standing().missingSchedulers, []);
  assert.ok(kernel.holds(address('10.96.0.11')));
  end.abort();
  await ended;
});
