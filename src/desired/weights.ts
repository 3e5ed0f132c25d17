/** Which share of new connections an endpoint takes; the schedulers that look at weights are wrr, wlc, sed, lblc, lblcr, sh, mh … */

import { type Cidr, type Family, familyOf, networkOf, networkText } from '../model/address.ts';
import type { Endpoint, WeightRule } from '../model/cluster.ts';

/** The rule that decides for an endpoint: the first that fits; undefined where none does. */
export type WeightRuleOf = (endpoint: Endpoint) => WeightRule | undefined;

/** Costs O(rules); what it answers with, a look-up for each length of prefix that the rules have. */
export function weightRules(rules: readonly WeightRule[]): WeightRuleOf {
  if (rules.length === 0) return () => undefined;
  const places = new Map<string, number>();
  const prefixes: Record<Family, Set<number>> = { 4: new Set(), 6: new Set() };
  for (const [place, { endpoints }] of rules.entries()) {
    const selector = selectorText(endpoints);
    if (!places.has(selector)) places.set(selector, place);
    if (endpoints.of === 'network') prefixes[familyOf(endpoints.cidr.address)].add(endpoints.cidr.prefix);
  }
  return (endpoint) => {
    const networks = [...prefixes[familyOf(endpoint.address)]].map((prefix) => networkOf(endpoint.address, prefix));
    const fitting = selectorsOf(endpoint, networks).map((one) => places.get(selectorText(one)) ?? rules.length);
    return rules[Math.min(...fitting)];
  };
}

/** `zone=eu-1a`, `10.244.0.0/16`, `*`. */
export function selectorText(endpoints: WeightRule['endpoints']): string {
  switch (endpoints.of) {
    case 'zone':
    case 'node':
      return `${endpoints.of}=${endpoints.name}`;
    case 'network':
      return networkText(endpoints.cidr);
    case 'all':
      return '*';
    default:
      return endpoints satisfies never;
  }
}

/** Every selector that fits the endpoint, which is in these networks. */
function selectorsOf({ zone, nodeName }: Endpoint, networks: readonly Cidr[]): WeightRule['endpoints'][] {
  return [
    { of: 'all' },
    ...(zone === undefined ? [] : [{ of: 'zone', name: zone } as const]),
    ...(nodeName === undefined ? [] : [{ of: 'node', name: nodeName } as const]),
    ...networks.map((cidr) => ({ of: 'network', cidr }) as const),
  ];
}
