/** `kube-ipvs takeover`: one pass that adopts what kube-proxy made of IPVS; then what else it left goes. */

import { printable } from '../../model/printable.ts';
import { printOutcome, runErrand } from '../converge.ts';
import { type Groundwork, withFacts } from '../groundwork.ts';
import { hostFiles } from '../host-files.ts';
import { exitStatus, type Invocation } from '../invocation.ts';
import { runningKubeProxy } from '../kube-proxy/running.ts';
import { Lines } from '../lines.ts';
import type { Logger } from '../log.ts';
import { isConverged } from '../report.ts';
import { wishesOf } from '../wishes.ts';
import { namedBy } from './adoption.ts';
import { findLeftovers, leftoverLines, type Leftovers, openSight, type Sight } from './leftovers.ts';
import { removalSummary, type RemovalTerms, type Removed, removeLeftovers } from './remove.ts';

export async function takeover(invocation: Invocation): Promise<number> {
  return withFacts(invocation, 'nothing was changed', (groundwork) => takeOver(invocation, groundwork));
}

async function takeOver(invocation: Invocation, groundwork: Groundwork): Promise<number> {
  const { config, flags, signal } = invocation;
  const { store, kernel, startedAt, log, facts } = groundwork;
  const sight = openSight(config.netns, signal);
  const running = await runningKubeProxy({ files: hostFiles(), netns: config.netns, metrics: config.metricsAddress });
  const leftovers = await findLeftovers(sight);
  const here = new Set(store.nodeAddresses.map(({ address }) => address));
  const wishes = { ...wishesOf(config, 'reconcile'), adopts: namedBy(leftovers.named, here) };
  const outcome = await runErrand(invocation, {
    command: 'takeover',
    wishes,
    store,
    kernel,
    startedAt,
    log,
    extra: {},
  });
  const isApplied = !facts.hasProblems && (flags.dryRun || isConverged(outcome));
  const lines = flags.output === 'json' ? undefined : new Lines(invocation.stdout, () => {});
  const onDone = (line: string) => lines?.write(printable(line));
  let removed: Removed;
  try {
    removed = await removal(sight, leftovers, { isApplied, dryRun: flags.dryRun, signal, onDone });
  } finally {
    lines?.flush();
  }
  const extra = { kubeProxy: { running: running ?? null, removed: removed.done, remaining: removed.remaining } };
  printOutcome(invocation, log, outcome, { ...facts.json, ...extra });
  if (flags.output !== 'json') invocation.stdout.write(`${removalSummary(removed, flags.dryRun)}\n`);
  for (const line of remarksOf(leftovers)) log.warn(line);
  tellRest(log, removed, running);
  if (!isApplied) return exitStatus.failed;
  if (flags.dryRun && (!isConverged(outcome) || removed.done.length > 0)) return exitStatus.changes;
  return removed.remaining.length > 0 || running !== undefined ? exitStatus.remaining : exitStatus.converged;
}

interface Terms extends RemovalTerms {
  readonly isApplied: boolean;
  readonly dryRun: boolean;
}

/** Without all of ours in the kernel nothing of kube-proxy's may go: connections would lose their masquerading. */
async function removal(sight: Sight, leftovers: Leftovers, { isApplied, dryRun, ...terms }: Terms): Promise<Removed> {
  const planned = leftoverLines(leftovers);
  if (!isApplied) {
    const why =
      'the rules and ipsets of kube-proxy stay until all that the cluster asks is in the kernel: mend that and run again';
    return { done: [], remaining: planned.length > 0 ? [why, ...leftovers.remaining] : leftovers.remaining };
  }
  if (dryRun) {
    planned.forEach(terms.onDone);
    return { done: planned, remaining: leftovers.remaining };
  }
  return removeLeftovers(sight, leftovers, terms);
}

function remarksOf({ rules }: Leftovers): string[] {
  return rules.flatMap(({ command, removal }) => removal.remarks.map((remark) => `${command}: ${remark}`));
}

function tellRest(log: Logger, { remaining }: Removed, running: string | undefined): void {
  for (const line of remaining) log.warn(line);
  if (running === undefined) return;
  log.warn(
    `kube-proxy runs here (${printable(running)}) and makes all of its own again within its syncPeriod: stop it on this node, and run again`,
  );
}
