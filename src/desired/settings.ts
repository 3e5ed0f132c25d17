/** Settings of the kernel that Services need, as kube-proxy makes them; configuration and machine in, settings out. Pure. */

import { isBefore, type KernelRelease, kernelRelease } from '../model/kernel-release.ts';
import type { ConntrackPolicy, WantedSetting } from '../model/node-state.ts';

/** What comes from others by IPv6 is sent on: no pass makes it so, as kube-proxy does not, since it ends a host's own configuration. */
export const ipv6Forwarding = 'net/ipv6/conf/all/forwarding';

/** `1`, or not there at all, on a node without IPv6. */
export const ipv6Disabled = 'net/ipv6/conf/all/disable_ipv6';

/** What of the configuration the settings depend on. */
export interface SettingsPolicy {
  readonly strictArp: boolean;
  readonly conntrack: ConntrackPolicy;
  /** The network namespace that we were told to work in: what all namespaces share is then none of our business. */
  readonly netns?: string | undefined;
}

export interface Machine {
  /** As uname -r prints it: `6.1.0-56-amd64`. */
  readonly kernelRelease: string;
  readonly cpus: number;
}

export function settings(
  { strictArp, conntrack, netns }: SettingsPolicy,
  { kernelRelease: release, cpus }: Machine,
): WantedSetting[] {
  return [
    // Without it IPVS takes its packets out of connection tracking, and nothing is masqueraded.
    required('net/ipv4/vs/conntrack', 1),
    ...(reusesConnections(kernelRelease(release)) ? [required('net/ipv4/vs/conn_reuse_mode', 0)] : []),
    required('net/ipv4/vs/expire_nodest_conn', 1),
    required('net/ipv4/vs/expire_quiescent_template', 1),
    required('net/ipv4/ip_forward', 1),
    ...(strictArp ? [required('net/ipv4/conf/all/arp_ignore', 1), required('net/ipv4/conf/all/arp_announce', 2)] : []),
    ...(netns === undefined ? limits(conntrack, cpus) : []),
    ...timeouts(conntrack),
  ];
}

/** Whether nothing has to be written where the kernel has `value`. */
export function isMet({ when, value: wanted }: WantedSetting, value: string): boolean {
  return when === 'smaller' ? Number(value) >= Number(wanted) : value.trim() === wanted;
}

/** Services do not work without it, or the operator asked for it. */
function required(name: string, value: number): WantedSetting {
  return { name, value: String(value), when: 'different', required: true };
}

/** Worth a remark where it cannot be written: connection tracking's limits are read-only outside the host's network namespace. */
function desirable(name: string, value: number): WantedSetting {
  return { name, value: String(value), when: 'different', required: false };
}

/**
 * From 4.1 on, a client that reuses a port waits a second for a new connection with conn_reuse_mode 1, the default; since 5.9
 * (f0a5e4d7a594) it does not, and the setting is left alone.
 */
function reusesConnections(release: KernelRelease): boolean {
  return isBefore(release, 4, 1) === false && isBefore(release, 5, 9) === true;
}

/** The most that a large number of CPUs asks for, as kube-proxy limits it. */
const mostScaled = 1 << 20;

/** 0 where the kernel's own limit is to stay. */
function mostConnections({ maxPerCore, min }: ConntrackPolicy, cpus: number): number {
  const scaled = maxPerCore * cpus;
  if (scaled === 0) return 0;
  return scaled > mostScaled ? mostScaled : Math.max(scaled, min);
}

/** Of all network namespaces together. */
function limits(conntrack: ConntrackPolicy, cpus: number): WantedSetting[] {
  const max = mostConnections(conntrack, cpus);
  if (max === 0) return [];
  const hashsize: WantedSetting = {
    name: 'module/nf_conntrack/parameters/hashsize',
    value: String(Math.floor(max / 4)),
    when: 'smaller',
    required: false,
  };
  return [hashsize, desirable('net/netfilter/nf_conntrack_max', max)];
}

function timeouts(conntrack: ConntrackPolicy): WantedSetting[] {
  const wanted = [
    ['nf_conntrack_tcp_timeout_established', conntrack.tcpEstablishedTimeout],
    ['nf_conntrack_tcp_timeout_close_wait', conntrack.tcpCloseWaitTimeout],
    ['nf_conntrack_tcp_be_liberal', conntrack.tcpBeLiberal ? 1 : 0],
    ['nf_conntrack_udp_timeout', conntrack.udpTimeout],
    ['nf_conntrack_udp_timeout_stream', conntrack.udpStreamTimeout],
  ] as const;
  return wanted.filter(([, value]) => value > 0).map(([name, value]) => desirable(`net/netfilter/${name}`, value));
}
