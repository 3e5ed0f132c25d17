/** Words of the command line → command and flags, pflag style. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { type FlagKey, type FlagValues, flagNames, flagSpecs } from '../../src/config/flags.ts';

const defaults: FlagValues = {
  config: undefined,
  writeConfigTo: undefined,
  kubeconfig: '',
  master: '',
  cleanup: false,
  release: false,
  initOnly: false,
  oomScoreAdj: -999,
  proxyMode: 'ipvs',
  syncPeriod: 30_000,
  minSyncPeriod: 0,
  healthzBindAddress: '0.0.0.0:10256',
  metricsBindAddress: '127.0.0.1:10249',
  bindAddressHardFail: false,
  healthzPort: undefined,
  metricsPort: undefined,
  trafficSeries: 0,
  featureGates: [],
  profiling: false,
  showHiddenMetricsForVersion: undefined,
  configSyncPeriod: 900_000,
  kubeApiContentType: 'application/vnd.kubernetes.protobuf',
  kubeApiQps: 5,
  kubeApiBurst: 10,
  iptablesSyncPeriod: 30_000,
  iptablesMinSyncPeriod: 1000,
  iptablesLocalhostNodeports: false,
  bootIdFile: undefined,
  machineIdFile: undefined,
  vmodule: [],
  logFlushFrequency: 5000,
  logTextSplitStream: false,
  logTextInfoBufferSize: undefined,
  logJsonSplitStream: false,
  logJsonInfoBufferSize: undefined,
  once: false,
  statusSocket: '/run/kube-ipvs/status.sock',
  watch: false,
  manifests: [],
  hostnameOverride: undefined,
  scheduler: 'rr',
  vipBinding: 'address',
  serviceCidrs: [],
  nodePortAddresses: [],
  bindAddress: '0.0.0.0',
  drainTimeout: undefined,
  detectLocalMode: 'ClusterCIDR',
  clusterCidrs: [],
  podBridgeInterface: undefined,
  podInterfaceNamePrefix: undefined,
  masqueradeAll: false,
  masqueradeBit: 14,
  strictArp: false,
  ipvsTcpTimeout: 0,
  ipvsTcpFinTimeout: 0,
  ipvsUdpTimeout: 0,
  conntrackMaxPerCore: 32_768,
  conntrackMin: 131_072,
  conntrackTcpEstablishedTimeout: 86_400_000,
  conntrackTcpCloseWaitTimeout: 3_600_000,
  conntrackTcpBeLiberal: false,
  conntrackUdpTimeout: 0,
  conntrackUdpStreamTimeout: 0,
  excludeCidrs: [],
  netns: undefined,
  from: undefined,
  kernelFaults: undefined,
  dryRun: false,
  output: 'text',
  verbosity: 0,
  loggingFormat: 'text',
  help: false,
  version: false,
  markdown: false,
};

/** Words as a shell splits them at spaces. */
function parse(line: string): ReturnType<typeof parseArguments> {
  return parseArguments(line === '' ? [] : line.split(' '));
}

