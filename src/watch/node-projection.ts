/** The Node that we run on → fact. */

import type { Address, Cidr } from '../model/address.ts';
import type { Node } from '../model/cluster.ts';
import type { Finding, Path } from './problem.ts';
import { identify, nameOf, type Projection, readAddress, readCidr } from './projection.ts';
import { isPresent, nodeShape, type RawNode, readShape } from './shapes.ts';

/** Any other Node than `nodeName` is not for us. */
export function projectNode(raw: unknown, nodeName: string): Projection<Node> {
  const identity = identify(raw, 'cluster');
  if ('problems' in identity) return refused(raw, identity.problems);
  const { name, labels } = identity;
  if (name !== nodeName) return { outcome: 'notForUs', name, reason: 'another node', problems: [], warnings: [] };

  const read = readShape(nodeShape, raw);
  if (!read.ok) return refused(raw, read.findings);
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const addresses: Address[] = [];
  for (const type of ['InternalIP', 'ExternalIP']) {
    for (const [i, entry] of (read.value.status?.addresses ?? []).entries()) {
      if (entry.type !== type) continue;
      const path: Path = ['status', 'addresses', i, 'address'];
      // No API server checks them, and clouds write names and nothing too: the zone and the networks count all the same.
      const address = readAddress(entry.address ?? '', path, warnings, 'any');
      if (address !== undefined) addresses.push(address);
    }
  }
  const podCIDRs = readPodCIDRs(read.value.spec ?? {}, problems);
  if (problems.length > 0) return { outcome: 'refused', name, problems, warnings };
  const zone = labels['topology.kubernetes.io/zone'] ?? '';
  const { taints } = read.value.spec ?? {};
  const eligible =
    !isPresent(read.value.metadata.deletionTimestamp) && taints?.some(({ key }) => key === leaving) !== true;
  const fact: Node = { name, zone: zone === '' ? undefined : zone, addresses, podCIDRs, eligible };
  return { outcome: 'fact', name, fact, problems, warnings };
}

/** The taint by which the cluster autoscaler announces that it will delete the Node. */
const leaving = 'ToBeDeletedByClusterAutoscaler';

/** The list counts; an API server fills in the one from the other. */
function readPodCIDRs({ podCIDR, podCIDRs }: NonNullable<RawNode['spec']>, problems: Finding[]): Cidr[] {
  if (isPresent(podCIDRs) && podCIDRs.length > 0) {
    return podCIDRs.flatMap((text, i) => readCidr(text, ['spec', 'podCIDRs', i], problems) ?? []);
  }
  if (!isPresent(podCIDR) || podCIDR === '') return [];
  const cidr = readCidr(podCIDR, ['spec', 'podCIDR'], problems);
  return cidr === undefined ? [] : [cidr];
}

function refused(raw: unknown, problems: readonly Finding[]): Projection<Node> {
  return { outcome: 'refused', name: nameOf(raw, 'cluster'), problems, warnings: [] };
}
