/** The daemon's configuration, read again when somebody asks. */

import { isDeepStrictEqual } from 'node:util';
import { type Config, daemonProblems, loadConfig } from '../config/config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { printable } from '../model/printable.ts';
import { thisHost } from './host.ts';
import type { Invocation } from './invocation.ts';
import type { Logger } from './log.ts';
import { refusedScheduler } from './scheduler.ts';

export interface ReloadOptions {
  readonly invocation: Pick<Invocation, 'flags' | 'given' | 'config' | 'signal'>;
  readonly kernel: Pick<Kernel, 'schedulers'>;
  readonly log: Logger;
  /** Rejects, with all as it was, where the configuration cannot be used. */
  readonly reload: (config: Config) => Promise<void>;
}

/** Settings that are read once. */
const lasting = ['netns', 'loggingFormat', 'oomScoreAdj'] as const;

/**
 * Reads the configuration again, each time that it is called, one time after the other. One that is wrong or cannot be used is told,
 * and the one before stays in force. Never rejects.
 */
export function reloader({ invocation, kernel, log, reload }: ReloadOptions): () => Promise<void> {
  let current: Config = invocation.config;
  let last = Promise.resolve();
  let isRefused = false;
  const keep = (reasons: readonly string[]) => {
    isRefused = true;
    for (const reason of reasons) log.error(reason);
    log.error('the configuration is not taken: the one before stays in force');
  };
  const once = async () => {
    const loaded = loadConfig(invocation, thisHost);
    const problems = 'problems' in loaded ? loaded.problems : daemonProblems(loaded.config);
    if ('problems' in loaded || problems.length > 0) return keep(problems.map(({ message }) => message));
    const { config, remarks } = loaded;
    if (isDeepStrictEqual(config, current)) {
      // whoever was told that something is wrong wants to know that it is mended
      log[isRefused ? 'info' : 'debug']('the configuration was read again, and says the same as the one in force');
      isRefused = false;
      return;
    }
    const refusal = await refusedScheduler(kernel, config.scheduler);
    if (refusal !== undefined) return keep([refusal]);
    await reload(config);
    for (const remark of remarks) log.info(remark);
    for (const name of lasting) {
      if (config[name] !== current[name]) log.warn(`${name} changed: that takes effect when kube-ipvs starts again`);
    }
    current = config;
    isRefused = false;
    log.info('the configuration was read again, and is in force');
  };
  return () => {
    last = last.then(once).catch((error: unknown) => {
      if (!invocation.signal.aborted) keep([printable(error instanceof Error ? error.message : String(error))]);
    });
    return last;
  };
}
