/** Whether the scheduler of the configuration can be used at all. */

import type { Kernel } from '../kernel/kernel.ts';

/** IPVS schedulers of Linux, up to 6.12; a kernel may lack some and have others. */
export const knownSchedulers = 'rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos'.split(' ');

/** Why the scheduler cannot be used, with those that can; undefined when the kernel has it. Changes nothing. */
export async function refusedScheduler(kernel: Pick<Kernel, 'schedulers'>, name: string): Promise<string | undefined> {
  if ((await kernel.schedulers([name])).length > 0) return undefined;
  const offered = (await kernel.schedulers(knownSchedulers)).join(', ');
  const cure = knownSchedulers.includes(name)
    ? `load its module (modprobe ip_vs_${name}), install the kernel package that carries it, or choose one of these`
    : 'choose one of these';
  return `--ipvs-scheduler: this kernel has no scheduler ${name}; it offers ${offered}: ${cure}; nothing was changed`;
}
