/** Whether kube-proxy runs in the network namespace: it would undo what we do, and write again what is removed. */

import type { ListenAddress } from '../../config/config.ts';
import { endpointText } from '../../model/address.ts';
import type { HostFiles } from '../host-files.ts';

/** Milliseconds that something on this machine has to show its metrics. */
const patience = 1000;

/** Where it is looked for. */
export interface KubeProxySight {
  readonly files: HostFiles;
  /** A name of `ip netns`; undefined is the namespace that we run in. */
  readonly netns: string | undefined;
  /** Of --metrics-bind-address; undefined: nowhere. */
  readonly metrics: ListenAddress | undefined;
}

/** By what it is seen, for a sentence: `process 4711`; undefined where it is not. */
export async function runningKubeProxy({ files, netns, metrics }: KubeProxySight): Promise<string | undefined> {
  const pid = await kubeProxyProcess(files, netns);
  if (pid !== undefined) return `process ${pid}`;
  // from a container without the host's processes it is seen by what it serves
  if (netns !== undefined || metrics === undefined) return undefined;
  return (await servesGoMetrics(metrics))
    ? `it serves its metrics at ${endpointText(metrics.host, metrics.port)}`
    : undefined;
}

/** Of all processes that we may see, one of that name in that network namespace. Costs O(processes). */
async function kubeProxyProcess(files: HostFiles, netns: string | undefined): Promise<string | undefined> {
  const here = await files.identity(netns === undefined ? '/proc/self/ns/net' : `/run/netns/${netns}`);
  for (const pid of await files.names('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // ESRCH: it ended between the opening of its file and the reading
    const name = await files.text(`/proc/${pid}/comm`).catch(() => undefined);
    if (name?.trim() !== 'kube-proxy') continue;
    // whose namespace only root may see (EACCES) may well be here
    const there = await files.identity(`/proc/${pid}/ns/net`).catch(() => here);
    if (there !== undefined && there === here) return pid;
  }
  return undefined;
}

/** kube-ipvs has the same address and serves Node.js' metrics there, kube-proxy Go's. */
async function servesGoMetrics({ host, port }: ListenAddress): Promise<boolean> {
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  try {
    const answer = await fetch(`http://${endpointText(at, port)}/metrics`, { signal: AbortSignal.timeout(patience) });
    return /^go_goroutines /m.test(await answer.text());
  } catch {
    return false; // nobody is there
  }
}
