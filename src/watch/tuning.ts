/**
 * Annotations of a Service → what it asks otherwise than the node's configuration says. An invalid one counts as absent and is worth
 * a warning: a typing error in an annotation takes no Service off the network.
 */

import { parseCidr, parseNetwork, withoutBrackets } from '../model/address.ts';
import { type Tuning, untuned, type WeightRule } from '../model/cluster.ts';
import { parseDuration } from '../model/duration.ts';
import { schedulerFlags } from '../model/text.ts';
import { isSchedulerName } from '../model/virtual-service.ts';
import { type Finding, quoted } from './problem.ts';
import { valueFinding } from './projection.ts';
import { type Annotations, isPresent } from './shapes.ts';

/** kube-router's names for the same count where ours are absent. */
export function readTuning(annotations: Annotations, warnings: Finding[]): Tuning {
  const scheduler = read(annotations, warnings, parseScheduler, [
    'kube-ipvs.io/scheduler',
    'kube-router.io/service.scheduler',
  ]);
  const schedulerFlags = read(annotations, warnings, parseFlags, [
    'kube-ipvs.io/scheduler-flags',
    'kube-router.io/service.schedflags',
  ]);
  const drainTimeout = read(annotations, warnings, parseTimeout, ['kube-ipvs.io/drain-timeout']);
  const weights = read(annotations, warnings, parseWeights, ['kube-ipvs.io/weights']);
  if ([scheduler, schedulerFlags, drainTimeout, weights].every((value) => value === undefined)) return untuned;
  return { scheduler, schedulerFlags, drainTimeout, weights: weights ?? [] };
}

/** What a text means, or what is wrong with it and what to write. */
type Parsed<T> = { readonly value: T } | { readonly why: string };

function read<T>(
  annotations: Annotations,
  warnings: Finding[],
  parse: (text: string) => Parsed<T>,
  keys: readonly (keyof Annotations)[],
): T | undefined {
  const key = keys.find((name) => isPresent(annotations[name]));
  const text = key === undefined ? undefined : annotations[key];
  if (key === undefined || !isPresent(text)) return undefined;
  const parsed = parse(text.trim());
  if ('value' in parsed) return parsed.value;
  warnings.push(valueFinding(['metadata', 'annotations', key], quoted(text), `ignored, ${parsed.why}`));
  return undefined;
}

function parseScheduler(text: string): Parsed<string> {
  if (isSchedulerName(text)) return { value: text };
  return { why: "it can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh" };
}

function parseFlags(text: string): Parsed<number> {
  if (text === '') return { value: 0 };
  let value = 0;
  for (const name of text.split(',').map((part) => part.trim())) {
    const bit = schedulerFlags.get(name);
    if (bit === undefined) {
      return { why: `${quoted(name)} is no flag; write some of ${[...schedulerFlags.keys()].join(', ')}, or nothing` };
    }
    value |= bit;
  }
  return { value };
}

function parseTimeout(text: string): Parsed<number> {
  const value = parseDuration(text);
  if (value !== undefined && value >= 0) return { value };
  return { why: 'it is no duration from 0s; write one such as 30s or 1m30s' };
}

/** All are read again at each change of an endpoint; an annotation has room for tens of thousands. */
const mostRules = 1_000;

function parseWeights(text: string): Parsed<WeightRule[]> {
  const rules: WeightRule[] = [];
  const parts = text.split(/[\s,]+/).filter((one) => one !== '');
  if (parts.length > mostRules) return { why: `it has ${parts.length} rules; write at most ${mostRules}` };
  for (const part of parts) {
    const rule = parseRule(part);
    if ('why' in rule) return rule;
    rules.push(rule.value);
  }
  return { value: rules };
}

const usage =
  'write SELECTOR:WEIGHT, where SELECTOR is zone=NAME, node=NAME, an address, a network or * and WEIGHT is 0 to 65535';

function parseRule(text: string): Parsed<WeightRule> {
  const at = Math.max(text.lastIndexOf(':'), text.lastIndexOf('='));
  const digits = text.slice(at + 1);
  const weight = Number(digits);
  if (at < 0 || !/^\d{1,5}$/.test(digits) || weight > 65_535) return { why: `${quoted(text)} has no weight; ${usage}` };
  const selector = text.slice(0, at);
  const endpoints = parseSelector(selector);
  if (endpoints !== undefined) return { value: { endpoints, weight } };
  return { why: `${quoted(selector)} selects no endpoints; ${usage}` };
}

function parseSelector(text: string): WeightRule['endpoints'] | undefined {
  if (text === '*') return { of: 'all' };
  const [, of, name] = /^(zone|node)=(.+)$/.exec(text) ?? [];
  if (name !== undefined) return { of: of as 'zone' | 'node', name };
  const cidr = text.includes('/') ? parseCidr(text) : parseNetwork(withoutBrackets(text));
  return cidr && { of: 'network', cidr };
}
