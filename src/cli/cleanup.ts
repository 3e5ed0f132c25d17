/** `kube-ipvs cleanup`: the same loop with nothing wanted. Removes exactly what the kernel marks as ours. */

import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { converge, now } from './converge.ts';
import type { Invocation } from './invocation.ts';
import { createLog } from './log.ts';

export async function cleanup(invocation: Invocation): Promise<number> {
  const startedAt = now();
  const store = new Store();
  for (const source of ['services', 'endpointSlices', 'node', 'nodeAddresses'] as const)
    store.apply({ kind: 'synced', source });
  const log = createLog(invocation.config, invocation.stderr);
  const kernel = openKernel({ netns: invocation.config.netns });
  try {
    return await converge(invocation, { command: 'cleanup', store, kernel, startedAt, log, extra: {} });
  } finally {
    kernel.close();
  }
}
