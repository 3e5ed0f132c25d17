/** Asks the API server what the daemon would, once and briefly; changes nothing there. */

import { access } from 'node:fs/promises';
import type { Config } from '../../config/config.ts';
import type { ApiAnswer, ApiClient } from '../../watch/kubernetes/api-client.ts';
import { readList } from '../../watch/kubernetes/list.ts';
import { readRefusal } from '../../watch/kubernetes/refusal.ts';
import { endpointSliceResource, nodeResource, type Resource, services } from '../../watch/kubernetes/resources.ts';
import { patience as daemonPatience } from '../../watch/kubernetes/transport.ts';
import { userAgent } from '../version.ts';
import type { ClusterFacts, RequestOutcome, ResourceOutcome } from './cluster-checks.ts';

/** Milliseconds: who is asked by a person may not take as long as the daemon lets it. */
const patience = 5_000;

/** `limit`: milliseconds for a connection, and for an answer to begin; an answer may take twice as long in all. */
export async function clusterFacts(
  { cluster, manifests, nodeName }: Pick<Config, 'cluster' | 'manifests' | 'nodeName'>,
  signal: AbortSignal,
  limit = patience,
): Promise<ClusterFacts> {
  if (manifests.length > 0) return { kind: 'manifests', missing: await missingFiles(manifests) };
  if (cluster.kubeconfig === '' && cluster.master === '' && (process.env.KUBERNETES_SERVICE_HOST ?? '') === '') {
    return {
      kind: 'unnamed',
      why: 'no API server is named (--kubeconfig, --master, or clientConnection.kubeconfig), and this is no Pod',
    };
  }
  const { AccessError, openApiClient } = await import('../../watch/kubernetes/http-client.ts');
  try {
    const client = await openApiClient(cluster, {
      onRequest: () => {},
      userAgent: userAgent(),
      patience: { ...daemonPatience, connect: limit, answer: limit },
    });
    try {
      const byService = cluster.kubeconfig === '' && cluster.master === '';
      return await ask({ client, signal, limit }, { nodeName, byService });
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof AccessError) return { kind: 'unusable', why: error.message };
    throw error;
  }
}

async function missingFiles(paths: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const path of paths.filter((each) => each !== '-')) {
    await access(path).catch(() => missing.push(path));
  }
  return missing;
}

interface Asking {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
  readonly limit: number;
}

async function ask(
  asking: Asking,
  { nodeName, byService }: { readonly nodeName: string; readonly byService: boolean },
): Promise<ClusterFacts> {
  const resources = [services, endpointSliceResource(), nodeResource(nodeName)];
  const first = await askResource(asking, resources[0]!);
  if (first.list.kind === 'failed') return { kind: 'silent', why: first.list.message };
  const [events, ...rest] = await Promise.all([
    eventRights(asking),
    ...resources.slice(1).map((resource) => askResource(asking, resource)),
  ]);
  return { kind: 'answers', resources: [first, ...rest], events, nodeName, byService };
}

async function askResource(asking: Asking, resource: Resource): Promise<ResourceOutcome> {
  const { name } = resource;
  let count = 0;
  let version = '';
  const list = await outcomeOf(asking, `${resource.path}?limit=1&${resource.selectors}`, async ({ body }) => {
    const answer = readList(body);
    for await (const _ of answer.items) count++;
    version = answer.frame().version ?? '';
  });
  if (list.kind !== 'done') return { name, list, count, watch: undefined };
  const from = `watch=true&timeoutSeconds=1&resourceVersion=${encodeURIComponent(version)}`;
  const watch = await outcomeOf(asking, `${resource.path}?${from}&${resource.selectors}`, async () => {});
  return { name, list, count, watch };
}

/** `read` takes what it wants of an answer of status 200; the rest is left. */
async function outcomeOf(
  { client, signal, limit }: Asking,
  path: string,
  read: (answer: ApiAnswer) => Promise<void>,
): Promise<RequestOutcome> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(new Error(`no whole answer within ${2 * limit} ms`)), 2 * limit);
  try {
    const answer = await client.request({ method: 'GET', path, signal: AbortSignal.any([signal, end.signal]) });
    if (answer.status === 200) {
      await read(answer);
      return { kind: 'done' };
    }
    const { code, message } = await readRefusal(answer);
    return { kind: 'refused', status: code, message };
  } catch (error) {
    signal.throwIfAborted();
    rethrowAccess(error);
    return { kind: 'failed', message: (error as Error).message };
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

/** What is wrong with credentials is no failure of the server. */
function rethrowAccess(error: unknown): void {
  if ((error as { code?: unknown }).code === 'NO_ACCESS') throw error;
}

const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

/** A question that makes nothing: a review is answered and forgotten (authorization.k8s.io/v1). */
async function eventRights({ client, signal }: Asking): Promise<Extract<ClusterFacts, { kind: 'answers' }>['events']> {
  const resourceAttributes = { group: 'events.k8s.io', resource: 'events', verb: 'create', namespace: 'default' };
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  try {
    const answer = await client.request({ method: 'POST', path: reviews, body, signal });
    if (answer.status >= 300) {
      const { code, message } = await readRefusal(answer);
      return { allowed: undefined, why: `the server does not say (${code}): ${message}` };
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of answer.body) pieces.push(piece);
    const text = Buffer.concat(pieces).toString('utf8');
    const { status } = JSON.parse(text) as { status?: { allowed?: unknown; reason?: unknown } };
    return { allowed: status?.allowed === true, why: typeof status?.reason === 'string' ? status.reason : '' };
  } catch (error) {
    signal.throwIfAborted();
    return { allowed: undefined, why: (error as Error).message };
  }
}
