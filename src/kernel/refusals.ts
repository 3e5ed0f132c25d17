/** What the kernel refused, in words that say what an operator can do about it. */

import type { Op, Refusal } from '../model/op.ts';
import { opText } from '../model/text.ts';
import { KernelError } from './kernel.ts';
import { noNamespace } from './network-namespace.ts';

/** What of the kernel was asked. */
type Facility = 'IPVS' | 'nf_tables' | 'the packet filter' | 'connection tracking';

/** A broken channel or a missing facility as a KernelError with its cure; a KernelError passes unchanged. */
export function explain(
  error: unknown,
  context: { readonly netns?: string | undefined; readonly of?: Facility },
): KernelError {
  if (error instanceof KernelError) return error;
  const { code = 'UNKNOWN', message } = error as { code?: string; message: string };
  const options = { cause: error };
  const facility = context.of ?? 'IPVS';
  if (facility === 'nf_tables' && missing.has(code)) {
    return new KernelError(
      'NO_NFTABLES',
      'this kernel has no nf_tables and could not load the module: modprobe nf_tables, or install the kernel package ' +
        'that carries it (Debian: linux-image-amd64)',
      options,
    );
  }
  if (context.netns !== undefined && code === 'ENOENT') {
    return noNamespace(context.netns, options);
  }
  switch (code) {
    case 'EPERM':
    case 'EACCES':
      return new KernelError(
        'EPERM',
        `the kernel refuses ${facility} to this process (EPERM): it needs CAP_NET_ADMIN in the initial user namespace; ` +
          'run it as root, or give the container the capability NET_ADMIN',
        options,
      );
    case 'ERR_NO_FAMILY':
      return new KernelError(
        'NO_IPVS',
        'this kernel has no IPVS and could not load the module ip_vs: modprobe ip_vs, or install the kernel package ' +
          'that carries it (Debian: linux-image-amd64)',
        options,
      );
    case 'ERR_NO_CONNTRACK':
      return new KernelError(
        'NO_CONNTRACK',
        'this kernel does not show its tracked connections and could not load the module: modprobe nf_conntrack_netlink',
        options,
      );
    case 'DUMP_INTERRUPTED':
      return new KernelError(
        'DUMP_INTERRUPTED',
        'the kernel kept interrupting a dump because something else changes the same tables all the time: ' +
          'run again, and look for a second proxy on this node',
        options,
      );
    case 'ERR_CLOSED':
      return new KernelError('CLOSED', 'the kernel socket is closed', options);
    default:
      return new KernelError(code, message, options);
  }
}

/** Without the module a request is EINVAL, without nfnetlink there is no such socket (nfnetlink_rcv_msg, netlink_create, 6.1). */
const missing: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT']);

/** One line on a refused operation: what, why, and what to do. */
export function refusalText(op: Op, { errno, text }: Refusal): string {
  const kernelText = text === undefined ? '' : `: ${text}`;
  const advice = cure(op, errno);
  return `${opText(op)} failed with ${errno}${kernelText}${advice === undefined ? '' : `; ${advice}`}`;
}

function cure(op: Op, errno: string): string | undefined {
  return cures[op.kind][errno] ?? (errno in anyCures ? anyCures[errno] : undefined);
}

const anyCures: Readonly<Record<string, string>> = {
  EPERM: 'run as root or with CAP_NET_ADMIN in the initial user namespace',
  ENOMEM: 'the kernel is out of memory',
  ENOBUFS: 'the kernel is out of buffers; run again',
  EAFNOSUPPORT: 'this kernel has no IPVS for the address family (CONFIG_IP_VS_IPV6)',
  EPROTONOSUPPORT: 'this kernel has no IPVS for the protocol (CONFIG_IP_VS_PROTO_SCTP)',
};

const cures: Readonly<Record<Op['kind'], Readonly<Record<string, string>>>> = {
  service: {
    ENOENT:
      'the kernel has no such scheduler: load its module (modprobe ip_vs_NAME) or choose another with --ipvs-scheduler',
  },
  destination: {
    EINVAL:
      'the kernel does not take it as a unicast destination: check the address in the EndpointSlice, ' +
      'and that lo is up in this network namespace (ip link set lo up)',
  },
  binding: {
    EACCES: 'IPv6 is disabled on the device: sysctl net.ipv6.conf.kube-ipvs0.disable_ipv6=0 (and .all)',
    ENETDOWN: 'the kernel wants the device up for this route: use --vip-binding=address',
    EINVAL: 'the kernel does not take it as a host address',
  },
  table: {
    EOPNOTSUPP: 'this kernel has no nf_tables: modprobe nf_tables, or install the kernel package that carries it',
    ENOENT:
      'the kernel lacks a part that the rules need, or the table went away: run again, and ' +
      'modprobe -a nft_chain_nat nft_ct nft_masq nft_nat nft_reject_ipv4 nft_reject_ipv6',
  },
  element: {
    EOPNOTSUPP: 'this kernel has no nf_tables: modprobe nf_tables, or install the kernel package that carries it',
  },
  flow: {},
  setting: {
    EROFS: '/proc/sys is read-only here: set it on the host, or give the container a writable /proc/sys',
    EACCES: 'it may not be written in this network namespace: set it on the host',
    EPERM: 'it may not be written by this process: set it on the host, or run as root',
    ENOENT: 'this kernel has no such setting',
  },
  // more than INT_MAX ticks, of which a second has 100 to 1000, as the kernel was built (ip_vs_set_timeout, 6.1)
  timeouts: {
    EINVAL:
      'this kernel keeps no connection so long: lower --ipvs-tcp-timeout, --ipvs-tcpfin-timeout or --ipvs-udp-timeout ' +
      '(any kernel takes 2147483s)',
  },
  device: {
    EOPNOTSUPP:
      'this kernel has no dummy devices and could not load the module: modprobe dummy, or install the kernel package that carries it',
  },
};
