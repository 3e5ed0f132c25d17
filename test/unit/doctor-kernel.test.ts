/** Versions of the kernel and settings in, what is known of them out. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Level } from '../../src/cli/doctor/finding.ts';
import {
  connectionTableFinding,
  estimatorFinding,
  type IpvsFacts,
  kernelFinding,
  reuseFinding,
} from '../../src/cli/doctor/kernel-checks.ts';
import { forwardingFacts, type Ipvs } from '../../src/cli/doctor/kernel-facts.ts';
import { kernelRelease } from '../../src/model/kernel-release.ts';
import { forwardingFinding, type SettingFacts, settingFindings } from '../../src/cli/doctor/setting-checks.ts';
import type { ObservedSetting } from '../../src/model/node-state.ts';
import { configured } from '../support/configured.ts';
import { conntrack as required, hashsize, limit } from '../support/wanted-settings.ts';

const usual: IpvsFacts = {
  reuseMode: '1',
  runEstimation: '1',
  estimationCpus: '0-3',
  isTableElastic: false,
  buckets: 4096,
  mostConnections: 32_768,
  virtualServices: 100,
  trafficSeries: 0,
};

describe('the kernel', () => {
  for (const [release, level] of [
    ['6.12.48+deb13-amd64', 'ok'],
    ['5.6.0', 'ok'],
    ['5.5.19', 'warn'],
    ['4.18.0-553.el8_10.x86_64', 'warn'],
    ['mainline', 'warn'],
  ] as const) {
    it(`${release} is ${level}`, () => assert.equal(kernelFinding(kernelRelease(release)).level, level));
  }
});

describe('connection reuse', () => {
  const rows: readonly [release: string, mode: string | undefined, level: Level, said: RegExp][] = [
    ['3.10.0', undefined, 'ok', /no net\.ipv4\.vs\.conn_reuse_mode/],
    ['4.1.0', '1', 'warn', /waits a second/],
    ['5.4.0-216-generic', '1', 'warn', /waits a second/],
    ['5.8.18', '2', 'warn', /waits a second/],
    ['5.4.0-216-generic', '0', 'warn', /the destination that it had before/],
    ['5.9.0', '1', 'ok', /is 1/],
    ['6.1.0-56-amd64', '0', 'warn', /is 0, which kernels before 5\.9 need/],
    ['6.1.0-56-amd64', undefined, 'ok', /not there until ip_vs is loaded/],
  ];
  for (const [release, reuseMode, level, said] of rows) {
    it(`with mode ${reuseMode} on ${release} is ${level}`, () => {
      const finding = reuseFinding(kernelRelease(release), { reuseMode });
      assert.equal(finding.level, level);
      assert.match(finding.message, said);
    });
  }

  it('is cured by the setting where that helps', () => {
    const old = reuseFinding(kernelRelease('4.19.0'), { reuseMode: '1' });
    const young = reuseFinding(kernelRelease('6.1.0'), { reuseMode: '0' });
    assert.match(old.level === 'warn' ? old.cure : '', /^sysctl -w net\.ipv4\.vs\.conn_reuse_mode=0 /);
    assert.match(young.level === 'warn' ? young.cure : '', /^sysctl -w net\.ipv4\.vs\.conn_reuse_mode=1,/);
  });
});

describe('estimators', () => {
  const rows: readonly [sentence: string, release: string, facts: Partial<IpvsFacts>, level: Level][] = [
    ['of few virtual services are no matter', '6.1.0', {}, 'ok'],
    ['of very many hold up packets before 6.2', '6.1.0', { virtualServices: 5_000 }, 'warn'],
    ['of very many have threads since 6.2', '6.2.0', { virtualServices: 50_000 }, 'ok'],
    ['that are switched off are no matter', '6.1.0', { runEstimation: '0', virtualServices: 5_000 }, 'ok'],
    ['that are switched off stop what is to be shown', '6.1.0', { runEstimation: '0', trafficSeries: 10 }, 'warn'],
    ['without CPUs are switched off', '6.12.0', { estimationCpus: '', trafficSeries: 10 }, 'warn'],
    ['of a kernel without the switch cannot be switched off', '5.10.0', { runEstimation: undefined }, 'ok'],
  ];
  for (const [sentence, release, facts, level] of rows) {
    it(sentence, () => assert.equal(estimatorFinding(kernelRelease(release), { ...usual, ...facts }).level, level));
  }
});

describe('the connection table', () => {
  it('may have up to eight tracked connections for each bucket', () => {
    const release = kernelRelease('6.1.0');
    assert.equal(connectionTableFinding(release, usual).level, 'ok');
    assert.deepEqual(connectionTableFinding(release, { ...usual, mostConnections: 131_072 }), {
      check: 'connection-table',
      level: 'warn',
      message:
        '4096 buckets for up to 131072 tracked connections (net.netfilter.nf_conntrack_max): each packet then walks up to 32 entries',
      cure: "echo options ip_vs conn_tab_bits=14 > /etc/modprobe.d/ip_vs.conf, then restart the node (built in: ip_vs.conn_tab_bits=14 on the kernel's command line)",
    });
  });

  it('is never asked to be larger than the kernel makes it', () => {
    const facts = { ...usual, buckets: 256, mostConnections: 2 ** 26 };
    const cureOn = (release: string) => {
      const finding = connectionTableFinding(kernelRelease(release), facts);
      return finding.level === 'warn' ? /conn_tab_bits=\d+/.exec(finding.cure)?.[0] : undefined;
    };
    assert.equal(cureOn('6.4.0'), 'conn_tab_bits=20');
    assert.equal(cureOn('6.5.0'), 'conn_tab_bits=23');
  });

  it('that nobody knows is not judged', () => {
    const release = kernelRelease('6.1.0');
    assert.equal(connectionTableFinding(release, { ...usual, buckets: undefined }).level, 'ok');
    assert.equal(connectionTableFinding(release, { ...usual, mostConnections: undefined }).level, 'ok');
  });
});

describe('settings', () => {
  const reuse = { name: 'net/ipv4/vs/conn_reuse_mode', value: '0', when: 'different', required: true } as const;
  const value = (text: string, writable = true): ObservedSetting => ({ value: text, writable });
  const absent: ObservedSetting = { value: undefined, writable: false };

  function levels(facts: Partial<SettingFacts>): string[] {
    const all = { wanted: [required], observed: [value('1')], refusal: undefined, hasIpvs: true, hasConntrack: true };
    return settingFindings({ ...all, ...facts }).map(({ check, level }) => `${level} ${check}`);
  }

  it('that are right are ok, also where they are read-only', () => {
    const wanted = [required, hashsize];
    const observed = [value('1', false), value('65536', false)];
    const lines = [
      'ok proc-sys',
      'ok sysctl:net.ipv4.vs.conntrack',
      'ok sysctl:module/nf_conntrack/parameters/hashsize',
    ];
    assert.deepEqual(levels({ wanted, observed, refusal: 'EROFS' }), lines);
  });

  it('that the daemon will set are worth a warning', () => {
    assert.deepEqual(levels({ observed: [value('0')] }), ['ok proc-sys', 'warn sysctl:net.ipv4.vs.conntrack']);
  });

  it('that Services need and nobody can set here are a failure', () => {
    const lines = ['fail proc-sys', 'fail sysctl:net.ipv4.vs.conntrack'];
    assert.deepEqual(levels({ observed: [value('0')], refusal: 'EROFS' }), lines);
    assert.deepEqual(levels({ observed: [value('0', false)] }), ['ok proc-sys', 'fail sysctl:net.ipv4.vs.conntrack']);
  });

  it('that are only desirable never fail', () => {
    const lines = ['ok proc-sys', 'warn sysctl:net.netfilter.nf_conntrack_max'];
    assert.deepEqual(levels({ wanted: [limit], observed: [value('65536', false)] }), lines);
    assert.deepEqual(levels({ wanted: [limit], observed: [value('65536')], refusal: 'EROFS' }), lines);
  });

  it('are not there before their module is, which is no matter where they can be written then', () => {
    const facts = { observed: [absent], hasIpvs: false };
    assert.deepEqual(levels(facts), ['ok proc-sys', 'ok sysctl:net.ipv4.vs.conntrack']);
    assert.deepEqual(levels({ ...facts, refusal: 'EACCES' }), ['fail proc-sys', 'fail sysctl:net.ipv4.vs.conntrack']);
    assert.deepEqual(levels({ observed: [absent] }), ['ok proc-sys', 'fail sysctl:net.ipv4.vs.conntrack']);
  });

  it('of connection reuse are told once, with what they mean', () => {
    assert.deepEqual(levels({ wanted: [reuse], observed: [value('1')] }), ['ok proc-sys']);
  });

  it('of forwarding matter for IPv6 where its Services may be', () => {
    const levelOf = (value: string | undefined, isNeeded: boolean) => forwardingFinding({ value, isNeeded }).level;
    assert.equal(levelOf('0', true), 'warn');
    assert.equal(levelOf('0', false), 'ok');
    assert.equal(levelOf('1', true), 'ok');
    assert.equal(levelOf(undefined, true), 'ok');
  });

  it('of forwarding are asked for where the configuration or the kernel has IPv6', async () => {
    const isNeeded = async (flags: string, ipvs?: Ipvs) => (await forwardingFacts(configured(flags), ipvs)).isNeeded;
    const ipvs = { version: '1.2.1', buckets: 4096, virtualServices: 1 };
    assert.equal(await isNeeded('--cluster-cidr 10.244.0.0/16 --bind-address 192.0.2.1'), false);
    assert.equal(await isNeeded('--cluster-cidr 10.244.0.0/16', { ...ipvs, hasIPv6: false }), false);
    assert.equal(await isNeeded('--cluster-cidr 10.244.0.0/16', { ...ipvs, hasIPv6: true }), true);
    assert.equal(await isNeeded('--cluster-cidr 10.244.0.0/16,fd00:244::/56'), true);
    assert.equal(await isNeeded('--vip-binding route --service-cluster-ip-range fd00:96::/112'), true);
    assert.equal(await isNeeded('--detect-local-mode NodeCIDR --bind-address 2001:db8::1'), true);
  });

  it('say the command that sets them', () => {
    const facts = { wanted: [required, hashsize], observed: [value('0'), value('1024')], refusal: undefined };
    const cures = settingFindings({ ...facts, hasIpvs: true, hasConntrack: true }).flatMap((finding) =>
      finding.level === 'ok' ? [] : [finding.cure],
    );
    assert.deepEqual(cures, [
      'sysctl -w net.ipv4.vs.conntrack=1; kube-ipvs run does so at its start',
      'echo 32768 > /sys/module/nf_conntrack/parameters/hashsize; kube-ipvs run does so at its start',
    ]);
  });
});
