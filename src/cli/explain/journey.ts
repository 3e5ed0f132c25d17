/**
 * The way of a connection's first packet through the node, with IPVS at input 98 for what comes in and at output -98 for what the host
 * sends (ip_vs_ops4 in net/netfilter/ipvs/ip_vs_core.c, 6.1): terrain and client in, what becomes of it out. Pure.
 */

import { isLoopback } from '../../desired/node-facts.ts';
import { type Packet, type Passage, passHook } from '../../desired/packet-path.ts';
import type { Address } from '../../model/address.ts';
import type { BaseChain } from '../../model/filter.ts';
import { type VirtualServiceKey, virtualServiceKey } from '../../model/virtual-service.ts';
import type { Terrain } from './terrain.ts';

/** Who sends it. */
export interface Sender {
  readonly source: Address;
  /** The device that it comes in by; '' for the host itself. */
  readonly device: string;
}

export interface Reached {
  /** `10.244.1.7:8080`. */
  readonly id: string;
  /** The destination sees an address of the node in place of the client's. */
  readonly masqueraded: boolean;
}

export type Outcome =
  /** `service`: the virtual service that chooses; another than the one asked where the packet filter sends it on. */
  | {
      readonly kind: 'reaches';
      readonly service: string;
      readonly isRedirected: boolean;
      readonly destinations: readonly Reached[];
    }
  /**
   * `refused`: the client is told so, by a rule of the packet filter or, where none did it, by IPVS, which has no destination. `dropped`: the
   * client is not told. Linux does that without a rule to packets from a loopback address that would leave the node, to packets for a
   * loopback address that come in, and, where forwarding is off, to all that are not the host's own.
   */
  | { readonly kind: 'refused' | 'dropped' }
  /** To a process of the node, if one listens. */
  | { readonly kind: 'host' }
  /** It is not the node's: routed on. */
  | { readonly kind: 'elsewhere' }
  /** The packet filter has rules that are not ours. */
  | { readonly kind: 'unknown' };

export interface Journey {
  readonly outcome: Outcome;
  /** Comments of the rules that made the outcome, in order, each once. */
  readonly rules: readonly string[];
}

export function journey(sender: Sender, key: VirtualServiceKey, terrain: Terrain): Journey {
  const traveller = new Traveller(sender, key, terrain);
  const outcome = traveller.go();
  const isMasqueraded = outcome.kind === 'reaches' && outcome.destinations.some(({ masqueraded }) => masqueraded);
  return { outcome, rules: [...traveller.rules].filter((rule) => isMasqueraded || !traveller.marking.has(rule)) };
}

class Traveller {
  readonly rules = new Set<string>();
  readonly marking = new Set<string>();
  readonly #terrain: Terrain;
  readonly #asked: string;
  readonly #isFromHost: boolean;
  #packet: Packet;

  constructor({ source, device }: Sender, { id, protocol, address, port }: VirtualServiceKey, terrain: Terrain) {
    this.#asked = id;
    this.#terrain = terrain;
    this.#isFromHost = device === '';
    this.#packet = { protocol, source, destination: address, port, mark: 0, from: device, to: '' };
  }

  go(): Outcome {
    // ip_route_input_slow, ip6_rcv_core, 6.1
    if (!this.#isFromHost && isLoopback(this.#packet.destination)) return { kind: 'dropped' };
    const first = this.#pass(this.#isFromHost ? 'output' : 'prerouting');
    if (first !== 'on') return { kind: first };
    if (this.#isFromHost) return this.#balance() ?? this.#input();
    if (!this.#isLocal(this.#packet.destination)) return { kind: 'elsewhere' };
    const second = this.#pass('input');
    return second === 'on' ? (this.#balance() ?? { kind: 'host' }) : { kind: second };
  }

  #input(): Outcome {
    if (!this.#isLocal(this.#packet.destination)) return { kind: 'elsewhere' };
    const fate = this.#pass('input');
    return { kind: fate === 'on' ? 'host' : fate };
  }

  /** undefined: IPVS does not know the virtual service. */
  #balance(): Outcome | undefined {
    const { protocol, destination, port } = this.#packet;
    const { id } = virtualServiceKey(protocol, destination, port);
    const destinations = this.#terrain.destinations(id);
    if (destinations === undefined) return undefined;
    const chosen = destinations.filter(({ weight }) => weight > 0);
    if (chosen.length === 0) return { kind: 'refused' };
    const usable = chosen.filter(({ address }) => this.#mayLeaveTo(address));
    if (usable.length === 0) return { kind: 'dropped' };
    return {
      kind: 'reaches',
      service: id,
      isRedirected: id !== this.#asked,
      destinations: usable.map((one) => ({ id: one.id, masqueraded: this.#isMasqueraded(one.address, one.port) })),
    };
  }

  /** Nobody takes packets from loopback addresses by a device (fib_validate_source, ip6_rcv_core, 6.1). */
  #mayLeaveTo(destination: Address): boolean {
    if (this.#isLocal(destination)) return true;
    return !isLoopback(this.#packet.source) && (this.#isFromHost || this.#terrain.forwards);
  }

  /** What IPVS sends from another to the host itself goes on where it is, and passes no postrouting (ip_vs_nat_xmit in ip_vs_xmit.c, 6.1). */
  #isMasqueraded(destination: Address, port: number): boolean {
    if (!this.#isFromHost && this.#isLocal(destination)) return false;
    const { table, elements, isTracked } = this.#terrain;
    if (table === undefined || !isTracked) return false;
    const passage = passHook('postrouting', { ...this.#packet, destination, port }, table, elements);
    this.#remember(passage);
    return passage.masqueraded;
  }

  #pass(hook: BaseChain['hook']): Passage['fate'] {
    const { table, elements } = this.#terrain;
    if (table === undefined) return 'on';
    const passage = passHook(hook, this.#packet, table, elements);
    this.#packet = passage.packet;
    this.#remember(passage);
    return passage.fate;
  }

  #remember({ rules, marking }: Passage): void {
    for (const { comment } of rules) this.rules.add(comment);
    for (const { comment } of marking) this.marking.add(comment);
  }

  #isLocal(address: Address): boolean {
    return this.#terrain.isOwn(address) || this.#terrain.isVirtual(address);
  }
}
