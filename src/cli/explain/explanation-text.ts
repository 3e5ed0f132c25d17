/** An explanation as text: what the address is, its endpoints, its clients, and what the kernel has otherwise. */

import { abridged, printable } from '../../model/printable.ts';
import { durationText } from '../../model/duration.ts';
import type { Claimant } from '../../desired/claims.ts';
import { aligned, type Column } from '../status-columns.ts';
import type { EndpointRow } from './endpoint-rows.ts';
import type { ClientFate, Explanation } from './explanation.ts';
import type { FrontEndFacts } from './front-end-facts.ts';
import type { Outcome, Reached } from './journey.ts';
import type { Near } from './near.ts';

/** Endpoints that are left out for one reason and printed one by one. */
const mostLeftOut = 10;

export function explanationText(explanation: Explanation): string {
  const { endpoints, clients, near, differences, remarks } = explanation;
  const sections = [
    header(explanation),
    endpointLines(endpoints),
    table(clientColumns, clients.flatMap(clientLines)),
    titled('NEAR, and claimed', near.map(nearText)),
    titled('DIFFERENCES of the kernel, as the next pass would end them', differences),
    titled('REMARKS', remarks),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${printable(line)}`)];
}

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const { title, lines } = aligned(columns, rows);
  return [title, ...lines];
}

type HeaderRow = readonly [title: string, text: string];

function header({
  address,
  nodeName,
  zone,
  frontEnd,
  claims,
  sourceRanges,
  hairpins,
  kernel,
  differences,
}: Explanation) {
  const rows: HeaderRow[] = [
    ['Address:', `${address}, at node ${nodeName}${zone === undefined ? '' : `, zone ${zone}`}`],
    ...(frontEnd === undefined ? [unclaimed] : frontEndRows(frontEnd)),
    ...conflictRows(claims),
  ];
  if (sourceRanges.length > 0) rows.push(['Sources:', `${sourceRanges.join(', ')} only (loadBalancerSourceRanges)`]);
  if (hairpins.length > 0) rows.push(['Hairpin:', `masqueraded from the Pod itself: ${hairpins.join(', ')}`]);
  const { scheduler = '', options = '', ours = false } = kernel ?? {};
  const there = [scheduler, options, ours ? '' : 'not ours'].filter((word) => word !== '').join(' ');
  const state = differences.length === 0 ? 'as it should be' : 'not as it should be, see below';
  rows.push(['Kernel:', `${kernel === undefined ? 'no virtual service' : `virtual service ${there}`}; ${state}`]);
  return rows.map(([title, text]) => `${title.padEnd(12)} ${printable(text)}`);
}

const unclaimed: HeaderRow = ['Service:', 'none: nobody claims this address, port and protocol on this node'];

const kindTexts: Readonly<Record<FrontEndFacts['kind'], string>> = {
  clusterIP: 'ClusterIP',
  loadBalancerIP: 'load balancer IP',
  externalIP: 'external IP',
  nodePort: 'NodePort',
};

function frontEndRows(facts: FrontEndFacts): HeaderRow[] {
  const { service, portName, kind, alsoKinds, holder, affinity, drainTimeout, hints, withoutEndpoints } = facts;
  const also =
    alsoKinds.length === 0 ? '' : `, which comes before ${alsoKinds.map((one) => kindTexts[one]).join(', ')}`;
  const rows: HeaderRow[] = [
    ['Service:', `${service}${portName === '' ? '' : `, port ${portName}`}`],
    ['Front end:', `${kindTexts[kind]}${also}; the address is on ${holder}`],
    ['Policy:', policyText(facts)],
    ['Scheduler:', schedulerText(facts)],
    ['Affinity:', affinity === undefined ? 'none' : `ClientIP, for ${affinity} s`],
    ['Drain:', drainText(drainTimeout)],
  ];
  if (hints !== undefined) rows.push(['Hints:', hintTexts[hints]]);
  if (withoutEndpoints !== undefined) rows.push(['Endpoints:', `none: ${withoutEndpoints}`]);
  return rows;
}

const hintTexts: Readonly<Record<NonNullable<FrontEndFacts['hints']>, string>> = {
  nodes: 'endpoints are chosen by hints for nodes',
  zones: 'endpoints are chosen by hints for zones',
  ignored: 'ignored, because a ready endpoint has none, or none is for this node or its zone',
};

function policyText({ policyField, policy }: FrontEndFacts): string {
  const whose = policy === 'Local' ? 'endpoints of this node only' : "the cluster's endpoints";
  return `${policyField} ${policy}: ${whose}`;
}

function schedulerText({ scheduler, schedulerFrom, options }: FrontEndFacts): string {
  const words = options === '' ? scheduler : `${scheduler} ${options}`;
  switch (schedulerFrom) {
    case 'configuration':
      return `${words}, the node's own`;
    case 'annotation':
      return `${words}, by annotation of the Service`;
    case 'missing':
      return `${words}, the node's own: the kernel lacks the one that the Service asks for`;
    default:
      return schedulerFrom satisfies never;
  }
}

