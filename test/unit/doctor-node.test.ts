/** Privileges, kube-ipvs0, and who else would own it. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { deviceFinding, nodePortFinding } from '../../src/cli/doctor/device-checks.ts';
import type { Finding, Level } from '../../src/cli/doctor/finding.ts';
import { networkdFacts, networkManagerFacts, privilegeFacts } from '../../src/cli/doctor/host-facts.ts';
import { readLinks } from '../../src/cli/doctor/kernel-facts.ts';
import { networkdFinding, networkManagerFinding } from '../../src/cli/doctor/network-owners.ts';
import { privilegeFindings } from '../../src/cli/doctor/privilege-checks.ts';
import { parseAddress, parseCidr } from '../../src/model/address.ts';
import { hostFolder } from '../support/host-folder.ts';

type Files = Readonly<Record<string, string>>;

/** With the file that the cure has somebody write. */
function followed(finding: Finding, files: Files): Files {
  const [, text, path] = /^printf '(.*)' > (\S+);/.exec('cure' in finding ? finding.cure : '') ?? [];
  return { ...files, [path!]: text!.replaceAll('\\n', '\n') };
}

describe('privileges', () => {
  const initial = '         0          0 4294967295\n';
  const rows: readonly [
    sentence: string,
    capabilities: string,
    map: string,
    netns: string | undefined,
    levels: string,
  ][] = [
    ['of root are enough', '000001ffffffffff', initial, undefined, 'ok ok'],
    ['of CAP_NET_ADMIN alone are enough', '0000000000001000', initial, undefined, 'ok ok'],
    ['without CAP_NET_ADMIN are not', '000001ffffffefff', initial, undefined, 'fail ok'],
    ['of CAP_NET_ADMIN lead into no other namespace', '0000000000001000', initial, 'blue', 'fail ok'],
    ['of root in a user namespace are none', '000001ffffffffff', '0 1000 1\n', undefined, 'ok fail'],
  ];
  for (const [sentence, capabilities, userMap, netns, levels] of rows) {
    it(sentence, async (test) => {
      const status = `Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t${capabilities}\nCapBnd:\t000001ffffffffff\n`;
      const files = hostFolder(test, { '/proc/self/status': status, '/proc/self/uid_map': userMap });
      const findings = privilegeFindings(await privilegeFacts(files, netns));
      assert.equal(findings.map(({ level }) => level).join(' '), levels);
    });
  }

  it('that cannot be read are no finding', async (test) => {
    await assert.rejects(privilegeFacts(hostFolder(test, {}), undefined), /does not tell capabilities/);
  });
});

describe('kube-ipvs0', () => {
  it('is made when it is not there, and must be a dummy device when it is', () => {
    assert.equal(deviceFinding([{ name: 'eth0', kind: '' }]).level, 'ok');
    assert.equal(deviceFinding([{ name: 'kube-ipvs0', kind: 'dummy' }]).level, 'ok');
    for (const [kind, said] of [
      ['bridge', 'a bridge, not a dummy device'],
      ['', 'no dummy device'],
    ] as const) {
      const finding = deviceFinding([{ name: 'kube-ipvs0', kind }]);
      assert.equal(finding.level, 'fail');
      assert.ok(finding.message.includes(said), finding.message);
    }
  });
});

