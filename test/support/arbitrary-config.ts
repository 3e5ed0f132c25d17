/** Command lines of `run` that say anything that a config can have. */

import fc from './property.ts';

/** Names that YAML would take for something else among them. */
const name = fc.oneof(
  fc.constantFrom(
    'yes',
    'on',
    'null',
    'true',
    'y',
    '0x1f',
    '1e3',
    '012',
    '1.5',
    '1_000',
    '2001-01-01',
    'a-b.c',
    "it's",
  ),
  fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,10}$/),
);
const device = fc.stringMatching(/^[a-z][a-z0-9._-]{0,14}$/);
const path = fc.oneof(
  name,
  fc.constantFrom('-', '/a b', '/ä', '~', 'a: b', '#', "'", '"', '[x]', '{x}', '&a', '*a', '!a'),
);
const four = fc.ipV4();
const six = fc.ipV6();
const cidr = fc.oneof(
  fc.tuple(four, fc.integer({ min: 0, max: 32 })).map(([address, prefix]) => `${address}/${prefix}`),
  // Those of IPv4 in IPv6's spelling would be of the other family.
  fc.integer({ min: 0, max: 0xffff }).map((group) => `2001:db8:${group.toString(16)}::/48`),
);
const cidrs = fc.array(cidr, { minLength: 1, maxLength: 3 }).map((list) => list.join(','));
const seconds = fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((value) => `${value}s`);
const duration = fc.oneof(
  fc.integer({ min: 1, max: 10_000_000 }).map((value) => `${value}ms`),
  fc.integer({ min: 1, max: 10_000_000 }).map((value) => `${value}us`),
  fc.integer({ min: 1, max: 100_000 }).map((value) => `${value}s`),
);
const count = fc.nat({ max: 999_999_999 }).map(String);
const port = fc.integer({ min: 0, max: 65_535 });
const listen = fc.oneof(
  fc.constant(''),
  four,
  six,
  fc.tuple(four, port).map(([address, number]) => `${address}:${number}`),
  fc.tuple(six, port).map(([address, number]) => `[${address}]:${number}`),
);
const bool = fc.boolean().map(String);

const pods = fc.oneof(
  fc.constant([]),
  fc.constantFrom(['--cluster-cidr=10.244.0.0/16'], ['--cluster-cidr=fd00::/48,10.244.0.0/16']),
  fc.constant(['--detect-local-mode=NodeCIDR', '--cluster-cidr=10.244.0.0/16']),
  device.map((found) => ['--detect-local-mode=BridgeInterface', `--pod-bridge-interface=${found}`]),
  device.map((found) => ['--detect-local-mode=InterfaceNamePrefix', `--pod-interface-name-prefix=${found}`]),
);

const flags: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'hostname-override': name,
  'bind-address': fc.oneof(four, six, fc.constantFrom('::', '0.0.0.0', '')),
  kubeconfig: path,
  master: fc.constantFrom('https://192.0.2.1:6443', 'http://[::1]'),
  manifests: path,
  'ipvs-scheduler': fc.constantFrom('rr', 'mh', 'null', 'on', 'no', '5', ''),
  'vip-binding': fc.constantFrom('address', 'route'),
  'service-cluster-ip-range': cidrs,
  'ipvs-exclude-cidrs': cidrs,
  'nodeport-addresses': fc.oneof(cidrs, fc.constant('primary')),
  'drain-timeout': fc.oneof(duration, fc.constant('0s')),
  'masquerade-all': bool,
  'iptables-masquerade-bit': fc.nat({ max: 31 }).map(String),
  'ipvs-sync-period': duration.map((value) => `2s${value}`),
  'ipvs-min-sync-period': fc.constantFrom('0s', '1ms', '1.001s'),
  'ipvs-strict-arp': bool,
  'ipvs-tcp-timeout': seconds,
  'ipvs-tcpfin-timeout': seconds,
  'ipvs-udp-timeout': seconds,
  'conntrack-max-per-core': count,
  'conntrack-min': count,
  'conntrack-tcp-timeout-established': seconds,
  'conntrack-tcp-timeout-close-wait': seconds,
  'conntrack-tcp-be-liberal': bool,
  'conntrack-udp-timeout': seconds,
  'conntrack-udp-timeout-stream': seconds,
  netns: name,
  'healthz-bind-address': listen,
  'metrics-bind-address': listen,
  'bind-address-hard-fail': bool,
  'oom-score-adj': fc.integer({ min: -1000, max: 1000 }).map(String),
  'status-socket': path,
  'traffic-series': count,
  v: fc.nat({ max: 10 }).map(String),
  'logging-format': fc.constantFrom('text', 'json'),
};

const words = Object.entries(flags).map(([flag, value]) =>
  fc.option(value, { nil: undefined }).map((text) => (text === undefined ? [] : [`--${flag}=${text}`])),
);

export const arbitraryConfigWords: fc.Arbitrary<readonly string[]> = fc
  .tuple(pods, ...words)
  .map((parts) => parts.flat());
