/** What `kube-ipvs explain` says of addresses, and of kernels that hold something else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterEvent, Service } from '../../src/model/cluster.ts';
import { setNodeAddresses } from '../support/arbitrary-cluster.ts';
import {
  address,
  cidr,
  endpoint,
  node,
  nodeAddress,
  port,
  service,
  setNode,
  setService,
  setSlice,
  slice,
  tuning,
} from '../support/cluster.ts';
import { explained, explainedText, fates, type Told } from '../support/explained.ts';

const here = { nodeName: 'node-a' } as const;
const byNetwork = {
  wishes: { pods: { by: 'networks', cidrs: [cidr('10.244.0.0/16'), cidr('fd00:244::/56')] } },
} as const;
const nodeFacts: readonly ClusterEvent[] = [
  setNode(node({ zone: 'east', addresses: [address('192.168.1.10')], podCIDRs: [cidr('10.244.0.0/24')] })),
  setNodeAddresses(['192.168.1.10 eth0', '172.16.0.10 eth1', '127.0.0.1 lo'].map(nodeAddress)),
];

/** default/web with an endpoint here and one elsewhere. */
function web(fields: Parameters<typeof service>[1] = {}): ClusterEvent[] {
  const members = [endpoint('10.244.0.1', here), endpoint('10.244.1.2')];
  return [...nodeFacts, setService(service('default/web', fields)), setSlice(slice('default/web', members))];
}

describe('the address', () => {
  const vip = address('203.0.113.5');
  const everything = {
    externalIPs: [address('198.51.100.5')],
    loadBalancerIPs: [vip],
    ports: [port(80, { name: '', nodePort: 30_080 })],
  };
  const rows: readonly (readonly [string, string, string])[] = [
    ['a ClusterIP has the internal policy', '10.96.0.10:80', 'clusterIP kube-ipvs0 internalTrafficPolicy Local'],
    [
      'a load balancer IP has the external one',
      '203.0.113.5:80',
      'loadBalancerIP kube-ipvs0 externalTrafficPolicy Cluster',
    ],
    ['an external IP too', '198.51.100.5:80/TCP', 'externalIP kube-ipvs0 externalTrafficPolicy Cluster'],
    [
      'a NodePort is at an address of the node',
      '192.168.1.10:30080',
      'nodePort another device externalTrafficPolicy Cluster',
    ],
    ['and at each other one', '172.16.0.10:30080/tcp', 'nodePort another device externalTrafficPolicy Cluster'],
  ];
  for (const [sentence, words, expected] of rows) {
    it(sentence, async () => {
      const { frontEnd, differences } = await explained(words, web({ ...everything, internalTrafficPolicy: 'Local' }));
      const { kind, holder, policyField, policy, service: owner } = frontEnd!;
      assert.equal(`${kind} ${holder} ${policyField} ${policy}`, expected);
      assert.deepEqual([owner, differences], ['default/web', []]);
    });
  }

  it('that a Service has twice is the first kind of it', async () => {
    const { frontEnd } = await explained('203.0.113.5:80', web({ externalIPs: [vip], loadBalancerIPs: [vip] }));
    assert.deepEqual([frontEnd!.kind, frontEnd!.alsoKinds], ['loadBalancerIP', ['externalIP']]);
  });

  it('of UDP and SCTP says that nothing drains there, whatever the timeout', async () => {
    for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
      const fields = { ports: [port(53, { protocol })], tuning: tuning({ drainTimeout: 30_000 }) };
      const text = await explainedText(`10.96.0.10:53/${protocol}`, web(fields));
      const said = /^Drain: +(.*)$/m.exec(text)?.[1];
      assert.equal(said, protocol === 'TCP' ? 'for 30s at most' : 'none: what leaves goes at once');
    }
  });

  it('in conflict belongs to the older Service, and says which ones claim it', async () => {
    const younger = service('aaa/younger', { createdAt: '2026-02-01T00:00:00Z' });
    const undated = service('aaa/undated', { createdAt: '' });
    const events = [setService(undated), setService(younger), ...web()];
    const { claims, frontEnd } = await explained('10.96.0.10:80', events);
    assert.deepEqual(claims, [
      { owner: 'default/web', createdAt: '2026-01-01T00:00:00Z' },
      { owner: 'aaa/younger', createdAt: '2026-02-01T00:00:00Z' },
      { owner: 'aaa/undated', createdAt: '' },
    ]);
    assert.equal(frontEnd!.service, 'default/web');
    assert.match(
      await explainedText('10.96.0.10:80', events),
      /^Conflict: {4}claimed by aaa\/younger \(2026-02-01T00:00:00Z\), aaa\/undated \(no creationTimestamp\) too; default\/web has it, being the older \(2026-01-01T00:00:00Z\)$/m,
    );
  });

  it('of Services of one age belongs to the first by name', async () => {
    const text = await explainedText('10.96.0.10:80', [...web(), setService(service('default/xyz'))]);
    assert.match(text, /default\/web has it, being as old \(2026-01-01T00:00:00Z\) and first by name$/m);
  });

  it('says where scheduler and affinity come from', async () => {
    const asked = (scheduler: string) => web({ affinityTimeout: 600, tuning: tuning({ scheduler }) });
    const mh = (await explained('10.96.0.10:80', asked('mh'))).frontEnd!;
    assert.deepEqual(
      [mh.scheduler, mh.schedulerFrom, mh.options, mh.affinity],
      ['mh', 'annotation', '-p 600 -b mh-port', 600],
    );
    const none = (await explained('10.96.0.10:80', asked('best'))).frontEnd!;
    assert.deepEqual([none.scheduler, none.schedulerFrom], ['rr', 'missing']);
    const plain = (await explained('10.96.0.10:80', web())).frontEnd!;
    assert.deepEqual([plain.scheduler, plain.schedulerFrom, plain.affinity], ['rr', 'configuration', undefined]);
  });
});

