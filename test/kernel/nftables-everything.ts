/** A table with a chain, a set and a rule of every kind that records can say, for either family. */

import {
  chainRecord,
  concatenation,
  type ElementFields,
  type Family,
  ruleRecords,
  type StepFields,
  setRecord,
  step,
  tableRecord,
} from '../native/nftables-record.ts';

// linux/netfilter/nf_tables.h, nf_nat.h, netfilter.h
const setMap = 8;
const setInterval = 4;
const setConcat = 0x80;
const [mark, iifname, l4proto] = [3, 6, 16];
const [state, originalDestination] = [0, { 4: 20, 6: 22 }] as const;
export const [network, transport] = [1, 2];
export const [equal, notEqual] = [0, 1];
export const [drop, accept, jump, goTo, comeBack] = [0, 1, -3, -4, -5];
const [snat, dnat] = [0, 1];
const [randomFully, persistent] = [16, 8];
const [unreachable, reset, anyFamily] = [0, 1, 2];
export const [prerouting, input, postrouting] = [0, 1, 4];
// nft's numbers of types
const [inetProto, inetService, markType, interfaceName] = [12, 13, 19, 41];

/** What differs between the families: lengths, offsets in the header, registers behind an address. */
const families = {
  4: { type: 7, length: 4, source: 12, destination: 16, second: 9, third: 10, protocol: 2 },
  6: { type: 8, length: 16, source: 8, destination: 24, second: 2, third: 13, protocol: 10 },
} as const;

export function address(family: Family, last: number): number[] {
  return family === 4 ? [10, 0, 0, last] : [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
}

export const port = (number: number) => [number >> 8, number & 255, 0, 0];
export const tcp = [6, 0, 0, 0];

/** A table with a chain, a set and a rule of every kind, in the order in which the kernel dumps it. */
export function everything(family: Family): Uint8Array[] {
  const { type, length, source, destination, second, third, protocol } = families[family];
  const portals = concatenation(type, inetProto, inetService);
  const rule = (chain: string, comment: string, ...steps: StepFields[]) =>
    ruleRecords(family, { chain, comment }, ...steps);
  const addresses = [address(family, 1), address(family, 9)] as const;
  return [
    tableRecord(family),
    chainRecord(family, { name: 'marks' }),
    chainRecord(family, { name: 'before', type: 'nat', hook: prerouting, priority: -110, policy: 'accept' }),
    chainRecord(family, { name: 'in', type: 'filter', hook: input, priority: -5, policy: 'drop' }),
    chainRecord(family, { name: 'after', type: 'nat', hook: postrouting, priority: 100, policy: 'accept' }),
    setRecord(family, { name: 'hosts', keyType: type, keyLength: length }),
    setRecord(family, {
      name: 'forward',
      flags: setMap,
      keyType: portals,
      keyLength: length + 8,
      dataType: concatenation(type, inetService),
      dataLength: length + 4,
    }),
    setRecord(family, {
      name: 'allowed',
      flags: setInterval | setConcat,
      keyType: concatenation(type, inetProto, inetService, type),
      keyLength: 2 * length + 8,
      fieldLengths: [length, 1, 2, length],
    }),
    setRecord(family, { name: 'devices', keyType: interfaceName, keyLength: 16 }),
    setRecord(family, { name: 'numbers', keyType: markType, keyLength: 4 }),
    ...rule(
      'marks',
      '',
      step.meta(mark, 1),
      step.bitwise(1, [0xff, 0xbf, 0xff, 0xff], [0, 0x40, 0, 0]),
      step.setMeta(mark, 1),
    ),
    ...rule(
      'marks',
      '',
      step.meta(mark, 1),
      step.bitwise(1, [0xff, 0xff, 0xff, 0xff], [0, 0x40, 0, 0]),
      step.setMeta(mark, 1),
    ),
    ...rule('marks', 'back', step.immediate(1, [1, 0, 0, 0]), step.setMeta(mark, 1), step.verdict(comeBack)),
    ...rule(
      'before',
      'forward to an endpoint',
      step.payload(network, destination, length, 1),
      step.meta(l4proto, second),
      step.payload(transport, 2, 2, third),
      step.lookup(1, 'forward', { target: 1 }),
      step.nat(dnat, protocol, { source: 1, source3: second }),
    ),
    ...rule(
      'in',
      '',
      step.ct(state, 1),
      step.bitwise(1, [8, 0, 0, 0], [0, 0, 0, 0]),
      step.cmp(1, notEqual, [0, 0, 0, 0]),
      step.meta(iifname, 1),
      step.cmp(1, equal, [...Buffer.from('veth')]),
      step.verdict(jump, 'marks'),
    ),
    ...rule('in', '', step.meta(iifname, 1), step.lookup(1, 'devices', { flags: 1 }), step.verdict(goTo, 'marks')),
    ...rule('in', '', step.ct(originalDestination[family], 1, 0), step.lookup(1, 'hosts'), step.verdict(accept)),
    ...rule(
      'in',
      '',
      step.payload(network, source, length, 1),
      step.cmp(1, equal, address(family, 7)),
      step.verdict(drop),
    ),
    ...rule('in', '', step.meta(mark, 1), step.lookup(1, 'numbers'), step.reject(anyFamily, 1)),
    ...rule('in', '', step.meta(l4proto, 1), step.cmp(1, equal, [6]), step.reject(reset)),
    ...rule('in', 'x'.repeat(63), step.reject(unreachable, family === 4 ? 3 : 4)),
    ...rule('after', '', step.masquerade(randomFully)),
    ...rule('after', '', step.masquerade()),
    ...rule('after', '', step.immediate(1, addresses[0]), step.nat(snat, protocol, { source: 1 })),
    ...rule(
      'after',
      '',
      step.meta(l4proto, 1),
      step.cmp(1, equal, [6]),
      step.immediate(1, addresses[0]),
      step.immediate(2, addresses[1]),
      step.immediate(3, [4, 0]),
      step.immediate(17, [8, 0]),
      step.nat(snat, protocol, { source: 1, source2: 2, source3: 3, source4: 17, flags: randomFully | persistent }),
    ),
  ];
}

export function someElements(family: Family): ElementFields[] {
  const one = address(family, 1);
  return [
    { family, set: 'hosts', key: one },
    { family, set: 'hosts', key: address(family, 2) },
    { family, set: 'forward', key: [...one, ...tcp, ...port(80)], data: [...address(family, 3), ...port(8080)] },
    {
      family,
      set: 'allowed',
      key: [...one, ...tcp, ...port(80), ...address(family, 4)],
      end: [...one, ...tcp, ...port(80), ...address(family, 9)],
    },
    { family, set: 'devices', key: [...Buffer.from('eth0'.padEnd(16, '\0'))] },
    { family, set: 'numbers', key: [0, 0x40, 0, 0] },
  ];
}
