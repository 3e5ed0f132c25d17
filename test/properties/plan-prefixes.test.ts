/** What clients see while a plan is under way: looked at after every single operation. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualServiceKey } from '../../src/model/virtual-service.ts';
import { familyOf } from '../../src/model/address.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { clusters, eventsOf, wishes } from '../support/arbitrary-cluster.ts';
import { found, kernelWith, nothingFound } from '../support/arbitrary-kernel.ts';
import { storeOf } from '../support/cluster.ts';
import { asked, type Asked } from '../support/expected.ts';
import type { FakeKernel } from '../support/fake-kernel.ts';
import { randomFaults } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import { NodeLoop } from '../support/node-loop.ts';
import fc from '../support/property.ts';

/** Ids of virtual services that have a destination which takes connections and satisfies the test. */
function serving(kernel: FakeKernel, counts: (id: string, destination: string) => boolean): Set<string> {
  const ids = [...kernel.table()].filter(([id, { destinations }]) =>
    destinations.some((one) => one.weight > 0 && counts(id, one.id)),
  );
  return new Set(ids.map(([id]) => id));
}

/** Whether the destination is wanted and takes new connections. */
function takes(one: Asked | undefined, destination: string): boolean {
  const i = one?.destinations.indexOf(destination) ?? -1;
  return i >= 0 && one!.weights[i]! > 0;
}

function hasEndpoints(all: ReadonlyMap<string, Asked>, id: string): boolean {
  return all.get(id)?.weights.some((weight) => weight > 0) === true;
}

const anyFaults = fc.option(fc.integer());

test('a virtual service that has a wanted destination is never without one, even while operations fail', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, anyFaults, async (cluster, by, state, seed) => {
      const kernel = kernelWith(state, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      const all = asked(cluster, by);
      const wanted = (id: string, destination: string) => takes(all.get(id), destination);
      let before = serving(kernel, wanted);
      kernel.onChange = (op) => {
        const after = serving(kernel, wanted);
        for (const id of before) assert.ok(after.has(id), `${opText(op)} leaves ${id} without a wanted destination`);
        before = after;
      };
      await new NodeLoop(kernel, storeOf(...eventsOf(cluster)), by).converge();
    }),
  );
});

test('a virtual service that serves and has endpoints serves on, even when every endpoint is replaced, and while operations fail', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, anyFaults, async (cluster, by, state, seed) => {
      const kernel = kernelWith(state, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      const all = asked(cluster, by);
      let before = serving(kernel, () => true);
      kernel.onChange = (op) => {
        const after = serving(kernel, () => true);
        for (const id of before) {
          assert.ok(after.has(id) || !hasEndpoints(all, id), `${opText(op)} leaves ${id} without destinations`);
        }
        before = after;
      };
      await new NodeLoop(kernel, storeOf(...eventsOf(cluster)), by).converge();
    }),
  );
});

/** Wanted virtual services at addresses that the device holds. */
function reachable(kernel: FakeKernel, all: ReadonlyMap<string, Asked>): Set<string> {
  const ids = [...kernel.table()].filter(([id, { service }]) => all.has(id) && kernel.holds(service.address));
  return new Set(ids.map(([id]) => id));
}

/** Linux drops a device's IPv4 routes with its last IPv4 address: the one moment without, on the way from addresses to routes. */
function takesRoutesAlong(op: Op): boolean {
  return (
    op.kind === 'binding' && op.verb === 'delete' && op.binding.form === 'address' && familyOf(op.binding.address) === 4
  );
}

test('a wanted virtual service that clients reach stays within their reach', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, found, anyFaults, async (cluster, by, state, seed) => {
      const kernel = kernelWith(state, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      const all = asked(cluster, by);
      let before = reachable(kernel, all);
      kernel.onChange = (op) => {
        const after = reachable(kernel, all);
        for (const id of before) {
          assert.ok(after.has(id) || takesRoutesAlong(op), `${opText(op)} puts ${id} out of reach`);
        }
        before = after;
      };
      await new NodeLoop(kernel, storeOf(...eventsOf(cluster)), by).converge();
    }),
  );
});

test('an address comes after its virtual service and goes after it, or when another device has it, even while operations fail', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, clusters, wishes, anyFaults, async (first, second, by, seed) => {
      const kernel = kernelWith(nothingFound, { faults: noFaults });
      kernel.onChange = (op) => {
        if (op.kind !== 'binding') return;
        const { address } = op.binding;
        const serves = [...kernel.table().values()].some(({ service }) => service.address === address);
        const bound = kernel.holds(address);
        const isElsewhere = op.verb === 'delete' && second.addresses.some((other) => other.address === address);
        if (!isElsewhere) assert.equal(serves, bound, `${opText(op)}: bound ${bound}, served ${serves}`);
      };
      await new NodeLoop(kernel, storeOf(...eventsOf(first)), by).converge();
      kernel.faults = seed === null ? noFaults : randomFaults({ seed, rate: 0.1 });
      await new NodeLoop(kernel, storeOf(...eventsOf(second)), by).converge();
    }),
  );
});

test('while a plan is under way every address of ours is marked by the device until its virtual services are gone', async () => {
  await fc.assert(
    fc.asyncProperty(found, anyFaults, async (state, seed) => {
      const kernel = kernelWith(state, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      const marked = ({ address }: VirtualServiceKey) => kernel.holds(address);
      const services = [...kernel.table().values()].map(({ service }) => service);
      const ours = new Set(services.filter(marked).map(({ id }) => id));
      kernel.onChange = (op) => {
        for (const { service } of kernel.table().values()) {
          if (ours.has(service.id)) assert.ok(marked(service), `${opText(op)} leaves ${service.id} unmarked`);
        }
      };
      await new NodeLoop(kernel, storeOf(), { device: false }).converge();
      assert.ok([...ours].every((id) => !kernel.table().has(id)));
    }),
  );
});
