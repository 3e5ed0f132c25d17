/** The config as the KubeProxyConfiguration that means the same: kube-proxy's fields in its order, and ours in one block. Pure. */

import { type Address, cidrText, endpointText } from '../model/address.ts';
import { durationText } from '../model/duration.ts';
import type { Effective } from './config.ts';
import { configKind, configVersion } from './fields.ts';
import type { ListenAddress } from './readings.ts';

export type ConfigDocument = Readonly<Record<string, unknown>>;

/** What the operator wrote of the node, which the config has in another form. */
export interface WrittenOfNode {
  /** Empty: the host's own name. */
  readonly hostnameOverride: string;
  readonly bindAddress: Address;
}

/**
 * What means nothing here has kube-proxy's default, or none where that depends on the mode. `loadConfig` of the document gives
 * the config again, but for `cluster.master`, which only a flag can say.
 */
export function documentOf(config: Effective, written: WrittenOfNode): ConfigDocument {
  return frozen({
    kind: configKind,
    apiVersion: configVersion,
    ...processFields(config, written),
    mode: 'ipvs',
    ...modeFields(config),
    ...podFields(config),
    nodePortAddresses: config.nodePortAddresses === 'primary' ? ['primary'] : config.nodePortAddresses.map(cidrText),
    oomScoreAdj: config.oomScoreAdj,
    conntrack: conntrackFields(config),
    configSyncPeriod: durationText(900_000),
    portRange: '',
    kubeIpvs: ownFields(config),
  });
}

function processFields(config: Effective, written: WrittenOfNode): ConfigDocument {
  return {
    featureGates: {},
    clientConnection: {
      kubeconfig: config.cluster.kubeconfig,
      acceptContentTypes: '',
      contentType: 'application/vnd.kubernetes.protobuf',
      qps: 5,
      burst: 10,
    },
    logging: {
      format: config.loggingFormat,
      flushFrequency: durationText(5000),
      verbosity: config.verbosity,
      options: { text: { infoBufferSize: '0' }, json: { infoBufferSize: '0' } },
    },
    hostnameOverride: written.hostnameOverride,
    bindAddress: written.bindAddress,
    healthzBindAddress: listenText(config.healthzAddress),
    metricsBindAddress: listenText(config.metricsAddress),
    bindAddressHardFail: config.bindAddressHardFail,
    enableProfiling: false,
    showHiddenMetricsForVersion: '',
  };
}

/** Port 0 is how a file says that nobody listens: nothing is the default there. */
function listenText(address: ListenAddress | undefined): string {
  return address === undefined ? '0.0.0.0:0' : endpointText(address.host, address.port);
}

function modeFields(config: Effective): ConfigDocument {
  const none = durationText(0);
  const { tcp, tcpFin, udp } = config.ipvsTimeouts;
  return {
    iptables: {
      masqueradeBit: config.masqueradeBit,
      masqueradeAll: config.masqueradeAll,
      localhostNodePorts: true,
      syncPeriod: none,
      minSyncPeriod: none,
    },
    ipvs: {
      syncPeriod: durationText(config.syncPeriod),
      minSyncPeriod: durationText(config.minSyncPeriod),
      scheduler: config.scheduler,
      excludeCIDRs: config.excludeCidrs.map(cidrText),
      strictARP: config.strictArp,
      tcpTimeout: secondsText(tcp),
      tcpFinTimeout: secondsText(tcpFin),
      udpTimeout: secondsText(udp),
    },
    nftables: { masqueradeBit: 14, masqueradeAll: false, syncPeriod: none, minSyncPeriod: none },
    winkernel: {
      networkName: '',
      sourceVip: '',
      enableDSR: false,
      rootHnsEndpointName: '',
      forwardHealthCheckVip: false,
    },
  };
}

function podFields({ pods }: Effective): ConfigDocument {
  return {
    detectLocalMode: pods.mode,
    detectLocal: {
      bridgeInterface: pods.mode === 'BridgeInterface' ? pods.name : '',
      interfaceNamePrefix: pods.mode === 'InterfaceNamePrefix' ? pods.prefix : '',
    },
    clusterCIDR: pods.mode === 'ClusterCIDR' ? pods.cidrs.map(cidrText).join(',') : '',
  };
}

function conntrackFields({ conntrack }: Effective): ConfigDocument {
  return {
    maxPerCore: conntrack.maxPerCore,
    min: conntrack.min,
    tcpEstablishedTimeout: secondsText(conntrack.tcpEstablishedTimeout),
    tcpCloseWaitTimeout: secondsText(conntrack.tcpCloseWaitTimeout),
    tcpBeLiberal: conntrack.tcpBeLiberal,
    udpTimeout: secondsText(conntrack.udpTimeout),
    udpStreamTimeout: secondsText(conntrack.udpStreamTimeout),
  };
}

/** What is not limited, or not there, is null. */
function ownFields(config: Effective): ConfigDocument {
  return {
    vipBinding: config.vipBinding,
    serviceCIDRs: config.serviceCidrs.map(cidrText),
    drainTimeout: config.drainTimeout === undefined ? null : durationText(config.drainTimeout),
    manifests: [...config.manifests],
    statusSocket: config.statusSocket,
    trafficSeries: config.trafficSeries,
    netns: config.netns ?? null,
  };
}

function secondsText(seconds: number): string {
  return durationText(seconds * 1000);
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
