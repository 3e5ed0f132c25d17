/** Flags alone → the config; what is wrong with them; how they go beside the file of --config. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { configured, fileOf, hostOf, load, refused, remarked } from '../support/configured.ts';

/** All of `value` is frozen. */
function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  assert.ok(Object.isFrozen(value), JSON.stringify(value));
  for (const part of Object.values(value)) assertFrozen(part);
}

const defaults: Omit<Config, 'document'> = {
  nodeName: 'node-a',
  nodeIP: undefined,
  cluster: { kubeconfig: '', master: '' },
  manifests: [],
  scheduler: 'rr',
  vipBinding: 'address',
  serviceCidrs: [],
  excludeCidrs: [],
  nodePortAddresses: [],
  drainTimeout: undefined,
  pods: { mode: 'ClusterCIDR', cidrs: [] },
  masqueradeAll: false,
  masqueradeBit: 14,
  syncPeriod: 30_000,
  minSyncPeriod: 0,
  strictArp: false,
  ipvsTimeouts: { tcp: 0, tcpFin: 0, udp: 0 },
  conntrack: {
    maxPerCore: 32_768,
    min: 131_072,
    tcpEstablishedTimeout: 86_400,
    tcpCloseWaitTimeout: 3600,
    tcpBeLiberal: false,
    udpTimeout: 0,
    udpStreamTimeout: 0,
  },
  netns: undefined,
  healthzAddress: { host: '0.0.0.0', port: 10_256 } as Config['healthzAddress'],
  metricsAddress: { host: '127.0.0.1', port: 10_249 } as Config['metricsAddress'],
  bindAddressHardFail: false,
  oomScoreAdj: -999,
  statusSocket: '/run/kube-ipvs/status.sock',
  trafficSeries: 0,
  verbosity: 0,
  loggingFormat: 'text',
  kernelFaults: undefined,
};

function effective(line: string, files = {}): Omit<Config, 'document'> {
  const { document: _document, ...rest } = configured(line, files);
  return rest;
}

