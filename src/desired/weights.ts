/** Which share of new connections an endpoint takes; the schedulers that look at weights are wrr, wlc, sed, lblc, lblcr, sh, mh … */

import { cidrContains } from '../model/address.ts';
import type { Endpoint, WeightRule } from '../model/cluster.ts';

/** The weight of the first rule that fits; 1 without one. */
export function weightOf(endpoint: Endpoint, rules: readonly WeightRule[]): number {
  return rules.find((rule) => fits(rule.endpoints, endpoint))?.weight ?? 1;
}

function fits(which: WeightRule['endpoints'], endpoint: Endpoint): boolean {
  switch (which.of) {
    case 'zone':
      return endpoint.zone === which.name;
    case 'node':
      return endpoint.nodeName === which.name;
    case 'network':
      return cidrContains(which.cidr, endpoint.address);
    case 'all':
      return true;
    default:
      return which satisfies never;
  }
}
