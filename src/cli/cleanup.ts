/** `kube-ipvs cleanup`: the same loop with nothing wanted. Removes exactly what the kernel marks as ours, or with --release the marks. */

import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { converge, now } from './converge.ts';
import type { Invocation } from './invocation.ts';
import { createLog } from './log.ts';
import { release } from './takeover/release.ts';
import { wishesOf } from './wishes.ts';

export async function cleanup(invocation: Invocation): Promise<number> {
  const startedAt = now();
  const store = new Store();
  for (const source of ['services', 'endpointSlices', 'node', 'nodeAddresses'] as const)
    store.apply({ kind: 'synced', source });
  const { config, flags, stderr } = invocation;
  const log = createLog(config, stderr);
  const kernel = openKernel({ netns: config.netns });
  try {
    if (flags.release) return await release(invocation, kernel, log);
    const wishes = wishesOf(config, 'cleanup');
    return await converge(invocation, { command: 'cleanup', wishes, store, kernel, startedAt, log, extra: {} });
  } finally {
    kernel.close();
  }
}
