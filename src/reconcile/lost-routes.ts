/** Linux drops a device's IPv4 routes with its last IPv4 address (fib_disable_ip in fib_frontend.c, 6.1). */

import { familyOf } from '../model/address.ts';
import { type Binding, type BindingForm, bindingId, type Op } from '../model/op.ts';
import type { Actual } from './actual.ts';
import type { Desired } from './plan.ts';

/** Whether the device has an IPv4 address that none of these deletes. Costs O(unbind), and a look at the bindings up to that address. */
export function keepsIPv4Address(actual: Actual, unbind: readonly Op[]): boolean {
  const leaving = new Set(unbind.map((op) => (deletes(op, 'address') ? bindingId(op.binding) : '')));
  for (const [id, binding] of actual.bindings) if (isIPv4(binding, 'address') && !leaving.has(id)) return true;
  return false;
}

/**
 * The wanted routes, those that `bind` makes too, once more right behind the deletion that takes them along: in one request, so that nobody
 * waits for another pass. Costs O(bindings) where the last address goes.
 */
export function withLostRoutes(unbind: Op[], bind: readonly Op[], desired: Desired, actual: Actual): Op[] {
  const last = unbind.findLastIndex((op) => deletes(op, 'address') && familyOf(op.binding.address) === 4);
  if (last < 0) return unbind;
  const bound = bind.flatMap((op) => (op.kind === 'binding' && op.verb !== 'delete' ? [op.binding] : []));
  if (bound.some((binding) => isIPv4(binding, 'address')) || keepsIPv4Address(actual, unbind)) return unbind;
  const routes = new Map<string, Binding>();
  for (const binding of [...actual.bindings.values(), ...bound]) {
    const wanted = isIPv4(binding, 'route') ? desired.wantedBinding(binding) : undefined;
    if (wanted !== undefined) routes.set(bindingId(wanted), wanted);
  }
  const again = [...routes.values()].map((binding): Op => ({ kind: 'binding', verb: 'add', binding }));
  return [...unbind.slice(0, last + 1), ...again, ...unbind.slice(last + 1)];
}

function deletes(op: Op, form: BindingForm): op is Extract<Op, { kind: 'binding' }> {
  return op.kind === 'binding' && op.verb === 'delete' && op.binding.form === form;
}

function isIPv4({ form, address }: Binding, asked: BindingForm): boolean {
  return form === asked && familyOf(address) === 4;
}
