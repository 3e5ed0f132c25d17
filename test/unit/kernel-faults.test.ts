/** Faults between us and a kernel: what reaches it, what is told of it, and that the same seed fails in the same way. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyWith, type Fault, type Faults, randomFaults } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import { FaultyKernel } from '../../src/kernel/faulty.ts';
import { KernelError } from '../../src/kernel/kernel.ts';
import type { Answer, Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { parseOp } from '../support/parse-op.ts';

const ops = [1, 2, 3, 4].map((octet) => parseOp(`-A -t 10.96.0.${octet}:80 -s rr`));

/** The fault of the second of four operations, all of which the kernel would do. */
function atSecond(fault: Fault): Faults {
  return { ...noFaults, ofOperation: (op) => (op === ops[1] ? fault : undefined) };
}

function octetsOf(sent: readonly Op[]): number[] {
  return sent.map((op) => Number(/10\.96\.0\.(\d)/.exec(opText(op))![1]));
}

describe('a request whose second operation', () => {
  const rows: readonly [what: string, fault: Fault, sent: number[], answers: Answer[]][] = [
    [
      'is refused reaches the kernel without it',
      { kind: 'refused', errno: 'ENOMEM' },
      [1, 3, 4],
      ['done', { errno: 'ENOMEM' }, 'done', 'done'],
    ],
    [
      'has no answer, and is applied, reaches the kernel whole',
      { kind: 'lost', applied: true },
      [1, 2, 3, 4],
      ['done', 'unknown', 'done', 'done'],
    ],
    [
      'has no answer, and is not applied, reaches the kernel without it',
      { kind: 'lost', applied: false },
      [1, 3, 4],
      ['done', 'unknown', 'done', 'done'],
    ],
    [
      'is where the reply ends reaches the kernel whole, and the rest is unknown',
      { kind: 'cut' },
      [1, 2, 3, 4],
      ['done', 'unknown', 'unknown', 'unknown'],
    ],
  ];
  for (const [what, fault, expectedSent, expected] of rows) {
    it(what, async () => {
      const requests: number[][] = [];
      const { answers, milliseconds } = await applyWith(atSecond(fault), ops, async (sent) => {
        requests.push(octetsOf(sent));
        return { answers: sent.map(() => 'done'), milliseconds: 3 };
      });
      assert.deepEqual(
        { requests, answers, milliseconds },
        { requests: [expectedSent], answers: expected, milliseconds: 3 },
      );
    });
  }

  it('breaks the channel reaches the kernel up to it, and has no answer', async () => {
    const requests: number[][] = [];
    const answered = applyWith(atSecond({ kind: 'broken', code: 'ENOBUFS' }), ops, async (sent) => {
      requests.push(octetsOf(sent));
      return { answers: sent.map(() => 'done'), milliseconds: 0 };
    });
    await assert.rejects(answered, { name: 'KernelError', code: 'ENOBUFS' });
    assert.deepEqual(requests, [[1]]);
  });
});

describe('faults at random', () => {
  function sequence(seed: number, rate: number): string[] {
    const faults = randomFaults({ seed, rate });
    return Array.from({ length: 2_000 }, () =>
      JSON.stringify([faults.ofOperation(ops[0]!), faults.ofRead(), faults.delay()]),
    );
  }

  it('are the same for the same seed, and others for another', () => {
    assert.deepEqual(sequence(7, 0.1), sequence(7, 0.1));
    assert.notDeepEqual(sequence(7, 0.1), sequence(8, 0.1));
  });

  it('are of every kind, about as many as asked', () => {
    const faults = randomFaults({ seed: 7, rate: 0.1 });
    const of = Array.from({ length: 2_000 }, () => faults.ofOperation(ops[0]!));
    const found = of.filter((fault) => fault !== undefined);
    assert.ok(found.length > 150 && found.length < 250, `${found.length} of 2000`);
    assert.deepEqual([...new Set(found.map(({ kind }) => kind))].toSorted(), ['broken', 'cut', 'lost', 'refused']);
    const reads = Array.from({ length: 2_000 }, () => faults.ofRead()).filter((code) => code !== undefined);
    assert.ok(reads.length > 150 && reads.length < 250, `${reads.length} of 2000`);
    assert.deepEqual([...new Set(reads)].toSorted(), ['DUMP_INTERRUPTED', 'ENOBUFS', 'ENOMEM', 'EPERM']);
    const delays = Array.from({ length: 2_000 }, () => faults.delay()).filter((milliseconds) => milliseconds > 0);
    assert.ok(delays.length > 150 && delays.length < 250, `${delays.length} of 2000`);
    assert.ok(delays.every((milliseconds) => milliseconds < 50));
  });

  it('are none at rate 0, and nothing else at rate 1', () => {
    const never = randomFaults({ seed: 7, rate: 0 });
    assert.deepEqual([never.ofOperation(ops[0]!), never.ofRead(), never.delay()], [undefined, undefined, 0]);
    const always = randomFaults({ seed: 7, rate: 1 });
    assert.ok(always.ofOperation(ops[0]!) !== undefined && always.ofRead() !== undefined && always.delay() > 0);
  });
});

describe('a kernel behind faults', () => {
  const behind = () => FakeKernel.from('-A -t 10.96.0.1:80 -s rr', { faults: noFaults });

  it('tells a reading whole or not at all', async () => {
    const codes = [undefined, 'DUMP_INTERRUPTED', undefined];
    const kernel = new FaultyKernel(behind(), { ...noFaults, ofRead: () => codes.shift() }, async () => {});
    assert.equal((await kernel.services()).length, 1);
    await assert.rejects(
      kernel.services(),
      (error) => error instanceof KernelError && error.code === 'DUMP_INTERRUPTED',
    );
    assert.equal((await kernel.services()).length, 1);
  });

  it('fails in every way of reading', async () => {
    const kernel = new FaultyKernel(behind(), { ...noFaults, ofRead: () => 'ENOBUFS' }, async () => {});
    const readings: Promise<unknown>[] = [
      kernel.services(),
      kernel.servicesAt([]),
      kernel.destinations([]),
      kernel.traffic(),
      kernel.device(),
      kernel.bindings(),
      kernel.nodeAddresses(),
      kernel.tables([]),
      kernel.otherFilterChanges(),
      kernel.elements(4),
      kernel.flows([]),
      kernel.settings([]),
      kernel.timeouts(),
      kernel.schedulers([]),
    ];
    for (const reading of readings) await assert.rejects(reading, { code: 'ENOBUFS' });
  });

  it('waits before the kernel is asked, and before its answer is told', async () => {
    const told: string[] = [];
    const real = behind();
    real.onChange = (op) => told.push(opText(op));
    const delays = [10, 0, 0, 20];
    const kernel = new FaultyKernel(real, { ...noFaults, delay: () => delays.shift()! }, async (milliseconds) => {
      told.push(`${milliseconds} ms`);
    });
    await kernel.apply([parseOp('-A -t 10.96.0.2:80 -s rr')]);
    await kernel.apply([parseOp('-A -t 10.96.0.3:80 -s rr')]);
    assert.deepEqual(told, ['10 ms', '-A -t 10.96.0.2:80 -s rr', '-A -t 10.96.0.3:80 -s rr', '20 ms']);
  });

  it('is closed with the one behind it', async () => {
    const real = behind();
    new FaultyKernel(real, noFaults, async () => {}).close();
    await assert.rejects(real.services(), { code: 'CLOSED' });
  });
});
