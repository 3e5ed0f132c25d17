/** What is derived and claimed, one Service after another, is what the oracle says of the whole cluster. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Claims, type Touched } from '../../src/desired/claims.ts';
import { type Asked, ask } from '../../src/desired/front-ends.ts';
import { type NodeFacts, nodeFacts } from '../../src/desired/node-facts.ts';
import type { Service } from '../../src/model/cluster.ts';
import { elementOpText } from '../../src/model/filter-text.ts';
import type { Element } from '../../src/model/filter.ts';
import { destinationText, serviceText } from '../../src/model/text.ts';
import { clusters, eventsOf, wishes } from '../support/arbitrary-cluster.ts';
import { storeOf } from '../support/cluster.ts';
import {
  type AskedBy,
  asked,
  boundAddresses,
  type Cluster,
  expectedElements,
  missingScheduler,
} from '../support/expected.ts';
import fc from '../support/property.ts';

const nothing: Asked = { frontEnds: [], shared: [] };

function derivation(cluster: Cluster, by: AskedBy): (service: Service) => Asked {
  const store = storeOf(...eventsOf(cluster));
  const facts: NodeFacts = nodeFacts(cluster.node, cluster.addresses, by);
  const policy = { ...by, drainTimeout: undefined, hasScheduler: (name: string) => name !== missingScheduler };
  return (service) => ask(service, store.slicesOf(service.name), facts, policy);
}

function elementTexts(elements: Iterable<Element>): string[] {
  return [...elements].map((element) => elementOpText({ kind: 'element', verb: 'add', element })).toSorted();
}

test('whatever the order of Services, owners, destinations, addresses and elements are those of the oracle', () => {
  fc.assert(
    fc.property(clusters, wishes, fc.boolean(), (cluster, by, reversed) => {
      const derive = derivation(cluster, by);
      const claims = new Claims();
      for (const service of reversed ? cluster.services.toReversed() : cluster.services) {
        claims.replace(service.name, service.createdAt, derive(service));
      }
      const frontEnds = cluster.services.flatMap((service) =>
        derive(service).frontEnds.filter(({ service: { id }, owner }) => claims.ownerOf(id) === owner),
      );
      const expected = asked(cluster, by);
      const derived = frontEnds.map(({ service, destinations }) =>
        [serviceText(service), ...destinations.map(destinationText)].join('\n'),
      );
      const said = [...expected.values()].map(({ line, destinations, weights }) =>
        [line, ...destinations.map((one, i) => `-r ${one} -m -w ${weights[i]}`)].join('\n'),
      );
      assert.deepEqual(derived.toSorted(), said.toSorted());
      assert.deepEqual([...claims.keys()].map(({ id }) => id).toSorted(), [...expected.keys()].toSorted());
      assert.deepEqual([...claims.addresses()].toSorted(), boundAddresses(cluster, by).toSorted());
      const ofServices = [...expectedElements(cluster, by)].filter((line) => !line.includes(' numbered-devices '));
      assert.deepEqual(elementTexts(claims.elements()), ofServices.toSorted());
    }),
  );
});

/** Everything wanted, by id: who owns it, or how it is. */
function wanted(claims: Claims): Map<string, string> {
  const services = [...claims.keys()].map(({ id }) => [id, claims.ownerOf(id)!] as const);
  const elements = [...claims.elements()].map((one) => [one.id, elementTexts([one])[0]!] as const);
  for (const element of claims.elements()) assert.equal(claims.wantedElement(element.id), element);
  return new Map([...services, ...elements]);
}

function ids({ services, elements }: Touched): string[] {
  return [...services, ...elements].map(({ id }) => id);
}

test('a Service that changes touches all that is wanted otherwise than before, and of elements nothing else', () => {
  fc.assert(
    fc.property(
      wishes,
      fc.array(fc.tuple(clusters, fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 6 }),
      (by, steps) => {
        const claims = new Claims();
        let before = wanted(claims);
        for (const [cluster, index, goes] of steps) {
          const service = cluster.services[index % Math.max(1, cluster.services.length)];
          if (service === undefined) continue;
          const now = goes ? nothing : derivation(cluster, by)(service);
          const touched = claims.replace(service.name, service.createdAt, now);
          const after = wanted(claims);
          const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
            (id) => before.get(id) !== after.get(id),
          );
          const told = new Set(ids(touched));
          assert.equal(told.size, ids(touched).length, 'each once');
          for (const id of changed) assert.ok(told.has(id), `${id} changed and was not told`);
          for (const { id } of touched.elements) assert.ok(changed.includes(id), `${id} was told and did not change`);
          before = after;
        }
      },
    ),
  );
});
