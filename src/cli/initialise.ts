/** `kube-ipvs run --init-only`: what needs more privileges than the daemon has afterwards: modules, settings, timeouts. */

import type { Config } from '../config/config.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { refusalText } from '../kernel/refusals.ts';
import { counted } from '../model/counted.ts';
import { opText } from '../model/text.ts';
import { Actual } from '../reconcile/actual.ts';
import { settingOps, unsettable } from '../reconcile/plan-node.ts';
import { Reader } from '../reconcile/reader.ts';
import { exitStatus } from './invocation.ts';
import type { Logger } from './log.ts';
import { unsettableText } from './report.ts';
import { tablesToRehearse, wishesOf } from './wishes.ts';

/** Exit status 1 when the kernel refused something. */
export async function initialise(config: Config, kernel: Kernel, log: Logger): Promise<number> {
  const wishes = wishesOf(config, 'reconcile');
  const { settings, timeouts } = wishes;
  const actual = new Actual();
  const reader = new Reader(kernel, actual);
  await reader.settings(settings);
  const ops = settingOps({ settings, timeouts }, actual);
  const { answers } = await kernel.apply(ops);
  let failures = 0;
  for (const [i, op] of ops.entries()) {
    const answer = answers[i] ?? 'unknown';
    if (answer === 'done') log.info(opText(op));
    else {
      failures++;
      log.error(answer === 'unknown' ? `${opText(op)}: the kernel did not answer` : refusalText(op, answer));
    }
  }
  await kernel.rehearse(tablesToRehearse(wishes));
  await kernel.bindings();
  for (const setting of unsettable(settings, actual)) log.warn(unsettableText(setting));
  log.info(`initialised: ${counted(ops.length - failures, 'setting')} written, ${failures} refused`);
  return failures === 0 ? exitStatus.converged : exitStatus.failed;
}
