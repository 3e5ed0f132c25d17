/** Which virtual services kube-proxy's ipsets name: it writes each there, so that what they name was kube-proxy's. Pure. */

import { type Address, parseAddress } from '../../model/address.ts';
import type { Protocol, VirtualServiceKey } from '../../model/virtual-service.ts';
import { frontEndSets, nodePortSets } from '../kube-proxy/names.ts';

/** The sets that {@link namedBy} looks into. */
export const namingSets: ReadonlySet<string> = new Set([...frontEndSets, ...nodePortSets.keys()]);

/** Of `ipset save`: `add KUBE-CLUSTER-IP 10.96.0.10,tcp:80`. `nodeAddresses` are those at which NodePorts can be. */
export function namedBy(
  saved: string,
  nodeAddresses: ReadonlySet<Address>,
): (service: Pick<VirtualServiceKey, 'protocol' | 'address' | 'port'>) => boolean {
  const frontEnds = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [, set, entry] of saved.matchAll(/^add (\S+) (\S+)/gm)) {
    const protocol = nodePortSets.get(set!);
    if (protocol !== undefined) nodePorts.add(`${protocol} ${entry}`);
    else if (frontEndSets.includes(set!)) frontEnds.add(frontEndText(entry!));
  }
  return ({ protocol, address, port }) =>
    frontEnds.has(`${address} ${protocol} ${port}`) ||
    (nodeAddresses.has(address) && nodePorts.has(`${protocol} ${port}`));
}

/** `10.96.0.10,tcp:80` as `10.96.0.10 TCP 80`. */
function frontEndText(entry: string): string {
  const [, address, protocol, port] = /^([^,]+),(\w+):(\d+)$/.exec(entry) ?? [];
  return `${parseAddress(address ?? '')} ${protocol?.toUpperCase() as Protocol | undefined} ${port}`;
}
