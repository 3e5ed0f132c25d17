/** Incremental is the normal form: following changes one by one ends where a new start would, at the price of the change. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Address, cidrContains } from '../../src/model/address.ts';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import { opText } from '../../src/model/text.ts';
import { Store } from '../../src/store/store.ts';
import { changed, changes, clusters, eventsOf, services, wishes } from '../support/arbitrary-cluster.ts';
import { kernelWith, nothingFound } from '../support/arbitrary-kernel.ts';
import { cidr, endpoint, port, service, setService, setSlice, slice, storeOf } from '../support/cluster.ts';
import { type Cluster, expectedState } from '../support/expected.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { randomFaults } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import { stateOf } from '../support/fake-state.ts';
import { NodeLoop } from '../support/node-loop.ts';
import fc from '../support/property.ts';

/** Changes in groups; a pass follows each group. */
const histories = fc.array(fc.array(changes, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 });

test('after any sequence of changes the kernel is as a new start over the same cluster makes it', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, histories, wishes, fc.option(fc.integer()), async (start, history, by, seed) => {
      const kernel = kernelWith(nothingFound, { faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }) });
      const store = storeOf(...eventsOf(start));
      const node = new NodeLoop(kernel, store, by);
      await node.converge();
      let cluster: Cluster = start;
      for (const group of history) {
        for (const event of group) {
          store.apply(event);
          cluster = changed(cluster, event);
        }
        await node.rest();
      }
      await node.endDrains();
      assert.equal(stateOf(kernel), expectedState(cluster, by));

      const fresh = kernelWith(nothingFound, { faults: noFaults });
      await new NodeLoop(fresh, storeOf(...eventsOf(cluster)), by).converge();
      assert.equal(stateOf(kernel), stateOf(fresh));
    }),
  );
});

/** Of front ends of all kinds, some also of devices of the node. */
const excludedNetworks = fc
  .subarray(['10.96.0.0/30', '192.0.2.0/24', '198.51.100.0/24', 'fd00:96::/64', '2001:db8:7::/64'])
  .map((texts) => texts.map(cidr));

test('where nothing is deleted at some addresses, a new start over the same cluster finds nothing to do', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, histories, wishes, excludedNetworks, async (start, history, asked, networks) => {
      const excluded = (at: Address) => networks.some((network) => cidrContains(network, at));
      const by = { ...asked, excluded };
      const kernel = kernelWith(nothingFound, { faults: noFaults });
      const store = storeOf(...eventsOf(start));
      const node = new NodeLoop(kernel, store, by);
      await node.converge();
      for (const group of history) {
        for (const event of group) store.apply(event);
        await node.rest();
      }
      await node.endDrains();
      const again = new NodeLoop(kernel, storeOf(...eventsOf(history.flat().reduce(changed, start))), by);
      await again.converge();
      assert.deepEqual(again.applied.map(opText), []);
    }),
  );
});

/** Whether the kernel has a scheduler that a Service asks for is read once. */
function withoutScheduler(event: ClusterEvent): ClusterEvent {
  if (event.kind !== 'service' || event.verb !== 'set') return event;
  const { service } = event;
  return setService({ ...service, tuning: { ...service.tuning, scheduler: undefined } });
}

test('following changes reads nothing from a kernel that does as it is told', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, histories, wishes, async (start, history, by) => {
      const kernel = kernelWith(nothingFound, { faults: noFaults });
      const store = storeOf(...eventsOf(start));
      const node = new NodeLoop(kernel, store, by);
      await node.converge();
      kernel.reads = 0;
      for (const group of history) {
        for (const event of group) store.apply(withoutScheduler(event));
        await node.rest();
      }
      assert.equal(kernel.reads, 0);
    }),
  );
});

test('a change that comes while a pass is under way is not lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      clusters,
      fc.array(changes, { maxLength: 6 }),
      wishes,
      fc.option(fc.integer()),
      async (start, late, by, seed) => {
        const kernel = kernelWith(nothingFound, {
          faults: seed === null ? noFaults : randomFaults({ seed, rate: 0.1 }),
        });
        const store = storeOf(...eventsOf(start));
        const left: ClusterEvent[] = [...late];
        kernel.onChange = () => {
          const event = left.shift();
          if (event !== undefined) store.apply(event);
        };
        const node = new NodeLoop(kernel, store, by);
        await node.converge();
        for (const event of left.splice(0)) store.apply(event);
        await node.rest();
        await node.rest();
        await node.endDrains();
        assert.equal(stateOf(kernel), expectedState(late.reduce(changed, start), by));
      },
    ),
  );
});

