/** What is read of a kernel, into the mirror. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { element } from '../../src/model/filter.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { Reader } from '../../src/reconcile/reader.ts';
import { address } from '../support/cluster.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { noFaults } from '../support/faults.ts';
import { hashsize } from '../support/wanted-settings.ts';

test('tables of any size are read', async () => {
  const kernel = new FakeKernel({ faults: noFaults });
  const vip = address('10.96.0.10');
  const many = Array.from({ length: 200_000 }, (_, i) => element(4, 'services', [vip, 'TCP', i]));
  kernel.elements = async (family) => (family === 4 ? many : []);
  const actual = new Actual();
  await new Reader(kernel, actual).filter([]);
  assert.equal(actual.filter.count(4), many.length);
});

for (const [what, observed, others] of [
  ['rounded up by the kernel was changed by nobody', '33280', 0],
  ['smaller than it was made was changed by somebody', '16384', 1],
] as const) {
  test(`a setting that is ${what}`, async () => {
    const settings = new Map([[hashsize.name, { value: observed, writable: true }]]);
    const actual = new Actual();
    actual.settings.set(hashsize.name, { value: hashsize.value, writable: true });
    const reader = new Reader(new FakeKernel({ faults: noFaults, settings }), actual);
    assert.equal(await reader.settings([hashsize]), others);
  });
}
