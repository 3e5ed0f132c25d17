/** Every scenario on the fake kernel: one process per step, one process for all, and with faults. The real one: test/kernel. */

import { test } from 'node:test';
import { DaemonWorld, FaultyWorld, OnceWorld } from '../support/fake-world.ts';
import { allScenarios, play } from '../support/scenario.ts';

for (const scenario of allScenarios()) {
  if (scenario.only?.startsWith('kernel') === true) continue;
  test(`${scenario.name}, one run per step`, () => play(scenario, new OnceWorld(scenario)));
  test(`${scenario.name}, one process for all steps`, () => play(scenario, new DaemonWorld(scenario)));
  for (const seed of [1, 2, 3]) {
    test(`${scenario.name}, while one operation in ten fails (seed ${seed})`, () =>
      play(scenario, new FaultyWorld(scenario, seed)));
  }
}