function drainText(timeout: number | undefined): string {
  if (timeout === undefined) return 'until connections end';
  return timeout === 0 ? 'none: what leaves goes at once' : `for ${durationText(timeout)} at most`;
}

function conflictRows([owner, ...losers]: readonly Claimant[]): HeaderRow[] {
  if (owner === undefined || losers.length === 0) return [];
  const others = losers.map((loser) => claimantText(loser)).join(', ');
  return [['Conflict:', `claimed by ${others} too; ${owner.owner} has it, being ${precedence(owner, losers[0]!)}`]];
}

function claimantText({ owner, createdAt }: Claimant): string {
  return `${owner} (${createdAt === '' ? 'no creationTimestamp' : createdAt})`;
}

function precedence({ createdAt }: Claimant, loser: Claimant): string {
  const when = createdAt === '' ? 'no creationTimestamp' : createdAt;
  if (loser.createdAt === createdAt) return `as old (${when}) and first by name`;
  return loser.createdAt === '' ? `the one with a creationTimestamp (${when})` : `the older (${when})`;
}

const endpointColumns: readonly Column<EndpointRow>[] = [
  { title: 'ENDPOINT', cell: ({ id }) => id },
  { title: 'TAKEN', cell: ({ taken }) => (taken ? 'yes' : 'no') },
  { title: 'WEIGHT', cell: ({ weight }) => weight ?? '', right: true },
  { title: 'KERNEL', cell: kernelText, right: true },
  { title: 'ACTIVE', cell: ({ kernel }) => kernel?.active ?? '', right: true },
  { title: 'INACTIVE', cell: ({ kernel }) => kernel?.inactive ?? '', right: true },
  { title: 'NODE', cell: ({ nodeName }) => brief(nodeName ?? '') },
  { title: 'ZONE', cell: ({ zone }) => brief(zone ?? '') },
  { title: 'HINTS', cell: ({ hints }) => brief(hints.join(',')) },
  { title: 'WHY', cell: whyText },
];

/** Characters, as many as a Node's name may have. API servers take a zone of any length, and all rows are as wide as the widest. */
const longestName = 253;

function brief(name: string): string {
  return abridged(name, longestName);
}

/** The weight, or that there is none where there should be one. */
function kernelText({ kernel, taken }: EndpointRow): string {
  if (kernel === undefined) return taken ? '-' : '';
  return kernel.forwarding === 'masquerade' ? String(kernel.weight) : `${kernel.weight} ${kernel.forwarding}`;
}

const reasonTexts: Readonly<Record<EndpointRow['because'], string>> = {
  ready: 'ready',
  'hinted for this node': 'ready, and hinted for this node',
  'hinted for this zone': "ready, and hinted for this node's zone",
  'last resort': 'it terminates and still serves, and none is ready',
  'not ready': 'not ready',
  gone: 'it terminates and serves no more',
  terminating: 'it terminates, and ready ones take its place',
  'on another node': 'on another node, and the policy is Local',
  'hinted for other nodes': 'hinted for other nodes, and some are for this one',
  'hinted for other zones': "hinted for other zones, and some are for this node's",
  'no endpoint': 'no EndpointSlice names it',
};

const stateTexts: Readonly<Record<EndpointRow['state'], string>> = {
  'in sync': '',
  'left out': '',
  differs: '; different in the kernel',
  missing: '; missing in the kernel',
  draining: '; drained: weight 0 until its connections end',
  extra: '; still in the kernel',
};

