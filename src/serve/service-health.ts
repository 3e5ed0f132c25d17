/**
 * Health-check node ports: one HTTP server for each Service that has one, family and address of the node, by which load balancers
 * learn whether the node has endpoints. Answers as kube-proxy's (pkg/proxy/healthcheck/service_health.go, Kubernetes 1.36).
 */

import { type Address, type Family, familyOf } from '../model/address.ts';
import type { ObjectName } from '../model/cluster.ts';
import { type Delays, delayAfter } from '../model/growing-delay.ts';
import type { ServiceHealth } from '../model/service-health.ts';
import { type HttpAnswer, HttpListener } from './http-listener.ts';

export interface ServiceHealthOptions {
  readonly health: { readonly isHealthy: boolean };
  readonly onListening?: (service: ObjectName, port: number, address: Address) => void;
  /**
   * Told of each Service and port that cannot be listened on at some address, in the words of the first try, with every try that fails:
   * whom that is passed on to may be away at first.
   */
  readonly onFailure: (service: ObjectName, port: number, message: string, isFirst: boolean) => void;
  /** Something went wrong at a port that is listened on. */
  readonly onError: (service: ObjectName, port: number, message: string) => void;
}

export class ServiceHealthServers {
  readonly #options: ServiceHealthOptions;
  readonly #ports = new Map<ObjectName, HealthCheckPort>();
  #addresses: readonly Address[] = [];
  #isClosed = false;

  constructor(options: ServiceHealthOptions) {
    this.#options = options;
  }

  /**
   * The addresses to listen on, of both families; until they are told there are none. `0.0.0.0` is every IPv4 address, `::` every IPv6
   * one. Servers at addresses that stay are left alone. Costs O(Services that have a port).
   */
  setAddresses(addresses: readonly Address[]): void {
    this.#addresses = addresses;
    for (const port of this.#ports.values()) port.listen(addresses);
  }

  /** Closes what a Service has at any other port. Where ports pass from one Service to another all leave theirs before one is set. */
  leave(name: ObjectName, port: number | undefined): void {
    const known = this.#ports.get(name);
    if (known === undefined || known.health.port === port) return;
    known.close();
    this.#ports.delete(name);
  }

  /** What a Service's port is to tell; undefined: it has none. Costs O(addresses). */
  set(name: ObjectName, health: ServiceHealth | undefined): void {
    if (this.#isClosed) return;
    this.leave(name, health?.port);
    if (health === undefined) return;
    const known = this.#ports.get(name);
    if (known !== undefined) {
      known.health = health;
      known.listen(this.#addresses);
      return;
    }
    const port = new HealthCheckPort(health, this.#options);
    this.#ports.set(name, port);
    port.listen(this.#addresses);
  }

  close(): void {
    this.#isClosed = true;
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
  }
}

const delays: Delays = { first: 1_000, longest: 60_000 };
/**
 * So many times an address may not be there: one of IPv6 that was just added can be listened on once the kernel knows that nobody else
 * has it, in a second or two (net/ipv6/addrconf.c, Linux 6.1), and one that goes is told by the node soon.
 */
const patience = 3;

/** The port of one Service, at all addresses. */
class HealthCheckPort {
  /** Its port never changes. */
  health: ServiceHealth;
  readonly #options: ServiceHealthOptions;
  readonly #listeners = new Map<Address, HttpListener>();
  /** Where it cannot be listened on now, and why not where that was so first. */
  readonly #failing = new Set<Address>();
  #failure: string | undefined;

  constructor(health: ServiceHealth, options: ServiceHealthOptions) {
    this.health = health;
    this.#options = options;
  }

  listen(all: readonly Address[]): void {
    const addresses = all.filter((address) => this.health.localEndpoints.has(familyOf(address)));
    // closed before others are opened: the kernel grants no address of a family while somebody listens on all of them
    for (const [address, listener] of this.#listeners) {
      if (addresses.includes(address)) continue;
      listener.close();
      this.#listeners.delete(address);
      this.#failsNoMore(address);
    }
    for (const address of addresses) {
      if (!this.#listeners.has(address)) this.#listeners.set(address, this.#open(address));
    }
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #open(address: Address): HttpListener {
    const { service, port } = this.health;
    const listener = new HttpListener({
      host: address,
      port,
      answer: () => this.#answer(familyOf(address)),
      onListening: () => {
        this.#failsNoMore(address);
        this.#options.onListening?.(service, port, address);
      },
      onError: ({ message }, isListening) => {
        if (isListening) this.#options.onError(service, port, message);
      },
      onFailure: ({ message }) => {
        const isFirst = this.#failure === undefined;
        this.#failure ??= message;
        this.#failing.add(address);
        this.#options.onFailure(service, port, this.#failure, isFirst);
      },
      mayPass: ({ code }, failures) => code === 'EADDRNOTAVAIL' && failures < patience,
      retryDelay: (failures) => delayAfter(failures, delays),
    });
    listener.keepListening();
    return listener;
  }

  /** What fails after all was well is told anew. */
  #failsNoMore(address: Address): void {
    this.#failing.delete(address);
    if (this.#failing.size === 0) this.#failure = undefined;
  }

  #answer(family: Family): HttpAnswer {
    const { isHealthy } = this.#options.health;
    const count = this.health.localEndpoints.get(family) ?? 0;
    return {
      code: count > 0 && isHealthy ? 200 : 503,
      headers: {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(count),
      },
      body: bodyOf(this.health.service, count, isHealthy),
    };
  }
}

function bodyOf(service: ObjectName, localEndpoints: number, serviceProxyHealthy: boolean): string {
  const [namespace, name] = service.split('/');
  return JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }, undefined, '\t');
}
