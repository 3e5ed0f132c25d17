/** Settings of the kernel, from the configuration and the machine. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMet, settings } from '../../src/desired/settings.ts';
import type { ConntrackPolicy } from '../../src/model/node-state.ts';

const untouched: ConntrackPolicy = {
  maxPerCore: 0,
  min: 131_072,
  tcpEstablishedTimeout: 0,
  tcpCloseWaitTimeout: 0,
  tcpBeLiberal: false,
  udpTimeout: 0,
  udpStreamTimeout: 0,
};

interface Given extends Partial<ConntrackPolicy> {
  readonly strictArp?: boolean;
  readonly kernelRelease?: string;
  readonly cpus?: number;
  readonly netns?: string;
}

/** `name=value`, with `!` behind what is required and `>=` for what is only raised. */
function texts(given: Given = {}): string[] {
  const { strictArp = false, kernelRelease = '6.1.0-56-amd64', cpus = 4, netns, ...conntrack } = given;
  const policy = { strictArp, conntrack: { ...untouched, ...conntrack }, netns };
  const found = settings(policy, { kernelRelease, cpus });
  return found.map(
    ({ name, value, when, required }) => `${name}${when === 'smaller' ? '>=' : '='}${value}${required ? '!' : ''}`,
  );
}

const always = [
  'net/ipv4/vs/conntrack=1!',
  'net/ipv4/vs/expire_nodest_conn=1!',
  'net/ipv4/vs/expire_quiescent_template=1!',
  'net/ipv4/ip_forward=1!',
];

describe('settings', () => {
  it('of IPVS and forwarding are needed always', () => assert.deepEqual(texts(), always));

  it('of ARP are needed with --ipvs-strict-arp', () => {
    assert.deepEqual(texts({ strictArp: true }), [
      ...always,
      'net/ipv4/conf/all/arp_ignore=1!',
      'net/ipv4/conf/all/arp_announce=2!',
    ]);
  });

  it('of connection tracking are as kube-proxy makes them by default', () => {
    const given = { maxPerCore: 32_768, tcpEstablishedTimeout: 86_400, tcpCloseWaitTimeout: 3600, cpus: 8 };
    assert.deepEqual(texts(given), [
      ...always,
      'module/nf_conntrack/parameters/hashsize>=65536',
      'net/netfilter/nf_conntrack_max=262144',
      'net/netfilter/nf_conntrack_tcp_timeout_established=86400',
      'net/netfilter/nf_conntrack_tcp_timeout_close_wait=3600',
    ]);
  });

  it('of all network namespaces together are left alone in one that was named', () => {
    assert.deepEqual(texts({ maxPerCore: 32_768, udpTimeout: 10, netns: 'other' }), [
      ...always,
      'net/netfilter/nf_conntrack_udp_timeout=10',
    ]);
  });

  it('of connection tracking follow the flags', () => {
    assert.deepEqual(texts({ tcpBeLiberal: true, udpTimeout: 10, udpStreamTimeout: 20 }), [
      ...always,
      'net/netfilter/nf_conntrack_tcp_be_liberal=1',
      'net/netfilter/nf_conntrack_udp_timeout=10',
      'net/netfilter/nf_conntrack_udp_timeout_stream=20',
    ]);
  });
});

describe('the number of tracked connections', () => {
  const rows: readonly (readonly [string, Given, string | undefined])[] = [
    ['is so many for each CPU', { maxPerCore: 50_000, cpus: 4 }, '200000'],
    ['is at least the minimum', { maxPerCore: 32_768, cpus: 2 }, '131072'],
    ['is at most 1048576 for many CPUs', { maxPerCore: 32_768, cpus: 64 }, '1048576'],
    ['is the minimum where that is larger still', { maxPerCore: 32_768, min: 2_000_000, cpus: 4 }, '2000000'],
    ['is left alone with 0 for each CPU, whatever the minimum', { maxPerCore: 0, min: 1000 }, undefined],
  ];
  for (const [sentence, given, expected] of rows) {
    it(sentence, () => {
      const found = texts(given).find((text) => text.includes('nf_conntrack_max='));
      assert.equal(found?.split('=')[1], expected);
    });
  }
});

describe('conn_reuse_mode', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['3.10.0-1160.el7', false],
    ['4.0.9', false],
    ['4.1.0', true],
    ['4.19.0-26-amd64', true],
    ['5.8.18', true],
    ['5.9.0', false],
    ['5.10.0-30', false],
    ['6.1.0-56-amd64', false],
    ['unknown', false],
  ];
  for (const [kernelRelease, expected] of rows) {
    it(`is ${expected ? 'turned off' : 'left alone'} on ${kernelRelease}`, () => {
      assert.equal(texts({ kernelRelease }).includes('net/ipv4/vs/conn_reuse_mode=0!'), expected);
    });
  }
});

describe('nothing has to be written', () => {
  const rows: readonly (readonly ['different' | 'smaller', string, string, boolean])[] = [
    ['different', '1', '1', true],
    ['different', '1', '1\n', true],
    ['different', '1', '0', false],
    ['different', '131072', '262144', false],
    ['smaller', '32768', '65536', true],
    ['smaller', '32768', '32768', true],
    ['smaller', '32768', '16384', false],
    ['smaller', '32768', '9999', false],
  ];
  for (const [when, wanted, found, expected] of rows) {
    const shown = JSON.stringify(found);
    it(`${shown} ${expected ? 'will do' : 'is written over'} where ${wanted} ${when === 'smaller' ? 'at least ' : ''}is wanted`, () => {
      assert.equal(isMet({ name: 'x', value: wanted, when, required: false }, found), expected);
    });
  }
});
