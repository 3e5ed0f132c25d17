/** Lines that `opText` prints of IPVS, kube-ipvs0 and the elements of the packet filter, read back: `parseOp(opText(op))` is `op`. */

import {
  type Address,
  type Family,
  familyOf,
  hostPrefix,
  parseAddress,
  parseNetwork,
} from '../../src/model/address.ts';
import { destination, destinationKey, type Forwarding } from '../../src/model/destination.ts';
import {
  anything,
  type Element,
  element,
  type Field,
  setKeys,
  type SetSpec,
  setSpecs,
  tableName,
  type Value,
} from '../../src/model/filter.ts';
import { deviceName, type Op } from '../../src/model/op.ts';
import { schedulerFlags } from '../../src/model/text.ts';
import {
  type Protocol,
  serviceFlags,
  type VirtualService,
  type VirtualServiceKey,
  virtualServiceKey,
} from '../../src/model/virtual-service.ts';

const deviceOps: ReadonlyMap<string, Op> = new Map([
  [`ip link add ${deviceName} type dummy`, { kind: 'device', verb: 'add' }],
  [`ip link set ${deviceName} addrgenmode none`, { kind: 'device', verb: 'edit', change: 'addrgenmode none' }],
  [`ip link set ${deviceName} up`, { kind: 'device', verb: 'edit', change: 'up' }],
  [`ip link delete ${deviceName}`, { kind: 'device', verb: 'delete' }],
]);
const verbs = new Map<string, 'add' | 'edit' | 'delete'>([
  ['-A', 'add'],
  ['-E', 'edit'],
  ['-D', 'delete'],
  ['-a', 'add'],
  ['-e', 'edit'],
  ['-d', 'delete'],
]);
const serviceOptions = new Map<string, Protocol>([
  ['-t', 'TCP'],
  ['-u', 'UDP'],
  ['--sctp-service', 'SCTP'],
]);
const forwardingOptions = new Map<string, Forwarding>([
  ['-m', 'masquerade'],
  ['-l', 'local'],
  ['-i', 'tunnel'],
  ['-g', 'route'],
  ['-b', 'bypass'],
]);

const protocols = new Map<string, Protocol>([
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['sctp', 'SCTP'],
]);
const elementPattern = new RegExp(`^nft (add|delete) element (ip6?) ${tableName} (\\S+) \\{ (.+) \\}$`);

/** The operation that the line names. Throws a SyntaxError that quotes the line. */
export function parseOp(line: string): Op {
  const words = line.trim().split(/\s+/);
  const op =
    words[0] === 'nft' ? parseElementOp(words.join(' ')) : words[0] === 'ip' ? parseIp(words) : parseIpvsadm(words);
  if (op === undefined) throw new SyntaxError(`neither an ipvsadm-save nor an ip nor an nft element line: ${line}`);
  return op;
}

function parseIpvsadm(words: readonly string[]): Op | undefined {
  const verb = verbs.get(words[0] ?? '');
  const protocol = serviceOptions.get(words[1] ?? '');
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
  for (const name of names) {
    const bit = schedulerFlags.get(name);
    if (bit === undefined || (/^.h-/.test(name) && !name.startsWith(`${scheduler}-`))) return undefined;
    flags |= bit;
  }
  if (persistencePrefix === undefined || scheduler === '' || !Number.isInteger(timeout)) return undefined;
  const engine = persistenceEngine === undefined ? {} : { persistenceEngine };
  return { ...key, scheduler, flags, timeout, persistencePrefix, ...engine };
}

function maskPrefix(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const bits = text
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) && bits.length === 32 ? bits.replaceAll('0', '').length : undefined;
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
  const forwarding = forwardingOptions.get(options[2] ?? '');
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
  const deviceOp = deviceOps.get(line);
  if (deviceOp !== undefined) return deviceOp;
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

/** undefined where the line is no such command. */
function parseElementOp(line: string): Op | undefined {
  const match = elementPattern.exec(line);
  if (match === null) return undefined;
  const [, verb, familyText, name, valueText] = match;
  const [key = '', data] = valueText!.split(' : ');
  const parsed = parseElement(familyText === 'ip' ? 4 : 6, name!, key, data);
  return parsed && { kind: 'element', verb: verb as 'add' | 'delete', element: parsed };
}

/** An element of one of our sets from nft's own text of its key and data; undefined where the set cannot hold it. */
function parseElement(family: Family, setName: string, key: string, data?: string): Element | undefined {
  const set = setKeys.get(setName);
  if (set === undefined) return undefined;
  const spec: SetSpec = setSpecs[set];
  const keyValues = parseValues(key, spec.key, spec.interval === true);
  const dataValues = data === undefined || spec.data === undefined ? undefined : parseValues(data, spec.data, false);
  if (keyValues === undefined || (data !== undefined && dataValues === undefined)) return undefined;
  return element(family, set, keyValues, dataValues);
}

function parseValues(text: string, fields: readonly Field[], interval: boolean): Value[] | undefined {
  if (text.trim() === '*') return fields.map(() => anything);
  const parts = text.trim().split(' . ');
  if (parts.length !== fields.length) return undefined;
  const values = parts.map((part, i) => parseValue(part, fields[i]!, interval && i === fields.length - 1));
  return values.every((value) => value !== undefined) ? values : undefined;
}

function parseValue(text: string, field: Field, isNetwork: boolean): Value | undefined {
  switch (field) {
    case 'address':
      return isNetwork ? parseNetwork(text) : parseAddress(text);
    case 'protocol':
      return protocols.get(text);
    case 'port':
      return /^\d+$/.test(text) ? Number(text) : undefined;
    case 'device':
      return text.replaceAll('"', '');
    default:
      return field satisfies never;
  }
}
