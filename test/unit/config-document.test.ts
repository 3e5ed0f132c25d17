/** The config as a KubeProxyConfiguration: what --write-config-to writes, and that it gives the config again. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configText } from '../../src/cli/write-config.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { arbitraryConfigWords } from '../support/arbitrary-config.ts';
import { configured, hostOf, remarked } from '../support/configured.ts';
import fc from '../support/property.ts';

const written = `kind: KubeProxyConfiguration
apiVersion: kubeproxy.config.k8s.io/v1alpha1
featureGates: {}
clientConnection:
  kubeconfig: /k
  acceptContentTypes: ''
  contentType: application/vnd.kubernetes.protobuf
  qps: 5
  burst: 10
logging:
  format: json
  flushFrequency: 5s
  verbosity: 2
  options:
    text:
      infoBufferSize: '0'
    json:
      infoBufferSize: '0'
hostnameOverride: 'yes'
bindAddress: 2001:db8::1
healthzBindAddress: '[::1]:80'
metricsBindAddress: 0.0.0.0:0
bindAddressHardFail: true
enableProfiling: false
showHiddenMetricsForVersion: ''
mode: ipvs
iptables:
  masqueradeBit: 0
  masqueradeAll: true
  localhostNodePorts: true
  syncPeriod: 0s
  minSyncPeriod: 0s
ipvs:
  syncPeriod: 1m30s
  minSyncPeriod: 500ms
  scheduler: wrr
  excludeCIDRs:
    - 10.0.0.0/8
    - fd00::/8
  strictARP: true
  tcpTimeout: 15m0s
  tcpFinTimeout: 0s
  udpTimeout: 30s
nftables:
  masqueradeBit: 14
  masqueradeAll: false
  syncPeriod: 0s
  minSyncPeriod: 0s
winkernel:
  networkName: ''
  sourceVip: ''
  enableDSR: false
  rootHnsEndpointName: ''
  forwardHealthCheckVip: false
detectLocalMode: ClusterCIDR
detectLocal:
  bridgeInterface: ''
  interfaceNamePrefix: ''
clusterCIDR: 10.244.0.0/16,fd00:244::/56
nodePortAddresses:
  - primary
oomScoreAdj: 0
conntrack:
  maxPerCore: 0
  min: 131072
  tcpEstablishedTimeout: 24h0m0s
  tcpCloseWaitTimeout: 1h0m0s
  tcpBeLiberal: false
  udpTimeout: 0s
  udpStreamTimeout: 0s
configSyncPeriod: 15m0s
portRange: ''
kubeIpvs:
  vipBinding: route
  serviceCIDRs:
    - 10.96.0.0/12
  drainTimeout: 0s
  manifests:
    - '-'
  statusSocket: /run/s
  trafficSeries: 7
  netns: blue
`;

describe('the document of a config', () => {
  it('has kube-proxy’s fields in its order and ours behind them', () => {
    const config = configured(
      'run --kubeconfig=/k --logging-format=json -v=2 --hostname-override=YES --bind-address=2001:DB8::1 ' +
        '--healthz-bind-address=[::1]:80 --metrics-port=0 --bind-address-hard-fail --iptables-masquerade-bit=0 ' +
        '--masquerade-all --ipvs-sync-period=90s --ipvs-min-sync-period=0.5s --ipvs-scheduler=wrr --ipvs-strict-arp ' +
        '--ipvs-exclude-cidrs=10.1.2.3/8,fd00::/8 --ipvs-tcp-timeout=15m --ipvs-udp-timeout=30s ' +
        '--cluster-cidr=10.244.0.0/16,fd00:244::/56 --nodeport-addresses=primary --oom-score-adj=0 ' +
        '--conntrack-max-per-core=0 --vip-binding=route --service-cluster-ip-range=10.96.0.0/12 --drain-timeout=0 ' +
        '--manifests=- --status-socket=/run/s --traffic-series=7 --netns=blue',
    );
    assert.equal(configText(config), written);
  });

  it('leaves the node’s name open where it is the host’s', () => {
    assert.deepEqual(configured('run').document['hostnameOverride'], '');
  });

  it('says what is not said with null or nothing', () => {
    assert.deepEqual(configured('run').document['kubeIpvs'], {
      vipBinding: 'address',
      serviceCIDRs: [],
      drainTimeout: null,
      manifests: [],
      statusSocket: '/run/kube-ipvs/status.sock',
      trafficSeries: 0,
      netns: null,
    });
  });

  it('gives the config again, without a remark, whatever the config', () => {
    fc.assert(
      fc.property(arbitraryConfigWords, (words) => {
        const first = loadConfig(parseArguments(['run', ...words]), hostOf({}));
        assert.ok('config' in first, JSON.stringify(first));
        const files = { 'config.conf': configText(first.config) };
        const { master } = first.config.cluster;
        const line = `run --config=config.conf${master === '' ? '' : ` --master=${master}`}`;
        assert.deepEqual(configured(line, files), first.config);
        assert.deepEqual(remarked(line, files), []);
        const json = { 'config.conf': JSON.stringify(first.config.document) };
        assert.deepEqual(configured(line, json), first.config);
      }),
    );
  });
});
