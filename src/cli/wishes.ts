/** What a command wants of the loop, from what the operator configured. */

import type { Config } from '../config/config.ts';
import { cidrContains } from '../model/address.ts';
import type { Wishes } from '../reconcile/loop.ts';

export function wishesOf(config: Config, command: 'reconcile' | 'cleanup'): Wishes {
  return {
    nodeName: config.nodeName,
    scheduler: config.scheduler,
    vipBinding: config.vipBinding,
    device: command === 'reconcile',
    excluded: (address) => config.excludeCidrs.some((cidr) => cidrContains(cidr, address)),
    drainTimeout: undefined,
  };
}
