/** EndpointSlice → fact. An endpoint that cannot be read is left out; anything else that is wrong refuses the slice. */

import { type Family, familyOf } from '../model/address.ts';
import type { Endpoint, EndpointPort, EndpointSlice, ObjectName } from '../model/cluster.ts';
import { type Finding, type Path, quoted } from './problem.ts';
import { identify, nameOf, type Projection, readAddress, readProtocol, valueFinding } from './projection.ts';
import { endpointSliceShape, isPresent, type RawEndpoint, type RawEndpointSlice, readShape } from './shapes.ts';

/** `shared` gives one string for all equal ones: many endpoints are on the same node. */
export function projectEndpointSlice(
  raw: unknown,
  shared: (text: string) => string = (text) => text,
): Projection<EndpointSlice> {
  const identity = identify(raw, 'namespaced');
  if ('problems' in identity) return refused(raw, identity.problems);
  const { name, namespace, labels } = identity;
  const notForUs = (reason: string) => ({ outcome: 'notForUs', name, reason, problems: [], warnings: [] }) as const;
  if (isPresent(labels['service.kubernetes.io/headless'])) return notForUs('headless');
  const service = labels['kubernetes.io/service-name'] ?? '';
  if (service === '') return notForUs('of no Service');

  const owner = `${namespace}/${service}`;
  const read = readShape(endpointSliceShape, raw);
  if (!read.ok) return refused(raw, read.findings, owner);
  const slice = read.value;
  if (slice.addressType === 'FQDN') return notForUs('FQDN');

  const problems: Finding[] = [];
  const family = readFamily(slice, problems);
  const ports = readPorts(slice, problems);
  if (problems.length > 0 || family === undefined) return refused(raw, problems, owner);
  const endpoints: Endpoint[] = [];
  for (const [i, endpoint] of (slice.endpoints ?? []).entries()) {
    const fact = readEndpoint(endpoint, { index: i, family, shared, problems });
    if (fact !== undefined) endpoints.push(fact);
  }
  const trigger = slice.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'] ?? '';
  const triggeredAt = readTime(trigger);
  const fact: EndpointSlice = { name, service: owner, family, ports, endpoints, triggeredAt };
  return { outcome: 'fact', name, fact, problems, warnings: [] };
}

function refused(raw: unknown, problems: readonly Finding[], service?: ObjectName): Projection<EndpointSlice> {
  const name = nameOf(raw, 'namespaced');
  return { outcome: 'refused', name, problems, warnings: [], ...(service !== undefined && { service }) };
}

/** What cannot be read only a metric misses. */
function readTime(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

function readFamily(slice: RawEndpointSlice, problems: Finding[]): Family | undefined {
  if (slice.addressType === 'IPv4') return 4;
  if (slice.addressType === 'IPv6') return 6;
  const found = isPresent(slice.addressType) ? quoted(slice.addressType) : 'missing';
  problems.push(valueFinding(['addressType'], found, 'not a type of addresses; write IPv4 or IPv6'));
  return undefined;
}

function readPorts(slice: RawEndpointSlice, problems: Finding[]): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const [i, raw] of (slice.ports ?? []).entries()) {
    const path: Path = ['ports', i];
    const protocol = readProtocol(raw.protocol, [...path, 'protocol'], problems);
    const port = raw.port ?? 0;
    if (port < 0 || port > 65535) {
      problems.push(valueFinding([...path, 'port'], String(port), 'not a port; write a whole number from 1 to 65535'));
    } else if (port !== 0 && protocol !== undefined) {
      // An API server fills in an absent name so (SetDefaults_EndpointPort of discovery/v1).
      ports.push({ name: raw.name ?? '', protocol, port });
    }
  }
  return ports;
}

interface Reading {
  readonly index: number;
  readonly family: Family;
  readonly shared: (text: string) => string;
  readonly problems: Finding[];
}

function readEndpoint(raw: RawEndpoint, { index, family, shared, problems }: Reading): Endpoint | undefined {
  const text = raw.addresses?.[0];
  if (text === undefined) return undefined;
  const path: Path = ['endpoints', index, 'addresses', 0];
  const address = readAddress(text, path, problems, 'routable');
  if (address === undefined) return undefined;
  if (familyOf(address) !== family) {
    const why = `not an IPv${family} address, which addressType says it is; put it into a slice of its own type`;
    problems.push(valueFinding(path, quoted(text), why));
    return undefined;
  }
  const { conditions, hints } = raw;
  return {
    address,
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
    nodeName: isPresent(raw.nodeName) ? shared(raw.nodeName) : undefined,
    zone: isPresent(raw.zone) ? shared(raw.zone) : undefined,
    zones: hints?.forZones?.map((zone) => shared(zone.name)) ?? none,
    nodes: hints?.forNodes?.map((node) => shared(node.name)) ?? none,
  };
}

/** Shared: most endpoints have no hints, and there are many endpoints. */
const none: readonly string[] = Object.freeze([]);