describe('endpoints', () => {
  async function rows(events: readonly ClusterEvent[], told?: Told): Promise<string[]> {
    const { endpoints } = await explained('10.96.0.10:80', events, told);
    return endpoints.map(
      ({ id, taken, because, weight, weightRule, kernel, state }) =>
        `${id} ${taken ? 'taken' : 'left'}: ${because}, ${weight ?? '-'}${weightRule === undefined ? '' : ` by ${weightRule}`}, kernel ${kernel?.weight ?? '-'}, ${state}`,
    );
  }

  it('that are taken go first, with weights and their rules', async () => {
    const members = [
      endpoint('10.244.0.1', { ready: false, serving: false }),
      endpoint('10.244.0.2', { zone: 'east' }),
      endpoint('10.244.0.3', { nodeName: 'node-c' }),
      endpoint('10.244.7.4'),
    ];
    const weights = [
      { endpoints: { of: 'zone', name: 'east' }, weight: 3 },
      { endpoints: { of: 'network', cidr: cidr('10.244.7.0/24') }, weight: 0 },
      { endpoints: { of: 'node', name: 'node-c' }, weight: 2 },
    ] as const;
    const fact = service('default/web', { tuning: tuning({ weights }) });
    assert.deepEqual(await rows([...nodeFacts, setService(fact), setSlice(slice('default/web', members))]), [
      '10.244.0.2:8080 taken: ready, 3 by zone=east, kernel 3, in sync',
      '10.244.0.3:8080 taken: ready, 2 by node=node-c, kernel 2, in sync',
      '10.244.7.4:8080 taken: ready, 0 by 10.244.7.0/24, kernel 0, in sync',
      '10.244.0.1:8080 left: not ready, -, kernel -, left out',
    ]);
  });

  it('are compared with what somebody made of them', async () => {
    const after: Told['after'] = (kernel) => {
      kernel.run('-d -t 10.96.0.10:80 -r 10.244.0.1:8080');
      kernel.run('-e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 7');
      kernel.run('-a -t 10.96.0.10:80 -r 10.244.9.9:8080 -m -w 1');
    };
    assert.deepEqual(await rows(web(), { after }), [
      '10.244.0.1:8080 taken: ready, 1, kernel -, missing',
      '10.244.1.2:8080 taken: ready, 1, kernel 7, differs',
      '10.244.9.9:8080 left: no endpoint, -, kernel 1, extra',
    ]);
    const { differences, clients } = await explained('10.96.0.10:80 --from pod', web(), { after, ...byNetwork });
    assert.deepEqual(differences, [
      '-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1',
      '-e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 1',
      '-d -t 10.96.0.10:80 -r 10.244.9.9:8080',
    ]);
    assert.deepEqual(fates({ clients } as never), [
      'pod any: reaches 10.244.0.1:8080 10.244.1.2:8080 | reaches 10.244.1.2:8080 10.244.9.9:8080',
    ]);
  });

  it('say which hints choose, and that some do not count', async () => {
    const hinted = async (...zones: readonly (readonly string[])[]) => {
      const members = zones.map((of, i) => endpoint(`10.244.0.${i + 1}`, { zones: of }));
      const events = [...nodeFacts, setService(service('default/web')), setSlice(slice('default/web', members))];
      return (await explained('10.96.0.10:80', events)).frontEnd!.hints;
    };
    assert.equal(await hinted(['east'], ['west']), 'zones');
    assert.equal(await hinted(['east'], []), 'ignored');
    assert.equal(await hinted(['west'], ['west']), 'ignored');
    assert.equal(await hinted([], []), undefined);
  });

  it('that leave keep weight 0 while they have connections, which is as it should be', async () => {
    const leaving = endpoint('10.244.1.2', { ready: false, serving: true, terminating: true });
    const now = [...web().slice(0, -1), setSlice(slice('default/web', [endpoint('10.244.0.1', here), leaving]))];
    const after: Told['after'] = (kernel) => {
      kernel.run('-e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 0');
      kernel.setConnections('10.96.0.10:80/TCP', '10.244.1.2:8080', { active: 2, inactive: 1 });
    };
    assert.deepEqual(await rows(web(), { after, now }), [
      '10.244.0.1:8080 taken: ready, 1, kernel 1, in sync',
      '10.244.1.2:8080 left: terminating, -, kernel 0, draining',
    ]);
    const { differences, remarks } = await explained('10.96.0.10:80', web(), { after, now });
    assert.deepEqual(differences, []);
    assert.deepEqual(remarks, [
      '10.96.0.10:80/TCP -> 10.244.1.2:8080 drains: weight 0 while its connections end (2 active, 1 inactive)',
    ]);
  });

  it('that are missing altogether say what is missing', async () => {
    const none = async (...events: ClusterEvent[]) =>
      (await explained('10.96.0.10:80', [...nodeFacts, setService(service('default/web')), ...events])).frontEnd!
        .withoutEndpoints;
    assert.equal(await none(), 'no EndpointSlice names the Service');
    assert.equal(await none(setSlice(slice('default/web', ['fd00::1']))), 'no EndpointSlice of the family');
    const other = [{ name: 'http', protocol: 'TCP', port: 8080 }] as const;
    assert.equal(
      await none(setSlice(slice('default/web', ['10.244.0.1'], { ports: other }))),
      'no EndpointSlice has the port',
    );
    assert.equal(await none(setSlice(slice('default/web', []))), 'no endpoint in its EndpointSlices');
    assert.equal(await none(setSlice(slice('default/web', ['10.244.0.1']))), undefined);
  });

  it('without number are counted by reason', async () => {
    const members = Array.from({ length: 30 }, (_, i) =>
      endpoint(`10.244.0.${i + 1}`, { ready: false, serving: false }),
    );
    const text = await explainedText('10.96.0.10:80', [
      ...nodeFacts,
      setService(service('default/web')),
      setSlice(slice('default/web', members)),
    ]);
    assert.equal(text.match(/^10\.244\.0\.\d+:8080 .* not ready$/gm)?.length, 10);
    assert.match(text, /^… and 20 more not taken: not ready; -o json has all$/m);
  });
});

