/** The API server: whether it can be reached, and whether it lets us do what the daemon does. */

import { some } from '../../model/counted.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** How one request ended. Texts of servers are of their making: print them with care. */
export type RequestOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

export interface ResourceOutcome {
  readonly name: 'services' | 'endpointslices' | 'nodes';
  readonly list: RequestOutcome;
  /** Objects on the first page, one at most. */
  readonly count: number;
  /** Not asked where the list failed. */
  readonly watch: RequestOutcome | undefined;
}

export type ClusterFacts =
  /** Files take its place; those that are not there are `missing`. */
  | { readonly kind: 'manifests'; readonly missing: readonly string[] }
  /** Nothing names an API server. */
  | { readonly kind: 'unnamed'; readonly why: string }
  /** The kubeconfig cannot be used, or says what is not so. */
  | { readonly kind: 'unusable'; readonly why: string }
  | { readonly kind: 'silent'; readonly why: string }
  | {
      readonly kind: 'answers';
      readonly resources: readonly ResourceOutcome[];
      /** Whether Events may be created; undefined where the server does not say. */
      readonly events: { readonly allowed: boolean | undefined; readonly why: string };
      readonly nodeName: string;
      /** It was asked at the address that a Pod is told, the Service's own. */
      readonly byService: boolean;
    };

const apiServer = 'api-server';
const rightsCure =
  'kubectl apply -f deploy/kube-ipvs.yaml, whose ClusterRole has all rights that are needed, and use its ServiceAccount';

export function clusterFindings(facts: ClusterFacts): Finding[] {
  switch (facts.kind) {
    case 'manifests':
      return [ok(apiServer, 'not checked: files of --manifests take its place'), manifestFinding(facts.missing)];
    case 'unnamed':
      return [ok(apiServer, `not checked: ${facts.why}`)];
    case 'unusable':
      return [fail(apiServer, facts.why, 'mend what it names, or name another with --kubeconfig or --master')];
    case 'silent':
      return [
        fail(
          apiServer,
          facts.why,
          "check the address, the network and firewalls between; the address must not be the Service kubernetes's own",
        ),
      ];
    case 'answers':
      return answeringFindings(facts);
    default:
      return facts satisfies never;
  }
}

function manifestFinding(missing: readonly string[]): Finding {
  if (missing.length === 0) return ok('manifests', 'all there');
  return fail('manifests', `not there, or not accessible: ${some(missing)}`, 'name files and folders that are there');
}

type Answering = Extract<ClusterFacts, { kind: 'answers' }>;

/** A node whose proxy is not there yet reaches no Service. */
const byServiceFinding = warn(
  apiServer,
  'it answers, but at the address of the Service kubernetes, which nobody reaches from here before kube-ipvs serves it',
  "name the API server's own address with --kubeconfig or --master",
);

function answeringFindings({ resources, events, nodeName, byService }: Answering): Finding[] {
  const first = resources[0]!.list;
  if (first.kind === 'refused' && first.status === 401) {
    const cure = 'renew the credentials (token, client certificate) that the kubeconfig names';
    return [fail(apiServer, `it does not accept the credentials (401): ${first.message}`, cure)];
  }
  return [
    byService ? byServiceFinding : ok(apiServer, 'it answers'),
    ...resources.map(resourceFinding),
    nodeFinding(resources, nodeName),
    eventFinding(events),
  ].filter((finding) => finding !== undefined);
}

function resourceFinding({ name, list, watch }: ResourceOutcome): Finding {
  const check = `rights:${name}`;
  const problem = problemOf(check, 'list', name, list) ?? (watch && problemOf(check, 'watch', name, watch));
  return problem ?? ok(check, 'list and watch');
}

function problemOf(check: string, verb: 'list' | 'watch', name: string, outcome: RequestOutcome): Finding | undefined {
  switch (outcome.kind) {
    case 'done':
      return undefined;
    case 'refused':
      return fail(
        check,
        `${verb} is refused (${outcome.status}): ${outcome.message}`,
        outcome.status === 403 ? `grant ${verb} on ${name}: ${rightsCure}` : 'look into the log of the API server',
      );
    case 'failed':
      return fail(check, `${verb} failed: ${outcome.message}`, 'run again, and look into the log of the API server');
    default:
      return outcome satisfies never;
  }
}

function nodeFinding(resources: readonly ResourceOutcome[], nodeName: string): Finding | undefined {
  const nodes = resources.find(({ name }) => name === 'nodes');
  if (nodes === undefined || nodes.list.kind !== 'done') return undefined;
  if (nodes.count > 0) return ok('node', nodeName);
  return warn(
    'node',
    `no Node is named ${nodeName}: its zone, its Pod networks and local endpoints are not known`,
    'name it as kubectl get nodes does, with --hostname-override',
  );
}

function eventFinding({ allowed, why }: Answering['events']): Finding {
  const check = 'rights:events';
  if (allowed === true) return ok(check, 'create');
  if (allowed === undefined) return warn(check, `not known: ${why}`, 'kubectl auth can-i create events.events.k8s.io');
  return warn(
    check,
    `create is not allowed${why === '' ? '' : ` (${why})`}: conflicts are told in the log only`,
    `grant create on events of events.k8s.io: ${rightsCure}`,
  );
}
