/** What must be the case before an operation is sent, since an earlier one of its plan may have failed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingId, type Op } from '../../src/model/op.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { fold } from '../../src/reconcile/fold.ts';
import { type Desired, type Phase, type Plan, phases } from '../../src/reconcile/plan.ts';
import { Presumptions } from '../../src/reconcile/presumptions.ts';
import { parseOp } from '../support/parse-op.ts';

const device = 'ip link add kube-ipvs0 type dummy';
const web = '-A -t 10.96.0.10:80 -s rr';
const address = 'ip addr add 10.96.0.10/32 dev kube-ipvs0';
const other = 'ip addr add 10.96.0.11/32 dev kube-ipvs0';
const route = 'ip route add local 10.96.0.10/32 dev kube-ipvs0 table local';
const wide = 'ip route add local 10.96.0.0/16 dev kube-ipvs0 table local';
const mark = 'nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }';
const mark6 = 'nft add element ip6 kube-ipvs services { ::ffff:10.96.0.10 . tcp . 80 }';
const web6 = '-A -t [fd00::10]:80 -s rr';
const address6 = 'ip addr add fd00::10/128 dev kube-ipvs0';
const route6 = 'ip route add local fd00::10/128 dev kube-ipvs0 table local';

const restriction = 'nft add element ip kube-ipvs restricted { 10.96.0.10 . tcp . 80 }';
const source = 'nft add element ip kube-ipvs allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }';
const deletedTable = 'nft delete table ip kube-ipvs';
const noTable: Op = { kind: 'table', verb: 'delete', table: { family: 4, sets: [], chains: [] } };

interface Row {
  readonly what: string;
  readonly known: readonly string[];
  /** Virtual services whose state is not known. */
  readonly inDoubt?: readonly string[];
  readonly op: string;
  /** What else the plan unbinds. */
  readonly unbinds?: readonly string[];
  /** Bindings, elements and destinations that are wanted. */
  readonly wanted?: readonly string[];
  /** Addresses of other devices. */
  readonly heldElsewhere?: readonly string[];
  readonly holds: boolean;
}

const pod = (i: number, weight = 1) => `-a -t 10.96.0.10:80 -r 10.244.0.${i}:8080 -m -w ${weight}`;
const deletion = (line: string) => line.replace(/^(ip (?:addr|route)|nft) add/, '$1 delete');

