/** What the kernel says over netlink and /proc/sys, for the checks. Loads no module: what is not there is not asked. */

import type { Config } from '../../config/config.ts';
import { ipv6Forwarding, type Machine, settings } from '../../desired/settings.ts';
import { type NativeLink, loadAddon, type SocketOptions } from '../../kernel/addon.ts';
import { type FilterName, nftablesNames } from '../../kernel/filter-names.ts';
import { decodeServices } from '../../kernel/ipvs-records.ts';
import { nodeAddressesOf } from '../../kernel/route-records.ts';
import { explain } from '../../kernel/refusals.ts';
import { familyOf } from '../../model/address.ts';
import type { NodeAddress } from '../../model/cluster.ts';
import { serviceFamily } from '../../model/virtual-service.ts';
import type { HostFiles } from '../host-files.ts';
import type { IpvsFacts } from './kernel-checks.ts';
import type { ForwardingFacts, SettingFacts } from './setting-checks.ts';
import { isPresent, type ModuleFacts, moduleState } from './modules.ts';

type Asked = Pick<Config, 'netns' | 'strictArp' | 'conntrack' | 'trafficSeries'>;

function optionsOf(netns: string | undefined): SocketOptions {
  return netns === undefined ? {} : { netns };
}

/** Rejects with a KernelError. */
export async function readLinks(netns: string | undefined): Promise<readonly NativeLink[]> {
  return withSocket('RouteSocket', netns, (socket) => socket.links());
}

/** Without those of kube-ipvs0. Rejects with a KernelError. */
export async function readAddresses(
  netns: string | undefined,
  links: readonly NativeLink[],
): Promise<readonly NodeAddress[]> {
  return nodeAddressesOf(links, await withSocket('RouteSocket', netns, (socket) => socket.addresses(0)));
}

export interface Ipvs {
  /** `1.2.1`. */
  readonly version: string;
  readonly buckets: number;
  readonly virtualServices: number;
  /** Some of them are at IPv6 addresses. */
  readonly hasIPv6: boolean;
}

/** One dump of all virtual services. Rejects with a KernelError. */
export async function readIpvs(netns: string | undefined): Promise<Ipvs> {
  return withSocket('IpvsSocket', netns, async (socket) => {
    const { version, connectionTableSize } = await socket.info();
    const services = decodeServices(await socket.services());
    return {
      version: `${version >> 16}.${(version >> 8) & 0xff}.${version & 0xff}`,
      buckets: connectionTableSize,
      virtualServices: services.length,
      hasIPv6: services.some(({ service }) => serviceFamily(service) === 6),
    };
  });
}

/** Tables and chains of nf_tables. Rejects where nothing tells whether the question would load it. */
export async function readNftables(netns: string | undefined, modules: ModuleFacts): Promise<readonly FilterName[]> {
  if (isPresent(modules, 'nf_tables')) return nftablesNames(netns);
  if (moduleState(modules, 'nf_tables').kind !== 'unknown') return [];
  throw new Error(
    'nothing tells here whether nf_tables is built into the kernel, which might load it for the question',
  );
}

/** Where IPVS cannot be asked itself, what files say of it. */
export async function ipvsFacts(
  files: HostFiles,
  config: Asked,
  { machine, ipvs }: { readonly machine: Machine; readonly ipvs: Ipvs | undefined },
): Promise<IpvsFacts> {
  const { netns, trafficSeries } = config;
  const names = ['conn_reuse_mode', 'run_estimation', 'est_cpulist', 'conn_lfactor'].map(
    (name) => `net/ipv4/vs/${name}`,
  );
  const readings = await loadAddon().readSettings([...names, mostConnectionsSetting], netns);
  const [reuseMode, runEstimation, estimationCpus, loadFactor, most] = readings.map(({ value }) => value);
  const bits = await files.text('/sys/module/ip_vs/parameters/conn_tab_bits');
  const buckets = bits === undefined ? undefined : 2 ** Number(bits.trim());
  const isTableElastic = loadFactor !== undefined;
  return {
    reuseMode: reuseMode?.trim(),
    runEstimation: runEstimation?.trim(),
    estimationCpus,
    isTableElastic,
    // of one that grows the kernel says its size of now
    buckets: isTableElastic ? buckets : (ipvs?.buckets ?? buckets),
    mostConnections: most === undefined ? undefined : Math.max(Number(most), wantedConnections(config, machine)),
    virtualServices: ipvs?.virtualServices,
    trafficSeries,
  };
}

const mostConnectionsSetting = 'net/netfilter/nf_conntrack_max';

/** 0 where the kernel's own limit is to stay. */
function wantedConnections(config: Asked, machine: Machine): number {
  return Number(settings(config, machine).find(({ name }) => name === mostConnectionsSetting)?.value ?? 0);
}

export async function settingFacts(
  files: HostFiles,
  config: Asked,
  { machine, modules }: { readonly machine: Machine; readonly modules: ModuleFacts },
): Promise<SettingFacts> {
  const wanted = settings(config, machine);
  const names = wanted.map(({ name }) => name);
  const observed = await loadAddon().readSettings(names, config.netns);
  return {
    wanted,
    observed: observed.map(({ value, writable }) => ({ value, writable })),
    refusal: await files.writeRefusal('/proc/sys/net/ipv4/ip_forward'),
    hasIpvs: isPresent(modules, 'ip_vs'),
    hasConntrack: isPresent(modules, 'nf_conntrack'),
  };
}

/** IPv6 Services may be where the configuration has networks or an address of IPv6, or the kernel has some. */
export async function forwardingFacts(
  { netns, pods, serviceCidrs, nodeIP }: Pick<Config, 'netns' | 'pods' | 'serviceCidrs' | 'nodeIP'>,
  ipvs: Ipvs | undefined,
): Promise<ForwardingFacts> {
  const networks = [...serviceCidrs, ...(pods.mode === 'ClusterCIDR' ? pods.cidrs : [])];
  const addresses = [...networks.map(({ address }) => address), ...(nodeIP === undefined ? [] : [nodeIP])];
  const [forwarding] = await loadAddon().readSettings([ipv6Forwarding], netns);
  return {
    value: forwarding!.value?.trim(),
    isNeeded: ipvs?.hasIPv6 === true || addresses.some((address) => familyOf(address) === 6),
  };
}

type Sockets = {
  readonly RouteSocket: InstanceType<ReturnType<typeof loadAddon>['RouteSocket']>;
  readonly IpvsSocket: InstanceType<ReturnType<typeof loadAddon>['IpvsSocket']>;
};

async function withSocket<Name extends keyof Sockets, T>(
  name: Name,
  netns: string | undefined,
  read: (socket: Sockets[Name]) => Promise<T>,
): Promise<T> {
  try {
    const Socket = loadAddon()[name] as new (options: SocketOptions) => Sockets[Name];
    const socket = new Socket(optionsOf(netns));
    try {
      return await read(socket);
    } finally {
      socket.close();
    }
  } catch (error) {
    throw explain(error, { netns });
  }
}
