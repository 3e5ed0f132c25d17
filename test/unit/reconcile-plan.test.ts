/** Plans as text: what is wanted, what is there, and the operations between, in their order. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableState } from '../../src/kernel/kernel.ts';
import type { Family } from '../../src/model/address.ts';
import type { Destination } from '../../src/model/destination.ts';
import type { Element, Table } from '../../src/model/filter.ts';
import { type Binding, bindingId } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import type { VirtualService, VirtualServiceKey } from '../../src/model/virtual-service.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { fold } from '../../src/reconcile/fold.ts';
import { type Desired, type Limits, type Plan, phases, plan, type Wanted } from '../../src/reconcile/plan.ts';
import { address } from '../support/cluster.ts';
import { parseOp } from '../support/parse-op.ts';

const thisPass = 5;
const now = 100_000;
const noLimits: Limits = { mayDelete: () => true, mayDrain: () => true, mayForget: () => true, excluded: () => false };

interface Case {
  /** What is wanted and what is there, in ipvsadm-save and ip lines. */
  readonly wanted?: readonly string[];
  readonly there?: readonly string[];
  /** `service destination active inactive`, as a dump of this pass showed. */
  readonly connections?: readonly string[];
  readonly device?: boolean;
  readonly limits?: Partial<Limits>;
  /** Of every wanted service. */
  readonly drainTimeout?: number;
  readonly tables?: readonly Table[];
  readonly tableStates?: readonly (readonly [Family, TableState])[];
}

function planOf(given: Case): Plan {
  const { wanted = [], there = [], connections = [], device = true, limits = {}, tableStates = [] } = given;
  const actual = new Actual();
  actual.deleteDevice();
  actual.bindingsUnknown = false;
  for (const line of there) fold(actual, parseOp(line), 'done', now);
  for (const [family, state] of tableStates) actual.filter.tables.set(family, state);
  for (const found of actual.services.values()) found.ours = false;
  for (const line of connections) {
    const [service = '', destination = '', active, inactive] = line.split(' ');
    const found = actual.service(service)!.destinations.get(destination)!;
    found.connections = { active: Number(active), inactive: Number(inactive) };
    found.observedIn = thisPass;
  }
  const desired = desiredBy(wanted, device, given);
  const keys = {
    services: new Map<string, VirtualServiceKey>([
      ...desired.services,
      ...[...actual.services].map(([id, { service }]) => [id, service] as const),
    ]).values(),
    bindings: new Map<string, Binding>([...desired.bindings, ...actual.bindings]).values(),
    elements: new Map<string, Element>([...desired.elements, ...actual.filter.elements]).values(),
  };
  const all: Limits = { ...noLimits, ...limits };
  return plan(keys, desired, actual, all, thisPass, now);
}

function desiredBy(lines: readonly string[], device: boolean, { drainTimeout, tables = [] }: Case = {}) {
  const services = new Map<string, VirtualService>();
  const destinations = new Map<string, Destination[]>();
  const bindings = new Map<string, Binding>();
  const elements = new Map<string, Element>();
  for (const line of lines) {
    const op = parseOp(line);
    if (op.kind === 'service' && op.verb === 'add') services.set(op.service.id, op.service);
    if (op.kind === 'destination' && op.verb === 'add') {
      destinations.set(op.service.id, [...(destinations.get(op.service.id) ?? []), op.destination]);
    }
    if (op.kind === 'binding') bindings.set(bindingId(op.binding), op.binding);
    if (op.kind === 'element') elements.set(op.element.id, op.element);
  }
  const desired: Desired = {
    device,
    wanted: (id): Wanted | undefined => {
      const service = services.get(id);
      return service && { service, destinations: destinations.get(id) ?? [], drainTimeout };
    },
    wantedBinding: (binding) => bindings.get(bindingId(binding)),
    holds: () => false,
    isHeldElsewhere: () => false,
    wantedElement: (id) => elements.get(id),
    tables,
    settings: [],
    timeouts: undefined,
  };
  return { ...desired, services, bindings, elements };
}

function lines({ ops }: Plan): string[] {
  return phases.flatMap((phase) => ops[phase].map(opText));
}

