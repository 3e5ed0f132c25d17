/** Tables, as kubectl get prints them (pkg/printers/internalversion/printers.go). */

import { apiVersionOf, type Resource } from './resources.ts';
import { isObject, type Json, type JsonObject, listAt, objectAt, scalarText, textAt } from './json.ts';

interface Column {
  readonly name: string;
  /** Only with -o wide. */
  readonly wide?: boolean;
  readonly cell: (object: JsonObject, now: number) => string;
}

const name: Column = { name: 'Name', cell: (object) => textAt(object, 'metadata', 'name') };
const age: Column = {
  name: 'Age',
  cell: (object, now) => since(now - Date.parse(textAt(object, 'metadata', 'creationTimestamp'))),
};

const columnsOf: Readonly<Record<string, readonly Column[]>> = {
  configmaps: [name, { name: 'Data', cell: (object) => String(Object.keys(objectAt(object, 'data')).length) }, age],
  'endpointslices.discovery.k8s.io': [
    name,
    { name: 'AddressType', cell: (slice) => textAt(slice, 'addressType') },
    {
      name: 'Ports',
      cell: (slice) =>
        few(
          listAt(slice, 'ports').map((port) => scalarText(objectAt(port)['port'] ?? '*')),
          '<unset>',
        ),
    },
    {
      name: 'Endpoints',
      cell: (slice) =>
        few(
          listAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String)),
          '<unset>',
        ),
    },
    age,
  ],
  namespaces: [name, { name: 'Status', cell: (object) => textAt(object, 'status', 'phase') }, age],
  nodes: [
    name,
    { name: 'Status', cell: nodeStatus },
    { name: 'Roles', cell: nodeRoles },
    age,
    { name: 'Version', cell: (node) => textAt(node, 'status', 'nodeInfo', 'kubeletVersion') },
    { name: 'Internal-IP', wide: true, cell: (node) => nodeAddress(node, 'InternalIP') },
    { name: 'External-IP', wide: true, cell: (node) => nodeAddress(node, 'ExternalIP') },
    { name: 'OS-Image', wide: true, cell: (node) => textAt(node, 'status', 'nodeInfo', 'osImage') || '<unknown>' },
    {
      name: 'Kernel-Version',
      wide: true,
      cell: (node) => textAt(node, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>',
    },
    {
      name: 'Container-Runtime',
      wide: true,
      cell: (node) => textAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>',
    },
  ],
  services: [
    name,
    { name: 'Type', cell: (service) => textAt(service, 'spec', 'type') },
    { name: 'Cluster-IP', cell: (service) => textAt(service, 'spec', 'clusterIP') || '<none>' },
    { name: 'External-IP', cell: externalIP },
    { name: 'Port(s)', cell: (service) => listAt(service, 'spec', 'ports').map(portText).join(',') || '<none>' },
    age,
    { name: 'Selector', wide: true, cell: (service) => pairs(objectAt(service, 'spec', 'selector')) },
  ],
};

export interface TableOptions {
  readonly resource: Resource;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** `Metadata`, `Object` or `None`: what each row carries. */
  readonly includes: string;
  readonly metadata: JsonObject;
  readonly columns: boolean;
}

export function tableOf(
  objects: readonly JsonObject[],
  { resource, now, includes, metadata, columns }: TableOptions,
): JsonObject {
  const of = columnsOf[resource.id] ?? [name, age];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns ? of.map(definition) : null,
    rows: objects.map((object) => ({
      cells: of.map(({ cell }) => cell(object, now)),
      ...(includes === 'None' ? {} : { object: includes === 'Object' ? whole(object, resource) : partial(object) }),
    })),
  };
}

function definition({ name, wide }: Column): JsonObject {
  const format = name === 'Name' ? 'name' : '';
  return { name, type: 'string', format, description: '', priority: wide === true ? 1 : 0 };
}

function whole(object: JsonObject, resource: Resource): JsonObject {
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), ...object };
}

function partial(object: JsonObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: objectAt(object, 'metadata') };
}

function few(texts: readonly string[], none: string): string {
  if (texts.length === 0) return none;
  const more = texts.length > 3 ? ` + ${texts.length - 3} more...` : '';
  return texts.slice(0, 3).join(',') + more;
}

function pairs(labels: JsonObject): string {
  return (
    Object.entries(labels)
      .map(([key, value]) => `${key}=${scalarText(value)}`)
      .join(',') || '<none>'
  );
}

function portText(port: Json): string {
  const { port: number, nodePort, protocol } = objectAt(port);
  return `${Number(number)}${nodePort === undefined ? '' : `:${Number(nodePort)}`}/${scalarText(protocol)}`;
}

function externalIP(service: JsonObject): string {
  const spec = objectAt(service, 'spec');
  const external = listAt(spec, 'externalIPs').map(String);
  switch (textAt(spec, 'type')) {
    case 'ExternalName':
      return textAt(spec, 'externalName');
    case 'LoadBalancer': {
      const ingress = listAt(service, 'status', 'loadBalancer', 'ingress').filter(isObject);
      const balanced = ingress.map((entry) => textAt(entry, 'ip') || textAt(entry, 'hostname'));
      return [...balanced, ...external].join(',') || '<pending>';
    }
    default:
      return external.join(',') || '<none>';
  }
}

function nodeStatus(node: JsonObject): string {
  const conditions = listAt(node, 'status', 'conditions').filter(isObject);
  const ready = conditions.find((condition) => condition['type'] === 'Ready');
  const told = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady';
  return objectAt(node, 'spec')['unschedulable'] === true ? `${told},SchedulingDisabled` : told;
}

function nodeRoles(node: JsonObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(objectAt(node, 'metadata', 'labels')).filter((label) => label.startsWith(prefix));
  return roles.map((label) => label.slice(prefix.length)).join(',') || '<none>';
}

function nodeAddress(node: JsonObject, type: string): string {
  const addresses = listAt(node, 'status', 'addresses').filter(isObject);
  return (
    textAt(
      addresses.find((address) => address['type'] === type),
      'address',
    ) || '<none>'
  );
}

/** As apimachinery's duration.HumanDuration. */
function since(milliseconds: number): string {
  if (Number.isNaN(milliseconds)) return '<unknown>';
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  const both = (large: string, rest: number, unit: string): string => (rest === 0 ? large : `${large}${rest}${unit}`);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return both(`${minutes}m`, seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return both(`${hours}h`, minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (days < 8) return both(`${days}d`, hours % 24, 'h');
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}
