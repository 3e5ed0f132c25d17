/** Which iptables rules and chains are kube-proxy's, which are others', and the text that removes the first. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Removal, removalLines, removalOf, restoreText } from '../../src/cli/takeover/removal.ts';
import { parseRule, parseSaved, unshownTables } from '../../src/cli/takeover/saved-rules.ts';
import { kubeProxyRules } from '../support/kube-proxy-state.ts';

function removal(...lines: readonly string[]): Removal {
  return removalOf(parseSaved(lines.join('\n')));
}

const portals = 'PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES';
const forwarding = 'FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD';

describe('a saved rule', () => {
  it('is read with its target, its comment and the sets it looks into', () => {
    const text =
      '-m comment --comment "a \\"quoted\\" word, -j ACCEPT" -m set ! --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ';
    assert.deepEqual(parseRule(text), {
      text,
      target: 'KUBE-MARK-MASQ',
      comment: 'a "quoted" word, -j ACCEPT',
      sets: ['KUBE-CLUSTER-IP'],
      words: ['-m', 'set', '!', '--match-set', 'KUBE-CLUSTER-IP', 'dst,dst', '-j', 'KUBE-MARK-MASQ'],
    });
  });

  it('may lead nowhere, or by goto', () => {
    assert.equal(parseRule('-p tcp').target, undefined);
    assert.equal(parseRule('-p tcp -g OTHER').target, 'OTHER');
  });

  it('of a table with rules of nft’s own is not shown', () => {
    assert.deepEqual(unshownTables("# Table `nat' is incompatible, use 'nft' tool.\n*filter\nCOMMIT\n"), ['nat']);
  });
});

describe('of saved tables', () => {
  it('everything that kube-proxy writes goes, at once for each table', () => {
    const saved = kubeProxyRules(4)
      .replaceAll(/^-I (\S+)/gm, '-A $1')
      .replaceAll(
        /^\*(nat|filter)$/gm,
        '*$1\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]',
      );
    const { tables, kept, usedSets, remarks } = removalOf(parseSaved(saved));
    assert.deepEqual([kept, [...usedSets], remarks], [[], [], []]);
    assert.deepEqual(
      tables.map(({ table, jumps, chains }) => [table, jumps.length, chains.map(({ name }) => name)]),
      [
        ['nat', 3, ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-MARK-MASQ']],
        [
          'filter',
          6,
          [
            'KUBE-FORWARD',
            'KUBE-NODE-PORT',
            'KUBE-PROXY-FIREWALL',
            'KUBE-SOURCE-RANGES-FIREWALL',
            'KUBE-IPVS-FILTER',
            'KUBE-IPVS-OUT-FILTER',
          ],
        ],
      ],
    );
  });

  it('the removal is a text for iptables-restore, and lines for people', () => {
    const { tables } = removal(
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':KUBE-SERVICES - [0:0]',
      `-A ${portals}`,
      '-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN',
      'COMMIT',
    );
    assert.equal(restoreText(tables), `*nat\n:KUBE-SERVICES - [0:0]\n-D ${portals}\n-X KUBE-SERVICES\nCOMMIT\n`);
    assert.deepEqual(removalLines('iptables-nft', tables[0]!), [
      `iptables-nft -t nat -D ${portals}`,
      'iptables-nft -t nat -D KUBE-SERVICES -s 127.0.0.0/8 -j RETURN',
      'iptables-nft -t nat -X KUBE-SERVICES',
    ]);
  });

  it('rules of others stay, also where they speak of Kubernetes', () => {
    const { tables, kept } = removal(
      '*nat',
      ':POSTROUTING ACCEPT [0:0]',
      ':CNI-HOSTPORT-MASQ - [0:0]',
      ':KUBE-MARK-DROP - [0:0]',
      '-A POSTROUTING -m comment --comment "kubernetes is not asked" -j MASQUERADE',
      '-A POSTROUTING -j CNI-HOSTPORT-MASQ',
      'COMMIT',
    );
    assert.deepEqual([tables, kept], [[], []]);
  });

  it('a chain that a rule of somebody else leads to stays, with all that it leads to', () => {
    const { tables, kept, usedSets } = removal(
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':CNI-DN - [0:0]',
      ':KUBE-SERVICES - [0:0]',
      ':KUBE-LOAD-BALANCER - [0:0]',
      ':KUBE-MARK-MASQ - [0:0]',
      `-A ${portals}`,
      '-A CNI-DN -p tcp -j KUBE-LOAD-BALANCER',
      '-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ',
      '-A KUBE-LOAD-BALANCER -m set --match-set KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN',
      '-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ',
      'COMMIT',
    );
    assert.deepEqual(kept, [
      {
        table: 'nat',
        chain: 'KUBE-LOAD-BALANCER',
        why: 'a rule of somebody else leads to it (-A CNI-DN -p tcp -j KUBE-LOAD-BALANCER); delete that rule',
      },
      { table: 'nat', chain: 'KUBE-MARK-MASQ', why: 'KUBE-LOAD-BALANCER, which stays, leads to it' },
    ]);
    assert.deepEqual(tables[0]!.jumps.length, 1);
    assert.deepEqual(
      tables[0]!.chains.map(({ name }) => name),
      ['KUBE-SERVICES'],
    );
    assert.deepEqual([...usedSets], ['KUBE-LOAD-BALANCER-LOCAL']);
  });

  it('a rule without a comment of kube-proxy is somebody else’s, whatever it leads to', () => {
    const { tables, kept } = removal(
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':KUBE-SERVICES - [0:0]',
      '-A PREROUTING -i eth7 -j KUBE-SERVICES',
      'COMMIT',
    );
    assert.deepEqual(tables, []);
    assert.match(kept[0]!.why, /-A PREROUTING -i eth7 -j KUBE-SERVICES/);
  });

  describe('where FORWARD refuses packets', () => {
    const forward = (policy: string, ...rules: readonly string[]) =>
      removal(
        '*filter',
        `:FORWARD ${policy} [0:0]`,
        ':KUBE-FORWARD - [0:0]',
        `-A ${forwarding}`,
        ...rules,
        '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        'COMMIT',
      );
    const rows: readonly (readonly [string, Removal, boolean])[] = [
      ['by its policy', forward('DROP'), true],
      ['by a rule', forward('ACCEPT', '-A FORWARD -j REJECT --reject-with icmp-host-prohibited'), true],
      ['for a chain of its own only', forward('ACCEPT', '-A FORWARD -j DOCKER-USER'), false],
      [
        'but lets answers through',
        forward('DROP', '-A FORWARD -m comment --comment mine -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
        false,
      ],
      [
        'but lets everything through',
        forward('DROP', '-A FORWARD -s 192.0.2.7/32 -j DROP', '-A FORWARD -j ACCEPT'),
        false,
      ],
      [
        'before it would let answers through',
        forward(
          'ACCEPT',
          '-A FORWARD -j REJECT --reject-with icmp-host-prohibited',
          '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        ),
        true,
      ],
      [
        'but for answers on one device',
        forward('DROP', '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
        true,
      ],
    ];
    for (const [how, { tables, kept }, stays] of rows) {
      it(`${how}, what lets answers of Services through ${stays ? 'stays' : 'goes'}`, () => {
        assert.deepEqual(
          kept.map(({ chain }) => chain),
          stays ? ['KUBE-FORWARD'] : [],
        );
        assert.equal(tables.length, stays ? 0 : 1);
      });
    }
  });

  it('it is told where health checks of load balancers are not let in any more', () => {
    const input = (policy: string) =>
      removal(
        '*filter',
        `:INPUT ${policy} [0:0]`,
        ':KUBE-NODE-PORT - [0:0]',
        '-A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT',
        'COMMIT',
      ).remarks;
    assert.deepEqual(input('ACCEPT'), []);
    assert.equal(input('DROP').length, 1);
  });
});
