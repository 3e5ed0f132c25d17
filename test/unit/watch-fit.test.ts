/** The quick look at an object's shape says yes only where zod does. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import { fitOf } from '../../src/watch/fit.ts';
import { endpointSliceShape, identityShape, nodeShape, serviceShape } from '../../src/watch/shapes.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';

const shapes = { identityShape, serviceShape, endpointSliceShape, nodeShape };

test('objects as an API server has them fit', () => {
  const service = serviceObject('web', { clusterIPs: ['10.96.0.10'] });
  const slice = sliceObject('web', ['10.244.0.1'], { nodeName: 'node-a' });
  assert.equal(fitOf(serviceShape)(service), true);
  assert.equal(fitOf(endpointSliceShape)(slice), true);
  assert.equal(fitOf(identityShape)(slice), true);
});

/** Objects with the names of the shapes' fields, and anything at all in them. */
const names = [
  'metadata',
  'spec',
  'status',
  'name',
  'ports',
  'port',
  'endpoints',
  'addresses',
  'conditions',
  'ready',
  'hints',
];
const nearly = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(undefined, null, '', 'x', 0, 80, 1.5, 1e300, Number.NaN, true, [], {}),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 6 }),
  ),
})).value;

for (const [name, shape] of Object.entries(shapes)) {
  test(`whatever fits the ${name} is of that shape`, () => {
    const fits = fitOf(shape);
    fc.assert(
      fc.property(fc.oneof(nearly, fc.record({ metadata: fc.constant({ name: 'web' }), spec: nearly })), (value) => {
        fc.pre(fits(value));
        return shape.safeParse(value).success;
      }),
      { numRuns: 500, maxSkipsPerRun: 1_000 },
    );
  });
}

test('a shape with more than the quick look knows is left to zod', () => {
  for (const shape of [z.string().min(2), z.union([z.string(), z.boolean()]), z.enum(['a'])]) {
    assert.equal(fitOf(z.object({ field: shape }))({ field: 'a' }), false);
    assert.equal(fitOf(z.object({ field: shape }))({ field: 1 }), false);
  }
});
