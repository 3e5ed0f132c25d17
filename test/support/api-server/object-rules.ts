/** What an API server makes of objects by their kind, from defaults to checks. Everything here changes the object it is given. */

import type { Allocator } from './allocator.ts';
import { isObject, type JsonObject, listAt, objectAt, textAt } from './json.ts';
import type { Resource } from './resources.ts';
import { allocate, carryOver, clusterIPsOf, defaultService, nodePortsOf, serviceMistakes } from './service-rules.ts';
import type { Cause } from './statuses.ts';

/** What counts as set by whoever wrote the object. */
export function setDefaults({ id }: Resource, object: JsonObject, before: JsonObject | undefined): void {
  switch (id) {
    case 'services':
      defaultService(object);
      if (before !== undefined) carryOver(object, before);
      return;
    case 'endpointslices.discovery.k8s.io':
      for (const port of listAt(object, 'ports').filter(isObject)) {
        port['name'] ??= '';
        port['protocol'] ??= 'TCP';
      }
      return;
    case 'nodes':
      agreeOnPodCIDRs(objectAt(object, 'spec'));
      return;
    case 'namespaces':
      if (listAt(object, 'spec', 'finalizers').length === 0) object['spec'] = { finalizers: ['kubernetes'] };
      if (textAt(object, 'status', 'phase') === '') object['status'] = { phase: 'Active' };
      setLabel(object, 'kubernetes.io/metadata.name', textAt(object, 'metadata', 'name'));
      return;
    default:
  }
}

/** The one network is the first of all (pkg/apis/core/v1/conversion.go). */
function agreeOnPodCIDRs(spec: JsonObject): void {
  const [first] = listAt(spec, 'podCIDRs');
  const podCIDR = textAt(spec, 'podCIDR');
  if (podCIDR === '' && first !== undefined) spec['podCIDR'] = first;
  else if (podCIDR !== '' && podCIDR !== first) spec['podCIDRs'] = [podCIDR];
}

function setLabel(object: JsonObject, key: string, value: string): void {
  const metadata = objectAt(object, 'metadata');
  metadata['labels'] = { ...objectAt(metadata, 'labels'), [key]: value };
}

/** What the server itself adds. Gives what keeps the object from being stored. */
export function complete(
  { id }: Resource,
  object: JsonObject,
  {
    key,
    before,
    allocator,
  }: { readonly key: string; readonly before: JsonObject | undefined; readonly allocator: Allocator },
): Cause[] {
  switch (id) {
    case 'services':
      return [...allocate(object, key, allocator), ...serviceMistakes(object, before)];
    case 'endpointslices.discovery.k8s.io':
      return sliceMistakes(object, before);
    case 'nodes':
      if (before === undefined) taintNotReady(object);
      return [];
    default:
      return [];
  }
}

/** As the admission plug-in TaintNodesByCondition does with new nodes. */
function taintNotReady(node: JsonObject): void {
  const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
  const spec = (node['spec'] ??= {}) as JsonObject;
  const taints = listAt(spec, 'taints');
  if (!taints.some((other) => textAt(other, 'key') === taint.key)) spec['taints'] = [...taints, taint];
}

function sliceMistakes(slice: JsonObject, before: JsonObject | undefined): Cause[] {
  const addressType = textAt(slice, 'addressType');
  const causes: Cause[] = [];
  if (addressType === '')
    causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: 'addressType' });
  else if (before !== undefined && addressType !== textAt(before, 'addressType')) {
    const message = `Invalid value: ${JSON.stringify(addressType)}: field is immutable`;
    causes.push({ reason: 'FieldValueInvalid', message, field: 'addressType' });
  }
  const endpoints = listAt(slice, 'endpoints').filter(isObject);
  if (endpoints.length > 1000) {
    const message = `Too many: ${endpoints.length}: must have at most 1000 items`;
    causes.push({ reason: 'FieldValueTooMany', message, field: 'endpoints' });
  }
  for (const [i, endpoint] of endpoints.entries()) {
    if (listAt(endpoint, 'addresses').length > 0) continue;
    const message = 'Required value: must contain at least 1 address';
    causes.push({ reason: 'FieldValueRequired', message, field: `endpoints[${i}].addresses` });
  }
  return causes;
}

/** Books what the object holds; undefined for one that is gone. */
export function book({ id }: Resource, key: string, object: JsonObject | undefined, allocator: Allocator): void {
  if (id !== 'services') return;
  if (object === undefined) allocator.release(key);
  else allocator.hold(key, { addresses: clusterIPsOf(object), ports: nodePortsOf(object) });
}
