/** Passes until nothing can be done without waiting, as `reconcile --once` makes them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../src/reconcile/settle.ts';
import { NodeLoop } from '../support/node-loop.ts';
import { serving } from '../support/served-node.ts';

test('a virtual service that a dump left out is there all the same: it is read again at once, and nothing is left to do', async () => {
  const { kernel, store } = await serving('10.244.0.1', '10.244.0.2');
  // where a dump goes on, the kernel counts what other network namespaces have (ip_vs_genl_dump_services in ip_vs_ctl.c, 6.1)
  const services = kernel.services.bind(kernel);
  kernel.services = async () => {
    kernel.services = services;
    return [];
  };
  const { reconciler, clock } = new NodeLoop(kernel, store);
  const { applied, failures, blocked, open } = await settle(reconciler, clock.now);
  assert.deepEqual([applied, failures, blocked, open], [[], [], [], []]);
});
