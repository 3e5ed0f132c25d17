/**
 * A rule of the packet filter, taken apart: what a packet must have, what is done to it, what becomes of it. Read from the small part
 * of nft's language that our own rules are written in, in the very form in which nft 1.0.6 lists them.
 */

import { type Address, type Cidr, parseAddress, parseNetwork } from './address.ts';

/** A field of a packet, or what the kernel knows of it. `saddr` and `daddr` are of the table's family. */
export type Selector = 'saddr' | 'daddr' | 'l4proto' | 'dport' | 'iifname' | 'oifname';

export type Match =
  /** The packet's first connection-tracking state: it would begin a connection. */
  | { readonly kind: 'new' }
  /** The same, or it is of a connection that somebody has not tracked, of which every packet is alike. */
  | { readonly kind: 'new or untracked' }
  | { readonly kind: 'set'; readonly selectors: readonly Selector[]; readonly negated: boolean; readonly set: string }
  | {
      readonly kind: 'network';
      readonly selector: 'saddr' | 'daddr';
      readonly negated: boolean;
      readonly network: Cidr;
    }
  /** `isPrefix`: every device whose name begins so. A packet without such a device has the name ''. */
  | {
      readonly kind: 'device';
      readonly selector: 'iifname' | 'oifname';
      readonly negated: boolean;
      readonly name: string;
      readonly isPrefix: boolean;
    }
  | { readonly kind: 'protocol'; readonly protocol: 'tcp' | 'icmp' | 'icmpv6' }
  | { readonly kind: 'echo-request' }
  /** (mark & mask) == 0 */
  | { readonly kind: 'unmarked'; readonly mask: number };

/** mark = (mark & keep) | set; both are 32 bits wide and have none in common. */
export interface MarkChange {
  readonly keep: number;
  readonly set: number;
}

export type Verdict =
  | { readonly kind: 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'reject'; readonly by: 'port unreachable' | 'tcp reset' }
  /** From a port that nobody can guess, as is `snat`. */
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'snat'; readonly address: Address }
  /** To the address and port that the map has for the selectors; a packet that it has none for goes on to the next rule. */
  | { readonly kind: 'dnat'; readonly selectors: readonly Selector[]; readonly map: string }
  /** To the address and port that it goes to already: no nat chain behind sends it elsewhere. */
  | { readonly kind: 'stay' };

export interface Statements {
  readonly matches: readonly Match[];
  readonly mark: MarkChange | undefined;
  /** undefined: the packet goes on to the next rule. */
  readonly verdict: Verdict | undefined;
}

/** Throws a SyntaxError where the text is none that we write. */
export function parseRule(text: string): Statements {
  const words = new Words(text);
  const matches: Match[] = [];
  let mark: MarkChange | undefined;
  while (!words.atEnd() && mark === undefined && !words.beginVerdict()) {
    if (words.take('meta mark set meta mark')) mark = markChange(words);
    else matches.push(...match(words));
  }
  const verdict = words.atEnd() ? undefined : parseVerdict(words);
  if (!words.atEnd()) throw words.unexpected();
  // nft leaves the protocol out of its listing, since only TCP can be reset
  if (verdict?.kind === 'reject' && verdict.by === 'tcp reset') matches.push({ kind: 'protocol', protocol: 'tcp' });
  return { matches, mark, verdict };
}

