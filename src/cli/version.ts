/** `kube-ipvs version`. */

import { readFileSync } from 'node:fs';
import { arch, release } from 'node:os';

/** The package's version: package.json lies three folders above dist/src/cli/. */
export function productVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
}

/** `kube-ipvs 0.1.0 (node v20.20.2, linux 6.1.0 x64)`; the JSON form has the same facts as fields. */
export function versionText(output: 'text' | 'json'): string {
  const facts = { version: productVersion(), node: process.version, kernel: release(), architecture: arch() };
  if (output === 'json') return `${JSON.stringify(facts)}\n`;
  return `kube-ipvs ${facts.version} (node ${facts.node}, ${process.platform} ${facts.kernel} ${facts.architecture})\n`;
}
