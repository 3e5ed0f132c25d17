/** The Kernel of a real Linux network namespace: operations to records, records to facts, errnos to names. Owns its sockets. */

import { constants } from 'node:os';
import { type Answer, type Binding, bindingId, deviceName, type Op } from '../model/op.ts';
import type { Family } from '../model/address.ts';
import type { NodeAddress } from '../model/cluster.ts';
import type { Element, Table } from '../model/filter.ts';
import type { Flow, ObservedSetting, Timeouts } from '../model/node-state.ts';
import type { ObservedDestination } from '../model/destination.ts';
import type { ObservedVirtualService, ServiceTraffic, VirtualServiceKey } from '../model/virtual-service.ts';
import {
  type Addon,
  type AddressMonitor,
  type IpvsSocket,
  loadAddon,
  type NativeAnswers,
  type NativeLink,
  type RouteSocket,
  type SocketOptions,
} from './addon.ts';
import { appendAnswers, answerOf, errnoName, unsent } from './answers.ts';
import type { ElementOp } from './element-records.ts';
import { type Answers, type Device, type Kernel, KernelError, type TableState } from './kernel.ts';
import { NativeFilter, type TableOp } from './native-filter.ts';
import { NativeNode } from './native-node.ts';
import { NetworkNamespace } from './network-namespace.ts';
import {
  decodeDestinations,
  decodeServices,
  decodeServicesAt,
  decodeTraffic,
  encodeIpvs,
  encodeKeys,
  encodeSchedulerProbes,
  ipvsEntrySize,
  type IpvsOp,
} from './ipvs-records.ts';
import {
  asBinding,
  decodeRoutes,
  encodeRoutes,
  nodeAddressesOf,
  type RouteEntry,
  type RouteOp,
  routeRecordSize,
} from './route-records.ts';
import { inSlices } from './slices.ts';
import { Reading } from './reading.ts';
import { explain } from './refusals.ts';

/** rtnetlink's kind of kube-ipvs0. */
const deviceKind = 'dummy';
/** RTPROT_KERNEL, linux/rtnetlink.h: the kernel's own local route of each address. */
const kernelRoute = 2;

export function openKernel(options: { readonly netns?: string | undefined } = {}): Kernel {
  const addon = loadAddon();
  try {
    return new NativeKernel(addon, options.netns);
  } catch (error) {
    throw explain(error, { netns: options.netns });
  }
}

class NativeKernel implements Kernel {
  readonly #addon: Addon;
  readonly #options: SocketOptions;
  readonly #ipvs: IpvsSocket;
  readonly #route: RouteSocket;
  readonly #filter: NativeFilter;
  readonly #node: NativeNode;
  readonly #namespace: NetworkNamespace | undefined;
  readonly #services = new Reading<readonly ObservedVirtualService[]>();
  readonly #bindings = new Reading<Bindings>();
  readonly #monitors = new Set<AddressMonitor>();
  #isClosed = false;
  /** Index of kube-ipvs0 as of the last look; 0: look first. Never that of another kind of device of its name, which is not ours. */
  #ifindex = 0;
  /** What the last look found of {@link Bindings.seen}, but for what we have deleted or changed since: what comes there is as we make it. */
  #lastSeen = new Map<string, RouteEntry>();

  constructor(addon: Addon, netns: string | undefined) {
    this.#addon = addon;
    this.#options = netns === undefined ? {} : { netns };
    this.#ipvs = new addon.IpvsSocket(this.#options);
    this.#route = new addon.RouteSocket(this.#options);
    this.#namespace = netns === undefined ? undefined : new NetworkNamespace(netns);
    this.#filter = new NativeFilter((table) => {
      this.#mustBeUsable();
      return new addon.NftablesSocket({ ...this.#options, table });
    });
    this.#node = new NativeNode(addon, this.#options, () => this.#mustBeUsable());
  }

  async apply(ops: readonly Op[]): Promise<Answers> {
    const answers: Answer[] = [];
    let milliseconds = 0;
    for (const run of runs(ops)) {
      const native = await this.#guard(() => this.#send(run));
      milliseconds += native.nanoseconds / 1e6;
      appendAnswers(answers, native);
    }
    return { answers, milliseconds };
  }

