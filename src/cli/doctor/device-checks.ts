/** kube-ipvs0, and the addresses that NodePorts are to have. */

import { nodeFacts } from '../../desired/node-facts.ts';
import type { NativeLink } from '../../kernel/addon.ts';
import { type Address, type Cidr, cidrContains } from '../../model/address.ts';
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
  const check = 'nodeport-addresses';
  const held = addresses.filter(({ loopback }) => !loopback).map(({ address }) => address);
  const heldText = held.length === 0 ? 'it has none now' : held.join(', ');
  if (wanted === 'primary') {
    if (nodeIP === undefined || held.includes(nodeIP)) return ok(check, "the node's own address of each family");
    const message = `--bind-address is ${nodeIP}, which this node does not have: NodePorts of its family are served nowhere`;
    return warn(check, message, `name an address that it has: ${heldText}`);
  }
  if (wanted.length === 0) return ok(check, 'all addresses of the node');
  const policy = { nodeName: '', nodePortAddresses: wanted, nodeIP: undefined };
  const served = nodeFacts(undefined, addresses, policy).nodePortAddresses;
  if (served.some((address) => wanted.some((network) => cidrContains(network, address)))) {
    return ok(check, served.join(', '));
  }
  return warn(
    check,
    `none of the networks of --nodeport-addresses has an address of this node that NodePorts can have: they are served ${served.length === 0 ? 'nowhere' : `at ${served.join(', ')} only, of a family without networks`}`,
    `name networks of addresses that it has: ${heldText}`,
  );
}
