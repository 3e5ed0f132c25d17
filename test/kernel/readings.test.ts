/** What the kernel counts: traffic as ipvsadm shows it, and the generation of nf_tables. As root. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { families } from '../../src/model/address.ts';
import type { Op } from '../../src/model/op.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { Network } from '../support/network.ts';
import { parseOp } from '../support/parse-op.ts';

/** Of a virtual service: connections, packets in and out, bytes in and out. */
type Counters = readonly [number, number, number, number, number];

describe('traffic', () => {
  const pod = ['10.244.0.1', 'fd00:244::1'] as const;
  let network: Network;
  let client: string;
  let kernel: Kernel;

  before(async () => {
    network = new Network('count');
    client = network.join('client', ['192.0.2.7', '2001:db8::7']);
    const namespace = network.join('pod', pod);
    await network.serve(namespace, 'TCP', 8080, 'web');
    await network.serve(namespace, 'UDP', 5353, 'dns');
    network.run(network.node, 'ip', 'address', 'add', '10.96.0.10/32', 'dev', 'lo');
    network.run(network.node, 'ip', 'address', 'add', 'fd00:96::10/128', 'dev', 'lo', 'nodad');
    for (const line of [
      '-A -t 10.96.0.10:80 -s rr',
      `-a -t 10.96.0.10:80 -r ${pod[0]}:8080 -m`,
      '-A -u [fd00:96::10]:53 -s rr',
      `-a -u [fd00:96::10]:53 -r [${pod[1]}]:5353 -m`,
      '-A -t [fd00:96::10]:80 -s rr',
      `-a -t [fd00:96::10]:80 -r [${pod[1]}]:8080 -m`,
      '-A -u 10.96.0.10:53 -s rr',
      '-A -f 7 -s rr',
      `-a -f 7 -r ${pod[0]}:8080 -m`,
    ]) {
      network.run(network.node, 'ipvsadm', ...line.split(' '));
    }
    kernel = openKernel({ netns: network.node });
  });

  after(async () => {
    kernel.close();
    await network.close();
  });

  /** As ipvsadm shows them. It writes a firewall mark as `FWM  7`. */
  function shown(): Map<string, Counters> {
    const text = network.run(network.node, 'ipvsadm', '-L', '-n', '--stats', '--exact');
    const rows = [...text.matchAll(/^(TCP|UDP) +(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$/gm)];
    return new Map(
      rows.map(([, protocol, endpoint, ...counters]) => [
        `${endpoint}/${protocol}`,
        counters.map(Number) as unknown as Counters,
      ]),
    );
  }

  async function told(): Promise<Map<string, Counters>> {
    return new Map(
      (await kernel.traffic()).map((of) => [
        of.service.id,
        [of.connections, of.incomingPackets, of.outgoingPackets, of.incomingBytes, of.outgoingBytes],
      ]),
    );
  }

  it('is zero of what nobody used, and services by firewall mark are left out', async () => {
    const none = [0, 0, 0, 0, 0];
    const services = ['10.96.0.10:53/UDP', '10.96.0.10:80/TCP', '[fd00:96::10]:53/UDP', '[fd00:96::10]:80/TCP'];
    assert.deepEqual(await told(), new Map(services.map((id) => [id, none])));
  });

  it('is what ipvsadm shows after real connections, of both families', { timeout: 120_000 }, async () => {
    for (let i = 0; i < 3; i++) assert.equal(network.ask(client, 'TCP', '10.96.0.10', 80), 'web');
    for (let i = 0; i < 2; i++) assert.equal(network.ask(client, 'UDP', 'fd00:96::10', 53), 'dns');
    assert.equal(network.ask(client, 'TCP', 'fd00:96::10', 80), 'web');
    const wanted = new Map([
      ['10.96.0.10:53/UDP', 0],
      ['10.96.0.10:80/TCP', 3],
      ['[fd00:96::10]:53/UDP', 2],
      ['[fd00:96::10]:80/TCP', 1],
    ]);
    // The kernel adds up its CPUs' counters every two seconds, so that the same before and after is a reading of one moment.
    let before: Map<string, Counters>;
    let between: Map<string, Counters>;
    do {
      before = shown();
      between = await told();
    } while (
      ![...wanted].every(([id, connections]) => before.get(id)?.[0] === connections) ||
      !isDeepStrictEqual(before, shown())
    );
    assert.deepEqual(between, before);
    const [, packetsIn, packetsOut, bytesIn, bytesOut] = between.get('[fd00:96::10]:53/UDP')!;
    // two datagrams each way: headers of 48 bytes, `hello` and `dns` with their newlines
    assert.deepEqual([packetsIn, packetsOut, bytesIn, bytesOut], [2, 2, 108, 104]);
  });
});

describe('the generation of the packet filter', () => {
  let network: Network;
  let kernel: Kernel;

  before(() => {
    network = new Network('gen');
    kernel = openKernel({ netns: network.node });
  });

  beforeEach(() => nft('flush', 'ruleset'));

  after(async () => {
    kernel.close();
    await network.close();
  });

  function nft(...words: readonly string[]): string {
    return network.run(network.node, 'nft', ...words);
  }

  it('is another after every change of anybody else, and the same after what is changed through the kernel', async () => {
    const seen = [await kernel.otherFilterChanges()];
    for (const line of [
      'add table ip theirs',
      'add chain ip theirs c',
      'add rule ip theirs c accept',
      'flush ruleset',
    ]) {
      nft(...line.split(' '));
      seen.push(await kernel.otherFilterChanges());
    }
    const table: Op = { kind: 'table', verb: 'add', table: tableOf(4, facts()) };
    const element = parseOp('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }');
    for (const op of [table, element]) {
      assert.deepEqual((await kernel.apply([op])).answers, ['done']);
      assert.equal(await kernel.otherFilterChanges(), seen.at(-1));
    }
    nft('add element ip kube-ipvs services { 10.96.0.11 . tcp . 80 }; flush chain ip kube-ipvs services');
    assert.deepEqual(
      (await kernel.apply([parseOp('nft add element ip kube-ipvs services { 10.96.0.11 . tcp . 80 }')])).answers,
      ['done'],
    );
    seen.push(await kernel.otherFilterChanges());
    nft('delete', 'table', 'ip', 'kube-ipvs');
    seen.push(await kernel.otherFilterChanges());
    assert.equal(new Set(seen).size, seen.length, seen.join(' '));
  });

  it('stays when nothing happens but reading, and when a change is refused', async () => {
    nft('add', 'table', 'ip', 'theirs');
    const before = await kernel.otherFilterChanges();
    nft('list', 'ruleset');
    await kernel.tables([tableOf(4, facts())]);
    await kernel.elements(4);
    network.run(network.node, 'sh', '-c', '! nft add rule ip theirs none accept 2>/dev/null');
    network.run(network.node, 'ipvsadm', '-A', '-t', '10.96.0.10:80', '-s', 'rr');
    assert.equal(await kernel.otherFilterChanges(), before);
  });

  it('stays when tables are rehearsed, which changes nothing and loads what they need', async () => {
    const tables = families.map((family) => tableOf(family, facts()));
    await kernel.rehearse(tables);
    assert.equal(nft('list', 'ruleset'), '');
    const [table] = tables;
    const element = parseOp('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }');
    await kernel.apply([{ kind: 'table', verb: 'add', table: table! }, element]);
    const before = [await kernel.otherFilterChanges(), nft('list', 'ruleset')];
    await kernel.rehearse(tables);
    assert.deepEqual([await kernel.otherFilterChanges(), nft('list', 'ruleset')], before);
    const loaded = readFileSync('/proc/modules', 'utf8');
    for (const module of ['nft_chain_nat', 'nft_masq', 'nft_nat', 'nft_reject_ipv6']) {
      assert.match(loaded, new RegExp(`^${module} `, 'm'));
    }
  });

  it('is of one network namespace', async () => {
    const other = new Network('gen2');
    const otherKernel = openKernel({ netns: other.node });
    const before = await otherKernel.otherFilterChanges();
    nft('add', 'table', 'ip', 'theirs');
    assert.equal(await otherKernel.otherFilterChanges(), before);
    otherKernel.close();
    await other.close();
  });
});
