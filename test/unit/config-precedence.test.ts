/** Flags beside the file of --config: which of them win, and what is said of the others. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import type { Config } from '../../src/config/config.ts';
import { configured, type Files, fileOf, refused, remarked } from '../support/configured.ts';

function effective(line: string, files: Files): Omit<Config, 'document'> {
  const { document: _document, ...rest } = configured(line, files);
  return rest;
}

describe('beside a file', () => {
  const file = fileOf(`hostnameOverride: node-f
bindAddress: 192.0.2.2
healthzBindAddress: 0.0.0.0:2
logging: {verbosity: 2, format: json}
clientConnection: {kubeconfig: /file}
ipvs: {scheduler: wrr, syncPeriod: 20s}
kubeIpvs: {vipBinding: route, serviceCIDRs: [10.2.0.0/16], drainTimeout: 2s, manifests: [two], statusSocket: /two, trafficSeries: 2, netns: two}`);

  const winning: readonly (readonly [string, object])[] = [
    ['--hostname-override=node-b', { nodeName: 'node-b' }],
    ['--master=https://192.0.2.9', { cluster: { kubeconfig: '/file', master: 'https://192.0.2.9' } }],
    ['-v=0', { verbosity: 0 }],
    ['--logging-format=text', { loggingFormat: 'text' }],
    ['--vip-binding=address', { vipBinding: 'address' }],
    ['--service-cluster-ip-range=10.1.0.0/16', { serviceCidrs: [{ address: '10.1.0.0', prefix: 16 }] }],
    ['--drain-timeout=0s', { drainTimeout: 0 }],
    ['--manifests one', { manifests: ['one'] }],
    ['--status-socket=/one', { statusSocket: '/one' }],
    ['--traffic-series=0', { trafficSeries: 0 }],
    ['--netns=one', { netns: 'one' }],
    ['--inject-kernel-faults=seed=7,rate=0.1', { kernelFaults: { seed: 7, rate: 0.1 } }],
    ['--cleanup --init-only --write-config-to=x', {}],
    ['--hostname-override= --master=', {}],
  ];
  for (const [line, expected] of winning) {
    it(`${line} wins`, () => {
      assert.deepEqual(effective(`run --config=config.conf ${line}`, file), {
        ...effective('run --config=config.conf', file),
        ...expected,
      });
      assert.deepEqual(remarked(`run --config=config.conf ${line}`, file), []);
    });
  }

  const losing: readonly (readonly [string, string, string])[] = [
    ['--kubeconfig=/flag', '--kubeconfig', 'clientConnection.kubeconfig'],
    ['--bind-address=192.0.2.1', '--bind-address', 'bindAddress'],
    ['--healthz-bind-address=0.0.0.0:1', '--healthz-bind-address', 'healthzBindAddress'],
    ['--metrics-bind-address=0.0.0.0:1', '--metrics-bind-address', 'metricsBindAddress'],
    ['--healthz-port=0', '--healthz-port', 'healthzBindAddress'],
    ['--metrics-port=65536', '--metrics-port', 'metricsBindAddress'],
    ['--bind-address-hard-fail', '--bind-address-hard-fail', 'bindAddressHardFail'],
    ['--oom-score-adj=-1', '--oom-score-adj', 'oomScoreAdj'],
    ['--proxy-mode=iptables', '--proxy-mode', 'mode'],
    ['--nodeport-addresses=primary', '--nodeport-addresses', 'nodePortAddresses'],
    ['--detect-local-mode=NodeCIDR', '--detect-local-mode', 'detectLocalMode'],
    ['--cluster-cidr=10.0.0.0/8', '--cluster-cidr', 'clusterCIDR'],
    ['--pod-bridge-interface=b', '--pod-bridge-interface', 'detectLocal.bridgeInterface'],
    ['--pod-interface-name-prefix=p', '--pod-interface-name-prefix', 'detectLocal.interfaceNamePrefix'],
    ['--masquerade-all', '--masquerade-all', 'iptables.masqueradeAll'],
    ['--iptables-masquerade-bit=1', '--iptables-masquerade-bit', 'iptables.masqueradeBit'],
    ['--ipvs-sync-period=1s', '--ipvs-sync-period', 'ipvs.syncPeriod'],
    ['--ipvs-min-sync-period=1s', '--ipvs-min-sync-period', 'ipvs.minSyncPeriod'],
    ['--ipvs-scheduler=sh', '--ipvs-scheduler', 'ipvs.scheduler'],
    ['--ipvs-exclude-cidrs=10.0.0.0/8', '--ipvs-exclude-cidrs', 'ipvs.excludeCIDRs'],
    ['--ipvs-strict-arp', '--ipvs-strict-arp', 'ipvs.strictARP'],
    ['--ipvs-tcp-timeout=1s', '--ipvs-tcp-timeout', 'ipvs.tcpTimeout'],
    ['--ipvs-tcpfin-timeout=1s', '--ipvs-tcpfin-timeout', 'ipvs.tcpFinTimeout'],
    ['--ipvs-udp-timeout=1s', '--ipvs-udp-timeout', 'ipvs.udpTimeout'],
    ['--conntrack-max-per-core=1', '--conntrack-max-per-core', 'conntrack.maxPerCore'],
    ['--conntrack-min=1', '--conntrack-min', 'conntrack.min'],
    [
      '--conntrack-tcp-timeout-established=1s',
      '--conntrack-tcp-timeout-established',
      'conntrack.tcpEstablishedTimeout',
    ],
    ['--conntrack-tcp-timeout-close-wait=1s', '--conntrack-tcp-timeout-close-wait', 'conntrack.tcpCloseWaitTimeout'],
    ['--conntrack-tcp-be-liberal', '--conntrack-tcp-be-liberal', 'conntrack.tcpBeLiberal'],
    ['--conntrack-udp-timeout=1s', '--conntrack-udp-timeout', 'conntrack.udpTimeout'],
    ['--conntrack-udp-timeout-stream=1s', '--conntrack-udp-timeout-stream', 'conntrack.udpStreamTimeout'],
  ];
  for (const [line, flag, field] of losing) {
    it(`${line} is ignored in favour of ${field}`, () => {
      assert.deepEqual(
        effective(`run --config=config.conf ${line}`, file),
        effective('run --config=config.conf', file),
      );
      assert.deepEqual(remarked(`run --config=config.conf ${line}`, file), [
        `${flag} is ignored: the file of --config decides (${field})`,
      ]);
    });
  }

  for (const [line, flag, field] of [
    ['--detect-local-mode=Pods', '--detect-local-mode', 'detectLocalMode'],
    ['--conntrack-max-per-core=-1', '--conntrack-max-per-core', 'conntrack.maxPerCore'],
    ['--conntrack-udp-timeout=-1s', '--conntrack-udp-timeout', 'conntrack.udpTimeout'],
  ] as const) {
    it(`${line} is ignored like one that could count`, () => {
      for (const words of [`--config=config.conf ${line}`, `${line} --config config.conf`]) {
        assert.deepEqual(effective(`run ${words}`, file), effective('run --config=config.conf', file));
        assert.deepEqual(remarked(`run ${words}`, file), [
          `${flag} is ignored: the file of --config decides (${field})`,
        ]);
      }
    });
  }

  it('what is not of its flag’s type, and what wins, is judged', () => {
    const line =
      'run --config=config.conf --conntrack-min=many --conntrack-udp-timeout=1 --ipvs-strict-arp=x --drain-timeout=-1s -v=-1 --kube-api-burst';
    assert.deepEqual(
      parseArguments(line.split(' ')).problems.map(({ message }) => message),
      [
        '--conntrack-min is "many"; write a whole number from 0',
        '--conntrack-udp-timeout is "1"; write a duration from 0s, such as 30s or 1h30m',
        '--ipvs-strict-arp is "x"; write true or false',
        '--drain-timeout is "-1s"; write a duration from 0s, such as 30s or 1h30m',
        '-v is "-1"; write a whole number from 0',
        '--kube-api-burst needs a value; write --kube-api-burst COUNT',
      ],
    );
  });

  it('no flag that is ignored is judged, and those that win are', () => {
    assert.deepEqual(refused('run --config=config.conf --ipvs-scheduler=RR --netns=a/b', file), [
      '--netns is "a/b", which can be no network namespace\'s name; write one that ip netns list prints',
    ]);
  });
});
