/** Service → fact. */

import { type Address, type Family, familyOf } from '../model/address.ts';
import type { Service, ServicePort } from '../model/cluster.ts';
import { type Finding, type Path, quoted } from './problem.ts';
import {
  identify,
  nameOf,
  type Projection,
  readAddress,
  readPolicy,
  readProtocol,
  valueFinding,
} from './projection.ts';
import { readExposure, readNodePort } from './service-exposure.ts';
import { isPresent, type RawService, readShape, serviceShape } from './shapes.ts';
import { readTuning } from './tuning.ts';

export function projectService(raw: unknown): Projection<Service> {
  const identity = identify(raw, 'namespaced');
  if ('problems' in identity) return refused(raw, identity.problems);
  const { name, uid, createdAt, labels } = identity;
  const notForUs = (reason: string, warnings: readonly Finding[] = []) =>
    ({ outcome: 'notForUs', name, reason, problems: [], warnings }) as const;
  if (isPresent(labels['service.kubernetes.io/service-proxy-name'])) return notForUs('another proxy serves it');

  const read = readShape(serviceShape, raw);
  if (!read.ok) return refused(raw, read.findings);
  const spec: RawService = read.value.spec ?? {};
  if (spec.clusterIP === 'None') return notForUs('headless');
  if (spec.type === 'ExternalName') return notForUs('ExternalName');
  const clusterIP = spec.clusterIP ?? '';
  if (clusterIP === '') return notForUs('no cluster IP', [noClusterIP]);

  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  checkType(spec, problems);
  const clusterIPs = readClusterIPs(spec, clusterIP, problems, warnings);
  const fact: Service = {
    name,
    uid,
    createdAt,
    clusterIPs,
    ports: readPorts(spec, problems),
    affinityTimeout: readAffinity(spec, problems),
    internalTrafficPolicy: readPolicy(spec.internalTrafficPolicy, ['spec', 'internalTrafficPolicy'], problems),
    ...readExposure(spec, read.value.status ?? {}, clusterIPs, problems, warnings),
    tuning: readTuning(read.value.metadata.annotations ?? {}, warnings),
  };
  if (problems.length > 0) return { outcome: 'refused', name, problems, warnings };
  return { outcome: 'fact', name, fact, problems, warnings };
}

function refused(raw: unknown, problems: readonly Finding[]): Projection<Service> {
  return { outcome: 'refused', name: nameOf(raw, 'namespaced'), problems, warnings: [] };
}

const noClusterIP: Finding = {
  class: 'value',
  path: ['spec', 'clusterIP'],
  message:
    'spec.clusterIP is missing: the Service is skipped; write the address that kubectl get prints, or None for a headless Service',
};

