/** Words of the command line → command and flags, pflag style; and the config of the flags. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type FlagKey, type FlagValues, flagNames, flagSpecs } from '../../src/config/flags.ts';

const defaults: FlagValues = {
  once: false,
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
    ['help --markdown', { markdown: true }],
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
    ['proxy', ['"proxy" is no command of kube-ipvs; write one of reconcile, cleanup, completion, version, help']],
    ['reconcile --onse', ['"--onse" is no flag of kube-ipvs; did you mean --once?']],
    ['reconcile --sched=rr', ['"--sched" is no flag of kube-ipvs; did you mean --scheduler?']],
    ['reconcile -abc', ['"-a" is no flag of kube-ipvs; see \'kube-ipvs help\'']],
    ['reconcile --proxy-mode=ipvs', ['"--proxy-mode" is no flag of kube-ipvs; see \'kube-ipvs help\'']],
    [
      'cleanup --once --manifests x',
      [
        '--once belongs to reconcile, not to cleanup; leave it out',
        '--manifests belongs to reconcile, not to cleanup; leave it out',
      ],
    ],
    ['version -v 4', ['-v belongs to reconcile and cleanup, not to version; leave it out']],
    ['reconcile --once=maybe', ['--once is "maybe"; write true or false']],
    ['reconcile -o yaml', ['-o is "yaml"; write text or json']],
    ['reconcile --v=high', ['--v is "high"; write a whole number from 0']],
    ['reconcile --v=-1', ['--v is "-1"; write a whole number from 0']],
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
    ['help reconcile cleanup', ['help takes no argument "cleanup"; leave it out']],
    [
      'reconcile --onse -o yaml --v=x',
      [
        '"--onse" is no flag of kube-ipvs; did you mean --once?',
        '-o is "yaml"; write text or json',
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

function load(flags: Partial<FlagValues>, hostname = 'Node-A.example.com\n'): ReturnType<typeof loadConfig> {
  return loadConfig({ ...defaults, ...flags }, { hostname: () => hostname });
}

describe('the config', () => {
  it('is what the flags say, deeply frozen', () => {
    const loaded = load({
      hostnameOverride: ' Node-B ',
      excludeCidrs: ['10.1.2.3/8', 'FD00::/8'],
      scheduler: 'mh',
      netns: 'blue',
      verbosity: 4,
      serviceCidrs: ['10.96.0.0/12'],
      nodePortAddresses: ['192.0.2.77/24'],
      bindAddress: '192.0.2.1',
      drainTimeout: 500,
      clusterCidrs: ['10.244.0.0/16', 'fd00:244::/56'],
      masqueradeAll: true,
      masqueradeBit: 31,
      strictArp: true,
      ipvsTcpTimeout: 900_000,
      ipvsUdpTimeout: 30_000,
      conntrackMaxPerCore: 1000,
      conntrackMin: 5000,
      conntrackTcpEstablishedTimeout: 3_600_000,
      conntrackTcpCloseWaitTimeout: 60_000,
      conntrackTcpBeLiberal: true,
      conntrackUdpTimeout: 10_000,
      conntrackUdpStreamTimeout: 20_000,
    });
    assert.ok('config' in loaded);
    assert.deepEqual(loaded.config, {
      nodeName: 'node-b',
      scheduler: 'mh',
      vipBinding: 'address',
      serviceCidrs: [{ address: '10.96.0.0', prefix: 12 }],
      excludeCidrs: [
        { address: '10.0.0.0', prefix: 8 },
        { address: 'fd00::', prefix: 8 },
      ],
      nodePortAddresses: [{ address: '192.0.2.0', prefix: 24 }],
      nodeIP: '192.0.2.1',
      drainTimeout: 500,
      pods: {
        mode: 'ClusterCIDR',
        cidrs: [
          { address: '10.244.0.0', prefix: 16 },
          { address: 'fd00:244::', prefix: 56 },
        ],
      },
      masqueradeAll: true,
      masqueradeBit: 31,
      strictArp: true,
      ipvsTimeouts: { tcp: 900, tcpFin: 0, udp: 30 },
      conntrack: {
        maxPerCore: 1000,
        min: 5000,
        tcpEstablishedTimeout: 3600,
        tcpCloseWaitTimeout: 60,
        tcpBeLiberal: true,
        udpTimeout: 10,
        udpStreamTimeout: 20,
      },
      netns: 'blue',
      verbosity: 4,
      loggingFormat: 'text',
    });
    const { excludeCidrs, nodePortAddresses, pods, ipvsTimeouts, conntrack } = loaded.config;
    for (const part of [excludeCidrs, nodePortAddresses, pods, ipvsTimeouts, conntrack])
      assert.ok(Object.isFrozen(part));
    assert.ok(Object.isFrozen(loaded.config) && Object.isFrozen(loaded.config.excludeCidrs));
    assert.ok(Object.isFrozen(loaded.config.excludeCidrs[0]));
  });

  it('has the host’s name in lower case when none is given, or an empty one', () => {
    for (const flags of [{}, { hostnameOverride: '' }]) {
      const loaded = load(flags);
      assert.ok('config' in loaded);
      assert.equal(loaded.config.nodeName, 'node-a.example.com');
    }
  });

  it('is refused with everything that is wrong', () => {
    const loaded = load({
      hostnameOverride: '  ',
      excludeCidrs: ['10.0.0.1', 'fd00::/129', '10.0.0.0/8'],
      scheduler: 'a scheduler',
      netns: '../x',
      nodePortAddresses: ['primary', '10.0.0.0/8'],
      bindAddress: 'node-a',
      clusterCidrs: ['10.244.0.0/16', '10.245.0.0/16'],
      masqueradeBit: 32,
      ipvsTcpTimeout: 1500,
      conntrackUdpTimeout: 3_600_000_000_000,
    });
    assert.ok('problems' in loaded);
    assert.deepEqual(
      loaded.problems.map(({ message }) => message),
      [
        '--hostname-override is "  ", which is blank; write the node\'s name as kubectl get nodes prints it',
        '--ipvs-scheduler is "a scheduler", which can be no scheduler\'s name; write one such as rr, wrr, lc, wlc, sh or mh',
        '--ipvs-exclude-cidrs is "10.0.0.1", which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
        '--ipvs-exclude-cidrs is "fd00::/129", which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64',
        '--nodeport-addresses is "primary,10.0.0.0/8", where primary must stand alone; write primary, or networks',
        '--bind-address is "node-a", which is no address; write the node\'s own, such as 192.0.2.1 or 2001:db8::1',
        '--cluster-cidr is "10.244.0.0/16,10.245.0.0/16", which has two of one family; write one network, or one of each family',
        '--iptables-masquerade-bit is "32", which is too large; write a whole number from 0 to 31',
        '--ipvs-tcp-timeout is 1500 milliseconds; write whole seconds such as 30s or 1h30m',
        '--conntrack-udp-timeout is 3600000000 seconds; write at most 2147483647s',
        '--netns is "../x", which can be no network namespace\'s name; write one that ip netns list prints',
      ],
    );
  });

  const pods: readonly (readonly [string, Partial<FlagValues>, object])[] = [
    ['none without a word', {}, { mode: 'ClusterCIDR', cidrs: [] }],
    [
      'of one network',
      { clusterCidrs: ['fd00::/56'] },
      { mode: 'ClusterCIDR', cidrs: [{ address: 'fd00::', prefix: 56 }] },
    ],
    ["of the Node's networks", { detectLocalMode: 'NodeCIDR' }, { mode: 'NodeCIDR' }],
    [
      'behind a bridge',
      { detectLocalMode: 'BridgeInterface', podBridgeInterface: 'cbr0' },
      { mode: 'BridgeInterface', name: 'cbr0' },
    ],
    [
      'behind devices of a name',
      { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: 'cali' },
      { mode: 'InterfaceNamePrefix', prefix: 'cali' },
    ],
  ];
  for (const [what, flags, expected] of pods) {
    it(`detects Pods ${what}`, () => {
      const loaded = load(flags);
      assert.ok('config' in loaded);
      assert.deepEqual(loaded.config.pods, expected);
    });
  }

  it('needs a name where Pods are detected by device', () => {
    const rows: readonly (readonly [Partial<FlagValues>, string])[] = [
      [
        { detectLocalMode: 'BridgeInterface', podInterfaceNamePrefix: 'x' },
        '--pod-bridge-interface is missing; --detect-local-mode=BridgeInterface needs it',
      ],
      [
        { detectLocalMode: 'InterfaceNamePrefix', podInterfaceNamePrefix: '' },
        '--pod-interface-name-prefix is missing; --detect-local-mode=InterfaceNamePrefix needs it',
      ],
      [
        { detectLocalMode: 'BridgeInterface', podBridgeInterface: 'a/b' },
        '--pod-bridge-interface is "a/b", which can be no network device\'s name; write one that ip link prints',
      ],
    ];
    for (const [flags, message] of rows) {
      const loaded = load(flags);
      assert.ok('problems' in loaded);
      assert.deepEqual(
        loaded.problems.map((problem) => problem.message),
        [message],
      );
    }
  });

  for (const bindAddress of ['0.0.0.0', '::']) {
    it(`says nothing of the node by --bind-address ${bindAddress}`, () => {
      const loaded = load({ bindAddress });
      assert.ok('config' in loaded && loaded.config.nodeIP === undefined);
    });
  }

  for (const scheduler of ['', 'RR', 'a'.repeat(16), 'r r', 'rr\n']) {
    it(`refuses ${JSON.stringify(scheduler)} as a scheduler`, () => assert.ok('problems' in load({ scheduler })));
  }
  for (const scheduler of ['rr', 'a'.repeat(15), 'my_sched-2']) {
    it(`leaves ${scheduler} to the kernel`, () => assert.ok('config' in load({ scheduler })));
  }
  for (const netns of ['', '.', '..', 'a/b', 'a b', '\u0000']) {
    it(`refuses ${JSON.stringify(netns)} as a namespace`, () => assert.ok('problems' in load({ netns })));
  }

  it('needs a name for a host without one', () => {
    const loaded = load({}, ' ');
    assert.ok('problems' in loaded);
    assert.match(
      loaded.problems[0]!.message,
      /the host has no name; give the node's name with --hostname-override NODE/,
    );
  });
});
