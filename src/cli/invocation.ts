/** What every command gets, and what it gives back. */

import type { CommandName } from '../config/commands.ts';
import type { Config } from '../config/config.ts';
import type { FlagKey, FlagValues } from '../config/flags.ts';

/** Text goes out here; a terminal tells its width. */
export interface TextSink {
  /** `onWritten` is told when it is out, or why not: nobody reads any more. */
  write(text: string, onWritten?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Streams {
  /** Bytes of standard input. */
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
}

export interface Invocation extends Streams {
  readonly command: CommandName;
  readonly operands: readonly string[];
  readonly flags: FlagValues;
  /** The flags that were written, to tell them from defaults. */
  readonly given: ReadonlySet<FlagKey>;
  readonly config: Config;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** The exit status is a contract (README): scripts read it. */
export const exitStatus = {
  /** Converged; with --dry-run: nothing to do. */
  converged: 0,
  /** Something could not be applied. */
  failed: 1,
  /** --dry-run found changes. */
  changes: 2,
  /** `takeover`, `cleanup`: done, but for something that is kube-proxy's, or ours, and could not go yet, or comes back. */
  remaining: 3,
  /** Bad usage or bad manifests (EX_USAGE of sysexits.h). */
  usage: 64,
  /** 128 + SIGINT. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;
