/** Plans as text: what is wanted, what is there, and the operations between, in their order. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Destination } from '../../src/model/destination.ts';
import { type Binding, bindingId } from '../../src/model/op.ts';
import { opText, parseOp } from '../../src/model/text.ts';
import type { VirtualService, VirtualServiceKey } from '../../src/model/virtual-service.ts';
import { Actual } from '../../src/reconcile/actual.ts';
import { fold } from '../../src/reconcile/fold.ts';
import { type Desired, type Limits, type Plan, phases, plan, type Wanted } from '../../src/reconcile/plan.ts';
import { address } from '../support/cluster.ts';

const thisPass = 5;
const now = 100_000;

interface Case {
  /** What is wanted and what is there, in ipvsadm-save and ip lines. */
  readonly wanted?: readonly string[];
  readonly there?: readonly string[];
  /** `service destination active inactive`, as a dump of this pass showed. */
  readonly connections?: readonly string[];
  readonly device?: boolean;
  readonly limits?: Partial<Limits>;
}

function planOf({ wanted = [], there = [], connections = [], device = true, limits = {} }: Case): Plan {
  const actual = new Actual();
  actual.observeBindings(undefined, []);
  for (const line of there) fold(actual, parseOp(line), 'done', now);
  for (const found of actual.services.values()) found.ours = false;
  for (const line of connections) {
    const [service = '', destination = '', active, inactive] = line.split(' ');
    const found = actual.service(service)!.destinations.get(destination)!;
    found.connections = { active: Number(active), inactive: Number(inactive) };
    found.observedIn = thisPass;
  }
  const desired = desiredBy(wanted, device);
  const keys = {
    services: new Map<string, VirtualServiceKey>([
      ...desired.services,
      ...[...actual.services].map(([id, { service }]) => [id, service] as const),
    ]).values(),
    bindings: new Map<string, Binding>([...desired.bindings, ...actual.bindings]).values(),
  };
  const all: Limits = { mayDelete: true, mayDrain: true, excluded: () => false, drainTimeout: undefined, ...limits };
  return plan(keys, desired, actual, all, thisPass, now);
}

function desiredBy(lines: readonly string[], device: boolean) {
  const services = new Map<string, VirtualService>();
  const destinations = new Map<string, Destination[]>();
  const bindings = new Map<string, Binding>();
  for (const line of lines) {
    const op = parseOp(line);
    if (op.kind === 'service' && op.verb === 'add') services.set(op.service.id, op.service);
    if (op.kind === 'destination' && op.verb === 'add') {
      destinations.set(op.service.id, [...(destinations.get(op.service.id) ?? []), op.destination]);
    }
    if (op.kind === 'binding') bindings.set(bindingId(op.binding), op.binding);
  }
  const desired: Desired = {
    device,
    wanted: (id): Wanted | undefined => {
      const service = services.get(id);
      return service && { service, destinations: destinations.get(id) ?? [] };
    },
    wantsBinding: (binding) => bindings.has(bindingId(binding)),
  };
  return { ...desired, services, bindings };
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

const rows: readonly (Case & { readonly what: string; readonly ops: readonly string[] })[] = [
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
    what: 'an endpoint that returns while it drains gets its weight back in place',
    wanted: [web, webPod(1), webAddress],
    there: [device, web, webPod(1, 0), webAddress],
    connections: ['10.96.0.10:80/TCP 10.244.0.1:8080 5 5'],
    ops: ['-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'],
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
    what: 'a change of the binding binds anew before it unbinds',
    wanted: [web, webRoute],
    there: [device, web, webAddress],
    ops: [webRoute, 'ip addr delete 10.96.0.10/32 dev kube-ipvs0'],
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
    limits: { mayDelete: false },
    ops: ['-d -t 10.96.0.10:80 -r 10.244.0.2:8080'],
  },
];

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
  assert.deepEqual(draining.unchanged, { services: 1, destinations: 1, addresses: 1 });
  assert.deepEqual(draining.held, []);

  const { held } = planOf({ there: [device, old, oldAddress], limits: { mayDelete: false } });
  assert.deepEqual(held, ['10.96.0.99:80/TCP', 'address 10.96.0.99/32']);
});

test('keys that nobody asks about are not looked at', () => {
  const actual = new Actual();
  actual.observeBindings({ kind: 'dummy', up: false }, []);
  for (const line of [web, webPod(1), webAddress]) fold(actual, parseOp(line), 'done', now);
  const none = { services: [], bindings: [] };
  const limits: Limits = { mayDelete: true, mayDrain: true, excluded: () => false, drainTimeout: undefined };
  assert.deepEqual(lines(plan(none, desiredBy([], true), actual, limits, thisPass, now)), []);
});
