/** The Kernel of a real Linux network namespace: operations to records, records to facts, errnos to names. Owns two sockets. */

import { constants } from 'node:os';
import { type Answer, type Binding, bindingId, deviceName, type Op } from '../model/op.ts';
import type { ObservedDestination } from '../model/destination.ts';
import type { ObservedVirtualService, VirtualServiceKey } from '../model/virtual-service.ts';
import {
  type Addon,
  type IpvsSocket,
  loadAddon,
  type NativeAnswers,
  type NativeLink,
  type RouteSocket,
} from './addon.ts';
import { type Answers, type Device, type Kernel, KernelError, type NodeAddress } from './kernel.ts';
import {
  asBinding,
  decodeDestinations,
  decodeRoutes,
  decodeServices,
  decodeServicesAt,
  encodeIpvs,
  encodeKeys,
  encodeRoutes,
  encodeSchedulerProbes,
  type IpvsOp,
  type RouteEntry,
  type RouteOp,
} from './records.ts';
import { explain } from './refusals.ts';

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
  readonly #ipvs: IpvsSocket;
  readonly #route: RouteSocket;
  /** Index of kube-ipvs0 as of the last look; 0: look first. */
  #ifindex = 0;
  /** rtm_protocol of each local route as of the last look: of somebody else's there may be any (`ip route add` says boot, 3). */
  #routeProtocols: ReadonlyMap<string, number> = new Map();

  constructor(addon: Addon, netns: string | undefined) {
    const options = netns === undefined ? {} : { netns };
    this.#ipvs = new addon.IpvsSocket(options);
    this.#route = new addon.RouteSocket(options);
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
    return decodeServices(await this.#guard(() => this.#ipvs.services()));
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

  async device(): Promise<Device | undefined> {
    const link = await this.#link();
    if (link === undefined) return undefined;
    if (link.kind !== 'dummy') {
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
    if (link === undefined) return [];
    const addresses = await this.#entries(() => this.#route.addresses(link.index));
    const local = await this.#entries(() => this.#route.localRoutes(link.index));
    const routes = local.filter(({ protocol }) => protocol !== kernelRoute);
    this.#routeProtocols = new Map(routes.map((entry) => [bindingId(asBinding('route', entry)), entry.protocol]));
    return [
      ...addresses.filter(({ address }) => !isLinkScoped(address)).map((entry) => asBinding('address', entry)),
      ...routes.map((entry) => asBinding('route', entry)),
    ];
  }

  async nodeAddresses(): Promise<readonly NodeAddress[]> {
    const links = new Map((await this.#guard(() => this.#route.links())).map((link) => [link.index, link]));
    const entries = decodeRoutes(await this.#guard(() => this.#route.addresses(0)));
    return entries.flatMap(({ address, ifindex }) => {
      const link = links.get(ifindex);
      return link === undefined || link.name === deviceName
        ? []
        : [{ address, device: link.name, loopback: link.loopback }];
    });
  }

  async schedulers(names: readonly string[]): Promise<readonly string[]> {
    const { errnos } = await this.#guard(() => this.#ipvs.apply(encodeSchedulerProbes(names)));
    return names.filter((_, i) => errnos[i] !== constants.errno.ENOENT);
  }

  close(): void {
    this.#ipvs.close();
    this.#route.close();
  }

  async #send(run: Run): Promise<NativeAnswers> {
    if (run.family === 'ipvs') return this.#ipvs.apply(encodeIpvs(run.ops));
    if (run.ops.some(({ kind }) => kind === 'device')) this.#ifindex = 0;
    else if (this.#ifindex === 0) await this.#link();
    if (this.#ifindex === 0 && run.ops[0]!.kind === 'binding') return withoutDevice(run.ops.length);
    const protocolOf = (route: Binding) => this.#routeProtocols.get(bindingId(route)) ?? 0;
    return this.#route.apply(encodeRoutes(run.ops, this.#ifindex, protocolOf));
  }

  async #link(): Promise<NativeLink | undefined> {
    const links = await this.#guard(() => this.#route.links());
    const link = links.find(({ name }) => name === deviceName);
    this.#ifindex = link?.index ?? 0;
    return link;
  }

  /** A dump's entries; none where the device went away since it was looked up (ENODEV). */
  async #entries(dump: () => Promise<Uint8Array>): Promise<RouteEntry[]> {
    try {
      return decodeRoutes(await dump());
    } catch (error) {
      const reason = explain(error, {});
      if (reason.code === 'ENODEV') return [];
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

type Run = { readonly family: 'ipvs'; readonly ops: IpvsOp[] } | { readonly family: 'route'; readonly ops: RouteOp[] };

/** Neighbouring operations of one netlink family, in order. A device is a run of its own: what follows needs its index. */
function* runs(ops: readonly Op[]): Generator<Run> {
  let run: Run | undefined;
  for (const op of ops) {
    if (op.kind === 'service' || op.kind === 'destination') {
      if (run?.family === 'ipvs') {
        run.ops.push(op);
        continue;
      }
      if (run !== undefined) yield run;
      run = { family: 'ipvs', ops: [op] };
    } else if (run?.family === 'route' && op.kind === 'binding' && run.ops[0]!.kind === 'binding') {
      run.ops.push(op);
    } else {
      if (run !== undefined) yield run;
      run = { family: 'route', ops: [op] };
    }
  }
  if (run !== undefined) yield run;
}

/** What the kernel says to bindings of a device that is not there; without its index it cannot even be asked. */
function withoutDevice(count: number): NativeAnswers {
  return { errnos: new Int32Array(count).fill(constants.errno.ENODEV), texts: [], nanoseconds: 0 };
}

function appendAnswers(answers: Answer[], { errnos, texts }: NativeAnswers): void {
  const start = answers.length;
  for (const errno of errnos) answers.push(errno === 0 ? 'done' : errno < 0 ? 'unknown' : { errno: errnoName(errno) });
  for (const { index, text } of texts) {
    const answer = answers[start + index];
    if (typeof answer === 'object') answers[start + index] = { ...answer, text };
  }
}

/** Neither "there it is" nor "there is none": to take it for absence would be hope. */
function unanswered(errno: number): KernelError {
  const code = errno < 0 ? 'ENOBUFS' : errnoName(errno);
  return new KernelError(code, `the kernel did not say whether a virtual service exists (${code}): run again`);
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}

/** Loopback and IPv6 link-local addresses on the device are the kernel's own doing, never ours. */
function isLinkScoped(address: string): boolean {
  return /^fe[89ab]/.test(address) || address === '::1' || address.startsWith('127.');
}
