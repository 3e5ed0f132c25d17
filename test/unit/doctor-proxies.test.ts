/** What other proxies left, by names. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { iptablesLeftovers, kubeProxySets, kubeProxyTables } from '../../src/cli/doctor/kube-proxy-leftovers.ts';
import {
  iptablesFinding,
  nftablesFinding,
  otherProxyFindings,
  processFinding,
  setFinding,
} from '../../src/cli/doctor/proxy-checks.ts';
import type { FilterName } from '../../src/kernel/filter-names.ts';

/** `ip nat KUBE-SERVICES`. */
function names(...texts: readonly string[]): FilterName[] {
  return texts.map((text) => {
    const [family, table, chain] = text.split(' ') as [string, string, string?];
    return { family, table, chain };
  });
}

function chainsOf(...texts: readonly string[]): string[] {
  return iptablesLeftovers('legacy', names(...texts)).map(({ family, table, chain }) => `${family} ${table} ${chain}`);
}

describe('chains of kube-proxy', () => {
  it('are those whose names begin like its own, in tables of iptables', () => {
    assert.deepEqual(
      chainsOf(
        'ip nat',
        'ip nat KUBE-SERVICES',
        'ip6 filter KUBE-IPVS-FILTER',
        'ip nat DOCKER',
        'ip nat KUBE-SVC-TCOU7JCQXEZGVUNU',
      ),
      ['ip nat KUBE-SERVICES', 'ip6 filter KUBE-IPVS-FILTER', 'ip nat KUBE-SVC-TCOU7JCQXEZGVUNU'],
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
    const shared = ['ip nat KUBE-MARK-MASQ', 'ip nat KUBE-POSTROUTING', 'ip nat KUBE-MARK-DROP'];
    assert.deepEqual(chainsOf(...shared), shared);
    assert.deepEqual(chainsOf(...shared, 'ip nat KUBE-KUBELET-CANARY'), []);
    assert.deepEqual(chainsOf(...shared, 'ip6 nat KUBE-KUBELET-CANARY'), shared);
  });

  it('are a failure, with the commands of their variant', () => {
    const found = names('ip nat KUBE-SERVICES');
    assert.deepEqual(iptablesFinding('legacy', found), {
      check: 'kube-proxy-iptables-legacy',
      level: 'fail',
      message:
        '1 chain of kube-proxy (ip nat KUBE-SERVICES): they take or reject packets to Services before IPVS sees them',
      cure: 'once kube-proxy is gone from this node: iptables-legacy-save | grep -v KUBE- | iptables-legacy-restore; ip6tables-legacy-save | grep -v KUBE- | ip6tables-legacy-restore; or restart the node, where it does not run any more',
    });
    const other = iptablesFinding('nf_tables', found);
    assert.match(other.level === 'fail' ? other.cure : '', /iptables-nft-save/);
    assert.equal(iptablesFinding('legacy', []).level, 'ok');
  });
});

describe('tables and sets of kube-proxy', () => {
  it('are its nf_tables tables, of either family', () => {
    const found = names('ip kube-proxy', 'ip kube-proxy services', 'ip6 kube-proxy', 'ip kube-ipvs', 'ip nat');
    assert.deepEqual(kubeProxyTables(found), [
      { family: 'ip', table: 'kube-proxy' },
      { family: 'ip6', table: 'kube-proxy' },
    ]);
    assert.equal(nftablesFinding(found).level, 'fail');
    assert.equal(nftablesFinding(names('ip kube-ipvs')).level, 'ok');
  });

  it("are its ipsets, of either family, not kube-router's", () => {
    const own = [
      'KUBE-LOOP-BACK',
      'KUBE-CLUSTER-IP',
      'KUBE-6-CLUSTER-IP',
      'KUBE-EXTERNAL-IP-LOCAL',
      'KUBE-6-LOAD-BALANCER-SOURCE-CID',
      'KUBE-NODE-PORT-LOCAL-SCTP-HASH',
      'KUBE-HEALTH-CHECK-NODE-PORT',
      'KUBE-IPVS-IPS',
    ];
    assert.deepEqual(kubeProxySets([...own, 'KUBE-SRC-ABC', 'KUBE-DST-ABC', 'kube-router-svip', 'cali40s:x']), own);
    assert.equal(setFinding(own).level, 'warn');
    assert.equal(setFinding(['cali40s:x']).level, 'ok');
  });
});

describe('other proxies', () => {
  function levels(devices: readonly string[], chains: readonly string[] = []): string {
    return otherProxyFindings(devices, chains)
      .map(({ check, level }) => `${check} ${level}`)
      .join(', ');
  }

  it('leave no trace where they are not', () => assert.equal(levels(['lo', 'eth0']), 'kube-router ok, cilium ok'));

  it('are kube-router where it serves Services, not where it only joins Pods and keeps policies', () => {
    assert.equal(levels(['kube-dummy-if', 'kube-bridge']), 'kube-router fail, cilium ok');
    assert.equal(levels([], ['KUBE-ROUTER-SERVICES']), 'kube-router fail, cilium ok');
    assert.equal(levels(['kube-bridge'], ['KUBE-ROUTER-INPUT']), 'kube-router ok, cilium ok');
  });

  it('are Cilium by its devices', () =>
    assert.equal(levels(['cilium_net', 'cilium_host']), 'kube-router ok, cilium warn'));

  it('are kube-proxy while it runs', () => {
    assert.equal(processFinding(['systemd', 'kube-proxy']).level, 'fail');
    assert.equal(processFinding(['systemd', 'kube-proxy-watcher']).level, 'ok');
  });
});