describe('addresses of NodePorts', () => {
  const addresses = [
    { address: parseAddress('127.0.0.1')!, device: 'lo', loopback: true },
    { address: parseAddress('192.168.1.10')!, device: 'eth0', loopback: false },
  ];
  const networks = (...texts: readonly string[]) => texts.map((text) => parseCidr(text)!);

  it('are those of the networks, and none is worth a warning that names what there is', () => {
    assert.equal(nodePortFinding('primary', []).level, 'ok');
    assert.equal(nodePortFinding([], []).level, 'ok');
    assert.equal(nodePortFinding(networks('192.168.0.0/16'), addresses).message, '192.168.1.10');
    const none = nodePortFinding(networks('10.0.0.0/8', 'fd00::/8'), addresses);
    assert.equal(none.level, 'warn');
    assert.equal(none.level === 'warn' ? none.cure : '', 'name networks of addresses that it has: 192.168.1.10');
  });

  it('are looked for in each family that networks are of and the node has', () => {
    const six = { address: parseAddress('2001:db8::10')!, device: 'eth0', loopback: false };
    const found = nodePortFinding(networks('10.0.0.0/8', '2001:db8::/64'), [...addresses, six]);
    assert.equal(found.level, 'warn');
    assert.match(
      found.message,
      /^none of the IPv4 networks .*: they are served at 2001:db8::10 only, of the other family$/,
    );
    assert.equal(nodePortFinding(networks('192.168.0.0/16', 'fd00::/8'), addresses).level, 'ok');
  });

  it('of which the primary one is not here are none', () => {
    assert.equal(nodePortFinding('primary', addresses, parseAddress('192.168.1.10')).level, 'ok');
    const elsewhere = nodePortFinding('primary', addresses, parseAddress('192.168.1.99'));
    assert.equal(elsewhere.level, 'warn');
    assert.match(elsewhere.message, /^--bind-address is 192\.168\.1\.99, which this node does not have/);
  });

  it('are never those of loopback', () => {
    const finding = nodePortFinding(networks('127.0.0.0/8', '::1/128'), addresses);
    assert.equal(finding.level, 'warn');
    assert.match(finding.message, /: they are served nowhere$/);
  });

  it('are all of a family that no network is of', () => {
    const six = { address: parseAddress('2001:db8::10')!, device: 'eth0', loopback: false };
    const both = [...addresses, six];
    assert.equal(nodePortFinding(networks('192.168.0.0/16'), both).message, '192.168.1.10, 2001:db8::10');
    const finding = nodePortFinding(networks('10.0.0.0/8'), both);
    assert.equal(finding.level, 'warn');
    assert.match(finding.message, /: they are served at 2001:db8::10 only, /);
  });
});

describe('devices', () => {
  it('are read by the program as the compiler writes it, not by its bundle only', async () => {
    assert.ok((await readLinks(undefined)).some(({ name }) => name === 'lo'));
  });
});