const rows: readonly Row[] = [
  { what: 'a virtual service is added when device and mark are there', known: [device, mark], op: web, holds: true },
  { what: 'a virtual service is not added without the device', known: [mark], op: web, holds: false },
  { what: 'a virtual service is not added before a set names it as ours', known: [device], op: web, holds: false },
  {
    what: 'a virtual service that only some may reach is not added before that is known',
    known: [device, mark],
    wanted: [restriction],
    op: web,
    holds: false,
  },
  {
    what: 'a virtual service that only some may reach is added once that is known',
    known: [device, mark, restriction],
    wanted: [restriction],
    op: web,
    holds: true,
  },
  {
    what: 'an element is not added to a table that is not there',
    known: [deletedTable],
    op: mark,
    holds: false,
  },
  {
    what: 'the mark stays while its virtual service is there',
    known: [device, mark, web],
    op: deletion(mark),
    holds: false,
  },
  {
    what: 'what is in the set of IPv6 marks no virtual service of IPv4, and goes',
    known: [device, mark, mark6, web],
    op: deletion(mark6),
    holds: true,
  },
  {
    what: 'a source that may reach a virtual service stays while all others are kept away',
    known: [device, mark, web, restriction, source],
    op: deletion(source),
    holds: false,
  },
  {
    what: 'a source goes when nobody is kept away any more',
    known: [device, mark, web, source],
    op: deletion(source),
    holds: true,
  },
  {
    what: 'a source goes when only others are to reach the virtual service',
    known: [device, mark, web, restriction, source],
    wanted: [restriction],
    op: deletion(source),
    holds: true,
  },
  { what: 'the mark goes after its virtual service', known: [device, mark], op: deletion(mark), holds: true },
  { what: 'a virtual service is edited without a device', known: [web], op: '-E -t 10.96.0.10:80 -s wlc', holds: true },
  {
    what: 'a destination is added to a virtual service',
    known: [device, web],
    op: '-a -t 10.96.0.10:80 -r 10.244.0.1:80 -m -w 1',
    holds: true,
  },
  {
    what: 'a destination is not added to none',
    known: [device],
    op: '-a -t 10.96.0.10:80 -r 10.244.0.1:80 -m -w 1',
    holds: false,
  },
  { what: 'an address is bound where a virtual service answers', known: [device, web], op: address, holds: true },
  { what: 'an address is not bound where none answers', known: [device], op: address, holds: false },
  { what: 'an address is not bound where one may answer', known: [device], inDoubt: [web], op: address, holds: false },
  { what: 'an address is not bound without a device', known: [web], op: address, holds: false },
  { what: 'an address goes when nobody answers on it', known: [device, address], op: deletion(address), holds: true },
  {
    what: 'an address stays while a virtual service is there',
    known: [device, web, address],
    op: deletion(address),
    holds: false,
  },
  {
    what: 'an address stays while a virtual service may be there',
    known: [device, address],
    inDoubt: [web],
    op: deletion(address),
    holds: false,
  },
  {
    what: 'an address goes when a wanted binding holds it too',
    known: [device, web6, address6, route6],
    op: deletion(address6),
    wanted: [route6],
    holds: true,
  },
  {
    what: 'an address stays when the other binding is not wanted either',
    known: [device, web6, address6, route6],
    op: deletion(address6),
    holds: false,
  },
  {
    what: 'an IPv6 address with another prefix makes room for the wanted one, whatever it serves',
    known: [device, web6, 'ip addr add fd00::10/64 dev kube-ipvs0'],
    op: 'ip addr delete fd00::10/64 dev kube-ipvs0',
    wanted: [address6],
    holds: true,
  },
  {
    what: 'an IPv4 address with another prefix stays until the wanted one is there',
    known: [device, web, 'ip addr add 10.96.0.10/24 dev kube-ipvs0'],
    op: 'ip addr delete 10.96.0.10/24 dev kube-ipvs0',
    wanted: [address],
    holds: false,
  },
  {
    what: 'an address goes when another device has it too, and an element marks its virtual service',
    known: [device, mark, web, address],
    op: deletion(address),
    heldElsewhere: ['10.96.0.10'],
    holds: true,
  },
  {
    what: 'an address stays while nothing else marks its virtual service, whatever other devices have',
    known: [device, mark, web, '-A -u 10.96.0.10:53 -s rr', address],
    op: deletion(address),
    heldElsewhere: ['10.96.0.10'],
    holds: false,
  },
  {
    what: 'a wide route stays while a virtual service inside has nothing else',
    known: [device, web, wide],
    op: deletion(wide),
    holds: false,
  },
  {
    what: 'a wide route goes when every virtual service inside has its own wanted binding',
    known: [device, web, wide, address],
    op: deletion(wide),
    wanted: [address],
    holds: true,
  },
  {
    what: 'the last IPv4 address stays while a route that goes with it marks a virtual service',
    known: [device, web, route, other],
    op: deletion(other),
    holds: false,
  },
  {
    what: 'the last IPv4 address goes when the routes that go with it are wanted, and so made again',
    known: [device, web, route, other],
    op: deletion(other),
    wanted: [route],
    holds: true,
  },
  {
    what: 'the last IPv4 address goes when a wanted route holds all that others serve which go with it',
    known: [device, web, route, wide, other],
    op: deletion(other),
    wanted: [route],
    holds: true,
  },
  {
    what: 'the last IPv4 address goes whatever IPv6 routes mark, which do not go with it',
    known: [device, web6, route6, other],
    op: deletion(other),
    holds: true,
  },
  {
    what: 'an IPv4 address goes when another one stays',
    known: [device, web, route, other, 'ip addr add 10.96.0.12/32 dev kube-ipvs0'],
    op: deletion(other),
    holds: true,
  },
  {
    what: 'IPv4 addresses that go together count as the last one',
    known: [device, web, route, other, 'ip addr add 10.96.0.12/32 dev kube-ipvs0'],
    op: deletion(other),
    unbinds: ['ip addr add 10.96.0.12/32 dev kube-ipvs0'],
    holds: false,
  },
  {
    what: 'IPv6 routes outlive IPv6 addresses',
    known: [device, web6, route6, 'ip addr add fd00::11/128 dev kube-ipvs0'],
    op: 'ip addr delete fd00::11/128 dev kube-ipvs0',
    holds: true,
  },
  { what: 'the device goes when it holds nothing', known: [device], op: 'ip link delete kube-ipvs0', holds: true },
  {
    what: 'the device stays while it holds something',
    known: [device, address],
    op: 'ip link delete kube-ipvs0',
    holds: false,
  },
  {
    what: 'the last destination that takes connections stays while one that is wanted is missing',
    known: [device, mark, web, pod(1)],
    wanted: [pod(2)],
    op: '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
    holds: false,
  },
  {
    what: 'the last destination that takes connections is not drained while one that is wanted is missing',
    known: [device, mark, web, pod(1), pod(3, 0)],
    wanted: [pod(2)],
    op: pod(1, 0).replace('-a', '-e'),
    holds: false,
  },
  {
    what: 'a destination goes when another takes connections',
    known: [device, mark, web, pod(1), pod(2)],
    wanted: [pod(2), pod(3)],
    op: '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
    holds: true,
  },
  {
    what: 'the last destination goes when none is wanted that would take connections',
    known: [device, mark, web, pod(1)],
    wanted: [pod(2, 0)],
    op: '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
    holds: true,
  },
  {
    what: 'a destination that takes no connections goes',
    known: [device, mark, web, pod(1, 0)],
    wanted: [pod(2)],
    op: '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
    holds: true,
  },
];

