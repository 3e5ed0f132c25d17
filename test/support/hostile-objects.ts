/** Objects of somebody who may write Services and EndpointSlices, and of an API server that checks nothing. */

import { serviceObject, sliceObject } from './cluster-objects.ts';

/** In every text that should reach no rule, no label and no terminal as it is: whatever ends a line, a string, a block or a colour. */
export const hostile = 'pwned"}\n; flush ruleset\u001b[2J\u202e\u2028\\" \' } `';

/** Kind, key and object of what cannot be read, or only in part; `endpoints`: how often one slice repeats one of them. */
export function hostileObjects(
  endpoints: number,
): readonly (readonly [kind: 'Service' | 'EndpointSlice', key: string, object: object])[] {
  const megabyte = 'x'.repeat(1024 * 1024);
  const service = (name: string, ip: string, more: object = {}, spec: Readonly<Record<string, unknown>> = {}) =>
    withMetadata(serviceObject(name, { clusterIPs: [ip], spec }), more);
  const slice = (name: string, fields: object) => ({ ...sliceObject(name, ['10.244.0.66']), ...fields });
  const annotated = (annotations: object) => ({ annotations });
  const manyPorts = Array.from({ length: 5_000 }, (_, i) => ({ name: `p${i}`, port: i === 4_999 ? 0 : i + 1 }));
  const oneAddress = Array.from({ length: endpoints }, () => ({ addresses: ['10.244.0.66'] }));
  return [
    ['Service', 'default/name', service(hostile, '10.96.1.1')],
    ['Service', 'default/namespace', service('namespace', '10.96.1.2', { namespace: hostile })],
    ['Service', 'default/address', service('address', hostile)],
    ['Service', 'default/type', service('type', '10.96.1.3', {}, { type: hostile })],
    [
      'Service',
      'default/proto',
      JSON.parse(`{"__proto__":{"polluted":true},"metadata":{"name":"proto","__proto__":{"a":1}}}`),
    ],
    ['Service', 'default/times', service('times', '10.96.1.4', { creationTimestamp: hostile })],
    ['Service', 'default/many-ports', service('many-ports', '10.96.1.5', {}, { ports: manyPorts })],
    ['Service', 'default/long-field', service('long-field', '10.96.1.6', {}, { sessionAffinity: megabyte })],
    // these are read
    ['Service', 'default/port', service('port', '10.96.1.10', {}, { ports: [{ name: hostile, port: 80 }] })],
    ['Service', 'default/labels', service('labels', '10.96.1.11', { labels: { [hostile]: hostile } })],
    [
      'Service',
      'default/scheduler',
      service('scheduler', '10.96.1.12', annotated({ 'kube-ipvs.io/scheduler': hostile })),
    ],
    [
      'Service',
      'default/weights',
      service('weights', '10.96.1.13', annotated({ 'kube-ipvs.io/weights': '*:1,'.repeat(250_000) })),
    ],
    ['Service', 'default/long', service('long', '10.96.1.14', annotated({ [hostile]: megabyte }))],
    [
      'EndpointSlice',
      'default/of-nobody',
      slice('x', { metadata: { name: 'of-nobody', labels: { 'kubernetes.io/service-name': hostile } } }),
    ],
    [
      'EndpointSlice',
      'default/endpoint',
      slice('port', { endpoints: [{ addresses: [hostile], nodeName: hostile, zone: megabyte }] }),
    ],
    [
      'EndpointSlice',
      'default/repeated',
      slice('long', {
        metadata: { name: 'repeated', labels: { 'kubernetes.io/service-name': 'long' } },
        endpoints: oneAddress,
      }),
    ],
  ];
}

/** What the kernel has of those that are read. */
export const hostileLines: readonly string[] = [
  ...[10, 11, 12, 13, 14].map((last) => `-A -t 10.96.1.${last}:80 -s rr`),
  '-a -t 10.96.1.14:80 -r 10.244.0.66:8080 -m -w 1',
];

function withMetadata(object: object, more: object): object {
  const { metadata, ...rest } = object as { readonly metadata: object };
  return { ...rest, metadata: { ...metadata, ...more } };
}
