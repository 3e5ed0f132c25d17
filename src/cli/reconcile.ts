/** `kube-ipvs reconcile --once`: facts to the kernel, once. */

import { converge } from './converge.ts';
import { withFacts } from './groundwork.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { wishesOf } from './wishes.ts';

export async function reconcile(invocation: Invocation): Promise<number> {
  return withFacts(invocation, 'nothing was changed', async ({ store, kernel, startedAt, log, facts }) => {
    const wishes = wishesOf(invocation.config, 'reconcile');
    const errand = { command: 'reconcile', wishes, store, kernel, startedAt, log, extra: facts.json } as const;
    const status = await converge(invocation, errand);
    return facts.hasProblems ? exitStatus.failed : status;
  });
}
