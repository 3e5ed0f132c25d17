/** Objects that somebody made to do harm, as manifests. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemText, readManifests } from '../../src/watch/manifests.ts';
import { list } from '../support/cluster-objects.ts';
import { assertFact } from '../support/fact-rules.ts';
import { hostileObjects } from '../support/hostile-objects.ts';
import { assertPrintable } from '../support/mutation.ts';

test('what of them is right is read, and of the rest a line says what is wrong', async () => {
  const objects = hostileObjects(100_000).map(([kind, , object]) => ({
    apiVersion: kind === 'Service' ? 'v1' : 'discovery.k8s.io/v1',
    kind,
    ...object,
  }));
  const stdin = (async function* () {
    yield Buffer.from(list(objects));
  })();
  const { events, problems, warnings } = await readManifests(['-'], { nodeName: 'node-a', stdin });
  events.forEach(assertFact);
  const names = (wanted: string) =>
    events.flatMap((event) => {
      if (event.kind !== wanted) return [];
      if (event.kind === 'service' && event.verb === 'set') return [event.service.name];
      if (event.kind === 'endpointSlice' && event.verb === 'set')
        return [`${event.slice.name} ${event.slice.endpoints.length}`];
      return event.kind === 'unreadable' ? [event.name] : [];
    });
  assert.deepEqual(
    names('service'),
    ['port', 'labels', 'scheduler', 'weights', 'long'].map((name) => `default/${name}`),
  );
  assert.deepEqual(names('endpointSlice'), ['default/of-nobody 1', 'default/port-v4 0', 'default/repeated 100000']);
  assert.deepEqual(
    names('unreadable'),
    ['address', 'type', 'times', 'many-ports', 'long-field'].map((name) => `default/${name}`),
  );
  for (const problem of [...problems, ...warnings]) {
    assertPrintable(problemText(problem));
    assert.ok(problemText(problem).length < 600, problemText(problem).slice(0, 1_000));
  }
});
