/** What our tables in the fake kernel do to a packet: their rules, taken apart and followed as nf_tables and nf_nat of Linux 6.1 do. */

import { type Address, cidrContains, type Family, familyOf } from '../../src/model/address.ts';
import { type BaseChain, type Chain, type Element, setSpecs, type Table, valuesText } from '../../src/model/filter.ts';
import { type Match, parseRule, type Selector, type Verdict } from '../../src/model/rule.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';
import type { FakeFilter } from './fake-filter.ts';

/** The first packet of a connection, or a ping. */
export interface Packet {
  protocol: Protocol | 'ICMP';
  source: Address;
  destination: Address;
  /** 0 of a ping. */
  port: number;
  mark: number;
  /** Devices that it came by and leaves by; '' where there is none. */
  readonly from: string;
  to: string;
}

/** What a hook makes of a packet; `translated`: its source has been set. */
export type Fate = 'on' | 'dropped' | 'refused' | 'translated';

export class FakeChains {
  readonly #filter: FakeFilter;
  /** The first address of a device. */
  readonly #addressOf: (device: string, family: Family) => Address | undefined;

  constructor(filter: FakeFilter, addressOf: (device: string, family: Family) => Address | undefined) {
    this.#filter = filter;
    this.#addressOf = addressOf;
  }

  /**
   * Through the base chains of a hook, by priority. Translation is decided once for a connection: by the first chain that sets one up,
   * which ends the other nat chains of the hook (nf_nat_inet_fn).
   */
  pass(hook: BaseChain['hook'], packet: Packet): Fate {
    const table = this.#filter.table(familyOf(packet.destination));
    const chains = (table?.chains ?? []).filter(({ base }) => base?.hook === hook);
    let fate: Fate = 'on';
    for (const { name, base } of chains.toSorted((a, b) => a.base!.priority - b.base!.priority)) {
      if (base!.type === 'nat' && fate === 'translated') continue;
      const decision = this.#walk(table!, name, packet);
      if (decision === undefined) continue;
      const decided = this.#perform(decision, packet);
      if (decided === 'dropped' || decided === 'refused') return decided;
      fate = decided;
    }
    return fate;
  }

  /** undefined: no rule decided, and the base chain accepts; a `return` comes to the same in a base chain. */
  #walk(table: Table, name: string, packet: Packet): Verdict | undefined {
    const chain = table.chains.find((other): other is Chain => other.name === name);
    for (const { text } of chain?.rules ?? []) {
      const { matches, mark, verdict } = parseRule(text);
      if (!matches.every((match) => this.#matches(match, packet))) continue;
      if (mark !== undefined) packet.mark = ((packet.mark & mark.keep) | mark.set) >>> 0;
      if (verdict === undefined) continue;
      if (verdict.kind === 'return') return undefined;
      if (verdict.kind === 'dnat' && this.#mapped(verdict.map, verdict.selectors, packet) === undefined) continue;
      if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return verdict;
      const decision = this.#walk(table, verdict.chain, packet);
      if (decision !== undefined || verdict.kind === 'goto') return decision;
    }
    return undefined;
  }

  #perform(decision: Verdict, packet: Packet): Fate {
    switch (decision.kind) {
      case 'drop':
        return 'dropped';
      case 'reject':
        return 'refused';
      case 'dnat': {
        const [address, port] = this.#mapped(decision.map, decision.selectors, packet)!.data as [Address, number];
        packet.destination = address;
        packet.port = port;
        return 'translated';
      }
      case 'stay':
        return 'translated';
      case 'snat':
        packet.source = decision.address;
        return 'translated';
      case 'masquerade':
        // A device without addresses lends one of any other: what comes of it is not what anybody wants.
        packet.source = this.#addressOf(packet.to, familyOf(packet.source)) ?? packet.source;
        return 'translated';
      case 'return':
      case 'jump':
      case 'goto':
        return 'on';
      default:
        return decision satisfies never;
    }
  }

  #matches(match: Match, packet: Packet): boolean {
    switch (match.kind) {
      case 'new':
      case 'new or untracked':
        return true;
      case 'set':
        return (this.#find(match.set, match.selectors, packet) !== undefined) !== match.negated;
      case 'network':
        return cidrContains(match.network, selected(match.selector, packet) as Address) !== match.negated;
      case 'device': {
        const name = String(selected(match.selector, packet));
        return (match.isPrefix ? name.startsWith(match.name) : name === match.name) !== match.negated;
      }
      case 'protocol':
        return packet.protocol === 'ICMP'
          ? match.protocol.startsWith('icmp')
          : packet.protocol.toLowerCase() === match.protocol;
      case 'echo-request':
        return packet.protocol === 'ICMP';
      case 'unmarked':
        return (packet.mark & match.mask) === 0;
      default:
        return match satisfies never;
    }
  }

  #mapped(map: string, selectors: readonly Selector[], packet: Packet): Element | undefined {
    return this.#find(map, selectors, packet);
  }

  /** The element that has what the selectors find; a ping has no port and is in no set of ports. */
  #find(name: string, selectors: readonly Selector[], packet: Packet): Element | undefined {
    if (packet.protocol === 'ICMP' && selectors.includes('dport')) return undefined;
    const values = selectors.map((selector) => selected(selector, packet));
    return this.#filter.elements(familyOf(packet.destination)).find(({ set, key }) => {
      if (setSpecs[set].name !== name) return false;
      const last = key.at(-1);
      if (typeof last !== 'object') return valuesText(key) === valuesText(values);
      const isSame = valuesText(key.slice(0, -1)) === valuesText(values.slice(0, -1));
      return isSame && cidrContains(last, values.at(-1) as Address);
    });
  }
}

function selected(selector: Selector, packet: Packet): Address | string | number {
  switch (selector) {
    case 'saddr':
      return packet.source;
    case 'daddr':
      return packet.destination;
    case 'l4proto':
      return packet.protocol;
    case 'dport':
      return packet.port;
    case 'iifname':
      return packet.from;
    case 'oifname':
      return packet.to;
    default:
      return selector satisfies never;
  }
}