const device = 'ip link add kube-ipvs0 type dummy';
const web = '-A -t 10.96.0.10:80 -s rr';
const webPod = (octet: number, weight = 1) => `-a -t 10.96.0.10:80 -r 10.244.0.${octet}:8080 -m -w ${weight}`;
const webAddress = 'ip addr add 10.96.0.10/32 dev kube-ipvs0';
const webRoute = 'ip route add local 10.96.0.10/32 dev kube-ipvs0 table local';
const old = '-A -t 10.96.0.99:80 -s rr';
const oldPod = '-a -t 10.96.0.99:80 -r 10.244.0.9:8080 -m -w 1';
const oldAddress = 'ip addr add 10.96.0.99/32 dev kube-ipvs0';
const old6Address = 'ip addr add fd00::99/128 dev kube-ipvs0';
const wideRoute = 'ip route add local 10.97.0.0/16 dev kube-ipvs0 table local';

const rows: (Case & { readonly what: string; readonly ops: readonly string[] })[] = [
  {
    what: 'from nothing: device, virtual service, destinations, address',
    wanted: [web, webPod(1), webPod(2), webAddress],
    ops: [device, web, webPod(1), webPod(2), webAddress],
  },
  {
    what: 'to nothing: destinations, virtual service, address, device',
    there: [device, web, webPod(1), webAddress],
    device: false,
    ops: [
      '-d -t 10.96.0.10:80 -r 10.244.0.1:8080',
      '-D -t 10.96.0.10:80',
      'ip addr delete 10.96.0.10/32 dev kube-ipvs0',
      'ip link delete kube-ipvs0',
    ],
  },
  {
    what: 'what is as it should be needs no operation',
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1), webAddress],
    ops: [],
  },
  {
    what: 'another scheduler is an edit of the virtual service, its destinations stay',
    wanted: [web.replace('rr', 'wlc'), webPod(1), webAddress],
    there: [device, web, webPod(1), webAddress],
    ops: ['-E -t 10.96.0.10:80 -s wlc'],
  },
  {
    what: 'persistence is an edit',
    wanted: [`${web} -p 60`, webPod(1), webAddress],
    there: [device, web, webPod(1), webAddress],
    ops: ['-E -t 10.96.0.10:80 -s rr -p 60'],
  },
  {
    what: 'a weight that somebody changed is edited back',
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1, 7), webAddress],
    ops: ['-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'],
  },
  {
    what: 'who is to take connections takes them before others, who are wanted too, take none',
    wanted: [web, webPod(1, 0), webPod(2, 1), webAddress],
    there: [device, web, webPod(1, 1), webPod(2, 0), webAddress],
    ops: ['-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 1', '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0'],
  },
  {
    what: 'an endpoint that returns while it drains gets its weight back in place',
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1, 0), webAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.1:8080 5 5'],
    ops: ['-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'],
  },
  {
    what: 'an endpoint that takes connections again does so before another one ceases, after all else that serves',
    wanted: [web, webPod(1, 0), webPod(2, 3), webPod(3), webAddress],
    there: [device, web, webPod(1), webPod(2, 0)],
    ops: [
      webPod(3),
      '-e -t 10.96.0.10:80 -r 10.244.0.2:8080 -m -w 3',
      webAddress,
      '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
    ],
  },
  {
    what: 'when all endpoints are replaced the new ones come before the old ones go',
    wanted: [web, webPod(3), webPod(4), webAddress],
    there: [device, web, webPod(1), webPod(2), webAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.1:8080 1 0', '10.96.0.10:80/TCP 10.244.0.2:8080 0 0'],
    ops: [
      webPod(3),
      webPod(4),
      '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 0',
      '-d -t 10.96.0.10:80 -r 10.244.0.2:8080',
    ],
  },
  {
    what: 'everything at once, phase by phase',
    wanted: [
      '-A -t 10.96.0.11:80 -s rr',
      '-a -t 10.96.0.11:80 -r 10.244.0.5:8080 -m -w 1',
      'ip addr add 10.96.0.11/32 dev kube-ipvs0',
      `${web} -p 60`,
      webPod(1),
      webPod(2),
      webAddress,
    ],
    there: [device, web, webPod(1, 3), webPod(3), webPod(4), webAddress, old, oldPod, oldAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.3:8080 1 0', '10.96.0.10:80/TCP 10.244.0.4:8080 0 0'],
    ops: [
      '-A -t 10.96.0.11:80 -s rr',
      '-a -t 10.96.0.11:80 -r 10.244.0.5:8080 -m -w 1',
      webPod(2),
      '-E -t 10.96.0.10:80 -s rr -p 60',
      '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
      'ip addr add 10.96.0.11/32 dev kube-ipvs0',
      '-e -t 10.96.0.10:80 -r 10.244.0.3:8080 -m -w 0',
      '-d -t 10.96.0.10:80 -r 10.244.0.4:8080',
      '-d -t 10.96.0.99:80 -r 10.244.0.9:8080',
      '-D -t 10.96.0.99:80',
      'ip addr delete 10.96.0.99/32 dev kube-ipvs0',
    ],
  },
  {
    what: 'a change of the binding binds anew before it unbinds, and brings back at once what goes with the last IPv4 address',
    wanted: [web, webRoute, wideRoute],
    there: [device, web, webAddress, oldAddress, wideRoute, old6Address],
    ops: [
      webRoute,
      'ip addr delete 10.96.0.10/32 dev kube-ipvs0',
      'ip addr delete 10.96.0.99/32 dev kube-ipvs0',
      wideRoute,
      webRoute,
      'ip addr delete fd00::99/128 dev kube-ipvs0',
    ],
  },
  {
    what: 'an IPv6 address that stays keeps no IPv4 route',
    wanted: [web, webRoute, wideRoute],
    there: [device, web, webAddress, wideRoute, old6Address],
    limits: { excluded: (one) => one === 'fd00::99' },
    ops: [webRoute, 'ip addr delete 10.96.0.10/32 dev kube-ipvs0', wideRoute, webRoute],
  },
  {
    what: 'IPv4 routes are not made again while an IPv4 address stays',
    wanted: [web, webRoute],
    there: [device, web, webRoute, wideRoute, oldAddress, 'ip addr add 192.0.2.1/32 dev kube-ipvs0'],
    limits: { excluded: (one) => one === '192.0.2.1' },
    ops: [
      'ip route delete local 10.97.0.0/16 dev kube-ipvs0 table local',
      'ip addr delete 10.96.0.99/32 dev kube-ipvs0',
    ],
  },
  {
    what: 'routes stay when an IPv4 address comes as the last one goes',
    wanted: [web, webAddress, wideRoute],
    there: [device, web, wideRoute, oldAddress],
    ops: [webAddress, 'ip addr delete 10.96.0.99/32 dev kube-ipvs0'],
  },
  {
    what: 'an IPv6 address with another prefix, which Linux has instead of ours, goes right before ours comes',
    wanted: [web, webAddress, '-A -t [fd00::10]:80 -s rr', 'ip addr add fd00::10/128 dev kube-ipvs0'],
    there: [
      device,
      web,
      '-A -t [fd00::10]:80 -s rr',
      'ip addr add 10.96.0.10/24 dev kube-ipvs0',
      'ip addr add fd00::10/64 dev kube-ipvs0',
    ],
    ops: [
      webAddress,
      'ip addr delete fd00::10/64 dev kube-ipvs0',
      'ip addr add fd00::10/128 dev kube-ipvs0',
      'ip addr delete 10.96.0.10/24 dev kube-ipvs0',
    ],
  },
  {
    what: 'an IPv6 route needs the device up, once, and before it',
    wanted: [
      '-A -t [fd00::10]:80 -s rr',
      '-A -t [fd00::11]:80 -s rr',
      'ip route add local fd00::10/128 dev kube-ipvs0 table local',
      'ip route add local fd00::11/128 dev kube-ipvs0 table local',
    ],
    there: [device],
    ops: [
      '-A -t [fd00::10]:80 -s rr',
      '-A -t [fd00::11]:80 -s rr',
      'ip link set kube-ipvs0 addrgenmode none',
      'ip link set kube-ipvs0 up',
      'ip route add local fd00::10/128 dev kube-ipvs0 table local',
      'ip route add local fd00::11/128 dev kube-ipvs0 table local',
    ],
  },
  {
    what: 'a device that is up is not set up again',
    wanted: ['-A -t [fd00::10]:80 -s rr', 'ip route add local fd00::10/128 dev kube-ipvs0 table local'],
    there: [device, 'ip link set kube-ipvs0 up', '-A -t [fd00::10]:80 -s rr'],
    ops: ['ip route add local fd00::10/128 dev kube-ipvs0 table local'],
  },
  {
    what: 'IPv4 routes and IPv6 addresses need no device that is up',
    wanted: [web, webRoute, '-A -t [fd00::10]:80 -s rr', 'ip addr add fd00::10/128 dev kube-ipvs0'],
    there: [device, web, '-A -t [fd00::10]:80 -s rr'],
    ops: [webRoute, 'ip addr add fd00::10/128 dev kube-ipvs0'],
  },
  {
    what: "a virtual service whose address the device does not hold is somebody else's",
    there: [device, web, webPod(1)],
    ops: [],
  },
  {
    what: 'a virtual service that a route of the device holds is ours, and goes',
    there: [device, web, 'ip route add local 10.96.0.0/12 dev kube-ipvs0 table local'],
    ops: ['-D -t 10.96.0.10:80', 'ip route delete local 10.96.0.0/12 dev kube-ipvs0 table local'],
  },
  {
    what: "somebody else's virtual service becomes ours when a Service claims it: edited, its destinations drained",
    wanted: [web, webPod(1), webAddress],
    there: [device, web.replace('rr', 'wlc'), '-a -t 10.96.0.10:80 -r 192.0.2.1:80 -g -w 3'],
    ops: [webPod(1), '-E -t 10.96.0.10:80 -s rr', webAddress, '-e -t 10.96.0.10:80 -r 192.0.2.1:80 -g -w 0'],
  },
  {
    what: 'nothing that is excluded goes, neither virtual service nor address nor device',
    there: [device, web, webPod(1), webAddress, old, oldAddress],
    limits: { excluded: (one) => one === address('10.96.0.10') },
    device: false,
    ops: ['-D -t 10.96.0.99:80', 'ip addr delete 10.96.0.99/32 dev kube-ipvs0'],
  },
  {
    what: 'an excluded address that a Service claims is served all the same',
    wanted: [web, webPod(1), webAddress],
    there: [device],
    limits: { excluded: () => true },
    ops: [web, webPod(1), webAddress],
  },
  {
    what: 'while something unread may claim it nothing unclaimed goes, but what is claimed is kept right',
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1), webPod(2), webAddress, old, oldAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.2:8080 0 0'],
    limits: { mayDelete: () => false },
    ops: ['-d -t 10.96.0.10:80 -r 10.244.0.2:8080'],
  },
];

