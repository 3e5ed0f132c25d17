/**
 * Prints, as a Markdown table, what the daemon costs beside the test API server at each URL: its cold start, one change, and nothing to
 * do. Needs root and IPVS. Usage: daemon.js NAME=URL…
 */

import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKernel } from '../../src/kernel/native.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { parseAddress } from '../../src/model/address.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { quantile, resident } from './figures.ts';
import { kubeconfig } from './kubeconfig.ts';

/** Changes of which the quantiles are. */
const changes = 200;
/** Seconds without a change: two scrubs. */
const idleSeconds = 60;
/** Milliseconds: the kernel alone takes most of a minute for 44 000 addresses in a guest. */
const longestStart = 900_000;
const namespace = `bench-${process.pid}`;
/** The API server may have the endpoints of a run before. */
const run = randomInt(256);

process.stdout.write(
  `Linux ${release()}, Node ${process.version}; one endpoint more, ${changes} times at most; idle ${idleSeconds} s\n\n`,
);
process.stdout.write(
  '| cluster | cold start, ms | RSS then, MiB | change to kernel, ms: median | 99 of 100 | slowest | idle, % of a core | RSS then, MiB |\n',
);
process.stdout.write(`|${'---|'.repeat(8)}\n`);
for (const argument of process.argv.slice(2)) {
  const mark = argument.indexOf('=');
  process.stdout.write(`| ${argument.slice(0, mark)} | ${(await row(argument.slice(mark + 1))).join(' | ')} |\n`);
}

async function row(url: string): Promise<string[]> {
  const ip = (...words: readonly string[]) => execFileSync('ip', words);
  ip('netns', 'add', namespace);
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  const place = new Workplace();
  const kernel = openKernel({ netns: namespace });
  try {
    const start = performance.now();
    const source = { kubeconfig: place.write('kubeconfig', kubeconfig(url)) };
    const daemon = await Daemon.start({ netns: namespace, source });
    await daemon.line(/ ready: /, 0, longestStart);
    const cold = performance.now() - start;
    const loaded = resident(daemon.pid, 'VmRSS');
    // what the start left behind is collected, and a first scrub is done
    await sleep(90_000);
    const times = await latencies(url, kernel);
    const before = cpuOf(daemon.pid);
    await sleep(idleSeconds * 1000);
    const idle = cpuOf(daemon.pid) - before;
    const settled = resident(daemon.pid, 'VmRSS');
    await daemon.stop();
    const at = (share: number) => quantile(times, share).toFixed(0);
    const share = ((100 * idle) / idleSeconds).toFixed(2);
    return [cold.toFixed(0), `${loaded}`, at(0.5), at(0.99), at(1), share, `${settled}`];
  } finally {
    kernel.close();
    place.close();
    ip('netns', 'delete', namespace);
  }
}

/** Milliseconds from the API server's answer to a change until the kernel has it. */
async function latencies(url: string, kernel: Kernel): Promise<number[]> {
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
  const list = (await (await fetch(`${url}${path}?limit=${changes}`)).json()) as { readonly items: readonly Slice[] };
  const times: number[] = [];
  for (const [i, slice] of list.items.entries()) {
    const name = slice.metadata.labels['kubernetes.io/service-name']!;
    const service = (await (await fetch(`${url}/api/v1/namespaces/default/services/${name}`)).json()) as Service;
    const key = virtualServiceKey('TCP', parseAddress(service.spec.clusterIP)!, service.spec.ports[0]!.port);
    const address = `10.99.${run}.${i + 1}`;
    const endpoints = [...slice.endpoints, { addresses: [address], conditions: { ready: true } }];
    // the first reading of this process takes longer than a change
    await kernel.destinations([key]);
    await fetch(`${url}${path}/${slice.metadata.name}`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/merge-patch+json' },
      body: JSON.stringify({ endpoints }),
    });
    const answered = performance.now();
    for (let seen = false; !seen; ) {
      const [destinations] = await kernel.destinations([key]);
      seen = destinations!.some(({ destination }) => destination.address === address);
    }
    times.push(performance.now() - answered);
    await sleep(100);
  }
  return times;
}

interface Slice {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly endpoints: readonly object[];
}

interface Service {
  readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly port: number }[] };
}

/** Seconds of user and system time; proc_pid_stat(5), at 100 ticks a second. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
