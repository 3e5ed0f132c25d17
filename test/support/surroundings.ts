/**
 * What is around the node in a scenario, as the section `-- network --` of its prelude writes it:
 *
 *     node    192.168.1.10 2001:db8:1::10                     addresses of the node's eth0
 *     web-1   pod on the node  10.244.0.11 fd00:244::11       behind a device of its own, as Calico makes them: caliweb-1
 *     web-2   pod on cni0      10.244.0.12                    on the node too, behind this bridge
 *     web-3   pod elsewhere    10.244.1.13 fd00:244:1::13     on another node of eth0's network
 *     client  outside          192.0.2.7   2001:db8:2::7      behind a router of eth0's network
 *
 * What somebody elsewhere or outside answers goes straight to the address that he saw, not back through the node. Each line may end
 * in `serves 22/TCP 53/UDP …`: the ports with a server, at all of its addresses (of the node: whatever address is local).
 */

import { type Address, type Family, familyOf, parseAddress } from '../../src/model/address.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';

export interface Port {
  readonly port: number;
  readonly protocol: Protocol;
}

export type Place = 'node' | 'device' | 'bridge' | 'elsewhere' | 'outside';

export interface Party {
  readonly name: string;
  readonly place: Place;
  readonly addresses: readonly Address[];
  readonly serves: readonly Port[];
  /** What joins it to the node: eth0, a device of its own or a bridge. */
  readonly device: string;
}

export interface Surroundings {
  readonly node: Party;
  readonly others: readonly Party[];
}

const standard = [
  'node    192.168.1.10 2001:db8:1::10  serves 22/TCP',
  'web-1   pod on the node  10.244.0.11 fd00:244::11',
  'web-2   pod elsewhere    10.244.1.12 fd00:244:1::12',
  'pod     pod on the node  10.244.0.20 fd00:244::20',
  'client  outside          192.0.2.7   2001:db8:2::7',
];

/** Pods serve these unless they say otherwise. */
const podPorts: readonly Port[] = [
  { port: 8080, protocol: 'TCP' },
  { port: 5353, protocol: 'UDP' },
  { port: 9999, protocol: 'SCTP' },
];

/** The standard surroundings, with the parties that the lines name in the place of their namesakes or beside them. */
export function parseSurroundings(lines: readonly string[]): Surroundings {
  const parties = new Map([...standard, ...lines].map(parseParty).map((party) => [party.name, party]));
  const { node, ...others } = Object.fromEntries(parties);
  return { node: node!, others: Object.values(others) };
}

export function everybody({ node, others }: Surroundings): Party[] {
  return [node, ...others];
}

export function addressOf({ addresses }: Party, family: Family): Address | undefined {
  return addresses.find((address) => familyOf(address) === family);
}

/** What the node's own devices hold from the start: `ip addr add 192.168.1.10/24 dev eth0`. */
export function nodeLines({ node }: Surroundings): string[] {
  const own = node.addresses.map((address) => `ip addr add ${address}/${linkPrefix(address)} dev eth0`);
  return ['ip addr add 127.0.0.1/8 dev lo', 'ip addr add ::1/128 dev lo', ...own];
}

/** Length of the prefix of eth0's network. */
export function linkPrefix(address: string): number {
  return address.includes(':') ? 64 : 24;
}

/** Whether everything that it sends passes the node. */
export function isOnNode({ place }: Party): boolean {
  return place === 'device' || place === 'bridge';
}

const partyPattern =
  /^(\S+)\s+(?:(pod on the node|pod on \S+|pod elsewhere|outside)\s+)?([\da-f.:]+(?:\s+[\da-f.:]+)*)(?:\s+serves\s+(.+))?$/;

function parseParty(line: string): Party {
  const [, name = '', place, addresses = '', serves] = partyPattern.exec(line) ?? [];
  if ((place === undefined) !== (name === 'node')) throw new SyntaxError(`no line of a network: ${line}`);
  const isPod = place?.startsWith('pod') === true;
  return {
    name,
    ...placeOf(name, place),
    addresses: addresses.split(/\s+/).map((text) => {
      const address = parseAddress(text);
      if (address === undefined) throw new SyntaxError(`${text} is no address: ${line}`);
      return address;
    }),
    serves: serves === undefined ? (isPod ? podPorts : []) : serves.trim().split(/\s+/).map(parsePort),
  };
}

function placeOf(name: string, place: string | undefined): Pick<Party, 'place' | 'device'> {
  switch (place) {
    case undefined:
      return { place: 'node', device: 'eth0' };
    case 'pod on the node':
      return { place: 'device', device: `cali${name}` };
    case 'pod elsewhere':
      return { place: 'elsewhere', device: 'eth0' };
    case 'outside':
      return { place: 'outside', device: 'eth0' };
    default:
      return { place: 'bridge', device: place.slice('pod on '.length) };
  }
}

/** `80/TCP`. */
export function parsePort(text: string): Port {
  const [, port, protocol] = /^(\d+)\/(TCP|UDP|SCTP)$/.exec(text) ?? [];
  if (port === undefined) throw new SyntaxError(`${text} is no port such as 80/TCP`);
  return { port: Number(port), protocol: protocol as Protocol };
}
