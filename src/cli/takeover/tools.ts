/** Programs of the node that are used where they are there, each for a bounded time. */

import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** What became of a program. */
export interface Ran {
  /** undefined: it could not be started, or did not end in time, or was stopped. */
  readonly status: number | undefined;
  readonly stdout: string;
  /** Without one, why there is no status. */
  readonly stderr: string;
}

export interface Tools {
  /** An absolute path; undefined where there is no such program. */
  find(name: string): string | undefined;
  run(path: string, args: readonly string[], input?: string): Promise<Ran>;
}

const folders = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/bin', '/bin', '/usr/local/bin'];
/** Milliseconds: iptables-restore waits 5 s for others' lock, and a hundred thousand rules take a while. */
const patience = 60_000;
const mostOutput = 1 << 29;

export interface ToolOptions {
  /** A name of `ip netns`; undefined is the namespace that we run in. */
  readonly netns: string | undefined;
  readonly signal: AbortSignal;
}

export function nodeTools({ netns, signal }: ToolOptions): Tools {
  const enter = netns === undefined ? [] : [nsenter(), `--net=/run/netns/${netns}`];
  return {
    find,
    run: (path, args, input = '') => {
      const [program, ...words] = [...enter, path, ...args] as [string, ...string[]];
      return execute(program, words, input, signal);
    },
  };
}

function nsenter(): string {
  const path = find('nsenter');
  if (path === undefined) throw new Error('--netns needs the program nsenter (Debian: util-linux) here');
  return path;
}

function find(name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function execute(program: string, args: readonly string[], input: string, signal: AbortSignal): Promise<Ran> {
  const env = { PATH: folders.join(':'), LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    const options = { env, signal, timeout: patience, killSignal: 'SIGKILL', maxBuffer: mostOutput } as const;
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
      resolve({ status, stdout, stderr: status === undefined ? reasonOf(error!) : stderr });
    });
    // what does not read its input has its own reason
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
  });
}

function reasonOf({ killed, message }: { readonly killed?: boolean | undefined; readonly message: string }): string {
  return killed === true ? `it did not end within ${patience / 1000} s` : message;
}
