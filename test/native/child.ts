/** Scripts in a process of their own: for what ends a process, and for kernels that do as they are told. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..', '..');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** What native/test/scripted_peer.cpp plays. */
export type Mode =
  | 'obedient'
  | 'slow'
  | 'silent'
  | 'garbage'
  | 'noise'
  | 'truncated'
  | 'sequence'
  | 'endless'
  | 'closing'
  | 'babbling';

/**
 * Runs a module script that sees `addon`, functions of record.ts and nftables-record.ts, and `work(script)`, which runs a
 * script that sees the same and `parentPort` in a worker. With a mode, descriptor 3 is a scripted kernel.
 */
export function runScript(
  script: string,
  options: {
    readonly mode?: Mode;
    /** Node's. */
    readonly flags?: readonly string[];
    /** A command that runs the one after it. */
    readonly through?: readonly string[];
  } = {},
): Ended {
  const common = `
    import { Worker, parentPort } from 'node:worker_threads';
    import { loadAddon } from '${here}../../src/kernel/addon.js';
    import { concat, flowKey, flowRecord, ipvsRecord, routeRecord } from '${here}record.js';
    import { chainRecord, elementRecord, ruleRecords, tableRecord } from '${here}nftables-record.js';
    const addon = loadAddon();`;
  const prelude = `${common}
    const work = (script) => new Worker(${JSON.stringify(common)} + script, { eval: true });`;
  const node = [process.execPath, ...(options.flags ?? []), '--input-type=module', '-e', prelude + script];
  const peer = options.mode === undefined ? [] : [buildPeer(), options.mode];
  const command = [...(options.through ?? []), ...peer, ...node];
  const start = process.hrtime.bigint();
  const { status, signal, stdout, stderr } = spawnSync(command[0]!, command.slice(1), {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  return { status, signal, stdout, stderr, milliseconds };
}

function buildPeer(): string {
  const folder = join(root, 'native', 'test');
  // one file of tests at a time; LD_PRELOAD: a sanitizer meant for the addon, not for make and the compiler
  const built = spawnSync('flock', [join(folder, 'Makefile'), 'make', '-s', '-C', folder, 'peer'], {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: undefined, MAKEFLAGS: undefined },
  });
  if (built.status !== 0) throw new Error(`cannot build the scripted kernel: ${built.stderr}`);
  return join(folder, 'out', 'scripted_peer');
}