describe('the config of flags', () => {
  it('is kube-proxy’s by default, but that nothing waits between two passes', () => {
    assert.deepEqual(effective('run'), defaults);
    assert.deepEqual(effective('reconcile --once'), defaults);
  });

  const rows: readonly (readonly [string, object])[] = [
    ['--hostname-override=', {}],
    ['--hostname-override=Node-B', { nodeName: 'node-b' }],
    ['--bind-address=192.0.2.1', { nodeIP: '192.0.2.1' }],
    ['--bind-address=2001:DB8::1', { nodeIP: '2001:db8::1' }],
    ['--bind-address=::', {}],
    ['--bind-address=', {}],
    ['--master=127.0.0.1:8080', { cluster: { kubeconfig: '', master: '127.0.0.1:8080' } }],
    ['--master=[::1]:8080', { cluster: { kubeconfig: '', master: '[::1]:8080' } }],
    ['--master=localhost:8080', { cluster: { kubeconfig: '', master: 'localhost:8080' } }],
    [
      '--kubeconfig=/k --master=https://192.0.2.9:6443',
      { cluster: { kubeconfig: '/k', master: 'https://192.0.2.9:6443' } },
    ],
    ['--manifests a.yaml -', { manifests: ['a.yaml', '-'] }],
    ['--ipvs-scheduler=mh', { scheduler: 'mh' }],
    ['--ipvs-scheduler=', {}],
    ['--vip-binding=route', { vipBinding: 'route' }],
    ['--service-cluster-ip-range=10.96.0.0/12', { serviceCidrs: [{ address: '10.96.0.0', prefix: 12 }] }],
    [
      '--ipvs-exclude-cidrs=10.1.2.3/8,FD00::/8',
      {
        excludeCidrs: [
          { address: '10.0.0.0', prefix: 8 },
          { address: 'fd00::', prefix: 8 },
        ],
      },
    ],
    ['--nodeport-addresses=192.0.2.77/24', { nodePortAddresses: [{ address: '192.0.2.0', prefix: 24 }] }],
    ['--nodeport-addresses=primary', { nodePortAddresses: 'primary' }],
    ['--nodeport-addresses=primary,localhost', { nodePortAddresses: 'primary' }],
    [
      '--nodeport-addresses=10.0.0.0/8,localhost',
      {
        nodePortAddresses: [
          { address: '10.0.0.0', prefix: 8 },
          { address: '127.0.0.0', prefix: 8 },
          { address: '::1', prefix: 128 },
        ],
      },
    ],
    ['--drain-timeout=500ms', { drainTimeout: 500 }],
    ['--drain-timeout=0s', { drainTimeout: 0 }],
    [
      '--cluster-cidr=10.244.0.0/16,fd00:244::/56',
      {
        pods: {
          mode: 'ClusterCIDR',
          cidrs: [
            { address: '10.244.0.0', prefix: 16 },
            { address: 'fd00:244::', prefix: 56 },
          ],
        },
      },
    ],
    ['--detect-local-mode=NodeCIDR --cluster-cidr=any', { pods: { mode: 'NodeCIDR' } }],
    [
      '--detect-local-mode=BridgeInterface --pod-bridge-interface=cbr0',
      { pods: { mode: 'BridgeInterface', name: 'cbr0' } },
    ],
    [
      '--detect-local-mode=InterfaceNamePrefix --pod-interface-name-prefix=cali',
      { pods: { mode: 'InterfaceNamePrefix', prefix: 'cali' } },
    ],
    ['--masquerade-all --iptables-masquerade-bit=31', { masqueradeAll: true, masqueradeBit: 31 }],
    ['--iptables-masquerade-bit=0', { masqueradeBit: 0 }],
    ['--ipvs-sync-period=1m --ipvs-min-sync-period=1m', { syncPeriod: 60_000, minSyncPeriod: 60_000 }],
    ['--ipvs-strict-arp', { strictArp: true }],
    [
      '--ipvs-tcp-timeout=15m --ipvs-tcpfin-timeout=1m --ipvs-udp-timeout=30s',
      { ipvsTimeouts: { tcp: 900, tcpFin: 60, udp: 30 } },
    ],
    [
      '--conntrack-max-per-core=0 --conntrack-min=5000 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=1m --conntrack-tcp-be-liberal --conntrack-udp-timeout=10s --conntrack-udp-timeout-stream=20s',
      {
        conntrack: {
          maxPerCore: 0,
          min: 5000,
          tcpEstablishedTimeout: 0,
          tcpCloseWaitTimeout: 60,
          tcpBeLiberal: true,
          udpTimeout: 10,
          udpStreamTimeout: 20,
        },
      },
    ],
    ['--conntrack-min=2147483647', { conntrack: { ...defaults.conntrack, min: 2_147_483_647 } }],
    ['--netns=blue', { netns: 'blue' }],
    ['--inject-kernel-faults=seed=7,rate=0.1', { kernelFaults: { seed: 7, rate: 0.1 } }],
    ['--inject-kernel-faults seed=0,rate=1', { kernelFaults: { seed: 0, rate: 1 } }],
    ['--bind-address-hard-fail --oom-score-adj=-998', { bindAddressHardFail: true, oomScoreAdj: -998 }],
    ['--status-socket=/s --traffic-series=100', { statusSocket: '/s', trafficSeries: 100 }],
    ['-v=4 --logging-format=json', { verbosity: 4, loggingFormat: 'json' }],
    ['--proxy-mode=ipvs --config=', {}],
    ['--proxy-mode=', {}],
  ];
  for (const [line, expected] of rows) {
    it(`with ${line}`, () => {
      assert.deepEqual(effective(`run ${line}`), { ...defaults, ...expected });
    });
  }

  it('is frozen to the ground', () => {
    assertFrozen(configured('run --cluster-cidr=10.0.0.0/8 --ipvs-exclude-cidrs=10.1.0.0/16 --manifests a b'));
  });

  it('has the host’s name in lower case when none is given, or an empty one', () => {
    for (const line of ['run', 'run --hostname-override='])
      assert.equal(configured(line, {}, 'Node-A.example.com\n').nodeName, 'node-a.example.com');
  });

  const listen: readonly (readonly [string, string, string])[] = [
    ['', '0.0.0.0:10256', '127.0.0.1:10249'],
    // Unlike the file's, the flags' defaults do not follow the bind address.
    ['--bind-address=::', '0.0.0.0:10256', '127.0.0.1:10249'],
    ['--healthz-bind-address=192.0.2.1:80 --metrics-bind-address=[::1]:81', '192.0.2.1:80', '::1:81'],
    ['--healthz-bind-address=192.0.2.1 --metrics-bind-address=::', '192.0.2.1:10256', ':::10249'],
    ['--healthz-bind-address= --metrics-bind-address=', 'nowhere', 'nowhere'],
    ['--healthz-bind-address=0.0.0.0:0 --metrics-bind-address=[::]:0', 'nowhere', 'nowhere'],
    ['--healthz-port=80 --metrics-port=81', '0.0.0.0:80', '127.0.0.1:81'],
    ['--healthz-port=0 --metrics-port=0', 'nowhere', 'nowhere'],
    ['--healthz-bind-address=::1 --healthz-port=80', '::1:80', '127.0.0.1:10249'],
    ['--healthz-bind-address=192.0.2.1:79 --healthz-port=80', '192.0.2.1:79', '127.0.0.1:10249'],
    ['--healthz-bind-address=192.0.2.1:79 --healthz-port=0', 'nowhere', '127.0.0.1:10249'],
  ];
  for (const [line, healthz, metrics] of listen) {
    it(`listens at ${healthz} and ${metrics} with "${line}"`, () => {
      const { healthzAddress, metricsAddress } = configured(`run ${line}`.trim());
      const text = (address: Config['healthzAddress']) =>
        address === undefined ? 'nowhere' : `${address.host}:${address.port}`;
      assert.deepEqual([text(healthzAddress), text(metricsAddress)], [healthz, metrics]);
    });
  }
});

