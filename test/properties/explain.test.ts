/** Of any cluster: what `kube-ipvs explain` says agrees with what is derived, and with a kernel that has it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainIn } from '../../src/cli/explain/explain.ts';
import { clientClasses } from '../../src/cli/explain/question.ts';
import { clusters, eventsOf, wishes } from '../support/arbitrary-cluster.ts';
import { storeOf } from '../support/cluster.ts';
import { asked } from '../support/expected.ts';
import { parseVirtualServiceKey } from '../../src/model/virtual-service.ts';
import { plainWishes } from '../support/node-loop.ts';
import fc from '../support/property.ts';
import { started } from '../support/served-node.ts';

test('it takes the endpoints that are destinations, and finds nothing else in a kernel that has all', async () => {
  await fc.assert(
    fc.asyncProperty(clusters, wishes, fc.nat(), async (cluster, by, which) => {
      const expected = [...asked(cluster, by)];
      if (expected.length === 0) return;
      const [id, { destinations, weights }] = expected[which % expected.length]!;
      const { kernel, node } = started(storeOf(...eventsOf(cluster)), {}, by);
      await node.converge();
      const store = storeOf(...eventsOf(cluster));
      const question = { key: parseVirtualServiceKey(id)!, from: clientClasses };
      const explanation = await explainIn(question, store, { ...plainWishes, ...by }, kernel);
      const taken = explanation.endpoints.filter((row) => row.taken).map((row) => `${row.id} ${row.weight}`);
      assert.deepEqual(taken.toSorted(), destinations.map((one, i) => `${one} ${weights[i]}`).toSorted());
      assert.deepEqual(explanation.differences, []);
      assert.deepEqual(
        explanation.clients.filter(({ kernel: real }) => real !== undefined),
        [],
      );
      assert.ok(explanation.endpoints.every((row) => ['in sync', 'left out'].includes(row.state)));
    }),
  );
});
