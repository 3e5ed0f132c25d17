/**
 * Why connections to one address fare as they do: what should be and what the kernel holds in, one explanation as plain data out. Pure.
 * Who takes traffic and what the packet filter does is asked of src/desired; here it is only put into one place.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Claimant } from '../../desired/claims.ts';
import type { FrontEnd } from '../../desired/front-ends.ts';
import type { PodDetector } from '../../desired/ruleset.ts';
import { type Cidr, networkText } from '../../model/address.ts';
import type { ObjectName } from '../../model/cluster.ts';
import { some } from '../../model/counted.ts';
import { opText, serviceOptionsText } from '../../model/text.ts';
import { serviceFamily } from '../../model/virtual-service.ts';
import type { WantedState } from '../../reconcile/wanted.ts';
import type { Store } from '../../store/store.ts';
import { type Client, clientsOf, type ClientSetting } from './clients.ts';
import { type EndpointRow, endpointRows } from './endpoint-rows.ts';
import { describeFrontEnd, type FrontEndFacts } from './front-end-facts.ts';
import { journey, type Outcome } from './journey.ts';
import { endpointsByAddress, type Near, near } from './near.ts';
import type { Differences, Observation } from './observation.ts';
import type { Question } from './question.ts';
import { actualTerrain, type Terrain, wantedTerrain } from './terrain.ts';

export interface Explanation {
  /** `10.96.0.1:443/TCP`. */
  readonly address: string;
  readonly nodeName: string;
  /** Of the node. */
  readonly zone: string | undefined;
  /** undefined: nobody claims the address. */
  readonly frontEnd: FrontEndFacts | undefined;
  /** All Services that claim it; the first has it. */
  readonly claims: readonly Claimant[];
  /** Networks that may reach it; empty: all may. */
  readonly sourceRanges: readonly string[];
  /** What the kernel has there, as ipvsadm's words; undefined: nothing. */
  readonly kernel: KernelFacts | undefined;
  readonly endpoints: readonly EndpointRow[];
  readonly clients: readonly ClientFate[];
  /** Destinations whose own Pod is masqueraded when it reaches itself. */
  readonly hairpins: readonly string[];
  /** Where nobody claims the address. */
  readonly near: readonly Near[];
  /** What the next pass would do there, one operation a line as in a plan. */
  readonly differences: readonly string[];
  readonly remarks: readonly string[];
}

export interface KernelFacts {
  readonly scheduler: string;
  readonly options: string;
  readonly ours: boolean;
}

export interface ClientFate {
  readonly from: Client['kind'];
  /** Addresses or networks, `any`, or `any other` than those of the other rows. */
  readonly source: string;
  /** The Service that the client is an endpoint of, where it was asked for by its address. */
  readonly endpointOf: ObjectName | undefined;
  readonly outcome: Outcome;
  /** The packet filter's own comments on what it did, in order. */
  readonly rules: readonly string[];
  /** What the kernel does where that is something else; undefined: the same. */
  readonly kernel: Outcome | undefined;
}

/** Everything that an explanation is made from. */
export interface Evidence {
  readonly question: Question;
  readonly store: Store;
  readonly wanted: WantedState;
  readonly observation: Observation;
  readonly differences: Differences;
  readonly pods: PodDetector;
}

export function explanationOf(evidence: Evidence): Explanation {
  const { question, store, wanted, observation, differences } = evidence;
  const { key } = question;
  const frontEnd = wanted.wanted(key.id);
  const facts = frontEnd && describeFrontEnd(frontEnd, store, wanted);
  const known = observation.actual.service(key.id);
  const allowed = allowedSources(evidence);
  const elements = [...wanted.elements()].filter(({ id }) => !differences.postponed.includes(id));
  const terrain = wantedTerrain(wanted, elements, serviceFamily(key), store.nodeAddresses);
  const setting = clientSetting(evidence, terrain, allowed);
  return {
    address: key.id,
    nodeName: wanted.nodeFacts?.name ?? '',
    zone: wanted.nodeFacts?.zone,
    frontEnd: facts,
    claims: wanted.claimants(key.id).map(({ owner, createdAt }) => ({ owner, createdAt })),
    sourceRanges: allowed.map(networkText),
    kernel: known && {
      scheduler: known.service.scheduler,
      options: serviceOptionsText(known.service),
      ours: observation.actual.isOurs(known),
    },
    endpoints: endpointRows(frontEnd, known, store, wanted),
    clients: fates(evidence, setting),
    hairpins: frontEnd === undefined ? [] : hairpins(frontEnd, setting),
    near: frontEnd === undefined ? near(key, wanted, store) : [],
    differences: differences.operations.map(opText),
    remarks: remarks(evidence),
  };
}

function allowedSources({ question: { key }, wanted }: Evidence): Cidr[] {
  const elements = wanted.wanted(key.id)?.elements ?? [];
  return elements.filter(({ set }) => set === 'allowedSources').map((one) => one.key.at(-1) as Cidr);
}