describe('flags that mean nothing', () => {
  const rows: readonly (readonly [string, string])[] = [
    [
      '--ipvs-scheduler=RR',
      '--ipvs-scheduler is "RR", which can be no scheduler\'s name; write one such as rr, wrr, lc, wlc, sh or mh',
    ],
    [
      '--ipvs-exclude-cidrs=10.0.0.1',
      '--ipvs-exclude-cidrs is "10.0.0.1", which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
    ],
    [
      '--service-cluster-ip-range=fd00::/129',
      '--service-cluster-ip-range is "fd00::/129", which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
    ],
    [
      '--nodeport-addresses=primary,10.0.0.0/8',
      '--nodeport-addresses is "primary,10.0.0.0/8", where primary must stand alone; write primary, or networks',
    ],
    [
      '--bind-address=node-a',
      '--bind-address is "node-a", which is no address; write the node\'s own, such as 192.0.2.1 or 2001:db8::1',
    ],
    [
      '--cluster-cidr=10.244.0.0/16,10.245.0.0/16',
      '--cluster-cidr is "10.244.0.0/16,10.245.0.0/16", which has two of one family; write one network, or one of each family',
    ],
    [
      '--iptables-masquerade-bit=32',
      '--iptables-masquerade-bit is "32", which is out of range; write a whole number from 0 to 31',
    ],
    ['--ipvs-tcp-timeout=1500ms', '--ipvs-tcp-timeout is 1500 milliseconds; write whole seconds such as 30s or 1h30m'],
    ['--conntrack-udp-timeout=1000000h', '--conntrack-udp-timeout is 3600000000 seconds; write at most 2147483647s'],
    [
      '--netns=../x',
      '--netns is "../x", which can be no network namespace\'s name; write one that ip netns list prints',
    ],
    [
      '--inject-kernel-faults=rate=2',
      '--inject-kernel-faults is "rate=2", which is no seed with a rate; write one such as seed=7,rate=0.1',
    ],
    ['--metrics-port=65536', '--metrics-port is "65536", which is out of range; write a whole number from 0 to 65535'],
    ['--ipvs-sync-period=0', '--ipvs-sync-period is "0s", which is too short; write one such as 30s'],
    [
      '--ipvs-sync-period=5s --ipvs-min-sync-period=1m30s',
      '--ipvs-min-sync-period is "1m30s", which is longer than the --ipvs-sync-period of 5s; write a shorter one',
    ],
    [
      '--oom-score-adj=-1001',
      '--oom-score-adj is "-1001", which is out of range; write a whole number from -1000 to 1000',
    ],
    [
      '--oom-score-adj=1001',
      '--oom-score-adj is "1001", which is out of range; write a whole number from -1000 to 1000',
    ],
    [
      '--master=192.0.2.1',
      '--master is "192.0.2.1", which is no address of an API server; write one such as https://192.0.2.1:6443',
    ],
    [
      '--master=192.0.2.1:99999',
      '--master is "192.0.2.1:99999", which is no address of an API server; write one such as https://192.0.2.1:6443',
    ],
    [
      '--master=localhost:8080/x',
      '--master is "localhost:8080/x", which is no address of an API server; write one such as https://192.0.2.1:6443',
    ],
    [
      '--master=https://[',
      '--master is "https://[", which is no address of an API server; write one such as https://192.0.2.1:6443',
    ],
    [
      '--healthz-bind-address=localhost:80',
      '--healthz-bind-address is "localhost:80", which is no address with a port; write one such as 0.0.0.0:10256 or [::]:10256',
    ],
    [
      '--metrics-bind-address=:10249',
      '--metrics-bind-address is ":10249", which is no address with a port; write one such as 0.0.0.0:10249 or [::]:10249',
    ],
    [
      '--metrics-bind-address=0.0.0.0:65536',
      '--metrics-bind-address is "0.0.0.0:65536", which is no address with a port; write one such as 0.0.0.0:10249 or [::]:10249',
    ],
    ['--healthz-port=65536', '--healthz-port is "65536", which is out of range; write a whole number from 0 to 65535'],
    ['--status-socket=', '--status-socket is "", which can be no socket; write a path of at most 107 bytes'],
    [
      `--status-socket=/${'s'.repeat(107)}`,
      `--status-socket is "/${'s'.repeat(107)}", which can be no socket; write a path of at most 107 bytes`,
    ],
    [
      '--detect-local-mode=BridgeInterface --pod-interface-name-prefix=x',
      '--pod-bridge-interface is missing; --detect-local-mode BridgeInterface needs it',
    ],
    [
      '--detect-local-mode=InterfaceNamePrefix',
      '--pod-interface-name-prefix is missing; --detect-local-mode InterfaceNamePrefix needs it',
    ],
    [
      '--detect-local-mode=BridgeInterface --pod-bridge-interface=a/b',
      '--pod-bridge-interface is "a/b", which can be no network device\'s name; write one that ip link prints',
    ],
    [
      '--detect-local-mode=InterfaceNamePrefix --pod-interface-name-prefix=ööööööööx',
      '--pod-interface-name-prefix is "ööööööööx", which can be no network device\'s name; write one that ip link prints',
    ],
    ['--proxy-mode=iptables', '--proxy-mode is "iptables", and kube-ipvs is IPVS only; write ipvs, or leave it out'],
    ['--proxy-mode=userspace', '--proxy-mode is "userspace", and kube-ipvs is IPVS only; write ipvs, or leave it out'],
  ];
  for (const [line, message] of rows) {
    it(`${line} is refused with a cure`, () => assert.deepEqual(refused(`run ${line}`), [message]));
  }

  const other = {
    'config.conf': 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n',
  };
  for (const line of ['cleanup', 'cleanup --release', 'run --cleanup', 'status']) {
    it(`${line} takes a file that has another mode by now`, () =>
      assert.equal(configured(`${line} --config config.conf`, other).scheduler, 'rr'));
  }
  for (const line of ['run', 'reconcile --once', 'takeover', 'run --init-only']) {
    it(`${line} takes no file that has another mode`, () =>
      assert.equal(refused(`${line} --config config.conf`, other).length, 1));
  }

  it('are told all at once', () => {
    const lines = rows.slice(0, 7);
    assert.equal(refused(`run ${lines.map(([line]) => line).join(' ')}`).length, lines.length);
  });

  for (const scheduler of ['a'.repeat(16), 'r/r', '-rr'.toUpperCase()]) {
    it(`refuse ${scheduler} as a scheduler`, () =>
      assert.equal(refused(`run --ipvs-scheduler=${scheduler}`).length, 1));
  }
  for (const scheduler of ['rr', 'a'.repeat(15), 'my_sched-2']) {
    it(`leave ${scheduler} to the kernel`, () =>
      assert.equal(configured(`run --ipvs-scheduler=${scheduler}`).scheduler, scheduler));
  }
  for (const netns of ['', '.', '..', 'a/b', '\u0000']) {
    it(`refuse ${JSON.stringify(netns)} as a namespace`, () => assert.equal(refused(`run --netns=${netns}`).length, 1));
  }

  it('may be a blank name of the node', () => {
    const loaded = loadConfig(parseArguments(['run', '--hostname-override', '  ']), hostOf({}));
    assert.ok('problems' in loaded);
    assert.deepEqual(
      loaded.problems.map(({ message }) => message),
      ['--hostname-override is "  ", which is blank; write the node\'s name as kubectl get nodes prints it'],
    );
  });

  it('may be the host’s name', () => {
    assert.deepEqual(refused('run', {}, ' '), [
      "the host has no name; give the node's name with --hostname-override NODE",
    ]);
  });

  it('tell flag and value apart from the sentence', () => {
    const loaded = load('run --ipvs-scheduler=RR');
    assert.ok('problems' in loaded);
    const [{ flag, value } = {}] = loaded.problems;
    assert.deepEqual([flag, value], ['ipvs-scheduler', 'RR']);
  });
});

