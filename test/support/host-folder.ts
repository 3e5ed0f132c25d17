/** A folder that looks like a machine's root, as far as files are given. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type HostFiles, hostFiles } from '../../src/cli/host-files.ts';

/** Path → text; it is gone with the test. */
export function hostFolder(test: TestContext, texts: Readonly<Record<string, string>>): HostFiles {
  const root = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  test.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return hostFiles(root);
}
