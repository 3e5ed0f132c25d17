/**
 * Statements of a rule as nf_tables expressions, just as nft 1.0.6 makes them (`nft --debug=netlink`), so that nft lists them as they
 * were written. The C++ twin is `native/families/nftables_record.h`. Offsets in bytes:
 *
 *     0 verb  1 kind  2 family  4 expression  5 source  6 target  7 operation  8 second source  9 third  10 fourth  12 key
 *     16 offset  20 length  24 flags  32 name (32)  64 data (16)  80 mask (16)  = 128
 */

import { addressBytes, type Cidr, type Family } from '../model/address.ts';
import type { Rule } from '../model/filter.ts';
import { type MarkChange, type Match, parseRule, type Selector, type Verdict } from '../model/rule.ts';
import { nftablesObjectSize as objectSize } from './addon.ts';
import { deviceNameBytes, deviceNameSize, Records } from './fields.ts';

export const objectKinds = { table: 1, chain: 2, set: 3, rule: 4, expression: 5 } as const;
/** Of names of chains and sets, with the closing zero. */
export const nameSize = 32;
const commentSize = 64;

/** A rule's record and those of its expressions, one behind the other; without verb and handle. */
export function encodeRule(family: Family, chain: string, { text, comment }: Rule): Uint8Array {
  const { matches, mark, verdict } = parseRule(text);
  const expressions = [
    ...matches.flatMap((match) => matchExpressions(family, match)),
    ...(mark === undefined ? [] : markExpressions(mark)),
    ...(verdict === undefined ? [] : verdictExpressions(family, verdict)),
  ];
  const records = new Records(new Uint8Array((1 + expressions.length) * objectSize));
  records.bytes[1] = objectKinds.rule;
  records.bytes[2] = family;
  records.setWord(4, expressions.length);
  records.setText(32, chain, nameSize);
  records.setText(64, comment, commentSize);
  expressions.forEach((expression, i) => encodeExpression(records, (1 + i) * objectSize, family, expression));
  return records.bytes;
}

interface Expression {
  readonly kind: keyof typeof expressionKinds;
  readonly source?: number;
  readonly target?: number;
  readonly operation?: number;
  /** nat: the register of the lowest port. */
  readonly source3?: number;
  readonly key?: number;
  readonly offset?: number;
  readonly length?: number;
  readonly flags?: number;
  readonly name?: string;
  readonly data?: Uint8Array;
  readonly mask?: Uint8Array;
}

const expressionKinds = {
  meta: 1,
  payload: 2,
  cmp: 3,
  bitwise: 4,
  lookup: 5,
  verdict: 6,
  ct: 7,
  masquerade: 8,
  nat: 9,
  reject: 10,
  immediate: 11,
} as const;

function encodeExpression(records: Records, at: number, family: Family, expression: Expression): void {
  const { bytes } = records;
  bytes[at + 1] = objectKinds.expression;
  bytes[at + 2] = family;
  bytes[at + 4] = expressionKinds[expression.kind];
  bytes[at + 5] = expression.source ?? 0;
  bytes[at + 6] = expression.target ?? 0;
  bytes[at + 7] = expression.operation ?? 0;
  bytes[at + 9] = expression.source3 ?? 0;
  records.setWord(at + 12, (expression.key ?? 0) >>> 0);
  records.setWord(at + 16, expression.offset ?? 0);
  records.setWord(at + 20, expression.length ?? expression.data?.length ?? 0);
  records.setWord(at + 24, expression.flags ?? 0);
  records.setText(at + 32, expression.name ?? '', nameSize);
  if (expression.data !== undefined) bytes.set(expression.data, at + 64);
  if (expression.mask !== undefined) bytes.set(expression.mask, at + 80);
}

// linux/netfilter/nf_tables.h, nf_nat.h, linux/netfilter.h
const metaKeys = { mark: 3, iifname: 6, oifname: 7, l4proto: 16 } as const;
const networkHeader = 1;
const transportHeader = 2;
const equal = 0;
const unequal = 1;
const noDirection = 255;
const connectionState = 0;
const states = { new: 8, 'new or untracked': 8 | 64 } as const;
const lookupInverted = 1;
const fullyRandom = 0x10;
const natTypes = { snat: 0, dnat: 1 } as const;
const natFamilies = { 4: 2, 6: 10 } as const;
const verdictCodes = { drop: 0, jump: -3, goto: -4, return: -5 } as const;
const rejectTypes = { 'port unreachable': 0, 'tcp reset': 1 } as const;
const portUnreachable = { 4: 3, 6: 4 } as const;
const protocols = { icmp: 1, tcp: 6, icmpv6: 58 } as const;
const echoRequests = { 4: 8, 6: 128 } as const;

function matchExpressions(family: Family, match: Match): Expression[] {
  switch (match.kind) {
    case 'new':
    case 'new or untracked':
      return [
        { kind: 'ct', key: connectionState, operation: noDirection, target: register(0) },
        masked(word(states[match.kind])),
        compare(unequal, word(0)),
      ];
    case 'set':
      return [
        ...load(family, match.selectors),
        { kind: 'lookup', source: register(0), name: match.set, flags: match.negated ? lookupInverted : 0 },
      ];
    case 'network':
      return networkExpressions(family, match.selector, match.negated ? unequal : equal, match.network);
    case 'device':
      return [
        ...load(family, [match.selector]),
        compare(match.negated ? unequal : equal, deviceBytes(match.name, match.isPrefix)),
      ];
    case 'protocol':
      return [...load(family, ['l4proto']), compare(equal, Uint8Array.of(protocols[match.protocol]))];
    case 'echo-request':
      return [
        { kind: 'payload', operation: transportHeader, offset: 0, length: 1, target: register(0) },
        compare(equal, Uint8Array.of(echoRequests[family])),
      ];
    case 'unmarked':
      return [
        { kind: 'meta', key: metaKeys.mark, target: register(0) },
        masked(word(match.mask)),
        compare(equal, word(0)),
      ];
    default:
      return match satisfies never;
  }
}

