/** Tracked connections, settings and timeouts of a real kernel, judged by conntrack, sysctl and ipvsadm. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { flowId } from '../../src/model/node-state.ts';
import type { Op } from '../../src/model/op.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';

describe("the node's state", () => {
  let namespace: KernelNamespace;
  let kernel: Kernel;

  before(() => {
    namespace = new KernelNamespace('state');
    kernel = openKernel({ netns: namespace.name });
  });

  after(() => {
    kernel.close();
    namespace.close();
  });

  function run(...command: readonly string[]): string {
    return namespace.execute(command);
  }

  function track(client: string, vip: string, pod: string, port: number): void {
    const original = ['-s', client, '-d', vip, '--sport', '40000', '--dport', String(port)];
    const reply = ['-r', pod, '-q', client, '--reply-port-src', '5353', '--reply-port-dst', '40000'];
    run('conntrack', '-I', '-p', 'udp', '-t', '1000', ...original, ...reply);
  }

  it('UDP connections to a virtual service are found with what answers them, and exactly they are deleted', async () => {
    track('192.0.2.7', '10.96.0.10', '10.244.0.1', 53);
    track('192.0.2.8', '10.96.0.10', '10.244.0.1', 54);
    track('192.0.2.9', '10.96.0.11', '10.244.0.1', 53);
    track('2001:db8::7', 'fd00:96::10', 'fd00:244::1', 53);
    const services = ['10.96.0.10', 'fd00:96::10'].map((vip) => virtualServiceKey('UDP', address(vip), 53));
    const found = await kernel.flows(services);
    assert.deepEqual(found.map(flowId).toSorted(), [
      '192.0.2.7:40000 -> 10.96.0.10:53',
      '[2001:db8::7]:40000 -> [fd00:96::10]:53',
    ]);
    assert.deepEqual(found.map(({ reply }) => `${reply.source} ${reply.sourcePort} ${reply.destination}`).toSorted(), [
      '10.244.0.1 5353 192.0.2.7',
      'fd00:244::1 5353 2001:db8::7',
    ]);
    const deletions = found.map((flow): Op => ({ kind: 'flow', verb: 'delete', flow }));
    assert.deepEqual((await kernel.apply(deletions)).answers, ['done', 'done']);
    assert.deepEqual((await kernel.apply(deletions.slice(0, 1))).answers, [{ errno: 'ENOENT' }]);
    assert.deepEqual(await kernel.flows(services), []);
    const left = run('conntrack', '-L', '-p', 'udp').trim().split('\n');
    assert.deepEqual(left.map((line) => /dst=(\S+).*?dport=(\d+)/.exec(line)!.slice(1).join(' ')).toSorted(), [
      '10.96.0.10 54',
      '10.96.0.11 53',
    ]);
    assert.equal(run('conntrack', '-L', '-f', 'ipv6', '-p', 'udp').trim(), '');
  });

  it('settings are read and written where sysctl does', async () => {
    const name = 'net/ipv4/conf/all/arp_ignore';
    const edit = (setting: string, value: string): Op => ({
      kind: 'setting',
      verb: 'edit',
      setting: { name: setting, value, when: 'different', required: false },
    });
    run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=2');
    assert.deepEqual(await kernel.settings([name, 'net/ipv4/nonesuch']), [
      { value: '2', writable: true },
      { value: undefined, writable: false },
    ]);
    const ops = [edit(name, '1'), edit('net/ipv4/nonesuch', '1'), edit(name, 'many')];
    assert.deepEqual((await kernel.apply(ops)).answers, ['done', { errno: 'ENOENT' }, { errno: 'EINVAL' }]);
    assert.equal(run('sysctl', '-n', 'net.ipv4.conf.all.arp_ignore').trim(), '1');
  });

  it('nothing of another namespace that has the name by now is read or written', async () => {
    const first = new KernelNamespace('named');
    const named = openKernel({ netns: first.name });
    const name = 'net/ipv4/conf/all/arp_ignore';
    const setting = { name, value: '1', when: 'different', required: true } as const;
    const edit: Op = { kind: 'setting', verb: 'edit', setting };
    const add: Op = { kind: 'table', verb: 'add', table: tableOf(4, facts()) };
    assert.deepEqual((await named.apply([edit])).answers, ['done']);
    first.close();
    await assert.rejects(named.apply([edit]), { code: 'NO_NETNS', message: /is gone/ });
    const second = new KernelNamespace('named');
    const another = { code: 'NO_NETNS', message: /is another now/ };
    for (const op of [edit, add]) await assert.rejects(named.apply([op]), another);
    await assert.rejects(named.settings([name]), another);
    await assert.rejects(named.flows([virtualServiceKey('UDP', address('10.96.0.10'), 53)]), another);
    assert.throws(() => named.watchAddresses(() => {}), another);
    assert.equal(second.execute(['sysctl', '-n', 'net.ipv4.conf.all.arp_ignore']).trim(), '0');
    assert.equal(second.execute(['nft', 'list', 'ruleset']), '');
    named.close();
    second.close();
  });

  it('timeouts are read and set where ipvsadm does; 0 keeps what is', async () => {
    const edit: Op = { kind: 'timeouts', verb: 'edit', timeouts: { tcp: 700, tcpFin: 0, udp: 50 } };
    run('ipvsadm', '--set', '900', '77', '300');
    assert.deepEqual((await kernel.apply([edit])).answers, ['done']);
    assert.match(run('ipvsadm', '-L', '--timeout'), /700 77 50/);
    assert.deepEqual(await kernel.timeouts(), { tcp: 700, tcpFin: 77, udp: 50 });
  });
});