function checkType(spec: RawService, problems: Finding[]): void {
  const type = spec.type ?? '';
  if (type === '' || type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer') return;
  const why = 'not a type of Services; write ClusterIP, NodePort, LoadBalancer or ExternalName';
  problems.push(valueFinding(['spec', 'type'], quoted(type), why));
}

const families: ReadonlyMap<string, Family> = new Map([
  ['IPv4', 4],
  ['IPv6', 6],
]);

/** clusterIPs[i] for each of ipFamilies. Where one of the lists is missing, what an API server would fill in from the other field. */
function readClusterIPs(spec: RawService, clusterIP: string, problems: Finding[], warnings: Finding[]): Address[] {
  const ipFamilies = spec.ipFamilies ?? [];
  const clusterIPs = isPresent(spec.clusterIPs) && spec.clusterIPs.length > 0 ? spec.clusterIPs : undefined;
  const written = clusterIPs ?? [clusterIP];
  const addresses: Address[] = [];
  const add = (i: number, family: Family | undefined) => {
    const text = written[i];
    if (text === undefined) return;
    const path: Path = clusterIPs === undefined ? ['spec', 'clusterIP'] : ['spec', 'clusterIPs', i];
    const address = readAddress(text, path, problems, 'assigned');
    if (address === undefined) return;
    const own = familyOf(address);
    if (family !== undefined && own !== family) {
      const why = `not an IPv${family} address, which spec.ipFamilies says it is; make the two agree`;
      problems.push(valueFinding(path, quoted(text), why));
    } else if (addresses.some((other) => familyOf(other) === own)) {
      problems.push(valueFinding(path, quoted(text), `the second IPv${own} address; write one of each family`));
    } else addresses.push(address);
  };
  for (const [i, name] of ipFamilies.entries()) {
    const path: Path = ['spec', 'ipFamilies', i];
    const family = families.get(name);
    if (family === undefined) problems.push(valueFinding(path, quoted(name), 'not an IP family; write IPv4 or IPv6'));
    else if (ipFamilies.indexOf(name) < i) {
      problems.push(valueFinding(path, quoted(name), 'the second of the same family; write each family once'));
    } else add(i, family);
  }
  if (ipFamilies.length === 0) for (const i of written.keys()) add(i, undefined);
  if (clusterIPs !== undefined) checkAgreement(clusterIP, clusterIPs[0]!, problems, warnings);
  return addresses;
}

/** spec.clusterIP beside another clusterIPs[0]: the list counts, but a broken one is still told. */
function checkAgreement(clusterIP: string, first: string, problems: Finding[], warnings: Finding[]): void {
  if (clusterIP === first) return;
  const path: Path = ['spec', 'clusterIP'];
  if (readAddress(clusterIP, path, problems, 'assigned') === undefined || problems.length > 0) return;
  const why = `not spec.clusterIPs[0] ${quoted(first)}, which counts; write the same in both`;
  warnings.push(valueFinding(path, quoted(clusterIP), why));
}

function readPorts(spec: RawService, problems: Finding[]): ServicePort[] {
  const hasNodePorts = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const ports: ServicePort[] = [];
  const seen = new Set<string>();
  const isNew = (key: string) => seen.size < seen.add(key).size;
  for (const [i, raw] of (spec.ports ?? []).entries()) {
    const path: Path = ['spec', 'ports', i];
    const protocol = readProtocol(raw.protocol, [...path, 'protocol'], problems);
    const port = raw.port ?? 0;
    if (port < 1 || port > 65535) {
      const found = isPresent(raw.port) ? String(port) : 'missing';
      problems.push(valueFinding([...path, 'port'], found, 'not a port; write a whole number from 1 to 65535'));
    }
    if (protocol === undefined) continue;
    const name = raw.name ?? '';
    if (!isNew(`${protocol} ${name}`)) {
      const why = `the second ${protocol} port of that name; give each port of the Service its own name`;
      problems.push(valueFinding([...path, 'name'], name === '' ? 'missing' : quoted(name), why));
    }
    if (!isNew(`${protocol}:${port}`)) {
      const why = `the second ${protocol} port of that number; leave one out`;
      problems.push(valueFinding([...path, 'port'], String(port), why));
    }
    const nodePort = hasNodePorts ? readNodePort(raw.nodePort, [...path, 'nodePort'], problems) : undefined;
    if (nodePort !== undefined && !isNew(`${protocol}:node ${nodePort}`)) {
      const why = `the second ${protocol} port with that NodePort; leave one out`;
      problems.push(valueFinding([...path, 'nodePort'], String(nodePort), why));
    }
    ports.push({ name, protocol, port, nodePort });
  }
  return ports;
}

/** service.spec.sessionAffinityConfig of core/v1: one day at most, three hours by default. */
const affinity = { longest: 86_400, usual: 10_800 };

function readAffinity(spec: RawService, problems: Finding[]): number | undefined {
  const kind = spec.sessionAffinity ?? '';
  if (kind === '' || kind === 'None') return undefined;
  if (kind !== 'ClientIP') {
    problems.push(
      valueFinding(['spec', 'sessionAffinity'], quoted(kind), 'not a kind of affinity; write None or ClientIP'),
    );
    return undefined;
  }
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? affinity.usual;
  if (seconds < 1 || seconds > affinity.longest) {
    const path: Path = ['spec', 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds'];
    problems.push(valueFinding(path, String(seconds), `out of range; write seconds from 1 to ${affinity.longest}`));
  }
  return seconds;
}