function markExpressions({ keep, set }: MarkChange): Expression[] {
  return [
    { kind: 'meta', key: metaKeys.mark, target: register(0) },
    masked(word(keep), word(set)),
    { kind: 'meta', key: metaKeys.mark, source: register(0) },
  ];
}

function verdictExpressions(family: Family, verdict: Verdict): Expression[] {
  switch (verdict.kind) {
    case 'drop':
    case 'return':
      return [{ kind: 'verdict', key: verdictCodes[verdict.kind] }];
    case 'jump':
    case 'goto':
      return [{ kind: 'verdict', key: verdictCodes[verdict.kind], name: verdict.chain }];
    case 'reject':
      return [
        {
          kind: 'reject',
          operation: rejectTypes[verdict.by],
          key: verdict.by === 'tcp reset' ? 0 : portUnreachable[family],
        },
      ];
    case 'masquerade':
      return [{ kind: 'masquerade', flags: fullyRandom }];
    case 'snat':
      return [
        { kind: 'immediate', target: register(0), data: addressBytes(verdict.address) },
        {
          kind: 'nat',
          operation: natTypes.snat,
          key: natFamilies[family],
          source: register(0),
          flags: fullyRandom,
        },
      ];
    case 'dnat':
      return [
        ...load(family, verdict.selectors),
        { kind: 'lookup', source: register(0), target: register(0), name: verdict.map },
        {
          kind: 'nat',
          operation: natTypes.dnat,
          key: natFamilies[family],
          source: register(0),
          source3: register(addressLength(family) / 4),
        },
      ];
    case 'stay':
      return [
        ...load(family, ['daddr']),
        { kind: 'nat', operation: natTypes.dnat, key: natFamilies[family], source: register(0) },
      ];
    default:
      return verdict satisfies never;
  }
}

/** Whole bytes are compared as such; other prefixes through a mask. */
function networkExpressions(
  family: Family,
  selector: 'saddr' | 'daddr',
  operation: number,
  { address, prefix }: Cidr,
): Expression[] {
  const bytes = addressBytes(address);
  const payload = payloadOf(family, selector);
  const length = prefix / 8;
  if (Number.isInteger(length) && length > 0) {
    return [{ ...payload, length, target: register(0) }, compare(operation, bytes.subarray(0, length))];
  }
  return [{ ...payload, target: register(0) }, masked(prefixMask(bytes.length, prefix)), compare(operation, bytes)];
}

function prefixMask(length: number, prefix: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 0xff & ~(0xff >> Math.max(0, Math.min(8, prefix - i * 8))));
}

/** The selectors side by side from the first register on, as the key of a set has them. */
function load(family: Family, selectors: readonly Selector[]): Expression[] {
  let at = 0;
  return selectors.map((selector) => {
    const target = register(at);
    at += Math.ceil(selectorLength(family, selector) / 4);
    return selector === 'saddr' || selector === 'daddr' || selector === 'dport'
      ? { ...payloadOf(family, selector), target }
      : { kind: 'meta', key: metaKeys[selector], target };
  });
}

function payloadOf(family: Family, selector: 'saddr' | 'daddr' | 'dport'): Expression {
  if (selector === 'dport') return { kind: 'payload', operation: transportHeader, offset: 2, length: 2 };
  const length = addressLength(family);
  const source = family === 4 ? 12 : 8;
  const offset = selector === 'saddr' ? source : source + length;
  return { kind: 'payload', operation: networkHeader, offset, length };
}

function selectorLength(family: Family, selector: Selector): number {
  switch (selector) {
    case 'saddr':
    case 'daddr':
      return addressLength(family);
    case 'dport':
      return 2;
    case 'l4proto':
      return 1;
    case 'iifname':
    case 'oifname':
      return deviceNameSize;
    default:
      return selector satisfies never;
  }
}

function addressLength(family: Family): number {
  return family === 4 ? 4 : 16;
}

/** A register by the number of its first 32 bits, as the kernel dumps it: by sixteen bytes where they begin some. */
function register(index: number): number {
  return index % 4 === 0 ? 1 + index / 4 : 8 + index;
}

function masked(mask: Uint8Array, set: Uint8Array = new Uint8Array(mask.length)): Expression {
  return { kind: 'bitwise', source: register(0), target: register(0), data: mask, mask: set };
}

function compare(operation: number, data: Uint8Array): Expression {
  return { kind: 'cmp', source: register(0), operation, data };
}

/** 32 bits in the machine's own order, as the kernel keeps marks and states. */
function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function deviceBytes(name: string, isPrefix: boolean): Uint8Array {
  const start = deviceNameBytes(name);
  const bytes = new Uint8Array(isPrefix ? start.length : deviceNameSize);
  bytes.set(start);
  return bytes;
}
