/** What the product was told, as one frozen value: by flags, and by the file of --config. */

import type { Address, Cidr } from '../model/address.ts';
import type { FaultRate } from '../model/fault-rate.ts';
import type { ConntrackPolicy, Timeouts } from '../model/node-state.ts';
import type { Arguments, UsageProblem } from './arguments.ts';
import { printable } from '../model/printable.ts';
import { isShortage } from '../model/shortage.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import { documentOf } from './document.ts';
import type { FlagValues } from './flags.ts';
import { type ListenAddress, Readings } from './readings.ts';
import { healthzPort, largestPort, metricsPort, sourcesOf } from './sources.ts';
import { quoted } from './spelling.ts';

export type { ListenAddress } from './readings.ts';

/** Deeply frozen. */
export interface Config {
  /** Lower case, as kube-proxy makes it. */
  readonly nodeName: string;
  /** As the kernel knows it (/proc/modules: ip_vs_NAME). Whether the kernel has it only the kernel says. */
  readonly scheduler: string;
  readonly vipBinding: 'address' | 'route';
  /** Networks of the cluster's Services. */
  readonly serviceCidrs: readonly Cidr[];
  /** No address in here and no virtual service on one is ever deleted. A Service with such an address is programmed all the same. */
  readonly excludeCidrs: readonly Cidr[];
  /** Empty: all addresses of the node. `primary`: its own of each family. */
  readonly nodePortAddresses: 'primary' | readonly Cidr[];
  /** Takes the place of the Node's own address of its family. */
  readonly nodeIP: Address | undefined;
  /** Milliseconds; undefined: a drain ends when the destination is idle. */
  readonly drainTimeout: number | undefined;
  readonly pods: PodDetection;
  readonly masqueradeAll: boolean;
  /** 0–31. */
  readonly masqueradeBit: number;
  readonly strictArp: boolean;
  /** Seconds; 0 leaves the kernel's own time. */
  readonly ipvsTimeouts: Timeouts;
  readonly conntrack: ConntrackPolicy;
  readonly cluster: ClusterAccess;
  /** Files and folders that take the place of the cluster; none: the cluster is watched. */
  readonly manifests: readonly string[];
  /** Milliseconds; within this time what somebody else changed in the kernel is noticed. */
  readonly syncPeriod: number;
  /** Milliseconds between the end of a pass and the start of the next. */
  readonly minSyncPeriod: number;
  /** undefined: nobody listens. */
  readonly healthzAddress: ListenAddress | undefined;
  readonly metricsAddress: ListenAddress | undefined;
  /** Exit when an address cannot be listened at, instead of trying again. */
  readonly bindAddressHardFail: boolean;
  /** -1000 to 1000. */
  readonly oomScoreAdj: number;
  /** A path. */
  readonly statusSocket: string;
  /** Series of the traffic of virtual services that are shown at most; 0: none. */
  readonly trafficSeries: number;
  /** The effective KubeProxyConfiguration: what --write-config-to writes and /configz shows. */
  readonly document: Readonly<Record<string, unknown>>;
  /** A name of `ip netns`; undefined is the namespace that we run in. */
  readonly netns: string | undefined;
  /** 0 logs what an operator needs, 4 and above what a developer needs. */
  readonly verbosity: number;
  readonly loggingFormat: 'text' | 'json';
  /** Of what is asked of the kernel; undefined: it is asked as it is. */
  readonly kernelFaults: FaultRate | undefined;
}

/** Where the API server is and who we are for it. Both empty: as the Pod's service account. */
export interface ClusterAccess {
  /** A path. */
  readonly kubeconfig: string;
  /** `https://HOST:PORT`; takes the place of the kubeconfig's server. */
  readonly master: string;
}

/** kube-proxy's detectLocalMode with what it needs. */
export type PodDetection =
  /** At most one network of each family; none: nothing is known of Pods. */
  | { readonly mode: 'ClusterCIDR'; readonly cidrs: readonly Cidr[] }
  | { readonly mode: 'NodeCIDR' }
  | { readonly mode: 'BridgeInterface'; readonly name: string }
  | { readonly mode: 'InterfaceNamePrefix'; readonly prefix: string };

