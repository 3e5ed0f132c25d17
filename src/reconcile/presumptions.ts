/**
 * Whether what an operation presumes is the case when its turn comes. A plan is made before its first operation is answered; what
 * then fails must not leave a virtual service out of reach, or unmarked as ours. To be asked once for each operation, in order; costs
 * O(1) where no cost is stated.
 */

import { type Address, type Family, familyOf, hostPrefix } from '../model/address.ts';
import { type Binding, bindingId, type Op } from '../model/op.ts';
import type { Actual, ActualService } from './actual.ts';
import type { VirtualServiceKey } from '../model/virtual-service.ts';
import { elementOf, serviceOf } from './actual-filter.ts';
import { keepsIPv4Address } from './lost-routes.ts';
import { type Desired, isKeptElsewhere, isReplaced, type Plan } from './plan.ts';

export class Presumptions {
  readonly #actual: Actual;
  readonly #desired: Desired;
  readonly #unbind: readonly Op[];
  #routesMayGo: boolean | undefined;
  #keepsIPv4Address = false;
  /** By virtual service, how many destinations take connections and were not let go. Counted when the first leaves, after the new ones. */
  readonly #servers = new Map<string, number>();

  constructor(actual: Actual, { ops }: Plan, desired: Desired) {
    this.#actual = actual;
    this.#desired = desired;
    this.#unbind = ops.unbind;
  }

  /**
   * Whether what the operation presumes is so in the kernel:
   *
   * - A virtual service is added when the device is there, and all that the packet filter must know of it.
   * - A destination is added when its virtual service is there. It leaves only when another one takes connections, or when none is wanted
   *   that would take any.
   * - An address is bound when a virtual service answers on it, and unbound when none is left or something else holds the address.
   * - A route that goes with the last IPv4 address is made again when that one goes.
   * - An element that marks a virtual service as ours goes after the virtual service, and sources that may reach it after what keeps all
   *   others away. None comes or goes in a table that is to be made anew, which is empty then.
   */
  hold(op: Op): boolean {
    const actual = this.#actual;
    switch (op.kind) {
      case 'service':
        return op.verb !== 'add' || (actual.device !== 'absent' && this.#isAnnounced(op.service));
      case 'destination':
        return this.#mayChangeDestination(op);
      case 'binding':
        return op.verb === 'delete' ? this.#letsUnbind(op.binding) : this.#mayBind(op.binding);
      case 'device':
        return op.verb !== 'delete' || actual.bindings.size === 0;
      case 'table':
        return op.verb !== 'delete' || actual.filter.count(op.table.family) === 0;
      case 'element':
        return this.#mayChange(op);
      case 'flow':
      case 'setting':
      case 'timeouts':
        return true;
      default:
        return op satisfies never;
    }
  }

  #mayChangeDestination({ verb, service, destination }: Extract<Op, { kind: 'destination' }>): boolean {
    const known = this.#actual.service(service.id);
    if (known === undefined) return false;
    const isTaking = known.destinations.get(destination.id)?.destination.weight !== 0;
    const leaves = isTaking && (verb === 'delete' || (verb === 'edit' && destination.weight === 0));
    return !leaves || !this.#wantsToServe(service) || this.#letGo(destination.id, known);
  }

  /** Whether others stay. Those that were let go before do not: the answers come when all of them are under way. */
  #letGo(leaving: string, { service, destinations }: ActualService): boolean {
    const servers = this.#servers.get(service.id) ?? serversOf(destinations);
    const others = destinations.has(leaving) ? servers - 1 : servers;
    this.#servers.set(service.id, others > 0 ? others : servers);
    return others > 0;
  }

  #wantsToServe({ id }: VirtualServiceKey): boolean {
    return this.#desired.wanted(id)?.destinations.some(({ weight }) => weight > 0) === true;
  }

  /** The packet filter knows of the virtual service: that it is ours, and whom it must keep away. */
  #isAnnounced(service: VirtualServiceKey): boolean {
    const { filter } = this.#actual;
    const restriction = this.#desired.wantedElement(elementOf(service, 'restricted').id);
    return filter.marks(service) && (restriction === undefined || filter.has(restriction));
  }

  #mayBind(binding: Binding): boolean {
    const stays = this.#keepsIPv4Address && this.#actual.bindings.has(bindingId(binding));
    return this.#actual.device !== 'absent' && this.#isServed(binding) && !stays;
  }

  #letsUnbind(binding: Binding): boolean {
    const lets = this.#mayUnbind(binding);
    if (!lets && binding.form === 'address' && familyOf(binding.address) === 4) this.#keepsIPv4Address = true;
    return lets;
  }

  /** A route for a whole network holds addresses that virtual services will have. */
  #isServed({ address, prefix }: Binding): boolean {
    return prefix < hostPrefix(familyOf(address)) || this.#actual.hasServiceAt(address);
  }

  #mayChange({ verb, element }: Extract<Op, { kind: 'element' }>): boolean {
    const { filter } = this.#actual;
    const table = filter.tables.get(element.family);
    if (table === 'absent' || (table === 'other' && this.#wantsTable(element.family))) return false;
    if (verb === 'add' || this.#desired.wantedElement(element.id) !== undefined) return true;
    if (element.set === 'allowedSources') {
      const restriction = elementOf(serviceOf(element), 'restricted');
      return !filter.has(restriction) || this.#desired.wantedElement(restriction.id) !== undefined;
    }
    if (element.set !== 'services') return true;
    const marked = this.#actual.service(serviceOf(element).id);
    // an IPv4-mapped address in the set of IPv6 reads as IPv4's, of which it marks nothing
    return marked === undefined || elementOf(marked.service, 'services').id !== element.id;
  }

  #wantsTable(family: Family): boolean {
    return this.#desired.tables.some((table) => table.family === family);
  }

  #mayUnbind(binding: Binding): boolean {
    if (isReplaced(binding, this.#desired)) return true;
    if (!this.#isNeedless(binding)) return false;
    return binding.form === 'route' || familyOf(binding.address) === 6 || this.#mayDropRoutes();
  }

  /** Something else holds all that it serves. */
  #isNeedless(binding: Binding): boolean {
    const isHeld = (address: Address) =>
      this.#staysHeld(address) || isKeptElsewhere(address, this.#desired, this.#actual);
    return this.#actual.servedBy(binding).every(isHeld);
  }

  #wants(binding: Binding): boolean {
    return this.#desired.wantedBinding(binding) !== undefined;
  }

  /** A wanted binding holds the address, as after a change of --vip-binding. */
  #staysHeld(address: Address): boolean {
    return this.#actual.holders(address).some((binding) => this.#wants(binding));
  }

  /**
   * With its last IPv4 address the device loses its IPv4 routes. Those that are wanted are made again right behind; the others may go
   * only when nobody needs them. Costs once a turn a look at the bindings up to the first IPv4 address that stays.
   */
  #mayDropRoutes(): boolean {
    this.#routesMayGo ??= keepsIPv4Address(this.#actual, this.#unbind) || this.#unwantedIPv4RoutesAreNeedless();
    return this.#routesMayGo;
  }

  #unwantedIPv4RoutesAreNeedless(): boolean {
    const routes = [...this.#actual.bindings.values()].filter(
      ({ form, address }) => form === 'route' && familyOf(address) === 4,
    );
    return routes.every((route) => this.#wants(route) || this.#isNeedless(route));
  }
}

/** How many take connections. Costs O(destinations). */
function serversOf(destinations: ActualService['destinations']): number {
  let servers = 0;
  for (const { destination } of destinations.values()) if (destination.weight > 0) servers++;
  return servers;
}
