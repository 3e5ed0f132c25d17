/**
 * Our part of the packet filter: one table of each family. Its chains and rules are constant in number and change with the
 * configuration only; what Services ask is elements of its sets.
 */

import { type Cidr, type Family, networkText } from './address.ts';

/** The name of both tables, `ip kube-ipvs` and `ip6 kube-ipvs`. */
export const tableName = 'kube-ipvs';

/** What a part of a set's key is: nft's ipv4_addr or ipv6_addr, inet_proto, inet_service, ifname. */
export type Field = 'address' | 'protocol' | 'port' | 'device';

export interface SetSpec {
  readonly name: string;
  readonly key: readonly Field[];
  /** A map's data; undefined for a set. */
  readonly data?: readonly Field[];
  /** The last field of the key is a network. */
  readonly interval?: true;
}

/** The sets of each table. */
export const setSpecs = {
  /** Every virtual service of ours, whatever holds its address: what marks it as ours, and what the guard lets through. */
  services: { name: 'services', key: ['address', 'protocol', 'port'] },
  /** Virtual services at ClusterIPs: masqueraded where the client is no Pod. */
  clusterIPs: { name: 'cluster-ips', key: ['address', 'protocol', 'port'] },
  /** Virtual services whose clients are always masqueraded: reachable from outside with the policy Cluster. */
  masqueraded: { name: 'masqueraded', key: ['address', 'protocol', 'port'] },
  /** Addresses that kube-ipvs0 holds: nothing of the host but virtual services is reachable there. */
  virtualIPs: { name: 'virtual-ips', key: ['address'] },
  /** Ports of the node's health checks for load balancers, reachable at virtual addresses too. */
  healthCheckPorts: { name: 'health-check-ports', key: ['port'] },
  /** A local endpoint twice, with protocol and port: what a Pod sends to itself through a virtual service. */
  hairpins: { name: 'hairpins', key: ['address', 'address', 'protocol', 'port'] },
  /** Virtual services at load balancer IPs that only some sources may reach. */
  restricted: { name: 'restricted', key: ['address', 'protocol', 'port'] },
  /** Which sources may reach them. */
  allowedSources: { name: 'allowed-sources', key: ['address', 'protocol', 'port', 'address'], interval: true },
  /** Virtual services with the external policy Local and no local endpoint: clients from outside are dropped. */
  withoutLocal: { name: 'without-local', key: ['address', 'protocol', 'port'] },
  /** Virtual services with the external policy Local: where clients on this node are sent instead. */
  localClients: { name: 'local-clients', key: ['address', 'protocol', 'port'], data: ['address', 'port'] },
  /** Devices that have an address: only those can lend it to a masqueraded packet. */
  numberedDevices: { name: 'numbered-devices', key: ['device'] },
} as const satisfies Readonly<Record<string, SetSpec>>;

export type SetKey = keyof typeof setSpecs;

/** By a set's name in the kernel. */
export const setKeys: ReadonlyMap<string, SetKey> = new Map(
  Object.entries(setSpecs).map(([key, { name }]) => [name, key as SetKey]),
);

/**
 * A canonical address, a protocol (`TCP`), a port, a device's name, or a network. Where somebody else made the element also a range
 * as nft prints it, `10.1.0.5-10.1.0.9`, and a protocol by its number.
 */
export type Value = string | number | Cidr;

/** What stands for every part of the key of a set's catch-all, the element for all that no other is for: nft's `*`, never ours. */
export const anything = '';

/** One element of a set. `id` prints and indexes it: `ip services 10.96.0.1 . tcp . 443`, without a map's data. */
export interface Element {
  readonly id: string;
  readonly family: Family;
  readonly set: SetKey;
  /** As the set's fields say; a network only as the last field of an interval set. */
  readonly key: readonly Value[];
  /** Of a map's element. */
  readonly data: readonly Value[] | undefined;
}

/** `text` is the rule as `nft list ruleset` prints it, without the comment. */
export interface Rule {
  readonly text: string;
  readonly comment: string;
}

export interface BaseChain {
  readonly type: 'filter' | 'nat';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  readonly priority: number;
}

export interface Chain {
  readonly name: string;
  /** undefined: packets come by jump only. Base chains accept what no rule decides. */
  readonly base: BaseChain | undefined;
  readonly rules: readonly Rule[];
}

export interface Table {
  readonly family: Family;
  readonly sets: readonly SetSpec[];
  /** A chain comes behind those it jumps to. */
  readonly chains: readonly Chain[];
}

/** `ip` or `ip6`, as nft calls the family. */
export function familyName(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

export function element(family: Family, set: SetKey, key: readonly Value[], data?: readonly Value[]): Element {
  return { id: `${familyName(family)} ${setSpecs[set].name} ${valuesText(key)}`, family, set, key, data };
}

/** Whether both are the same element with the same data. */
export function sameElement(a: Element, b: Element): boolean {
  return a.id === b.id && valuesText(a.data ?? []) === valuesText(b.data ?? []);
}

/** `10.96.0.1 . tcp . 443`, as nft prints it. */
export function valuesText(values: readonly Value[]): string {
  if (values[0] === anything) return '*';
  let text = '';
  for (const value of values) text += text === '' ? valueText(value) : ` . ${valueText(value)}`;
  return text;
}

function valueText(value: Value): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'object') return networkText(value);
  return value === 'TCP' || value === 'UDP' || value === 'SCTP' ? value.toLowerCase() : value;
}
