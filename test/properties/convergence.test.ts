/** From whatever a kernel holds to what the cluster asks, and not a byte beside it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../support/property.ts';
import { cidrContains, parseCidr, type Address } from '../../src/model/address.ts';
import { opText } from '../../src/model/text.ts';
import { settle } from '../../src/reconcile/settle.ts';
import { clusters, eventsOf, wishes } from '../support/arbitrary-cluster.ts';
import { excludedCidr, type Found, found, kernelWith } from '../support/arbitrary-kernel.ts';
import { storeOf } from '../support/cluster.ts';
import { asked, type Asked, type AskedBy, type Cluster, expectedState } from '../support/expected.ts';
import { randomFaults } from '../../src/kernel/faults.ts';
import { crashAfter, noFaults } from '../support/faults.ts';
import { stateOf } from '../support/fake-state.ts';
import { stateText } from '../support/kernel-state.ts';
import { NodeLoop } from '../support/node-loop.ts';

/** Of one operation and read in ten; null: none. */
const anyFaults = fc.option(fc.integer());
const excludedNetwork = parseCidr(excludedCidr)!;
const excluded = (address: Address) => cidrContains(excludedNetwork, address);

/** Wanted by nobody, of a wanted TCP service, and in use: stays with weight 0 until it is idle. */
function drainingLines(state: Found, all: ReadonlyMap<string, Asked>): string[] {
  const lines = [...state.ours, ...state.foreign];
  return state.connections.flatMap(({ service, destination, count }) => {
    const wanted = all.get(service);
    if (wanted?.protocol !== 'TCP' || wanted.drainTimeout === 0 || count.active + count.inactive === 0) return [];
    if (wanted.destinations.includes(destination)) return [];
    const line = lines.find((one) => one.startsWith(`-a ${wanted.option} -r ${destination} `));
    return line === undefined ? [] : [line.replace(/-w \d+$/, '-w 0')];
  });
}

function finalState(cluster: Cluster, by: AskedBy, state: Found, draining: readonly string[]): string {
  return expectedState(cluster, by, [...state.foreign, ...state.excluded, ...draining]);
}

test('a node ends up with exactly what its cluster asks, whatever was there, and leaves the rest alone', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, async (cluster, by, state) => {
      const kernel = kernelWith(state, { faults: noFaults });
      const node = new NodeLoop(kernel, storeOf(...eventsOf(cluster)), { ...by, excluded });
      await node.converge();
      const draining = drainingLines(state, asked(cluster, by));
      assert.equal(stateOf(kernel), finalState(cluster, by, state, draining));
      kernel.endAllConnections();
      await node.endDrains();
      assert.equal(stateOf(kernel), finalState(cluster, by, state, []));
    }),
  );
});

test('a second run, of the same or of a new process, changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, async (cluster, by, state) => {
      const kernel = kernelWith(state, { faults: noFaults });
      const store = () => storeOf(...eventsOf(cluster));
      const node = new NodeLoop(kernel, store(), { ...by, excluded });
      await node.converge();
      kernel.writes = 0;
      await node.converge();
      await new NodeLoop(kernel, store(), { ...by, excluded }).converge();
      assert.equal(kernel.writes, 0);
    }),
  );
});

test('where the kernel does as it is told one run does all there is, whatever was there and is asked now', async () => {
  await fc.assert(
    fc.asyncProperty(fc.option(clusters), clusters, wishes, wishes, found, async (before, cluster, past, by, state) => {
      const kernel = kernelWith(state, { faults: noFaults });
      if (before !== null) await new NodeLoop(kernel, storeOf(...eventsOf(before)), past).converge();
      const node = new NodeLoop(kernel, storeOf(...eventsOf(cluster)), by);
      const { failures, blocked, open } = await settle(node.reconciler, node.clock.now);
      assert.deepEqual([failures, blocked.map(opText), open], [[], [], []]);
      assert.equal(node.reconciler.nextDue(), undefined);
    }),
  );
});

test('a process that dies after any number of operations is finished by the next one, though a tenth of what it does fails', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, fc.nat(40), anyFaults, async (cluster, by, state, operations, seed) => {
      const kernel = kernelWith(state, { faults: crashAfter(operations) });
      const store = () => storeOf(...eventsOf(cluster));
      const dying = new NodeLoop(kernel, store(), { ...by, excluded }).reconciler;
      await dying
        .verify()
        .then(() => dying.pass())
        .catch(() => {});
      kernel.faults = seed === null ? noFaults : randomFaults({ seed, rate: 0.1 });
      kernel.endAllConnections();
      const node = new NodeLoop(kernel, store(), { ...by, excluded });
      await node.converge();
      await node.endDrains();
      assert.equal(stateOf(kernel), finalState(cluster, by, state, []));
      kernel.faults = noFaults;
      kernel.writes = 0;
      await node.converge();
      assert.equal(kernel.writes, 0);
    }),
  );
});

test('with one operation in ten failing in any way, a node still ends up with exactly what is asked', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, fc.integer(), async (cluster, by, state, seed) => {
      const kernel = kernelWith(state, { faults: randomFaults({ seed, rate: 0.1 }) });
      kernel.endAllConnections();
      const node = new NodeLoop(kernel, storeOf(...eventsOf(cluster)), { ...by, excluded });
      await node.converge();
      await node.endDrains();
      assert.equal(stateOf(kernel), finalState(cluster, by, state, []));
    }),
  );
});

test('clean-up removes exactly what is ours', async () => {
  await fc.assert(
    fc.asyncProperty(found, anyFaults, async (state, seed) => {
      const kernel = kernelWith(state, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      await new NodeLoop(kernel, storeOf(), { device: false, excluded }).converge();
      const device = state.excluded.length > 0 ? ['ip link add kube-ipvs0 type dummy'] : [];
      assert.equal(stateOf(kernel), stateText([...state.foreign, ...state.excluded, ...device]));
    }),
  );
});
