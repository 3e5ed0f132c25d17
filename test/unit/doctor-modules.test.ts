/** Which modules and schedulers there are, by the files of a node. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { readNftables } from '../../src/cli/doctor/kernel-facts.ts';
import { moduleFindings, schedulerFindings } from '../../src/cli/doctor/module-checks.ts';
import { isPresent, type ModuleState, moduleState, readModules } from '../../src/cli/doctor/modules.ts';
import { hostFolder } from '../support/host-folder.ts';

const release = '6.1.0-56-amd64';
const folder = `/lib/modules/${release}`;
const ipvs = 'kernel/net/netfilter/ipvs';

async function stateOf(
  test: TestContext,
  files: Readonly<Record<string, string>>,
  name = 'ip_vs',
): Promise<ModuleState> {
  return moduleState(await readModules(hostFolder(test, files), release, [name]), name);
}

describe('a module', () => {
  const loadable = {
    '/proc/modules': '',
    [`${folder}/modules.dep`]: `${ipvs}/ip_vs.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz\n`,
    [`${folder}/${ipvs}/ip_vs.ko.xz`]: '',
  };
  const rows: readonly [string, Readonly<Record<string, string>>, ModuleState][] = [
    [
      'of /proc/modules is loaded, whatever else there is',
      { '/proc/modules': 'ip_vs 217088 0 - Live 0x0000000000000000\n', '/proc/sys/kernel/modules_disabled': '1\n' },
      { kind: 'loaded' },
    ],
    ['of modules.builtin is built in', { [`${folder}/modules.builtin`]: `${ipvs}/ip_vs.ko\n` }, { kind: 'built in' }],
    [
      'with parameters and not loaded is built in',
      { '/sys/module/ip_vs/parameters/conn_tab_bits': '12' },
      { kind: 'built in' },
    ],
    ['with a file can be loaded', loadable, { kind: 'loadable' }],
    [
      'whose file is gone is missing, whatever modules.dep says',
      { [`${folder}/modules.dep`]: `${ipvs}/ip_vs.ko:\n` },
      { kind: 'missing' },
    ],
    ['that nothing names is missing', { [`${folder}/modules.dep`]: '' }, { kind: 'missing' }],
    ['that would have parameters is missing from a kernel without any modules', {}, { kind: 'missing' }],
    ['is unknown where the folder of modules is not mounted', { '/proc/modules': '' }, { kind: 'unknown' }],
    [
      'is missing where there are those of another kernel only',
      { '/lib/modules/6.1.0-57-amd64/modules.dep': '' },
      { kind: 'missing' },
    ],
    ['is missing where the folder has nothing', { [`${folder}/modules.order`]: '' }, { kind: 'missing' }],
    [
      'is missing where modprobe is here and modules are not',
      { '/proc/sys/kernel/modprobe': '/sbin/modprobe\n', '/sbin/modprobe': '' },
      { kind: 'missing' },
    ],
    [
      'that modprobe.d installs as nothing is switched off',
      { ...loadable, '/etc/modprobe.d/cis.conf': '# hardening\ninstall ip-vs /bin/true\n' },
      { kind: 'switched off', by: '/etc/modprobe.d/cis.conf' },
    ],
    [
      'that is blacklisted is not found by its alias',
      { ...loadable, '/usr/lib/modprobe.d/no.conf': 'blacklist ip_vs\n' },
      { kind: 'switched off', by: '/usr/lib/modprobe.d/no.conf' },
    ],
    [
      'is not switched off by a file that another of its name hides',
      { ...loadable, '/etc/modprobe.d/no.conf': '', '/usr/lib/modprobe.d/no.conf': 'blacklist ip_vs\n' },
      { kind: 'loadable' },
    ],
    [
      'cannot be loaded once modules are disabled',
      { ...loadable, '/proc/sys/kernel/modules_disabled': '1\n' },
      { kind: 'not loaded', why: 'modules_disabled' },
    ],
    [
      'cannot be loaded where the kernel runs nothing for it',
      { ...loadable, '/proc/sys/kernel/modprobe': '/bin/false\n' },
      { kind: 'not loaded', why: 'modprobe' },
    ],
    [
      'cannot be loaded where it has not the name by which the kernel asks for it',
      { ...loadable, [`${folder}/modules.alias`]: 'alias net-pf-16-proto-16-family-IPVS2 ip_vs2\n' },
      { kind: 'not loaded', why: 'alias' },
    ],
    [
      'can be loaded where it has that name',
      { ...loadable, [`${folder}/modules.alias`]: 'alias net-pf-16-proto-16-family-IPVS ip_vs\n' },
      { kind: 'loadable' },
    ],
    [
      'needs no name once it is loaded',
      { '/proc/modules': 'ip_vs 217088 0 - Live 0x0\n', [`${folder}/modules.alias`]: '' },
      { kind: 'loaded' },
    ],
  ];
  for (const [sentence, files, expected] of rows) {
    it(sentence, async (test) => assert.deepEqual(await stateOf(test, files), expected));
  }

  it('without parameters may be built in where nothing tells', async (test) => {
    assert.deepEqual(await stateOf(test, {}, 'nf_tables'), { kind: 'unknown' });
  });

  it('may be built into a kernel that loads none, whatever modules of others are here', async (test) => {
    const files = { '/lib/modules/6.1.0-57-amd64/modules.dep': '' };
    assert.deepEqual(await stateOf(test, files, 'nf_tables'), { kind: 'unknown' });
    assert.deepEqual(await stateOf(test, { ...files, '/proc/modules': '' }, 'nf_tables'), { kind: 'missing' });
  });

  it('of which nothing tells is asked for only where the kernel loads none', async (test) => {
    const isAskable = async (files: Readonly<Record<string, string>>, name: string) =>
      isPresent(await readModules(hostFolder(test, files), release, [name]), name);
    assert.equal(await isAskable({}, 'nf_tables'), true);
    assert.equal(await isAskable({ '/proc/modules': '' }, 'nf_tables'), false);
    assert.equal(await isAskable({}, 'ip_set'), false);
    assert.equal(await isAskable({ '/sys/module/ip_set/parameters/max_sets': '256' }, 'ip_set'), true);
  });

  it('that may be built in, and may not, leaves open what it holds', async (test) => {
    const facts = async (files: Readonly<Record<string, string>>) =>
      readModules(hostFolder(test, { '/proc/modules': '', ...files }), release, ['nf_tables']);
    await assert.rejects(readNftables(undefined, await facts({})), /nothing tells here whether nf_tables/);
    assert.deepEqual(await readNftables(undefined, await facts({ [`${folder}/modules.dep`]: '' })), []);
  });

  it('of a scheduler is asked for by its name, which no blacklist hides', async (test) => {
    const files = {
      [`${folder}/modules.dep`]: `${ipvs}/ip_vs_rr.ko:\n`,
      [`${folder}/${ipvs}/ip_vs_rr.ko`]: '',
      '/etc/modprobe.d/no.conf': 'blacklist ip_vs_rr\n',
    };
    assert.deepEqual(await stateOf(test, files, 'ip_vs_rr'), { kind: 'loadable' });
  });
});

describe('the doctor', () => {
  it('fails for a module that is missing, and only warns where nothing is lost but stale flows', async (test) => {
    const files = hostFolder(test, { [`${folder}/modules.dep`]: '' });
    const findings = moduleFindings(await readModules(files, release, ['ip_vs', 'nf_conntrack_netlink']));
    const [first] = findings;
    assert.deepEqual(first, {
      check: 'module:ip_vs',
      level: 'fail',
      message:
        'this kernel has no module ip_vs: it is neither loaded nor built in, and /lib/modules/6.1.0-56-amd64 has no file of it; it is for virtual services',
      cure: 'install the kernel package that carries it (Debian: linux-image-amd64, Ubuntu: linux-modules-extra), then modprobe ip_vs',
    });
    assert.equal(findings.at(-1)?.check, 'module:nf_conntrack_netlink');
    assert.equal(findings.at(-1)?.level, 'warn');
  });

  it('fails for IPVS where the kernel does not load it by itself', async (test) => {
    const files = hostFolder(test, {
      '/proc/modules': '',
      [`${folder}/modules.dep`]: `${ipvs}/ip_vs.ko:\n`,
      [`${folder}/${ipvs}/ip_vs.ko`]: '',
      [`${folder}/modules.alias`]: '',
    });
    const [first] = moduleFindings(await readModules(files, release, ['ip_vs']));
    assert.deepEqual(first, {
      check: 'module:ip_vs',
      level: 'fail',
      message:
        'the module ip_vs is not loaded, and this kernel, unlike those from 5.11 on, does not load it by itself; it is for virtual services',
      cure: 'modprobe ip_vs, and name it in a file of /etc/modules-load.d, so that it is loaded when the node starts',
    });
  });

  it('advises to load nothing on a kernel without modules', async (test) => {
    const facts = await readModules(hostFolder(test, {}), release, ['ip_vs', 'nf_tables', 'ip_vs_mh']);
    const told = new Map(
      [...moduleFindings(facts), ...schedulerFindings(facts, 'mh', ['mh'])].map((finding) => [finding.check, finding]),
    );
    assert.deepEqual(told.get('module:ip_vs'), {
      check: 'module:ip_vs',
      level: 'fail',
      message: 'this kernel was built without modules, and without ip_vs; it is for virtual services',
      cure: 'run a kernel that has ip_vs, built in or as a module',
    });
    assert.deepEqual(told.get('module:nf_tables'), {
      check: 'module:nf_tables',
      level: 'warn',
      message:
        'this kernel was built without modules, and nothing tells here whether nf_tables is built in; it is for the packet filter',
      cure: 'zcat /proc/config.gz may tell; where it is not, run a kernel that has it',
    });
    assert.doesNotMatch(JSON.stringify([...told.values()]), /modprobe|install/);
  });

  it('names the schedulers that there are where the wanted one is missing', async (test) => {
    const files = hostFolder(test, {
      '/proc/modules': 'ip_vs_rr 16384 0 - Live 0x0\n',
      [`${folder}/modules.builtin`]: `${ipvs}/ip_vs_sh.ko\n`,
      [`${folder}/modules.dep`]: '',
    });
    const facts = await readModules(files, release, ['ip_vs_rr', 'ip_vs_sh', 'ip_vs_mh']);
    const [scheduler, all] = schedulerFindings(facts, 'mh', ['rr', 'wrr', 'sh', 'mh']);
    assert.equal(scheduler?.level, 'fail');
    assert.match(scheduler?.level === 'fail' ? scheduler.cure : '', /modprobe ip_vs_mh, or choose another .*: rr, sh$/);
    assert.deepEqual(all, { check: 'schedulers', level: 'ok', message: 'here are rr, sh' });
    assert.equal(schedulerFindings(facts, 'sh', [])[0]?.level, 'ok');
  });
});
