/** The program as its users run it: argv in; exit status, standard output and standard error out. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
/** What is shipped: the same in few files, which start much faster in an emulated guest but have no source maps. */
export const bundle = fileURLToPath(new URL('../../bundle/kube-ipvs.mjs', import.meta.url));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function startKubeIpvs(
  args: readonly string[],
  prefix: readonly string[] = [],
  program: string = main,
): ChildProcess {
  const [command, ...rest] = [...prefix, process.execPath, program, ...args] as [string, ...string[]];
  return spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs to the end. `prefix` is a command to run it under, such as `setpriv … --`. */
export async function kubeIpvs(
  args: readonly string[],
  options: { readonly input?: string; readonly prefix?: readonly string[]; readonly program?: string } = {},
): Promise<Run> {
  const child = startKubeIpvs(args, options.prefix, options.program);
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
