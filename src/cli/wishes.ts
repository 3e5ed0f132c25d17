/** What a command wants of the loop, from what the operator configured. */

import { cpus, release } from 'node:os';
import type { Config, PodDetection } from '../config/config.ts';
import { nodeFacts } from '../desired/node-facts.ts';
import { type PodDetector, ruleset } from '../desired/ruleset.ts';
import { type Machine, settings } from '../desired/settings.ts';
import { cidrContains } from '../model/address.ts';
import type { Table } from '../model/filter.ts';
import type { Wishes } from '../reconcile/wanted.ts';

/** The machine that we run on. */
const thisMachine = (): Machine => ({ kernelRelease: release(), cpus: cpus().length });

/** Clean-up wants nothing, and leaves settings as they are: others may need them. */
export function wishesOf(config: Config, command: 'reconcile' | 'cleanup', machine: Machine = thisMachine()): Wishes {
  const { tcp, tcpFin, udp } = config.ipvsTimeouts;
  const isCleanup = command === 'cleanup';
  return {
    nodeName: config.nodeName,
    scheduler: config.scheduler,
    vipBinding: config.vipBinding,
    device: !isCleanup,
    excluded: (address) => config.excludeCidrs.some((cidr) => cidrContains(cidr, address)),
    drainTimeout: config.drainTimeout,
    nodePortAddresses: config.nodePortAddresses,
    nodeIP: config.nodeIP,
    pods: detector(config.pods),
    masqueradeAll: config.masqueradeAll,
    masqueradeMark: (1 << config.masqueradeBit) >>> 0,
    routedCIDRs: config.vipBinding === 'route' ? config.serviceCidrs : [],
    settings: isCleanup ? [] : settings(config, machine),
    timeouts: isCleanup || tcp + tcpFin + udp === 0 ? undefined : { tcp, tcpFin, udp },
  };
}

/** Those of a node of which nothing is known yet: they need the same of the kernel as any others. */
export function tablesToRehearse(wishes: Wishes): readonly Table[] {
  return ruleset(nodeFacts(undefined, [], wishes), wishes);
}

function detector(pods: PodDetection): PodDetector {
  switch (pods.mode) {
    case 'ClusterCIDR':
      return pods.cidrs.length === 0 ? { by: 'nothing' } : { by: 'networks', cidrs: pods.cidrs };
    case 'NodeCIDR':
      return { by: 'node' };
    case 'BridgeInterface':
      return { by: 'bridge', name: pods.name };
    case 'InterfaceNamePrefix':
      return { by: 'devicePrefix', prefix: pods.prefix };
    default:
      return pods satisfies never;
  }
}
