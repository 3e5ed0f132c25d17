/** Front ends beyond ClusterIPs: where they are, which endpoints take their traffic, and what the packet filter knows of them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Asked, ask, type Policy } from '../../src/desired/front-ends.ts';
import { nodeFacts } from '../../src/desired/node-facts.ts';
import type { Endpoint, Service, Tuning } from '../../src/model/cluster.ts';
import { elementOpText } from '../../src/model/filter-text.ts';
import type { Element } from '../../src/model/filter.ts';
import { destinationText, serviceText } from '../../src/model/text.ts';
import {
  address,
  cidr,
  endpoint,
  factsOf,
  nodeAddress,
  plainNodePolicy,
  port,
  service,
  slice,
  tuning,
} from '../support/cluster.ts';

const plain: Policy = { scheduler: 'rr', drainTimeout: undefined, hasScheduler: () => true };
const nodeA = factsOf(['127.0.0.1 lo', '192.0.2.10', '2001:db8::10'], {
  addresses: [address('192.0.2.10'), address('2001:db8::10')],
});

/** Endpoints by the last octet of their address. */
type Members = Readonly<Record<number, Partial<Endpoint>>>;
const here = { nodeName: 'node-a' } as const;
const leaving = { ready: false, serving: true, terminating: true } as const;
const notReady = { ready: false, serving: false } as const;

function members(of: Members): Endpoint[] {
  return Object.entries(of).map(([octet, fields]) => endpoint(`10.244.0.${octet}`, fields));
}

/** default/web with a NodePort, an external IP and a load balancer IP. */
function everywhere(fields: Partial<Service> = {}): Service {
  return service('default/web', {
    ports: [port(80, { nodePort: 30080 })],
    externalIPs: [address('203.0.113.7')],
    loadBalancerIPs: [address('203.0.113.9')],
    ...fields,
  });
}

/** Each virtual service → whether the node holds its address, and the last octets of its destinations. */
function reached({ frontEnds }: Asked): Record<string, string> {
  return Object.fromEntries(
    frontEnds.map(({ service: { id }, bound, destinations }) => [
      id.replace('/TCP', ''),
      `${bound ? 'bound' : 'held'} ${destinations.map((one) => one.address.split('.')[3]).join(',')}`.trim(),
    ]),
  );
}

const external = ['203.0.113.9:80', '203.0.113.7:80', '192.0.2.10:30080'] as const;

