/**
 * What our packet filter makes of the first packet of a connection: the very rules that the kernel gets, followed in memory. Pure; for
 * people who ask why. Costs O(rules) for a packet; the index of elements O(elements).
 */

import { type Address, cidrContains, type Family, networkOf } from '../model/address.ts';
import {
  type BaseChain,
  type Chain,
  type Element,
  element,
  type Rule,
  setKeys,
  type SetSpec,
  setSpecs,
  type Table,
  type Value,
} from '../model/filter.ts';
import { type Match, parseRule, type Selector, type Statements, type Verdict } from '../model/rule.ts';
import type { Protocol } from '../model/virtual-service.ts';

export interface Packet {
  readonly protocol: Protocol;
  readonly source: Address;
  readonly destination: Address;
  readonly port: number;
  readonly mark: number;
  /** Devices that it came by and leaves by; '' where there is none. */
  readonly from: string;
  readonly to: string;
}

/** What a hook made of a packet. */
export interface Passage {
  readonly packet: Packet;
  readonly fate: 'on' | 'dropped' | 'refused';
  /** Its source becomes an address of the node. */
  readonly masqueraded: boolean;
  /** The rules that did something to it, in order. */
  readonly rules: readonly Rule[];
  /** Those of them that marked it for masquerading, of which something comes only where it then leaves the node. */
  readonly marking: readonly Rule[];
}

/** Elements of one family's sets, to be found by what a packet has. */
export class ElementIndex {
  readonly #family: Family;
  readonly #elements = new Map<string, Element>();
  /** Of sets whose last field is a network: by the fields before it, which lengths of prefix there are. */
  readonly #prefixes = new Map<string, Set<number>>();

  constructor(family: Family, elements: Iterable<Element>) {
    this.#family = family;
    for (const one of elements) if (one.family === family) this.#add(one);
  }

