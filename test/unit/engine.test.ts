import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

test('the engine knows what the daemon asks of it', () => {
  const module = new URL('../../src/cli/engine.js', import.meta.url).href;
  const script = `const engine = await import(${JSON.stringify(module)});
    engine.tuneForStart();
    engine.tuneForChanges();`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
});
