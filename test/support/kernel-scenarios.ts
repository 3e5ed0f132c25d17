/** Scenarios as tests on the real kernel, each in a network namespace of its own. */

import { after, test } from 'node:test';
import { dismissAgent } from './kernel-network.ts';
import { KernelWorld } from './kernel-world.ts';
import { allScenarios, play } from './scenario.ts';

/** Those whose names begin with a character from `first` to `last`: several files have a part each, so that they run side by side. */
export function testScenarios(first: string, last: string): void {
  after(dismissAgent);
  for (const scenario of allScenarios()) {
    const initial = scenario.name.charAt(0);
    if (initial < first || initial > last || scenario.only?.startsWith('fake') === true) continue;
    test(`${scenario.name}, on the real kernel`, () => play(scenario, new KernelWorld(scenario)));
  }
}
