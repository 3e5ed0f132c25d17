/**
 * What the reconciler asks of a kernel. Two implement it: the native adapter (netlink) and the fake of the tests,
 * which answers with the kernel's own errnos.
 */

import type { Family } from '../model/address.ts';
import type { NodeAddress } from '../model/cluster.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Flow, ObservedSetting, Timeouts } from '../model/node-state.ts';
import type { ObservedDestination } from '../model/destination.ts';
import type { Answer, Binding, Op } from '../model/op.ts';
import type { ObservedVirtualService, ServiceTraffic, VirtualServiceKey } from '../model/virtual-service.ts';

export interface Answers {
  /** One per operation, in the order given. */
  readonly answers: readonly Answer[];
  /** Milliseconds spent in the exchange with the kernel. */
  readonly milliseconds: number;
}

/** kube-ipvs0 as the kernel shows it; `kind` is rtnetlink's link kind (`dummy` when it is ours). */
export interface Device {
  readonly kind: string;
  readonly up: boolean;
}

/**
 * How a table of ours compares with the wanted one. `other rules`: its sets are right, a chain or a rule is not. `other`: a set
 * is missing or of another type, so that it must be made anew.
 */
export type TableState = 'absent' | 'same' | 'other rules' | 'other';

export interface Kernel {
  /** Applies in order; later operations run after an earlier one was refused. Rejects only when the channel is broken. */
  apply(ops: readonly Op[]): Promise<Answers>;
  /**
   * Every virtual service of the network namespace, without fwmark services (those are never ours). As long as nothing changes the
   * answer may be the same array.
   */
  services(): Promise<readonly ObservedVirtualService[]>;
  /** Those of the given that exist; one request each, so for repair and not for a full read. */
  servicesAt(keys: readonly VirtualServiceKey[]): Promise<readonly (ObservedVirtualService | undefined)[]>;
  /** The destinations of each given service, in order; empty for a service that does not exist. One dump each. */
  destinations(services: readonly VirtualServiceKey[]): Promise<readonly (readonly ObservedDestination[])[]>;
  /** What went through every virtual service of the network namespace, up to two seconds late. One dump. */
  traffic(): Promise<readonly ServiceTraffic[]>;
  /** kube-ipvs0, or undefined when there is none. */
  device(): Promise<Device | undefined>;
  /**
   * Addresses on kube-ipvs0 and local routes to it, without the kernel's own route of each address. As long as nothing changes the
   * answer may be the same array.
   */
  bindings(): Promise<readonly Binding[]>;
  /** Addresses of all devices but kube-ipvs0. */
  nodeAddresses(): Promise<readonly NodeAddress[]>;
  /** Calls back after an address or a device came, changed or went, or when that may have been missed; until it is closed. */
  watchAddresses(onChange: () => void): { close(): void };
  /** One answer for each wanted table. */
  tables(wanted: readonly Table[]): Promise<readonly TableState[]>;
  /**
   * Has the kernel load the modules that the tables need, by transactions that it must refuse: they change nothing, and nothing has to
   * be known of a cluster. A node's first tables then take no longer than any others.
   */
  rehearse(tables: readonly Table[]): Promise<void>;
  /** A number that is another after somebody else changed the nf_tables of the network namespace; what was changed through here does not count. */
  otherFilterChanges(): Promise<number>;
  /** Every element of our sets in the table of the family; those that no set of ours can hold are left out. */
  elements(family: Family): Promise<readonly Element[]>;
  /**
   * Tracked connections of UDP and SCTP whose original destination is one of the virtual services; none on a kernel that does not show
   * them. One look through the kernel's table.
   */
  flows(services: readonly VirtualServiceKey[]): Promise<readonly Flow[]>;
  /** In the order of the names. */
  settings(names: readonly string[]): Promise<readonly ObservedSetting[]>;
  timeouts(): Promise<Timeouts>;
  /** Which of the schedulers the kernel has or can load. Changes no table. */
  schedulers(names: readonly string[]): Promise<readonly string[]>;
  close(): void;
}

/**
 * The kernel cannot be used at all. `code` is stable: `EPERM` (no CAP_NET_ADMIN), `NO_IPVS`, `NO_NFTABLES`, `NO_DUMMY`,
 * `NO_NETNS`, `FOREIGN_DEVICE` (kube-ipvs0 is not a dummy), `DUMP_INTERRUPTED`, `CLOSED`, or an errno name. The message says the cure.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
