import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyHealth, type ProxyHealthOptions } from '../../src/serve/proxy-health.ts';
import { rfc3339Micro, rfc3339Nano } from '../../src/serve/time-text.ts';

/** 2026-11-21T14:42:52Z */
const start = 1_795_272_172_000;

function proxy(families: ProxyHealthOptions['families'] = [4, 6]) {
  const clock = {
    /** By which somebody may set the time of day forth or back. */
    set: 0,
    time: start,
  };
  const health = new ProxyHealth({
    now: () => clock.time + clock.set,
    steadyNow: () => clock.time,
    limit: () => 60_000,
    families,
  });
  return { health, clock };
}

function codes(health: ProxyHealth): readonly number[] {
  return [health.healthz().code, health.livez().code];
}

test('before anything was reported the proxy is alive, and the node not known', () => {
  const { health } = proxy();
  assert.deepEqual(health.healthz(), {
    code: 503,
    body: '{"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-11-21T14:42:52Z","nodeEligible":false,"healthy":true}',
  });
  assert.deepEqual(health.livez(), {
    code: 200,
    body: '{"lastUpdated":"2026-11-21T14:42:52Z","currentTime":"2026-11-21T14:42:52Z","healthy":true}',
  });
});

test('a healthy proxy says "lastUpdated": now, and when each family really was', () => {
  const { health, clock } = proxy();
  health.setNode(true);
  health.started();
  clock.time += 1_234.5;
  assert.deepEqual(health.healthz(), {
    code: 200,
    body: '{"lastUpdated":"2026-11-21T14:42:53.2345Z","currentTime":"2026-11-21T14:42:53.2345Z","nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-11-21T14:42:52Z","healthy":true},"IPv6":{"lastUpdated":"2026-11-21T14:42:52Z","healthy":true}}}',
  });
});

test('whether a change waits too long is not a matter of the time of day', () => {
  const { health, clock } = proxy();
  health.setNode(true);
  health.started();
  health.queued();
  clock.set = 86_400_000;
  assert.deepEqual(codes(health), [200, 200]);
  clock.set = -86_400_000;
  clock.time += 60_000;
  assert.deepEqual(codes(health), [503, 503]);
});

test('a change that waits as long as the limit makes both answers 503', () => {
  const { health, clock } = proxy([4]);
  health.setNode(true);
  health.started();
  health.queued();
  clock.time += 59_999;
  assert.deepEqual(codes(health), [200, 200]);
  clock.time += 1;
  assert.equal(health.isHealthy, false);
  assert.deepEqual(health.healthz(), {
    code: 503,
    body: '{"lastUpdated":"2026-11-21T14:42:52Z","currentTime":"2026-11-21T14:43:52Z","nodeEligible":true,"healthy":false,"status":{"IPv4":{"lastUpdated":"2026-11-21T14:42:52Z","healthy":false}}}',
  });
  assert.deepEqual(health.livez(), {
    code: 503,
    body: '{"lastUpdated":"2026-11-21T14:42:52Z","currentTime":"2026-11-21T14:43:52Z","healthy":false,"status":{"IPv4":{"lastUpdated":"2026-11-21T14:42:52Z","healthy":false}}}',
  });
  health.taken();
  assert.deepEqual(codes(health), [503, 503]);
  health.updated();
  assert.deepEqual(codes(health), [200, 200]);
});

test('a change that comes while a pass is under way waits for the next one', () => {
  const { health, clock } = proxy();
  health.started();
  health.queued();
  health.taken();
  clock.time += 30_000;
  health.queued();
  health.updated();
  clock.time += 30_000;
  assert.equal(health.isHealthy, true);
  health.taken();
  clock.time += 29_999;
  health.taken();
  assert.equal(health.isHealthy, true);
  clock.time += 1;
  assert.equal(health.isHealthy, false, 'passes that begin and are not finished do not set back its clock');
  health.updated();
  assert.equal(health.isHealthy, true);
});

test('the clock of a change that waits is not set back by the next one', () => {
  const { health, clock } = proxy();
  health.started();
  health.queued();
  clock.time += 50_000;
  health.queued();
  clock.time += 10_000;
  assert.equal(health.isHealthy, false);
});

test('a change that came before the loop ran is not late', () => {
  const { health, clock } = proxy();
  health.queued();
  clock.time += 600_000;
  assert.equal(health.isHealthy, true);
  health.started();
  assert.equal(health.isHealthy, true);
});

test('a loop that has nothing to do stays healthy', () => {
  const { health, clock } = proxy();
  health.setNode(true);
  health.started();
  health.queued();
  health.taken();
  health.updated();
  clock.time += 86_400_000;
  assert.deepEqual(codes(health), [200, 200]);
});

test('a node that goes away fails /healthz only, and "healthy" stays true', () => {
  const { health } = proxy([6]);
  health.started();
  health.setNode(false);
  assert.deepEqual(codes(health), [503, 200]);
  assert.equal(
    health.healthz().body,
    '{"lastUpdated":"2026-11-21T14:42:52Z","currentTime":"2026-11-21T14:42:52Z","nodeEligible":false,"healthy":true,"status":{"IPv6":{"lastUpdated":"2026-11-21T14:42:52Z","healthy":true}}}',
  );
  health.setNode(true);
  assert.deepEqual(codes(health), [200, 200]);
  health.setNode(undefined);
  assert.deepEqual(codes(health), [503, 200]);
});

const times: readonly [milliseconds: number, nano: string, micro: string][] = [
  [0, '1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000000Z'],
  [1_000.5, '1970-01-01T00:00:01.0005Z', '1970-01-01T00:00:01.000500Z'],
  [100, '1970-01-01T00:00:00.1Z', '1970-01-01T00:00:00.100000Z'],
  [0.000001, '1970-01-01T00:00:00.000000001Z', '1970-01-01T00:00:00.000000Z'],
  [999.9999999, '1970-01-01T00:00:01Z', '1970-01-01T00:00:01.000000Z'],
  [999.9996, '1970-01-01T00:00:00.9999996Z', '1970-01-01T00:00:01.000000Z'],
];

for (const [milliseconds, nano, micro] of times) {
  test(`${milliseconds} ms are written ${nano}, and to microseconds ${micro}`, () => {
    assert.deepEqual([rfc3339Nano(milliseconds), rfc3339Micro(milliseconds)], [nano, micro]);
  });
}
