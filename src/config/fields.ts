/**
 * The fields of a KubeProxyConfiguration, in the order of its Go type, and our own block behind them.
 * Source: staging/src/k8s.io/kube-proxy/config/v1alpha1/types.go, defaults in pkg/proxy/apis/config/v1alpha1/defaults.go (1.36).
 */

import { type AnyFlagValue, defaultOf, type FlagKey, type FlagSpec, flagSpecs } from './flags.ts';

export const configKind = 'KubeProxyConfiguration';
export const configVersion = 'kubeproxy.config.k8s.io/v1alpha1';

/** What a field holds: a flag's kinds, and what no flag that counts has. */
export type FieldKind = FlagSpec['kind'] | 'comma list' | 'switches' | 'anything';

interface FieldRow {
  /** The flag that says the same. Without other words its kind and its default are the field's, and where it is ignored the field is. */
  readonly flag?: FlagKey;
  /** Another flag that is ignored beside --config since the field decides. */
  readonly flagToo?: FlagKey;
  readonly kind?: FieldKind;
  /** Only null is the default: a pointer in the Go type. Elsewhere 0, 0s, false and nothing are. */
  readonly zeroCounts?: true;
  /** Why it means nothing here; empty where nobody needs to be told. */
  readonly ignored?: string;
  /** Of an ignored field: what it may have without a remark, besides nothing. */
  readonly default?: boolean | number | string;
}

const iptables = "it belongs to kube-proxy's iptables mode";
const nftables = "it belongs to kube-proxy's nftables mode";
const windows = 'it belongs to kube-proxy on Windows';
const halfMinute = 30_000;

const rows = {
  featureGates: { flag: 'featureGates', kind: 'switches' },
  'clientConnection.kubeconfig': { flag: 'kubeconfig' },
  'clientConnection.acceptContentTypes': { kind: 'string', ignored: 'kube-ipvs asks the API server for JSON' },
  'clientConnection.contentType': { flag: 'kubeApiContentType' },
  'clientConnection.qps': { flag: 'kubeApiQps' },
  'clientConnection.burst': { flag: 'kubeApiBurst' },
  'logging.format': { flag: 'loggingFormat' },
  'logging.flushFrequency': { kind: 'anything', ignored: '' },
  'logging.verbosity': { flag: 'verbosity' },
  'logging.vmodule': { kind: 'anything', ignored: '' },
  'logging.options': { kind: 'anything', ignored: '' },
  hostnameOverride: { flag: 'hostnameOverride' },
  bindAddress: { flag: 'bindAddress' },
  healthzBindAddress: { flag: 'healthzBindAddress', flagToo: 'healthzPort' },
  metricsBindAddress: { flag: 'metricsBindAddress', flagToo: 'metricsPort' },
  bindAddressHardFail: { flag: 'bindAddressHardFail' },
  enableProfiling: { flag: 'profiling' },
  showHiddenMetricsForVersion: { flag: 'showHiddenMetricsForVersion' },
  mode: { flag: 'proxyMode' },
  'iptables.masqueradeBit': { flag: 'masqueradeBit', zeroCounts: true },
  'iptables.masqueradeAll': { flag: 'masqueradeAll' },
  'iptables.localhostNodePorts': { kind: 'boolean', zeroCounts: true, default: true, ignored: iptables },
  'iptables.snatNodeInternalIP': { kind: 'boolean', ignored: iptables },
  'iptables.syncPeriod': { flag: 'iptablesSyncPeriod' },
  'iptables.minSyncPeriod': { flag: 'iptablesMinSyncPeriod' },
  'ipvs.syncPeriod': { flag: 'syncPeriod' },
  'ipvs.minSyncPeriod': { flag: 'minSyncPeriod' },
  'ipvs.scheduler': { flag: 'scheduler' },
  'ipvs.excludeCIDRs': { flag: 'excludeCidrs' },
  'ipvs.strictARP': { flag: 'strictArp' },
  'ipvs.tcpTimeout': { flag: 'ipvsTcpTimeout' },
  'ipvs.tcpFinTimeout': { flag: 'ipvsTcpFinTimeout' },
  'ipvs.udpTimeout': { flag: 'ipvsUdpTimeout' },
  'nftables.masqueradeBit': { kind: 'number', zeroCounts: true, default: 14, ignored: nftables },
  'nftables.masqueradeAll': { kind: 'boolean', ignored: nftables },
  'nftables.syncPeriod': { kind: 'duration', default: halfMinute, ignored: nftables },
  'nftables.minSyncPeriod': { kind: 'duration', default: 1000, ignored: nftables },
  'winkernel.networkName': { kind: 'string', ignored: windows },
  'winkernel.sourceVip': { kind: 'string', ignored: windows },
  'winkernel.enableDSR': { kind: 'boolean', ignored: windows },
  'winkernel.rootHnsEndpointName': { kind: 'string', ignored: windows },
  'winkernel.forwardHealthCheckVip': { kind: 'boolean', ignored: windows },
  detectLocalMode: { flag: 'detectLocalMode' },
  'detectLocal.bridgeInterface': { flag: 'podBridgeInterface' },
  'detectLocal.interfaceNamePrefix': { flag: 'podInterfaceNamePrefix' },
  clusterCIDR: { flag: 'clusterCidrs', kind: 'comma list' },
  nodePortAddresses: { flag: 'nodePortAddresses' },
  oomScoreAdj: { flag: 'oomScoreAdj', zeroCounts: true },
  'conntrack.maxPerCore': { flag: 'conntrackMaxPerCore', zeroCounts: true },
  'conntrack.min': { flag: 'conntrackMin', zeroCounts: true },
  'conntrack.tcpEstablishedTimeout': { flag: 'conntrackTcpEstablishedTimeout', zeroCounts: true },
  'conntrack.tcpCloseWaitTimeout': { flag: 'conntrackTcpCloseWaitTimeout', zeroCounts: true },
  'conntrack.tcpBeLiberal': { flag: 'conntrackTcpBeLiberal' },
  'conntrack.udpTimeout': { flag: 'conntrackUdpTimeout' },
  'conntrack.udpStreamTimeout': { flag: 'conntrackUdpStreamTimeout' },
  configSyncPeriod: { flag: 'configSyncPeriod' },
  portRange: { kind: 'string', ignored: 'it belongs to a mode that kube-proxy no longer has' },
  windowsRunAsService: { kind: 'boolean', ignored: windows },
  'kubeIpvs.vipBinding': { flag: 'vipBinding' },
  'kubeIpvs.serviceCIDRs': { flag: 'serviceCidrs' },
  'kubeIpvs.drainTimeout': { flag: 'drainTimeout', zeroCounts: true },
  'kubeIpvs.manifests': { flag: 'manifests' },
  'kubeIpvs.statusSocket': { flag: 'statusSocket' },
  'kubeIpvs.trafficSeries': { flag: 'trafficSeries' },
  'kubeIpvs.netns': { flag: 'netns' },
} as const satisfies Readonly<Record<string, FieldRow>>;