describe('clients', () => {
  const both = '10.244.0.1:8080 10.244.1.2:8080';
  const masqueraded = '10.244.0.1:8080* 10.244.1.2:8080*';

  it('of a ClusterIP are masqueraded unless they are Pods; each to itself is', async () => {
    const explanation = await explained('10.96.0.10:80', web(), byNetwork);
    assert.deepEqual(fates(explanation), [
      `pod any: reaches ${both}`,
      `host 10.96.0.10: reaches ${masqueraded}`,
      `external any: reaches ${masqueraded}`,
    ]);
    assert.deepEqual(explanation.hairpins, ['10.244.0.1:8080']);
  });

  const addresses: readonly (readonly [string, string, string])[] = [
    ['an endpoint of this node', '10.244.0.1', 'pod 10.244.0.1: reaches 10.244.0.1:8080* 10.244.1.2:8080'],
    ['another Pod of this node', '10.244.0.77', `pod 10.244.0.77: reaches ${both}`],
    ['a Pod of another node', '10.244.1.2', `other pod 10.244.1.2: reaches ${both}`],
    ['an address of the node', '172.16.0.10', `host 172.16.0.10: reaches ${masqueraded}`],
    ['the virtual address', '10.96.0.10', `host 10.96.0.10: reaches ${masqueraded}`],
    ['somebody else', '192.0.2.7', `external 192.0.2.7: reaches ${masqueraded}`],
  ];
  for (const [who, source, fate] of addresses) {
    it(`by address: ${who}`, async () => {
      assert.deepEqual(fates(await explained(`10.96.0.10:80 --from ${source}`, web(), byNetwork)), [fate]);
    });
  }

  it('by address: an endpoint of which no slice says the node is of this one by its networks', async () => {
    const unplaced = setSlice(slice('default/other', [endpoint('10.244.0.5', { nodeName: undefined })]));
    const local: Partial<Service> = { externalTrafficPolicy: 'Local', loadBalancerIPs: [address('203.0.113.5')] };
    const events = [...web(local), setService(service('default/other', { vips: ['10.96.0.11'] })), unplaced];
    const byBridge: Told = { wishes: { pods: { by: 'bridge', name: 'cni0' } } };
    assert.deepEqual(fates(await explained('203.0.113.5:80 --from 10.244.0.5', events, byBridge)), [
      `pod 10.244.0.5: reaches ${both} by 10.96.0.10:80/TCP`,
    ]);
  });

  it('with the policy Local come by the ClusterIP when they are of this node, and are dropped from outside where it has no endpoint', async () => {
    const local: Partial<Service> = { externalTrafficPolicy: 'Local', loadBalancerIPs: [address('203.0.113.5')] };
    assert.deepEqual(fates(await explained('203.0.113.5:80', web(local), byNetwork)), [
      `pod any: reaches ${both} by 10.96.0.10:80/TCP`,
      `host 203.0.113.5: reaches ${masqueraded} by 10.96.0.10:80/TCP`,
      'external any: reaches 10.244.0.1:8080',
    ]);
    const elsewhere = [...web(local).slice(0, -1), setSlice(slice('default/web', ['10.244.1.2']))];
    const explanation = await explained('203.0.113.5:80', elsewhere, byNetwork);
    assert.deepEqual(fates(explanation), [
      'pod any: reaches 10.244.1.2:8080 by 10.96.0.10:80/TCP',
      'host 203.0.113.5: reaches 10.244.1.2:8080* by 10.96.0.10:80/TCP',
      'external any: dropped',
    ]);
    assert.deepEqual(explanation.clients[2]!.rules, ['policy Local without an endpoint here: not from outside']);
  });

  it('of a ClusterIP with the policy Local and no endpoint here are refused', async () => {
    const elsewhere = [
      ...web({ internalTrafficPolicy: 'Local' }).slice(0, -1),
      setSlice(slice('default/web', ['10.244.1.2'])),
    ];
    assert.deepEqual(fates(await explained('10.96.0.10:80 --from pod', elsewhere, byNetwork)), ['pod any: refused']);
  });

  it('that are refused, or reach the node itself, are not told that they would be masqueraded', async () => {
    const ports = { loadBalancerIPs: [address('203.0.113.5')] };
    const reasons = async (words: string, ...endpoints: Parameters<typeof slice>[1]) => {
      const events = [
        ...nodeFacts,
        setService(service('default/web', ports)),
        setSlice(slice('default/web', endpoints)),
      ];
      return (await explained(words, events, byNetwork)).clients.map(({ from, outcome, rules }) =>
        [from, outcome.kind, ...rules].join(', '),
      );
    };
    const none = ['pod, refused', 'host, refused', 'external, refused'];
    assert.deepEqual(await reasons('10.96.0.10:80'), none);
    assert.deepEqual(await reasons('203.0.113.5:80'), none);
    assert.deepEqual(await reasons('10.96.0.10:80', endpoint('192.168.1.10', here)), [
      'pod, reaches',
      'host, reaches, clients of a ClusterIP that are no Pods',
      'external, reaches',
    ]);
  });

  it('from some sources only are told apart', async () => {
    const ranges = ['192.0.2.0/24', '198.18.0.0/15', '10.244.0.128/25'].map(cidr);
    const restricted = web({ loadBalancerIPs: [address('203.0.113.5')], sourceRanges: ranges });
    assert.deepEqual(fates(await explained('203.0.113.5:80', restricted, byNetwork)), [
      `pod 10.244.0.128/25: reaches ${masqueraded}`,
      'pod any other: dropped',
      'host 203.0.113.5: dropped',
      `external 192.0.2.0/24, 198.18.0.0/15: reaches ${masqueraded}`,
      'external any other: dropped',
    ]);
    assert.deepEqual(fates(await explained('203.0.113.5:80 --from 192.0.2.7', restricted, byNetwork)), [
      `external 192.0.2.7: reaches ${masqueraded}`,
    ]);
    assert.deepEqual(fates(await explained('203.0.113.5:80 --from 8.8.8.8', restricted, byNetwork)), [
      'external 8.8.8.8: dropped',
    ]);
    const all = web({ loadBalancerIPs: [address('203.0.113.5')], sourceRanges: [cidr('0.0.0.0/0')] });
    assert.deepEqual(fates(await explained('203.0.113.5:80 --from external', all, byNetwork)), [
      `external any: reaches ${masqueraded}`,
    ]);
  });

  it('are not the node itself, whose virtual address is allowed with its own', async () => {
    const own = web({ loadBalancerIPs: [address('203.0.113.5')], sourceRanges: [cidr('192.168.1.0/24')] });
    assert.deepEqual(fates(await explained('203.0.113.5:80', own, byNetwork)), [
      'pod any: dropped',
      `host 203.0.113.5: reaches ${masqueraded}`,
      `external 192.168.1.0/24: reaches ${masqueraded}`,
      'external any other: dropped',
    ]);
  });

  it('meet what the kernel has where that is something else', async () => {
    const host = '10.96.0.10:80 --from host';
    const meets = async (after: NonNullable<Told['after']>) =>
      fates(await explained(host, web(), { ...byNetwork, after }))[0]!.split(' | ')[1];
    assert.equal(await meets((kernel) => kernel.run('nft delete table ip kube-ipvs')), `reaches ${both}`);
    assert.equal(await meets((kernel) => kernel.run('nft flush table ip kube-ipvs')), 'unknown');
    assert.equal(await meets((kernel) => kernel.run('-D -t 10.96.0.10:80')), 'host');
    assert.equal(
      await meets((kernel) => {
        kernel.run('-D -t 10.96.0.10:80');
        kernel.run('ip addr delete 10.96.0.10/32 dev kube-ipvs0');
      }),
      'elsewhere',
    );
  });
});

