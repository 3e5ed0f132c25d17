/** Kubernetes objects as plain data, in the shape in which kubectl prints them, for tests that need many or exact ones. */

export interface ServiceOptions {
  readonly namespace?: string;
  readonly clusterIPs: readonly string[];
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
  readonly spec?: Readonly<Record<string, unknown>>;
}

const httpPort = { name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 };

export function serviceObject(
  name: string,
  { namespace = 'default', clusterIPs, ports, spec }: ServiceOptions,
): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: clusterIPs.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4')),
      ports: ports ?? [httpPort],
      sessionAffinity: 'None',
      ...spec,
    },
  };
}

export interface SliceOptions {
  readonly namespace?: string;
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
  /** Where all endpoints are. */
  readonly nodeName?: string;
}

/** One slice of a Service; all addresses are of one family. */
export function sliceObject(service: string, addresses: readonly string[], options: SliceOptions = {}): object {
  const isIPv6 = addresses[0]?.includes(':') === true;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${isIPv6 ? 'v6' : 'v4'}`,
      namespace: options.namespace ?? 'default',
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: isIPv6 ? 'IPv6' : 'IPv4',
    ports: options.ports ?? [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true },
      ...(options.nodeName === undefined ? {} : { nodeName: options.nodeName }),
    })),
  };
}

export function list(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}

/** `services` Services with `endpoints` endpoints each, ClusterIPs from 10.96.0.0/12 and Pods from 10.128.0.0/9. */
export function manyServices(services: number, endpoints: number, options: SliceOptions = {}): object[] {
  const items: object[] = [];
  for (let s = 0; s < services; s++) {
    items.push(serviceObject(`service-${s}`, { clusterIPs: [addressOf(0x0a600000 + s + 1)] }));
    const pods = Array.from({ length: endpoints }, (_, e) => addressOf(0x0a800000 + s * endpoints + e + 1));
    items.push(sliceObject(`service-${s}`, pods, options));
  }
  return items;
}

function addressOf(number: number): string {
  return [number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff].join('.');
}