  async services(): Promise<readonly ObservedVirtualService[]> {
    const dump = await this.#guard(() => this.#ipvs.services());
    return this.#services.of([dump], async () => {
      const found: ObservedVirtualService[] = [];
      await inSlices(dump, ipvsEntrySize, (slice) => found.push(...decodeServices(slice)));
      return found;
    });
  }

  async servicesAt(keys: readonly VirtualServiceKey[]): Promise<readonly (ObservedVirtualService | undefined)[]> {
    const { records, errnos } = await this.#guard(() => this.#ipvs.service(encodeKeys(keys)));
    const unsaid = errnos.find((errno) => errno !== 0 && errno !== constants.errno.ESRCH);
    if (unsaid !== undefined) throw unanswered(unsaid);
    return decodeServicesAt(records, errnos);
  }

  async destinations(services: readonly VirtualServiceKey[]): Promise<readonly (readonly ObservedDestination[])[]> {
    const { records, counts } = await this.#guard(() => this.#ipvs.destinations(encodeKeys(services)));
    return decodeDestinations(records, counts);
  }

  async traffic(): Promise<readonly ServiceTraffic[]> {
    return decodeTraffic(await this.#guard(() => this.#ipvs.traffic()));
  }

  async device(): Promise<Device | undefined> {
    const link = await this.#link();
    if (link === undefined) return undefined;
    if (link.kind !== deviceKind) {
      throw new KernelError(
        'FOREIGN_DEVICE',
        `${deviceName} exists but is ${link.kind === '' ? 'no dummy device' : `a ${link.kind}, not a dummy device`}: ` +
          `rename or delete it (ip link delete ${deviceName})`,
      );
    }
    return { kind: link.kind, up: link.up };
  }

  async bindings(): Promise<readonly Binding[]> {
    const link = await this.#link();
    if (link?.kind !== deviceKind) return [];
    const addresses = await this.#records(() => this.#route.addresses(link.index));
    const routes = await this.#records(() => this.#route.localRoutes(link.index));
    const { bindings, seen } = await this.#bindings.of([addresses, routes], () => toBindings(addresses, routes));
    this.#lastSeen = new Map(seen);
    return bindings;
  }

  async nodeAddresses(): Promise<readonly NodeAddress[]> {
    const links = await this.#guard(() => this.#route.links());
    const ours = links.find(({ name }) => name === deviceName)?.index ?? 0;
    return nodeAddressesOf(links, await this.#guard(() => this.#route.otherAddresses(ours)));
  }

  /** What we do to kube-ipvs0 ourselves is no news: a start would tell of thousands of addresses, each change of one. */
  watchAddresses(onChange: () => void): { close(): void } {
    this.#mustBeUsable();
    const monitor = new this.#addon.AddressMonitor(this.#options, onChange);
    monitor.ref();
    monitor.ignore(this.#ifindex);
    this.#monitors.add(monitor);
    return {
      close: () => {
        this.#monitors.delete(monitor);
        monitor.close();
      },
    };
  }

  async tables(wanted: readonly Table[]): Promise<readonly TableState[]> {
    return this.#filter.tables(wanted);
  }

  async elements(family: Family): Promise<readonly Element[]> {
    return this.#filter.elements(family);
  }

  async rehearse(tables: readonly Table[]): Promise<void> {
    await this.#filter.rehearse(tables);
  }

  async otherFilterChanges(): Promise<number> {
    return this.#filter.otherChanges();
  }

  async flows(services: readonly VirtualServiceKey[]): Promise<readonly Flow[]> {
    return this.#node.flows(services);
  }

  async settings(names: readonly string[]): Promise<readonly ObservedSetting[]> {
    return this.#guard(() => this.#node.settings(names));
  }

  async timeouts(): Promise<Timeouts> {
    return this.#guard(() => this.#ipvs.timeouts());
  }

  async schedulers(names: readonly string[]): Promise<readonly string[]> {
    const { errnos } = await this.#guard(() => this.#ipvs.apply(encodeSchedulerProbes(names)));
    return names.filter((_, i) => errnos[i] !== constants.errno.ENOENT);
  }

  close(): void {
    this.#isClosed = true;
    this.#ipvs.close();
    this.#route.close();
    this.#filter.close();
    this.#node.close();
  }

  /** Before anything is asked by the name of the namespace, or opened by it: nobody would close that any more, or it would be in another. */
  #mustBeUsable(): void {
    if (this.#isClosed) throw explain({ code: 'ERR_CLOSED', message: '' }, {});
    this.#namespace?.mustBeThere();
  }

  async #send({ channel, ops }: Run): Promise<NativeAnswers> {
    switch (channel) {
      case 'ipvs':
        return this.#ipvs.apply(encodeIpvs(ops));
      case 'device':
        return this.#sendDevice(ops);
      case 'binding':
        return this.#sendBindings(ops);
      case 'table':
        return this.#filter.apply(ops[0]!);
      case 'element':
        return this.#filter.applyElements(ops);
      case 'flow':
        return this.#node.deleteFlows(ops.map(({ flow }) => flow));
      case 'setting':
        return this.#node.applySetting(ops[0]!.setting);
      case 'timeouts':
        return answerOf(() => this.#ipvs.setTimeouts(ops[0]!.timeouts));
      default:
        return channel satisfies never;
    }
  }

  /** The kernel is told the name, which another kind of device may have by now. */
  async #sendDevice(ops: readonly RouteOp[]): Promise<NativeAnswers> {
    const link = ops[0]!.verb === 'add' ? undefined : await this.#link();
    if (link !== undefined && link.kind !== deviceKind) return unsent(ops.length, constants.errno.ENODEV);
    this.#ifindex = 0;
    return this.#route.apply(encodeRoutes(ops, 0));
  }

  async #sendBindings(ops: readonly RouteOp[]): Promise<NativeAnswers> {
    if (this.#ifindex === 0) await this.#link();
    // What the kernel says to bindings of a device that is not there; without its index it cannot even be asked.
    if (this.#ifindex === 0) return unsent(ops.length, constants.errno.ENODEV);
    const lastSeen = (binding: Binding) => this.#lastSeen.get(bindingId(binding));
    const answers = await this.#route.apply(encodeRoutes(ops, this.#ifindex, lastSeen));
    ops.forEach((op, i) => {
      if (op.kind === 'binding' && op.verb !== 'add' && answers.errnos[i] === 0)
        this.#lastSeen.delete(bindingId(op.binding));
    });
    return answers;
  }

  async #link(): Promise<NativeLink | undefined> {
    const links = await this.#guard(() => this.#route.links());
    const link = links.find(({ name }) => name === deviceName);
    this.#ifindex = link?.kind === deviceKind ? link.index : 0;
    for (const monitor of this.#monitors) monitor.ignore(this.#ifindex);
    return link;
  }

  /** A dump's records; none where the device went away since it was looked up (ENODEV). */
  async #records(dump: () => Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      return await dump();
    } catch (error) {
      const reason = explain(error, {});
      if (reason.code === 'ENODEV') return new Uint8Array();
      throw reason;
    }
  }

  async #guard<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw explain(error, {});
    }
  }
}