describe('systemd-networkd', () => {
  const all = '[Match]\nName=*\n\n[Network]\nDHCP=yes\n';
  const left = '[Match]\nName=kube-ipvs0\n[Link]\nUnmanaged=yes\n';
  const running = { '/run/systemd/netif/state': '' };
  const rows: readonly [sentence: string, files: Files, level: Level][] = [
    ['without units has no part in it', {}, 'ok'],
    ['with a unit for all devices would take it', { '/etc/systemd/network/10-all.network': all }, 'warn'],
    ['that runs so takes it', { ...running, '/usr/lib/systemd/network/99-default.network': all }, 'fail'],
    [
      'leaves it where the first unit that matches says so',
      { ...running, '/etc/systemd/network/00-a.network': left, '/etc/systemd/network/10-all.network': all },
      'ok',
    ],
    [
      'does not leave it for a unit that comes too late',
      { ...running, '/etc/systemd/network/20-a.network': left, '/etc/systemd/network/10-all.network': all },
      'fail',
    ],
    [
      'has no unit that one of the same name in /etc hides',
      { ...running, '/etc/systemd/network/10-all.network': left, '/usr/lib/systemd/network/10-all.network': all },
      'ok',
    ],
    [
      'has no unit that an empty file of the same name switches off',
      { ...running, '/etc/systemd/network/99-all.network': '', '/usr/lib/systemd/network/99-all.network': all },
      'ok',
    ],
    [
      'with a unit of other names has no part in it',
      { '/etc/systemd/network/a.network': '[Match]\nName=en* eth?\n' },
      'ok',
    ],
    [
      'with a unit for all but others takes it',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nName=!en* eth0\n' },
      'fail',
    ],
    [
      'with a unit of several lists takes what any has',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nName=eth*\nName=kube-*\n' },
      'fail',
    ],
    [
      'leaves what one of several lists excepts',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nName=*\nName=!kube-*\n' },
      'ok',
    ],
    [
      'with a list that was emptied looks at what comes behind it',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nName=kube-*\nName=\nName=eth*\n' },
      'ok',
    ],
    [
      'leaves it where what stands behind a unit says so',
      {
        ...running,
        '/usr/lib/systemd/network/10-all.network': all,
        '/etc/systemd/network/10-all.network.d/left.conf': '[Link]\nUnmanaged=yes\n',
      },
      'ok',
    ],
    [
      'takes it where what stands behind a unit widens it',
      {
        ...running,
        '/etc/systemd/network/a.network': '[Match]\nName=eth*\n',
        '/run/systemd/network/a.network.d/10-more.conf': '[Match]\nName=kube-*\n',
      },
      'fail',
    ],
    [
      'reads what stands behind a unit in the order of its names, of one name the first folder',
      {
        ...running,
        '/etc/systemd/network/10-all.network': all,
        '/etc/systemd/network/10-all.network.d/20-b.conf': '[Link]\nUnmanaged=no\n',
        '/run/systemd/network/10-all.network.d/10-a.conf': '[Link]\nUnmanaged=yes\n',
        '/run/systemd/network/10-all.network.d/20-b.conf': '[Link]\nUnmanaged=yes\n',
      },
      'fail',
    ],
    [
      'with a unit that asks for no device has no part in it',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nName=\n[Network]\nDHCP=yes\n' },
      'ok',
    ],
    [
      'with a unit of one machine takes it, which may be this one',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nHost=node-a\n' },
      'fail',
    ],
    [
      'with a unit of one card has no part in it',
      { '/etc/systemd/network/a.network': '[Match]\nMACAddress=02:00:00:00:00:01\n' },
      'ok',
    ],
    [
      'with a unit for dummy devices takes it',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nKind=dummy\n' },
      'fail',
    ],
    [
      'with a unit whose key nobody knows takes it',
      { ...running, '/etc/systemd/network/a.network': '[Match]\nconstructor=dummy\n' },
      'fail',
    ],
    [
      'with a unit of wireless devices has no part in it',
      { '/etc/systemd/network/a.network': '[Match]\nType=wlan\n' },
      'ok',
    ],
    [
      'that says itself that it manages it does',
      { '/run/systemd/netif/links/7': '# private\nADMIN_STATE=configured\n' },
      'fail',
    ],
    ['that says itself that it does not does not', { '/run/systemd/netif/links/7': 'ADMIN_STATE=unmanaged\n' }, 'ok'],
  ];
  for (const [sentence, files, level] of rows) {
    it(sentence, async (test) => {
      assert.equal(networkdFinding(await networkdFacts(hostFolder(test, files), 7)).level, level);
    });
  }

  it('leaves it once the cure is followed, whatever the unit that takes it is called', async (test) => {
    for (const name of ['10-all', '00-all', '00-kube-ipvs0', 'all']) {
      const files = { ...running, [`/etc/systemd/network/${name}.network`]: all };
      const finding = networkdFinding(await networkdFacts(hostFolder(test, files), 7));
      const cured = await networkdFacts(hostFolder(test, followed(finding, files)), 7);
      assert.deepEqual([finding.level, networkdFinding(cured).level], ['fail', 'ok'], name);
    }
  });
});

