/** How scripts/vm ends where no guest can be made; what it does with one is what the kernel tests run in. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../../scripts/vm', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'file');
writeFileSync(file, '');

describe('the status of scripts/vm is 125, which no test in a guest ends with, where', () => {
  for (const [what, variables] of [
    ['kernels cannot be kept', { KUBE_IPVS_CACHE: file }],
    ['there is no folder for temporary files', { TMPDIR: join(file, 'below') }],
  ] as const) {
    it(what, () => {
      const env = { ...process.env, ...variables };
      const { status, stderr } = spawnSync(script, ['--', 'true'], { env, encoding: 'utf8', stdio: 'pipe' });
      assert.equal(status, 125, stderr);
      assert.notEqual(stderr, '');
    });
  }
});

it('scripts/vm ends with 64 on bad usage', () => {
  for (const words of [[], ['--kernel'], ['--memory', '5', '--', 'true'], ['--nonsense', '--', 'true']])
    assert.equal(spawnSync(script, words).status, 64, words.join(' '));
});
