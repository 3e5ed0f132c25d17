/** How a Service can be reached from outside: what its type, addresses and policy say. */

import { type Address, type Cidr, type Family, familyOf } from '../model/address.ts';
import type { Service } from '../model/cluster.ts';
import { type Finding, type Path, quoted } from './problem.ts';
import { readAddress, readCidr, readPolicy, valueFinding } from './projection.ts';
import { isPresent, type RawService, type RawServiceStatus } from './shapes.ts';

type Exposure = Pick<
  Service,
  'externalTrafficPolicy' | 'externalIPs' | 'loadBalancerIPs' | 'sourceRanges' | 'healthCheckNodePort'
>;

/** Of the families of the Service's cluster IPs only: in another family kube-proxy serves nothing of it either. */
export function readExposure(
  spec: RawService,
  status: RawServiceStatus,
  clusterIPs: readonly Address[],
  problems: Finding[],
  warnings: Finding[],
): Exposure {
  const families = new Set(clusterIPs.map(familyOf));
  const written = spec.externalIPs ?? [];
  const isLoadBalancer = spec.type === 'LoadBalancer';
  const isAccessible = isLoadBalancer || spec.type === 'NodePort' || written.length > 0;
  const policy = readPolicy(spec.externalTrafficPolicy, ['spec', 'externalTrafficPolicy'], problems);
  const externalTrafficPolicy = isAccessible ? policy : 'Cluster';
  const checked = isLoadBalancer && externalTrafficPolicy === 'Local';
  return {
    externalTrafficPolicy,
    externalIPs: distinct(readExternalIPs(written, problems, warnings), families),
    loadBalancerIPs: isLoadBalancer ? distinct(readIngress(status, problems, warnings), families) : [],
    sourceRanges: isLoadBalancer ? readSourceRanges(spec, families, problems) : [],
    healthCheckNodePort: checked ? readNodePort(spec.healthCheckNodePort, healthCheckPath, problems) : undefined,
  };
}

const healthCheckPath: Path = ['spec', 'healthCheckNodePort'];

/** undefined where there is none, which 0 says too. */
export function readNodePort(port: number | null | undefined, path: Path, problems: Finding[]): number | undefined {
  if (!isPresent(port) || port === 0) return undefined;
  if (port >= 1 && port <= 65_535) return port;
  problems.push(valueFinding(path, String(port), 'not a port; write a whole number from 1 to 65535'));
  return undefined;
}

function distinct(addresses: readonly Address[], families: ReadonlySet<Family>): Address[] {
  return [...new Set(addresses)].filter((address) => families.has(familyOf(address)));
}

function readExternalIPs(written: readonly string[], problems: Finding[], warnings: Finding[]): Address[] {
  return written.flatMap(
    (text, i) => readReachable(text, ['spec', 'externalIPs', i], problems, warnings, 'routable') ?? [],
  );
}

/** An address that nobody can route to is left out with a warning: an API server takes some of them. */
function readReachable(
  text: string,
  path: Path,
  problems: Finding[],
  warnings: Finding[],
  range: 'routable' | 'assigned',
): Address | undefined {
  const address = readAddress(text, path, problems, 'any');
  return address === undefined ? undefined : readAddress(text, path, warnings, range);
}

/** Clients of an address with ipMode Proxy come to the load balancer first. */
function readIngress(status: RawServiceStatus, problems: Finding[], warnings: Finding[]): Address[] {
  const addresses: Address[] = [];
  for (const [i, { ip, ipMode }] of (status.loadBalancer?.ingress ?? []).entries()) {
    if (!isPresent(ip) || ip === '') continue;
    const path: Path = ['status', 'loadBalancer', 'ingress', i];
    const mode = ipMode ?? 'VIP';
    if (mode !== 'VIP' && mode !== 'Proxy') {
      problems.push(valueFinding([...path, 'ipMode'], quoted(mode), 'not a mode; write VIP or Proxy'));
    }
    if (mode !== 'VIP') continue;
    const address = readReachable(ip, [...path, 'ip'], problems, warnings, 'assigned');
    if (address !== undefined) addresses.push(address);
  }
  return addresses;
}

/** A range of everybody makes the others of its family pointless; no range means everybody. */
function readSourceRanges(spec: RawService, families: ReadonlySet<Family>, problems: Finding[]): Cidr[] {
  const cidrs = (spec.loadBalancerSourceRanges ?? []).flatMap(
    (text, i) => readCidr(text.trim(), ['spec', 'loadBalancerSourceRanges', i], problems) ?? [],
  );
  const open = new Set(cidrs.filter(({ prefix }) => prefix === 0).map(({ address }) => familyOf(address)));
  return cidrs.filter(({ address }) => families.has(familyOf(address)) && !open.has(familyOf(address)));
}