/** What is asked of the machine. */
export interface Host {
  hostname(): string;
  /** The text of a file; throws what node:fs does. */
  readFile(path: string): string;
}

export type Loaded =
  /** `remarks` are lines about what was said and means nothing. */
  | { readonly config: Config; readonly remarks: readonly string[] }
  /** Everything that is wrong, with the flags and with the file. */
  | { readonly problems: readonly UsageProblem[] };

/** All of the config but the document that is made from it. */
export type Effective = Omit<Config, 'document'>;

/** What was asked on the command line. */
export type Asked = Pick<Arguments, 'flags' | 'given'> & Partial<Pick<Arguments, 'command'>>;

/** The config of flags and file. The same arguments and files give an equal one: it may be asked again when a file changed. */
export function loadConfig(parsed: Asked, host: Host): Loaded {
  const path = parsed.flags.config ?? '';
  const file = path === '' ? undefined : configFile(path, host);
  const { values, ...sources } = sourcesOf(parsed, file);
  const read = new Readings(sources.origin);
  const bindAddress = read.nodeAddress('bindAddress', values.bindAddress);
  if (!leavesAlone(parsed)) read.mode('proxyMode', values.proxyMode);
  const effective: Effective = {
    ...nodeOf(values, bindAddress, read, host),
    ...servicesOf(values, read),
    ...kernelOf(values, read),
    ...processOf(values, read),
  };
  const problems = [...(file?.problems ?? []), ...read.problems];
  if (problems.length > 0) return { problems };
  const hasOverride = values.hostnameOverride !== undefined && values.hostnameOverride !== '';
  const document = documentOf(effective, { hostnameOverride: hasOverride ? effective.nodeName : '', bindAddress });
  const remarks = [...sources.remarks, ...(file?.remarks ?? [])];
  return { config: Object.freeze({ ...effective, document }), remarks };
}

/** What a daemon left is taken down, and looked at, most of all when another mode was chosen. */
function leavesAlone({ command, flags }: Asked): boolean {
  return flags.cleanup || command === 'cleanup' || command === 'status';
}

/** What a single pass can work from and a daemon cannot. */
export function daemonProblems({ manifests }: Pick<Config, 'manifests'>): readonly UsageProblem[] {
  if (!manifests.includes('-')) return [];
  const message =
    '--manifests is "-", and standard input cannot be watched; name files or folders, or write kube-ipvs reconcile --once';
  return [{ flag: 'manifests', value: '-', message }];
}

function configFile(path: string, host: Host): ConfigFile {
  let text: string;
  try {
    text = host.readFile(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error) || isShortage(error)) throw error;
    const why = printable(error.message);
    const message = `--config is ${quoted(path)}, which cannot be read (${why}); write the path of a KubeProxyConfiguration`;
    return { values: new Map(), problems: [{ flag: 'config', value: path, message }], remarks: [], label: String };
  }
  return readConfigFile(path, text);
}

function nodeOf(
  values: FlagValues,
  bindAddress: Address,
  read: Readings,
  host: Host,
): Pick<Config, 'nodeName' | 'nodeIP' | 'cluster' | 'manifests'> {
  return {
    nodeName: read.nodeName('hostnameOverride', values.hostnameOverride, () => host.hostname()),
    nodeIP: bindAddress === '0.0.0.0' || bindAddress === '::' ? undefined : bindAddress,
    cluster: Object.freeze({ kubeconfig: values.kubeconfig, master: read.serverAddress('master', values.master) }),
    manifests: Object.freeze([...values.manifests]),
  };
}

type ServingKey =
  | 'scheduler'
  | 'vipBinding'
  | 'serviceCidrs'
  | 'excludeCidrs'
  | 'nodePortAddresses'
  | 'drainTimeout'
  | 'pods'
  | 'masqueradeAll'
  | 'masqueradeBit'
  | 'syncPeriod'
  | 'minSyncPeriod';

