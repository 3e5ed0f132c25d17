/** Manifests in a temporary folder, samples of what real programs print, and what was read from them as lines. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import { type ManifestOptions, type Manifests, problemText, readManifests } from '../../src/watch/manifests.ts';

/** Written for one test: relative path → text or bytes. Gives the folder's path. */
export async function writeManifests(
  test: TestContext,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kube-ipvs-'));
  test.after(() => rm(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** A file of test/support/samples; tests run from dist/. */
export function samplePath(name: string): string {
  return fileURLToPath(new URL(`../../../test/support/samples/${name}`, import.meta.url));
}

const silence: AsyncIterable<Uint8Array> = Readable.from([]);

export function readPaths(paths: readonly string[], options: Partial<ManifestOptions> = {}): Promise<Manifests> {
  return readManifests(paths, { nodeName: 'node-a', stdin: silence, ...options });
}

/** Reads one text from standard input. */
export function readText(text: string | Uint8Array): Promise<Manifests> {
  return readPaths(['-'], { stdin: Readable.from([Buffer.from(text)]) });
}

export function problemLines({ problems, warnings }: Manifests): string[] {
  return [
    ...problems.map((problem) => `${problem.class} ${problemText(problem)}`),
    ...warnings.map((warning) => `warning ${problemText(warning)}`),
  ];
}

/** `set service demo/web`, `unreadable Service demo/web`, `synced node`. */
export function eventText(event: ClusterEvent): string {
  switch (event.kind) {
    case 'service':
      return `${event.verb} service ${event.verb === 'set' ? event.service.name : event.name}`;
    case 'endpointSlice':
      return `${event.verb} slice ${event.verb === 'set' ? event.slice.name : event.name}`;
    case 'node':
      return `${event.verb} node ${event.verb === 'set' ? event.node.name : ''}`;
    case 'nodeAddresses':
      return `node addresses ${event.addresses.map(({ address }) => address).join(' ')}`;
    case 'unreadable':
      return `unreadable ${event.object} ${event.name}`;
    case 'synced':
      return `synced ${event.source}`;
    default:
      return event satisfies never;
  }
}

/** What every reading ends with. */
export const synced = ['synced services', 'synced endpointSlices', 'synced node'];

export function serviceText(name: string, clusterIP: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: ${clusterIP}, ports: [{port: 80}]}\n`;
}
