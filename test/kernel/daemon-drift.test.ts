/** What somebody else changes in the kernel while the daemon runs: it is put right, and what is not ours stays theirs. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiServer } from '../support/api-server/api-server.ts';
import { serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Daemon, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';

const quiet = '-t 10.96.0.20:80';
const foreign = ['-A -t 192.0.2.1:80 -s wlc -p 120', '-a -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 7', '-A -f 7 -s rr'];

describe('a running kube-ipvs whose kernel somebody else changes', () => {
  const workplace = new Workplace();
  let server: ApiServer;
  let node: KernelNamespace;
  let daemon: Daemon;

  before(async () => {
    server = await ApiServer.start();
    const http = { name: 'http', port: 80, nodePort: 30_080, protocol: 'TCP', targetPort: 8080 };
    const web = { clusterIPs: ['10.96.0.10', 'fd00:96::10'], ports: [http], spec: { type: 'NodePort' } };
    server.apply(serviceObject('web', web), sliceObject('web', ['10.244.0.1', '10.244.0.2']));
    server.apply(serviceObject('quiet', { clusterIPs: ['10.96.0.20'] }), sliceObject('quiet', ['10.244.0.3']));
    node = new KernelNamespace('drift');
    node.run('ip link add eth0 type dummy', 'ip link set eth0 addrgenmode none up');
    node.run('ip addr add 192.168.1.10/24 dev eth0', 'ip route add 10.244.0.0/16 dev eth0', ...foreign);
    const source = workplace.kubeconfig(server);
    const config = {
      clusterCIDR: '10.244.0.0/16',
      nodePortAddresses: ['192.168.1.0/24'],
      ipvs: { syncPeriod: '1s' },
    };
    daemon = await Daemon.ready({ netns: node.name, source, config });
    // nobody answers, and the attempt is counted
    node.show('timeout 1 socat -u OPEN:/dev/null TCP:10.96.0.20:80,connect-timeout=0.1 2>/dev/null || true');
    while (count(quiet) === 0) await daemon.status();
  });
  after(async () => {
    await daemon?.kill();
    await server.close();
    node.close();
    workplace.close();
  });

  /** Without counters. One family after the other: a table that was made anew is the last of all. */
  function state(): string[] {
    return [node.text(), node.show('nft -s list ruleset ip'), node.show('nft -s list ruleset ip6')];
  }

  /** Connections of a virtual service since it was added: to delete it and to add it again would begin anew. */
  function count(virtualService: string): number {
    const line = node
      .show(`ipvsadm -Ln --stats ${virtualService}`)
      .split('\n')
      .find((one) => one.startsWith('TCP '));
    return Number(line!.split(/\s+/)[2]);
  }

  const drifts: readonly [what: string, lines: readonly string[], told: RegExp][] = [
    [
      'a weight, a scheduler, a destination less and a virtual service more',
      [
        '-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 7',
        '-E -t 192.168.1.10:30080 -s sh',
        '-d -t 192.168.1.10:30080 -r 10.244.0.2:8080',
        '-A -t 10.96.0.10:81 -s rr',
      ],
      /somebody else changed the kernel \(.*\d (?:service|destination)/,
    ],
    [
      'an address less and one more',
      ['ip addr delete 10.96.0.10/32 dev kube-ipvs0', 'ip addr add 10.96.0.99/32 dev kube-ipvs0'],
      /\d binding/,
    ],
    [
      'addresses that went when somebody set kube-ipvs0 up and down again',
      ['ip link set kube-ipvs0 up', 'ip link set kube-ipvs0 down'],
      /\d binding/,
    ],
    ['kube-ipvs0, which is gone', ['ip link delete kube-ipvs0'], /\d binding/],
    ['a packet filter that is gone', ['nft flush ruleset'], /\d table/],
    ['a packet filter that sleeps', ["nft 'add table ip kube-ipvs { flags dormant; }'"], /\d table/],
    [
      'an element less and a setting',
      [
        'nft delete element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }',
        'ip netns exec SELF sysctl -qw net.ipv4.vs.conntrack=0',
      ],
      /\d (?:element|setting)/,
    ],
    ['a rule more', ['nft add rule ip kube-ipvs services drop'], /\d table/],
  ];
  for (const [what, lines, told] of drifts) {
    it(`puts right, with the next look, ${what}`, async () => {
      const before = state();
      const counted = count(quiet);
      const from = daemon.lines.length;
      await daemon.finds(() => node.run(...lines.map((line) => line.replace('SELF', node.name))));
      await daemon.line(told, from);
      await daemon.until(state, before);
      assert.equal(count(quiet), counted);
      assert.ok(counted > 0);
      assert.equal(node.show('sysctl -n net.ipv4.vs.conntrack'), '1\n');
    });
  }

  /** Somebody else's command, which the kernel may refuse where something else is not put right yet. */
  function attempt(line: string): void {
    try {
      node.run(line.replace('SELF', node.name));
    } catch (error) {
      assert.match(String((error as { stderr?: unknown }).stderr), /\S/);
    }
  }

  it('puts right what somebody changes every second, one thing after the other', async () => {
    const before = state();
    for (const [, lines] of drifts) {
      lines.forEach(attempt);
      await sleep(1_000);
    }
    await daemon.until(state, before);
    assert.equal(node.show('sysctl -n net.ipv4.vs.conntrack'), '1\n');
  });

  it('does nothing to a bridge that has the name of kube-ipvs0, and makes its own once that is gone', async () => {
    const before = state();
    const late = '-A -t 10.96.0.30:80 -s rr';
    const refusal = /kube-ipvs0 exists but is a bridge, not a dummy device/;
    const refused = () => daemon.line(refusal, daemon.lines.length);
    // asleep it cannot make its own between the two
    daemon.signal('SIGSTOP');
    node.execute(['ip', '-batch', '-'], 'link delete kube-ipvs0\nlink add kube-ipvs0 type bridge\n');
    daemon.signal('SIGCONT');
    await refused();
    server.apply(serviceObject('late', { clusterIPs: ['10.96.0.30'] }));
    await daemon.until(() => node.text().includes(late), true);
    await refused();
    assert.equal(node.show('ip -o addr show dev kube-ipvs0'), '');
    node.run('ip link delete kube-ipvs0');
    await daemon.until(() => node.text().includes('ip addr add 10.96.0.30/32 dev kube-ipvs0'), true);
    server.delete('Service', 'default/late');
    await daemon.until(state, before);
  });

  it('puts right an emptied table of virtual services, but for those of others', async () => {
    const before = state();
    const from = daemon.lines.length;
    node.run('-C');
    await daemon.line(/somebody else changed the kernel/, from);
    const without = before[0]!.split('\n').filter((line) => !foreign.includes(line));
    await daemon.until(state, [without.join('\n'), ...before.slice(1)]);
    node.run(...foreign);
  });

  /** A drift that two scrubs cannot share: behind its repair everything from before has been seen. */
  async function nudge(weight: number): Promise<void> {
    const from = daemon.lines.length;
    node.run(`-e -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w ${weight}`);
    await daemon.line(/applied 1 operation: 1 destination edit/, from);
  }

  it('does not touch what is not ours', async () => {
    await nudge(7);
    const from = daemon.lines.length;
    node.run(
      '-e -t 192.0.2.1:80 -r 198.51.100.1:80 -g -w 3',
      '-A -u 192.0.2.2:53 -s rr',
      'ip addr add 192.0.2.9/32 dev lo',
      'ip addr add ::ffff:10.96.0.10/128 dev kube-ipvs0',
      '-A -t [::ffff:10.96.0.10]:80 -s sh',
      'nft add table ip theirs',
    );
    const before = state();
    await nudge(8);
    await nudge(9);
    assert.deepEqual(state(), before);
    assert.deepEqual(
      daemon.lines.slice(from).filter((line) => /applied/.test(line) && !/1 destination edit/.test(line)),
      [],
    );
  });
});
