/** What commands begin with that look at facts and kernel once: both, with nothing changed yet. */

import type { Kernel } from '../kernel/kernel.ts';
import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { steadyNow } from './clock.ts';
import { type Facts, readFacts } from './facts.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { createLog, type Logger } from './log.ts';
import { refusedScheduler } from './scheduler.ts';
import { inFamilies, servedFamilies } from './served-families.ts';

export interface Groundwork {
  /** All that is known, of the node's addresses too. */
  readonly store: Store;
  readonly kernel: Kernel;
  /** When the command began, by `steadyNow`. */
  readonly startedAt: number;
  readonly log: Logger;
  readonly facts: Facts;
}

/**
 * Reads the facts, opens the kernel, and answers what `work` makes of both: an exit status. Where the facts cannot be used it logs why,
 * with `outcome` (`nothing was changed`) before the cure, and answers an exit status of its own. The kernel is closed in the end.
 */
export async function withFacts(
  invocation: Invocation,
  outcome: string,
  work: (groundwork: Groundwork) => Promise<number>,
): Promise<number> {
  const startedAt = steadyNow();
  const { config, stderr } = invocation;
  const log = createLog(config, stderr);
  const facts = await readFacts(invocation, log);
  if (facts.isBroken) {
    log.error(`${outcome}: mend the manifests first`);
    return exitStatus.usage;
  }
  const store = new Store();
  const kernel = openKernel({ netns: config.netns });
  try {
    const served = await servedFamilies(kernel, log);
    for (const event of facts.events) store.apply(inFamilies(event, served));
    const refusal = await refusedScheduler(kernel, config.scheduler);
    if (refusal !== undefined) {
      log.error(refusal);
      return exitStatus.usage;
    }
    store.apply({ kind: 'nodeAddresses', verb: 'set', addresses: await kernel.nodeAddresses() });
    store.apply({ kind: 'synced', source: 'nodeAddresses' });
    return await work({ store, kernel, startedAt, log, facts });
  } finally {
    kernel.close();
  }
}
