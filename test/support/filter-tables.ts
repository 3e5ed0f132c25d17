/** The packet filter's tables in tests: policies and nodes to make them of, and how nft 1.0.6 lists them. */

import { type FilterPolicy, type PodDetector, ruleset } from '../../src/desired/ruleset.ts';
import type { NodeFacts } from '../../src/desired/node-facts.ts';
import { type Cidr, type Family, familyOf, parseCidr } from '../../src/model/address.ts';
import type { Chain, Field, SetSpec, Table } from '../../src/model/filter.ts';
import { address } from './cluster.ts';

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new SyntaxError(`no network: ${text}`);
  return parsed;
}

export interface NodeOptions {
  readonly podCIDRs?: readonly string[];
  readonly nodeIPs?: readonly string[];
}

export function facts({ podCIDRs = [], nodeIPs = [] }: NodeOptions = {}): NodeFacts {
  const ips = new Map(nodeIPs.map(address).map((ip) => [familyOf(ip), ip]));
  return {
    name: 'node-a',
    zone: undefined,
    podCIDRs: podCIDRs.map(cidr),
    nodePortAddresses: [],
    held: new Set(),
    nodeIPs: ips,
    masqueradeIPs: ips,
    numberedDevices: new Map(),
  };
}

export function policy(fields: Partial<FilterPolicy> = {}): FilterPolicy {
  return { pods: { by: 'nothing' }, masqueradeAll: false, masqueradeMark: 0x4000, routedCIDRs: [], ...fields };
}

/** The table of one family. */
export function tableOf(family: Family, node: NodeFacts, fields: Partial<FilterPolicy> = {}): Table {
  return ruleset(node, policy(fields)).find((table) => table.family === family)!;
}

export const detectors: Readonly<Record<string, PodDetector>> = {
  nothing: { by: 'nothing' },
  'networks of both families': { by: 'networks', cidrs: [cidr('10.244.0.0/16'), cidr('fd00:244::/56')] },
  'a network of IPv4': { by: 'networks', cidrs: [cidr('10.128.0.0/9')] },
  "the node's own networks": { by: 'node' },
  'a bridge': { by: 'bridge', name: 'cni0' },
  "a device's prefix": { by: 'devicePrefix', prefix: 'cali' },
};

/** `nft list table` of a table without elements. */
export function listing({ family, sets, chains }: Table): string {
  const blocks = [...sets.map((spec) => setBlock(family, spec)), ...chains.map(chainBlock)];
  return `table ${family === 4 ? 'ip' : 'ip6'} kube-ipvs {\n${blocks.join('\n')}}\n`;
}

function setBlock(family: Family, { name, key, data, interval }: SetSpec): string {
  const names: Readonly<Record<Field, string>> = {
    address: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    protocol: 'inet_proto',
    port: 'inet_service',
    device: 'ifname',
  };
  const type = (fields: readonly Field[]) => fields.map((field) => names[field]).join(' . ');
  const lines = [
    `type ${type(key)}${data === undefined ? '' : ` : ${type(data)}`}`,
    ...(interval === true ? ['flags interval'] : []),
  ];
  return block(`${data === undefined ? 'set' : 'map'} ${name}`, lines);
}

function chainBlock({ name, base, rules }: Chain): string {
  const head = base && `type ${base.type} hook ${base.hook} priority ${priorityText(base)}; policy accept;`;
  const lines = rules.map(({ text, comment }) => `${text} comment "${comment}"`);
  return block(`chain ${name}`, head === undefined ? lines : [head, ...lines]);
}

/** Those of our priorities that nft has names for. */
function priorityText({ hook, priority }: NonNullable<Chain['base']>): string {
  const names: Readonly<Record<string, string>> = {
    'input 0': 'filter',
    'prerouting -105': 'dstnat - 5',
    'prerouting -110': 'dstnat - 10',
    'postrouting 95': 'srcnat - 5',
  };
  return names[`${hook} ${priority}`] ?? String(priority);
}

function block(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}
