/**
 * A kernel in memory for tests: the tables of one network namespace, answering with the errnos of Linux 6.1. It fails on purpose
 * unless told not to (`faults`), counts what is asked of it, and starts from and prints as text (kernel-state.ts).
 */

import { type Answers, type Device, type Kernel, KernelError, type TableState } from '../../src/kernel/kernel.ts';
import type { NodeAddress } from '../../src/model/cluster.ts';
import type { Element, Table } from '../../src/model/filter.ts';
import { type Flow, flowId, flowService, type ObservedSetting, type Timeouts } from '../../src/model/node-state.ts';
import {
  type Address,
  type Family,
  addressBytes,
  cidrContains,
  cidrText,
  familyOf,
  parseAddress,
  parseCidr,
} from '../../src/model/address.ts';
import type { Connections, Destination, ObservedDestination } from '../../src/model/destination.ts';
import { type Answer, type Binding, bindingId, type DeviceChange, deviceName, type Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import type {
  ObservedVirtualService,
  VirtualService,
  ServiceTraffic,
  VirtualServiceKey,
} from '../../src/model/virtual-service.ts';
import { FakeFilter } from './fake-filter.ts';
import { applyWith, type Faults, randomFaults, throwReadFault } from '../../src/kernel/faults.ts';
import { stateText } from './kernel-state.ts';
import { parseOp } from './parse-op.ts';

export const kernelSchedulers: readonly string[] = 'rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos'.split(' ');

export interface FakeOptions {
  /** Default: one operation in ten suffers. */
  readonly faults?: Faults;
  readonly schedulers?: readonly string[];
  /** By name; default: as after boot. */
  readonly settings?: ReadonlyMap<string, ObservedSetting>;
}

/** What Linux 6.1 comes with, in a network namespace that is not the host's. */
const freshSettings: ReadonlyMap<string, ObservedSetting> = new Map(
  Object.entries({
    'net/ipv4/vs/conntrack': '0',
    'net/ipv4/vs/expire_nodest_conn': '0',
    'net/ipv4/vs/expire_quiescent_template': '0',
    'net/ipv4/ip_forward': '0',
    'net/ipv4/conf/all/arp_ignore': '0',
    'net/ipv4/conf/all/arp_announce': '0',
    'net/ipv6/conf/all/disable_ipv6': '0',
    'net/netfilter/nf_conntrack_tcp_timeout_established': '432000',
    'net/netfilter/nf_conntrack_tcp_timeout_close_wait': '60',
    'net/netfilter/nf_conntrack_tcp_be_liberal': '0',
    'net/netfilter/nf_conntrack_udp_timeout': '30',
    'net/netfilter/nf_conntrack_udp_timeout_stream': '120',
  }).map(([name, value]) => [name, { value, writable: true }]),
);

interface Entry {
  service: VirtualService;
  readonly destinations: Map<string, { destination: Destination; connections: Connections }>;
  traffic: Counters;
}

export type Counters = Omit<ServiceTraffic, 'service'>;

const idle: Connections = { active: 0, inactive: 0 };
const nothing: Counters = {
  connections: 0,
  incomingPackets: 0,
  outgoingPackets: 0,
  incomingBytes: 0,
  outgoingBytes: 0,
};

export class FakeKernel implements Kernel {
  faults: Faults;
  /** Requests that read, and operations that were to write, since the test last set them. */
  reads = 0;
  writes = 0;
  /** Looks through the tracked connections, which are not counted among the reads. */
  flowReads = 0;
  /** Called after every operation that changed something. */
  onChange: (op: Op) => void = () => {};

  readonly schedulerNames: Set<string>;
  readonly #services = new Map<string, Entry>();
  /** Services addressed by a firewall mark, and their destinations: lines that no Kernel ever reads. */
  readonly #marked = new Set<string>();
  /** What was changed on the device since it was made; undefined: there is none. */
  #device: Set<DeviceChange> | undefined;
  readonly #bindings = new Map<string, Binding>();
  readonly #otherAddresses = new Map<string, NodeAddress>();
  readonly #listeners = new Set<() => void>();
  readonly filter = new FakeFilter();
  /** By id. */
  readonly #flows = new Map<string, Flow>();
  readonly #settings: Map<string, ObservedSetting>;
  #timeouts: Timeouts = { tcp: 900, tcpFin: 120, udp: 300 };
  #closed = false;

  constructor({
    faults = randomFaults({ seed: 1, rate: 0.1 }),
    schedulers = kernelSchedulers,
    settings = freshSettings,
  }: FakeOptions = {}) {
    this.faults = faults;
    this.schedulerNames = new Set(schedulers);
    this.#settings = new Map(settings);
  }

  /** The kernel that the lines of a state describe. */
  static from(state: string, options?: FakeOptions): FakeKernel {
    const kernel = new FakeKernel(options);
    for (const line of stateText(state.split('\n')).split('\n')) if (line !== '') kernel.run(line);
    return kernel;
  }

  /** Somebody else's command, an ipvsadm or ip line; throws when the kernel refuses it. */
  run(line: string): void {
    if (/^-[Aa] -f /.test(line)) {
      this.#marked.add(line);
      return;
    }
    if (this.filter.run(line)) return;
    const other = /^ip addr (add|delete) (\S+)\/(\d+) dev (\S+)$/.exec(line);
    if (other !== null && other[4] !== deviceName) {
      const [, verb, text, , device] = other;
      queueMicrotask(() => {
        for (const tell of this.#listeners) tell();
      });
      if (verb === 'delete') this.#otherAddresses.delete(line.replace('delete', 'add'));
      else
        this.#otherAddresses.set(line, { address: parseAddress(text!)!, device: device!, loopback: device === 'lo' });
      return;
    }
    // Other devices are there when they have addresses.
    if (line.startsWith('ip link ') && !line.includes(deviceName)) return;
    const op = parseOp(line);
    const answer = this.#perform(op);
    if (op.kind === 'element') this.filter.otherChanges++;
    if (answer !== 'done') throw new Error(`${line}: ${JSON.stringify(answer)}`);
  }

  /** What a dump shows from now on. */
  setConnections(service: string, destination: string, connections: Connections): void {
    const found = this.#services.get(service)?.destinations.get(destination);
    if (found === undefined) throw new Error(`no destination ${destination} of ${service}`);
    found.connections = connections;
  }

  /** What a virtual service has counted since it was added. */
  setTraffic(service: string, traffic: Counters): void {
    const found = this.#services.get(service);
    if (found === undefined) throw new Error(`no virtual service ${service}`);
    found.traffic = traffic;
  }

  endAllConnections(): void {
    for (const { destinations } of this.#services.values())
      for (const found of destinations.values()) found.connections = idle;
  }

  /** A connection that conntrack has seen. */
  track(flow: Flow): void {
    this.#flows.set(flowId(flow), flow);
  }

  tracked(): Flow[] {
    return [...this.#flows.values()];
  }

  setting(name: string): string | undefined {
    return this.#settings.get(name)?.value;
  }

  /** What a test may look at without a read: virtual services with their destinations. */
  table(): ReadonlyMap<string, { readonly service: VirtualService; readonly destinations: readonly Destination[] }> {
    return new Map(
      [...this.#services].map(([id, { service, destinations }]) => [
        id,
        { service, destinations: [...destinations.values()].map(({ destination }) => destination) },
      ]),
    );
  }

  /** Whether packets to the address are the host's, by an address of the device or by a local route to it. */
  holds(address: Address): boolean {
    return this.#bindingOf(address) !== undefined;
  }

  /** What the host speaks from when it speaks to one of its own addresses: that, or what a route prefers; undefined: not its own. */
  sourceFor(address: Address): Address | undefined {
    const binding = this.#bindingOf(address);
    if (binding !== undefined) return binding.source ?? address;
    return this.addressesOfNode().find((held) => held.address === address)?.address;
  }

  #bindingOf(address: Address): Binding | undefined {
    return [...this.#bindings.values()].find((binding) =>
      binding.form === 'address' ? binding.address === address : cidrContains(binding, address),
    );
  }

  text(): string {
    const lines = [...this.#marked, ...this.#otherAddresses.keys()];
    if (this.#device !== undefined) lines.push(opText({ kind: 'device', verb: 'add' }));
    for (const change of this.#device ?? []) lines.push(opText({ kind: 'device', verb: 'edit', change }));
    for (const { service, destinations } of this.#services.values()) {
      lines.push(opText({ kind: 'service', verb: 'add', service }));
      for (const { destination } of destinations.values()) {
        lines.push(opText({ kind: 'destination', verb: 'add', service, destination }));
      }
    }
    for (const binding of this.#bindings.values()) lines.push(opText({ kind: 'binding', verb: 'add', binding }));
    return stateText(lines);
  }

  async apply(ops: readonly Op[]): Promise<Answers> {
    this.#mustBeOpen();
    const ofOperation = (op: Op) => {
      this.writes++;
      return this.faults.ofOperation(op);
    };
    return applyWith({ ...this.faults, ofOperation }, ops, async (sent) => {
      return { answers: sent.map((op) => this.#perform(op)), milliseconds: 0 };
    });
  }

  async services(): Promise<readonly ObservedVirtualService[]> {
    this.#read();
    return shuffled([...this.#services.values()].map(({ service }) => ({ service })));
  }

  async servicesAt(keys: readonly VirtualServiceKey[]): Promise<readonly (ObservedVirtualService | undefined)[]> {
    this.#read();
    return keys.map(({ id }) => {
      const entry = this.#services.get(id);
      return entry && { service: entry.service };
    });
  }

  async destinations(services: readonly VirtualServiceKey[]): Promise<readonly (readonly ObservedDestination[])[]> {
    this.#read();
    return services.map(({ id }) =>
      [...(this.#services.get(id)?.destinations.values() ?? [])].map((found) => ({ ...found })),
    );
  }

  async device(): Promise<Device | undefined> {
    this.#read();
    return this.#device && { kind: 'dummy', up: this.#device.has('up') };
  }

  async bindings(): Promise<readonly Binding[]> {
    this.#read();
    return [...this.#bindings.values()];
  }

  async nodeAddresses(): Promise<readonly NodeAddress[]> {
    this.#read();
    return this.addressesOfNode();
  }

  /** What a test may look at without a read. */
  addressesOfNode(): NodeAddress[] {
    return [...this.#otherAddresses.values()];
  }

  watchAddresses(onChange: () => void): { close(): void } {
    this.#listeners.add(onChange);
    return { close: () => this.#listeners.delete(onChange) };
  }

  async tables(wanted: readonly Table[]): Promise<readonly TableState[]> {
    this.#read();
    return wanted.map((table) => this.filter.state(table));
  }

  async elements(family: Family): Promise<readonly Element[]> {
    this.#read();
    return this.filter.elements(family);
  }

  async traffic(): Promise<readonly ServiceTraffic[]> {
    this.#read();
    return [...this.#services.values()].map(({ service: { id, protocol, address, port }, traffic }) => ({
      service: { id, protocol, address, port },
      ...traffic,
    }));
  }

  async rehearse(): Promise<void> {}

  async otherFilterChanges(): Promise<number> {
    this.#read();
    return this.filter.otherChanges;
  }

  async flows(services: readonly VirtualServiceKey[]): Promise<readonly Flow[]> {
    this.#read();
    this.reads--;
    this.flowReads++;
    const ids = new Set(services.map(({ id }) => id));
    return [...this.#flows.values()].filter((flow) => ids.has(flowService(flow).id));
  }

  async settings(names: readonly string[]): Promise<readonly ObservedSetting[]> {
    this.#read();
    return names.map((name) => this.#settings.get(name) ?? { value: undefined, writable: false });
  }

  async timeouts(): Promise<Timeouts> {
    this.#read();
    return this.#timeouts;
  }

  async schedulers(names: readonly string[]): Promise<readonly string[]> {
    this.#read();
    return names.filter((name) => this.schedulerNames.has(name));
  }

  close(): void {
    this.#closed = true;
  }

  #read(): void {
    this.#mustBeOpen();
    this.reads++;
    throwReadFault(this.faults);
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new KernelError('CLOSED', 'the kernel socket is closed');
  }

  #perform(op: Op): Answer {
    const errno = this.#execute(op);
    if (errno !== undefined) return { errno };
    this.onChange(op);
    return 'done';
  }

  #execute(op: Op): string | undefined {
    switch (op.kind) {
      case 'service':
        return this.#executeService(op);
      case 'destination':
        return this.#executeDestination(op);
      case 'binding':
        return this.#device === undefined ? 'ENODEV' : this.#executeBinding(op.verb, op.binding);
      case 'device':
        return this.#executeDevice(op);
      case 'table':
      case 'element':
        return this.filter.execute(op);
      case 'flow':
        return this.#flows.delete(flowId(op.flow)) ? undefined : 'ENOENT';
      case 'setting':
        return this.#executeSetting(op.setting.name, op.setting.value);
      case 'timeouts':
        this.#timeouts = mergeTimeouts(this.#timeouts, op.timeouts);
        return undefined;
      default:
        return op satisfies never;
    }
  }

  /** ip_vs_genl_set_cmd, ip_vs_add_service, ip_vs_edit_service. */
  #executeService(op: Extract<Op, { kind: 'service' }>): string | undefined {
    const entry = this.#services.get(op.service.id);
    if (op.verb === 'add' ? entry !== undefined : entry === undefined) return op.verb === 'add' ? 'EEXIST' : 'ESRCH';
    if (op.verb === 'delete') {
      this.#services.delete(op.service.id);
      return undefined;
    }
    const { service } = op;
    if (!this.schedulerNames.has(service.scheduler)) return 'ENOENT';
    if (familyOf(service.address) === 6 && (service.persistencePrefix < 1 || service.persistencePrefix > 128))
      return 'EINVAL';
    if (entry === undefined) this.#services.set(service.id, { service, destinations: new Map(), traffic: nothing });
    else entry.service = service;
    return undefined;
  }

  /** ip_vs_add_dest, ip_vs_edit_dest, ip_vs_del_dest. */
  #executeDestination(op: Extract<Op, { kind: 'destination' }>): string | undefined {
    const entry = this.#services.get(op.service.id);
    if (entry === undefined) return 'ESRCH';
    const found = entry.destinations.get(op.destination.id);
    if (op.verb === 'delete') return entry.destinations.delete(op.destination.id) ? undefined : 'ENOENT';
    const { destination } = op;
    if (destination.weight < 0 || destination.weight > 0x7fffffff) return 'ERANGE';
    if (op.verb === 'edit') {
      if (found === undefined) return 'ENOENT';
      found.destination = destination;
      return undefined;
    }
    if (found !== undefined) return 'EEXIST';
    if (!isUnicast(destination.address)) return 'EINVAL';
    entry.destinations.set(destination.id, { destination, connections: idle });
    return undefined;
  }

  /** rtnl_newlink, rtnl_dellink; the addresses and routes of a device go with it. */
  #executeDevice(op: Extract<Op, { kind: 'device' }>): string | undefined {
    if (op.verb === 'add') {
      if (this.#device !== undefined) return 'EEXIST';
      this.#device = new Set();
      return undefined;
    }
    if (this.#device === undefined) return 'ENODEV';
    if (op.verb === 'edit') this.#device.add(op.change);
    else {
      this.#device = undefined;
      this.#bindings.clear();
    }
    return undefined;
  }

  #executeSetting(name: string, value: string): string | undefined {
    const known = this.#settings.get(name);
    if (known === undefined) return 'ENOENT';
    if (!known.writable) return 'EACCES';
    this.#settings.set(name, { ...known, value });
    return undefined;
  }

  /** inet_rtm_newaddr, inet6_addr_add, fib_table_insert, fib6_add and their opposites. */
  #executeBinding(verb: 'add' | 'edit' | 'delete', binding: Binding): string | undefined {
    const isRoute = binding.form === 'route';
    if (verb === 'delete') {
      if (!this.#bindings.delete(bindingId(binding))) return isRoute ? 'ESRCH' : 'EADDRNOTAVAIL';
      if (!isRoute && familyOf(binding.address) === 4) this.#disableIPv4();
      return undefined;
    }
    if (verb === 'edit') {
      if (!this.#bindings.has(bindingId(binding))) return 'ENOENT';
      this.#bindings.set(bindingId(binding), binding);
      return undefined;
    }
    if (isRoute && parseCidr(cidrText(binding))?.address !== binding.address) return 'EINVAL';
    if (isRoute && familyOf(binding.address) === 6 && this.#device?.has('up') !== true) return 'ENETDOWN';
    if (this.#isThere(binding)) return 'EEXIST';
    this.#bindings.set(bindingId(binding), binding);
    return undefined;
  }

  /** fib_disable_ip: a device without IPv4 addresses loses its IPv4 routes. It is called when an address goes, not before one came. */
  #disableIPv4(): void {
    const ofIPv4 = [...this.#bindings].filter(([, { address }]) => familyOf(address) === 4);
    if (ofIPv4.some(([, { form }]) => form === 'address')) return;
    for (const [id] of ofIPv4) this.#bindings.delete(id);
  }

  /** An IPv6 device holds an address once, whatever the prefix; an IPv4 one holds it once per prefix. */
  #isThere(binding: Binding): boolean {
    if (this.#bindings.has(bindingId(binding))) return true;
    if (binding.form === 'route' || familyOf(binding.address) === 4) return false;
    return [...this.#bindings.values()].some(({ form, address }) => form === 'address' && address === binding.address);
  }
}

/** ip_vs_set_timeout: 0 keeps what is. */
function mergeTimeouts(is: Timeouts, wanted: Timeouts): Timeouts {
  return { tcp: wanted.tcp || is.tcp, tcpFin: wanted.tcpFin || is.tcpFin, udp: wanted.udp || is.udp };
}

/** ip_vs_new_dest: local or unicast for IPv4; for IPv6 unicast and not link-local. */
function isUnicast(address: Address): boolean {
  const [first = 0, second = 0] = addressBytes(address);
  if (familyOf(address) === 4) return first !== 0 && first < 224;
  return address !== '::' && first !== 0xff && !(first === 0xfe && (second & 0xc0) === 0x80);
}

/** A dump walks a hash table: no order that anybody chose, the same each time. */
function shuffled(observed: ObservedVirtualService[]): ObservedVirtualService[] {
  const hash = ({ service: { id } }: ObservedVirtualService) =>
    Array.from(id).reduce((sum, character) => Math.imul(sum, 31) + character.charCodeAt(0), 7) >>> 0;
  return observed.toSorted((a, b) => hash(a) - hash(b));
}
