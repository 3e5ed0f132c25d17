/** Which addon is loaded, and which is not. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { addonSizes as sizes } from '../support/addon-sizes.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
after(() => rmSync(folder, { recursive: true }));

/** What is loaded where somebody has an addon of these sizes. */
function loaded(name: string, of: Readonly<Record<string, number>>): unknown {
  const file = join(folder, `${name}.cjs`);
  writeFileSync(file, `module.exports = ${JSON.stringify(of)};\n`);
  process.env['KUBE_IPVS_ADDON'] = file;
  return loadAddon();
}

test('an addon of the same sources is loaded', () => {
  assert.deepEqual(loaded('same', sizes), sizes);
});

for (const [name, size] of Object.entries(sizes)) {
  test(`one of another ${name} is not`, () => {
    assert.throws(() => loaded(name, { ...sizes, [name]: size + 4 }), /was built from other sources: run npm ci in /);
  });
}

test('one that is not there is told with the place', () => {
  process.env['KUBE_IPVS_ADDON'] = join(folder, 'none.node');
  assert.throws(loadAddon, /^Error: the native addon is not built \(looked for \/.*\/none\.node\): run npm ci in \//);
});
