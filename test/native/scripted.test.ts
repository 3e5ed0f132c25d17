/** Kernels that answer wrongly, late or not at all: what was not confirmed is unknown, and nothing hangs or crashes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ended, type Mode, runScript } from './child.ts';

/** Milliseconds. The long one where nothing is waited for in vain: the peer is another process, on a machine that may be busy. */
const timeouts = { short: 300, long: 60_000 } as const;
const patiently: readonly string[] = ['obedient', 'garbage', 'closing'];

function timeoutOf(mode: string): number {
  return patiently.includes(mode) ? timeouts.long : timeouts.short;
}

const outcomes = (timeoutMs: number) => `
  const socket = new addon.IpvsSocket({ fd: 3, timeoutMs: ${timeoutMs} });
  const code = (promise) => promise.then(() => 'done', (error) => error.code);
  const ops = concat([ipvsRecord(), ipvsRecord({ destination: [10, 1, 0, 1] }), ipvsRecord({ port: 81 })]);
  const told = { services: await code(socket.services()), traffic: await code(socket.traffic()), info: await code(socket.info()) };
  told.errnos = await socket.apply(ops).then(({ errnos }) => [...errnos], (error) => error.code);
  console.log(JSON.stringify(told));`;

function told(ended: Ended): Record<string, unknown> {
  assert.deepEqual([ended.status, ended.signal], [0, null], ended.stderr);
  return JSON.parse(ended.stdout) as Record<string, unknown>;
}

const wanted: Record<Exclude<Mode, 'slow' | 'babbling'>, object> = {
  obedient: { services: 'done', traffic: 'done', info: 'EBADMSG', errnos: [0, 0, 0] },
  garbage: { services: 'DUMP_INTERRUPTED', traffic: 'DUMP_INTERRUPTED', info: 'EBADMSG', errnos: [-1, -1, 0] },
  silent: { services: 'ETIMEDOUT', traffic: 'ETIMEDOUT', info: 'ETIMEDOUT', errnos: 'ETIMEDOUT' },
  noise: { services: 'DUMP_INTERRUPTED', traffic: 'DUMP_INTERRUPTED', info: 'ETIMEDOUT', errnos: [-1, -1, -1] },
  truncated: { services: 'DUMP_INTERRUPTED', traffic: 'DUMP_INTERRUPTED', info: 'ETIMEDOUT', errnos: [-1, -1, -1] },
  sequence: { services: 'ETIMEDOUT', traffic: 'ETIMEDOUT', info: 'ETIMEDOUT', errnos: [-1, -1, -1] },
  endless: { services: 'ETIMEDOUT', traffic: 'ETIMEDOUT', info: 'ETIMEDOUT', errnos: [-1, -1, -1] },
  closing: { services: 'ECONNRESET', traffic: 'EPIPE', info: 'EPIPE', errnos: 'EPIPE' },
};

for (const [mode, outcome] of Object.entries(wanted)) {
  test(`against a kernel that is ${mode}`, () => {
    assert.deepEqual(told(runScript(outcomes(timeoutOf(mode)), { mode: mode as Mode })), outcome);
  });
}

const flowOutcomes = (timeoutMs: number) => `
  const socket = new addon.ConntrackSocket({ fd: 3, timeoutMs: ${timeoutMs} });
  const told = { flows: await socket.flows(flowKey()).then((flows) => flows.length, (error) => error.code) };
  told.errnos = await socket.delete(concat([flowRecord(), flowRecord()])).then(({ errnos }) => [...errnos], (error) => error.code);
  console.log(JSON.stringify(told));`;

const wantedFlows: Record<Exclude<Mode, 'slow' | 'babbling'>, object> = {
  obedient: { flows: 0, errnos: [0, 0] },
  garbage: { flows: 'DUMP_INTERRUPTED', errnos: [-1, 0] },
  silent: { flows: 'ETIMEDOUT', errnos: [-1, -1] },
  noise: { flows: 'DUMP_INTERRUPTED', errnos: [-1, -1] },
  truncated: { flows: 'DUMP_INTERRUPTED', errnos: [-1, -1] },
  sequence: { flows: 'ETIMEDOUT', errnos: [-1, -1] },
  endless: { flows: 'ETIMEDOUT', errnos: [-1, -1] },
  closing: { flows: 'ECONNRESET', errnos: 'EPIPE' },
};