function whyText({ because, weight, weightRule, state }: EndpointRow): string {
  const ruled = weightRule === undefined ? '' : `; weight by annotation, ${brief(weightRule)}`;
  const unweighted = weight === 0 ? ', takes no new connections' : '';
  return `${reasonTexts[because]}${ruled}${unweighted}${stateTexts[state]}`;
}

/** All but those that are left out for a reason which many have: of these the rest is counted. */
function endpointLines(rows: readonly EndpointRow[]): string[] {
  const counts = new Map<EndpointRow['because'], number>();
  const shown = rows.filter(({ because, state }) => {
    if (state !== 'left out') return true;
    const count = (counts.get(because) ?? 0) + 1;
    counts.set(because, count);
    return count <= mostLeftOut;
  });
  const folded = [...counts]
    .filter(([, count]) => count > mostLeftOut)
    .map(([because, count]) => `… and ${count - mostLeftOut} more not taken: ${reasonTexts[because]}; -o json has all`);
  return [...table(endpointColumns, shown), ...folded];
}

interface ClientLine {
  readonly from: string;
  readonly source: string;
  readonly text: string;
}

const clientColumns: readonly Column<ClientLine>[] = [
  { title: 'FROM', cell: ({ from }) => from },
  { title: 'SOURCE', cell: ({ source }) => source },
  { title: 'OUTCOME', cell: ({ text }) => text },
];

/** What becomes of a client, and below it why, and what the kernel does where it does something else. */
function clientLines({ from, source, endpointOf, outcome, rules, kernel }: ClientFate): ClientLine[] {
  const because = becauseText(outcome, rules);
  return [
    { from, source: endpointOf === undefined ? source : `${source} (of ${endpointOf})`, text: outcomeText(outcome) },
    ...(because === '' ? [] : [below(`  why: ${because}`)]),
    ...(kernel === undefined ? [] : [below(`  in the kernel: ${outcomeText(kernel)}`)]),
  ];
}

function below(text: string): ClientLine {
  return { from: '', source: '', text };
}

function becauseText({ kind }: Outcome, rules: readonly string[]): string {
  if (rules.length > 0) return rules.join('; ');
  if (kind === 'dropped') return 'packets from and to a loopback address stay on the machine that sends them';
  return kind === 'refused' ? 'no destination takes new connections' : '';
}

function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'reaches': {
      const asked = outcome.isRedirected ? `sent on to ${outcome.service}, ` : '';
      return `${asked}reaches ${reachedText(outcome.destinations)}`;
    }
    case 'refused':
    case 'dropped':
      return outcome.kind;
    case 'host':
      return 'goes to a process of the node, if one listens';
    case 'elsewhere':
      return "routed on: the address is not the node's";
    case 'unknown':
      return 'unknown: our table has rules that are not ours';
    default:
      return outcome satisfies never;
  }
}

/** Destinations that are named one by one. */
const mostNamed = 4;

function reachedText(destinations: readonly Reached[]): string {
  const groups = [
    [destinations.filter(({ masqueraded }) => masqueraded), 'masqueraded'],
    [destinations.filter(({ masqueraded }) => !masqueraded), 'with its own address'],
  ] as const;
  return groups
    .filter(([some]) => some.length > 0)
    .map(([some, how]) => `${namesText(some)} ${how}`)
    .join('; ');
}

function namesText(some: readonly Reached[]): string {
  const names = some.slice(0, mostNamed).map(({ id }) => id);
  const rest = some.length - names.length;
  return rest === 0 ? names.join(', ') : `${names.join(', ')} and ${rest} more,`;
}

const nearTexts: Readonly<Record<Near['because'], string>> = {
  'same address': 'the same address',
  'same NodePort': 'the same NodePort at another address of the node',
  'NodePort without address': 'its NodePort, which --nodeport-addresses gives no address of this node',
  'same port, other family': 'the same port in the other family',
  endpoint: 'an endpoint itself, which is reached without a Service',
  'front end': 'where that Service is reached',
  'health check port': 'the port of its health check',
};

function nearText({ id, service, because }: Near): string {
  return `${id} of ${service}: ${nearTexts[because]}`;
}