for (const { what, known, inDoubt = [], op, unbinds = [], wanted = [], heldElsewhere = [], holds } of rows) {
  test(what, () => {
    const actual = new Actual();
    actual.deleteDevice();
    actual.bindingsUnknown = false;
    for (const line of known) fold(actual, line === deletedTable ? noTable : parseOp(line), 'done', 0);
    for (const line of inDoubt) fold(actual, parseOp(line), 'unknown', 0);
    const unbind = [op, ...unbinds.map(deletion)].map(parseOp).filter(({ kind }) => kind === 'binding');
    const isWanted = new Set(
      wanted.map(parseOp).flatMap((one) => (one.kind === 'binding' ? [bindingId(one.binding)] : [])),
    );
    const elements = new Map(
      wanted.map(parseOp).flatMap((one) => (one.kind === 'element' ? [[one.element.id, one.element]] : [])),
    );
    const destinations = wanted
      .map(parseOp)
      .flatMap((one) => (one.kind === 'destination' && one.verb !== 'delete' ? [one.destination] : []));
    const asked = parseOp(web);
    assert.ok(asked.kind === 'service' && asked.verb === 'add');
    const { service } = asked;
    const presumptions = new Presumptions(actual, planTo(unbind), {
      ...nothing,
      wanted: (id) => (id === service.id ? { service, destinations, drainTimeout: undefined } : undefined),
      wantedElement: (id) => elements.get(id),
      wantedBinding: (binding) => (isWanted.has(bindingId(binding)) ? binding : undefined),
      isHeldElsewhere: (one) => heldElsewhere.includes(one),
    });
    assert.equal(presumptions.hold(parseOp(op)), holds);
  });
}

test('an address is unbound without a look at all the others', () => {
  const actual = new Actual();
  const ops = Array.from({ length: 1000 }, (_, i) =>
    parseOp(`ip addr add 10.96.${i >> 8}.${i & 255}/32 dev kube-ipvs0`),
  );
  for (const op of ops) fold(actual, op, 'done', 0);
  const entries = actual.bindings.entries.bind(actual.bindings);
  let looks = 0;
  actual.bindings[Symbol.iterator] = function* () {
    for (const entry of entries()) {
      looks++;
      yield entry;
    }
  } as typeof entries;
  const last = parseOp('ip addr delete 10.96.3.231/32 dev kube-ipvs0');
  assert.equal(new Presumptions(actual, planTo([last]), nothing).hold(last), true);
  assert.equal(looks, 1);
});

test('routes that go with the last IPv4 address are made again only when it goes', () => {
  const elsewhere = 'ip route add local 10.97.0.0/16 dev kube-ipvs0 table local';
  for (const [left, goes] of [
    [[web], false],
    [[], true],
  ] as const) {
    const actual = new Actual();
    actual.deleteDevice();
    for (const line of [device, address, elsewhere, ...left]) fold(actual, parseOp(line), 'done', 0);
    const ops = [parseOp(deletion(address)), parseOp(elsewhere)];
    const presumptions = new Presumptions(actual, planTo(ops), { ...nothing, wantedBinding: wantsOnly(elsewhere) });
    assert.deepEqual(
      ops.map((op) => presumptions.hold(op)),
      [goes, goes],
    );
  }
});

function wantsOnly(line: string): Desired['wantedBinding'] {
  const op = parseOp(line);
  const id = op.kind === 'binding' ? bindingId(op.binding) : '';
  return (binding) => (bindingId(binding) === id ? binding : undefined);
}

const nothing: Desired = {
  device: true,
  wanted: () => undefined,
  wantedBinding: () => undefined,
  holds: () => false,
  isHeldElsewhere: () => false,
  wantedElement: () => undefined,
  tables: [],
  settings: [],
  timeouts: undefined,
};

function planTo(unbind: readonly Op[]): Plan {
  const ops = Object.fromEntries(phases.map((phase) => [phase, [] as readonly Op[]])) as Record<Phase, readonly Op[]>;
  return {
    ops: { ...ops, unbind },
    draining: [],
    resting: [],
    held: [],
    kept: [],
    postponed: [],
    spared: [],
    unchanged: { services: 0, destinations: 0, addresses: 0, elements: 0 },
  };
}