/** Dotted, as it stands in a KubeProxyConfiguration. */
export type FieldPath = keyof typeof rows;

/** One field with what its flag says of it. */
export interface FieldSpec {
  readonly path: FieldPath;
  readonly kind: FieldKind;
  readonly choices: readonly string[];
  readonly zeroCounts: boolean;
  /** Why it means nothing here; empty where nobody needs to be told, undefined where it does mean something. */
  readonly ignored: string | undefined;
  readonly default: AnyFlagValue;
}

export const fieldSpecs: ReadonlyMap<string, FieldSpec> = new Map(
  (Object.entries(rows) as [FieldPath, FieldRow][]).map(([path, row]) => [path, fieldSpec(path, row)]),
);

function fieldSpec(path: FieldPath, row: FieldRow): FieldSpec {
  const flag = row.flag === undefined ? undefined : flagSpecs.get(row.flag)!;
  return {
    path,
    kind: row.kind ?? flag?.kind ?? 'anything',
    choices: flag?.choices ?? [],
    zeroCounts: row.zeroCounts === true,
    ignored: row.ignored ?? (flag?.ignored === undefined ? undefined : flag.summary),
    default: row.default ?? (flag === undefined ? undefined : defaultOf(flag)),
  };
}

/** The blocks: paths that are no fields and hold some. */
export const fieldBlocks: ReadonlySet<string> = new Set(
  [...fieldSpecs.keys()].filter((path) => path.includes('.')).map((path) => path.slice(0, path.indexOf('.'))),
);

/** The field that says what a flag says. */
export const fieldOfFlag: ReadonlyMap<FlagKey, FieldPath> = new Map(
  (Object.entries(rows) as [FieldPath, FieldRow][]).flatMap(([path, { flag, flagToo }]) =>
    [flag, flagToo].filter((key) => key !== undefined).map((key) => [key, path] as const),
  ),
);
