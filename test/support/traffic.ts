/**
 * Who reaches whom: the lines of a scenario's section `-- traffic --`, and how they compare with what was seen.
 *
 *     client -> 10.96.0.10:80/TCP        answered by web-1, web-2 from 192.168.1.10
 *     client -> 10.96.0.10:80/TCP        answered by one of web-1, web-2 from 192.168.1.10
 *     client -> 10.96.0.10:80/TCP        answered by web-1 3 times, web-2 from 192.168.1.10
 *     web-1 -> 10.96.0.10:80/TCP         answered by web-1 from 192.168.1.10 and web-2 from 10.244.0.11
 *     client from 53000 -> 10.96.0.10:53/UDP         answered by web-2 from 192.168.1.10
 *     host as 192.168.1.10 -> [fd00:96::10]:80/TCP   refused
 *     host -> 203.0.113.5:80/UDP         dropped
 *     client pings 10.96.0.10            answered
 *
 * `from ADDRESS` at the end is the client as the one who answered saw it. Several names: each answers some of the requests; with
 * `one of`, one of them answers all; with `N times`, each answers exactly so many (once, where it is not said). `refused` is told to the
 * client, `dropped` is not. The lines of a step happen one after the other; those that expect nothing back all at once, before the others.
 */

import { type Address, endpointText, parseAddress } from '../../src/model/address.ts';
import { type Port, parsePort } from './surroundings.ts';

/** What a party asks, `requests` times. */
export interface Traffic {
  readonly client: string;
  /** Source address and port that it insists on. */
  readonly as: Address | undefined;
  readonly sourcePort: number | undefined;
  readonly target: Address;
  /** undefined: a ping. */
  readonly port: Port | undefined;
  readonly requests: number;
  readonly expected: Expected;
}

export type Expected =
  | {
      readonly kind: 'answered';
      readonly by: readonly Answerer[];
      /** By one of them only. */
      readonly one: boolean;
    }
  | { readonly kind: 'echoed' | 'refused' | 'dropped' };

export interface Answerer {
  readonly name: string;
  /** undefined: any number of answers from 1. */
  readonly times: number | undefined;
  /** The client as it sees him. */
  readonly from: Address;
}

/** What became of the requests of one line, as text; of each: `web-1 192.168.1.10`, `echoed`, `refused`, `dropped` or what else happened. */
export type Seen = readonly string[];

/** Carries traffic, for real or in memory. */
export interface Network {
  observe(lines: readonly Traffic[]): Promise<readonly Seen[]>;
}

const linePattern =
  /^(\S+)(?: as (\S+))?(?: from (\d+))? (?:-> (?:\[([^\]]+)\]|([\d.]+)):(\S+)|pings (\S+))\s+(answered by (?:(one of) )?(.+ from \S+)|answered|refused|dropped)$/;

export function parseTraffic(line: string): Traffic {
  const found = linePattern.exec(line);
  if (found === null) throw new SyntaxError(`no line of traffic: ${line}`);
  const [, client, as, sourcePort, six, four, port, pinged, outcome, one, answerers] = found;
  const expected = expectedOf(outcome!, answerers, one !== undefined);
  return {
    client: client!,
    as: as === undefined ? undefined : addressIn(line, as),
    sourcePort: sourcePort === undefined ? undefined : Number(sourcePort),
    target: addressIn(line, six ?? four ?? pinged!),
    port: port === undefined ? undefined : parsePort(port),
    requests: requestsFor(expected),
    expected,
  };
}

function expectedOf(outcome: string, answerers: string | undefined, one: boolean): Expected {
  if (outcome === 'refused' || outcome === 'dropped') return { kind: outcome };
  if (answerers === undefined) return { kind: 'echoed' };
  const groups = answerers.split(' and ').map((group) => /^(.+) from (\S+)$/.exec(group)!);
  const counted = / \d+ times/.test(answerers);
  const by = groups.flatMap(([, names, from]) =>
    names!.split(', ').map((text) => {
      const [, name, times] = /^(\S+)(?: (\d+) times)?$/.exec(text)!;
      return { name: name!, times: counted ? Number(times ?? 1) : undefined, from: addressIn(outcome, from!) };
    }),
  );
  return { kind: 'answered', by, one };
}

/** Two for each that is to answer: schedulers take turns. */
function requestsFor(expected: Expected): number {
  if (expected.kind !== 'answered') return 1;
  const { by, one } = expected;
  if (by.some(({ times }) => times === undefined)) return one ? 3 : 2 * by.length;
  return by.reduce((sum, { times = 0 }) => sum + times, 0);
}

function addressIn(line: string, text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new SyntaxError(`${text} is no address: ${line}`);
  return address;
}

/** The line as it was seen: the same text as {@link expectedText} where that is what happened. */
export function seenText(line: Traffic, seen: Seen): string {
  return `${questionText(line)} ${agrees(line.expected, seen) ? outcomeText(line.expected) : tally(seen)}`;
}

export function expectedText(line: Traffic): string {
  return `${questionText(line)} ${outcomeText(line.expected)}`;
}

function agrees(expected: Expected, seen: Seen): boolean {
  if (expected.kind !== 'answered') return seen.every((outcome) => outcome === expected.kind);
  const counts = new Map<string, number>();
  for (const outcome of seen) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const answersOf = ({ name, from }: Answerer) => counts.get(`${name} ${from}`);
  if (expected.one) return counts.size === 1 && expected.by.some((answerer) => answersOf(answerer) !== undefined);
  const isAnswering = (answerer: Answerer) => {
    const answers = answersOf(answerer);
    return answers !== undefined && (answerer.times ?? answers) === answers;
  };
  return counts.size === expected.by.length && expected.by.every(isAnswering);
}

function questionText({ client, as, sourcePort, target, port }: Traffic): string {
  const source = `${client}${as === undefined ? '' : ` as ${as}`}${sourcePort === undefined ? '' : ` from ${sourcePort}`}`;
  return port === undefined
    ? `${source} pings ${target}`
    : `${source} -> ${endpointText(target, port.port)}/${port.protocol}`;
}

function outcomeText(expected: Expected): string {
  if (expected.kind === 'echoed') return 'answered';
  if (expected.kind !== 'answered') return expected.kind;
  const answerers = expected.by.map(
    ({ name, times, from }) => `${name}${times === undefined ? '' : ` ${times} times`} from ${from}`,
  );
  return `answered by ${expected.one ? 'one of ' : ''}${answerers.join(' and ')}`;
}

function tally(seen: Seen): string {
  return [...new Set(seen)]
    .map((outcome) => `${outcome} (${seen.filter((other) => other === outcome).length})`)
    .join(', ');
}