it('says that others reach nothing by IPv6 where the host does not forward it', async () => {
  const events = [
    ...nodeFacts,
    setService(service('default/web', { vips: ['10.96.0.10', 'fd00:96::10'] })),
    setSlice(slice('default/web', ['fd00:244::2'])),
    setSlice(slice('default/web', ['10.244.1.2'], { name: 'default/web-2' })),
  ];
  const options = { settings: new Map([['net/ipv6/conf/all/forwarding', { value: '0', writable: true }]]) };
  const six = await explained('[fd00:96::10]:80', events, { ...byNetwork, options });
  assert.deepEqual(fates(six), [
    'pod any: reaches [fd00:244::2]:8080 | dropped',
    'host fd00:96::10: reaches [fd00:244::2]:8080*',
    'external any: reaches [fd00:244::2]:8080* | dropped',
  ]);
  assert.deepEqual(six.differences, []);
  assert.match(six.remarks.join(), /^net\.ipv6\.conf\.all\.forwarding is 0, /);
  const four = await explained('10.96.0.10:80', events, { ...byNetwork, options });
  assert.deepEqual([four.clients.filter(({ kernel }) => kernel !== undefined), four.remarks], [[], []]);
});

describe('an address that nobody claims', () => {
  async function nearby(words: string, events: readonly ClusterEvent[]): Promise<string[]> {
    const { frontEnd, near, differences } = await explained(words, events);
    assert.deepEqual([frontEnd, differences], [undefined, []]);
    return near.map(({ id, service: owner, because }) => `${id} ${owner} ${because}`);
  }

  it('is near to other ports of the same address', async () => {
    assert.deepEqual(await nearby('10.96.0.10:443', web()), ['10.96.0.10:80/TCP default/web same address']);
    assert.deepEqual(await nearby('10.96.0.10:80/UDP', web()), ['10.96.0.10:80/TCP default/web same address']);
  });

  it('may be a NodePort that this address does not have', async () => {
    const nodePort = web({ ports: [port(80, { nodePort: 30_080 })] });
    const at = ['172.16.0.10:30080/TCP', '192.168.1.10:30080/TCP'];
    assert.deepEqual(
      await nearby('[2001:db8::10]:30080', nodePort),
      at.map((id) => `${id} default/web same NodePort`),
    );
  });

  it('may be a NodePort that no address has', async () => {
    const nodePort = web({ ports: [port(80, { nodePort: 30_080 })] });
    const wishes = { nodePortAddresses: [cidr('127.0.0.0/8')] };
    const { near } = await explained('192.168.1.10:30080', nodePort, { wishes });
    assert.deepEqual(near, [{ id: '30080/TCP', service: 'default/web', because: 'NodePort without address' }]);
  });

  it('may be that of an endpoint', async () => {
    assert.deepEqual(await nearby('10.244.1.2:80', web()), [
      '10.244.1.2:8080 default/web endpoint',
      '10.96.0.10:80/TCP default/web front end',
    ]);
  });

  it('may be of a Service that has the other family only', async () => {
    assert.deepEqual(await nearby('[fd00:96::10]:80', web()), [
      '10.96.0.10:80/TCP default/web same port, other family',
    ]);
    assert.deepEqual(await nearby('[fd00:96::10]:81', web()), []);
  });

  it('is refused at a virtual address, and otherwise goes where it would without Services', async () => {
    const all = async (words: string) =>
      fates(await explained(words, web(), byNetwork)).map((line) => line.split(': ')[1]);
    assert.deepEqual(await all('10.96.0.10:443'), ['refused', 'refused', 'refused']);
    assert.deepEqual(await all('192.168.1.10:443'), ['host', 'host', 'host']);
    assert.deepEqual(await all('192.0.2.99:443'), ['elsewhere', 'elsewhere', 'elsewhere']);
    assert.deepEqual(await all('127.0.0.1:30080'), ['dropped', 'host', 'dropped']);
    assert.deepEqual(await all('[::1]:30080'), ['dropped', 'host', 'dropped']);
  });

  it('may be the port of a health check, which the packet filter must know at a virtual address', async () => {
    const events = web({
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32_000,
      loadBalancerIPs: [address('203.0.113.5')],
    });
    const after: Told['after'] = (kernel) => kernel.run('nft delete element ip kube-ipvs health-check-ports { 32000 }');
    const [sound, damaged] = [
      await explained('203.0.113.5:32000 --from external', events),
      await explained('203.0.113.5:32000 --from external', events, { after }),
    ];
    assert.deepEqual([fates(sound), sound.differences], [['external any: host'], []]);
    assert.deepEqual(fates(damaged), ['external any: host | refused']);
    assert.deepEqual(damaged.differences, ['nft add element ip kube-ipvs health-check-ports { 32000 }']);
    assert.ok(damaged.near.some(({ because }) => because === 'health check port'));
  });

  it('tells what the kernel has there all the same', async () => {
    const after: Told['after'] = (kernel) => {
      kernel.run('-A -t 192.0.2.1:80 -s wlc');
      kernel.run('-a -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 1');
    };
    const { kernel, endpoints, remarks, differences } = await explained('192.0.2.1:80', web(), { after });
    assert.deepEqual(kernel, { scheduler: 'wlc', options: '', ours: false });
    assert.deepEqual(
      endpoints.map(({ id, state }) => `${id} ${state}`),
      ['198.51.100.1:80 extra'],
    );
    assert.deepEqual(differences, []);
    assert.deepEqual(remarks, [
      'the kernel has a virtual service there that no Service asks for; it is not ours, and left alone',
    ]);
  });
});

