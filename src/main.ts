#!/usr/bin/env -S node --single-threaded-gc --min-semi-space-size=4 --max-semi-space-size=4
/**
 * The process: streams, signals and exit status. The flags of the first line, which deploy/Dockerfile repeats, make a daemon with
 * 60 MB of facts take 115 MB instead of 160 after changes, for no measurable processor time. With less room for young objects than 4 MB
 * a start copies more of them, and keeps more that will be garbage.
 */

import { runCommandLine } from './cli/command-line.ts';
import { exitStatus } from './cli/invocation.ts';
import { KernelError } from './kernel/kernel.ts';
import { printable } from './model/printable.ts';
import { AccessError } from './watch/kubernetes/access-error.ts';

const words = process.argv.slice(2);
const abort = new AbortController();
let interrupted: number | undefined;

for (const [name, status] of [
  ['SIGINT', exitStatus.interrupted],
  ['SIGTERM', exitStatus.terminated],
] as const) {
  // Once: the second one ends the process at once, should a command not listen.
  process.once(name, () => {
    interrupted = status;
    abort.abort(new Error(`interrupted by ${name}`));
  });
}

// Node would listen for debuggers, and whoever reaches the port has our privileges.
process.on('SIGUSR1', () => {});

// `| head` closes our output, and a full disk takes none: what cannot be printed is dropped, what is left to do is done.
process.stderr.on('error', () => {});
let unprinted: Error | undefined;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') unprinted ??= error;
});
process.once('exit', () => {
  if (unprinted === undefined || interrupted !== undefined) return;
  process.exitCode ||= exitStatus.failed;
  process.stderr.write(failureText(unprinted));
});

process.once('uncaughtException', (error) => {
  process.stderr.write(failureText(error));
  process.exit(interrupted ?? exitStatus.failed);
});

/**
 * Milliseconds for what is left behind an interruption. A name that no server answers for keeps a thread busy until the C library gives it up,
 * in half a minute or more, and Node, process.exit() too, would wait for the thread.
 */
const leaveAfter = 300;

/** Settled when there is nothing left to do. */
export const ended = main();

async function main(): Promise<void> {
  try {
    const streams = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
    process.exitCode = await runCommandLine(words, streams, abort.signal);
  } catch (error) {
    process.exitCode = interrupted ?? exitStatus.failed;
    process.stderr.write(failureText(error));
  }
  if (interrupted !== undefined) setTimeout(() => void leave(), leaveAfter).unref();
}

async function leave(): Promise<void> {
  const { loadAddon } = await import('./kernel/addon.ts');
  loadAddon().exit(Number(process.exitCode));
}

function failureText(error: unknown): string {
  if (interrupted !== undefined && abort.signal.aborted) return 'kube-ipvs: interrupted\n';
  const failure = error instanceof Error ? error : new Error(String(error));
  // These say what happened and what to do; anything else is a mistake of ours.
  const expected = failure instanceof KernelError || failure instanceof AccessError || 'syscall' in failure;
  const message = printable(failure.message.replace(/\s*\n\s*/g, ' '));
  const line = `kube-ipvs: ${expected ? '' : 'internal error: '}${message}\n`;
  return isVerbose() ? `${line}${failure.stack ?? ''}\n` : line;
}

/** -v 4 and above, read straight from the words: the failure may lie in reading them. */
function isVerbose(): boolean {
  return /(?:^| )--?v(?:=| )?([4-9]|\d\d)/.test(words.join(' '));
}
