/** Configuration → what a command wants of the loop. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wishesOf } from '../../src/cli/wishes.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import { address, cidr } from '../support/cluster.ts';
import { hostOf } from '../support/configured.ts';

function wishes(line: string, command: 'reconcile' | 'cleanup' = 'reconcile'): Wishes {
  const parsed = parseArguments(`${command} ${line}`.trim().split(' '));
  const loaded = loadConfig(parsed, hostOf({}));
  assert.ok('config' in loaded);
  return wishesOf(loaded.config, command, { kernelRelease: '6.1.0', cpus: 4 });
}

describe('what reconcile wants', () => {
  it('by default is what kube-proxy does by default', () => {
    const { excluded: _excluded, settings, ...rest } = wishes('');
    assert.deepEqual(rest, {
      nodeName: 'node-a',
      scheduler: 'rr',
      vipBinding: 'address',
      device: true,
      drainTimeout: undefined,
      nodePortAddresses: [],
      nodeIP: undefined,
      pods: { by: 'nothing' },
      masqueradeAll: false,
      masqueradeMark: 0x4000,
      routedCIDRs: [],
      timeouts: undefined,
    });
    assert.deepEqual(
      settings.map(({ name, value }) => `${name}=${value}`),
      [
        'net/ipv4/vs/conntrack=1',
        'net/ipv4/vs/expire_nodest_conn=1',
        'net/ipv4/vs/expire_quiescent_template=1',
        'net/ipv4/ip_forward=1',
        'module/nf_conntrack/parameters/hashsize=32768',
        'net/netfilter/nf_conntrack_max=131072',
        'net/netfilter/nf_conntrack_tcp_timeout_established=86400',
        'net/netfilter/nf_conntrack_tcp_timeout_close_wait=3600',
      ],
    );
  });

  const rows: readonly (readonly [string, Partial<Wishes>])[] = [
    ['--iptables-masquerade-bit=31', { masqueradeMark: 0x80000000 }],
    ['--iptables-masquerade-bit=0', { masqueradeMark: 1 }],
    [
      '--nodeport-addresses=primary --bind-address=192.0.2.1',
      { nodePortAddresses: 'primary', nodeIP: address('192.0.2.1') },
    ],
    ['--cluster-cidr=10.244.0.0/16', { pods: { by: 'networks', cidrs: [cidr('10.244.0.0/16')] } }],
    ['--detect-local-mode=NodeCIDR --cluster-cidr=10.244.0.0/16', { pods: { by: 'node' } }],
    ['--detect-local-mode=BridgeInterface --pod-bridge-interface=cbr0', { pods: { by: 'bridge', name: 'cbr0' } }],
    [
      '--detect-local-mode=InterfaceNamePrefix --pod-interface-name-prefix=cali',
      { pods: { by: 'devicePrefix', prefix: 'cali' } },
    ],
    ['--service-cluster-ip-range=10.96.0.0/12', { routedCIDRs: [] }],
    [
      '--vip-binding=route --service-cluster-ip-range=10.96.0.0/12,fd00:96::/108',
      { vipBinding: 'route', routedCIDRs: ['10.96.0.0/12', 'fd00:96::/108'].map(cidr) },
    ],
    ['--ipvs-tcp-timeout=15m', { timeouts: { tcp: 900, tcpFin: 0, udp: 0 } }],
    ['--ipvs-udp-timeout=30s --ipvs-tcpfin-timeout=1m', { timeouts: { tcp: 0, tcpFin: 60, udp: 30 } }],
    ['--drain-timeout=0s', { drainTimeout: 0 }],
  ];
  for (const [line, expected] of rows) {
    it(`with ${line}`, () => {
      const found = wishes(line);
      assert.deepEqual({ ...found, ...expected }, found);
    });
  }

  it('keeps what is in excluded networks', () => {
    const { excluded } = wishes('--ipvs-exclude-cidrs=10.97.0.0/24');
    assert.deepEqual([excluded(address('10.97.0.1')), excluded(address('10.97.1.1'))], [true, false]);
  });
});

it('clean-up wants no device, no settings and no timeouts', () => {
  const { device, settings, timeouts } = wishes('', 'cleanup');
  assert.deepEqual({ device, settings, timeouts }, { device: false, settings: [], timeouts: undefined });
});