function servicesOf(values: FlagValues, read: Readings): Pick<Config, ServingKey> {
  return {
    scheduler: read.scheduler('scheduler', values.scheduler),
    vipBinding: values.vipBinding,
    serviceCidrs: read.cidrs('serviceCidrs', values.serviceCidrs),
    excludeCidrs: read.cidrs('excludeCidrs', values.excludeCidrs),
    nodePortAddresses: read.nodePortAddresses('nodePortAddresses', values.nodePortAddresses),
    drainTimeout: values.drainTimeout,
    pods: podDetection(values, read),
    masqueradeAll: values.masqueradeAll,
    masqueradeBit: read.numberBetween('masqueradeBit', values.masqueradeBit, 0, 31),
    ...read.syncPeriods(values.syncPeriod, values.minSyncPeriod),
  };
}

function kernelOf(
  values: FlagValues,
  read: Readings,
): Pick<Config, 'strictArp' | 'ipvsTimeouts' | 'conntrack' | 'netns'> {
  return {
    strictArp: values.strictArp,
    ipvsTimeouts: Object.freeze({
      tcp: read.seconds('ipvsTcpTimeout', values.ipvsTcpTimeout),
      tcpFin: read.seconds('ipvsTcpFinTimeout', values.ipvsTcpFinTimeout),
      udp: read.seconds('ipvsUdpTimeout', values.ipvsUdpTimeout),
    }),
    conntrack: Object.freeze({
      maxPerCore: values.conntrackMaxPerCore,
      min: values.conntrackMin,
      tcpEstablishedTimeout: read.seconds('conntrackTcpEstablishedTimeout', values.conntrackTcpEstablishedTimeout),
      tcpCloseWaitTimeout: read.seconds('conntrackTcpCloseWaitTimeout', values.conntrackTcpCloseWaitTimeout),
      tcpBeLiberal: values.conntrackTcpBeLiberal,
      udpTimeout: read.seconds('conntrackUdpTimeout', values.conntrackUdpTimeout),
      udpStreamTimeout: read.seconds('conntrackUdpStreamTimeout', values.conntrackUdpStreamTimeout),
    }),
    netns: read.namespace('netns', values.netns),
  };
}

type ProcessKey =
  | 'healthzAddress'
  | 'metricsAddress'
  | 'bindAddressHardFail'
  | 'oomScoreAdj'
  | 'statusSocket'
  | 'trafficSeries'
  | 'verbosity'
  | 'loggingFormat'
  | 'kernelFaults';

function processOf(values: FlagValues, read: Readings): Pick<Config, ProcessKey> {
  for (const key of ['healthzPort', 'metricsPort'] as const) read.numberBetween(key, values[key] ?? 0, 0, largestPort);
  return {
    healthzAddress: read.listenAddress('healthzBindAddress', values.healthzBindAddress, healthzPort),
    metricsAddress: read.listenAddress('metricsBindAddress', values.metricsBindAddress, metricsPort),
    bindAddressHardFail: values.bindAddressHardFail,
    oomScoreAdj: read.numberBetween('oomScoreAdj', values.oomScoreAdj, -1000, 1000),
    statusSocket: read.socketPath('statusSocket', values.statusSocket),
    trafficSeries: values.trafficSeries,
    verbosity: values.verbosity,
    loggingFormat: values.loggingFormat,
    kernelFaults: read.faultRate('kernelFaults', values.kernelFaults),
  };
}

function podDetection(values: FlagValues, read: Readings): PodDetection {
  const { detectLocalMode: mode } = values;
  switch (mode) {
    case 'ClusterCIDR':
      return Object.freeze({ mode, cidrs: read.dualStackCidrs('clusterCidrs', values.clusterCidrs) });
    case 'NodeCIDR':
      return Object.freeze({ mode });
    case 'BridgeInterface':
      return Object.freeze({ mode, name: deviceName('podBridgeInterface', values, read) });
    case 'InterfaceNamePrefix':
      return Object.freeze({ mode, prefix: deviceName('podInterfaceNamePrefix', values, read) });
    default:
      return mode satisfies never;
  }
}

function deviceName(key: 'podBridgeInterface' | 'podInterfaceNamePrefix', values: FlagValues, read: Readings): string {
  const written = values[key];
  if (written !== undefined && written !== '') return read.deviceName(key, written);
  read.missing(key, 'detectLocalMode', values.detectLocalMode);
  return '';
}