describe('NetworkManager', () => {
  const main = '/etc/NetworkManager/NetworkManager.conf';
  const running = { '/run/NetworkManager/NetworkManager.pid': '' };
  const keyfile = (devices: string) => `[keyfile]\nunmanaged-devices=${devices}\n`;
  async function level(test: TestContext, files: Files): Promise<Level> {
    return networkManagerFinding(await networkManagerFacts(hostFolder(test, files), 7)).level;
  }
  const rows: readonly [sentence: string, files: Files, level: Level][] = [
    ['that is not here has no part in it', {}, 'ok'],
    [
      'of which a package brings a file only is not here',
      { '/usr/lib/NetworkManager/conf.d/a.conf': keyfile('none') },
      'ok',
    ],
    ['that nobody told anything is worth a warning', { ...running, [main]: '[main]\nplugins=keyfile\n' }, 'warn'],
    ['leaves a device that is named', { [main]: keyfile('interface-name:docker0;interface-name:kube-ipvs0') }, 'ok'],
    ['leaves devices by a pattern', { [main]: keyfile('interface-name:kube-*') }, 'ok'],
    ['leaves dummy devices', { [main]: keyfile('type:dummy') }, 'ok'],
    ['does not leave what is excepted', { [main]: keyfile('*,except:interface-name:kube-ipvs0') }, 'warn'],
    [
      'is told by the last file that says it',
      {
        [main]: keyfile('interface-name:kube-ipvs0'),
        '/etc/NetworkManager/conf.d/z.conf': keyfile('interface-name:eth1'),
      },
      'warn',
    ],
    [
      'is told more by a file that adds',
      {
        [main]: keyfile('interface-name:eth1'),
        '/etc/NetworkManager/conf.d/z.conf': '[keyfile]\nunmanaged-devices+=interface-name:kube-ipvs0\n',
      },
      'ok',
    ],
    ['leaves all but what is excepted', { [main]: keyfile('except:type:ethernet;except:type:wifi') }, 'ok'],
    [
      'is told by its own file after those of /run, and by these after those of packages',
      {
        ...running,
        '/usr/lib/NetworkManager/conf.d/zz.conf': keyfile('none'),
        '/run/NetworkManager/conf.d/aa.conf': keyfile('interface-name:kube-ipvs0'),
      },
      'ok',
    ],
    [
      'leaves what a section of devices says',
      { [main]: '[device-k]\nmatch-device=interface-name:kube-ipvs0\nmanaged=0\n' },
      'ok',
    ],
    [
      'leaves what a section of devices says before the one of all',
      {
        ...running,
        [main]:
          '[device]\nmanaged=1\n[device-k]\nmatch-device=interface-name:kube-ipvs0\nmanaged=0\n[device-all]\nmanaged=1\n',
      },
      'ok',
    ],
    [
      'takes what a section of a later file says',
      {
        ...running,
        [main]: '[device-k]\nmatch-device=interface-name:kube-ipvs0\nmanaged=0\n',
        '/etc/NetworkManager/conf.d/z.conf': '[device-z]\nmatch-device=type:dummy\nmanaged=1\n',
      },
      'fail',
    ],
    [
      'is told nothing by sections behind one that ends the search',
      {
        ...running,
        [main]: '[device]\nmanaged=1\n[device-k]\nmatch-device=interface-name:kube-*\nstop-match=yes\n',
      },
      'warn',
    ],
    ['that manages all devices takes it', { ...running, [main]: '[device]\nmatch-device=*\nmanaged=1\n' }, 'fail'],
    ['that does not run takes nothing yet', { [main]: '[device]\nmanaged=true\n' }, 'warn'],
    [
      'that says itself that it manages it does',
      { ...running, '/run/NetworkManager/devices/7': '[device]\nmanaged=true\n' },
      'fail',
    ],
  ];
  for (const [sentence, files, expected] of rows) {
    it(sentence, async (test) => assert.equal(await level(test, files), expected));
  }

  it('leaves it once the cure is followed, beside the file that a CNI plugin has somebody write', async (test) => {
    const calico = keyfile('interface-name:cali*;interface-name:tunl*;interface-name:vxlan.calico');
    const files = { ...running, '/etc/NetworkManager/conf.d/calico.conf': calico };
    const finding = networkManagerFinding(await networkManagerFacts(hostFolder(test, files), 7));
    assert.equal(finding.level, 'warn');
    assert.equal(await level(test, followed(finding, files)), 'ok');
  });
});
