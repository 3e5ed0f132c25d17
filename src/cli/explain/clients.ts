/** Who could ask: classes of clients, or an address that is classified, in; the packets that stand for them out. Pure. */

import type { NodeFacts } from '../../desired/node-facts.ts';
import type { PodDetector } from '../../desired/ruleset.ts';
import { withoutNested } from '../../desired/source-ranges.ts';
import {
  type Address,
  addressFromBytes,
  type Cidr,
  cidrContains,
  type Family,
  familyOf,
  hostPrefix,
  lastAddressBytes,
  networkText,
} from '../../model/address.ts';
import type { ObjectName } from '../../model/cluster.ts';
import type { Sender } from './journey.ts';
import type { ClientClass, Question } from './question.ts';
import type { Terrain } from './terrain.ts';

/** `other pod`: it has an address of the cluster's Pods, and nothing says that it is of this node. */
export type ClientKind = ClientClass | 'other pod';

export interface Client extends Sender {
  readonly kind: ClientKind;
  /** An address, a network, `any`, or `any other` than those of the other clients of its kind. */
  readonly label: string;
  /** Of a client that was asked for by address: the Service that it is an endpoint of. */
  readonly endpointOf: ObjectName | undefined;
}

/** An endpoint that has an address. */
export interface KnownEndpoint {
  readonly service: ObjectName;
  readonly nodeName: string | undefined;
}

export interface ClientSetting {
  readonly facts: NodeFacts;
  readonly pods: PodDetector;
  readonly terrain: Terrain;
  /** Source of the host's own packets to a virtual address where a route gives it; undefined: the virtual address itself. */
  readonly sourceAt: (address: Address) => Address | undefined;
  readonly endpointAt: (address: Address) => KnownEndpoint | undefined;
  /** Networks that may reach the address asked; none: all may. */
  readonly allowed: readonly Cidr[];
}

/** No device of a node is called so. */
const outside = '(outside)';
const veth = '(pod)';

export function clientsOf({ key, from }: Question, setting: ClientSetting): Client[] {
  if (typeof from === 'string') return [clientAt(from, setting)];
  return from.flatMap((kind) => classMembers(kind, key.address, setting));
}

function classMembers(kind: ClientClass, target: Address, setting: ClientSetting): Client[] {
  const family = familyOf(target);
  switch (kind) {
    case 'host':
      return [host(target, setting)];
    case 'pod':
      return spread(kind, podNetworks(family, setting)[0] ?? everything(family), [], setting);
    case 'external':
      return spread(kind, everything(family), podNetworks(family, setting), setting);
    default:
      return kind satisfies never;
  }
}

/** The host speaks from the address that it speaks to where that is its own, unless a route says otherwise. */
function host(target: Address, { terrain, sourceAt, facts }: ClientSetting): Client {
  const family = familyOf(target);
  const isLocal = terrain.isOwn(target) || terrain.isVirtual(target);
  const source = isLocal ? (sourceAt(target) ?? target) : facts.nodeIPs.get(family);
  return {
    kind: 'host',
    label: source ?? 'any',
    source: source ?? everything(family).address,
    device: '',
    endpointOf: undefined,
  };
}

/**
 * Those in `network` and in none of `others`: one client stands for all of them; where only some sources are allowed, one for each network
 * of those that has such clients, and one for the rest.
 */
function spread(
  kind: 'pod' | 'external',
  network: Cidr,
  others: readonly Cidr[],
  { pods, terrain, ...setting }: ClientSetting,
): Client[] {
  const allowed = setting.allowed.filter((cidr) => !isOneOfNode(cidr, terrain));
  const device = kind === 'pod' ? deviceOfPods(pods) : outside;
  const client = (source: Address | undefined, label: string): Client[] =>
    source === undefined ? [] : [{ kind, label, source, device, endpointOf: undefined }];
  if (allowed.length === 0 || allowed.some((cidr) => holds(cidr, network))) {
    return client(addressIn(network, others), 'any');
  }
  const inside = allowed.filter((cidr) => holds(network, cidr));
  const known = inside.flatMap((cidr) => client(addressIn(cidr, others), networkText(cidr)));
  return [...known, ...client(addressIn(network, [...others, ...inside]), known.length === 0 ? 'any' : 'any other')];
}

/** Not a client's, but the host's. */
function isOneOfNode({ address, prefix }: Cidr, { isOwn, isVirtual }: Terrain): boolean {
  return prefix === hostPrefix(familyOf(address)) && (isOwn(address) || isVirtual(address));
}

function clientAt(source: Address, setting: ClientSetting): Client {
  const { terrain, facts, pods, endpointAt } = setting;
  const family = familyOf(source);
  const endpoint = endpointAt(source);
  const client = (kind: ClientKind, device: string): Client => ({
    kind,
    label: source,
    source,
    device,
    endpointOf: endpoint?.service,
  });
  if (terrain.isOwn(source) || terrain.isVirtual(source)) return client('host', '');
  const isOfNode = facts.podCIDRs.some((cidr) => cidrContains(cidr, source));
  if (endpoint?.nodeName === facts.name || (endpoint?.nodeName === undefined && isOfNode)) {
    return client('pod', deviceOfPods(pods));
  }
  const isOfCluster = podNetworks(family, setting).some((cidr) => cidrContains(cidr, source));
  return client(isOfCluster ? 'other pod' : 'external', outside);
}

/** What Pods have their addresses from, those of the node first. */
function podNetworks(family: Family, { facts, pods }: ClientSetting): Cidr[] {
  const detected = pods.by === 'networks' ? pods.cidrs : [];
  return [...facts.podCIDRs, ...detected].filter(({ address }) => familyOf(address) === family);
}

function deviceOfPods(pods: PodDetector): string {
  switch (pods.by) {
    case 'bridge':
      return pods.name;
    case 'devicePrefix':
      return pods.prefix;
    case 'nothing':
    case 'networks':
    case 'node':
      return veth;
    default:
      return pods satisfies never;
  }
}

function everything(family: Family): Cidr {
  return { address: (family === 4 ? '0.0.0.0' : '::') as Address, prefix: 0 };
}

function holds(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrContains(outer, inner.address);
}

/** The first address of the network that none of the others has; undefined: they have all. */
function addressIn(network: Cidr, others: readonly Cidr[]): Address | undefined {
  let first: Address | undefined = network.address;
  for (const cidr of withoutNested(others)) {
    if (cidrContains(cidr, first)) first = addressBehind(cidr);
    if (first === undefined || !cidrContains(network, first)) return undefined;
  }
  return first;
}

/** The address that follows the last one of the network; undefined behind the very last. */
function addressBehind(network: Cidr): Address | undefined {
  const bytes = lastAddressBytes(network);
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = (bytes[at]! + 1) & 0xff;
    if (bytes[at] !== 0) return addressFromBytes(bytes, 0, familyOf(network.address));
  }
  return undefined;
}
