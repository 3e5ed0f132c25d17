/** `kube-ipvs cleanup`: the same loop with nothing wanted. Removes exactly what the kernel marks as ours, or with --release the marks. */

import { openKernel } from '../kernel/native.ts';
import { Store } from '../store/store.ts';
import { steadyNow } from './clock.ts';
import { converge } from './converge.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { createLog } from './log.ts';
import { runsHere } from './status-client.ts';
import { release } from './takeover/release.ts';
import { wishesOf } from './wishes.ts';

export async function cleanup(invocation: Invocation): Promise<number> {
  const startedAt = steadyNow();
  const store = new Store();
  for (const source of ['services', 'endpointSlices', 'node', 'nodeAddresses'] as const)
    store.apply({ kind: 'synced', source });
  const { config, flags, stderr, signal } = invocation;
  const log = createLog(config, stderr);
  const kernel = openKernel({ netns: config.netns });
  try {
    if (flags.release) return await release(invocation, kernel, log);
    const wishes = wishesOf(config, 'cleanup');
    const status = await converge(invocation, { command: 'cleanup', wishes, store, kernel, startedAt, log, extra: {} });
    if (!(await runsHere(config, signal))) return status;
    log.warn('kube-ipvs runs here and makes all of it again within syncPeriod: stop it, and run again');
    return status === exitStatus.converged ? exitStatus.remaining : status;
  } finally {
    kernel.close();
  }
}
