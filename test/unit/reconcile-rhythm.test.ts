/** When the loop does what, on a clock that the test moves. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Drift, noDrift } from '../../src/model/drift.ts';
import type { PassReport } from '../../src/reconcile/pass-report.ts';
import { type Clock, Rhythm, type Steps, type Tempo } from '../../src/reconcile/rhythm.ts';

/** A clock that sleeps until the test moves it on. */
class SteppedClock implements Clock {
  time = 0;
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();

  readonly now = () => this.time;

  readonly sleep = (milliseconds: number, onAsleep: (wake: () => void) => void) =>
    new Promise<void>((resolve) => {
      const sleeper = { until: this.time + milliseconds, wake: resolve };
      this.#sleepers.add(sleeper);
      onAsleep(() => {
        this.#sleepers.delete(sleeper);
        resolve();
      });
    });

  /** Moves to every sleeper's end on the way, and lets it run. */
  async passTo(time: number): Promise<void> {
    await settled();
    for (;;) {
      const next = [...this.#sleepers].filter(({ until }) => until <= time).toSorted((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      this.time = Math.max(this.time, next.until);
      this.#sleepers.delete(next);
      next.wake();
      await settled();
    }
    this.time = time;
  }
}

/** Everything that waits for nothing but its turn has had it. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

class ScriptedSteps implements Steps {
  synced = true;
  due: number | undefined;
  drains = 0;
  failures = 0;
  scrubSteps: (() => Promise<Drift>)[] = [];
  readonly budgets: number[] = [];
  readonly done: string[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async verify(): Promise<void> {
    this.#note('verify');
  }

  async pass(): Promise<PassReport | undefined> {
    if (this.failures > 0) {
      this.failures--;
      this.#note('broken');
      throw new Error('the socket is closed');
    }
    this.#note('pass');
    this.due = undefined;
    return {} as PassReport;
  }

  async *scrub(budget: number): AsyncGenerator<Drift> {
    this.budgets.push(budget);
    this.#note('scrub');
    for (const step of this.scrubSteps) yield await step();
  }

  checkDrains(): void {
    this.#note('drains');
  }

  nextDue(): number | undefined {
    return this.due;
  }

  draining(): readonly unknown[] {
    return Array.from({ length: this.drains });
  }

  #note(what: string): void {
    this.done.push(`${this.#clock.now()} ${what}`);
  }
}

interface Scene {
  readonly clock: SteppedClock;
  readonly steps: ScriptedSteps;
  readonly rhythm: Rhythm;
  readonly errors: string[];
  /** When the listener was told that a pass begins. */
  readonly begun: number[];
  /** Milliseconds of each pass that was finished. */
  readonly took: number[];
  /** Ends the run; it must have ended for that reason alone. */
  readonly end: () => Promise<void>;
}

function started(
  tempo: Partial<Tempo> = {},
  prepare: (steps: ScriptedSteps) => void = () => {},
  onScrub: (drift: Drift) => void = () => {},
): Scene {
  const clock = new SteppedClock();
  const steps = new ScriptedSteps(clock);
  prepare(steps);
  const errors: string[] = [];
  const begun: number[] = [];
  const took: number[] = [];
  const listener = {
    onStart: () => begun.push(clock.now()),
    onPass: (_report: PassReport, milliseconds: number) => {
      took.push(milliseconds);
    },
    onScrub,
    onError: (error: unknown, delay: number) => errors.push(`${(error as Error).message}, again after ${delay}`),
  };
  const usual = { gather: 10, minSyncPeriod: 0, scrubPeriod: 30_000, drainPeriod: 5_000 };
  const rhythm = new Rhythm(steps, { ...usual, ...tempo }, listener, clock);
  const stop = new AbortController();
  const run = rhythm.run(stop.signal);
  const end = async () => {
    stop.abort(new Error('over'));
    await assert.rejects(run, { message: 'over' });
  };
  return { clock, steps, rhythm, errors, begun, took, end };
}

test('nothing is read or done before every source has told what it has', async () => {
  const { clock, steps, rhythm, end } = started({}, (all) => (all.synced = false));
  rhythm.changed();
  await clock.passTo(100_000);
  assert.deepEqual(steps.done, []);
  steps.synced = true;
  rhythm.changed();
  await clock.passTo(100_020);
  assert.deepEqual(steps.done, ['100000 verify', '100000 pass']);
  await end();
});

test('changes that come together are one pass', async () => {
  const { clock, steps, rhythm, end } = started();
  await clock.passTo(1_000);
  rhythm.changed();
  await clock.passTo(1_004);
  rhythm.changed();
  await clock.passTo(1_009);
  rhythm.changed();
  await clock.passTo(2_000);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '1010 pass']);
  await end();
});

test('a change that comes while a pass is under way has one of its own', async () => {
  const { clock, steps, rhythm, end } = started();
  await clock.passTo(1_000);
  const pass = steps.pass.bind(steps);
  steps.pass = async () => {
    rhythm.changed();
    steps.pass = pass;
    return pass();
  };
  rhythm.changed();
  await clock.passTo(2_000);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '1010 pass', '1020 pass']);
  await end();
});

