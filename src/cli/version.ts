/** `kube-ipvs version`. */

import { arch, release } from 'node:os';

/** As package.json has it, which the image has not. */
export function productVersion(): string {
  return '0.1.0';
}

/** What an API server hears who asks. */
export function userAgent(): string {
  return `kube-ipvs/${productVersion()} (linux/${arch()})`;
}

/** `kube-ipvs 0.1.0 (node v20.20.2, linux 6.1.0 x64)`; the JSON form has the same facts as fields. */
export function versionText(output: 'text' | 'json' | 'wide'): string {
  const facts = { version: productVersion(), node: process.version, kernel: release(), architecture: arch() };
  if (output === 'json') return `${JSON.stringify(facts)}\n`;
  return `kube-ipvs ${facts.version} (node ${facts.node}, ${process.platform} ${facts.kernel} ${facts.architecture})\n`;
}
