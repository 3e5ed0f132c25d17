/** What of a packet filter is kube-proxy's, by its names. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isKubeProxyChain } from '../../src/cli/kube-proxy/names.ts';
import { kubeProxyChainsAlone, kubeProxySets, kubeProxyTables, masquerades } from '../../src/cli/kube-proxy/traces.ts';
import { filterNames } from '../support/filter-names.ts';
import { kubeProxySetNames } from '../support/kube-proxy-state.ts';

function chainsOf(...lines: readonly string[]): string[] {
  return kubeProxyChainsAlone(filterNames(...lines)).map(({ family, table, chain }) => `${family} ${table} ${chain}`);
}

describe('names of kube-proxy', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['nat', 'KUBE-SERVICES', true],
    ['filter', 'KUBE-IPVS-OUT-FILTER', true],
    ['nat', 'KUBE-SVC-NPX46M4PTMTKRN6Y', true],
    ['nat', 'KUBE-FIREWALL', true],
    ['filter', 'KUBE-FIREWALL', false],
    ['nat', 'KUBE-MARK-DROP', false],
    ['nat', 'KUBE-KUBELET-CANARY', false],
    ['mangle', 'KUBE-IPTABLES-HINT', false],
    ['filter', 'KUBE-ROUTER-FORWARD', false],
    ['filter', 'KUBE-POD-FW-ABCDEFGHIJKLMNOP', false],
    ['filter', 'KUBE-NWPLCY-ABCDEFGHIJKLMNOP', false],
    ['raw', 'KUBE-SERVICES', false],
    ['constructor', 'KUBE-SERVICES', false],
  ];
  for (const [table, name, isKubeProxys] of rows) {
    it(`${isKubeProxys ? 'include' : 'are not'} ${name} of ${table}`, () => {
      assert.equal(isKubeProxyChain(table, name), isKubeProxys);
    });
  }
});

describe('chains of kube-proxy', () => {
  it('are those of its own names, in tables of iptables', () => {
    assert.deepEqual(
      chainsOf(
        'ip nat',
        'ip nat KUBE-SERVICES',
        'ip6 filter KUBE-IPVS-FILTER',
        'ip nat DOCKER',
        'ip nat KUBE-SVC-TCOU7JCQXEZGVUNU',
      ),
      ['4 nat KUBE-SERVICES', '6 filter KUBE-IPVS-FILTER', '4 nat KUBE-SVC-TCOU7JCQXEZGVUNU'],
    );
    assert.deepEqual(chainsOf('inet nat KUBE-SERVICES', 'ip other KUBE-SERVICES'), []);
  });

  it("are not the kubelet's, nor kube-router's", () => {
    assert.deepEqual(
      chainsOf(
        'ip mangle KUBE-KUBELET-CANARY',
        'ip filter KUBE-FIREWALL',
        'ip mangle KUBE-IPTABLES-HINT',
        'ip nat KUBE-ROUTER-SERVICES',
        'ip filter KUBE-POD-FW-X',
        'ip filter KUBE-NWPLCY-Y',
      ),
      [],
    );
  });

  it('that old kubelets make too count where no kubelet was at work', () => {
    const names = ['ip nat KUBE-MARK-MASQ', 'ip nat KUBE-POSTROUTING', 'ip nat KUBE-MARK-DROP'];
    const shared = ['4 nat KUBE-MARK-MASQ', '4 nat KUBE-POSTROUTING'];
    assert.deepEqual(chainsOf(...names), shared);
    assert.deepEqual(chainsOf(...names, 'ip nat KUBE-KUBELET-CANARY'), []);
    assert.deepEqual(chainsOf(...names, 'ip6 nat KUBE-KUBELET-CANARY'), shared);
  });
});

it('tables of kube-proxy are those of its mode nftables, of either family', () => {
  const names = filterNames('ip kube-proxy', 'ip kube-proxy services', 'ip6 kube-proxy', 'ip kube-ipvs', 'ip nat');
  assert.deepEqual(kubeProxyTables(names), [4, 6]);
  assert.deepEqual(kubeProxyTables(filterNames('inet kube-proxy')), []);
});

it('ipsets of kube-proxy are those of its names, also where they are cut at 31 characters', () => {
  assert.ok(kubeProxySetNames.includes('KUBE-6-LOAD-BALANCER-SOURCE-CID'));
  const others = ['KUBE-SRC-ABCDEFGHIJKLMNOP', 'KUBE-DST-ABCDEFGHIJKLMNOP', 'kube-router-svip', 'cali40s:x'];
  assert.deepEqual(kubeProxySets([...kubeProxySetNames, ...others]), kubeProxySetNames);
});

it('masquerading is kube-proxy’s where its chain or the table of its mode nftables has it', () => {
  const rows: readonly (readonly [string, boolean, boolean])[] = [
    ['ip nat KUBE-POSTROUTING', true, false],
    ['ip6 kube-proxy nat-postrouting', false, true],
    ['ip nat KUBE-SERVICES', false, false],
    ['ip kube-proxy services', false, false],
    ['ip filter KUBE-POSTROUTING', false, false],
    ['ip nat KUBE-POSTROUTING empty', false, false],
  ];
  for (const [name, four, six] of rows) {
    assert.deepEqual([masquerades(filterNames(name), 4), masquerades(filterNames(name), 6)], [four, six], name);
  }
});

it('masquerading that a kubelet alone has is not kube-proxy’s', () => {
  const kubelet = ['ip nat KUBE-POSTROUTING', 'ip nat KUBE-MARK-MASQ', 'ip mangle KUBE-KUBELET-CANARY'];
  assert.equal(masquerades(filterNames(...kubelet), 4), false);
  assert.equal(masquerades(filterNames(...kubelet, 'ip nat KUBE-SERVICES empty'), 4), false);
  assert.equal(masquerades(filterNames(...kubelet, 'ip nat KUBE-SERVICES'), 4), true);
  assert.equal(masquerades(filterNames(...kubelet, 'ip6 nat KUBE-SERVICES'), 4), false);
});
