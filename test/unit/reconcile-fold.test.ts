/** What a kernel's answer teaches: every row of the lessons table, and what is not in it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer, Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { fold, type Outcome } from '../../src/reconcile/fold.ts';
import { parseOp } from '../support/parse-op.ts';

const aService = '-A -t 10.96.0.10:80 -s rr';
const aDestination = '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1';
const anAddress = 'ip addr add 10.96.0.10/32 dev kube-ipvs0';
const device = 'ip link add kube-ipvs0 type dummy';
const anElement = 'nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }';
const withoutElement = anElement.replace('add', 'delete');

function knowing(...lines: readonly string[]): Actual {
  const actual = new Actual();
  actual.deleteDevice();
  actual.bindingsUnknown = false;
  actual.filter.unknown = false;
  for (const line of lines) fold(actual, parseOp(line), 'done', 0);
  return actual;
}

/** What is known, as the lines that would make it; `?` before what must be read again. */
function known(actual: Actual): string[] {
  const lines: string[] = [];
  if (typeof actual.device === 'object') lines.push(`${device}${actual.device.up ? ' up' : ''}`);
  for (const { service, destinations } of actual.services.values()) {
    lines.push(opText({ kind: 'service', verb: 'add', service }));
    for (const { destination } of destinations.values()) {
      lines.push(opText({ kind: 'destination', verb: 'add', service, destination }));
    }
  }
  for (const binding of actual.bindings.values()) lines.push(opText({ kind: 'binding', verb: 'add', binding }));
  for (const one of actual.filter.elements.values()) lines.push(opText({ kind: 'element', verb: 'add', element: one }));
  for (const id of actual.unknown.keys()) lines.push(`? ${id}`);
  if (actual.bindingsUnknown) lines.push('? bindings');
  if (actual.filter.unknown) lines.push('? filter');
  return lines;
}

interface Row {
  readonly before: readonly string[];
  readonly op: string;
  readonly answer: Answer;
  readonly outcome: Outcome;
  readonly after: readonly string[];
}

function answerOf(said: string): Answer {
  return said === 'done' || said === 'unknown' ? said : { errno: said };
}

function row(before: readonly string[], op: string, said: string, outcome: Outcome, after: readonly string[]): Row {
  return { before, op, answer: answerOf(said), outcome, after };
}

const ours = [device, aService, aDestination, anAddress];
const askService = '? 10.96.0.10:80/TCP';