it('says of what is ours and stays that it is excluded', async () => {
  const after: Told['after'] = (kernel) => {
    kernel.run('ip addr add 10.97.0.1/32 dev kube-ipvs0');
    kernel.run('-A -t 10.97.0.1:80 -s rr');
  };
  const told = async (wishes: Told['wishes'] = {}) => {
    const { differences, remarks } = await explained('10.97.0.1:80', web(), { wishes, after });
    return [differences.length, ...remarks];
  };
  const what = 'the kernel has a virtual service there that no Service asks for; it is';
  assert.deepEqual(await told(), [2, `${what} marked as ours`]);
  const excluded = { excluded: (one: string) => one.startsWith('10.97.') };
  assert.deepEqual(await told(excluded), [0, `${what} left alone, because --ipvs-exclude-cidrs has its address`]);
});

describe('while something cannot be read', () => {
  const slice2: ClusterEvent = {
    kind: 'unreadable',
    object: 'EndpointSlice',
    name: 'default/web-2',
    service: 'default/web',
  };

  it('what it may name is kept, and nobody is dropped for want of an endpoint here', async () => {
    const vip = address('203.0.113.5');
    const fields = { loadBalancerIPs: [vip], externalTrafficPolicy: 'Local' } as const;
    const elsewhere = setSlice(slice('default/web', [endpoint('10.244.1.2')]));
    const told = async (...events: readonly ClusterEvent[]) => {
      const now = [...nodeFacts, setService(service('default/web', fields)), elsewhere, ...events];
      const all = await explained('203.0.113.5:80 --from external', web(fields), { ...byNetwork, now });
      return { fates: fates(all), remarks: all.remarks, differences: all.differences };
    };
    assert.deepEqual(await told(slice2), {
      fates: ['external any: refused | reaches 10.244.0.1:8080'],
      remarks: [
        'objects that could not be read may ask for something else here: default/web-2',
        'until they can be read what nobody names is kept: 203.0.113.5:80/TCP -> 10.244.0.1:8080, 10.96.0.10:80/TCP -> 10.244.0.1:8080',
        'until they can be read no client is dropped for want of an endpoint on this node',
      ],
      differences: [],
    });
    const { fates: after, differences } = await told();
    assert.deepEqual(after, ['external any: dropped | reaches 10.244.0.1:8080']);
    assert.notDeepEqual(differences, []);
  });

  it('what is there and nobody claims is kept, not to be deleted by the next pass', async () => {
    const broken: ClusterEvent = { kind: 'unreadable', object: 'Service', name: 'default/web' };
    const { differences, remarks } = await explained('10.96.0.10:80', web(), { now: [...nodeFacts, broken] });
    assert.deepEqual(differences, []);
    assert.equal(remarks.length, 3);
    assert.equal(remarks[0], 'objects that could not be read may ask for something else here: default/web');
    assert.match(remarks[1]!, /^until they can be read what nobody names is kept: .*, 10\.96\.0\.10:80\/TCP, /);
  });
});