function clientSetting({ store, wanted, pods }: Evidence, terrain: Terrain, allowed: readonly Cidr[]): ClientSetting {
  const facts = wanted.nodeFacts!;
  const known = endpointsByAddress(store, facts.name);
  return {
    facts,
    pods,
    terrain,
    allowed,
    sourceAt: (address) => wanted.wantedBinding(wanted.bindingOf(address))?.source,
    endpointAt: (address) => known.get(address),
  };
}

function fates({ question, wanted, store, observation }: Evidence, setting: ClientSetting): ClientFate[] {
  const { key } = question;
  const actual = actualTerrain(observation, wanted, serviceFamily(key), store.nodeAddresses);
  const rows = clientsOf(question, setting).map((client): ClientFate => {
    const { outcome, rules } = journey(client, key, setting.terrain);
    const real: Outcome = actual === undefined ? { kind: 'unknown' } : journey(client, key, actual).outcome;
    return {
      from: client.kind,
      source: client.label,
      endpointOf: client.endpointOf,
      outcome,
      rules,
      kernel: isSameOutcome(outcome, real) ? undefined : real,
    };
  });
  return merged(rows);
}

/** The kernel lists destinations in another order. */
function isSameOutcome(one: Outcome, other: Outcome): boolean {
  return isDeepStrictEqual(sorted(one), sorted(other));
}

function sorted(outcome: Outcome): Outcome {
  if (outcome.kind !== 'reaches') return outcome;
  return { ...outcome, destinations: outcome.destinations.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** Clients of one kind that fare alike, in one row. */
function merged(rows: readonly ClientFate[]): ClientFate[] {
  const found: ClientFate[] = [];
  for (const row of rows) {
    const at = found.findIndex((other) => isDeepStrictEqual({ ...other, source: '' }, { ...row, source: '' }));
    if (at < 0) found.push(row);
    else found[at] = { ...row, source: row.source.startsWith('any') ? 'any' : `${found[at]!.source}, ${row.source}` };
  }
  return found;
}

/** Other Pods are not masqueraded there. */
function hairpins({ service, destinations }: FrontEnd, setting: ClientSetting): string[] {
  const [anyPod] = clientsOf({ key: service, from: ['pod'] }, { ...setting, allowed: [] });
  return destinations
    .filter((destination) => {
      const terrain = { ...setting.terrain, destinations: () => [destination] };
      const isMasqueraded = (client: Client | undefined) => {
        const outcome = client && journey(client, service, terrain).outcome;
        return outcome?.kind === 'reaches' && outcome.destinations.some(({ masqueraded }) => masqueraded);
      };
      const [itself] = clientsOf({ key: service, from: destination.address }, setting);
      return itself?.kind === 'pod' && isMasqueraded(itself) && !isMasqueraded(anyPod);
    })
    .map(({ id }) => id);
}

/** Schedulers of Linux 6.1 to which a destination with any weight above 0 is like any other. */
const unweighted: ReadonlySet<string> = new Set(['rr', 'lc', 'dh']);

function remarks({ question, wanted, store, observation, differences, pods }: Evidence): string[] {
  const { key, from } = question;
  const lines: string[] = [];
  if (typeof from === 'string' && (pods.by === 'bridge' || pods.by === 'devicePrefix')) {
    lines.push(`Pods are told by their device here: that ${from} is one, or is none, is guessed from its address`);
  }
  if (store.node === undefined) {
    lines.push(
      `no Node ${wanted.nodeFacts?.name} is known: its zone is not, and its Pods are told by configuration only`,
    );
  }
  if (serviceFamily(key) === 6 && !observation.forwardsIPv6) {
    lines.push(
      'net.ipv6.conf.all.forwarding is 0, so that only what the host sends itself reaches other machines and Pods: set it to 1 ' +
        'on the host, which no pass does',
    );
  }
  const { service, destinations = [] } = wanted.wanted(key.id) ?? {};
  const weights = new Set(destinations.map(({ weight }) => weight).filter((weight) => weight > 0));
  if (service !== undefined && weights.size > 1 && unweighted.has(service.scheduler)) {
    lines.push(`the scheduler ${service.scheduler} looks at no weight but 0`);
  }
  const unread = [...store.unread, ...store.unreadSlices];
  if (unread.length > 0) {
    lines.push(`objects that could not be read may ask for something else here: ${unread.join(', ')}`);
  }
  if (differences.held.length > 0) {
    lines.push(`until they can be read what nobody names is kept: ${some(differences.held)}`);
  }
  if (differences.postponed.length > 0) {
    lines.push('until they can be read no client is dropped for want of an endpoint on this node');
  }
  for (const { service, destination, active, inactive } of differences.draining) {
    const counts = `${active} active, ${inactive} inactive`;
    lines.push(`${service.id} -> ${destination.id} drains: weight 0 while its connections end (${counts})`);
  }
  const known = observation.actual.service(key.id);
  if (wanted.wanted(key.id) !== undefined || known === undefined) return lines;
  const whose = !observation.actual.isOurs(known)
    ? 'not ours, and left alone'
    : wanted.limits.excluded(key.address)
      ? 'left alone, because --ipvs-exclude-cidrs has its address'
      : 'marked as ours';
  lines.push(`the kernel has a virtual service there that no Service asks for; it is ${whose}`);
  return lines;
}
