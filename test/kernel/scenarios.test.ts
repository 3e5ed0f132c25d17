/** Every scenario on the real kernel, each in a network namespace of its own. On the fake one: test/scenarios. */

import { after, test } from 'node:test';
import { dismissAgent } from '../support/kernel-network.ts';
import { KernelWorld } from '../support/kernel-world.ts';
import { allScenarios, play } from '../support/scenario.ts';

after(dismissAgent);

for (const scenario of allScenarios()) {
  if (scenario.only?.startsWith('fake') === true) continue;
  test(`${scenario.name}, on the real kernel`, () => play(scenario, new KernelWorld(scenario)));
}