describe('flags', () => {
  const rows: readonly (readonly [string, Partial<FlagValues>])[] = [
    ['reconcile', {}],
    ['reconcile --once --dry-run', { once: true, dryRun: true }],
    ['reconcile --once=false', { once: false }],
    ['reconcile --once=F --dry-run=1', { once: false, dryRun: true }],
    ['reconcile --once --once=false', { once: false }],
    ['reconcile -v 4', { verbosity: 4 }],
    ['reconcile -v4', { verbosity: 4 }],
    ['reconcile -v=4', { verbosity: 4 }],
    ['reconcile --v=4', { verbosity: 4 }],
    ['reconcile --v 4', { verbosity: 4 }],
    ['-v 4 reconcile', { verbosity: 4 }],
    ['reconcile -o json', { output: 'json' }],
    ['reconcile -ojson', { output: 'json' }],
    ['reconcile -o=json', { output: 'json' }],
    ['reconcile --output json', { output: 'json' }],
    ['reconcile --scheduler wrr', { scheduler: 'wrr' }],
    ['reconcile --scheduler wrr --ipvs-scheduler=mh', { scheduler: 'mh' }],
    ['reconcile --vip-binding=route', { vipBinding: 'route' }],
    ['reconcile --netns a --hostname-override b', { netns: 'a', hostnameOverride: 'b' }],
    ['reconcile --hostname-override=', { hostnameOverride: '' }],
    [
      'reconcile --ipvs-exclude-cidrs 10.0.0.0/8,fd00::/8 --ipvs-exclude-cidrs=1.2.3.4/32',
      { excludeCidrs: ['10.0.0.0/8', 'fd00::/8', '1.2.3.4/32'] },
    ],
    ['reconcile --ipvs-exclude-cidrs=', { excludeCidrs: [] }],
    ['reconcile --ipvs-exclude-cidrs=,10.0.0.0/8,,fd00::/8,', { excludeCidrs: ['10.0.0.0/8', 'fd00::/8'] }],
    ['run --nodeport-addresses="10.0.0.0/8"', { nodePortAddresses: ['10.0.0.0/8'] }],
    [
      'run --ipvs-exclude-cidrs="10.0.0.0/8",fd00::/8,"fc00::/8"',
      { excludeCidrs: ['10.0.0.0/8', 'fd00::/8', 'fc00::/8'] },
    ],
    ['reconcile --manifests="a,b",c"d,"e,,""', { manifests: ['a,b', 'c"d', '"e'] }],
    [
      'reconcile --manifests a.yaml b.yaml --dry-run c.yaml',
      { manifests: ['a.yaml', 'b.yaml', 'c.yaml'], dryRun: true },
    ],
    ['reconcile --manifests=a,b --manifests -', { manifests: ['a', 'b', '-'] }],
    ['reconcile --manifests - --once', { manifests: ['-'], once: true }],
    ['reconcile --manifests a b,c', { manifests: ['a', 'b,c'] }],
    ['reconcile --manifests a -- --once', { manifests: ['a', '--once'] }],
    ['reconcile --drain-timeout 30s', { drainTimeout: 30_000 }],
    ['reconcile --drain-timeout=0s --ipvs-udp-timeout=0', { drainTimeout: 0, ipvsUdpTimeout: 0 }],
    [
      'reconcile --ipvs-tcp-timeout 1h30m --ipvs-tcpfin-timeout=1.5m',
      { ipvsTcpTimeout: 5_400_000, ipvsTcpFinTimeout: 90_000 },
    ],
    ['reconcile --detect-local-mode=NodeCIDR', { detectLocalMode: 'NodeCIDR' }],
    [
      'reconcile --nodeport-addresses primary --masquerade-all',
      { nodePortAddresses: ['primary'], masqueradeAll: true },
    ],
    ['run --oom-score-adj=-998', { oomScoreAdj: -998 }],
    ['run --oom-score-adj -998', { oomScoreAdj: -998 }],
    ['run --kube-api-qps=2.5 --kube-api-burst=20', { kubeApiQps: 2.5, kubeApiBurst: 20 }],
    ['run --feature-gates=A=true,B=false', { featureGates: ['A=true', 'B=false'] }],
    ['run --conntrack-min=0x1_F --oom-score-adj=-017', { conntrackMin: 31, oomScoreAdj: -15 }],
    ['run --conntrack-min=1_000 --oom-score-adj=+0b11', { conntrackMin: 1000, oomScoreAdj: 3 }],
    ['run --conntrack-min=0 --oom-score-adj=-0o17', { conntrackMin: 0, oomScoreAdj: -15 }],
    ['run --healthz-bind-address= --metrics-port=0', { healthzBindAddress: '', metricsPort: 0 }],
    ['run --detect-local-mode=', { detectLocalMode: 'ClusterCIDR' }],
    [
      'run --cluster-cidr=10.0.0.0/8 --cluster-cidr=10.1.0.0/16,fd00::/64',
      { clusterCidrs: ['10.1.0.0/16', 'fd00::/64'] },
    ],
    ['run --cluster-cidr=10.0.0.0/8 --cluster-cidr=', { clusterCidrs: [] }],
    ['run --proxy_mode=ipvs --ipvs_sync_period 5s', { proxyMode: 'ipvs', syncPeriod: 5000 }],
    ['run --hostname-override=a_b', { hostnameOverride: 'a_b' }],
    ['run --manifests a -- --b_c', { manifests: ['a', '--b_c'] }],
    ['run --init-only --cleanup=false', { initOnly: true }],
    ['run --vmodule=a=3 --log-flush-frequency=1s', { vmodule: ['a=3'], logFlushFrequency: 1000 }],
    ['help --markdown', { markdown: true }],
    ['status -w=true -o=json', { watch: true, output: 'json' }],
    ['status -w -w=false -h=F', { watch: false }],
    ['cleanup --help --version', { help: true, version: true }],
  ];
  for (const [line, expected] of rows) {
    it(`of "${line}"`, () => {
      const parsed = parse(line);
      assert.deepEqual(parsed.problems, []);
      assert.deepEqual({ ...parsed.flags }, { ...defaults, ...expected });
      assert.ok(Object.isFrozen(parsed.flags));
    });
  }

  it('of kube-proxy’s own form, without a command, are those of run', () => {
    const parsed = parse('--config=/var/lib/kube-proxy/config.conf --hostname-override=node-b -v=2');
    assert.deepEqual([parsed.command, parsed.isCommandWritten, parsed.problems], ['run', false, []]);
    assert.deepEqual(
      { ...parsed.flags },
      { ...defaults, config: '/var/lib/kube-proxy/config.conf', hostnameOverride: 'node-b', verbosity: 2 },
    );
    assert.deepEqual([parse('').command, parse('').isCommandWritten], ['run', false]);
    assert.deepEqual([parse('run').command, parse('run').isCommandWritten], ['run', true]);
  });

  it('may have empty words among them, which count for nothing', () => {
    for (const words of [
      ['', '--v=2', ''],
      ['run', '', '--v=2'],
      ['', 'run', '--v=2'],
      ['--v=2', '--', ''],
    ]) {
      const { command, operands, problems, flags } = parseArguments(words);
      assert.deepEqual([command, operands, problems], ['run', [], []]);
      assert.deepEqual({ ...flags }, { ...defaults, verbosity: 2 });
    }
    assert.deepEqual(parseArguments(['explain', '', '10.96.0.1:443', '--manifests', 'a', '', 'b']).flags.manifests, [
      'a',
      'b',
    ]);
  });

  it('of manifests take words before a command is known, unless one is a command', () => {
    assert.deepEqual(parse('--manifests a b').flags.manifests, ['a', 'b']);
    assert.deepEqual(parse('--manifests a reconcile --once').command, 'reconcile');
  });

  it('of manifests leave the address to explain, before and behind them', () => {
    for (const line of ['explain [fd00::1]:53/UDP --manifests a b', 'explain --manifests a b [fd00::1]:53/UDP']) {
      const { problems, operands, flags } = parse(line);
      assert.deepEqual([problems, operands, flags.manifests], [[], ['[fd00::1]:53/UDP'], ['a', 'b']]);
    }
  });

  it('that are deprecated say what to write instead', () => {
    assert.deepEqual(parse('run --healthz-port 1 --metrics-port=2').warnings, [
      '--healthz-port is deprecated: write --healthz-bind-address',
      '--metrics-port is deprecated: write --metrics-bind-address',
    ]);
  });

  it('that were written are told from defaults', () => {
    assert.deepEqual([...parse('reconcile --scheduler rr').given], ['scheduler'] satisfies FlagKey[]);
  });

  it('have one name each', () => {
    const names = [...flagSpecs.values()].flatMap(flagNames);
    assert.deepEqual(names, [...new Set(names)]);
  });
});

