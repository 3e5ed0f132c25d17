/** The cluster of a soak: Services that clients ask, each of which has an endpoint that lives at any time, and others that come and go. */

import type { Random } from '../../src/kernel/random.ts';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';

interface AskedService {
  readonly name: string;
  readonly vip: string;
  readonly nodePort: number;
  /** Pods that may be its endpoints. */
  readonly pods: readonly string[];
  readonly endpoints: Set<string>;
}

const askedServices = 3;
const podsOfEach = 4;
const mostPassing = 20;

/** Addresses of all Pods that there may ever be. */
export const podAddresses = Array.from({ length: askedServices }, (_, s) => podsOf(s)).flat();

function podsOf(s: number): string[] {
  return Array.from({ length: podsOfEach }, (_, p) => `10.244.7.${10 * s + p + 1}`);
}

export class SoakCluster {
  readonly services: readonly AskedService[];
  readonly #server: ApiServer;
  readonly #random: Random;
  /** Numbers of the Services that come and go. */
  readonly #passing = new Set<number>();
  #next = 0;

  constructor(server: ApiServer, random: Random) {
    this.#server = server;
    this.#random = random;
    this.services = Array.from({ length: askedServices }, (_, s) => ({
      name: `web-${s}`,
      vip: `10.96.0.${10 + s}`,
      nodePort: 30_080 + s,
      pods: podsOf(s),
      endpoints: new Set(podsOf(s).slice(0, 2)),
    }));
    server.delete('EndpointSlice', 'default/kubernetes');
    server.delete('Service', 'default/kubernetes');
    for (const service of this.services) {
      const ports = [{ name: 'http', port: 80, nodePort: service.nodePort, protocol: 'TCP', targetPort: 8080 }];
      const { name, vip } = service;
      const clusterIPs = [vip, vip.replace('10.96.0.', 'fd00:96::')];
      server.apply(serviceObject(name, { clusterIPs, ports, spec: { type: 'NodePort' } }));
      this.#tell(service);
    }
  }

  /** Pods that any Service names, which must live. */
  named(): ReadonlySet<string> {
    return new Set(this.services.flatMap(({ endpoints }) => [...endpoints]));
  }

  /** An endpoint takes the place of another; both live until nobody sends anything to the one that left. `live` is told which to start. */
  async roll(live: (pod: string) => Promise<void>): Promise<string> {
    const service = this.#random.pick(this.services);
    const [old] = [...service.endpoints];
    const idle = service.pods.filter((pod) => !service.endpoints.has(pod));
    if (old === undefined || idle.length === 0) return this.scale(live);
    const fresh = this.#random.pick(idle);
    await live(fresh);
    service.endpoints.add(fresh);
    service.endpoints.delete(old);
    this.#tell(service);
    return `${service.name}: ${old} -> ${fresh}`;
  }

  /** One endpoint more or less, never none. */
  async scale(live: (pod: string) => Promise<void>): Promise<string> {
    const service = this.#random.pick(this.services);
    const idle = service.pods.filter((pod) => !service.endpoints.has(pod));
    const grows = service.endpoints.size === 1 || (idle.length > 0 && this.#random.next() < 0.5);
    const pod = grows ? this.#random.pick(idle) : this.#random.pick([...service.endpoints]);
    if (grows) {
      await live(pod);
      service.endpoints.add(pod);
    } else service.endpoints.delete(pod);
    this.#tell(service);
    return `${service.name}: ${grows ? '+' : '-'} ${pod}`;
  }

  /** A Service that nobody asks. */
  add(): string {
    if (this.#passing.size >= mostPassing) return this.delete();
    const number = this.#next++;
    const { name, vip, pod } = passing(number);
    this.#passing.add(number);
    this.#server.apply(serviceObject(name, { clusterIPs: [vip] }), sliceObject(name, [pod]));
    return `+ ${name}`;
  }

  delete(): string {
    if (this.#passing.size === 0) return this.add();
    const number = this.#random.pick([...this.#passing]);
    const { name } = passing(number);
    this.#passing.delete(number);
    this.#server.delete('Service', `default/${name}`);
    this.#server.delete('EndpointSlice', `default/${name}-v4`);
    return `- ${name}`;
  }

  /** Endpoints by ClusterIP, both sorted. */
  expected(): readonly (readonly [vip: string, endpoints: readonly string[]])[] {
    const asked = this.services.map(({ vip, endpoints }) => [vip, [...endpoints].toSorted()] as const);
    const others = [...this.#passing].map(passing).map(({ vip, pod }) => [vip, [pod]] as const);
    return [...asked, ...others].toSorted(([one], [other]) => (one < other ? -1 : 1));
  }

  #tell({ name, endpoints }: AskedService): void {
    this.#server.apply(sliceObject(name, [...endpoints]));
  }
}

function passing(number: number): { readonly name: string; readonly vip: string; readonly pod: string } {
  const [high, low] = [1 + (number >> 7), 1 + (number & 0x7f)];
  return { name: `passing-${number}`, vip: `10.96.${high}.${low}`, pod: `10.244.${100 + high}.${low}` };
}
