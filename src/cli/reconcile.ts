/** `kube-ipvs reconcile --once`: manifests to facts, facts to the kernel, once. */

import type { Kernel } from '../kernel/kernel.ts';
import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { type Manifests, type Problem, problemText, readManifests } from '../watch/manifests.ts';
import { converge, now } from './converge.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { createLog, type Logger, logSome } from './log.ts';
import { Progress } from './progress.ts';

export async function reconcile(invocation: Invocation): Promise<number> {
  const startedAt = now();
  const manifests = await read(invocation);
  const log = createLog(invocation.config, invocation.stderr);
  logProblems(log, manifests);
  if (manifests.problems.some((problem) => problem.class !== 'value')) {
    log.error('nothing was changed: mend the manifests first');
    return exitStatus.usage;
  }
  const store = new Store();
  for (const event of manifests.events) store.apply(event);
  const kernel = openKernel({ netns: invocation.config.netns });
  try {
    const refusal = await refusedScheduler(kernel, invocation.config.scheduler);
    if (refusal !== undefined) {
      log.error(refusal);
      return exitStatus.usage;
    }
    store.apply({ kind: 'nodeAddresses', verb: 'set', addresses: await kernel.nodeAddresses() });
    store.apply({ kind: 'synced', source: 'nodeAddresses' });
    const extra = { manifests: asJson(manifests) };
    const status = await converge(invocation, { command: 'reconcile', store, kernel, startedAt, log, extra });
    return manifests.problems.length > 0 ? exitStatus.failed : status;
  } finally {
    kernel.close();
  }
}

async function read({ flags, config, stdin, stderr, signal }: Invocation): Promise<Manifests> {
  const progress = new Progress(stderr);
  const onProgress = (done: number, total: number) =>
    progress.show(() => `read ${Math.floor((100 * done) / Math.max(total, 1))}% of the manifests`);
  try {
    return await readManifests(flags.manifests, { nodeName: config.nodeName, stdin, signal, onProgress });
  } finally {
    progress.end();
  }
}

/** IPVS schedulers of Linux, up to 6.12; a kernel may lack some and have others. */
const knownSchedulers = 'rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos'.split(' ');

/** Why the scheduler cannot be used, with those that can; undefined when the kernel has it. Changes nothing. */
async function refusedScheduler(kernel: Kernel, name: string): Promise<string | undefined> {
  if ((await kernel.schedulers([name])).length > 0) return undefined;
  const offered = (await kernel.schedulers(knownSchedulers)).join(', ');
  const cure = knownSchedulers.includes(name)
    ? `load its module (modprobe ip_vs_${name}), install the kernel package that carries it, or choose one of these`
    : 'choose one of these';
  return `--ipvs-scheduler: this kernel has no scheduler ${name}; it offers ${offered}: ${cure}; nothing was changed`;
}

function logProblems(log: Logger, { problems, warnings, ignored }: Manifests): void {
  logSome(log, 'error', problems.map(problemText));
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
