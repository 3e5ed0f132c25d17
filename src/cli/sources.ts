/** Where the facts come from, by configuration: an API server, or files in its place. */

import { readFile, stat } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import type { ClusterEvent } from '../model/cluster.ts';
import type { SourceState } from '../model/status.ts';
import type { ApiClient, RequestReport } from '../watch/kubernetes/api-client.ts';
import { ManifestWatch } from '../watch/manifest-watch.ts';
import { steadyTime } from './clock.ts';
import { userAgent } from './version.ts';

export interface SourceListener {
  readonly onEvent: (event: ClusterEvent) => void;
  /** What an operator should know; printable. */
  readonly onRemark: (level: 'info' | 'warn' | 'error', message: string) => void;
  readonly onRestart: (source: string, reason: string) => void;
  readonly onRequest: (report: RequestReport) => void;
}

export interface Sources {
  /** Times are those of `steadyTime`. */
  states(): readonly SourceState[];
  /** POSTs to the API server; rejects unless it took the object. Does nothing where manifests take its place. */
  post(path: string, body: object): Promise<void>;
  /** Tells nothing any more. Twice is safe. */
  close(): void;
}

/** Rejects when the credentials or the place of the API server cannot be made out; not when it does not answer: that is waited for. */
export async function openSources(config: Config, listener: SourceListener): Promise<Sources> {
  return config.manifests.length > 0 ? manifestSources(config, listener) : clusterSources(config, listener);
}

/** What decides where the facts come from, to be compared: a kubeconfig may name another server, and lie where it lay. */
export async function placeOf({ nodeName, cluster, manifests }: Config): Promise<unknown> {
  const kubeconfig = manifests.length > 0 ? undefined : await textOf(cluster.kubeconfig);
  return { nodeName, cluster, manifests, kubeconfig };
}

/** undefined where it cannot be read, which who uses it will tell; and of a pipe, which can be read once. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isFile() ? await readFile(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

function manifestSources(config: Config, { onEvent, onRemark }: SourceListener): Sources {
  const { manifests: paths, nodeName } = config;
  const watch = new ManifestWatch({ paths, nodeName, onEvent, onRemark, now: steadyTime });
  return {
    states: () => watch.sources(),
    post: () => Promise.resolve(),
    close: () => watch.close(),
  };
}

async function clusterSources(config: Config, listener: SourceListener): Promise<Sources> {
  const { openApiClient } = await import('../watch/kubernetes/http-client.ts');
  const { ClusterWatch } = await import('../watch/kubernetes/cluster-watch.ts');
  const { onRequest, ...heard } = listener;
  const client = await openApiClient(config.cluster, { onRequest, userAgent: userAgent() });
  const watch = new ClusterWatch(client, { nodeName: config.nodeName, ...heard, now: steadyTime, random: Math.random });
  return {
    states: () => watch.sources(),
    post: (path, body) => post(client, path, body),
    close: () => {
      watch.close();
      client.close();
    },
  };
}

/** Milliseconds. */
const postTimeout = 10_000;

async function post(client: ApiClient, path: string, body: object): Promise<void> {
  const signal = AbortSignal.timeout(postTimeout);
  const answer = await client.request({ method: 'POST', path, body, signal });
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body) text += decoder.decode(bytes, { stream: true });
  if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${text.slice(0, 500)}`);
}
