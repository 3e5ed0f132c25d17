/** What the fake kernel answers is what the real one does: the same table, the same states after (test/unit/kernel-fake). */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openKernel } from '../../src/kernel/native.ts';
import { answerRows } from '../support/kernel-answers.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { stateText } from '../support/kernel-state.ts';
import { parseOp } from '../support/parse-op.ts';

describe('the real kernel', () => {
  let namespace: KernelNamespace;

  before(() => {
    namespace = new KernelNamespace('answers');
  });
  after(() => namespace.close());

  for (const row of answerRows) {
    it(`answers ${row.answer} to "${row.op}" after ${row.before.length} others`, async () => {
      namespace.become(...row.before.map(asOurs));
      const kernel = openKernel({ netns: namespace.name });
      const [answer] = (await kernel.apply([parseOp(row.op)])).answers;
      kernel.close();
      assert.equal(typeof answer === 'object' ? answer.errno : answer, row.answer);
      // To look costs more than all else; what was refused has changed nothing.
      if (answer === 'done') assert.equal(namespace.text(), stateText(row.after));
    });
  }
});

/** A route as the program makes it, which iproute2 does not: beside the kernel's own one, and not marked as made by hand. */
function asOurs(line: string): string {
  return line.startsWith('ip route add') ? `${line.replace('add', 'append')} proto static` : line;
}
