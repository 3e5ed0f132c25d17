/** The file of --config: kubeadm's own, and every field. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { configured, fileOf, kubeadm, load, refused, remarked } from '../support/configured.ts';

const line = 'run --config=config.conf';

describe('the file that kubeadm writes', () => {
  for (const mode of ['""', 'ipvs'] as const) {
    it(`with mode: ${mode} is taken as it is, without a remark, with kube-proxy's defaults`, () => {
      const loaded = load(`--config=config.conf --hostname-override=node-b`, kubeadm(mode));
      assert.ok('config' in loaded, JSON.stringify(loaded));
      assert.deepEqual(loaded.remarks, []);
      const { document: _document, ...effective } = loaded.config;
      const { document: _other, ...flags } = configured(
        'run --hostname-override=node-b --cluster-cidr=10.244.0.0/16 --kubeconfig=/var/lib/kube-proxy/kubeconfig.conf',
      );
      assert.deepEqual(effective, flags);
    });
  }
});

describe('a field', () => {
  const rows: readonly (readonly [string, Partial<Record<keyof Config, unknown>>])[] = [
    ['clientConnection: {kubeconfig: /k}', { cluster: { kubeconfig: '/k', master: '' } }],
    ['logging: {format: json, verbosity: 4}', { loggingFormat: 'json', verbosity: 4 }],
    ['hostnameOverride: " Node-B "', { nodeName: 'node-b' }],
    ['bindAddress: 192.0.2.1', { nodeIP: '192.0.2.1' }],
    [
      'bindAddress: 2001:db8::1',
      {
        nodeIP: '2001:db8::1',
        healthzAddress: { host: '::', port: 10_256 },
        metricsAddress: { host: '::1', port: 10_249 },
      },
    ],
    [
      'bindAddress: "::"\nmetricsBindAddress: 192.0.2.1',
      { healthzAddress: { host: '::', port: 10_256 }, metricsAddress: { host: '192.0.2.1', port: 10_249 } },
    ],
    ['healthzBindAddress: 192.0.2.1', { healthzAddress: { host: '192.0.2.1', port: 10_256 } }],
    ['healthzBindAddress: "[::1]:80"', { healthzAddress: { host: '::1', port: 80 } }],
    ['healthzBindAddress: 0.0.0.0:0', { healthzAddress: undefined }],
    ['metricsBindAddress: 0.0.0.0:10249', { metricsAddress: { host: '0.0.0.0', port: 10_249 } }],
    ['metricsBindAddress: 0.0.0.0:0', { metricsAddress: undefined }],
    ['bindAddressHardFail: true', { bindAddressHardFail: true }],
    ['mode: ipvs', {}],
    ['iptables: {masqueradeBit: 0, masqueradeAll: true}', { masqueradeBit: 0, masqueradeAll: true }],
    ['iptables: {masqueradeBit: 31}', { masqueradeBit: 31 }],
    ['iptables: {masqueradeBit: 0o14}\noomScoreAdj: -0o17', { masqueradeBit: 12, oomScoreAdj: -15 }],
    ['iptables: {masqueradeBit: 014}\noomScoreAdj: -08', { masqueradeBit: 12, oomScoreAdj: -8 }],
    ['ipvs: {syncPeriod: 1m30s, minSyncPeriod: 500ms}', { syncPeriod: 90_000, minSyncPeriod: 500 }],
    ['ipvs: {scheduler: wlc, strictARP: true}', { scheduler: 'wlc', strictArp: true }],
    [
      'ipvs: {excludeCIDRs: [10.1.2.3/8, "fd00::/8"]}',
      {
        excludeCidrs: [
          { address: '10.0.0.0', prefix: 8 },
          { address: 'fd00::', prefix: 8 },
        ],
      },
    ],
    [
      'ipvs: {tcpTimeout: 15m0s, tcpFinTimeout: 1m, udpTimeout: 30s}',
      { ipvsTimeouts: { tcp: 900, tcpFin: 60, udp: 30 } },
    ],
    ['detectLocalMode: NodeCIDR\nclusterCIDR: anything', { pods: { mode: 'NodeCIDR' } }],
    [
      'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cbr0}',
      { pods: { mode: 'BridgeInterface', name: 'cbr0' } },
    ],
    [
      'detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: cali}',
      { pods: { mode: 'InterfaceNamePrefix', prefix: 'cali' } },
    ],
    [
      'clusterCIDR: 10.244.0.0/16, fd00:244::/56',
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
    ['nodePortAddresses: [primary]', { nodePortAddresses: 'primary' }],
    [
      'nodePortAddresses: [all]',
      {
        nodePortAddresses: [
          { address: '0.0.0.0', prefix: 0 },
          { address: '::', prefix: 0 },
        ],
      },
    ],
    ['nodePortAddresses: [192.0.2.0/24]', { nodePortAddresses: [{ address: '192.0.2.0', prefix: 24 }] }],
    ['oomScoreAdj: 0', { oomScoreAdj: 0 }],
    ['oomScoreAdj: -1000', { oomScoreAdj: -1000 }],
    [
      'conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s, tcpBeLiberal: true, udpTimeout: 10s, udpStreamTimeout: 20s}',
      {
        conntrack: {
          maxPerCore: 0,
          min: 0,
          tcpEstablishedTimeout: 0,
          tcpCloseWaitTimeout: 0,
          tcpBeLiberal: true,
          udpTimeout: 10,
          udpStreamTimeout: 20,
        },
      },
    ],
    ['kubeIpvs: {vipBinding: route, drainTimeout: 0s}', { vipBinding: 'route', drainTimeout: 0 }],
    ['kubeIpvs: {drainTimeout: 1m}', { drainTimeout: 60_000 }],
    ['kubeIpvs: {serviceCIDRs: [10.96.0.0/12]}', { serviceCidrs: [{ address: '10.96.0.0', prefix: 12 }] }],
    ['kubeIpvs: {manifests: [a, "-"]}', { manifests: ['a', '-'] }],
    [
      'kubeIpvs: {statusSocket: /s, trafficSeries: 9, netns: blue}',
      { statusSocket: '/s', trafficSeries: 9, netns: 'blue' },
    ],
    ['{}', {}],
  ];
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text)} counts`, () => {
      const files = text === '{}' ? fileOf('') : fileOf(text);
      const { document: _document, ...rest } = configured(line, files);
      const { document: _other, ...defaults } = configured('run');
      assert.deepEqual(rest, { ...defaults, ...expected });
      assert.deepEqual(remarked(line, files), []);
    });
  }

  it('that is null or of the type’s zero has its default, and is not worth a line', () => {
    const zeros = fileOf(`featureGates: {A: null}
clientConnection: {kubeconfig: "", qps: 0, burst: 0, contentType: "", acceptContentTypes: ""}
logging: {format: "", verbosity: 0, vmodule: null, options: {}}
mode: null
iptables: null
ipvs: {excludeCIDRs: [], syncPeriod: 0s, scheduler: null, tcpTimeout: null}
winkernel:
detectLocal: {bridgeInterface: null}
conntrack: {tcpEstablishedTimeout: null}
kubeIpvs: {vipBinding: "", serviceCIDRs: null, drainTimeout: null, manifests: [], statusSocket: "", trafficSeries: 0, netns: ""}`);
    const { document: _document, ...rest } = configured(line, zeros);
    const { document: _other, ...defaults } = configured('run');
    assert.deepEqual(rest, defaults);
    assert.deepEqual(remarked(line, zeros), []);
  });
});

describe('the text', () => {
  it('may be JSON, also with tabs', () => {
    const text =
      '{\n\t"apiVersion":\t"kubeproxy.config.k8s.io/v1alpha1",\n\t"kind": "KubeProxyConfiguration",\n\t"ipvs": {"scheduler": "sh"}\n}\n';
    assert.equal(configured(line, { 'config.conf': text }).scheduler, 'sh');
  });

  it('may have brackets and quotes with lines no deeper than their key, and what is wrong there is told where it is', () => {
    const files = fileOf(`nodePortAddresses: [
  10.0.0.0/8, # one
"fd00::/8"
]
ipvs: {\t"scheduler":\t"sh",
\t"excludeCIDRs": [
\t]
}
hostnameOverride: "a
b"
oomScoreAdj: 1`);
    const { nodePortAddresses, scheduler, nodeName, oomScoreAdj } = configured(line, files);
    assert.deepEqual(nodePortAddresses, [
      { address: '10.0.0.0', prefix: 8 },
      { address: 'fd00::', prefix: 8 },
    ]);
    assert.deepEqual([scheduler, nodeName, oomScoreAdj], ['sh', 'a b', 1]);
    assert.deepEqual(refused(line, fileOf('nodePortAddresses: [\n10.0.0.0/8,\n  x\n]\noomScoreAdj: z')), [
      'config.conf:7:14: oomScoreAdj is "z", which is no whole number to 2147483647; write one',
      'config.conf:5:3: nodePortAddresses[1] is "x", which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
    ]);
  });

  for (const text of ['nodePortAddresses: [10.0.0.0/8\nmode: ipvs', 'ipvs: {scheduler: sh\n---\n}']) {
    it(`that does not close its brackets is refused where they are left: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(refused(line, fileOf(text)), [
        'config.conf:4:1: this is neither YAML nor JSON: deficient indentation; mend the file',
      ]);
    });
  }

  it('may have quotes behind the tag of a type, as templates write them', () => {
    const files = fileOf(`conntrack: {min: !!int "0x10", tcpBeLiberal: !!bool 'true'}
clientConnection: {qps: !!float "5.0"}
hostnameOverride: !!str 5
ipvs: {scheduler: !!null ""}`);
    const { conntrack, nodeName, scheduler } = configured(line, files);
    assert.deepEqual([conntrack.min, conntrack.tcpBeLiberal, nodeName, scheduler], [16, true, '5', 'rr']);
    assert.deepEqual(remarked(line, files), []);
    assert.deepEqual(refused(line, fileOf('oomScoreAdj: !!int "low"\nhostnameOverride: !!int "5"')), [
      'config.conf:3:20: oomScoreAdj is "low", which is no whole number to 2147483647; write one',
      'config.conf:4:25: hostnameOverride is 5, which is no text; write "5"',
    ]);
  });

  it('may have anchors and merges', () => {
    const files = fileOf(`iptables: &times {masqueradeAll: true}
ipvs: {tcpTimeout: &t 30s, udpTimeout: *t}
conntrack:
  <<: [{min: 1, maxPerCore: 2}, {maxPerCore: 9, tcpBeLiberal: true}]
  min: 3`);
    const { ipvsTimeouts, conntrack } = configured(line, files);
    assert.deepEqual(ipvsTimeouts, { tcp: 30, tcpFin: 0, udp: 30 });
    assert.deepEqual([conntrack.min, conntrack.maxPerCore, conntrack.tcpBeLiberal], [3, 2, true]);
  });

  it('tells once what one anchor brings twice', () => {
    const files = fileOf('ipvs: &all {scheduler: sh, port: 1}\nconntrack: {<<: [*all, *all]}');
    assert.deepEqual(remarked(line, files), [
      'config.conf:3:28: ipvs.port is no field of KubeProxyConfiguration and is ignored',
      'config.conf:3:13: conntrack.scheduler is no field of KubeProxyConfiguration and is ignored',
      'config.conf:3:28: conntrack.port is no field of KubeProxyConfiguration and is ignored',
    ]);
  });

  it('counts to its second document', () => {
    const files = { 'config.conf': `---\n${fileOf('oomScoreAdj: 1')['config.conf']!}---\nkind: Other\n---\n` };
    assert.equal(configured(line, files).oomScoreAdj, 1);
    assert.deepEqual(remarked(line, files), [
      'config.conf:6:1: this document is ignored: the first one of the file counts',
    ]);
  });
});

it('cleanup, reconcile and status read the file too', () => {
  const files = fileOf('ipvs: {excludeCIDRs: [10.0.0.0/8]}\nkubeIpvs: {statusSocket: /s}');
  for (const command of ['cleanup', 'reconcile --once', 'status']) {
    const { excludeCidrs, statusSocket } = configured(`${command} --config=config.conf`, files);
    assert.deepEqual([excludeCidrs, statusSocket], [[{ address: '10.0.0.0', prefix: 8 }], '/s']);
  }
});
