/** What a command works from that looks at the cluster once: the facts of manifests, or of the API server at this moment. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterEvent } from '../model/cluster.ts';
import { blankTexts, type Manifests, type Problem, problemText, readManifests } from '../watch/manifests.ts';
import type { Invocation } from './invocation.ts';
import { type Logger, logSome } from './log.ts';
import { Progress } from './progress.ts';
import { openSources } from './sources.ts';

export interface Facts {
  readonly events: readonly ClusterEvent[];
  /** Nothing should be applied: what was read is no set of objects. */
  readonly isBroken: boolean;
  /** Something could not be read. */
  readonly hasProblems: boolean;
  /** For the JSON document. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Milliseconds for which an API server may be silent, or refuse, before a single run gives up. */
const patience = 60_000;

export async function readFacts(invocation: Invocation, log: Logger): Promise<Facts> {
  return invocation.config.manifests.length > 0 ? ofManifests(invocation, log) : ofCluster(invocation, log);
}

async function ofManifests(invocation: Invocation, log: Logger): Promise<Facts> {
  const manifests = await read(invocation);
  logProblems(log, manifests);
  const { problems, events, blank } = manifests;
  return {
    events,
    isBroken: blank.length > 0 || problems.some((problem) => problem.class !== 'value'),
    hasProblems: problems.length > 0,
    json: { manifests: asJson(manifests) },
  };
}

/** Rejects with the last reason when the API server has not told everything in {@link patience} after it last made progress. */
async function ofCluster({ config, signal }: Invocation, log: Logger): Promise<Facts> {
  const events: ClusterEvent[] = [];
  const told = new AbortController();
  let lacking = 3;
  const sources = await openSources(config, {
    onEvent: (event) => {
      events.push(event);
      if (event.kind === 'synced' && --lacking === 0) told.abort();
    },
    onRemark: (level, message) => log[level](message),
    onRestart: () => {},
    onRequest: () => {},
  });
  try {
    const done = AbortSignal.any([told.signal, signal]);
    for (let heard = -1; !done.aborted && heard < events.length; ) {
      heard = events.length;
      await sleep(patience, undefined, { signal: done }).catch(() => {});
    }
    signal.throwIfAborted();
    if (!told.signal.aborted) {
      const reason =
        sources.states().find(({ lastError }) => lastError !== undefined)?.lastError ?? 'it does not answer';
      throw new SilentCluster(`the API server did not tell all it has: ${reason}; nothing was changed`);
    }
    const count = (kind: ClusterEvent['kind']) => events.filter((event) => event.kind === kind).length;
    const counts = { services: count('service'), endpointSlices: count('endpointSlice'), nodes: count('node') };
    return {
      events,
      isBroken: false,
      hasProblems: events.some(({ kind }) => kind === 'unreadable'),
      json: { cluster: counts },
    };
  } finally {
    sources.close();
  }
}

/** What the operator must mend is outside of this program: the message is all there is to say. */
class SilentCluster extends Error {
  readonly syscall = 'request';
}

async function read({ config, stdin, stderr, signal }: Invocation): Promise<Manifests> {
  const progress = new Progress(stderr);
  const onProgress = (done: number, total: number) =>
    progress.show(() => `read ${Math.floor((100 * done) / Math.max(total, 1))}% of the manifests`);
  try {
    return await readManifests(config.manifests, { nodeName: config.nodeName, stdin, signal, onProgress });
  } finally {
    progress.end();
  }
}

function logProblems(log: Logger, manifests: Manifests): void {
  const { problems, warnings, ignored } = manifests;
  logSome(log, 'error', [...problems.map(problemText), ...blankTexts(manifests)]);
  logSome(log, 'warn', warnings.map(problemText));
  if (ignored.size === 0) return;
  const kinds = [...ignored].map(([kind, count]) => `${count} ${kind}`).join(', ');
  log.info(`ignored, because no node needs them: ${kinds}`);
}

function asJson({ counts, ignored, problems, warnings }: Manifests): Record<string, unknown> {
  return {
    ...counts,
    ignored: Object.fromEntries(ignored),
    problems: problems.map(problemAsJson),
    warnings: warnings.map(problemAsJson),
  };
}

function problemAsJson(problem: Problem): Record<string, unknown> {
  return { ...problem, text: problemText(problem) };
}