type Run =
  | { readonly channel: 'ipvs'; readonly ops: IpvsOp[] }
  | { readonly channel: 'device' | 'binding'; readonly ops: RouteOp[] }
  | { readonly channel: 'table'; readonly ops: TableOp[] }
  | { readonly channel: 'element'; readonly ops: ElementOp[] }
  | { readonly channel: 'flow'; readonly ops: Extract<Op, { kind: 'flow' }>[] }
  | { readonly channel: 'setting'; readonly ops: Extract<Op, { kind: 'setting' }>[] }
  | { readonly channel: 'timeouts'; readonly ops: Extract<Op, { kind: 'timeouts' }>[] };

const channels: Readonly<Record<Op['kind'], Run['channel']>> = {
  service: 'ipvs',
  destination: 'ipvs',
  device: 'device',
  binding: 'binding',
  table: 'table',
  element: 'element',
  flow: 'flow',
  setting: 'setting',
  timeouts: 'timeouts',
};
const together: ReadonlySet<Run['channel']> = new Set(['ipvs', 'binding', 'element', 'flow']);

/** Neighbouring operations that one request can hold, in order. A device is a run of its own: what follows needs its index. */
function* runs(ops: readonly Op[]): Generator<Run> {
  for (let start = 0; start < ops.length; ) {
    const channel = channels[ops[start]!.kind];
    let end = start + 1;
    while (together.has(channel) && end < ops.length && channels[ops[end]!.kind] === channel) end++;
    yield { channel, ops: ops.slice(start, end) } as Run;
    start = end;
  }
}

/** Neither "there it is" nor "there is none": to take it for absence would be hope. */
function unanswered(errno: number): KernelError {
  const code = errno < 0 ? 'ENOBUFS' : errnoName(errno);
  return new KernelError(code, `the kernel did not say whether a virtual service exists (${code}): run again`);
}

interface Bindings {
  readonly bindings: readonly Binding[];
  /** Routes, which somebody else may have made with any protocol (`ip route add` says boot, 3), and addresses that have a peer. */
  readonly seen: ReadonlyMap<string, RouteEntry>;
}

async function toBindings(addresses: Uint8Array, local: Uint8Array): Promise<Bindings> {
  const bindings: Binding[] = [];
  const seen = new Map<string, RouteEntry>();
  const see = (form: Binding['form'], entry: RouteEntry) => {
    const binding = asBinding(form, entry);
    bindings.push(binding);
    if (form === 'route' || entry.source !== undefined) seen.set(bindingId(binding), entry);
  };
  await inSlices(addresses, routeRecordSize, (slice) => {
    for (const entry of decodeRoutes(slice)) if (!isLinkScoped(entry.address)) see('address', entry);
  });
  await inSlices(local, routeRecordSize, (slice) => {
    for (const entry of decodeRoutes(slice)) if (entry.protocol !== kernelRoute) see('route', entry);
  });
  return { bindings, seen };
}

/** Loopback and IPv6 link-local addresses on the device are the kernel's own doing, never ours. */
function isLinkScoped(address: string): boolean {
  return /^fe[89ab]/.test(address) || address === '::1' || address.startsWith('127.');
}
