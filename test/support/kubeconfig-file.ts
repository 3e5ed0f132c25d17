/** Kubeconfig files for tests. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A file of one context, in a folder of its own inside `folder`. Without a word on authorities the cluster trusts the `ca.crt` of that
 * `folder`; paths in the file are relative to its own.
 */
export function kubeconfigFile(
  folder: string,
  cluster: Readonly<Record<string, unknown>>,
  user: Readonly<Record<string, unknown>> = {},
): string {
  const file = join(mkdtempSync(join(folder, 'kubeconfig-')), 'config');
  writeFileSync(
    file,
    JSON.stringify({
      'current-context': 'there',
      contexts: [{ name: 'there', context: { cluster: 'test', user: 'node' } }],
      clusters: [{ name: 'test', cluster: { 'certificate-authority': '../ca.crt', ...cluster } }],
      users: [{ name: 'node', user }],
    }),
  );
  return file;
}
