/**
 * What an API server makes of a Service: defaults (pkg/apis/core/v1/defaults.go), what an update keeps or drops, allocated addresses
 * and ports (pkg/registry/core/service/storage), and the checks that tests run into. Everything here changes the object it is given.
 */

import type { Allocator } from './allocator.ts';
import { isObject, type Json, type JsonObject, listAt, objectAt, same, textAt } from './json.ts';
import type { Cause } from './statuses.ts';

export function defaultService(service: JsonObject): void {
  const spec = (service['spec'] ??= {}) as JsonObject;
  spec['sessionAffinity'] ||= 'None';
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig'];
  else spec['sessionAffinityConfig'] ??= { clientIP: { timeoutSeconds: 10800 } };
  spec['type'] ||= 'ClusterIP';
  for (const port of portsOf(spec)) {
    port['protocol'] ||= 'TCP';
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') {
      port['targetPort'] = port['port'] ?? 0;
    }
  }
  if (isExternal(spec)) spec['externalTrafficPolicy'] ||= 'Cluster';
  if (spec['type'] !== 'ExternalName') spec['internalTrafficPolicy'] ??= 'Cluster';
  if (spec['type'] === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true;
  for (const ingress of listAt(service, 'status', 'loadBalancer', 'ingress')) {
    if (spec['type'] === 'LoadBalancer' && isObject(ingress) && ingress['ip'] !== undefined)
      ingress['ipMode'] ??= 'VIP';
  }
}

/** What an update leaves out although it was allocated stays; what its type has no use for goes. */
export function carryOver(service: JsonObject, before: JsonObject): void {
  const spec = objectAt(service, 'spec');
  const then = objectAt(before, 'spec');
  if (usesClusterIP(spec) && usesClusterIP(then)) {
    for (const field of ['clusterIP', 'ipFamilies', 'ipFamilyPolicy']) fill(spec, field, then);
    if (spec['clusterIP'] === then['clusterIP']) fill(spec, 'clusterIPs', then);
  }
  if (wantsNodePorts(spec) && usesNodePorts(then)) {
    for (const port of portsOf(spec)) {
      const twin = portsOf(then).find((p) => p['port'] === port['port'] && p['protocol'] === port['protocol']);
      if (twin !== undefined) fill(port, 'nodePort', twin);
    }
  }
  if (wantsHealthCheck(spec) && wantsHealthCheck(then)) fill(spec, 'healthCheckNodePort', then);
  dropWhatTypeHasNoUseFor(spec, then);
}

function fill(target: JsonObject, field: string, source: JsonObject): void {
  const given = target[field];
  if ((given === undefined || given === null || given === '' || given === 0) && source[field] !== undefined) {
    target[field] = structuredClone(source[field]);
  }
}

function dropWhatTypeHasNoUseFor(spec: JsonObject, then: JsonObject): void {
  const unchanged = (field: string): boolean => same(spec[field], then[field]);
  if (usesClusterIP(then) && !usesClusterIP(spec)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[field];
  }
  if (usesNodePorts(then) && !usesNodePorts(spec)) for (const port of portsOf(spec)) delete port['nodePort'];
  if (wantsHealthCheck(then) && !wantsHealthCheck(spec) && unchanged('healthCheckNodePort')) {
    delete spec['healthCheckNodePort'];
  }
  if (isExternal(then) && !isExternal(spec) && unchanged('externalTrafficPolicy')) delete spec['externalTrafficPolicy'];
  if (then['type'] === 'LoadBalancer' && spec['type'] !== 'LoadBalancer') {
    for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass'])
      if (unchanged(field)) delete spec[field];
  }
}

/** Addresses and ports that are free, and errors for those that are wanted but are not. */
export function allocate(service: JsonObject, key: string, allocator: Allocator): Cause[] {
  const spec = objectAt(service, 'spec');
  const causes: Cause[] = [];
  if (usesClusterIP(spec)) allocateClusterIPs(spec, key, allocator, causes);
  if (wantsNodePorts(spec)) {
    const taken = new Map<number, Json | undefined>();
    for (const [i, port] of portsOf(spec).entries()) {
      const given = Number(port['nodePort'] ?? 0);
      const field = `spec.ports[${i}].nodePort`;
      if (given === 0) port['nodePort'] = sharedPort(spec, port) ?? allocator.freePort([...taken.keys()]);
      else if (!allocator.mayHavePort(key, given))
        causes.push(refused(field, given, 'provided port is already allocated'));
      else if (taken.get(given) === port['protocol'])
        causes.push({ reason: 'FieldValueDuplicate', message: `Duplicate value: ${given}`, field });
      else if (given < 30000 || given > 32767) {
        const message = 'provided port is not in the valid range. The range of valid ports is 30000-32767';
        causes.push(refused(field, given, message));
      }
      taken.set(Number(port['nodePort']), port['protocol']);
    }
  }
  if (wantsHealthCheck(spec) && !Number(spec['healthCheckNodePort'] ?? 0)) {
    spec['healthCheckNodePort'] = allocator.freePort(portsOf(spec).map((port) => Number(port['nodePort'])));
  }
  return causes;
}

