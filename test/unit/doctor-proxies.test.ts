/** What is said of other proxies and of what they left. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ciliumFinding,
  iptablesFinding,
  kubeRouterFinding,
  nftablesFinding,
  processFinding,
  setFinding,
} from '../../src/cli/doctor/proxy-checks.ts';
import { filterNames } from '../support/filter-names.ts';

describe('chains of kube-proxy', () => {
  it('are a failure, which a takeover cures', () => {
    const found = filterNames('ip nat KUBE-SERVICES');
    assert.deepEqual(iptablesFinding('legacy', found), {
      check: 'kube-proxy-iptables-legacy',
      level: 'fail',
      message:
        '1 chain of kube-proxy (ip nat KUBE-SERVICES): they take or reject packets to Services before IPVS sees them',
      cure: 'once kube-proxy is gone from this node: kube-ipvs takeover (--dry-run shows all that it would do); or restart the node, where it does not run any more',
    });
    assert.equal(iptablesFinding('nft', found).check, 'kube-proxy-iptables-nft');
    assert.equal(iptablesFinding('legacy', []).level, 'ok');
  });

  it('that a takeover leaves for others do no harm to Services, and are worth a warning', () => {
    const left = ['ip filter KUBE-FORWARD', 'ip6 nat KUBE-MARK-MASQ'];
    const finding = iptablesFinding('nft', filterNames(...left));
    assert.equal(finding.level, 'warn');
    assert.match(finding.message, /^2 chains of kube-proxy \(.*\): they do no harm to Services; /);
    assert.equal(iptablesFinding('nft', filterNames(...left, 'ip filter KUBE-IPVS-FILTER')).level, 'fail');
  });
});

describe('tables and sets of kube-proxy', () => {
  it('are its nf_tables tables, which are a failure', () => {
    const found = filterNames('ip kube-proxy', 'ip kube-proxy services', 'ip6 kube-proxy', 'ip kube-ipvs', 'ip nat');
    const finding = nftablesFinding(found);
    assert.equal(finding.level, 'fail');
    assert.match(finding.message, / uses: table ip kube-proxy, table ip6 kube-proxy;/);
    assert.equal(nftablesFinding(filterNames('ip kube-ipvs')).level, 'ok');
  });

  it('are its ipsets, which are worth a warning', () => {
    assert.equal(setFinding(['KUBE-LOOP-BACK', 'KUBE-6-CLUSTER-IP']).level, 'warn');
    assert.equal(setFinding(['cali40s:x']).level, 'ok');
  });
});

describe('other proxies', () => {
  function levels(devices: readonly string[], chains: readonly string[] = []): string {
    return [kubeRouterFinding(devices, chains), ciliumFinding(devices)]
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
    const finding = processFinding('process 4711');
    assert.equal(finding.level, 'fail');
    assert.match(finding.message, /^kube-proxy runs on this node \(process 4711\): /);
    assert.equal(processFinding(undefined).level, 'ok');
  });
});
