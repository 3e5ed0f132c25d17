/**
 * The text forms of what we do to the kernel: IPVS operations as lines of ipvsadm-save (`ipvsadm -R` reads them back),
 * device, addresses and routes as `ip` commands, elements of the packet filter as `nft` commands. What else we change prints as the
 * command that would do it.
 */

import { endpointText, familyOf, hostPrefix } from './address.ts';
import type { Destination, Forwarding } from './destination.ts';
import { elementOpText, tableOpText } from './filter-text.ts';
import { flowOpText, settingOpText, timeoutsOpText } from './node-state-text.ts';
import { type Binding, deviceName, type Op } from './op.ts';
import { type Protocol, serviceFlags, type VirtualService, type VirtualServiceKey } from './virtual-service.ts';

export function opText(op: Op): string {
  switch (op.kind) {
    case 'service':
      return op.verb === 'delete'
        ? `-D ${serviceOption(op.service)}`
        : `${op.verb === 'add' ? '-A' : '-E'} ${serviceText(op.service)}`;
    case 'destination':
      return op.verb === 'delete'
        ? `-d ${serviceOption(op.service)} -r ${op.destination.id}`
        : `${op.verb === 'add' ? '-a' : '-e'} ${serviceOption(op.service)} ${destinationText(op.destination)}`;
    case 'binding':
      return bindingText(op.verb, op.binding);
    case 'device':
      return op.verb === 'edit' ? `ip link set ${deviceName} ${op.change}` : deviceTexts[op.verb];
    case 'table':
      return tableOpText(op);
    case 'element':
      return elementOpText(op);
    case 'flow':
      return flowOpText(op);
    case 'setting':
      return settingOpText(op);
    case 'timeouts':
      return timeoutsOpText(op);
    default:
      return op satisfies never;
  }
}

/** The part of an `-A` line behind the verb: `-t 10.96.0.10:80 -s rr -p 10800`. */
export function serviceText(service: VirtualService): string {
  const options = serviceOptionsText(service);
  return `${serviceOption(service)} -s ${service.scheduler}${options === '' ? '' : ` ${options}`}`;
}

/** What stands there behind the scheduler: `-p 10800 -b sh-port`; empty without any. */
export function serviceOptionsText(service: VirtualService): string {
  const parts: string[] = [];
  if (service.flags & serviceFlags.persistent) {
    parts.push('-p', String(service.timeout));
    const family = familyOf(service.address);
    if (service.persistencePrefix !== hostPrefix(family)) {
      parts.push('-M', family === 4 ? dottedMask(service.persistencePrefix) : String(service.persistencePrefix));
    }
  }
  if (service.flags & serviceFlags.onePacket) parts.push('-o');
  const names = schedulerFlagNames(service.scheduler, service.flags);
  if (names.length > 0) parts.push('-b', names.join(','));
  if (service.persistenceEngine !== undefined) parts.push('--pe', service.persistenceEngine);
  return parts.join(' ');
}

/** `-r 10.244.1.7:6443 -m -w 1`. */
export function destinationText(target: Destination): string {
  const { id, forwarding, weight, upperThreshold } = target;
  const limit = upperThreshold === undefined ? '' : ` -x ${upperThreshold}`;
  return `-r ${id} ${forwardingOptions[forwarding]} -w ${weight}${limit}`;
}

const deviceTexts = {
  add: `ip link add ${deviceName} type dummy`,
  delete: `ip link delete ${deviceName}`,
} as const;

const serviceOptions: Readonly<Record<Protocol, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };
const forwardingOptions: Readonly<Record<Forwarding, string>> = {
  masquerade: '-m',
  local: '-l',
  tunnel: '-i',
  route: '-g',
  bypass: '-b',
};

function serviceOption(service: VirtualServiceKey): string {
  return `${serviceOptions[service.protocol]} ${endpointText(service.address, service.port)}`;
}

const scheduleBits = [serviceFlags.schedule1, serviceFlags.schedule2, serviceFlags.schedule3] as const;

/** ipvsadm's names of the three scheduler bits; `sh` and `mh` have their own for the first two (man ipvsadm, -b). */
function scheduleBitNames(scheduler: string): readonly string[] {
  return scheduler === 'sh' || scheduler === 'mh'
    ? [`${scheduler}-fallback`, `${scheduler}-port`, 'flag-3']
    : ['flag-1', 'flag-2', 'flag-3'];
}

/** Every one of these names and its bit. */
export const schedulerFlags: ReadonlyMap<string, number> = new Map(
  ['', 'sh', 'mh'].flatMap((scheduler) =>
    scheduleBitNames(scheduler).map((name, i): [string, number] => [name, scheduleBits[i]!]),
  ),
);

function schedulerFlagNames(scheduler: string, flags: number): string[] {
  return scheduleBitNames(scheduler).filter((_, i) => (flags & scheduleBits[i]!) !== 0);
}

function bindingText(verb: 'add' | 'edit' | 'delete', binding: Binding): string {
  if (binding.form === 'address') {
    return `ip addr ${verb} ${binding.address}/${binding.prefix} dev ${deviceName}`;
  }
  const source = binding.source === undefined ? '' : ` src ${binding.source}`;
  const tos = binding.tos === undefined ? '' : ` tos 0x${binding.tos.toString(16).padStart(2, '0')}`;
  return `ip route ${verb === 'edit' ? 'change' : verb} local ${binding.address}/${binding.prefix} dev ${deviceName} table local${tos}${source}`;
}

function dottedMask(prefix: number): string {
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return [mask >>> 24, (mask >>> 16) & 0xff, (mask >>> 8) & 0xff, mask & 0xff].join('.');
}