test('nothing reaches the kernel before every source has told all it has', async () => {
  await fc.assert(
    fc.asyncProperty(
      clusters,
      fc.subarray(['services', 'endpointSlices', 'node'] as const, { maxLength: 2 }),
      async (cluster, sources) => {
        const kernel = FakeKernel.from('ip link add kube-ipvs0 type dummy\n-A -t 10.96.0.1:80 -s rr', {
          faults: noFaults,
        });
        const store = new Store();
        for (const event of eventsOf(cluster)) store.apply(event);
        for (const source of sources) store.apply({ kind: 'synced', source });
        await new NodeLoop(kernel, store).converge();
        assert.equal(kernel.writes, 0);
      },
    ),
  );
});

test('an unreadable Service costs nobody anything, and once it can be read all is as it should be', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, services, fc.boolean(), wishes, async (before, broken, returns, by) => {
      const kernel = kernelWith(nothingFound, { faults: noFaults });
      await new NodeLoop(kernel, storeOf(...eventsOf(changed(before, setService(broken)))), by).converge();
      const lines = kernel.text().split('\n');

      const cluster: Cluster = { ...before, services: before.services.filter(({ name }) => name !== broken.name) };
      const unreadable: ClusterEvent = { kind: 'unreadable', object: 'Service', name: broken.name };
      const store = storeOf(...eventsOf(cluster), unreadable);
      const node = new NodeLoop(kernel, store, by);
      await node.converge();
      const left = new Set(kernel.text().split('\n'));
      const virtualServices = lines.filter((line) => line.startsWith('-A'));
      for (const line of virtualServices)
        assert.ok(
          [...left].some((one) => one.startsWith(line.split(' -s')[0]!)),
          line,
        );

      store.apply(returns ? setService(broken) : { kind: 'service', verb: 'delete', name: broken.name });
      await node.rest();
      await node.endDrains();
      const readable = returns ? changed(cluster, setService(broken)) : cluster;
      assert.equal(stateOf(kernel), expectedState(readable, by));
    }),
  );
});

test('among any number of Services one endpoint more or less is one operation, and no read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.nat(59), fc.nat(3), async (count, chosen, change) => {
      const names = Array.from({ length: count }, (_, i) => `default/s${i}`);
      const facts = names.map((name, i) =>
        service(name, { vips: [`10.96.${i}.1`, `fd00:96::${i + 1}`], ports: [port(80)] }),
      );
      const pods = (i: number, pod: number) => endpoint(`10.244.${i}.${pod}`);
      const members = names.map((name, i) => slice(name, [pods(i, 1), pods(i, 2), pods(i, 3)]));
      const store = storeOf(...facts.map(setService), ...members.map(setSlice));
      const kernel = new FakeKernel({ faults: noFaults });
      const node = new NodeLoop(kernel, store);
      await node.converge();
      kernel.reads = 0;
      node.applied.length = 0;

      const i = chosen % count;
      const option = `-t 10.96.${i}.1:80`;
      const rows = [
        {
          endpoints: [pods(i, 1), pods(i, 2), pods(i, 3), pods(i, 4)],
          op: `-a ${option} -r 10.244.${i}.4:8080 -m -w 1`,
        },
        { endpoints: [pods(i, 1), pods(i, 3)], op: `-e ${option} -r 10.244.${i}.2:8080 -m -w 0` },
        {
          endpoints: [pods(i, 1), { ...pods(i, 2), ready: false }, pods(i, 3)],
          op: `-e ${option} -r 10.244.${i}.2:8080 -m -w 0`,
        },
        { endpoints: [pods(i, 3), pods(i, 2), { ...pods(i, 1), zones: ['east'] }], op: undefined },
      ];
      const { endpoints, op } = rows[change]!;
      store.apply(setSlice(slice(names[i]!, endpoints)));
      const reports = await node.rest();
      assert.deepEqual(node.applied.map(opText), op === undefined ? [] : [op]);
      assert.equal(kernel.reads, 0);
      for (const { unchanged } of reports) assert.ok(unchanged.services + unchanged.addresses <= 4, 'looked at others');
    }),
  );
});