for (const [mode, outcome] of Object.entries(wantedFlows)) {
  test(`flows, against a kernel that is ${mode}`, () => {
    assert.deepEqual(told(runScript(flowOutcomes(timeoutOf(mode)), { mode: mode as Mode })), outcome);
  });
}

const nftablesOutcomes = (timeoutMs: number) => `
  const socket = new addon.NftablesSocket({ fd: 3, table: 'kube-ipvs', timeoutMs: ${timeoutMs} });
  const code = (promise) => promise.then(() => 'done', (error) => error.code);
  const told = { objects: await code(socket.objects(4)), elements: await code(socket.elements(4, 's')) };
  told.generation = await code(socket.generation());
  const errnos = (promise) => promise.then(({ errnos }) => [...errnos], (error) => error.code);
  told.apply = await errnos(socket.apply(concat([tableRecord(4), chainRecord(4, { name: 'x' })])));
  told.applyElements = await errnos(socket.applyElements(elementRecord({ set: 's', key: [1] })));
  console.log(JSON.stringify(told));`;

const nftablesWanted: Record<Exclude<Mode, 'slow' | 'babbling'>, object> = {
  obedient: { objects: 'EBADMSG', elements: 'EBADMSG', generation: 'EBADMSG', apply: [0, 0], applyElements: [0] },
  garbage: { objects: 'EBADMSG', elements: 'EBADMSG', generation: 'EBADMSG', apply: [-1, -1], applyElements: [-1] },
  silent: {
    objects: 'ETIMEDOUT',
    elements: 'ETIMEDOUT',
    generation: 'ETIMEDOUT',
    apply: [-1, -1],
    applyElements: [-1],
  },
  noise: { objects: 'ETIMEDOUT', elements: 'ETIMEDOUT', generation: 'ETIMEDOUT', apply: [-1, -1], applyElements: [-1] },
  truncated: {
    objects: 'ETIMEDOUT',
    elements: 'ETIMEDOUT',
    generation: 'ETIMEDOUT',
    apply: [-1, -1],
    applyElements: [-1],
  },
  sequence: {
    objects: 'ETIMEDOUT',
    elements: 'ETIMEDOUT',
    generation: 'ETIMEDOUT',
    apply: [-1, -1],
    applyElements: [-1],
  },
  endless: { objects: 'EBADMSG', elements: 'EBADMSG', generation: 'EBADMSG', apply: [0, 0], applyElements: [0] },
  closing: { objects: 'ECONNRESET', elements: 'EPIPE', generation: 'EPIPE', apply: 'EPIPE', applyElements: 'EPIPE' },
};

for (const [mode, outcome] of Object.entries(nftablesWanted)) {
  test(`nf_tables against a kernel that is ${mode}`, () => {
    assert.deepEqual(told(runScript(nftablesOutcomes(timeoutOf(mode)), { mode: mode as Mode })), outcome);
  });
}

test('a slow kernel holds up the socket, not the event loop', () => {
  const ended = runScript(
    `
    const socket = new addon.IpvsSocket({ fd: 3 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    await Promise.all([socket.services(), socket.apply(ipvsRecord())]);
    clearInterval(timer);
    console.log(JSON.stringify({ ticks: ticks > 20 }));`,
    { mode: 'slow' },
  );
  assert.deepEqual(told(ended), { ticks: true });
});

test('a monitor fed with noise tells of an overrun and lives on', () => {
  const ended = runScript(
    `
    const kinds = new Set();
    await new Promise((done) => {
      const monitor = new addon.AddressMonitor({ fd: 3 }, (events) => {
        for (const { kind } of events) kinds.add(kind);
        monitor.close();
        done();
      });
      monitor.ref();
    });
    console.log(JSON.stringify([...kinds]));`,
    { mode: 'babbling' },
  );
  assert.deepEqual(told(ended), ['overrun']);
});
