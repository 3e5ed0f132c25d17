/**
 * An operation and the kernel's answer in; the new `actual` and what it means for the key out. Adding what is there and deleting
 * what is not are knowledge, not failures: the table below says, per operation and errno, what the kernel thereby told us.
 */

import type { Timeouts } from '../model/node-state.ts';
import type { Answer, Op } from '../model/op.ts';
import type { Actual } from './actual.ts';

/**
 * `applied`: as asked. `known`: refused, but now we know what is there, and the next diff takes it from here.
 * `unknown`: must be read again. `failed`: the kernel will not. `declined`: it will not, and nothing needs it.
 */
export type Outcome = 'applied' | 'known' | 'unknown' | 'failed' | 'declined';

export function fold(actual: Actual, op: Op, answer: Answer, now: number): Outcome {
  if (answer === 'done') {
    applyTo(actual, op, now);
    return 'applied';
  }
  if (answer === 'unknown') {
    if (op.kind === 'service' && op.verb === 'add') actual.asked(op.service);
    forget(actual, op);
    return 'unknown';
  }
  if (op.kind === 'setting' && !op.setting.required) {
    const { name } = op.setting;
    actual.settings.set(name, { value: actual.settings.get(name)?.value, writable: false });
    return 'declined';
  }
  const lesson = isOtherRoute(op, answer.errno) ? 'read again' : lessons[op.kind][op.verb]?.[answer.errno];
  if (lesson === undefined) return 'failed';
  return learn(actual, op, lesson, now);
}

/** What a refusal teaches. */
type Lesson =
  /** Exactly what was asked for is the case already. */
  | 'is so'
  /** It is there, but not known how it is configured. */
  | 'read again'
  /** The virtual service that the operation presumes is gone. */
  | 'service gone'
  /** The destination that the operation presumes is gone. */
  | 'destination gone'
  /** kube-ipvs0 is gone, and all that it held: bindings that were right must be looked at, too. */
  | 'device gone';

/** Errnos as Linux 6.1 gives them; ip_vs_ctl.c, devinet.c, addrconf.c, fib_frontend.c, ip6_fib.c, rtnetlink.c, nf_tables_api.c. */
const lessons: Readonly<Record<Op['kind'], Partial<Record<Op['verb'], Readonly<Record<string, Lesson>>>>>> = {
  service: {
    add: { EEXIST: 'read again' },
    edit: { ESRCH: 'service gone' },
    delete: { ESRCH: 'is so' },
  },
  destination: {
    add: { EEXIST: 'read again', ESRCH: 'service gone' },
    edit: { ENOENT: 'destination gone', ESRCH: 'service gone' },
    delete: { ENOENT: 'is so', ESRCH: 'service gone' },
  },
  binding: {
    add: { EEXIST: 'is so', ENODEV: 'device gone' },
    edit: { ENOENT: 'read again', ENODEV: 'device gone' },
    delete: { EADDRNOTAVAIL: 'is so', ENXIO: 'is so', ESRCH: 'is so', ENODEV: 'device gone' },
  },
  table: { edit: { ENOENT: 'read again' }, delete: { ENOENT: 'is so' } },
  element: { add: { ENOENT: 'read again', EEXIST: 'read again' }, delete: { ENOENT: 'is so' } },
  flow: { delete: { ENOENT: 'is so' } },
  setting: {},
  timeouts: {},
  device: {
    add: { EEXIST: 'read again' },
    edit: { ENODEV: 'device gone' },
    delete: { ENODEV: 'is so' },
  },
};

/** An IPv6 route that is there already may have another preferred source, which the kernel does not look at (fib6_add_rt2node). */
function isOtherRoute(op: Op, errno: string): boolean {
  return op.kind === 'binding' && op.verb === 'add' && op.binding.form === 'route' && errno === 'EEXIST';
}

function learn(actual: Actual, op: Op, lesson: Lesson, now: number): Outcome {
  switch (lesson) {
    case 'is so':
      applyTo(actual, op, now);
      return 'applied';
    case 'read again':
      forget(actual, op);
      return 'unknown';
    case 'service gone':
      if (op.kind === 'service' || op.kind === 'destination') actual.deleteService(op.service.id);
      return 'known';
    case 'destination gone':
      if (op.kind === 'destination') actual.service(op.service.id)?.destinations.delete(op.destination.id);
      return 'known';
    case 'device gone':
      actual.deleteDevice();
      actual.bindingsUnknown = true;
      return 'known';
    default:
      return lesson satisfies never;
  }
}

function applyTo(actual: Actual, op: Op, now: number): void {
  switch (op.kind) {
    case 'service':
      if (op.verb === 'delete') actual.deleteService(op.service.id);
      else actual.setService(op.service, op.verb === 'add');
      return;
    case 'destination': {
      const service = actual.service(op.service.id);
      if (service === undefined) return;
      if (op.verb === 'delete') service.destinations.delete(op.destination.id);
      else actual.setDestination(service, op.destination, now);
      return;
    }
    case 'binding':
      if (op.verb === 'delete') actual.deleteBinding(op.binding);
      else actual.setBinding(op.binding);
      return;
    case 'device':
      if (op.verb === 'edit') {
        if (op.change === 'up') actual.device = { kind: 'dummy', up: true };
      } else if (op.verb === 'add') actual.device = { kind: 'dummy', up: false };
      else actual.deleteDevice();
      return;
    case 'table':
      if (op.verb === 'edit') actual.filter.tables.set(op.table.family, 'same');
      else actual.filter.emptyTable(op.table.family, op.verb === 'add' ? 'same' : 'absent');
      return;
    case 'element':
      if (op.verb === 'add') actual.filter.setElement(op.element);
      else actual.filter.deleteElement(op.element);
      return;
    case 'setting':
      actual.settings.set(op.setting.name, { value: op.setting.value, writable: true });
      return;
    case 'timeouts':
      actual.timeouts = merged(op.timeouts, actual.timeouts);
      return;
    case 'flow':
      return;
    default:
      op satisfies never;
  }
}

function forget(actual: Actual, op: Op): void {
  switch (op.kind) {
    case 'service':
    case 'destination':
      actual.unknown.set(op.service.id, op.service);
      return;
    case 'binding':
    case 'device':
      actual.bindingsUnknown = true;
      return;
    case 'table':
    case 'element':
      actual.filter.unknown = true;
      return;
    case 'setting':
    case 'timeouts':
      actual.settingsUnknown = true;
      return;
    case 'flow':
      return;
    default:
      op satisfies never;
  }
}

/** ip_vs_set_timeout: 0 keeps what is. */
function merged(wanted: Timeouts, known: Timeouts | undefined): Timeouts {
  const of = (key: keyof Timeouts) => (wanted[key] === 0 ? (known?.[key] ?? 0) : wanted[key]);
  return { tcp: of('tcp'), tcpFin: of('tcpFin'), udp: of('udp') };
}
