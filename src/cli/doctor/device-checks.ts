/** kube-ipvs0, and the addresses that NodePorts are to have. */

import { nodeFacts } from '../../desired/node-facts.ts';
import type { NativeLink } from '../../kernel/addon.ts';
import { type Address, type Cidr, cidrContains, families, type Family, familyOf } from '../../model/address.ts';
import type { NodeAddress } from '../../model/cluster.ts';
import { deviceName } from '../../model/op.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

export function deviceFinding(links: readonly Pick<NativeLink, 'name' | 'kind'>[]): Finding {
  const check = 'device';
  const link = links.find(({ name }) => name === deviceName);
  if (link === undefined) return ok(check, `${deviceName} is not there yet; kube-ipvs run makes it`);
  if (link.kind === 'dummy') return ok(check, `${deviceName} is a dummy device`);
  const kind = link.kind === '' ? 'no dummy device' : `a ${link.kind}, not a dummy device`;
  // before 6.2 a device that is up keeps its name (dev_change_name in net/core/dev.c)
  const renaming = `ip link set ${deviceName} down; ip link set ${deviceName} name NAME`;
  return fail(
    check,
    `${deviceName} is ${kind}: it is somebody else's, and nothing is bound to it`,
    `rename it (${renaming}) or delete it (ip link delete ${deviceName})`,
  );
}

/** Of `--nodeport-addresses`, by the addresses that the node has. `nodeIP` is that of --bind-address. */
export function nodePortFinding(
  wanted: 'primary' | readonly Cidr[],
  addresses: readonly NodeAddress[],
  nodeIP?: Address,
): Finding {
  const held = addresses.filter(({ loopback }) => !loopback).map(({ address }) => address);
  if (wanted === 'primary') return primaryFinding(nodeIP, held);
  return wanted.length === 0 ? ok(nodePorts, 'all addresses of the node') : networksFinding(wanted, addresses, held);
}

const nodePorts = 'nodeport-addresses';

function primaryFinding(nodeIP: Address | undefined, held: readonly Address[]): Finding {
  if (nodeIP === undefined || held.includes(nodeIP)) return ok(nodePorts, "the node's own address of each family");
  const message = `--bind-address is ${nodeIP}, which this node does not have: NodePorts of its family are served nowhere`;
  return warn(nodePorts, message, `name an address that it has: ${textOf(held)}`);
}

function networksFinding(
  wanted: readonly Cidr[],
  addresses: readonly NodeAddress[],
  held: readonly Address[],
): Finding {
  const at = (networks: readonly Cidr[]) =>
    nodeFacts(undefined, addresses, { nodeName: '', nodePortAddresses: networks, nodeIP: undefined }).nodePortAddresses;
  const served = at(wanted);
  const named = families.filter((family) => wanted.some(({ address }) => familyOf(address) === family));
  const isNamed = (address: Address) => wanted.some((network) => cidrContains(network, address));
  const isServed = (family: Family) => served.some((address) => familyOf(address) === family && isNamed(address));
  // of a family that the node does not have there is nothing to serve
  const isHere = (family: Family) => at([]).some((address) => familyOf(address) === family);
  const lacking = named.filter((family) => !isServed(family) && (isHere(family) || !named.some(isServed)));
  if (lacking.length === 0) return ok(nodePorts, served.join(', '));
  const which = lacking.length === 1 ? `IPv${lacking[0]} networks` : 'networks';
  const where = served.length === 0 ? 'nowhere' : `at ${served.join(', ')} only, of the other family`;
  return warn(
    nodePorts,
    `none of the ${which} of --nodeport-addresses has an address of this node that NodePorts can have: they are served ${where}`,
    `name networks of addresses that it has: ${textOf(held)}`,
  );
}

function textOf(held: readonly Address[]): string {
  return held.length === 0 ? 'it has none now' : held.join(', ');
}
