/** Which rule of a Service's weights decides for an endpoint. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { selectorText, weightRules } from '../../src/desired/weights.ts';
import type { Endpoint, WeightRule } from '../../src/model/cluster.ts';
import { cidr, endpoint } from '../support/cluster.ts';

type Selector = WeightRule['endpoints'];

const all: Selector = { of: 'all' };
const zone = (name: string): Selector => ({ of: 'zone', name });
const node = (name: string): Selector => ({ of: 'node', name });
const network = (text: string): Selector => ({ of: 'network', cidr: cidr(text) });
const pod = (fields: Partial<Endpoint> = {}) => endpoint('10.244.7.9', fields);

const rows: readonly [what: string, of: readonly Selector[], of: Endpoint, rule: number | undefined][] = [
  ['the first of networks inside each other', [network('10.244.0.0/16'), network('10.244.7.0/24')], pod(), 0],
  ['the first of networks inside each other', [network('10.244.7.0/24'), network('10.244.0.0/16')], pod(), 0],
  ['a wide network beside narrow ones', [network('10.244.6.0/23'), network('10.244.7.8/32')], pod(), 0],
  ['a network that ends before it', [network('10.244.7.0/29')], pod(), undefined],
  ['all of a family', [network('::/0'), network('0.0.0.0/0')], pod(), 1],
  ['the address alone', [network('fd00::9/128'), network('10.244.7.9/32')], pod(), 1],
  ['an IPv6 network', [network('fd00::/64'), network('fd00:0:0:1::/64')], endpoint('fd00:0:0:1::9'), 1],
  ['the first of several kinds', [zone('west'), node('a'), zone('east'), all], pod({ zone: 'east', nodeName: 'a' }), 1],
  ['all before the rest', [all, zone('east')], pod({ zone: 'east' }), 0],
  ['a zone that has the name of a node', [zone('a'), node('a')], pod({ nodeName: 'a' }), 1],
  ['the first of rules for the same', [zone('east'), zone('east')], pod({ zone: 'east' }), 0],
  ['no zone and no node', [zone('undefined'), node('undefined')], pod({ nodeName: undefined }), undefined],
  ['no rule', [], pod(), undefined],
];

for (const [what, selectors, of, rule] of rows) {
  test(`${what}: of ${selectors.map(selectorText).join(', ')} decides ${rule ?? 'none'}`, () => {
    const rules = selectors.map((endpoints, weight): WeightRule => ({ endpoints, weight }));
    assert.equal(weightRules(rules)(of)?.weight, rule);
  });
}

test('rules are read once, however many endpoints there are', () => {
  let reads = 0;
  const rules = Array.from({ length: 10 }, (_, i) => ({
    weight: i,
    get endpoints() {
      reads++;
      return network(`10.244.${i}.0/24`);
    },
  }));
  const ruleOf = weightRules(rules);
  for (let i = 0; i < 10; i++) assert.equal(ruleOf(endpoint(`10.244.${i}.1`))?.weight, i);
  assert.equal(reads, rules.length);
});
