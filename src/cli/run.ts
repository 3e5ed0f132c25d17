/** `kube-ipvs run`: the daemon, from its configuration to its end. */

import { setTimeout as sleep } from 'node:timers/promises';
import { aborted } from 'node:util';
import type { Config } from '../config/config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomFaults } from '../kernel/faults.ts';
import { FaultyKernel } from '../kernel/faulty.ts';
import { openKernel } from '../kernel/native.ts';
import { FileWatch } from '../watch/file-watch.ts';
import { Daemon } from './daemon.ts';
import { tuneForStart } from './engine.ts';
import { initialise } from './initialise.ts';
import { exitStatus, type Invocation } from './invocation.ts';
import { createLog, type Logger } from './log.ts';
import { setOomScore } from './oom-score.ts';
import { reloader } from './reload.ts';
import { refusedScheduler } from './scheduler.ts';

/** Ends with 0 when it was told to end (SIGTERM, SIGINT): the kernel stays as it is. */
export async function run(invocation: Invocation): Promise<number> {
  const { config, flags, signal } = invocation;
  const log = createLog(config, invocation.stderr);
  applyOomScore(config.oomScoreAdj, log);
  const kernel = openKernel({ netns: config.netns });
  // before somebody listens to it, it would end the process
  process.on('SIGHUP', ignore);
  try {
    const refusal = await refusedScheduler(kernel, config.scheduler);
    if (refusal !== undefined) {
      log.error(refusal);
      return exitStatus.usage;
    }
    return flags.initOnly
      ? await initialise(config, kernel, log)
      : await serve(invocation, faulty(kernel, config, log), log);
  } catch (error) {
    if (signal.aborted) return exitStatus.converged;
    throw error;
  } finally {
    process.off('SIGHUP', ignore);
    kernel.close();
  }
}

/** The configuration file is read again when the daemon begins, whoever asked for that earlier. */
function ignore(): void {}

async function serve(invocation: Invocation, kernel: Kernel, log: Logger): Promise<number> {
  tuneForStart();
  const { config, flags, signal } = invocation;
  const end = new AbortController();
  let fatal: Error | undefined;
  const onFatal = (error: Error) => {
    fatal ??= error;
    end.abort(error);
  };
  const ended = AbortSignal.any([signal, end.signal]);
  const daemon = new Daemon({ config, kernel, log, signal: ended, onFatal });
  log.info(
    { node: config.nodeName, pid: process.pid },
    'kube-ipvs begins; the kernel stays as it is until all is known',
  );
  const opened = daemon.open().catch((error: Error) => {
    // whoever waits for it to read the configuration again has nothing more to say
    end.abort(error);
    throw error;
  });
  const again = reloader({
    invocation: { ...invocation, signal: ended },
    kernel,
    log,
    isElsewhere: async (read) => {
      await opened;
      return daemon.isElsewhere(read);
    },
    reload: async (changed) => {
      await opened;
      await daemon.reload(changed);
    },
  });
  const reload = () => void again();
  process.on('SIGHUP', reload);
  const watch = flags.config === undefined ? undefined : new FileWatch([flags.config], { onChange: reload });
  // the file may have changed while we started
  if (watch !== undefined) reload();
  try {
    // a file on a server that is away, or a pipe that nobody fills, is read for ever
    await Promise.race([opened, aborted(signal, daemon)]);
    await daemon.run();
  } finally {
    process.off('SIGHUP', reload);
    watch?.close();
    daemon.close();
  }
  if (fatal !== undefined) {
    log.error(`kube-ipvs ends: ${fatal.message}`);
    return exitStatus.failed;
  }
  log.info('kube-ipvs ends; what is in the kernel stays');
  return exitStatus.converged;
}

/** The same kernel, but with --inject-kernel-faults. What a start asks before it is spared: it would only end the process. */
function faulty(kernel: Kernel, { kernelFaults }: Config, log: Logger): Kernel {
  if (kernelFaults === undefined) return kernel;
  log.warn(kernelFaults, 'faults are injected between this process and the kernel: for tests only');
  return new FaultyKernel(kernel, randomFaults(kernelFaults), sleep);
}

/**
 * A failure is only told, as in kube-proxy. To lower it takes CAP_SYS_RESOURCE; a Pod without has what its kubelet gives to its priority
 * class, and nobody needs to be told of that at each start.
 */
function applyOomScore(score: number, log: Logger): void {
  const failure = setOomScore(score);
  if (failure === undefined) return;
  const isForbidden = failure.code === 'EACCES' || failure.code === 'EPERM';
  log[isForbidden ? 'debug' : 'warn'](`oom_score_adj cannot be set to ${score}: ${failure.message}`);
}
