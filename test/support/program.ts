/** The program as its users run it: argv in; exit status, standard output and standard error out. */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What is shipped. */
export const bundle = fileURLToPath(new URL('../../bundle/kube-ipvs.mjs', import.meta.url));
/** Those of its first line, which a shell would find node with. */
export const nodeFlags = readFileSync(bundle, 'utf8')
  .split('\n', 1)[0]!
  .split(' ')
  .filter((word) => word.startsWith('--'));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `prefix` is a command to run it under, such as `setpriv … --`. */
export function startKubeIpvs(args: readonly string[], prefix: readonly string[] = []): ChildProcess {
  const [command, ...rest] = [...prefix, process.execPath, ...nodeFlags, bundle, ...args] as [string, ...string[]];
  return spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs to the end. */
export async function kubeIpvs(
  args: readonly string[],
  options: { readonly input?: string; readonly prefix?: readonly string[] } = {},
): Promise<Run> {
  const child = startKubeIpvs(args, options.prefix);
  child.stdin!.on('error', () => {});
  child.stdin!.end(options.input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { status, stdout, stderr };
}