describe('endpoints are chosen', () => {
  const rows: readonly (readonly [string, Partial<Service>, Members, cluster: string, external: string])[] = [
    ['with both policies Cluster: all ready ones', {}, { 1: {}, 2: here, 3: notReady }, '1,2', '1,2'],
    ['with both policies Cluster: those that terminate, when none is ready', {}, { 1: leaving, 2: notReady }, '1', '1'],
    ['without endpoints: none, and the virtual services stay', {}, {}, '', ''],
    [
      'from outside with the external policy Local: those of this node',
      { externalTrafficPolicy: 'Local' },
      { 1: {}, 2: here },
      '1,2',
      '2',
    ],
    [
      'from outside with the external policy Local and none here: none, and the ClusterIP keeps its own',
      { externalTrafficPolicy: 'Local' },
      { 1: {}, 2: { nodeName: undefined } },
      '1,2',
      '',
    ],
    [
      'from outside with the external policy Local: those of this node that terminate, rather than ready ones elsewhere',
      { externalTrafficPolicy: 'Local' },
      { 1: {}, 2: { ...leaving, ...here } },
      '1',
      '2',
    ],
    [
      'from outside with the external policy Local: no one that terminates while one here is ready',
      { externalTrafficPolicy: 'Local' },
      { 1: here, 2: { ...leaving, ...here } },
      '1',
      '1',
    ],
    [
      'at the ClusterIP with the internal policy Local: those of this node',
      { internalTrafficPolicy: 'Local' },
      { 1: {}, 2: here },
      '2',
      '1,2',
    ],
    [
      'at the ClusterIP with the internal policy Local and none here: none, although there is a NodePort',
      { internalTrafficPolicy: 'Local' },
      { 1: {} },
      '',
      '1',
    ],
    [
      'everywhere on this node with both policies Local',
      { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' },
      { 1: {}, 2: here },
      '2',
      '2',
    ],
    [
      'by hints, but not where the policy is Local',
      { externalTrafficPolicy: 'Local' },
      { 1: { ...here, nodes: ['node-b'] }, 2: { nodes: ['node-a'] } },
      '2',
      '1',
    ],
  ];
  for (const [sentence, fields, of, cluster, outside] of rows) {
    it(sentence, () => {
      const asked = ask(everywhere(fields), [slice('default/web', members(of))], nodeA, plain);
      const bound = (octets: string) => `bound ${octets}`.trim();
      assert.deepEqual(reached(asked), {
        '10.96.0.10:80': bound(cluster),
        [external[0]]: bound(outside),
        [external[1]]: bound(outside),
        [external[2]]: `held ${outside}`.trim(),
      });
    });
  }
});

describe('front ends', () => {
  const rows: readonly (readonly [string, Service, readonly string[], Readonly<Record<string, string>>])[] = [
    [
      'at an external or load balancer IP that another device has are not bound; the ClusterIP is, whoever has it',
      everywhere(),
      ['203.0.113.7 lo', '203.0.113.9 eth1', '10.96.0.10 eth1'],
      {
        '10.96.0.10:80': 'bound',
        '203.0.113.9:80': 'held',
        '203.0.113.7:80': 'held',
        '203.0.113.7:30080': 'held',
        '203.0.113.9:30080': 'held',
        '10.96.0.10:30080': 'held',
      },
    ],
    [
      'at every address of the node have the NodePort, in the families of the Service',
      service('default/web', { ports: [port(80, { nodePort: 30080 })] }),
      ['192.0.2.10', '10.88.0.1 cni0', '2001:db8::10', '127.0.0.1 lo'],
      { '10.96.0.10:80': 'bound', '192.0.2.10:30080': 'held', '10.88.0.1:30080': 'held' },
    ],
    [
      'of a dual-stack Service are in both families',
      everywhere({
        clusterIPs: [address('10.96.0.10'), address('fd00:96::10')],
        externalIPs: [address('2001:db8::7')],
        loadBalancerIPs: [],
      }),
      ['192.0.2.10', '2001:db8::10'],
      {
        '10.96.0.10:80': 'bound',
        '[fd00:96::10]:80': 'bound',
        '[2001:db8::7]:80': 'bound',
        '192.0.2.10:30080': 'held',
        '[2001:db8::10]:30080': 'held',
      },
    ],
    [
      'of a Service with a NodePort on a node without addresses are the others',
      service('default/web', { ports: [port(80, { nodePort: 30080 })] }),
      [],
      { '10.96.0.10:80': 'bound' },
    ],
    [
      'of one address, protocol and port are one, whatever kinds they are',
      everywhere({
        externalIPs: ['10.96.0.10', '203.0.113.9', '192.0.2.10'].map(address),
        loadBalancerIPs: ['10.96.0.10', '203.0.113.9'].map(address),
        ports: [port(80, { name: 'a', nodePort: 8080 }), port(8080, { name: 'b', nodePort: 80 })],
      }),
      ['192.0.2.10'],
      {
        '10.96.0.10:80': 'bound',
        '10.96.0.10:8080': 'bound',
        '203.0.113.9:80': 'bound',
        '203.0.113.9:8080': 'bound',
        '192.0.2.10:80': 'held',
        '192.0.2.10:8080': 'held',
      },
    ],
    ['of a Service without ports are none', everywhere({ ports: [] }), ['192.0.2.10'], {}],
    ['of a Service without ClusterIPs are none', everywhere({ clusterIPs: [] }), ['192.0.2.10'], {}],
  ];
  for (const [sentence, of, addresses, expected] of rows) {
    it(sentence, () => assert.deepEqual(reached(ask(of, [], factsOf(addresses), plain)), expected));
  }

  it('of an external IP and a NodePort of another port go to the port of the external IP', () => {
    const of = everywhere({
      externalIPs: [address('192.0.2.10')],
      loadBalancerIPs: [],
      ports: [port(80, { name: 'a', nodePort: 8080 }), port(8080, { name: 'b' })],
    });
    const ports = (name: string, number: number) => [{ name, protocol: 'TCP' as const, port: number }];
    const slices = [
      slice('default/web', ['10.244.0.1'], { name: 'default/web-a', ports: ports('a', 1111) }),
      slice('default/web', ['10.244.0.1'], { name: 'default/web-b', ports: ports('b', 2222) }),
    ];
    const { frontEnds } = ask(of, slices, nodeA, plain);
    const found = frontEnds.find((one) => one.service.id === '192.0.2.10:8080/TCP')!;
    assert.deepEqual(
      found.destinations.map(({ id }) => id),
      ['10.244.0.1:2222'],
    );
  });
});

/** Without `nft add element` and the table's name: `ip services { … }`. */
function elementTexts(elements: readonly Element[]): string[] {
  return elements.map((one) => {
    const text = elementOpText({ kind: 'element', verb: 'add', element: one });
    return text
      .replace(/^nft add element (ip6?) kube-ipvs /, '$1 ')
      .replaceAll(/[{}] ?/g, '')
      .trim();
  });
}

function allElements({ frontEnds, shared }: Asked): string[] {
  return [...elementTexts(frontEnds.flatMap(({ elements }) => elements)), ...elementTexts(shared)].toSorted();
}

describe('the packet filter is told', () => {
  const local = { externalTrafficPolicy: 'Local' } as const;
  const clusterIP = [
    'ip cluster-ips 10.96.0.10 . tcp . 80',
    'ip services 10.96.0.10 . tcp . 80',
    'ip virtual-ips 10.96.0.10',
  ];
  const onlyLB = { externalIPs: [], ports: [port(80)] };
  const vip = '203.0.113.9 . tcp . 80';
  const lb = [`ip masqueraded ${vip}`, `ip services ${vip}`, 'ip virtual-ips 203.0.113.9'];
  const rows: readonly (readonly [string, Partial<Service>, Members, readonly string[]])[] = [
    ['of a ClusterIP', { ports: [port(80)], externalIPs: [], loadBalancerIPs: [] }, {}, clusterIP],
    [
      'of every front end, and that those from outside are masqueraded with the policy Cluster',
      {},
      {},
      [
        ...clusterIP,
        ...lb,
        'ip masqueraded 203.0.113.7 . tcp . 80',
        'ip masqueraded 192.0.2.10 . tcp . 30080',
        'ip services 203.0.113.7 . tcp . 80',
        'ip services 192.0.2.10 . tcp . 30080',
        'ip virtual-ips 203.0.113.7',
      ],
    ],
    [
      'where clients of this node go with the policy Local, and that there are no local endpoints',
      local,
      { 1: {} },
      [
        ...clusterIP,
        'ip services 203.0.113.9 . tcp . 80',
        'ip services 203.0.113.7 . tcp . 80',
        'ip services 192.0.2.10 . tcp . 30080',
        'ip local-clients 203.0.113.9 . tcp . 80 : 10.96.0.10 . 80',
        'ip local-clients 203.0.113.7 . tcp . 80 : 10.96.0.10 . 80',
        'ip local-clients 192.0.2.10 . tcp . 30080 : 10.96.0.10 . 80',
        'ip without-local 203.0.113.9 . tcp . 80',
        'ip without-local 203.0.113.7 . tcp . 80',
        'ip without-local 192.0.2.10 . tcp . 30080',
        'ip virtual-ips 203.0.113.7',
        'ip virtual-ips 203.0.113.9',
      ],
    ],
    [
      'of local endpoints in any state, once each, and nothing of being without one',
      { ...local, ...onlyLB },
      { 1: here, 2: { ...here, ...notReady }, 3: { ...here, ...leaving }, 4: {} },
      [
        ...clusterIP,
        'ip services 203.0.113.9 . tcp . 80',
        'ip local-clients 203.0.113.9 . tcp . 80 : 10.96.0.10 . 80',
        'ip virtual-ips 203.0.113.9',
        'ip hairpins 10.244.0.1 . 10.244.0.1 . tcp . 8080',
        'ip hairpins 10.244.0.2 . 10.244.0.2 . tcp . 8080',
        'ip hairpins 10.244.0.3 . 10.244.0.3 . tcp . 8080',
      ],
    ],
    [
      'that there is no local endpoint while those here take no traffic, and others do',
      { ...local, ...onlyLB },
      { 1: { ...here, ...notReady }, 2: {} },
      [
        ...clusterIP,
        'ip services 203.0.113.9 . tcp . 80',
        'ip local-clients 203.0.113.9 . tcp . 80 : 10.96.0.10 . 80',
        'ip without-local 203.0.113.9 . tcp . 80',
        'ip virtual-ips 203.0.113.9',
        'ip hairpins 10.244.0.1 . 10.244.0.1 . tcp . 8080',
      ],
    ],
    [
      'nothing of local endpoints where there are none anywhere: clients are refused, not dropped',
      { ...local, ...onlyLB },
      {},
      [
        ...clusterIP,
        'ip services 203.0.113.9 . tcp . 80',
        'ip local-clients 203.0.113.9 . tcp . 80 : 10.96.0.10 . 80',
        'ip virtual-ips 203.0.113.9',
      ],
    ],
    [
      'of health check ports in the families of the Service',
      { ...onlyLB, healthCheckNodePort: 32000, clusterIPs: [address('10.96.0.10'), address('fd00:96::10')] },
      {},
      [
        ...clusterIP,
        ...lb,
        'ip6 cluster-ips fd00:96::10 . tcp . 80',
        'ip6 services fd00:96::10 . tcp . 80',
        'ip6 virtual-ips fd00:96::10',
        'ip health-check-ports 32000',
        'ip6 health-check-ports 32000',
      ],
    ],
    [
      'which sources may reach a load balancer IP; other front ends are open',
      { sourceRanges: ['198.51.100.0/24', '10.1.0.0/16', 'fd00::/8'].map(cidr), externalIPs: [], ports: [port(80)] },
      {},
      [
        ...clusterIP,
        ...lb,
        `ip restricted ${vip}`,
        `ip allowed-sources ${vip} . 10.1.0.0/16`,
        `ip allowed-sources ${vip} . 198.51.100.0/24`,
      ],
    ],
    [
      'each source once, where ranges overlap',
      {
        ...onlyLB,
        sourceRanges: [
          '10.1.2.0/24',
          '10.0.0.0/16',
          '10.0.0.0/8',
          '10.0.0.0/8',
          '10.255.0.0/16',
          '11.0.0.1/32',
          '11.0.0.0/32',
        ].map(cidr),
      },
      {},
      [
        ...clusterIP,
        ...lb,
        `ip restricted ${vip}`,
        `ip allowed-sources ${vip} . 10.0.0.0/8`,
        `ip allowed-sources ${vip} . 11.0.0.0`,
        `ip allowed-sources ${vip} . 11.0.0.1`,
      ],
    ],
    [
      'that the node itself may reach a load balancer IP, where its address is in a range',
      { ...onlyLB, sourceRanges: ['192.0.2.0/24'].map(cidr) },
      {},
      [
        ...clusterIP,
        ...lb,
        `ip restricted ${vip}`,
        `ip allowed-sources ${vip} . 192.0.2.0/24`,
        `ip allowed-sources ${vip} . 203.0.113.9`,
      ],
    ],
    [
      'nothing more of the node itself, where the load balancer IP is in a range too',
      { ...onlyLB, sourceRanges: ['192.0.2.0/24', '203.0.113.0/24'].map(cidr) },
      {},
      [
        ...clusterIP,
        ...lb,
        `ip restricted ${vip}`,
        `ip allowed-sources ${vip} . 192.0.2.0/24`,
        `ip allowed-sources ${vip} . 203.0.113.0/24`,
      ],
    ],
    [
      'nothing of sources, where ranges are of the other family only',
      { ...onlyLB, sourceRanges: ['fd00::/8'].map(cidr) },
      {},
      [...clusterIP, ...lb],
    ],
  ];
  for (const [sentence, fields, of, expected] of rows) {
    it(sentence, () => {
      const asked = ask(everywhere(fields), [slice('default/web', members(of))], nodeA, plain);
      assert.deepEqual(allElements(asked), expected.toSorted());
    });
  }

  it('of a front end that another kind took over only what the first is', () => {
    const asked = ask(
      everywhere({ loadBalancerIPs: [address('10.96.0.10')], externalIPs: [] }),
      [],
      factsOf([]),
      plain,
    );
    assert.deepEqual(allElements(asked), clusterIP);
  });

  it('of virtual addresses only where the node has to hold them', () => {
    const held = nodeFacts(undefined, ['203.0.113.9 eth1', '203.0.113.7 lo'].map(nodeAddress), {
      ...plainNodePolicy,
      nodePortAddresses: 'primary',
    });
    const { shared } = ask(everywhere(), [], held, plain);
    assert.deepEqual(elementTexts(shared), ['ip virtual-ips 10.96.0.10']);
  });

  it('of a virtual address once, whatever its ports', () => {
    const { shared } = ask(service('default/a', { ports: [port(80), port(81, { name: 'b' })] }), [], nodeA, plain);
    assert.deepEqual(elementTexts(shared), ['ip virtual-ips 10.96.0.10']);
  });
});

function tuned(fields: Partial<Tuning>, of: Partial<Service> = {}, policy: Partial<Policy> = {}): Asked {
  const one = service('default/a', { tuning: tuning(fields), ...of });
  return ask(one, [slice('default/a', ['10.244.0.1'])], nodeA, { ...plain, ...policy });
}

describe('by annotation a Service has', () => {
  const options = (asked: Asked) => serviceText(asked.frontEnds[0]!.service).replace('-t 10.96.0.10:80 ', '');
  const rows: readonly (readonly [string, Partial<Tuning>, Partial<Policy>, string])[] = [
    ['its own scheduler', { scheduler: 'lc' }, {}, '-s lc'],
    [
      "the node's scheduler, where the kernel lacks its own",
      { scheduler: 'lc' },
      { hasScheduler: () => false },
      '-s rr',
    ],
    ['mh with its usual flag', { scheduler: 'mh' }, {}, '-s mh -b mh-port'],
    ['mh with exactly its own flags', { scheduler: 'mh', schedulerFlags: 0x8 }, {}, '-s mh -b mh-fallback'],
    ['mh without flags', { scheduler: 'mh', schedulerFlags: 0 }, {}, '-s mh'],
    [
      "its own flags with the node's scheduler",
      { schedulerFlags: 0x18 },
      { scheduler: 'sh' },
      '-s sh -b sh-fallback,sh-port',
    ],
    [
      "the usual flag of the node's scheduler, where the kernel lacks its own",
      { scheduler: 'lc' },
      { scheduler: 'mh', hasScheduler: () => false },
      '-s mh -b mh-port',
    ],
    ['no flags with its own scheduler, where the node has mh', { scheduler: 'lc' }, { scheduler: 'mh' }, '-s lc'],
  ];
  for (const [sentence, fields, policy, expected] of rows) {
    it(sentence, () => assert.equal(options(tuned(fields, {}, policy)), expected));
  }

  const timeouts: readonly (readonly [string, number | undefined, number | undefined, number | undefined])[] = [
    ['no limit of drains by default', undefined, undefined, undefined],
    ["the node's limit of drains", undefined, 30_000, 30_000],
    ['its own limit of drains', 5000, 30_000, 5000],
    ['no drains at all', 0, undefined, 0],
  ];
  for (const [sentence, own, nodes, expected] of timeouts) {
    it(sentence, () => {
      const { frontEnds } = tuned({ drainTimeout: own }, {}, { drainTimeout: nodes });
      assert.deepEqual(
        frontEnds.map(({ drainTimeout }) => drainTimeout),
        [expected],
      );
    });
  }

  it('weights on every front end, of the first rule that fits each endpoint', () => {
    const weights: Tuning['weights'] = [
      { endpoints: { of: 'network', cidr: cidr('10.244.0.1/32') }, weight: 7 },
      { endpoints: { of: 'zone', name: 'east' }, weight: 3 },
      { endpoints: { of: 'node', name: 'node-a' }, weight: 0 },
      { endpoints: { of: 'zone', name: 'west' }, weight: 9 },
    ];
    const of = members({ 1: { zone: 'east' }, 2: { zone: 'east', ...here }, 3: { zone: 'west', ...here }, 4: {} });
    const { frontEnds } = ask(everywhere({ tuning: tuning({ weights }) }), [slice('default/web', of)], nodeA, plain);
    assert.equal(frontEnds.length, 4);
    for (const { destinations } of frontEnds) {
      assert.deepEqual(destinations.map(destinationText), [
        '-r 10.244.0.1:8080 -m -w 7',
        '-r 10.244.0.2:8080 -m -w 3',
        '-r 10.244.0.3:8080 -m -w 0',
        '-r 10.244.0.4:8080 -m -w 1',
      ]);
    }
  });

  it('one weight for all that no rule before fits', () => {
    const weights: Tuning['weights'] = [{ endpoints: { of: 'all' }, weight: 4 }];
    assert.deepEqual(tuned({ weights }).frontEnds[0]!.destinations.map(destinationText), [
      '-r 10.244.0.1:8080 -m -w 4',
    ]);
  });
});

it('affinity is on every front end', () => {
  const { frontEnds } = ask(everywhere({ affinityTimeout: 60 }), [], nodeA, plain);
  assert.deepEqual(
    frontEnds.map((one) => serviceText(one.service)),
    ['10.96.0.10:80', ...external].map((at) => `-t ${at} -s rr -p 60`),
  );
});

describe('of endpoints that may answer are told', () => {
  /** The fifth is published although it is not ready. */
  const states = { 1: {}, 2: notReady, 3: leaving, 4: { ...here, ...leaving }, 5: { serving: false } };
  const ports = [{ name: 'dns', protocol: 'UDP' as const, port: 5353 }];
  const rows: readonly (readonly [string, Partial<Service>, readonly number[]])[] = [
    ['those that take its traffic', {}, [1, 5]],
    [
      'with the external policy Local those of its ClusterIP too, where clients of this node are',
      { externalTrafficPolicy: 'Local' },
      [1, 5, 4],
    ],
    [
      'with both policies Local those of this node',
      { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' },
      [4],
    ],
  ];
  for (const [sentence, policies, octets] of rows) {
    it(`${sentence}, at every front end of UDP`, () => {
      const of = everywhere({ ...policies, ports: [port(53, { name: 'dns', protocol: 'UDP' })] });
      const { frontEnds } = ask(of, [slice('default/web', members(states), { ports })], nodeA, plain);
      assert.equal(frontEnds.length, 3);
      for (const { answering } of frontEnds) {
        assert.deepEqual(
          [...answering],
          octets.map((octet) => `10.244.0.${octet}:5353`),
        );
      }
    });
  }

  it('none of TCP', () => {
    const { frontEnds } = ask(everywhere(), [slice('default/web', members(states))], nodeA, plain);
    assert.ok(frontEnds.length > 0 && frontEnds.every(({ answering }) => answering.size === 0));
  });
});
