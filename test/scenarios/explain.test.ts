/** What `kube-ipvs explain` says of every line of traffic in every scenario is what becomes of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExplainedWorld, isConnection } from '../support/explained-world.ts';
import { allScenarios, play } from '../support/scenario.ts';

/** Its packets do not come as far as the node: neighbours do not find the address. */
const elsewhere = 'strict-arp';

for (const { surroundings, ...scenario } of allScenarios()) {
  if (surroundings === undefined || scenario.only?.startsWith('kernel') === true || scenario.name === elsewhere)
    continue;
  if (!scenario.steps.some(({ traffic }) => traffic.some(isConnection))) continue;
  test(`explain foretells the traffic of ${scenario.name}`, async () => {
    const explained = { ...scenario, surroundings };
    const world = new ExplainedWorld(explained);
    await play(explained, world);
    assert.ok(world.compared > 0);
  });
}