describe('bad usage', () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['recon', ['"recon" is no command of kube-ipvs; did you mean reconcile?']],
    [
      'proxy',
      [
        '"proxy" is no command of kube-ipvs; write one of run, status, reconcile, takeover, cleanup, explain, doctor, completion, version, help',
      ],
    ],
    ['reconcile --onse', ['"--onse" is no flag of kube-ipvs; did you mean --once?']],
    ['reconcile --sched=rr', ['"--sched" is no flag of kube-ipvs; did you mean --scheduler?']],
    ['reconcile -abc', ['"-a" is no flag of kube-ipvs; see \'kube-ipvs help\'']],
    ['reconcile --proxy-mode=ipvs', ['--proxy-mode belongs to run, not to reconcile; leave it out']],
    ['run node-a', ['run takes no argument "node-a"; leave it out']],
    [
      '--v=2 node-a',
      [
        '"node-a" is no command of kube-ipvs; write one of run, status, reconcile, takeover, cleanup, explain, doctor, completion, version, help',
      ],
    ],
    ['run --once', ['--once belongs to reconcile, not to run; leave it out']],
    ['run --oom-score-adj=low', ['--oom-score-adj is "low"; write a whole number']],
    ['run --kube-api-qps=many', ['--kube-api-qps is "many"; write a number such as 5 or 2.5']],
    ['run --ipvs-sync-period=5', ['--ipvs-sync-period is "5"; write a duration from 0s, such as 30s or 1h30m']],
    ['run --profiling=perhaps', ['--profiling is "perhaps"; write true or false']],
    ['run --config', ['--config needs a value; write --config FILE']],
    [
      'cleanup --once --manifests x',
      [
        '--once belongs to reconcile, not to cleanup; leave it out',
        '--manifests belongs to run and reconcile and takeover and explain and doctor, not to cleanup; leave it out',
      ],
    ],
    [
      'version -v 4',
      ['-v belongs to reconcile and takeover and cleanup and run and explain and doctor, not to version; leave it out'],
    ],
    [
      '--masquerade-all false --proxy-mode=ipvs',
      ['--masquerade-all takes no word behind it as its value; write --masquerade-all=false'],
    ],
    ['status -w true', ['-w takes no word behind it as its value; write -w=true']],
    ['reconcile --once=maybe', ['--once is "maybe"; write true or false']],
    ['status -w=perhaps', ['--watch is "perhaps"; write true or false']],
    ['reconcile -o yaml', ['-o is "yaml"; write text or json or wide']],
    ['reconcile --v=high', ['--v is "high"; write a whole number from 0']],
    ['reconcile --v=-1', ['--v is "-1"; write a whole number from 0']],
    ['run --conntrack-min=08', ['--conntrack-min is "08"; write a whole number from 0']],
    ['run --conntrack-min=0x', ['--conntrack-min is "0x"; write a whole number from 0']],
    ['run --conntrack-min=1__0', ['--conntrack-min is "1__0"; write a whole number from 0']],
    ['run --conntrack-min=0x80000000', ['--conntrack-min is "0x80000000"; write at most 2147483647']],
    ['run --conntrack-min=2147483648', ['--conntrack-min is "2147483648"; write at most 2147483647']],
    ['run --oom-score-adj=-9999999999', ['--oom-score-adj is "-9999999999"; write at least -2147483647']],
    ['reconcile --drain-timeout 30', ['--drain-timeout is "30"; write a duration from 0s, such as 30s or 1h30m']],
    ['reconcile --drain-timeout=-5s', ['--drain-timeout is "-5s"; write a duration from 0s, such as 30s or 1h30m']],
    [
      'reconcile --detect-local-mode=Pods',
      ['--detect-local-mode is "Pods"; write ClusterCIDR or NodeCIDR or BridgeInterface or InterfaceNamePrefix'],
    ],
    ['reconcile --netns', ['--netns needs a value; write --netns NAME']],
    ['reconcile --manifests', ['--manifests needs a value; write --manifests PATH…']],
    ['reconcile a.yaml', ['reconcile takes no argument "a.yaml"; write --manifests in front of paths']],
    ['cleanup everything', ['cleanup takes no argument "everything"; leave it out']],
    ['completion', ['completion needs a shell; write one of bash, zsh, fish']],
    ['completion tcsh', ['"tcsh" is no shell; write one of bash, zsh, fish']],
    ['explain', ['explain needs an ADDRESS:PORT; write one such as 10.96.0.1:443, [fd00::1]:53/UDP']],
    ['explain fd00::1:53', ['"fd00::1:53" is no ADDRESS:PORT; write one such as 10.96.0.1:443, [fd00::1]:53/UDP']],
    ['explain 10.96.0.1:443 a.yaml', ['explain takes no argument "a.yaml"; write --manifests in front of paths']],
    ['reconcile --from pod', ['--from belongs to explain, not to reconcile; leave it out']],
    ['help reconcile cleanup', ['help takes no argument "cleanup"; leave it out']],
    [
      'reconcile --onse -o yaml --v=x',
      [
        '"--onse" is no flag of kube-ipvs; did you mean --once?',
        '-o is "yaml"; write text or json or wide',
        '--v is "x"; write a whole number from 0',
      ],
    ],
  ];
  for (const [line, expected] of rows) {
    it(`"${line}" is told with its cure`, () => {
      assert.deepEqual(
        parse(line).problems.map(({ message }) => message),
        expected,
      );
    });
  }

  it('never prints what a terminal obeys', () => {
    const { problems } = parseArguments(['reconcile', '--\u001b[31m', '-o\u0007\u009b']);
    assert.ok(problems.length === 2 && problems.every(({ message }) => !/\p{Cc}/u.test(message)));
  });
});