it('prints all of it in columns, and nothing that a terminal obeys', async () => {
  const name = 'east\u001b[31m';
  const vip = { loadBalancerIPs: [address('203.0.113.5')], sourceRanges: [cidr('192.0.2.0/24')] };
  const members = [
    endpoint('10.244.0.1', { ...here, zone: name }),
    endpoint('10.244.1.2', { ready: false, serving: false }),
  ];
  const events = [
    ...nodeFacts,
    setService(service('default/web', { ...vip, ports: [port(80, { name: 'http' })] })),
    setSlice(slice('default/web', members, { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] })),
  ];
  const after: Told['after'] = (kernel) => kernel.run('-e -t 203.0.113.5:80 -r 10.244.0.1:8080 -m -w 0');
  assert.equal(
    await explainedText('203.0.113.5:80 --from external', events, { ...byNetwork, after }),
    `\
Address:     203.0.113.5:80/TCP, at node node-a, zone east
Service:     default/web, port http
Front end:   load balancer IP; the address is on kube-ipvs0
Policy:      externalTrafficPolicy Cluster: the cluster's endpoints
Scheduler:   rr, the node's own
Affinity:    none
Drain:       until connections end
Sources:     192.0.2.0/24 only (loadBalancerSourceRanges)
Kernel:      virtual service rr; not as it should be, see below

ENDPOINT         TAKEN  WEIGHT  KERNEL  ACTIVE  INACTIVE  NODE    ZONE            WHY
10.244.0.1:8080  yes         1       0       0         0  node-a  east\\u001b[31m  ready; different in the kernel
10.244.1.2:8080  no                                       node-b                  not ready

FROM      SOURCE        OUTCOME
external  192.0.2.0/24  reaches 10.244.0.1:8080 masqueraded
                          why: NodePorts, load balancers, external IPs with policy Cluster
                          in the kernel: refused
external  any other     dropped
                          why: not in loadBalancerSourceRanges

DIFFERENCES of the kernel, as the next pass would end them
  -e -t 203.0.113.5:80 -r 10.244.0.1:8080 -m -w 1
`,
  );
});

