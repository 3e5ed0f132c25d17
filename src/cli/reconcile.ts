/** `kube-ipvs reconcile --once`: facts to the kernel, once. */

import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { converge, now } from './converge.ts';
import { readFacts } from './facts.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { createLog } from './log.ts';
import { refusedScheduler } from './scheduler.ts';

export async function reconcile(invocation: Invocation): Promise<number> {
  const startedAt = now();
  const log = createLog(invocation.config, invocation.stderr);
  const facts = await readFacts(invocation, log);
  if (facts.isBroken) {
    log.error('nothing was changed: mend the manifests first');
    return exitStatus.usage;
  }
  const store = new Store();
  for (const event of facts.events) store.apply(event);
  const kernel = openKernel({ netns: invocation.config.netns });
  try {
    const refusal = await refusedScheduler(kernel, invocation.config.scheduler);
    if (refusal !== undefined) {
      log.error(refusal);
      return exitStatus.usage;
    }
    store.apply({ kind: 'nodeAddresses', verb: 'set', addresses: await kernel.nodeAddresses() });
    store.apply({ kind: 'synced', source: 'nodeAddresses' });
    const errand = { command: 'reconcile', store, kernel, startedAt, log, extra: facts.json } as const;
    const status = await converge(invocation, errand);
    return facts.hasProblems ? exitStatus.failed : status;
  } finally {
    kernel.close();
  }
}
