/**
 * The kernel's version and what IPVS is known to do badly in some: connection reuse, estimators, the size of the connection table
 * (Documentation/networking/ipvs-sysctl.rst and net/netfilter/ipvs of Linux).
 */

import { type Finding, ok, warn } from './finding.ts';
import { isBefore, type KernelRelease } from '../../model/kernel-release.ts';

/** What IPVS says of itself; what is undefined is not there, or cannot be read. */
export interface IpvsFacts {
  /** net.ipv4.vs.conn_reuse_mode, run_estimation (5.16), est_cpulist (6.2). */
  readonly reuseMode: string | undefined;
  readonly runEstimation: string | undefined;
  readonly estimationCpus: string | undefined;
  /** The connection table grows by itself (net.ipv4.vs.conn_lfactor is there). */
  readonly isTableElastic: boolean;
  /** Buckets of the connection table; of one that grows the most that it may have. */
  readonly buckets: number | undefined;
  /** net.netfilter.nf_conntrack_max, as it is or as it is to be. */
  readonly mostConnections: number | undefined;
  readonly virtualServices: number | undefined;
  /** Series of the traffic of virtual services that are to be shown. */
  readonly trafficSeries: number;
}

export function kernelFinding(release: KernelRelease): Finding {
  const check = 'kernel';
  if (isBefore(release, 5, 6) === undefined) {
    return warn(check, `${release.text} names no version`, 'see below what it has; tested are Linux 6.1 and 6.12');
  }
  if (isBefore(release, 5, 6)) {
    const message = `${release.text}; the packet filter needs sets of ranges and ports together, which nf_tables has since 5.6`;
    return warn(
      check,
      message,
      'run a kernel from 5.6 on, unless the distribution brought this to its own; best from 6.2 on',
    );
  }
  return ok(check, release.text);
}

/**
 * What conn_reuse_mode does to a client that uses a port again. With 1, the default, it waits a second for its connection on kernels from
 * 4.1 to 5.8 (f0a5e4d7a594 mends it). With 0 its packets go where they went before, also when that destination is to get nothing new;
 * before 5.16 even one with weight 0.
 */
export function reuseFinding(release: KernelRelease, { reuseMode }: Pick<IpvsFacts, 'reuseMode'>): Finding {
  const check = 'connection-reuse';
  const setting = 'net.ipv4.vs.conn_reuse_mode';
  if (isBefore(release, 4, 1) === true) return ok(check, `kernels before 4.1 have no ${setting}`);
  if (reuseMode === undefined) return ok(check, `${setting} is not there until ip_vs is loaded`);
  if (isBefore(release, 5, 9) === true) {
    if (reuseMode === '0') {
      const message = `${setting} is 0, as it must be before 5.9; a client that takes a port again reaches the destination that it had before, also one that drains`;
      return warn(check, message, 'run a kernel from 5.9 on');
    }
    const message = `${setting} is ${reuseMode}: before 5.9 a client that takes a port again waits a second for its connection`;
    return warn(
      check,
      message,
      `sysctl -w ${setting}=0 (kube-ipvs run does so at its start), or run a kernel from 5.9 on`,
    );
  }
  if (reuseMode === '0') {
    const message = `${setting} is 0, which kernels before 5.9 need and this one does not: a client that takes a port again is not spread anew`;
    return warn(check, message, `sysctl -w ${setting}=1, and look below /etc/sysctl.d for who sets it`);
  }
  return ok(check, `${setting} is ${reuseMode}`);
}

/** Before 6.2 one timer goes through all virtual services and destinations every two seconds, and packets wait meanwhile. */
const manyEstimators = 5_000;

export function estimatorFinding(release: KernelRelease, facts: IpvsFacts): Finding {
  const check = 'estimators';
  const { runEstimation, estimationCpus, virtualServices, trafficSeries } = facts;
  if (runEstimation === '0' || estimationCpus?.trim() === '') {
    const setting = runEstimation === '0' ? 'net.ipv4.vs.run_estimation is 0' : 'net.ipv4.vs.est_cpulist is empty';
    if (trafficSeries === 0) return ok(check, `switched off (${setting}): counters and rates of ipvsadm stand still`);
    const message = `${setting}: the kernel adds up no traffic, so that --traffic-series shows counters that stand still`;
    return warn(check, message, 'sysctl -w net.ipv4.vs.run_estimation=1, or run without --traffic-series');
  }
  if (isBefore(release, 6, 2) === true && (virtualServices ?? 0) >= manyEstimators) {
    const message = `${virtualServices} virtual services and their destinations are gone through every 2 s in one go, which holds up packets (before 6.2)`;
    const isSwitchable = runEstimation !== undefined;
    const cure = 'run a kernel from 6.2 on, which does it in threads';
    return warn(check, message, isSwitchable ? `${cure}, or sysctl -w net.ipv4.vs.run_estimation=0` : cure);
  }
  return ok(
    check,
    isBefore(release, 6, 2) === false ? 'in threads of their own' : 'in one timer, and few enough for it',
  );
}

/** Entries of one bucket that a packet's look-up may walk, on a node with as many connections as it tracks at most. */
const mostPerBucket = 8;
/** The kernel's limit since 6.5; 20 before. */
const mostBits = 27;

export function connectionTableFinding(release: KernelRelease, facts: IpvsFacts): Finding {
  const check = 'connection-table';
  const { buckets, mostConnections, isTableElastic } = facts;
  if (buckets === undefined) return ok(check, 'its size is known when ip_vs is loaded');
  const size = isTableElastic ? `grows up to ${buckets} buckets` : `${buckets} buckets`;
  if (mostConnections === undefined) return ok(check, size);
  const perBucket = Math.ceil(mostConnections / buckets);
  if (perBucket <= mostPerBucket) return ok(check, `${size} for ${mostConnections} tracked connections at most`);
  const limit = isBefore(release, 6, 5) === true ? 20 : mostBits;
  const bits = Math.min(limit, Math.ceil(Math.log2(mostConnections / mostPerBucket)));
  const message = `${size} for up to ${mostConnections} tracked connections (net.netfilter.nf_conntrack_max): each packet then walks up to ${perBucket} entries`;
  const cure = `echo options ip_vs conn_tab_bits=${bits} > /etc/modprobe.d/ip_vs.conf, then restart the node (built in: ip_vs.conn_tab_bits=${bits} on the kernel's command line)`;
  return warn(check, message, cure);
}
