/**
 * Raw Kubernetes objects → facts: what all kinds have in common. The same for manifests and for an API server, whose selectors
 * are applied here too, so that an object that a watch would never deliver is not for us either.
 */

import { type Address, type Cidr, parseAddress, parseCidr } from '../model/address.ts';
import type { ClusterEvent, ObjectName, TrafficPolicy } from '../model/cluster.ts';
import type { Protocol } from '../model/virtual-service.ts';
import { type Finding, fieldText, type Path, quoted } from './problem.ts';
import { type Identity, identityShape, readShape } from './shapes.ts';

/**
 * What became of an object. `notForUs`: nothing is wrong, and what was known of it is to be forgotten. `refused`: what was last
 * known of it stays. Problems of a fact concern parts that were left out of it.
 */
export type Projection<Fact> = {
  /** Undefined only when it is refused for having no usable name. */
  readonly name: ObjectName | undefined;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
} & (
  | { readonly outcome: 'fact'; readonly name: ObjectName; readonly fact: Fact }
  | { readonly outcome: 'notForUs'; readonly name: ObjectName; readonly reason: string }
  /** `service`: of an EndpointSlice, where that much could be read. */
  | { readonly outcome: 'refused'; readonly service?: ObjectName }
);

export interface Identified {
  readonly name: ObjectName;
  readonly namespace: string;
  /** '' without. */
  readonly uid: string;
  /** RFC 3339 in UTC, or ''. */
  readonly createdAt: string;
  readonly labels: NonNullable<Identity['metadata']['labels']>;
}

/** Name, time and labels of an object; a finding instead when it has no usable name. Names of Nodes have no namespace. */
export function identify(
  raw: unknown,
  scope: 'namespaced' | 'cluster',
): Identified | { readonly problems: readonly Finding[] } {
  const read = readShape(identityShape, raw);
  if (!read.ok) return { problems: read.findings };
  const { name, namespace, uid, creationTimestamp, labels } = read.value.metadata;
  const problems: Finding[] = [];
  checkName(['metadata', 'name'], name, problems);
  const space = (namespace ?? '') || 'default';
  if (scope === 'namespaced') checkName(['metadata', 'namespace'], space, problems);
  const createdAt = timeText(creationTimestamp ?? '');
  if (createdAt === undefined) {
    const path: Path = ['metadata', 'creationTimestamp'];
    problems.push(
      valueFinding(path, quoted(creationTimestamp ?? ''), 'not a time; write it as "2026-11-20T18:27:00Z"'),
    );
  }
  if (problems.length > 0 || createdAt === undefined) return { problems };
  return {
    name: scope === 'namespaced' ? `${space}/${name}` : name,
    namespace: space,
    uid: uid ?? '',
    createdAt,
    labels: labels ?? {},
  };
}

/** The name of an object that was refused, for `unreadable` events and messages; undefined when it has none that an object can have. */
export function nameOf(raw: unknown, scope: 'namespaced' | 'cluster'): ObjectName | undefined {
  const { metadata } = (raw ?? {}) as { readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown } };
  const { name, namespace } = metadata ?? {};
  if (!isName(name)) return undefined;
  if (scope === 'cluster') return name;
  const space = (namespace ?? '') || 'default';
  return isName(space) ? `${space}/${name}` : undefined;
}

/** The same of an object, but with the event that tells its fact in the fact's place. */
export function asEvent<Fact>(
  projection: Projection<Fact>,
  tell: (fact: Fact) => ClusterEvent,
): Projection<ClusterEvent> {
  return projection.outcome === 'fact' ? { ...projection, fact: tell(projection.fact) } : projection;
}

/** What a source tells of an object; undefined where it is not for us, and where it was refused and has no usable name. */
export function eventOf(
  object: Extract<ClusterEvent, { kind: 'unreadable' }>['object'],
  projection: Projection<ClusterEvent>,
): ClusterEvent | undefined {
  if (projection.outcome === 'fact') return projection.fact;
  if (projection.outcome === 'notForUs' || projection.name === undefined) return undefined;
  const { name, service } = projection;
  return { kind: 'unreadable', object, name, ...(service !== undefined && { service }) };
}

