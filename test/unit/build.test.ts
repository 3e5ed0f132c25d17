/** What scripts/build asks of the tools that build. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('a build of a checkout that was moved, or made by another Node.js, is configured anew', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const put = (name: string, text: string) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o755 });
    return path;
  };
  const tool = (name: string, answer: string) => put(name, `#!/bin/sh\n${answer}\n`);
  const script = put('scripts/build', '');
  copyFileSync(fileURLToPath(new URL('../../../scripts/build', import.meta.url)), script);
  tool('scripts/lib/install-packages', '');
  tool('scripts/lib/node-headers', '');
  const tools = dirname(tool('tools/npx', 'echo npx "$@"'));
  tool('tools/npm', 'echo npm "$@"');
  // installed as it is locked, and built before
  put('package-lock.json', '{}');
  put('node_modules/.package-lock.of-build', '{}');
  put('build/Makefile', '');
  const { stdout, stderr } = spawnSync(script, {
    env: { ...process.env, PATH: `${tools}:${process.env['PATH']}` },
    encoding: 'utf8',
  });
  assert.deepEqual(
    [stderr, stdout.trim().split('\n')],
    ['', ['npx node-gyp configure', 'npx node-gyp build', 'npm run --silent build']],
  );
});