const element = (key: string) => `nft add element ip kube-ipvs ${key}`;
const deletion = (key: string) => element(key).replace('add', 'delete');

rows.push(
  {
    what: 'what the packet filter knows of a virtual service comes before it, what closes a way last of that',
    wanted: [
      element('restricted { 10.96.0.10 . tcp . 80 }'),
      web,
      webAddress,
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
      element('services { 10.96.0.10 . tcp . 80 }'),
    ],
    there: [device],
    ops: [
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
      element('services { 10.96.0.10 . tcp . 80 }'),
      element('restricted { 10.96.0.10 . tcp . 80 }'),
      web,
      webAddress,
    ],
  },
  {
    what: 'it is forgotten after the virtual service and its address are gone, what closes a way first of that',
    there: [
      device,
      web,
      webAddress,
      element('services { 10.96.0.10 . tcp . 80 }'),
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
      element('restricted { 10.96.0.10 . tcp . 80 }'),
    ],
    ops: [
      '-D -t 10.96.0.10:80',
      'ip addr delete 10.96.0.10/32 dev kube-ipvs0',
      deletion('restricted { 10.96.0.10 . tcp . 80 }'),
      deletion('services { 10.96.0.10 . tcp . 80 }'),
      deletion('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
    ],
  },
  {
    what: 'other data of a map is a deletion and an addition side by side',
    wanted: [element('local-clients { 203.0.113.5 . tcp . 80 : 10.96.0.11 . 80 }')],
    there: [device, element('local-clients { 203.0.113.5 . tcp . 80 : 10.96.0.10 . 80 }')],
    ops: [
      deletion('local-clients { 203.0.113.5 . tcp . 80 }'),
      element('local-clients { 203.0.113.5 . tcp . 80 : 10.96.0.11 . 80 }'),
    ],
  },
  {
    what: 'a wider network takes the place of a narrower one, which goes first',
    wanted: [
      web,
      webAddress,
      element('restricted { 10.96.0.10 . tcp . 80 }'),
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.0.0/16 }'),
    ],
    there: [
      device,
      web,
      webAddress,
      element('restricted { 10.96.0.10 . tcp . 80 }'),
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
    ],
    ops: [
      deletion('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.0.0/16 }'),
    ],
  },
  {
    what: 'what only some might reach is open to all before these are forgotten',
    wanted: [web, webAddress],
    there: [
      device,
      web,
      webAddress,
      element('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
      element('restricted { 10.96.0.10 . tcp . 80 }'),
    ],
    ops: [
      deletion('restricted { 10.96.0.10 . tcp . 80 }'),
      deletion('allowed-sources { 10.96.0.10 . tcp . 80 . 192.0.2.0/24 }'),
    ],
  },
  {
    what: 'a virtual service that only one of our sets names is ours',
    there: [device, '-A -t 192.168.1.10:30080 -s rr', element('services { 192.168.1.10 . tcp . 30080 }')],
    ops: ['-D -t 192.168.1.10:30080', deletion('services { 192.168.1.10 . tcp . 30080 }')],
  },
  {
    what: 'with a virtual service at an excluded address stays all that the packet filter knows of it',
    there: [device, web, webAddress, element('services { 10.96.0.10 . tcp . 80 }')],
    limits: { excluded: () => true },
    ops: [],
  },
  {
    what: 'of a virtual service that a Service claims goes what it asks no more, excluded or not',
    wanted: [web, webAddress, element('services { 10.96.0.10 . tcp . 80 }')],
    there: [
      device,
      web,
      webAddress,
      element('services { 10.96.0.10 . tcp . 80 }'),
      element('masqueraded { 10.96.0.10 . tcp . 80 }'),
      element('without-local { 10.96.0.10 . tcp . 80 }'),
    ],
    limits: { excluded: () => true },
    ops: [deletion('without-local { 10.96.0.10 . tcp . 80 }'), deletion('masqueraded { 10.96.0.10 . tcp . 80 }')],
  },
  {
    what: 'of a virtual service that a Service claims goes what it asks no more, whatever the elements may be of others',
    wanted: [web, webAddress, element('services { 10.96.0.10 . tcp . 80 }')],
    there: [
      device,
      web,
      webAddress,
      element('services { 10.96.0.10 . tcp . 80 }'),
      element('restricted { 10.96.0.10 . tcp . 80 }'),
      element('restricted { 10.96.0.11 . tcp . 80 }'),
    ],
    limits: { mayDelete: (id) => !id.startsWith('ip restricted') },
    ops: [deletion('restricted { 10.96.0.10 . tcp . 80 }')],
  },
  {
    what: 'clients are not kept away for want of an endpoint here while an EndpointSlice may still tell of one',
    wanted: [element('without-local { 10.96.0.10 . tcp . 80 }'), element('without-local { 10.96.0.11 . tcp . 80 }')],
    there: [device],
    limits: { mayDrain: (id) => id !== '10.96.0.10:80/TCP' },
    ops: [element('without-local { 10.96.0.11 . tcp . 80 }')],
  },
  {
    what: 'the hairpin of an endpoint stays while an EndpointSlice may still name it',
    there: [
      device,
      element('hairpins { 10.244.0.1 . 10.244.0.1 . tcp . 8080 }'),
      element('hairpins { 10.244.0.2 . 10.244.0.2 . tcp . 8080 }'),
      element('masqueraded { 10.96.0.10 . tcp . 80 }'),
    ],
    limits: { mayForget: (id) => !id.includes('10.244.0.1') },
    ops: [
      deletion('hairpins { 10.244.0.2 . 10.244.0.2 . tcp . 8080 }'),
      deletion('masqueraded { 10.96.0.10 . tcp . 80 }'),
    ],
  },
  {
    what: 'a device that has no address any more is forgotten, whatever network its name looks like',
    there: [device, element('numbered-devices { eth0.100 }')],
    limits: { excluded: () => true },
    ops: [deletion('numbered-devices { eth0.100 }')],
  },
  {
    what: 'another preferred source changes the route in place',
    wanted: ['ip route add local 10.96.0.0/12 dev kube-ipvs0 table local src 192.168.1.10'],
    there: [device, 'ip route add local 10.96.0.0/12 dev kube-ipvs0 table local src 192.168.1.9'],
    ops: ['ip route change local 10.96.0.0/12 dev kube-ipvs0 table local src 192.168.1.10'],
  },
  {
    what: 'a table that is made anew gets all elements anew',
    wanted: [element('services { 10.96.0.10 . tcp . 80 }')],
    there: [device, element('services { 10.96.0.10 . tcp . 80 }')],
    tables: [{ family: 4, sets: [], chains: [] }],
    tableStates: [[4, 'other']],
    ops: ['nft add table ip kube-ipvs', element('services { 10.96.0.10 . tcp . 80 }')],
  },
  {
    what: 'other rules are made anew and the elements stay',
    wanted: [element('services { 10.96.0.10 . tcp . 80 }')],
    there: [device, element('services { 10.96.0.10 . tcp . 80 }')],
    tables: [{ family: 4, sets: [], chains: [] }],
    tableStates: [[4, 'other rules']],
    ops: ['nft flush table ip kube-ipvs'],
  },
  {
    what: 'a clean-up takes the tables last, the device before them',
    there: [device, element('services { 10.96.0.10 . tcp . 80 }')],
    device: false,
    tableStates: [
      [4, 'same'],
      [6, 'same'],
    ],
    ops: [
      deletion('services { 10.96.0.10 . tcp . 80 }'),
      'ip link delete kube-ipvs0',
      'nft delete table ip kube-ipvs',
      'nft delete table ip6 kube-ipvs',
    ],
  },
  {
    what: 'a table with an element that stays, stays',
    there: [device, element('services { 10.96.0.10 . tcp . 80 }')],
    limits: { excluded: () => true },
    device: false,
    tableStates: [[4, 'same']],
    ops: ['ip link delete kube-ipvs0'],
  },
);

for (const { what, ops, ...given } of rows) {
  test(what, () => {
    assert.deepEqual(lines(planOf(given)), ops);
  });
}

test('a plan tells what drains, what is held back, and what needs nothing', () => {
  const draining = planOf({
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1), webPod(2), webPod(3, 0), webAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.2:8080 2 1', '10.96.0.10:80/TCP 10.244.0.3:8080 0 4'],
  });
  assert.deepEqual(
    draining.draining.map(({ service, destination, active, inactive }) => [
      service.id,
      destination.id,
      active,
      inactive,
    ]),
    [
      ['10.96.0.10:80/TCP', '10.244.0.2:8080', 2, 1],
      ['10.96.0.10:80/TCP', '10.244.0.3:8080', 0, 4],
    ],
  );
  assert.deepEqual(draining.unchanged, { services: 1, destinations: 1, addresses: 1, elements: 0 });
  assert.deepEqual(draining.held, []);

  const { held } = planOf({ there: [device, old, oldAddress], limits: { mayDelete: () => false } });
  assert.deepEqual(held, ['10.96.0.99:80/TCP', 'address 10.96.0.99/32']);
});

test('keys that nobody asks about are not looked at', () => {
  const actual = new Actual();
  actual.device = { kind: 'dummy', up: false };
  for (const line of [web, webPod(1), webAddress]) fold(actual, parseOp(line), 'done', now);
  const none = { services: [], bindings: [], elements: [] };
  assert.deepEqual(lines(plan(none, desiredBy([], true), actual, noLimits, thisPass, now)), []);
});