describe('flags of kube-proxy that have no meaning here', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['--feature-gates=A=true', '--feature-gates is ignored: kube-ipvs has no feature gates'],
    ['--profiling=false', '--profiling is ignored: kube-ipvs serves no profiles'],
    [
      '--show-hidden-metrics-for-version=1.35',
      '--show-hidden-metrics-for-version is ignored: kube-ipvs hides no metrics',
    ],
    [
      '--config-sync-period=15m',
      '--config-sync-period is ignored: what the API server sent is not gone through again at intervals',
    ],
    [
      '--kube-api-content-type=application/json',
      '--kube-api-content-type is ignored: kube-ipvs asks the API server for JSON',
    ],
    [
      '--kube-api-qps=5.5',
      '--kube-api-qps is ignored: kube-ipvs sends too few requests to the API server to need a limit',
    ],
    [
      '--kube-api-burst=10',
      '--kube-api-burst is ignored: kube-ipvs sends too few requests to the API server to need a limit',
    ],
    ['--iptables-sync-period=30s', "--iptables-sync-period is ignored: it belongs to kube-proxy's iptables mode"],
    [
      '--iptables-min-sync-period=1s',
      "--iptables-min-sync-period is ignored: it belongs to kube-proxy's iptables mode",
    ],
    [
      '--iptables-localhost-nodeports',
      "--iptables-localhost-nodeports is ignored: it belongs to kube-proxy's iptables mode",
    ],
    ['--boot-id-file=/b', "--boot-id-file is ignored: kube-ipvs does not use the machine's id"],
    ['--machine-id-file=/m', "--machine-id-file is ignored: kube-ipvs does not use the machine's id"],
  ];
  for (const [line, remark] of rows) {
    it(`${line} is told in one line`, () => {
      assert.deepEqual(remarked(`run ${line}`), [remark]);
      assert.deepEqual(remarked(`run --config=config.conf ${line}`, fileOf('')), [remark]);
      assert.deepEqual(effective(`run ${line}`), defaults);
    });
  }

  it('of the log are not worth a line', () => {
    const line =
      'run --vmodule=a=1 --log-flush-frequency=1s --log-text-split-stream --log-text-info-buffer-size=1Mi --log-json-split-stream --log-json-info-buffer-size=1Mi';
    assert.deepEqual(remarked(line), []);
    assert.deepEqual(effective(line), defaults);
  });
});