test('passes keep their distance', async () => {
  const { clock, steps, rhythm, end } = started({ minSyncPeriod: 1_000 });
  await clock.passTo(400);
  rhythm.changed();
  await clock.passTo(3_000);
  rhythm.changed();
  await clock.passTo(3_500);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '1000 pass', '3010 pass']);
  await end();
});

test('what is to be tried again is tried when it is due, without a change', async () => {
  const { clock, steps, end } = started({}, (all) => {
    const pass = all.pass.bind(all);
    all.pass = async () => {
      all.pass = pass;
      const report = await pass();
      all.due = 700;
      return report;
    };
  });
  await clock.passTo(2_000);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '700 pass']);
  await end();
});

test('the kernel is compared with what is believed of it from time to time, and a pass follows', async () => {
  const { clock, steps, end } = started();
  await clock.passTo(60_000);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '30000 scrub', '30000 pass', '60000 scrub', '60000 pass']);
  assert.deepEqual(steps.budgets, [30, 30], 'a thousandth of the time');
  await end();
});

test('what changed waits for one read of a scrub, not for all of them', async () => {
  const found: Drift[] = [];
  const { clock, steps, rhythm, end } = started(
    {},
    (all) => {
      const step = async (kind: keyof Drift) => {
        if (kind === 'service') rhythm.changed();
        await clock.sleep(50, () => {});
        return { ...noDrift, [kind]: 1 };
      };
      all.scrubSteps = [() => step('setting'), () => step('service'), () => step('binding')];
    },
    (drift) => found.push(drift),
  );
  await clock.passTo(40_000);
  assert.deepEqual(steps.done, ['0 verify', '0 pass', '30000 scrub', '30100 pass', '30150 pass']);
  assert.deepEqual(found, [{ ...noDrift, setting: 1, service: 1, binding: 1 }]);
  await end();
});

test('a scrub that failed is made again, and what it had found counts', async () => {
  const found: Drift[] = [];
  const { clock, errors, end } = started(
    {},
    (all) => {
      let tries = 0;
      const failing = async () => {
        if (tries++ === 0) throw new Error('the dump was interrupted');
        return noDrift;
      };
      all.scrubSteps = [async () => ({ ...noDrift, table: 1 }), failing];
    },
    (drift) => found.push(drift),
  );
  await clock.passTo(40_000);
  assert.deepEqual(errors, ['the dump was interrupted, again after 100']);
  assert.deepEqual(found, [{ ...noDrift, table: 2 }]);
  await end();
});

test('what changed does not wait for a scrub that fails', async () => {
  const { clock, steps, rhythm, errors, end } = started({}, (all) => {
    all.scrubSteps = [() => Promise.reject(new Error('the dump was interrupted'))];
  });
  await clock.passTo(31_000);
  rhythm.changed();
  await clock.passTo(33_200);
  const scrubs = ['30000 scrub', '30100 scrub', '30300 scrub', '30700 scrub'];
  assert.deepEqual(steps.done.slice(2), [...scrubs, '31010 pass', '31500 scrub', '33100 scrub']);
  assert.equal(errors.at(-1), 'the dump was interrupted, again after 3200');
  await end();
});

test('drains are looked at as long as there are any', async () => {
  const { clock, steps, end } = started({}, (all) => (all.drains = 1));
  await clock.passTo(6_000);
  steps.drains = 0;
  await clock.passTo(20_000);
  assert.deepEqual(steps.done, ['0 verify', '0 drains', '0 pass', '5000 drains', '5000 pass']);
  await end();
});

test('a broken channel is tried again with growing delays, and told each time', async () => {
  const { clock, steps, errors, begun, end } = started({}, (all) => (all.failures = 3));
  await clock.passTo(5_000);
  assert.deepEqual(steps.done, ['0 verify', '0 broken', '100 broken', '300 broken', '700 pass']);
  const message = 'the socket is closed, again after';
  assert.deepEqual(errors, [`${message} 100`, `${message} 200`, `${message} 400`]);
  assert.deepEqual(begun, [0, 100, 300, 700], 'each try takes what changed until then');
  await end();
});

test('how long a pass took is told without the tries before it and the pauses between them', async () => {
  const { clock, steps, took, end } = started({}, (prepared) => (prepared.failures = 2));
  const pass = steps.pass.bind(steps);
  steps.pass = async () => {
    clock.time += 7;
    return pass();
  };
  await clock.passTo(1_000);
  assert.deepEqual(took, [7]);
  await end();
});

test('the end comes at once, also in the middle of a wait', async () => {
  const { clock, end } = started();
  await clock.passTo(1_000);
  await end();
});

test('a step that is under way when the end comes is the last one', async () => {
  for (const last of ['pass', 'scrub'] as const) {
    const { clock, steps, rhythm, end } = started();
    await clock.passTo(1_000);
    const step = steps[last].bind(steps) as () => never;
    let ended: Promise<void> | undefined;
    steps[last] = () => {
      rhythm.changed();
      ended = end();
      return step();
    };
    if (last === 'pass') rhythm.changed();
    await clock.passTo(40_000);
    await ended;
    assert.deepEqual(steps.done.slice(2), [last === 'pass' ? '1010 pass' : '30000 scrub']);
  }
});
