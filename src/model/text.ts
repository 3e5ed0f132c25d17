/**
 * The text forms of what we do to the kernel: IPVS operations as lines of ipvsadm-save (`ipvsadm -R` reads them back),
 * device, addresses and routes as `ip` commands, elements of the packet filter as `nft` commands; `parseOp(opText(op))` is `op`
 * for all of these. What else we change prints as the command that would do it.
 */

import { type Address, endpointText, familyOf, hostPrefix, parseAddress } from './address.ts';
import { type Destination, destination, destinationKey, type Forwarding } from './destination.ts';
import { elementOpText, parseElementOp, tableOpText } from './filter-text.ts';
import { flowOpText, settingOpText, timeoutsOpText } from './node-state-text.ts';
import { type Binding, deviceName, type Op } from './op.ts';
import {
  type Protocol,
  serviceFlags,
  type VirtualService,
  type VirtualServiceKey,
  virtualServiceKey,
} from './virtual-service.ts';

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

/** The operation a line of {@link opText} names. Throws a SyntaxError that quotes the line. */
export function parseOp(line: string): Op {
  const words = line.trim().split(/\s+/);
  const op =
    words[0] === 'nft' ? parseElementOp(words.join(' ')) : words[0] === 'ip' ? parseIp(words) : parseIpvsadm(words);
  if (op === undefined) throw new SyntaxError(`neither an ipvsadm-save nor an ip nor an nft element line: ${line}`);
  return op;
}

const deviceTexts = {
  add: `ip link add ${deviceName} type dummy`,
  delete: `ip link delete ${deviceName}`,
} as const;
const deviceOps: readonly Op[] = [
  { kind: 'device', verb: 'add' },
  { kind: 'device', verb: 'edit', change: 'addrgenmode none' },
  { kind: 'device', verb: 'edit', change: 'up' },
  { kind: 'device', verb: 'delete' },
];
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

function maskPrefix(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  for (let prefix = 0; prefix <= 32; prefix++) if (dottedMask(prefix) === text) return prefix;
  return undefined;
}

function parseIpvsadm(words: readonly string[]): Op | undefined {
  const verb = ({ A: 'add', E: 'edit', D: 'delete', a: 'add', e: 'edit', d: 'delete' } as const)[
    words[0]!.replace(/^-/, '')
  ];
  const protocol = (Object.keys(serviceOptions) as Protocol[]).find((name) => serviceOptions[name] === words[1]);
  const at = parseEndpoint(words[2] ?? '');
  if (verb === undefined || protocol === undefined || at === undefined) return undefined;
  const service = virtualServiceKey(protocol, at.address, at.port);
  const options = words.slice(3);
  if (/[AED]/.test(words[0]!)) {
    if (verb === 'delete') return options.length === 0 ? { kind: 'service', verb, service } : undefined;
    const configured = parseService(service, options);
    return configured && { kind: 'service', verb, service: configured };
  }
  return parseDestination(verb, service, options);
}

function parseService(key: VirtualServiceKey, options: readonly string[]): VirtualService | undefined {
  const queue = [...options];
  let scheduler = 'wlc';
  let flags = 0;
  let timeout = 0;
  let persistencePrefix: number | undefined = hostPrefix(familyOf(key.address));
  let names: string[] = [];
  let persistenceEngine: string | undefined;
  while (queue.length > 0) {
    const option = queue.shift();
    switch (option) {
      case '-s':
        scheduler = queue.shift() ?? '';
        break;
      case '-p':
        flags |= serviceFlags.persistent;
        timeout = Number(queue.shift());
        break;
      case '-M':
        persistencePrefix = maskPrefix(queue.shift() ?? '');
        break;
      case '-o':
        flags |= serviceFlags.onePacket;
        break;
      case '-b':
        names = (queue.shift() ?? '').split(',');
        break;
      case '--pe':
        persistenceEngine = queue.shift();
        break;
      default:
        return undefined;
    }
  }
  const bits = scheduleBitNames(scheduler);
  for (const name of names) {
    const bit = bits.indexOf(name);
    if (bit < 0) return undefined;
    flags |= scheduleBits[bit]!;
  }
  if (persistencePrefix === undefined || scheduler === '' || !Number.isInteger(timeout)) return undefined;
  const engine = persistenceEngine === undefined ? {} : { persistenceEngine };
  return { ...key, scheduler, flags, timeout, persistencePrefix, ...engine };
}

function parseDestination(
  verb: 'add' | 'edit' | 'delete',
  service: VirtualServiceKey,
  options: readonly string[],
): Op | undefined {
  const at = options[0] === '-r' ? parseEndpoint(options[1] ?? '') : undefined;
  if (at === undefined) return undefined;
  if (verb === 'delete') {
    if (options.length !== 2) return undefined;
    return { kind: 'destination', verb, service, destination: destinationKey(at.address, at.port) };
  }
  const forwarding = (Object.keys(forwardingOptions) as Forwarding[]).find(
    (name) => forwardingOptions[name] === options[2],
  );
  const weight = Number(options[4]);
  const limit = options.slice(5);
  const upperThreshold = Number(limit[1] ?? 0);
  if (forwarding === undefined || options[3] !== '-w' || !Number.isInteger(weight)) return undefined;
  if (limit.length > 0 && (limit[0] !== '-x' || limit.length !== 2 || !(upperThreshold > 0))) return undefined;
  return {
    kind: 'destination',
    verb,
    service,
    destination: {
      ...destination(at.address, at.port, weight),
      forwarding,
      ...(limit.length === 0 ? {} : { upperThreshold }),
    },
  };
}

function parseIp(words: readonly string[]): Op | undefined {
  const line = words.join(' ');
  for (const op of deviceOps) if (opText(op) === line) return op;
  const [, object, word, ...rest] = words;
  const verb = object === 'route' && word === 'change' ? 'edit' : word;
  if (verb !== 'add' && verb !== 'edit' && verb !== 'delete') return undefined;
  const text = rest.join(' ');
  const pattern =
    object === 'addr'
      ? new RegExp(`^()(\\S+)/(\\d+) dev ${deviceName}$`)
      : new RegExp(`^(local )(\\S+)/(\\d+) dev ${deviceName} table local(?: tos (0x[0-9a-f]{2}))?(?: src (\\S+))?$`);
  const match = pattern.exec(text);
  const address = match && parseAddress(match[2]!);
  if (!match || !address) return undefined;
  const tos = match[4] === undefined ? {} : { tos: Number(match[4]) };
  const source = match[5] === undefined ? undefined : parseAddress(match[5]);
  const form = object === 'addr' ? 'address' : 'route';
  return {
    kind: 'binding',
    verb,
    binding: { form, address, prefix: Number(match[3]), ...tos, ...(source === undefined ? {} : { source }) },
  };
}

function parseEndpoint(text: string): { address: Address; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const address = match === null ? undefined : parseAddress(match[1] ?? match[2]!);
  return address === undefined ? undefined : { address, port: Number(match![3]) };
}
