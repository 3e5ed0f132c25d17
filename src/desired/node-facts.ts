/** The node and its addresses in; what front ends and rules depend on out. Pure; made anew only when one of the two changes. */

import { isDeepStrictEqual } from 'node:util';
import { type Address, type Cidr, cidrContains, families, type Family, familyOf, parseCidr } from '../model/address.ts';
import type { Node, NodeAddress } from '../model/cluster.ts';
import { type Element, element } from '../model/filter.ts';

/** What of the configuration it depends on. */
export interface NodePolicy {
  readonly nodeName: string;
  /** Which of the node's addresses have NodePorts; `primary`: the node's own address of each family. */
  readonly nodePortAddresses: 'primary' | readonly Cidr[];
  /** Takes the place of the Node's own address of its family. */
  readonly nodeIP: Address | undefined;
}

export interface NodeFacts {
  readonly name: string;
  readonly zone: string | undefined;
  readonly podCIDRs: readonly Cidr[];
  /** Addresses at which NodePorts are served, each once, in the order in which the node tells them. */
  readonly nodePortAddresses: readonly Address[];
  /** Addresses that another device than kube-ipvs0 has, without those that mean something on one link only, or nothing yet. */
  readonly held: ReadonlySet<Address>;
  /** The node's own address of a family: where it is known and the node really has it. */
  readonly nodeIPs: ReadonlyMap<Family, Address>;
  /**
   * What is masqueraded comes from, where its device has no address: the node's own or, where that is not known (a kubelet without
   * --node-ip names one family only), the first that could be.
   */
  readonly masqueradeIPs: ReadonlyMap<Family, Address>;
  /** Names of devices with an address of the family that packets may leave from, sorted. */
  readonly numberedDevices: ReadonlyMap<Family, readonly string[]>;
}

export function nodeFacts(node: Node | undefined, addresses: readonly NodeAddress[], policy: NodePolicy): NodeFacts {
  const all = new Set(addresses.map(({ address }) => address));
  const nodeIPs = ownAddresses(node, addresses, all, policy.nodeIP);
  const isNamed = node !== undefined || policy.nodeIP !== undefined;
  return {
    name: policy.nodeName,
    zone: node?.zone,
    podCIDRs: node?.podCIDRs ?? [],
    nodePortAddresses: nodePortAddresses(all, isNamed ? nodeIPs : new Map(), policy.nodePortAddresses),
    held: new Set(addresses.filter(isHeld).map(({ address }) => address)),
    nodeIPs,
    masqueradeIPs: new Map([...ownAddresses(undefined, addresses, all, undefined), ...nodeIPs]),
    numberedDevices: new Map(families.map((family) => [family, numberedDevices(addresses, family)])),
  };
}

/** Whether Services ask the same of both; what else differs is the packet filter's alone. */
export function serveAlike(a: NodeFacts, b: NodeFacts): boolean {
  return isDeepStrictEqual(servingPart(a), servingPart(b));
}

function servingPart({ name, zone, nodePortAddresses, held, nodeIPs }: NodeFacts) {
  return { name, zone, nodePortAddresses: new Set(nodePortAddresses), held, nodeIPs };
}

/** What the packet filter needs to know of the node itself, whatever the Services. */
export function nodeElements({ numberedDevices }: NodeFacts): Element[] {
  return [...numberedDevices].flatMap(([family, devices]) =>
    devices.map((device) => element(family, 'numberedDevices', [device])),
  );
}

const loopbackNetworks = ['127.0.0.0/8', '::1/128'].map((text) => parseCidr(text)!);
const linkLocalNetworks = { 4: parseCidr('169.254.0.0/16')!, 6: parseCidr('fe80::/10')! } as const;

export function isLoopback(address: Address): boolean {
  return loopbackNetworks.some((network) => cidrContains(network, address));
}

function isLinkLocal(address: Address): boolean {
  return cidrContains(linkLocalNetworks[familyOf(address)], address);
}

/** IPv4's link-local addresses (169.254/16) are used like any other: cloud networks and node-local DNS number devices from there. */
function isOfOneLink(address: Address): boolean {
  return familyOf(address) === 6 && isLinkLocal(address);
}

function isHeld({ address, isTentative }: NodeAddress): boolean {
  return isTentative !== true && !isOfOneLink(address);
}

function couldBeOwn({ address, loopback }: NodeAddress): boolean {
  return !loopback && !isLoopback(address) && !isLinkLocal(address);
}

/** A Node that names an address which no device has says nothing; without a Node the first address that could be meant is taken. */
function ownAddresses(
  node: Node | undefined,
  addresses: readonly NodeAddress[],
  held: ReadonlySet<Address>,
  given: Address | undefined,
): Map<Family, Address> {
  const told = node?.addresses ?? addresses.filter(couldBeOwn).map(({ address }) => address);
  const found = new Map<Family, Address>();
  for (const family of families) {
    const candidates = given === undefined ? told : [given, ...told];
    const own = candidates.find((address) => familyOf(address) === family);
    if (own !== undefined && held.has(own)) found.set(family, own);
  }
  return found;
}

function nodePortAddresses(
  held: ReadonlySet<Address>,
  nodeIPs: ReadonlyMap<Family, Address>,
  wanted: NodePolicy['nodePortAddresses'],
): Address[] {
  if (wanted === 'primary') return [...nodeIPs.values()].filter((address) => !isLoopback(address));
  return [...held].filter((address) => {
    if (isLoopback(address)) return false;
    const networks = wanted.filter((cidr) => familyOf(cidr.address) === familyOf(address));
    const all = networks.length === 0 || networks.some(({ prefix }) => prefix === 0);
    return all ? !isOfOneLink(address) : networks.some((cidr) => cidrContains(cidr, address));
  });
}

/** Stands for bytes that are no UTF-8, of which a device's name may consist: what the kernel was told of it would be another name. */
const unreadable = '\ufffd';

function numberedDevices(addresses: readonly NodeAddress[], family: Family): string[] {
  const usable = addresses.filter(
    ({ address, device, loopback, isPassedOver }) =>
      !loopback &&
      !isPassedOver &&
      familyOf(address) === family &&
      !isOfOneLink(address) &&
      !device.includes(unreadable),
  );
  return [...new Set(usable.map(({ device }) => device))].toSorted();
}
