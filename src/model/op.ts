/** One change to the kernel, as a frozen value; and what the kernel answered to it. */

import type { Address } from './address.ts';
import type { Destination, DestinationKey } from './destination.ts';
import type { Element, Table } from './filter.ts';
import type { Flow, Timeouts, WantedSetting } from './node-state.ts';
import type { VirtualService, VirtualServiceKey } from './virtual-service.ts';

/** The dummy device that makes virtual addresses local. */
export const deviceName = 'kube-ipvs0';

/** How an address became local: held by the device, or routed to it (`ip route add local … dev kube-ipvs0`). */
export type BindingForm = 'address' | 'route';

export interface Binding {
  readonly form: BindingForm;
  readonly address: Address;
  readonly prefix: number;
  /** Preferred source of the host's own packets; routes only. */
  readonly source?: Address;
  /** A route for packets of this type of service alone, which is another route than the one for all; IPv4 only, and never one of ours. */
  readonly tos?: number;
}

/**
 * Linux takes no IPv6 route through a device that is down ("Nexthop device is not up", ENETDOWN; route.c, 6.1). Before it goes up it
 * is told to make no link-local address of its own; one request with both would set it up first (do_setlink in rtnetlink.c, 6.1).
 */
export type DeviceChange = 'addrgenmode none' | 'up';

export type Op =
  /** `add` leaves the device down, which is all that addresses need. */
  | { readonly kind: 'device'; readonly verb: 'add' | 'delete' }
  | { readonly kind: 'device'; readonly verb: 'edit'; readonly change: DeviceChange }
  | { readonly kind: 'service'; readonly verb: 'add' | 'edit'; readonly service: VirtualService }
  | { readonly kind: 'service'; readonly verb: 'delete'; readonly service: VirtualServiceKey }
  | {
      readonly kind: 'destination';
      readonly verb: 'add' | 'edit';
      readonly service: VirtualServiceKey;
      readonly destination: Destination;
    }
  | {
      readonly kind: 'destination';
      readonly verb: 'delete';
      readonly service: VirtualServiceKey;
      readonly destination: DestinationKey;
    }
  /** `edit` gives a route another preferred source. */
  | { readonly kind: 'binding'; readonly verb: 'add' | 'edit' | 'delete'; readonly binding: Binding }
  /** `add` makes the whole table anew, with empty sets; `edit` makes chains and rules anew and keeps the sets' elements. */
  | { readonly kind: 'table'; readonly verb: 'add' | 'edit' | 'delete'; readonly table: Table }
  | { readonly kind: 'element'; readonly verb: 'add' | 'delete'; readonly element: Element }
  | { readonly kind: 'flow'; readonly verb: 'delete'; readonly flow: Flow }
  | { readonly kind: 'setting'; readonly verb: 'edit'; readonly setting: WantedSetting }
  | { readonly kind: 'timeouts'; readonly verb: 'edit'; readonly timeouts: Timeouts };

export type Verb = Op['verb'];

/**
 * What the kernel said to one operation: `done`, a refusal, or `unknown` (its answer was lost: ENOBUFS, a truncated reply;
 * what the operation touched must be read again).
 */
export type Answer = 'done' | 'unknown' | Refusal;

export interface Refusal {
  /** Symbolic name, e.g. `EEXIST`. */
  readonly errno: string;
  /** The kernel's extended-acknowledgement text, when it gave one. */
  readonly text?: string;
}

export function bindingId(binding: Binding): string {
  const tos = binding.tos === undefined ? '' : ` tos ${binding.tos}`;
  return `${binding.form} ${binding.address}/${binding.prefix}${tos}`;
}