/** One number serves both protocols of a port, as for DNS. */
function sharedPort(spec: JsonObject, port: JsonObject): number | undefined {
  const twin = portsOf(spec).find((p) => p !== port && p['port'] === port['port'] && Number(p['nodePort'] ?? 0) > 0);
  return twin === undefined ? undefined : Number(twin['nodePort']);
}

function allocateClusterIPs(spec: JsonObject, key: string, allocator: Allocator, causes: Cause[]): void {
  const given = listAt(spec, 'clusterIPs').map(String);
  if (given.length === 0 && textAt(spec, 'clusterIP') !== '') given.push(textAt(spec, 'clusterIP'));
  const isHeadless = given[0] === 'None';
  spec['ipFamilyPolicy'] ??=
    listAt(spec, 'ipFamilies').length > 1 || given.length > 1 ? 'RequireDualStack' : 'SingleStack';
  if (listAt(spec, 'ipFamilies').length === 0) {
    spec['ipFamilies'] = isHeadless || given.length === 0 ? ['IPv4'] : given.map(familyOf);
  }
  const families = listAt(spec, 'ipFamilies').map(String);
  if (spec['ipFamilyPolicy'] !== 'SingleStack' && families.length === 1) {
    families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
  }
  spec['ipFamilies'] = families;
  if (!isHeadless) {
    for (const [i, ip] of given.entries()) {
      if (!allocator.mayHaveAddress(key, ip)) {
        const why = `failed to allocate IP ${ip}: provided IP is already allocated`;
        causes.push(refused('spec.clusterIPs', given, why));
      }
      families[i] ??= familyOf(ip);
    }
    for (const family of families.slice(given.length)) given.push(allocator.freeAddress(family));
  }
  spec['clusterIPs'] = given;
  spec['clusterIP'] = given[0]!;
}

function familyOf(ip: string): string {
  return ip.includes(':') ? 'IPv6' : 'IPv4';
}

export function serviceMistakes(service: JsonObject, before: JsonObject | undefined): Cause[] {
  const spec = objectAt(service, 'spec');
  const causes: Cause[] = [];
  const isHeadless = spec['clusterIP'] === 'None' && spec['type'] === 'ClusterIP';
  if (portsOf(spec).length === 0 && !isHeadless && spec['type'] !== 'ExternalName') {
    causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: 'spec.ports' });
  }
  if (!['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'].includes(textAt(spec, 'type'))) {
    const message = `Unsupported value: ${JSON.stringify(spec['type'])}: supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"`;
    causes.push({ reason: 'FieldValueNotSupported', message, field: 'spec.type' });
  }
  for (const [i, port] of portsOf(spec).entries()) {
    const number = Number(port['port'] ?? 0);
    if (number < 1 || number > 65535) {
      causes.push(refused(`spec.ports[${i}].port`, number, 'must be between 1 and 65535, inclusive'));
    }
    if (port['name'] === undefined && portsOf(spec).length > 1) {
      causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: `spec.ports[${i}].name` });
    }
  }
  const then = objectAt(before, 'spec');
  if (usesClusterIP(then) && usesClusterIP(spec) && spec['clusterIP'] !== then['clusterIP']) {
    causes.push(refused('spec.clusterIPs[0]', [spec['clusterIP'] ?? ''], 'may not change once set'));
  }
  return causes;
}

function refused(field: string, value: Json, why: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}

/** All node ports that it holds. */
export function nodePortsOf(service: JsonObject): number[] {
  const spec = objectAt(service, 'spec');
  return [...portsOf(spec).map((port) => port['nodePort']), spec['healthCheckNodePort']].flatMap(
    (port) => Number(port ?? 0) || [],
  );
}

export function clusterIPsOf(service: JsonObject): string[] {
  return listAt(service, 'spec', 'clusterIPs')
    .map(String)
    .filter((ip) => ip !== 'None');
}

function portsOf(spec: JsonObject): JsonObject[] {
  return listAt(spec, 'ports').filter(isObject);
}

function usesClusterIP(spec: JsonObject): boolean {
  return ['ClusterIP', 'NodePort', 'LoadBalancer'].includes(textAt(spec, 'type'));
}

function usesNodePorts(spec: JsonObject): boolean {
  return spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';
}

function wantsNodePorts(spec: JsonObject): boolean {
  return (
    spec['type'] === 'NodePort' || (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false)
  );
}

function wantsHealthCheck(spec: JsonObject): boolean {
  return spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';
}

function isExternal(spec: JsonObject): boolean {
  return usesNodePorts(spec) || (spec['type'] === 'ClusterIP' && listAt(spec, 'externalIPs').length > 0);
}
