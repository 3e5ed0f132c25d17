/** Whether kube-proxy runs in the network namespace: it would write again what is removed. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { ListenAddress } from '../../config/config.ts';

/** Milliseconds that something on this machine has to show its metrics. */
const patience = 1000;

/** By what it is seen, for a sentence: `process 4711`; undefined where it is not. */
export async function runningKubeProxy(
  netns: string | undefined,
  metrics: ListenAddress | undefined,
): Promise<string | undefined> {
  const pid = kubeProxyProcess(netns);
  if (pid !== undefined) return `process ${pid}`;
  // from a container without the host's processes it is seen by what it serves
  if (netns !== undefined || metrics === undefined) return undefined;
  return (await servesGoMetrics(metrics)) ? `it serves its metrics at ${metrics.host}:${metrics.port}` : undefined;
}

/** Of all processes that we may see, those of that name in that network namespace. Costs O(processes). */
function kubeProxyProcess(netns: string | undefined): string | undefined {
  const here = namespaceOf(netns === undefined ? '/proc/self/ns/net' : `/run/netns/${netns}`);
  return readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      return name === 'kube-proxy' && namespaceOf(`/proc/${pid}/ns/net`) === here;
    } catch {
      return false; // it has ended
    }
  });
}

function namespaceOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

/** kube-ipvs has the same address and serves Node.js' metrics there, kube-proxy Go's. */
export async function servesGoMetrics({ host, port }: ListenAddress): Promise<boolean> {
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  try {
    const answer = await fetch(`http://${at}:${port}/metrics`, { signal: AbortSignal.timeout(patience) });
    return /^go_goroutines /m.test(await answer.text());
  } catch {
    return false; // nobody is there
  }
}
