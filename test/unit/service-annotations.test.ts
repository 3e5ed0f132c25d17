/** What a Service asks by annotation: good ones and bad ones. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Tuning, untuned, type WeightRule } from '../../src/model/cluster.ts';
import { serviceFlags } from '../../src/model/virtual-service.ts';
import { projectService } from '../../src/watch/service-projection.ts';
import { cidr } from '../support/cluster.ts';

const { schedule1, schedule2, schedule3 } = serviceFlags;

function tuned(annotations: Readonly<Record<string, unknown>>): { tuning: Tuning; warnings: readonly string[] } {
  const projection = projectService({
    metadata: { name: 'web', annotations },
    spec: { clusterIP: '10.96.0.10', ports: [] },
  });
  assert.ok(projection.outcome === 'fact');
  return { tuning: projection.fact.tuning, warnings: projection.warnings.map(({ message }) => message) };
}

const ours = (name: string) => `kube-ipvs.io/${name}`;
const all = { of: 'all' } as const;
const network = (text: string) => ({ of: 'network', cidr: cidr(text) }) as const;
const zone = (name: string) => ({ of: 'zone', name }) as const;
const node = (name: string) => ({ of: 'node', name }) as const;

describe('an annotation', () => {
  const rows: readonly (readonly [string, Readonly<Record<string, unknown>>, Partial<Tuning>])[] = [
    ['that is missing says nothing', {}, {}],
    ['that is empty as YAML has it says nothing', { [ours('scheduler')]: null }, {}],
    ['of somebody else says nothing', { 'example.org/scheduler': 'x', 'kube-ipvs.io/color': 'x' }, {}],
    ['names a scheduler', { [ours('scheduler')]: ' wrr\n' }, { scheduler: 'wrr' }],
    ["names a scheduler as kube-router's does", { 'kube-router.io/service.scheduler': 'mh' }, { scheduler: 'mh' }],
    [
      "of ours counts in front of kube-router's",
      { 'kube-router.io/service.scheduler': 'mh', [ours('scheduler')]: 'sh' },
      { scheduler: 'sh' },
    ],
    ['names no flags with an empty text', { [ours('scheduler-flags')]: ' ' }, { schedulerFlags: 0 }],
    [
      'names flags by number',
      { [ours('scheduler-flags')]: 'flag-1, flag-3' },
      { schedulerFlags: schedule1 | schedule3 },
    ],
    ['names the second flag', { [ours('scheduler-flags')]: 'flag-2' }, { schedulerFlags: schedule2 }],
    [
      "names sh's flags",
      { [ours('scheduler-flags')]: 'sh-fallback,sh-port' },
      { schedulerFlags: schedule1 | schedule2 },
    ],
    ["names mh's fallback", { [ours('scheduler-flags')]: 'mh-fallback' }, { schedulerFlags: schedule1 }],
    ["names mh's port", { [ours('scheduler-flags')]: 'mh-port' }, { schedulerFlags: schedule2 }],
    [
      "names flags as kube-router's does, unless ours is there",
      { 'kube-router.io/service.schedflags': 'flag-1' },
      { schedulerFlags: schedule1 },
    ],
    [
      "with empty flags takes those of kube-router's away",
      { 'kube-router.io/service.schedflags': 'flag-1', [ours('scheduler-flags')]: '' },
      { schedulerFlags: 0 },
    ],
    ['limits drains', { [ours('drain-timeout')]: '1m30s' }, { drainTimeout: 90_000 }],
    ['forbids drains', { [ours('drain-timeout')]: '0s' }, { drainTimeout: 0 }],
    ['limits drains by a part of a second', { [ours('drain-timeout')]: '1.5s250ms' }, { drainTimeout: 1750 }],
    ['with an empty list gives no weights', { [ours('weights')]: ' , \n' }, {}],
  ];
  for (const [sentence, annotations, expected] of rows) {
    it(sentence, () => {
      assert.deepEqual(tuned(annotations), { tuning: { ...untuned, ...expected }, warnings: [] });
    });
  }

  it('of the wrong type is a problem like any other field', () => {
    const { outcome, problems } = projectService({
      metadata: { name: 'web', annotations: { [ours('drain-timeout')]: 0 } },
      spec: { clusterIP: '10.96.0.10' },
    });
    assert.equal(outcome, 'refused');
    assert.deepEqual(
      problems.map(({ message }) => message),
      ['metadata.annotations["kube-ipvs.io/drain-timeout"] is the number 0; a text is needed: put it in quotes'],
    );
  });
});

describe('weights', () => {
  const rows: readonly (readonly [string, readonly WeightRule[]])[] = [
    ['zone=eu-1a:3', [{ endpoints: zone('eu-1a'), weight: 3 }]],
    ['zone=eu-1a=3', [{ endpoints: zone('eu-1a'), weight: 3 }]],
    ['node=node-a.example:0', [{ endpoints: node('node-a.example'), weight: 0 }]],
    ['10.244.1.7=2', [{ endpoints: network('10.244.1.7/32'), weight: 2 }]],
    ['10.244.1.7:65535', [{ endpoints: network('10.244.1.7/32'), weight: 65535 }]],
    ['fd00::7=2', [{ endpoints: network('fd00::7/128'), weight: 2 }]],
    ['fd00::7:2', [{ endpoints: network('fd00::7/128'), weight: 2 }]],
    ['[FD00::0007]:2', [{ endpoints: network('fd00::7/128'), weight: 2 }]],
    ['10.244.1.9/16:2', [{ endpoints: network('10.244.0.0/16'), weight: 2 }]],
    ['fd00:244::/56=2', [{ endpoints: network('fd00:244::/56'), weight: 2 }]],
    ['*:5', [{ endpoints: all, weight: 5 }]],
    [
      'zone=a:1,zone=b:2 node=c=3\n10.0.0.0/8:4,\n  *:0',
      [
        { endpoints: zone('a'), weight: 1 },
        { endpoints: zone('b'), weight: 2 },
        { endpoints: node('c'), weight: 3 },
        { endpoints: network('10.0.0.0/8'), weight: 4 },
        { endpoints: all, weight: 0 },
      ],
    ],
  ];
  for (const [text, weights] of rows) {
    it(`of ${JSON.stringify(text)}`, () => {
      assert.deepEqual(tuned({ [ours('weights')]: text }), { tuning: { ...untuned, weights }, warnings: [] });
    });
  }
});

describe('a bad annotation counts as absent, and is told', () => {
  const usage =
    'write SELECTOR:WEIGHT, where SELECTOR is zone=NAME, node=NAME, an address, a network or * and WEIGHT is 0 to 65535';
  const rows: readonly (readonly [string, string, string])[] = [
    ['scheduler', 'RR', "it can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh"],
    ['scheduler', '', "it can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh"],
    ['scheduler', 'a-name-too-long-', "it can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh"],
    ['scheduler', '-lc', "it can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh"],
    [
      'scheduler-flags',
      'flag-1,flag-4',
      '"flag-4" is no flag; write some of flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port, or nothing',
    ],
    [
      'scheduler-flags',
      'flag-1,',
      '"" is no flag; write some of flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port, or nothing',
    ],
    ['drain-timeout', '30', 'it is no duration from 0s; write one such as 30s or 1m30s'],
    ['drain-timeout', '-30s', 'it is no duration from 0s; write one such as 30s or 1m30s'],
    ['drain-timeout', '', 'it is no duration from 0s; write one such as 30s or 1m30s'],
    ['weights', 'zone=a', `"zone=a" has no weight; ${usage}`],
    ['weights', 'zone=a:3 x', `"x" has no weight; ${usage}`],
    ['weights', '10.244.1.7', `"10.244.1.7" has no weight; ${usage}`],
    ['weights', '*:65536', `"*:65536" has no weight; ${usage}`],
    ['weights', '*:-1', `"*:-1" has no weight; ${usage}`],
    ['weights', '*:1.5', `"*:1.5" has no weight; ${usage}`],
    ['weights', 'zone=:3', `"zone=" selects no endpoints; ${usage}`],
    ['weights', 'region=a:3', `"region=a" selects no endpoints; ${usage}`],
    ['weights', '10.244.1.300:3', `"10.244.1.300" selects no endpoints; ${usage}`],
    ['weights', '10.244.1.0/33:3', `"10.244.1.0/33" selects no endpoints; ${usage}`],
    ['weights', '[fd00::7:3', `"[fd00::7" selects no endpoints; ${usage}`],
    ['weights', ':3', `"" selects no endpoints; ${usage}`],
  ];
  for (const [name, text, why] of rows) {
    it(`${name} ${JSON.stringify(text)}`, () => {
      const key = ours(name);
      assert.deepEqual(tuned({ [key]: text, 'kube-router.io/service.scheduler': 'lc' }), {
        tuning: { ...untuned, ...(name === 'scheduler' ? {} : { scheduler: 'lc' }) },
        warnings: [`metadata.annotations["${key}"] is ${JSON.stringify(text)}: ignored, ${why}`],
      });
    });
  }

  it('and the others of the Service hold', () => {
    const { tuning, warnings } = tuned({
      [ours('scheduler')]: '?',
      [ours('drain-timeout')]: '5s',
      [ours('weights')]: '?',
    });
    assert.deepEqual(tuning, { ...untuned, drainTimeout: 5000 });
    assert.equal(warnings.length, 2);
  });
});

it('more rules for weights than anybody writes count as none, and are told in short', () => {
  const { tuning, warnings } = tuned({ [ours('weights')]: '*:1,'.repeat(1001) });
  assert.deepEqual(tuning, untuned);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^.{1,150}…": ignored, it has 1001 rules; write at most 1000$/);
  assert.equal(tuned({ [ours('weights')]: '*:1,'.repeat(1000) }).tuning.weights.length, 1000);
});
