/** What is wrong in the file of --config, and what means nothing there. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configured, fileOf, kubeadm, load, refused, remarked } from '../support/configured.ts';
import fc from '../support/property.ts';

const line = 'run --config=config.conf';

describe('what means nothing in the file', () => {
  const iptables = "it belongs to kube-proxy's iptables mode";
  const nftables = "it belongs to kube-proxy's nftables mode";
  const windows = 'it belongs to kube-proxy on Windows';
  const rows: readonly (readonly [string, string, string])[] = [
    ['featureGates: {A: true}', 'featureGates', 'kube-ipvs has no feature gates'],
    [
      'clientConnection: {qps: 50}',
      'clientConnection.qps',
      'kube-ipvs sends too few requests to the API server to need a limit',
    ],
    [
      'clientConnection: {burst: 50}',
      'clientConnection.burst',
      'kube-ipvs sends too few requests to the API server to need a limit',
    ],
    [
      'clientConnection: {contentType: application/json}',
      'clientConnection.contentType',
      'kube-ipvs asks the API server for JSON',
    ],
    [
      'clientConnection: {acceptContentTypes: x}',
      'clientConnection.acceptContentTypes',
      'kube-ipvs asks the API server for JSON',
    ],
    ['enableProfiling: true', 'enableProfiling', 'kube-ipvs serves no profiles'],
    ['showHiddenMetricsForVersion: "1.35"', 'showHiddenMetricsForVersion', 'kube-ipvs hides no metrics'],
    ['iptables: {localhostNodePorts: false}', 'iptables.localhostNodePorts', iptables],
    ['iptables: {snatNodeInternalIP: true}', 'iptables.snatNodeInternalIP', iptables],
    ['iptables: {syncPeriod: 1m}', 'iptables.syncPeriod', iptables],
    ['iptables: {minSyncPeriod: 10s}', 'iptables.minSyncPeriod', iptables],
    ['nftables: {masqueradeBit: 0}', 'nftables.masqueradeBit', nftables],
    ['nftables: {masqueradeAll: true}', 'nftables.masqueradeAll', nftables],
    ['nftables: {syncPeriod: 1m}', 'nftables.syncPeriod', nftables],
    ['nftables: {minSyncPeriod: 10s}', 'nftables.minSyncPeriod', nftables],
    ['winkernel: {networkName: x}', 'winkernel.networkName', windows],
    ['winkernel: {sourceVip: x}', 'winkernel.sourceVip', windows],
    ['winkernel: {enableDSR: true}', 'winkernel.enableDSR', windows],
    ['winkernel: {rootHnsEndpointName: x}', 'winkernel.rootHnsEndpointName', windows],
    ['winkernel: {forwardHealthCheckVip: true}', 'winkernel.forwardHealthCheckVip', windows],
    ['windowsRunAsService: true', 'windowsRunAsService', windows],
    ['configSyncPeriod: 1m', 'configSyncPeriod', 'what the API server sent is not gone through again at intervals'],
    ['portRange: 1-2', 'portRange', 'it belongs to a mode that kube-proxy no longer has'],
  ];
  for (const [text, path, reason] of rows) {
    it(`${text} is told in one line`, () => {
      const column = text.includes('{') && path.includes('.') ? text.indexOf('{') + 2 : 1;
      assert.deepEqual(remarked(line, fileOf(text)), [`config.conf:3:${column}: ${path} is ignored: ${reason}`]);
    });
  }

  it('is not worth a line where it has kube-proxy’s default', () => {
    const files = fileOf(`clientConnection: {qps: 5, burst: 10, contentType: application/vnd.kubernetes.protobuf}
logging: {flushFrequency: 5s, vmodule: [{filePattern: a, verbosity: 1}], options: {text: {splitStream: true}}}
iptables: {localhostNodePorts: true, syncPeriod: 30s, minSyncPeriod: 1s}
nftables: {masqueradeBit: 14, syncPeriod: 30s, minSyncPeriod: 1s}
configSyncPeriod: 15m0s
enableProfiling: false`);
    assert.deepEqual(remarked(line, files), []);
  });

  const unknown: readonly (readonly [string, string])[] = [
    ['udpIdleTimeout: 250ms', 'config.conf:3:1: udpIdleTimeout is no field of KubeProxyConfiguration and is ignored'],
    [
      'ipvs: {schedular: rr}',
      'config.conf:3:8: ipvs.schedular is no field of KubeProxyConfiguration and is ignored; did you mean scheduler?',
    ],
    [
      'ipvs:\n  scheduler: rr\n  StrictArp: true',
      'config.conf:5:3: ipvs.StrictArp is no field of KubeProxyConfiguration and is ignored; did you mean strictARP?',
    ],
    [
      'kubeIPVS: {}',
      'config.conf:3:1: kubeIPVS is no field of KubeProxyConfiguration and is ignored; did you mean kubeIpvs?',
    ],
    ['ipvs.scheduler: rr', 'config.conf:3:1: ipvs.scheduler is no field of KubeProxyConfiguration and is ignored'],
    ['1: x', 'config.conf:3:1: 1 is no field of KubeProxyConfiguration and is ignored'],
    ['"\\e[31m": x', 'config.conf:3:1: \\u001b[31m is no field of KubeProxyConfiguration and is ignored'],
    [
      'oomScoreAdj: 1\noomScoreAdj: -999',
      'config.conf:3:1: oomScoreAdj is there again further down: the last one counts',
    ],
    [
      'ipvs: {scheduler: sh, scheduler: rr}',
      'config.conf:3:8: ipvs.scheduler is there again further down: the last one counts',
    ],
  ];
  for (const [text, remark] of unknown) {
    it(`${JSON.stringify(text)} does no harm and is told`, () => {
      const { document: _document, ...rest } = configured(line, fileOf(text));
      const { document: _other, ...defaults } = configured('run');
      assert.deepEqual(rest, defaults);
      assert.deepEqual(remarked(line, fileOf(text)), [remark]);
    });
  }
});

describe('what is wrong in the file', () => {
  const noNetwork = 'which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64';
  const noDuration = 'which is no duration; write one such as 30s or 1h30m';
  const rows: readonly (readonly [string, string])[] = [
    ['ipvs:\n  syncPeriod: 5 parsecs', `4:15: ipvs.syncPeriod is "5 parsecs", ${noDuration}`],
    ['ipvs: {syncPeriod: 30}', `3:20: ipvs.syncPeriod is 30, ${noDuration}`],
    ['ipvs: {syncPeriod: ""}', `3:20: ipvs.syncPeriod is "", ${noDuration}`],
    ['ipvs: {syncPeriod: [1s]}', `3:20: ipvs.syncPeriod is a list, ${noDuration}`],
    [
      'ipvs: {minSyncPeriod: -1s}',
      '3:23: ipvs.minSyncPeriod is "-1s", which is less than 0s; write a duration from 0s',
    ],
    [
      'ipvs: {minSyncPeriod: 1m}',
      '3:23: ipvs.minSyncPeriod is "1m0s", which is longer than the ipvs.syncPeriod of 30s; write a shorter one',
    ],
    [
      'ipvs: {tcpTimeout: 1500ms}',
      '3:20: ipvs.tcpTimeout is 1500 milliseconds; write whole seconds such as 30s or 1h30m',
    ],
    ['ipvs: {strictARP: "true"}', '3:19: ipvs.strictARP is "true", which is neither true nor false; write one of them'],
    [
      'ipvs: {scheduler: R R}',
      '3:19: ipvs.scheduler is "R R", which can be no scheduler\'s name; write one such as rr, wrr, lc, wlc, sh or mh',
    ],
    ['ipvs: {scheduler: 5}', '3:19: ipvs.scheduler is 5, which is no text; write "5"'],
    [
      'ipvs: {excludeCIDRs: 10.0.0.0/8}',
      '3:22: ipvs.excludeCIDRs is "10.0.0.0/8", which is no list; write ["10.0.0.0/8"]',
    ],
    ['ipvs: {excludeCIDRs: [10.0.0.0/8, 10.0.0.1]}', `3:35: ipvs.excludeCIDRs[1] is "10.0.0.1", ${noNetwork}`],
    ['ipvs: {excludeCIDRs: [5]}', '3:23: ipvs.excludeCIDRs is 5, which is no text; write "5"'],
    ['ipvs: {excludeCIDRs: {a: b}}', '3:22: ipvs.excludeCIDRs is a block of fields, which is no list; write one'],
    ['ipvs: rr', '3:1: ipvs is no block of fields; write them below it'],
    ['ipvs: [scheduler]', '3:1: ipvs is no block of fields; write them below it'],
    ['hostnameOverride: n', '3:19: hostnameOverride is n, which is no text; write "n"'],
    ['hostnameOverride: 0012', '3:19: hostnameOverride is 0012, which is no text; write "0012"'],
    ['hostnameOverride: 12e4', '3:19: hostnameOverride is 12e4, which is no text; write "12e4"'],
    ['nodePortAddresses: 10.0', '3:20: nodePortAddresses is 10.0, which is no list; write ["10.0"]'],
    ['hostnameOverride: 12', '3:19: hostnameOverride is 12, which is no text; write "12"'],
    [
      'hostnameOverride: " "',
      '3:19: hostnameOverride is " ", which is blank; write the node\'s name as kubectl get nodes prints it',
    ],
    ['hostnameOverride: {a: b}', '3:19: hostnameOverride is a block of fields, which is no text; write one'],
    [
      'bindAddress: eth0',
      '3:14: bindAddress is "eth0", which is no address; write the node\'s own, such as 192.0.2.1 or 2001:db8::1',
    ],
    [
      'healthzBindAddress: localhost:80',
      '3:21: healthzBindAddress is "localhost:80", which is no address with a port; write one such as 0.0.0.0:10256 or [::]:10256',
    ],
    ['metricsBindAddress: 10249', '3:21: metricsBindAddress is 10249, which is no text; write "10249"'],
    [
      'metricsBindAddress: 0.0.0.0:65536',
      '3:21: metricsBindAddress is "0.0.0.0:65536", which is no address with a port; write one such as 0.0.0.0:10249 or [::]:10249',
    ],
    ['mode: iptables', '3:7: mode is "iptables", and kube-ipvs is IPVS only; write ipvs, or leave it out'],
    ['mode: nftables', '3:7: mode is "nftables", and kube-ipvs is IPVS only; write ipvs, or leave it out'],
    [
      'iptables: {masqueradeBit: 32}',
      '3:27: iptables.masqueradeBit is "32", which is out of range; write a whole number from 0 to 31',
    ],
    [
      'iptables: {masqueradeBit: -1}',
      '3:27: iptables.masqueradeBit is -1, which is no whole number from 0 to 2147483647; write one',
    ],
    [
      'oomScoreAdj: 1001',
      '3:14: oomScoreAdj is "1001", which is out of range; write a whole number from -1000 to 1000',
    ],
    ['oomScoreAdj: 1.5', '3:14: oomScoreAdj is 1.5, which is no whole number to 2147483647; write one'],
    [
      'conntrack: {min: 3000000000}',
      '3:18: conntrack.min is 3000000000, which is no whole number from 0 to 2147483647; write one',
    ],
    ['conntrack: {udpTimeout: x}', `3:25: conntrack.udpTimeout is "x", ${noDuration}`],
    ['logging: {format: xml}', '3:19: logging.format is "xml", which is none of its values; write text or json'],
    [
      'logging: {verbosity: loud}',
      '3:22: logging.verbosity is "loud", which is no whole number from 0 to 2147483647; write one',
    ],
    [
      'detectLocalMode: Pods',
      '3:18: detectLocalMode is "Pods", which is none of its values; write ClusterCIDR or NodeCIDR or BridgeInterface or InterfaceNamePrefix',
    ],
    [
      'detectLocalMode: BridgeInterface',
      'detectLocal.bridgeInterface is missing; detectLocalMode BridgeInterface needs it',
    ],
    [
      'detectLocal: {interfaceNamePrefix: ""}\ndetectLocalMode: InterfaceNamePrefix',
      '3:36: detectLocal.interfaceNamePrefix is missing; detectLocalMode InterfaceNamePrefix needs it',
    ],
    [
      'clusterCIDR: 10.0.0.0/8,11.0.0.0/8',
      '3:14: clusterCIDR is "10.0.0.0/8,11.0.0.0/8", which has two of one family; write one network, or one of each family',
    ],
    ['clusterCIDR: pods', `3:14: clusterCIDR is "pods", ${noNetwork}`],
    ['clusterCIDR: [10.0.0.0/8]', '3:14: clusterCIDR is a list, which is no text; write one'],
    [
      'nodePortAddresses: [primary, 10.0.0.0/8]',
      '3:20: nodePortAddresses is "primary,10.0.0.0/8", where primary must stand alone; write primary, or networks',
    ],
    ['nodePortAddresses: [10.0.0.1]', `3:21: nodePortAddresses[0] is "10.0.0.1", ${noNetwork}`],
    ['nodePortAddresses:\n-', '4:1: nodePortAddresses is null, which is no text; write one'],
    ['ipvs: {excludeCIDRs: [~]}', '3:23: ipvs.excludeCIDRs is null, which is no text; write one'],
    ['featureGates: {A: "on"}', '3:19: featureGates is "on", which is neither true nor false; write one of them'],
    [
      'featureGates: [A]',
      '3:15: featureGates is a list, which is no block of names; write NAME: true or NAME: false below it',
    ],
    ['clientConnection: {qps: much}', '3:25: clientConnection.qps is "much", which is no number; write one such as 5'],
    [
      'clientConnection: {burst: -1}',
      '3:27: clientConnection.burst is -1, which is no whole number from 0 to 2147483647; write one',
    ],
    ['configSyncPeriod: 15', `3:19: configSyncPeriod is 15, ${noDuration}`],
    [
      'kubeIpvs: {vipBinding: bridge}',
      '3:24: kubeIpvs.vipBinding is "bridge", which is none of its values; write address or route',
    ],
    ['kubeIpvs: {serviceCIDRs: [x]}', `3:27: kubeIpvs.serviceCIDRs[0] is "x", ${noNetwork}`],
    [
      'kubeIpvs: {trafficSeries: all}',
      '3:27: kubeIpvs.trafficSeries is "all", which is no whole number from 0 to 2147483647; write one',
    ],
    [
      'kubeIpvs: {netns: a/b}',
      '3:19: kubeIpvs.netns is "a/b", which can be no network namespace\'s name; write one that ip netns list prints',
    ],
  ];
  for (const [text, message] of rows) {
    it(`${JSON.stringify(text)} is refused with place and cure`, () => {
      const place = /^\d/.test(message) ? 'config.conf:' : 'config.conf: ';
      assert.deepEqual(refused(line, fileOf(text)), [`${place}${message}`]);
    });
  }

  it('is told all at once, together with what is wrong with the flags', () => {
    const files = fileOf('mode: iptables\nipvs: {syncPeriod: x, excludeCIDRs: [z]}\noomScoreAdj: 2000');
    assert.deepEqual(refused(`${line} --netns=a/b --hostname-override=b`, files), [
      `config.conf:4:20: ipvs.syncPeriod is "x", ${noDuration}`,
      'config.conf:3:7: mode is "iptables", and kube-ipvs is IPVS only; write ipvs, or leave it out',
      `config.conf:4:38: ipvs.excludeCIDRs[0] is "z", ${noNetwork}`,
      '--netns is "a/b", which can be no network namespace\'s name; write one that ip netns list prints',
      'config.conf:5:14: oomScoreAdj is "2000", which is out of range; write a whole number from -1000 to 1000',
    ]);
  });

  const whole: readonly (readonly [string, readonly string[]])[] = [
    [
      '',
      [
        'config.conf: there is no KubeProxyConfiguration; write one, beginning with apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      ],
    ],
    [
      '# nothing\n',
      [
        'config.conf: there is no KubeProxyConfiguration; write one, beginning with apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      ],
    ],
    [
      '- a\n',
      [
        'config.conf:1:1: there is no KubeProxyConfiguration; write one, beginning with apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      ],
    ],
    [
      'mode: ipvs\n',
      [
        'config.conf: apiVersion is missing; write apiVersion: kubeproxy.config.k8s.io/v1alpha1',
        'config.conf: kind is missing; write kind: KubeProxyConfiguration',
      ],
    ],
    [
      'apiVersion: kubeproxy.config.k8s.io/v1beta1\nkind: KubeProxyConfiguration\nnonsense: 1\n',
      [
        'config.conf:1:13: apiVersion is "kubeproxy.config.k8s.io/v1beta1"; write apiVersion: kubeproxy.config.k8s.io/v1alpha1',
      ],
    ],
    [
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeletConfiguration\nmode: x\n',
      ['config.conf:2:7: kind is "KubeletConfiguration"; write kind: KubeProxyConfiguration'],
    ],
    [
      'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n',
      [
        'config.conf:4:1: this KubeProxyConfiguration is not the first document of the file; put it into one of its own',
      ],
    ],
    ['mode: [ipvs\nkind: {', ['config.conf:2:1: this is neither YAML nor JSON: deficient indentation; mend the file']],
    ['mode: *nobody\n', ['config.conf:1:8: this is neither YAML nor JSON: unknown alias nobody; mend the file']],
    ['mode: "\\q"\n', ['config.conf:1:9: this is neither YAML nor JSON: unknown escape sequence; mend the file']],
  ];
  for (const [text, messages] of whole) {
    it(`the file ${JSON.stringify(text)} is refused`, () =>
      assert.deepEqual(refused(line, { 'config.conf': text }), messages));
  }

  it('may be that it cannot be read', () => {
    assert.deepEqual(refused('run --config=/no/such --netns=a/b'), [
      '--config is "/no/such", which cannot be read (ENOENT: no such file or directory, open \'/no/such\'); write the path of a KubeProxyConfiguration',
      '--netns is "a/b", which can be no network namespace\'s name; write one that ip netns list prints',
    ]);
  });

  it('tells the field apart from the sentence', () => {
    const loaded = load(line, fileOf('oomScoreAdj: 1001'));
    assert.ok('problems' in loaded);
    assert.deepEqual(
      loaded.problems.map(({ field, flag, value }) => [field, flag, value]),
      [['oomScoreAdj', undefined, '1001']],
    );
  });

  it('is looked for again at each call', () => {
    const files: Record<string, string> = { ...fileOf('oomScoreAdj: 1') };
    assert.equal(configured(line, files).oomScoreAdj, 1);
    Object.assign(files, fileOf('oomScoreAdj: 2'));
    assert.equal(configured(line, files).oomScoreAdj, 2);
  });
});

it('no text is more than refused, and nothing of it reaches a terminal unescaped', () => {
  const text = kubeadm('ipvs')['config.conf']!;
  const piece = fc.constantFrom(
    ...'\n\t\0\r\ufeff\u001b:-{}[]"\'|>&*!?%#,@'.split(''),
    '<<: ',
    '---\n',
    '&a ',
    '*a',
    '!!str ',
    '\\',
  );
  const cut = fc.tuple(fc.nat({ max: text.length }), fc.nat({ max: 9 }), piece);
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 6 }), (cuts) => {
      let broken = text;
      for (const [at, length, put] of cuts) broken = broken.slice(0, at) + put + broken.slice(at + length);
      const loaded = load(line, { 'config.conf': broken });
      const lines = 'config' in loaded ? loaded.remarks : loaded.problems.map(({ message }) => message);
      for (const told of lines) assert.doesNotMatch(told, /\p{Cc}/u);
    }),
  );
});
