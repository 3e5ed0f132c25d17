/** Flags of kube-proxy that mean nothing here and are accepted, so that its command lines are ours. Summaries say why. */

import type { FlagRows } from './flag-spec.ts';

const withRemark = { commands: ['run'], ignored: 'with a remark' } as const;
const silently = {
  commands: ['run'],
  ignored: 'silently',
  summary: 'all of the log is one stream of one level',
} as const;
const otherMode = "it belongs to kube-proxy's iptables mode";

export const ignoredFlags = {
  featureGates: {
    ...withRemark,
    name: 'feature-gates',
    kind: 'list',
    value: 'NAME=BOOLEAN,…',
    summary: 'kube-ipvs has no feature gates',
  },
  profiling: { ...withRemark, name: 'profiling', kind: 'boolean', summary: 'kube-ipvs serves no profiles' },
  showHiddenMetricsForVersion: {
    ...withRemark,
    name: 'show-hidden-metrics-for-version',
    kind: 'string',
    value: 'VERSION',
    summary: 'kube-ipvs hides no metrics',
  },
  configSyncPeriod: {
    ...withRemark,
    name: 'config-sync-period',
    kind: 'duration',
    default: '15m',
    value: 'DURATION',
    summary: 'what the API server sent is not gone through again at intervals',
  },
  kubeApiContentType: {
    ...withRemark,
    name: 'kube-api-content-type',
    kind: 'string',
    default: 'application/vnd.kubernetes.protobuf',
    value: 'TYPE',
    summary: 'kube-ipvs asks the API server for JSON',
  },
  kubeApiQps: {
    ...withRemark,
    name: 'kube-api-qps',
    kind: 'decimal',
    default: 5,
    value: 'RATE',
    summary: 'kube-ipvs sends too few requests to the API server to need a limit',
  },
  kubeApiBurst: {
    ...withRemark,
    name: 'kube-api-burst',
    kind: 'number',
    default: 10,
    value: 'COUNT',
    summary: 'kube-ipvs sends too few requests to the API server to need a limit',
  },
  iptablesSyncPeriod: {
    ...withRemark,
    name: 'iptables-sync-period',
    kind: 'duration',
    default: '30s',
    value: 'DURATION',
    summary: otherMode,
  },
  iptablesMinSyncPeriod: {
    ...withRemark,
    name: 'iptables-min-sync-period',
    kind: 'duration',
    default: '1s',
    value: 'DURATION',
    summary: otherMode,
  },
  iptablesLocalhostNodeports: {
    ...withRemark,
    name: 'iptables-localhost-nodeports',
    kind: 'boolean',
    summary: otherMode,
  },
  bootIdFile: {
    ...withRemark,
    name: 'boot-id-file',
    kind: 'string',
    value: 'FILE',
    summary: "kube-ipvs does not use the machine's id",
  },
  machineIdFile: {
    ...withRemark,
    name: 'machine-id-file',
    kind: 'string',
    value: 'FILE',
    summary: "kube-ipvs does not use the machine's id",
  },
  vmodule: { ...silently, name: 'vmodule', kind: 'list', value: 'PATTERN=LEVEL,…' },
  logFlushFrequency: {
    ...silently,
    name: 'log-flush-frequency',
    kind: 'duration',
    default: '5s',
    value: 'DURATION',
    summary: 'every line is written at once',
  },
  logTextSplitStream: { ...silently, name: 'log-text-split-stream', kind: 'boolean' },
  logTextInfoBufferSize: { ...silently, name: 'log-text-info-buffer-size', kind: 'string', value: 'SIZE' },
  logJsonSplitStream: { ...silently, name: 'log-json-split-stream', kind: 'boolean' },
  logJsonInfoBufferSize: { ...silently, name: 'log-json-info-buffer-size', kind: 'string', value: 'SIZE' },
} as const satisfies FlagRows;
