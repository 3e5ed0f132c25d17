/** What holds of every fact of the cluster, whatever it was read from; judged without the code that reads it. */

import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import type { ClusterEvent, EndpointSlice, Node, Service } from '../../src/model/cluster.ts';

/** RFC 1123 subdomains, as all names of Kubernetes that we read. */
const namePattern = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

export function assertFact(event: ClusterEvent): void {
  switch (event.kind) {
    case 'service':
      if (event.verb === 'set') assertService(event.service);
      else assertName(event.name);
      return;
    case 'endpointSlice':
      if (event.verb === 'set') assertSlice(event.slice);
      else assertName(event.name);
      return;
    case 'node':
      if (event.verb === 'set') assertNode(event.node);
      return;
    case 'unreadable':
      if (event.object === 'Node') assert.match(event.name, namePattern);
      else assertName(event.name);
      return;
    case 'nodeAddresses':
      for (const { address } of event.addresses) assertAddress(address);
      return;
    case 'synced':
      return;
    default:
      event satisfies never;
  }
}

/** One spelling for each address. */
export function assertAddress(address: string): void {
  const family = isIP(address);
  assert.ok(family === 4 || family === 6, `no address: ${JSON.stringify(address)}`);
  // the URL standard's serialiser knows RFC 5952, and writes no address of IPv4 into IPv6
  const { hostname } = new URL(`http://${family === 6 ? `[${address}]` : address}/`);
  assert.equal(family === 6 ? `[${address}]` : address, hostname);
  assert.doesNotMatch(address, /^::ffff:[0-9a-f]+:[0-9a-f]+$/, 'an IPv4 address as IPv6');
}

function assertService(service: Service): void {
  assertName(service.name);
  assert.equal(typeof service.uid, 'string');
  assert.match(service.createdAt, /^$|^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  for (const address of [...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs]) {
    assertAddress(address);
  }
  assert.ok(service.clusterIPs.length <= 2);
  const families = service.clusterIPs.map((address) => isIP(address));
  assert.equal(new Set(families).size, families.length);
  for (const { name, protocol, port, nodePort } of service.ports) {
    assert.equal(typeof name, 'string');
    assert.ok(['TCP', 'UDP', 'SCTP'].includes(protocol));
    assertNumber(port, 1, 65_535);
    if (nodePort !== undefined) assertNumber(nodePort, 1, 65_535);
  }
  if (service.affinityTimeout !== undefined) assertNumber(service.affinityTimeout, 1, 86_400);
  if (service.healthCheckNodePort !== undefined) assertNumber(service.healthCheckNodePort, 1, 65_535);
  for (const policy of [service.internalTrafficPolicy, service.externalTrafficPolicy]) {
    assert.ok(policy === 'Cluster' || policy === 'Local');
  }
  for (const cidr of service.sourceRanges) assertNetwork(cidr);
  const { scheduler, schedulerFlags, drainTimeout, weights } = service.tuning;
  // IP_VS_SCHEDNAME_MAXLEN is 16, with the NUL; and no option of a command
  if (scheduler !== undefined) assert.match(scheduler, /^[A-Za-z0-9][\w-]{0,14}$/);
  if (schedulerFlags !== undefined) assertNumber(schedulerFlags, 0, 0xff);
  if (drainTimeout !== undefined) assert.ok(drainTimeout >= 0 && Number.isFinite(drainTimeout));
  for (const { endpoints, weight } of weights) {
    assertNumber(weight, 0, 65_535);
    if (endpoints.of === 'network') assertNetwork(endpoints.cidr);
  }
}

function assertSlice(slice: EndpointSlice): void {
  assertName(slice.name);
  assert.equal(slice.service.split('/')[0], slice.name.split('/')[0]);
  for (const { name, protocol, port } of slice.ports) {
    assert.equal(typeof name, 'string');
    assert.ok(['TCP', 'UDP', 'SCTP'].includes(protocol));
    assertNumber(port, 1, 65_535);
  }
  for (const endpoint of slice.endpoints) {
    assertAddress(endpoint.address);
    assert.equal(isIP(endpoint.address), slice.family);
    for (const flag of [endpoint.ready, endpoint.serving, endpoint.terminating]) assert.equal(typeof flag, 'boolean');
    for (const name of [...endpoint.zones, ...endpoint.nodes]) assert.equal(typeof name, 'string');
  }
  if (slice.triggeredAt !== undefined) assert.ok(Number.isFinite(slice.triggeredAt));
}

function assertNode(node: Node): void {
  assert.match(node.name, namePattern);
  for (const address of node.addresses) assertAddress(address);
  for (const cidr of node.podCIDRs) assertNetwork(cidr);
  assert.equal(typeof node.eligible, 'boolean');
}

function assertNetwork({ address, prefix }: { readonly address: string; readonly prefix: number }): void {
  assertAddress(address);
  assertNumber(prefix, 0, isIP(address) === 4 ? 32 : 128);
}

function assertName(name: string): void {
  const [namespace, object, ...more] = name.split('/');
  assert.equal(more.length, 0);
  assert.match(namespace ?? '', namePattern);
  assert.match(object ?? '', namePattern);
}

function assertNumber(value: number, least: number, most: number): void {
  assert.ok(Number.isSafeInteger(value) && value >= least && value <= most, `${value} is not from ${least} to ${most}`);
}
