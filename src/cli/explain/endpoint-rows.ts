/** The endpoints of a front end and the kernel's destinations side by side, each with the reason why it is there or not. Pure. */

import { type EndpointReason, endpointReasons } from '../../desired/endpoint-reasons.ts';
import { type FrontEnd, trafficPolicy } from '../../desired/front-ends.ts';
import { selectorText, weightRules } from '../../desired/weights.ts';
import { type Destination, sameDestination } from '../../model/destination.ts';
import type { Service } from '../../model/cluster.ts';
import type { ActualDestination, ActualService } from '../../reconcile/actual.ts';
import type { WantedState } from '../../reconcile/wanted.ts';
import type { Store } from '../../store/store.ts';
import { siteOf } from './front-end-facts.ts';

export interface EndpointRow {
  /** `10.244.1.7:8080`. */
  readonly id: string;
  readonly nodeName: string | undefined;
  /** The zone it is in. */
  readonly zone: string | undefined;
  /** Zones and nodes that it is hinted for. */
  readonly hints: readonly string[];
  readonly taken: boolean;
  /** `no endpoint`: the kernel has it, and no EndpointSlice names it. */
  readonly because: EndpointReason['because'] | 'no endpoint';
  /** As it should be; undefined where it should not be a destination. */
  readonly weight: number | undefined;
  /** The selector of the annotation that gave the weight, as it is written there; undefined: none fits, and the weight is 1. */
  readonly weightRule: string | undefined;
  /** undefined: the kernel has no such destination. */
  readonly kernel: KernelDestination | undefined;
  readonly state: EndpointState;
}

export interface KernelDestination {
  readonly weight: number;
  readonly forwarding: Destination['forwarding'];
  readonly active: number;
  readonly inactive: number;
}

export type EndpointState =
  | 'in sync'
  /** In the kernel with another weight or forwarding. */
  | 'differs'
  /** Taken, and not in the kernel. */
  | 'missing'
  /** Not taken, and not in the kernel. */
  | 'left out'
  /** Not taken, and in the kernel with weight 0. */
  | 'draining'
  /** Not taken, and in the kernel. */
  | 'extra';

/** Those that are taken first. `frontEnd` undefined: nobody claims the virtual service. */
export function endpointRows(
  frontEnd: FrontEnd | undefined,
  known: ActualService | undefined,
  store: Store,
  wanted: WantedState,
): EndpointRow[] {
  const rows = frontEnd === undefined ? [] : candidateRows(frontEnd, known, store, wanted);
  const named = new Set(rows.map(({ id }) => id));
  const others = [...(known?.destinations.values() ?? [])].filter(({ destination }) => !named.has(destination.id));
  return [
    ...rows.filter(({ taken }) => taken),
    ...rows.filter(({ taken }) => !taken),
    ...others.map(
      (actual): EndpointRow => ({
        id: actual.destination.id,
        nodeName: undefined,
        zone: undefined,
        hints: [],
        taken: false,
        because: 'no endpoint',
        weight: undefined,
        weightRule: undefined,
        kernel: kernelDestination(actual),
        state: actual.destination.weight === 0 ? 'draining' : 'extra',
      }),
    ),
  ];
}

function candidateRows(
  frontEnd: FrontEnd,
  known: ActualService | undefined,
  store: Store,
  wanted: WantedState,
): EndpointRow[] {
  const found = siteOf(frontEnd, store, wanted);
  const service: Service | undefined = store.service(frontEnd.owner);
  if (found === undefined || service === undefined) return [];
  const { behind, site, facts } = found;
  const targets = new Map(frontEnd.destinations.map((destination) => [destination.id, destination]));
  const reasons = endpointReasons(trafficPolicy(site, service), behind.all, facts);
  const ruleOf = weightRules(service.tuning.weights);
  return behind.all.map(({ key: { id }, endpoint }, i): EndpointRow => {
    const actual = known?.destinations.get(id);
    const target = targets.get(id);
    const rule = target && ruleOf(endpoint);
    return {
      id,
      nodeName: endpoint.nodeName,
      zone: endpoint.zone,
      hints: [...endpoint.nodes, ...endpoint.zones],
      ...reasons[i]!,
      weight: target?.weight,
      weightRule: rule && selectorText(rule.endpoints),
      kernel: actual && kernelDestination(actual),
      state: stateOf(target, actual?.destination),
    };
  });
}

function kernelDestination({ destination, connections }: ActualDestination): KernelDestination {
  const { weight, forwarding } = destination;
  return { weight, forwarding, active: connections.active, inactive: connections.inactive };
}

function stateOf(target: Destination | undefined, there: Destination | undefined): EndpointState {
  if (target === undefined) {
    if (there === undefined) return 'left out';
    return there.weight === 0 ? 'draining' : 'extra';
  }
  if (there === undefined) return 'missing';
  return sameDestination(target, there) ? 'in sync' : 'differs';
}