  /** The element of the set, by the name that rules call it, that has the values. */
  find(setName: string, values: readonly Value[]): Element | undefined {
    const set = setKeys.get(setName);
    if (set === undefined) return undefined;
    const spec: SetSpec = setSpecs[set];
    if (spec.interval !== true) return this.#elements.get(element(this.#family, set, values).id);
    const before = values.slice(0, -1);
    for (const prefix of this.#prefixes.get(element(this.#family, set, before).id) ?? []) {
      const network = networkOf(values.at(-1) as Address, prefix);
      const found = this.#elements.get(element(this.#family, set, [...before, network]).id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #add(one: Element): void {
    this.#elements.set(one.id, one);
    const network = one.key.at(-1);
    if (typeof network !== 'object') return;
    const { id } = element(one.family, one.set, one.key.slice(0, -1));
    const known = this.#prefixes.get(id);
    if (known === undefined) this.#prefixes.set(id, new Set([network.prefix]));
    else known.add(network.prefix);
  }
}

/**
 * Through the base chains of a hook, by priority. Translation is decided once for a connection: by the first chain that sets one up,
 * which ends the other nat chains of the hook (nf_nat_inet_fn in nf_nat_core.c, 6.1).
 */
export function passHook(hook: BaseChain['hook'], packet: Packet, table: Table, elements: ElementIndex): Passage {
  const walker = new Walker(packet, table, elements);
  for (const chain of baseChains(table, hook)) {
    if (chain.base?.type === 'nat' && walker.isTranslated) continue;
    walker.enter(chain);
    if (walker.fate !== 'on') break;
  }
  return walker;
}

/** Many packets pass the same rules. */
const parsed = new WeakMap<Rule, Statements>();

function statementsOf(rule: Rule): Statements {
  const known = parsed.get(rule);
  if (known !== undefined) return known;
  const statements = parseRule(rule.text);
  parsed.set(rule, statements);
  return statements;
}

function baseChains({ chains }: Table, hook: BaseChain['hook']): Chain[] {
  return chains
    .filter(({ base }) => base?.hook === hook)
    .toSorted((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
}

/** `back`: no more rules of this chain. `end`: no more of this base chain. */
type Next = 'on' | 'back' | 'end';

class Walker implements Passage {
  packet: Packet;
  fate: Passage['fate'] = 'on';
  masqueraded = false;
  isTranslated = false;
  readonly rules: Rule[] = [];
  readonly marking: Rule[] = [];
  readonly #table: Table;
  readonly #elements: ElementIndex;

  constructor(packet: Packet, table: Table, elements: ElementIndex) {
    this.packet = packet;
    this.#table = table;
    this.#elements = elements;
  }

  enter({ rules }: Chain): Next {
    for (const rule of rules) {
      const { matches, mark, verdict } = statementsOf(rule);
      if (!matches.every((match) => this.#matches(match))) continue;
      if (mark !== undefined) {
        this.packet = { ...this.packet, mark: ((this.packet.mark & mark.keep) | mark.set) >>> 0 };
        if (mark.set !== 0) {
          this.rules.push(rule);
          this.marking.push(rule);
        }
      }
      const next = verdict === undefined ? 'on' : this.#follow(verdict, rule);
      if (next !== 'on') return next;
    }
    return 'on';
  }

  #follow(verdict: Verdict, rule: Rule): Next {
    switch (verdict.kind) {
      case 'return':
        return 'back';
      case 'jump':
        return this.#enterNamed(verdict.chain) === 'end' ? 'end' : 'on';
      case 'goto': {
        // what was marked was told when it was
        const isTold = this.packet.mark !== 0;
        const told = this.rules.length;
        this.#enterNamed(verdict.chain);
        if (!isTold && (this.isTranslated || this.fate !== 'on')) this.rules.splice(told, 0, rule);
        return 'end';
      }
      case 'drop':
      case 'reject':
        this.fate = verdict.kind === 'drop' ? 'dropped' : 'refused';
        this.rules.push(rule);
        return 'end';
      case 'snat':
      case 'masquerade':
        this.masqueraded = true;
        this.isTranslated = true;
        return 'end';
      case 'dnat':
        return this.#redirect(verdict, rule);
      case 'stay':
        this.isTranslated = true;
        return 'end';
      default:
        return verdict satisfies never;
    }
  }

  #enterNamed(name: string): Next {
    const chain = this.#table.chains.find((other) => other.name === name);
    return chain === undefined ? 'on' : this.enter(chain);
  }

  #redirect({ map, selectors }: Extract<Verdict, { kind: 'dnat' }>, rule: Rule): Next {
    const data = this.#find(map, selectors)?.data;
    if (data === undefined) return 'on';
    const [destination, port] = data;
    this.packet = { ...this.packet, destination: destination as Address, port: port as number };
    this.isTranslated = true;
    this.rules.push(rule);
    return 'end';
  }

  #matches(match: Match): boolean {
    const { packet } = this;
    switch (match.kind) {
      case 'new':
      case 'new or untracked':
        return true;
      case 'set':
        return (this.#find(match.set, match.selectors) !== undefined) !== match.negated;
      case 'network':
        return (
          cidrContains(match.network, match.selector === 'saddr' ? packet.source : packet.destination) !== match.negated
        );
      case 'device': {
        const name = match.selector === 'iifname' ? packet.from : packet.to;
        return (match.isPrefix ? name.startsWith(match.name) : name === match.name) !== match.negated;
      }
      case 'protocol':
        return packet.protocol.toLowerCase() === match.protocol;
      case 'echo-request':
        return false;
      case 'unmarked':
        return (packet.mark & match.mask) === 0;
      default:
        return match satisfies never;
    }
  }

  #find(set: string, selectors: readonly Selector[]): Element | undefined {
    return this.#elements.find(
      set,
      selectors.map((selector) => selected(selector, this.packet)),
    );
  }
}

function selected(selector: Selector, packet: Packet): Value {
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
