/** Which share of new connections an endpoint takes; the schedulers that look at weights are wrr, wlc, sed, lblc, lblcr, sh, mh … */

import { cidrContains } from '../model/address.ts';
import type { Endpoint, WeightRule } from '../model/cluster.ts';

/** The weight of the first rule that fits; 1 without one. */
export function weightOf(endpoint: Endpoint, rules: readonly WeightRule[]): number {
  return weightRuleOf(endpoint, rules)?.weight ?? 1;
}

/** The rule that decides; undefined where none fits. */
export function weightRuleOf(endpoint: Endpoint, rules: readonly WeightRule[]): WeightRule | undefined {
  return rules.find((rule) => fits(rule.endpoints, endpoint));
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
