/** Flags about the node and the process on it: addresses, connection tracking, the log. */

import { type FlagRows, kernelCommands, serviceCommands } from './flag-spec.ts';

export const addressFlags = {
  bindAddress: {
    name: 'bind-address',
    kind: 'string',
    default: '0.0.0.0',
    value: 'ADDRESS',
    summary: "the node's own address of its family, when it is not the first one that the Node names",
    commands: serviceCommands,
  },
  healthzBindAddress: {
    name: 'healthz-bind-address',
    kind: 'string',
    default: '0.0.0.0:10256',
    value: 'ADDRESS[:PORT]',
    summary: 'where /healthz, /livez and /readyz are; empty, or port 0: nowhere',
    commands: ['run'],
  },
  metricsBindAddress: {
    name: 'metrics-bind-address',
    kind: 'string',
    default: '127.0.0.1:10249',
    value: 'ADDRESS[:PORT]',
    summary: 'where /metrics, /proxyMode and /configz are; empty, or port 0: nowhere',
    commands: ['run'],
  },
  bindAddressHardFail: {
    name: 'bind-address-hard-fail',
    kind: 'boolean',
    summary: 'exit when the server cannot listen at one of these two addresses, instead of trying again',
    commands: ['run'],
  },
  healthzPort: {
    name: 'healthz-port',
    kind: 'number',
    value: 'PORT',
    summary: 'the port of --healthz-bind-address where that has none; 0: nowhere',
    commands: ['run'],
    deprecated: 'write --healthz-bind-address',
  },
  metricsPort: {
    name: 'metrics-port',
    kind: 'number',
    value: 'PORT',
    summary: 'the port of --metrics-bind-address where that has none; 0: nowhere',
    commands: ['run'],
    deprecated: 'write --metrics-bind-address',
  },
  trafficSeries: {
    name: 'traffic-series',
    kind: 'number',
    default: 0,
    value: 'COUNT',
    summary: 'show the traffic of at most COUNT virtual services in /metrics',
    commands: ['run', 'doctor'],
    overFile: true,
  },
} as const satisfies FlagRows;

export const conntrackFlags = {
  conntrackMaxPerCore: {
    name: 'conntrack-max-per-core',
    kind: 'number',
    default: 32768,
    value: 'COUNT',
    summary: "limit of tracked connections for each CPU; 0 leaves the kernel's own",
    commands: serviceCommands,
  },
  conntrackMin: {
    name: 'conntrack-min',
    kind: 'number',
    default: 131072,
    value: 'COUNT',
    summary: 'least limit of tracked connections, however few CPUs there are',
    commands: serviceCommands,
  },
  conntrackTcpEstablishedTimeout: {
    name: 'conntrack-tcp-timeout-established',
    kind: 'duration',
    default: '24h',
    value: 'DURATION',
    summary: "how long an idle TCP connection is tracked; 0s leaves the kernel's own time",
    commands: serviceCommands,
  },
  conntrackTcpCloseWaitTimeout: {
    name: 'conntrack-tcp-timeout-close-wait',
    kind: 'duration',
    default: '1h',
    value: 'DURATION',
    summary: "how long a TCP connection in CLOSE_WAIT is tracked; 0s leaves the kernel's own time",
    commands: serviceCommands,
  },
  conntrackTcpBeLiberal: {
    name: 'conntrack-tcp-be-liberal',
    kind: 'boolean',
    summary: 'do not mark TCP packets outside the window as invalid',
    commands: serviceCommands,
  },
  conntrackUdpTimeout: {
    name: 'conntrack-udp-timeout',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long a UDP flow without answer is tracked; 0s leaves the kernel's own time",
    commands: serviceCommands,
  },
  conntrackUdpStreamTimeout: {
    name: 'conntrack-udp-timeout-stream',
    kind: 'duration',
    default: '0s',
    value: 'DURATION',
    summary: "how long an answered UDP flow is tracked; 0s leaves the kernel's own time",
    commands: serviceCommands,
  },
} as const satisfies FlagRows;

export const loggingFlags = {
  verbosity: {
    name: 'v',
    short: 'v',
    kind: 'number',
    default: 0,
    value: 'LEVEL',
    summary: 'verbosity of the log on standard error; from 4 on operations are logged too',
    commands: [...kernelCommands, 'run', 'explain', 'doctor'],
    overFile: true,
  },
  loggingFormat: {
    name: 'logging-format',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    summary: 'form of the log lines on standard error',
    commands: [...kernelCommands, 'run', 'explain', 'doctor'],
    overFile: true,
  },
} as const satisfies FlagRows;
