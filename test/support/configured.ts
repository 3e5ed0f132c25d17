/** A command line, and the files that it names, as the config that they give. */

import assert from 'node:assert/strict';
import { parseArguments } from '../../src/config/arguments.ts';
import { type Config, type Host, type Loaded, loadConfig } from '../../src/config/config.ts';

/** Path → text. */
export type Files = Readonly<Record<string, string>>;

export function hostOf(files: Files, hostname = 'node-a'): Host {
  return {
    hostname: () => hostname,
    readFile: (path) => {
      // a mutated word may be constructor
      const text = Object.hasOwn(files, path) ? files[path] : undefined;
      if (text !== undefined) return text;
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
    },
  };
}

/** Words as a shell splits them at spaces; no word of them may be wrong by itself. */
export function load(line: string, files: Files = {}, hostname?: string): Loaded {
  const parsed = parseArguments(line === '' ? [] : line.split(' '));
  assert.deepEqual(parsed.problems, []);
  return loadConfig(parsed, hostOf(files, hostname));
}

export function configured(line: string, files: Files = {}, hostname?: string): Config {
  const loaded = load(line, files, hostname);
  assert.ok('config' in loaded, JSON.stringify(loaded));
  return loaded.config;
}

/** What is wrong, a sentence each. */
export function refused(line: string, files: Files = {}, hostname?: string): string[] {
  const loaded = load(line, files, hostname);
  assert.ok('problems' in loaded, `nothing is wrong with ${line}`);
  return loaded.problems.map(({ message }) => message);
}

/** What was said and means nothing, a sentence each. */
export function remarked(line: string, files: Files = {}): readonly string[] {
  const loaded = load(line, files);
  assert.ok('config' in loaded, JSON.stringify(loaded));
  return loaded.remarks;
}

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

/** A file `config.conf` that holds these lines from line 3 on. */
export function fileOf(lines: string): Files {
  return { 'config.conf': `${head}${lines}\n` };
}

/** As kubeadm 1.36 writes the ConfigMap kube-system/kube-proxy for podSubnet 10.244.0.0/16, with `mode: ipvs` set by hand or not. */
export function kubeadm(mode: '""' | 'ipvs'): Files {
  return {
    'config.conf': `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ${mode}
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`,
  };
}
