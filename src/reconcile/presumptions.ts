/**
 * Whether what an operation presumes is the case when its turn comes. A plan is made before its first operation is answered; what
 * then fails must not leave a virtual service out of reach, or unmarked as ours. Pure; costs O(1) where no cost is stated.
 */

import { type Address, familyOf } from '../model/address.ts';
import { type Binding, bindingId, type Op } from '../model/op.ts';
import type { Actual } from './actual.ts';
import type { Plan } from './plan.ts';

export class Presumptions {
  readonly #actual: Actual;
  readonly #wantsBinding: (binding: Binding) => boolean;
  readonly #leaving: ReadonlySet<string>;
  #routesMayGo: boolean | undefined;

  constructor(actual: Actual, { ops }: Plan, wantsBinding: (binding: Binding) => boolean) {
    this.#actual = actual;
    this.#wantsBinding = wantsBinding;
    this.#leaving = new Set(ops.unbind.map((op) => (op.kind === 'binding' ? bindingId(op.binding) : '')));
  }

  /**
   * A virtual service needs the device that will mark it as ours; a destination needs its virtual service; an address is bound only
   * when a virtual service answers on it, and unbound only when none is left (it is what marks them as ours).
   */
  hold(op: Op): boolean {
    const actual = this.#actual;
    switch (op.kind) {
      case 'service':
        return op.verb !== 'add' || actual.device !== 'absent';
      case 'destination':
        return actual.service(op.service.id) !== undefined;
      case 'binding':
        if (op.verb === 'add') return actual.device !== 'absent' && actual.hasServiceAt(op.binding.address);
        return this.#mayUnbind(op.binding);
      case 'device':
        return op.verb !== 'delete' || actual.bindings.size === 0;
      default:
        return op satisfies never;
    }
  }

  #mayUnbind(binding: Binding): boolean {
    if (!this.#actual.servedBy(binding).every((address) => this.#staysHeld(address))) return false;
    return binding.form === 'route' || familyOf(binding.address) === 6 || this.#mayDropRoutes();
  }

  /** A wanted binding holds the address, as after a change of --vip-binding. */
  #staysHeld(address: Address): boolean {
    return this.#actual.holders(address).some(this.#wantsBinding);
  }

  /**
   * With its last IPv4 address the device loses its IPv4 routes. Those that are wanted are made again by the next pass; the others
   * may go only when they serve nobody. Costs O(bindings) once a turn.
   */
  #mayDropRoutes(): boolean {
    this.#routesMayGo ??= this.#keepsIPv4Address() || this.#unwantedRoutesServeNobody();
    return this.#routesMayGo;
  }

  #keepsIPv4Address(): boolean {
    return [...this.#actual.bindings].some(
      ([id, { form, address }]) => form === 'address' && familyOf(address) === 4 && !this.#leaving.has(id),
    );
  }

  #unwantedRoutesServeNobody(): boolean {
    return [...this.#actual.bindings.values()].every(
      (binding) =>
        binding.form === 'address' || this.#wantsBinding(binding) || this.#actual.servedBy(binding).length === 0,
    );
  }
}