/** The text as words, of which the front ones are taken. */
class Words {
  readonly #text: string;
  readonly #words: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#words = text.split(' ');
  }

  atEnd(): boolean {
    return this.#at === this.#words.length;
  }

  next(): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw this.unexpected();
    this.#at++;
    return word;
  }

  /** Whether the next words are these; if so, they are taken. */
  take(phrase: string): boolean {
    const wanted = phrase.split(' ');
    if (!wanted.every((word, i) => this.#words[this.#at + i] === word)) return false;
    this.#at += wanted.length;
    return true;
  }

  beginVerdict(): boolean {
    return verdictWords.has(this.#words[this.#at] ?? '');
  }

  unexpected(): SyntaxError {
    const rest = this.#words.slice(this.#at).join(' ');
    return new SyntaxError(`not a rule of ours: ${this.#text}: at "${rest}"`);
  }
}

const verdictWords = new Set(['drop', 'return', 'jump', 'goto', 'reject', 'masquerade', 'snat', 'dnat']);
const selectorPhrases: readonly (readonly [string, Selector])[] = [
  ['ip saddr', 'saddr'],
  ['ip6 saddr', 'saddr'],
  ['ip daddr', 'daddr'],
  ['ip6 daddr', 'daddr'],
  ['meta l4proto', 'l4proto'],
  ['th dport', 'dport'],
  ['iifname', 'iifname'],
  ['oifname', 'oifname'],
];

function match(words: Words): Match[] {
  if (words.take('ct state new,untracked')) return [{ kind: 'new or untracked' }];
  if (words.take('ct state new')) return [{ kind: 'new' }];
  if (words.take('icmp type echo-request')) return [{ kind: 'protocol', protocol: 'icmp' }, { kind: 'echo-request' }];
  if (words.take('icmpv6 type echo-request')) {
    return [{ kind: 'protocol', protocol: 'icmpv6' }, { kind: 'echo-request' }];
  }
  if (words.take('tcp dport')) {
    return [{ kind: 'protocol', protocol: 'tcp' }, setMatch(words, ['dport'], words.take('!='), words.next())];
  }
  if (words.take('meta mark &')) return [unmarked(words)];
  const selectors = parseSelectors(words);
  const negated = words.take('!=');
  const value = words.next();
  if (value.startsWith('@')) return [setMatch(words, selectors, negated, value)];
  const [selector] = selectors;
  if (selectors.length === 1 && (selector === 'saddr' || selector === 'daddr')) {
    return [{ kind: 'network', selector, negated, network: network(words, value) }];
  }
  if (selectors.length === 1 && (selector === 'iifname' || selector === 'oifname')) {
    return [{ kind: 'device', selector, negated, ...parseDevice(words, value) }];
  }
  throw words.unexpected();
}

function parseSelectors(words: Words): Selector[] {
  const selectors: Selector[] = [];
  do {
    const found = selectorPhrases.find(([phrase]) => words.take(phrase));
    if (found === undefined) throw words.unexpected();
    selectors.push(found[1]);
  } while (words.take('.'));
  return selectors;
}

function setMatch(words: Words, selectors: readonly Selector[], negated: boolean, name: string): Match {
  return { kind: 'set', selectors, negated, set: parseSetName(words, name) };
}

function parseSetName(words: Words, word: string): string {
  if (!word.startsWith('@')) throw words.unexpected();
  return word.slice(1);
}

function network(words: Words, text: string): Cidr {
  const found = parseNetwork(text);
  if (found === undefined) throw words.unexpected();
  return found;
}

function parseDevice(words: Words, text: string): { readonly name: string; readonly isPrefix: boolean } {
  const quoted = /^"([^"*]+)(\*?)"$/.exec(text);
  if (quoted === null) throw words.unexpected();
  return { name: quoted[1]!, isPrefix: quoted[2] === '*' };
}

function unmarked(words: Words): Match {
  const mask = parseMask(words);
  if (!words.take('== 0x00000000')) throw words.unexpected();
  return { kind: 'unmarked', mask };
}

function markChange(words: Words): MarkChange {
  if (words.take('|')) {
    const set = parseMask(words);
    return { keep: ~set >>> 0, set };
  }
  if (words.take('&')) return { keep: parseMask(words), set: 0 };
  throw words.unexpected();
}

function parseMask(words: Words): number {
  const word = words.next();
  if (!/^0x[0-9a-f]{8}$/.test(word)) throw words.unexpected();
  return Number(word);
}

function parseVerdict(words: Words): Verdict {
  if (words.take('drop')) return { kind: 'drop' };
  if (words.take('return')) return { kind: 'return' };
  if (words.take('jump')) return { kind: 'jump', chain: words.next() };
  if (words.take('goto')) return { kind: 'goto', chain: words.next() };
  if (words.take('reject with tcp reset')) return { kind: 'reject', by: 'tcp reset' };
  if (words.take('reject')) return { kind: 'reject', by: 'port unreachable' };
  if (words.take('masquerade fully-random')) return { kind: 'masquerade' };
  if (words.take('snat to')) return snat(words);
  if (words.take('dnat to ip daddr') || words.take('dnat to ip6 daddr')) return { kind: 'stay' };
  if (words.take('dnat ip to') || words.take('dnat ip6 to')) return dnat(words);
  throw words.unexpected();
}

function snat(words: Words): Verdict {
  const address = parseAddress(words.next());
  if (address === undefined || !words.take('fully-random')) throw words.unexpected();
  return { kind: 'snat', address };
}

function dnat(words: Words): Verdict {
  const selectors = parseSelectors(words);
  if (!words.take('map')) throw words.unexpected();
  return { kind: 'dnat', selectors, map: parseSetName(words, words.next()) };
}
