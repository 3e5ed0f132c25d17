/**
 * What the product was told, as one frozen value. Made from flags today; a KubeProxyConfiguration file will give the same
 * fields, with flags over it.
 */

import type { Address, Cidr } from '../model/address.ts';
import type { ConntrackPolicy, Timeouts } from '../model/node-state.ts';
import type { UsageProblem } from './arguments.ts';
import type { FlagValues } from './flags.ts';
import { Readings } from './readings.ts';

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
  /** A name of `ip netns`; undefined is the namespace that we run in. */
  readonly netns: string | undefined;
  /** 0 logs what an operator needs, 4 and above what a developer needs. */
  readonly verbosity: number;
  readonly loggingFormat: 'text' | 'json';
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
}

/** The config of the flags, or everything that is wrong with them. */
export function loadConfig(
  flags: FlagValues,
  host: Host,
): { readonly config: Config } | { readonly problems: readonly UsageProblem[] } {
  const read = new Readings();
  const config: Config = {
    nodeName: read.nodeName('hostnameOverride', flags.hostnameOverride, () => host.hostname()),
    scheduler: read.scheduler('scheduler', flags.scheduler),
    vipBinding: flags.vipBinding,
    serviceCidrs: read.cidrs('serviceCidrs', flags.serviceCidrs),
    excludeCidrs: read.cidrs('excludeCidrs', flags.excludeCidrs),
    nodePortAddresses: read.nodePortAddresses('nodePortAddresses', flags.nodePortAddresses),
    nodeIP: read.nodeAddress('bindAddress', flags.bindAddress),
    drainTimeout: flags.drainTimeout,
    pods: podDetection(flags, read),
    masqueradeAll: flags.masqueradeAll,
    masqueradeBit: read.numberUpTo('masqueradeBit', flags.masqueradeBit, 31),
    strictArp: flags.strictArp,
    ipvsTimeouts: Object.freeze({
      tcp: read.seconds('ipvsTcpTimeout', flags.ipvsTcpTimeout),
      tcpFin: read.seconds('ipvsTcpFinTimeout', flags.ipvsTcpFinTimeout),
      udp: read.seconds('ipvsUdpTimeout', flags.ipvsUdpTimeout),
    }),
    conntrack: Object.freeze({
      maxPerCore: flags.conntrackMaxPerCore,
      min: flags.conntrackMin,
      tcpEstablishedTimeout: read.seconds('conntrackTcpEstablishedTimeout', flags.conntrackTcpEstablishedTimeout),
      tcpCloseWaitTimeout: read.seconds('conntrackTcpCloseWaitTimeout', flags.conntrackTcpCloseWaitTimeout),
      tcpBeLiberal: flags.conntrackTcpBeLiberal,
      udpTimeout: read.seconds('conntrackUdpTimeout', flags.conntrackUdpTimeout),
      udpStreamTimeout: read.seconds('conntrackUdpStreamTimeout', flags.conntrackUdpStreamTimeout),
    }),
    netns: read.namespace('netns', flags.netns),
    verbosity: flags.verbosity,
    loggingFormat: flags.loggingFormat,
  };
  return read.problems.length > 0 ? { problems: read.problems } : { config: Object.freeze(config) };
}

function podDetection(flags: FlagValues, read: Readings): PodDetection {
  const { detectLocalMode: mode, podBridgeInterface, podInterfaceNamePrefix } = flags;
  const cidrs = read.dualStackCidrs('clusterCidrs', flags.clusterCidrs);
  switch (mode) {
    case 'ClusterCIDR':
      return Object.freeze({ mode, cidrs });
    case 'NodeCIDR':
      return Object.freeze({ mode });
    case 'BridgeInterface':
      return Object.freeze({ mode, name: deviceName('podBridgeInterface', podBridgeInterface, mode, read) });
    case 'InterfaceNamePrefix':
      return Object.freeze({ mode, prefix: deviceName('podInterfaceNamePrefix', podInterfaceNamePrefix, mode, read) });
    default:
      return mode satisfies never;
  }
}

function deviceName(
  key: 'podBridgeInterface' | 'podInterfaceNamePrefix',
  written: string | undefined,
  mode: string,
  read: Readings,
): string {
  if (written !== undefined && written !== '') return read.deviceName(key, written);
  read.complain(key, `is missing; --detect-local-mode=${mode} needs it`);
  return '';
}