it('remarks on weights that the scheduler does not see, and on a Node that nobody knows', async () => {
  const weights = [{ endpoints: { of: 'network', cidr: cidr('10.244.0.0/24') }, weight: 5 }] as const;
  const remarksOf = async (scheduler?: string) =>
    (await explained('10.96.0.10:80', web({ tuning: tuning({ weights, scheduler }) }).slice(1))).remarks;
  const noNode = 'no Node node-a is known: its zone is not, and its Pods are told by configuration only';
  assert.deepEqual(await remarksOf(), [noNode, 'the scheduler rr looks at no weight but 0']);
  assert.deepEqual(await remarksOf('wrr'), [noNode]);
});

it('prints so much of a zone as a name may have, however long the text that takes its place', async () => {
  const zone = 'z'.repeat(1 << 20);
  const members = Array.from({ length: 1000 }, (_, i) =>
    endpoint(`10.244.${i >> 8}.${i & 255}`, { zone: i === 0 ? zone : 'east', zones: i === 0 ? [zone] : [] }),
  );
  const weights = [{ endpoints: { of: 'zone', name: zone }, weight: 2 }] as const;
  const events = [
    ...nodeFacts,
    setService(service('default/web', { tuning: tuning({ weights }) })),
    setSlice(slice('default/web', members)),
  ];
  const lines = (await explainedText('10.96.0.10:80', events)).split('\n');
  const cut = `${'z'.repeat(253)}…`;
  const row = lines.find((line) => line.startsWith('10.244.0.0:'));
  assert.match(row!, new RegExp(` ${cut}  ${cut}  ready; weight by annotation, zone=${'z'.repeat(248)}…`));
  assert.ok(lines.every(({ length }) => length < 2000));
});
