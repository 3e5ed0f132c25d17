import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgrammingLatency } from '../../src/serve/programming-latency.ts';

function latency() {
  const clock = { time: 1_000 };
  const observed: string[] = [];
  const latency = new ProgrammingLatency({
    now: () => clock.time,
    observe: (family, milliseconds) => observed.push(`IPv${family} ${milliseconds}`),
  });
  return { latency, clock, observed };
}

test('every change is measured once, when the kernel has it', () => {
  const { latency: all, clock, observed } = latency();
  all.changed({ family: 4, triggeredAt: 1_100 });
  all.changed({ family: 6, triggeredAt: 1_200 });
  clock.time = 1_500;
  all.taken();
  assert.deepEqual(observed, []);
  clock.time = 1_600;
  all.synced();
  all.synced();
  assert.deepEqual(observed, ['IPv4 500', 'IPv6 400']);
});

test('a change that comes during a pass is measured with the next one', () => {
  const { latency: all, clock, observed } = latency();
  all.taken();
  all.changed({ family: 4, triggeredAt: 2_000 });
  clock.time = 2_100;
  all.synced();
  assert.deepEqual(observed, []);
  all.taken();
  clock.time = 2_300;
  all.synced();
  assert.deepEqual(observed, ['IPv4 300']);
});

test('what a pass could not do is measured when a later one could', () => {
  const { latency: all, clock, observed } = latency();
  all.changed({ family: 4, triggeredAt: 1_000 });
  all.taken();
  all.changed({ family: 4, triggeredAt: 2_000 });
  all.taken();
  clock.time = 3_000;
  all.synced();
  assert.deepEqual(observed, ['IPv4 2000', 'IPv4 1000']);
});

test('a change without a time, or from before the start, is not measured', () => {
  const { latency: all, observed } = latency();
  all.changed({ family: 4, triggeredAt: undefined });
  all.changed({ family: 4, triggeredAt: 999 });
  all.taken();
  all.synced();
  assert.deepEqual(observed, []);
});

test('when all slices are told from the beginning, what happened until then is not measured', () => {
  const { latency: all, clock, observed } = latency();
  all.changed({ family: 6, triggeredAt: 1_100 });
  all.taken();
  all.changed({ family: 4, triggeredAt: 1_100 });
  clock.time = 2_000;
  all.restarted();
  all.changed({ family: 4, triggeredAt: 1_100 });
  all.changed({ family: 4, triggeredAt: 2_100 });
  all.taken();
  clock.time = 2_500;
  all.synced();
  assert.deepEqual(observed, ['IPv4 400']);
});

test('a time from a clock ahead of ours took no time', () => {
  const { latency: all, observed } = latency();
  all.changed({ family: 4, triggeredAt: 5_000 });
  all.taken();
  all.synced();
  assert.deepEqual(observed, ['IPv4 0']);
});

test('no more than 10000 wait', () => {
  const { latency: all, observed } = latency();
  for (let i = 0; i < 6_000; i++) all.changed({ family: 4, triggeredAt: 1_000 });
  all.taken();
  for (let i = 0; i < 6_000; i++) all.changed({ family: 4, triggeredAt: 1_000 });
  all.taken();
  all.synced();
  assert.equal(observed.length, 10_000);
});