export function valueFinding(path: Path, found: string, why: string): Finding {
  return { class: 'value', path, message: `${fieldText(path)} is ${found}: ${why}` };
}

/**
 * A Node's address may be any; those of endpoints and external IPs are routable ones. A cluster IP or one of a load balancer
 * may be an IPv4 link-local one too: no API server refuses that, and kube-proxy serves it.
 */
type AddressRange = 'routable' | 'assigned' | 'any';

/** The address, or undefined after adding what is wrong with it. */
export function readAddress(text: string, path: Path, problems: Finding[], range: AddressRange): Address | undefined {
  const address = parseAddress(text);
  if (address === undefined) {
    problems.push(valueFinding(path, quoted(text), `not an IP address; ${addressCure(text)}`));
    return undefined;
  }
  const special = range === 'any' ? undefined : specialRange(address, range);
  if (special === undefined) return address;
  problems.push(valueFinding(path, quoted(text), `${special} address, which no Service can use; write a routable one`));
  return undefined;
}

/** The network, or undefined after adding what is wrong with it. */
export function readCidr(text: string, path: Path, problems: Finding[]): Cidr | undefined {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  problems.push(
    valueFinding(path, quoted(text), 'not a network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64'),
  );
  return undefined;
}

/** Absent is Cluster, as an API server fills in. */
export function readPolicy(text: string | null | undefined, path: Path, problems: Finding[]): TrafficPolicy {
  if (text === undefined || text === null || text === '') return 'Cluster';
  if (text === 'Cluster' || text === 'Local') return text;
  problems.push(valueFinding(path, quoted(text), 'not a policy; write Cluster or Local'));
  return 'Cluster';
}

/** The protocol, or undefined after adding what is wrong with it. Absent is TCP, as an API server fills in. */
export function readProtocol(text: string | null | undefined, path: Path, problems: Finding[]): Protocol | undefined {
  if (text === undefined || text === null || text === '') return 'TCP';
  if (text === 'TCP' || text === 'UDP' || text === 'SCTP') return text;
  problems.push(valueFinding(path, quoted(text), 'not a protocol of Services; write TCP, UDP or SCTP'));
  return undefined;
}

function checkName(path: Path, name: string, problems: Finding[]): void {
  if (isName(name)) return;
  const why = 'not a name of a Kubernetes object; write lower-case letters, digits, "-" and ".", at most 253';
  problems.push(valueFinding(path, quoted(name), why));
}

/** DNS subdomain (RFC 1123): all that names of the three kinds have in common. Keeps `/` out of names, which are keys. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 253 && /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name);
}

/** To seconds in UTC, so that text order is time order. Undefined when it is no time; '' when absent. */
function timeText(time: string): string | undefined {
  if (time === '') return '';
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time)) return time;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(time)) return undefined;
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, 19)}Z`;
}

/** What an API server refuses as the address of an endpoint or an external IP (ValidateNonSpecialIP of Kubernetes 1.36), and all multicast. */
function specialRange(address: Address, range: Exclude<AddressRange, 'any'>): string | undefined {
  if (address.includes(':')) {
    if (address === '::') return 'the unspecified';
    if (address === '::1') return 'the loopback';
    if (/^fe[89ab][0-9a-f]:/.test(address)) return 'a link-local';
    return address.startsWith('ff') && address.indexOf(':') === 4 ? 'a multicast' : undefined;
  }
  const first = Number(address.slice(0, address.indexOf('.')));
  if (address === '0.0.0.0') return 'the unspecified';
  if (first === 127) return 'a loopback';
  if (range === 'routable' && address.startsWith('169.254.')) return 'a link-local';
  return first >= 224 && first <= 239 ? 'a multicast' : undefined;
}

function addressCure(text: string): string {
  if (text.includes('/')) return 'write the address without /prefix';
  if (text.includes('%')) return 'write the address without %zone';
  return text.includes(':')
    ? 'write eight groups of hexadecimal digits, or fewer with "::", such as fd00:10:96::10'
    : 'write four numbers from 0 to 255, such as 10.96.0.10';
}
