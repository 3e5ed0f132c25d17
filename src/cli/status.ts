/** `kube-ipvs status`: what a running daemon believes, or without one what the kernel has. */

import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { KernelError } from '../kernel/kernel.ts';
import { openKernel } from '../kernel/native.ts';
import { printable } from '../model/printable.ts';
import type { StatusReport } from '../model/status.ts';
import { statusJson } from '../model/status-json.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { askDaemon, StatusError } from './status-client.ts';
import { withoutTimes } from './status-change.ts';
import { kernelReport } from './status-kernel.ts';
import { statusText } from './status-text.ts';

/** `interval`: milliseconds between one look and the next of --watch. */
export async function status(invocation: Invocation, interval = 2000): Promise<number> {
  const { flags, signal, stdout, stderr } = invocation;
  try {
    const first = await read(invocation);
    if (flags.watch) await watch(invocation, first, interval);
    else stdout.write(textOf(first, invocation));
    return exitStatus.converged;
  } catch (error) {
    if (signal.aborted) return exitStatus.interrupted;
    stderr.write(failureText(error));
    return exitStatus.failed;
  }
}

/**
 * Prints every report that says something else than the one before, until nobody reads; rejects when it is interrupted. A daemon that cannot
 * be asked may be starting again: that is said once, and it is asked again.
 */
async function watch(invocation: Invocation, first: StatusReport, interval: number): Promise<void> {
  const { flags, signal, stdout, stderr } = invocation;
  const unread = new AbortController();
  const print = (text: string) => {
    stdout.write(text, (error) => {
      if (error instanceof Error) unread.abort();
    });
  };
  print(textOf(first, invocation));
  let last: unknown = withoutTimes(first);
  while (!unread.signal.aborted) {
    await setTimeout(interval, undefined, { signal });
    try {
      const report = await read(invocation);
      const facts = withoutTimes(report);
      if (isDeepStrictEqual(facts, last)) continue;
      last = facts;
      print(`${flags.output === 'json' ? '' : '\n'}${textOf(report, invocation)}`);
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureText(error);
      if (failure !== last) stderr.write(failure);
      last = failure;
    }
  }
}

/** Passes on what nobody expects. */
function failureText(error: unknown): string {
  if (!(error instanceof StatusError)) throw error;
  return `kube-ipvs: ${printable(error.message)}\n`;
}

function textOf(report: StatusReport, { flags, config }: Invocation): string {
  if (flags.output === 'json') return `${statusJson(report, flags.watch ? 0 : 2)}\n`;
  return statusText(report, { wide: flags.output === 'wide', socket: config.statusSocket });
}

async function read({ config, signal }: Invocation): Promise<StatusReport> {
  const report = await askDaemon(config.statusSocket, { signal });
  if (report !== undefined) return report;
  try {
    const kernel = openKernel({ netns: config.netns });
    try {
      return await kernelReport(kernel, config.nodeName, Date.now());
    } finally {
      kernel.close();
    }
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new StatusError(`no daemon answers at ${config.statusSocket}, and ${error.message}`, { cause: error });
  }
}
