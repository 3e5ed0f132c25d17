/** The daemon's configuration, read again when somebody asks. */

import { isDeepStrictEqual } from 'node:util';
import { type Config, daemonProblems, loadConfig } from '../config/config.ts';
import { type Kernel, KernelError } from '../kernel/kernel.ts';
import { delayAfter, usualDelays } from '../model/growing-delay.ts';
import { printable } from '../model/printable.ts';
import { isShortage } from '../model/shortage.ts';
import { daemonHost } from './host.ts';
import type { Invocation } from './invocation.ts';
import type { Logger } from './log.ts';
import { refusedScheduler } from './scheduler.ts';

export interface ReloadOptions {
  readonly invocation: Pick<Invocation, 'flags' | 'given' | 'config' | 'signal'>;
  readonly kernel: Pick<Kernel, 'schedulers'>;
  readonly log: Logger;
  /** Whether this configuration means other sources than those in use: the kubeconfig that it names may have changed. */
  readonly isElsewhere: (config: Config) => Promise<boolean>;
  /** Rejects, with all as it was, where the configuration cannot be used. */
  readonly reload: (config: Config) => Promise<void>;
}

/** Settings that are read once: those of the start stay in force. */
const lasting = ['netns', 'loggingFormat', 'oomScoreAdj'] as const;

/**
 * Makes the function that reads the configuration again. Calls are served one after the other. What is wrong with a configuration is
 * logged, and the one before stays in force; where the kernel or this process was short of something, and that may pass, it is read again
 * later without a call. The function never rejects.
 */
export function reloader({ invocation, kernel, log, isElsewhere, reload }: ReloadOptions): () => Promise<void> {
  let current: Config = invocation.config;
  let last = Promise.resolve();
  let isRefused = false;
  let retry: NodeJS.Timeout | undefined;
  /** One after another, to find out whether a configuration can be used. */
  let failures = 0;
  const keep = (reasons: readonly string[], next = '') => {
    isRefused = true;
    for (const reason of reasons) log.error(reason);
    log.error(`the configuration is not taken: the one before stays in force${next}`);
  };
  const once = async () => {
    const loaded = loadConfig(invocation, daemonHost);
    const problems = 'problems' in loaded ? loaded.problems : daemonProblems(loaded.config);
    if ('problems' in loaded || problems.length > 0) return keep(problems.map(({ message }) => message));
    const { config, remarks } = loaded;
    if (isDeepStrictEqual(config, current) && !(await isElsewhere(config))) {
      // whoever was told that something is wrong wants to know that it is mended
      log[isRefused ? 'info' : 'debug']('the configuration was read again, and says the same as the one in force');
      isRefused = false;
      return;
    }
    const refusal = await refusedScheduler(kernel, config.scheduler);
    if (refusal !== undefined) return keep([refusal]);
    // which settings of the kernel are ours depends on the namespace that we are in
    await reload({ ...config, netns: invocation.config.netns });
    for (const remark of remarks) log.info(remark);
    for (const name of lasting) {
      const isOther = config[name] !== current[name] && config[name] !== invocation.config[name];
      if (isOther) log.warn(`${name} changed: that takes effect when kube-ipvs starts again`);
    }
    current = config;
    isRefused = false;
    log.info('the configuration was read again, and is in force');
  };
  const attempt = async () => {
    await once();
    failures = 0;
  };
  const fail = (error: unknown) => {
    if (invocation.signal.aborted) return;
    const reason = printable(error instanceof Error ? error.message : String(error));
    if (!isPassing(error)) return keep([reason]);
    const delay = delayAfter(++failures, usualDelays);
    keep([reason], `; it is read again in ${delay} ms`);
    clearTimeout(retry);
    retry = setTimeout(() => void again(), delay).unref();
  };
  const again = () => {
    clearTimeout(retry);
    last = last.then(attempt).catch(fail);
    return last;
  };
  return again;
}

/** It says nothing of the configuration. */
function isPassing(error: unknown): boolean {
  return error instanceof KernelError || isShortage(error) || (error instanceof Error && isShortage(error.cause));
}