const rows: readonly Row[] = [
  // what was done is so
  row([], aService, 'done', 'applied', [aService]),
  row([aService], '-E -t 10.96.0.10:80 -s wrr', 'done', 'applied', ['-A -t 10.96.0.10:80 -s wrr']),
  row([aService, aDestination], '-D -t 10.96.0.10:80', 'done', 'applied', []),
  row([aService], aDestination, 'done', 'applied', [aService, aDestination]),
  row([aService, aDestination], aDestination.replace('-a', '-e').replace('-w 1', '-w 0'), 'done', 'applied', [
    aService,
    aDestination.replace('-w 1', '-w 0'),
  ]),
  row([aService, aDestination], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', 'done', 'applied', [aService]),
  row([device], anAddress, 'done', 'applied', [device, anAddress]),
  row([device, anAddress], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'done', 'applied', [device]),
  row([], device, 'done', 'applied', [device]),
  row([device], 'ip link set kube-ipvs0 up', 'done', 'applied', [`${device} up`]),
  row(ours, 'ip link delete kube-ipvs0', 'done', 'applied', [aService, aDestination]),
  row([], anElement, 'done', 'applied', [anElement]),
  row([anElement], withoutElement, 'done', 'applied', []),
  // what is there already, or gone already, is as asked
  row([anElement], withoutElement, 'ENOENT', 'applied', []),
  row([aService], '-D -t 10.96.0.10:80', 'ESRCH', 'applied', []),
  row([aService, aDestination], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', 'ENOENT', 'applied', [aService]),
  row([device], anAddress, 'EEXIST', 'applied', [device, anAddress]),
  row([device, anAddress], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'EADDRNOTAVAIL', 'applied', [device]),
  row([device, anAddress], 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'ENXIO', 'applied', [device]),
  row(
    [device, 'ip route add local 10.96.0.0/12 dev kube-ipvs0 table local'],
    'ip route delete local 10.96.0.0/12 dev kube-ipvs0 table local',
    'ESRCH',
    'applied',
    [device],
  ),
  row(ours, 'ip link delete kube-ipvs0', 'ENODEV', 'applied', [aService, aDestination]),
  // what is there, configured nobody knows how, is read again
  row([], aService, 'EEXIST', 'unknown', [askService]),
  row([aService], aDestination, 'EEXIST', 'unknown', [aService, askService]),
  row([], device, 'EEXIST', 'unknown', ['? bindings']),
  row([device], 'ip route add local fd00::/108 dev kube-ipvs0 table local src fd00:1::5', 'EEXIST', 'unknown', [
    device,
    '? bindings',
  ]),
  row([], anElement, 'ENOENT', 'unknown', ['? filter']),
  row([], anElement, 'EEXIST', 'unknown', ['? filter']),
  // what the operation presumed is gone
  row([aService, aDestination], '-E -t 10.96.0.10:80 -s wrr', 'ESRCH', 'known', []),
  row([aService, aDestination], '-a -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1', 'ESRCH', 'known', []),
  row([aService, aDestination], aDestination.replace('-a', '-e'), 'ESRCH', 'known', []),
  row([aService, aDestination], '-d -t 10.96.0.10:80 -r 10.244.0.1:8080', 'ESRCH', 'known', []),
  row([aService, aDestination], aDestination.replace('-a', '-e'), 'ENOENT', 'known', [aService]),
  row(ours, 'ip addr add 10.96.0.11/32 dev kube-ipvs0', 'ENODEV', 'known', [aService, aDestination, '? bindings']),
  row(ours, 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'ENODEV', 'known', [aService, aDestination, '? bindings']),
  row(ours, 'ip link set kube-ipvs0 up', 'ENODEV', 'known', [aService, aDestination, '? bindings']),
  // a lost answer leaves what is known as it is, and in doubt
  row([], aService, 'unknown', 'unknown', [askService]),
  row([aService], '-E -t 10.96.0.10:80 -s wrr', 'unknown', 'unknown', [aService, askService]),
  row([aService], '-D -t 10.96.0.10:80', 'unknown', 'unknown', [aService, askService]),
  row([aService], aDestination, 'unknown', 'unknown', [aService, askService]),
  row([device], anAddress, 'unknown', 'unknown', [device, '? bindings']),
  row([], device, 'unknown', 'unknown', ['? bindings']),
  row([anElement], withoutElement, 'unknown', 'unknown', [anElement, '? filter']),
  // everything else the kernel will not do, which teaches nothing
  row([], aService, 'ENOENT', 'failed', []),
  row([], aService, 'ENOMEM', 'failed', []),
  row([aService], '-E -t 10.96.0.10:80 -s nonesuch', 'ENOENT', 'failed', [aService]),
  row([aService], aDestination, 'EINVAL', 'failed', [aService]),
  row([aService], aDestination, 'ERANGE', 'failed', [aService]),
  row([device], anAddress, 'EACCES', 'failed', [device]),
  row([device], 'ip route add local fd00::/108 dev kube-ipvs0 table local', 'ENETDOWN', 'failed', [device]),
  row([], device, 'EOPNOTSUPP', 'failed', []),
  row([], anElement, 'ENOSPC', 'failed', []),
];

for (const { before, op, answer, outcome, after } of rows) {
  const said = typeof answer === 'object' ? answer.errno : answer;
  test(`"${op}" answered ${said}, knowing ${before.length} things, is ${outcome}`, () => {
    const actual = knowing(...before);
    assert.equal(fold(actual, parseOp(op), answer, 0), outcome);
    assert.deepEqual(known(actual), after);
  });
}

const ofIPv6 = 'nft add element ip6 kube-ipvs services { fd00:96::10 . tcp . 80 }';
const tables: readonly [verb: 'add' | 'edit' | 'delete', answer: string, outcome: Outcome, after: readonly string[]][] =
  [
    ['add', 'done', 'applied', ['same', ofIPv6]],
    ['edit', 'done', 'applied', ['same', anElement, ofIPv6]],
    ['delete', 'done', 'applied', ['absent', ofIPv6]],
    ['delete', 'ENOENT', 'applied', ['absent', ofIPv6]],
    ['edit', 'ENOENT', 'unknown', ['other', anElement, ofIPv6, '? filter']],
    ['add', 'unknown', 'unknown', ['other', anElement, ofIPv6, '? filter']],
    ['add', 'ENOMEM', 'failed', ['other', anElement, ofIPv6]],
  ];

for (const [verb, said, outcome, after] of tables) {
  test(`of a table, ${verb} answered ${said} is ${outcome}, and one made anew or deleted holds nothing`, () => {
    const actual = knowing(anElement, ofIPv6);
    actual.filter.tables.set(4, 'other');
    const op: Op = { kind: 'table', verb, table: { family: 4, sets: [], chains: [] } };
    assert.equal(fold(actual, op, answerOf(said), 0), outcome);
    assert.deepEqual([actual.filter.tables.get(4), ...known(actual)], after);
    assert.deepEqual([actual.filter.count(4), actual.filter.count(6)], [after.includes(anElement) ? 1 : 0, 1]);
  });
}

test('a destination drains from the moment its weight became 0, and no longer once it has weight', () => {
  const actual = knowing(aService, aDestination);
  const since = () => actual.service('10.96.0.10:80/TCP')?.destinations.get('10.244.0.1:8080')?.drainingSince;
  const withWeight = (weight: number) => parseOp(aDestination.replace('-a', '-e').replace('-w 1', `-w ${weight}`));
  assert.equal(since(), undefined);
  fold(actual, withWeight(0), 'done', 5_000);
  assert.equal(since(), 5_000);
  fold(actual, withWeight(0), 'done', 9_000);
  assert.equal(since(), 5_000, 'a repeated answer does not start it anew');
  fold(actual, withWeight(1), 'done', 10_000);
  assert.equal(since(), undefined);
});
