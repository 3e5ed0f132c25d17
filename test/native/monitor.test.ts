/** The life of a monitor. What it tells is shown on a real kernel: test/kernel/addon.test.ts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { runScript } from './child.ts';

test('a monitor does not keep a process alive, until ref() is called', () => {
  const idle = runScript(`new addon.AddressMonitor({}, () => {});`);
  assert.equal(idle.status, 0);
  assert.ok(idle.milliseconds < 30_000);
  const held = runScript(
    `const monitor = new addon.AddressMonitor({}, () => {}); monitor.ref(); setTimeout(() => { console.log('here'); monitor.unref(); }, 100).unref();`,
  );
  assert.equal(held.stdout.trim(), 'here');
  assert.equal(held.status, 0);
});

test('closing twice, and ref and unref after that, are fine', () => {
  const { AddressMonitor } = loadAddon();
  const monitor = new AddressMonitor({}, () => {});
  monitor.close();
  monitor.close();
  monitor.ref();
  monitor.unref();
});

test('many monitors may be opened and closed', () => {
  const { AddressMonitor } = loadAddon();
  for (let i = 0; i < 200; i++) new AddressMonitor({}, () => {}).close();
  assert.ok(true);
});

test('a monitor closed with a notification queued tells nothing more', () => {
  for (const end of ['', 'process.exit(0);']) {
    const { status, stdout, stderr } = runScript(
      `
      const monitor = new addon.AddressMonitor({ fd: 3 }, () => console.log('told'));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      monitor.close();
      await new Promise((done) => setTimeout(done, 50));
      ${end}`,
      { mode: 'babbling' },
    );
    assert.deepEqual([status, stdout], [0, ''], stderr);
  }
});

test('an exception of the listener is an uncaught exception', () => {
  const { status, stdout } = runScript(
    `
    process.on('uncaughtException', (error) => { console.log(error.message); process.exit(9); });
    new addon.AddressMonitor({ fd: 3 }, () => { throw new Error('mine'); }).ref();`,
    { mode: 'babbling' },
  );
  assert.deepEqual([status, stdout.trim()], [9, 'mine']);
});

test('a monitor nobody holds goes on until the process ends', () => {
  const { status, stdout } = runScript(
    `
    (() => { new addon.AddressMonitor({ fd: 3 }, () => { console.log('told'); process.exit(0); }).ref(); })();
    for (let i = 0; i < 10; i++) { gc(); await new Promise((done) => setImmediate(done)); }`,
    { mode: 'babbling', flags: ['--expose-gc'] },
  );
  assert.deepEqual([status, stdout.trim()], [0, 'told']);
});
