/**
 * The one flag table: parsing, help, completion and the README's tables are made from it.
 * Names and forms follow kube-proxy where it has the flag.
 */

import type { CommandName } from './commands.ts';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One letter. */
  readonly short?: string;
  readonly kind: 'boolean' | 'string' | 'number' | 'list' | 'choice' | 'duration';
  readonly choices?: readonly string[];
  /** What an absent flag means; a string or duration without default is undefined, a list is empty, a boolean false. */
  readonly default?: string | number;
  /** What help calls the value. */
  readonly value?: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  readonly commands: readonly CommandName[];
  /** A list that also takes the words behind it: `--manifests a.yaml b.yaml`. */
  readonly takesOperands?: true;
  /** Printed as a warning when the flag is used: says what to write instead. */
  readonly deprecated?: string;
  /** Left out of help, completion and docs. */
  readonly hidden?: true;
}

const kernelCommands = ['reconcile', 'cleanup'] as const;
const everyCommand = ['reconcile', 'cleanup', 'completion', 'version', 'help'] as const;

export const flagTable = {
  once: {
    name: 'once',
    kind: 'boolean',
    summary: 'do one pass and exit',
    commands: ['reconcile'],
  },
  manifests: {
    name: 'manifests',
    kind: 'list',
    value: 'PATH…',
    takesOperands: true,
    summary: 'files, folders (*.yaml, *.yml, *.json, recursively) or - for standard input',
    commands: ['reconcile'],
  },
  hostnameOverride: {
    name: 'hostname-override',
    kind: 'string',
    value: 'NODE',
    summary: "the node's name in the cluster, when it is not the host's name",
    commands: ['reconcile'],
  },
  scheduler: {
    name: 'ipvs-scheduler',
    aliases: ['scheduler'],
    kind: 'string',
    default: 'rr',
    value: 'NAME',
    summary: 'IPVS scheduler of every virtual service: rr, wrr, lc, wlc, sh, mh … whatever the kernel has',
    commands: ['reconcile'],
  },
  vipBinding: {
    name: 'vip-binding',
    kind: 'choice',
    choices: ['address', 'route'],
    default: 'address',
    summary: 'hold virtual addresses on kube-ipvs0, or make them local by routes',
    commands: ['reconcile'],
  },
  serviceCidrs: {
    name: 'service-cluster-ip-range',
    kind: 'list',
    value: 'CIDR,…',
    summary: "networks of the cluster's Services, each led to kube-ipvs0 as a whole; for --vip-binding=route",
    commands: ['reconcile'],
  },
  nodePortAddresses: {
    name: 'nodeport-addresses',
    kind: 'list',
    value: 'CIDR,…|primary',
    summary: "which of the node's addresses have NodePorts: those in networks, or only the node's own; all by default",
    commands: ['reconcile'],
  },
  bindAddress: {
    name: 'bind-address',
    kind: 'string',
    default: '0.0.0.0',
    value: 'ADDRESS',
    summary: "the node's own address of its family, when it is not the first one that the Node names",
    commands: ['reconcile'],
  },
  drainTimeout: {
    name: 'drain-timeout',
    kind: 'duration',
    value: 'DURATION',
    summary: 'how long a destination that leaves keeps its TCP connections: until they end by default, 0s not at all',
    commands: ['reconcile'],
  },
  detectLocalMode: {
    name: 'detect-local-mode',
    kind: 'choice',
    choices: ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'],
    default: 'ClusterCIDR',
    value: 'MODE',
    summary:
      "what tells the node's Pods from other clients: ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix",
    commands: ['reconcile'],
  },
  clusterCidrs: {
    name: 'cluster-cidr',
    kind: 'list',
    value: 'CIDR[,CIDR]',
    summary: 'the network of all Pods, or one of each family; for --detect-local-mode=ClusterCIDR',
    commands: ['reconcile'],
  },
  podBridgeInterface: {
    name: 'pod-bridge-interface',
    kind: 'string',
    value: 'DEVICE',
    summary: "the bridge of the node's Pods; for --detect-local-mode=BridgeInterface",
    commands: ['reconcile'],
  },
  podInterfaceNamePrefix: {
    name: 'pod-interface-name-prefix',
    kind: 'string',
    value: 'PREFIX',
    summary: "what the names of the Pods' devices begin with; for --detect-local-mode=InterfaceNamePrefix",
    commands: ['reconcile'],
  },
  masqueradeAll: {
    name: 'masquerade-all',
    kind: 'boolean',
    summary: 'masquerade all clients of ClusterIPs, Pods too',
    commands: ['reconcile'],
  },
  masqueradeBit: {
    name: 'iptables-masquerade-bit',
    kind: 'number',
    default: 14,
    value: 'BIT',
    summary: 'bit of the packet mark, 0 to 31, that marks what is masqueraded',
    commands: ['reconcile'],
  },
  strictArp: {
    name: 'ipvs-strict-arp',
    kind: 'boolean',
    summary: 'answer ARP only on the device that has the address (arp_ignore 1, arp_announce 2)',
    commands: ['reconcile'],
  },
  ipvsTcpTimeout: {
    name: 'ipvs-tcp-timeout',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long IPVS keeps an idle TCP connection; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  ipvsTcpFinTimeout: {
    name: 'ipvs-tcpfin-timeout',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long IPVS keeps a TCP connection after FIN; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  ipvsUdpTimeout: {
    name: 'ipvs-udp-timeout',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long IPVS keeps an idle UDP flow; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  conntrackMaxPerCore: {
    name: 'conntrack-max-per-core',
    kind: 'number',
    default: 32768,
    value: 'COUNT',
    summary: "tracked connections for each CPU; 0 leaves the kernel's limit",
    commands: ['reconcile'],
  },
  conntrackMin: {
    name: 'conntrack-min',
    kind: 'number',
    default: 131072,
    value: 'COUNT',
    summary: 'at least so many tracked connections, however few CPUs there are',
    commands: ['reconcile'],
  },
  conntrackTcpEstablishedTimeout: {
    name: 'conntrack-tcp-timeout-established',
    kind: 'duration',
    default: '24h',
    value: 'DURATION',
    summary: "how long an idle TCP connection is tracked; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  conntrackTcpCloseWaitTimeout: {
    name: 'conntrack-tcp-timeout-close-wait',
    kind: 'duration',
    default: '1h',
    value: 'DURATION',
    summary: "how long a TCP connection in CLOSE_WAIT is tracked; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  conntrackTcpBeLiberal: {
    name: 'conntrack-tcp-be-liberal',
    kind: 'boolean',
    summary: 'do not mark TCP packets outside the window as invalid',
    commands: ['reconcile'],
  },
  conntrackUdpTimeout: {
    name: 'conntrack-udp-timeout',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long a UDP flow without answer is tracked; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  conntrackUdpStreamTimeout: {
    name: 'conntrack-udp-timeout-stream',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long an answered UDP flow is tracked; 0s leaves the kernel's own time",
    commands: ['reconcile'],
  },
  excludeCidrs: {
    name: 'ipvs-exclude-cidrs',
    kind: 'list',
    value: 'CIDR,…',
    summary: 'networks in which no address and no virtual service is ever deleted',
    commands: kernelCommands,
  },
  netns: {
    name: 'netns',
    kind: 'string',
    value: 'NAME',
    summary: 'work in this network namespace (as ip netns lists it)',
    commands: kernelCommands,
  },
  dryRun: {
    name: 'dry-run',
    kind: 'boolean',
    summary: 'print the plan, change nothing; exit status 2 when there are changes',
    commands: kernelCommands,
  },
  output: {
    name: 'output',
    short: 'o',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    summary: 'form of what is printed on standard output',
    commands: [...kernelCommands, 'version'],
  },
  verbosity: {
    name: 'v',
    short: 'v',
    kind: 'number',
    default: 0,
    value: 'LEVEL',
    summary: 'how much is logged on standard error; 4 and above is for debugging',
    commands: kernelCommands,
  },
  loggingFormat: {
    name: 'logging-format',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    summary: 'form of the log lines on standard error',
    commands: kernelCommands,
  },
  help: {
    name: 'help',
    short: 'h',
    kind: 'boolean',
    summary: 'print help',
    commands: everyCommand,
  },
  version: {
    name: 'version',
    kind: 'boolean',
    summary: 'print the version',
    commands: everyCommand,
  },
  markdown: {
    name: 'markdown',
    kind: 'boolean',
    summary: "print the README's tables",
    commands: ['help'],
    hidden: true,
  },
} as const satisfies Readonly<Record<string, FlagSpec>>;

export type FlagKey = keyof typeof flagTable;

/** Where a row gives no default, the flag may be undefined. */
type OrAbsent<F extends FlagSpec, T> = F extends { readonly default: string } ? T : T | undefined;

/** A duration is milliseconds. */
type FlagValue<F extends FlagSpec> = F['kind'] extends 'boolean'
  ? boolean
  : F['kind'] extends 'number'
    ? number
    : F['kind'] extends 'list'
      ? readonly string[]
      : F['kind'] extends 'choice'
        ? NonNullable<F['choices']>[number]
        : OrAbsent<F, F['kind'] extends 'duration' ? number : string>;

/** Every flag of the table with the type that its row says; absent flags have their default. */
export type FlagValues = { readonly [K in FlagKey]: FlagValue<(typeof flagTable)[K]> };

/** The table's rows under the type that all of them have. */
export const flagSpecs: ReadonlyMap<FlagKey, FlagSpec> = new Map(Object.entries(flagTable) as [FlagKey, FlagSpec][]);

/** The visible flags of one command, in table order. */
export function flagsOf(command: CommandName): readonly FlagSpec[] {
  return [...flagSpecs.values()].filter((flag) => flag.hidden !== true && flag.commands.includes(command));
}

/** Every name of a flag, without dashes. */
export function flagNames(flag: FlagSpec): readonly string[] {
  return [...new Set([flag.name, ...(flag.aliases ?? []), ...(flag.short === undefined ? [] : [flag.short])])];
}

/** `-v`, `--output`. */
export function dashed(name: string): string {
  return `${name.length === 1 ? '-' : '--'}${name}`;
}

/** `--output text|json`, `--dry-run`, `-v LEVEL`: how help writes a flag. */
export function flagUsage(flag: FlagSpec): string {
  const value = flag.kind === 'boolean' ? '' : ` ${flag.value ?? flag.choices?.join('|') ?? 'VALUE'}`;
  return `${dashed(flag.name)}${value}`;
}
