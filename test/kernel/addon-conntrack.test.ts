/** The addon's conntrack socket and settings on a real kernel, judged by conntrack and by the files themselves. As root. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ConntrackSocket, loadAddon } from '../../src/kernel/addon.ts';
import { deleteNamespaces, inside, makeNamespace } from '../native/namespace.ts';
import {
  addressAt,
  concat,
  describeFlow,
  type FlowFields,
  flowId,
  flowKey,
  flowSize,
  flowSourcePort,
  flowZone,
  split,
} from '../native/record.ts';
import { Network } from '../support/network.ts';

const { ENOENT } = constants.errno;
const [tcp, sctp] = [6, 132];
const addon = loadAddon();

after(deleteNamespaces);

async function withConntrack(body: (socket: ConntrackSocket, name: string) => Promise<void>): Promise<void> {
  const name = makeNamespace();
  const socket = new addon.ConntrackSocket({ netns: name });
  try {
    await body(socket, name);
  } finally {
    socket.close();
  }
}

async function find(socket: ConntrackSocket, ...keys: readonly FlowFields[]): Promise<Uint8Array[]> {
  return split(await socket.flows(concat(keys.map(flowKey))), flowSize);
}

async function remove(socket: ConntrackSocket, ...flows: readonly Uint8Array[]): Promise<number[]> {
  return [...(await socket.delete(concat(flows))).errnos];
}

interface ShownFlow {
  /** As describeFlow writes it. */
  readonly text: string;
  readonly id: number;
}

/** What `conntrack -L` shows of TCP, UDP and SCTP. */
function shownFlows(name: string): ShownFlow[] {
  const list = (family: string) => inside(name, 'sh', '-c', `conntrack -L -o id -f ${family} 2>/dev/null`);
  return `${list('ipv4')}${list('ipv6')}`.split('\n').flatMap((line) => {
    const ends = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)];
    if (ends.length !== 2) return [];
    const [original, reply] = ends.map(([, from, to, fromPort, toPort]) => `${from}:${fromPort} ${to}:${toPort}`);
    const protocol = line.split(/\s+/)[1]!;
    return [{ text: `${protocol} ${original} | ${reply}`, id: Number(/ id=(\d+)/.exec(line)![1]) }];
  });
}

function shownTexts(name: string): string[] {
  return shownFlows(name)
    .map(({ text }) => text)
    .toSorted();
}

function insert(name: string, ...flows: readonly string[]): void {
  const commands = flows.map((flow) => `conntrack -I ${flow} -t 1000 2>/dev/null`);
  inside(name, 'sh', '-ec', commands.join('\n'));
}

const vip6 = [0xfd, 0, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];

test('flows of traffic to a virtual address are found among others and deleted one by one', async () => {
  const network = new Network('conntrack');
  try {
    const client = network.join('client', ['10.1.0.7', 'fd00:1::7']);
    const server = network.join('server', ['10.244.0.1', 'fd00:244::1']);
    await network.serve(server, 'UDP', 5353, 'dns');
    network.run(
      network.node,
      'nft',
      `table inet proxy {
        chain services {
          type nat hook prerouting priority dstnat
          ip daddr 10.96.0.10 udp dport 53 dnat ip to 10.244.0.1:5353
          ip6 daddr fd00:96::10 udp dport 53 dnat ip6 to [fd00:244::1]:5353
        }
      }`,
    );
    const send = (to: string, from: number) =>
      network.run(client, 'sh', '-c', `echo hello | socat -t 1 - UDP:${to},sourceport=${from}`).trim();
    const targets: [string, number][] = [
      ['10.96.0.10:53', 40_000],
      ['10.96.0.10:53', 40_001],
      ['10.244.0.1:5353', 40_002],
      ['[fd00:96::10]:53', 40_000],
      ['[fd00:244::1]:5353', 40_001],
    ];
    for (const [to, from] of targets) assert.equal(send(to, from), 'dns', to);

    const socket = new addon.ConntrackSocket({ netns: network.node });
    const four = await find(socket, {});
    assert.deepEqual(four.map(describeFlow).toSorted(), [
      '17 10.1.0.7:40000 10.96.0.10:53 | 10.244.0.1:5353 10.1.0.7:40000',
      '17 10.1.0.7:40001 10.96.0.10:53 | 10.244.0.1:5353 10.1.0.7:40001',
    ]);
    const six = await find(socket, { family: 6, destination: vip6 });
    assert.deepEqual(six.map(describeFlow), ['17 fd00:1::7:40000 fd00:96::10:53 | fd00:244::1:5353 fd00:1::7:40000']);
    const shown = shownFlows(network.node);
    for (const flow of [...four, ...six]) {
      assert.ok(shown.some(({ text, id }) => text === describeFlow(flow) && id === flowId(flow)));
    }
    assert.deepEqual(await find(socket, { port: 5353 }, { protocol: tcp }, { family: 6, destination: [0xfd] }), []);

    assert.deepEqual(await remove(socket, four[0]!, six[0]!, four[0]!), [0, 0, ENOENT]);
    const gone = [describeFlow(four[0]!), describeFlow(six[0]!)];
    assert.deepEqual(
      shownTexts(network.node),
      shown
        .map(({ text }) => text)
        .filter((text) => !gone.includes(text))
        .toSorted(),
    );
    socket.close();
  } finally {
    await network.close();
  }
});

test('keys of all protocols and families together find what each of them finds', () =>
  withConntrack(async (socket, name) => {
    insert(
      name,
      '-p udp -s 10.1.0.7 -d 10.96.0.10 --sport 1 --dport 53',
      '-p tcp -s 10.1.0.7 -d 10.96.0.10 --sport 2 --dport 53 --state ESTABLISHED',
      '-p sctp -s 10.1.0.7 -d 10.96.0.10 --sport 3 --dport 53 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2',
      '-p sctp -s 10.1.0.7 -d 10.96.0.10 --sport 4 --dport 54 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2',
      '-p icmp -s 10.1.0.7 -d 10.96.0.10 --icmp-type 8 --icmp-code 0 --icmp-id 5',
      '-p udp -s fd00::7 -d fd00:96::10 --sport 6 --dport 53',
      '-p udp -s fd00::7 -d fd00:96::11 --sport 7 --dport 53',
    );
    const ports = (flows: readonly Uint8Array[]) => flows.map(flowSourcePort).toSorted((a, b) => a - b);
    const keys = [{}, { protocol: tcp }, { protocol: sctp }, { family: 6, destination: vip6 }];
    assert.deepEqual(await Promise.all(keys.map(async (key) => ports(await find(socket, key)))), [[1], [2], [3], [6]]);
    assert.deepEqual(ports(await find(socket, ...keys)), [1, 2, 3, 6]);
    const others = Array.from({ length: 20 }, (_, i) => ({ port: 1000 + i }));
    assert.deepEqual(ports(await find(socket, ...keys, ...others)), [1, 2, 3, 6], 'more keys than dumps');
    assert.deepEqual(ports(await find(socket, {}, ...others)), [1], 'more keys than dumps, of one protocol');
    assert.deepEqual(await remove(socket, ...(await find(socket, ...keys))), [0, 0, 0, 0]);
    assert.deepEqual(shownTexts(name), [
      '132 10.1.0.7:4 10.96.0.10:54 | 10.96.0.10:54 10.1.0.7:4',
      '17 fd00::7:7 fd00:96::11:53 | fd00:96::11:53 fd00::7:7',
    ]);
  }));

test('a flow that took the place of another is not deleted in its stead', () =>
  withConntrack(async (socket, name) => {
    const flow = '-p udp -s 10.1.0.7 -d 10.96.0.10 --sport 40000 --dport 53';
    insert(name, flow);
    const [old] = await find(socket, {});
    const [{ id } = { id: 0 }] = shownFlows(name);
    assert.equal(flowId(old!), id);
    // The id comes from the entry's place in memory, which may be the same again: a neighbour takes that place.
    for (let other = 1; shownFlows(name).some((shown) => shown.id === id); other++) {
      assert.ok(other < 100, 'the flow got another id');
      inside(name, 'sh', '-c', `conntrack -D ${flow} 2>/dev/null`);
      insert(name, `-p udp -s 10.1.0.8 -d 10.96.0.11 --sport ${other} --dport 53`, flow);
    }
    assert.deepEqual(await remove(socket, old!), [ENOENT]);
    assert.equal((await find(socket, {})).length, 1);
    assert.deepEqual(await remove(socket, ...(await find(socket, {}))), [0]);
    assert.ok(!shownTexts(name).some((text) => text.startsWith('17 10.1.0.7:40000')));
  }));

test('flows of the same addresses in two zones are two', () =>
  withConntrack(async (socket, name) => {
    const flow = '-p udp -s 10.1.0.7 -d 10.96.0.10 --sport 40000 --dport 53';
    insert(name, flow, `${flow} -w 7`);
    const flows = await find(socket, {});
    const zoned = flows.find((one) => flowZone(one) === 7);
    assert.deepEqual(new Set(flows.map(flowZone)), new Set([0, 7]));
    assert.deepEqual(await remove(socket, zoned!), [0]);
    assert.deepEqual((await find(socket, {})).map(flowZone), [0]);
    assert.equal(shownTexts(name).length, 1);
  }));

test('of 50 000 flows one key finds its own few', () =>
  withConntrack(async (socket, name) => {
    const flows = Array.from({ length: 50_000 }, (_, i) => {
      const [source, destination] = [i, i >> 4].map((number) => `${number >> 8}.${number & 255}`);
      return `-I -p udp -s 10.1.${source} -d 10.9.${destination} --sport 1000 --dport 53 -t 1000\n`;
    });
    const folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
    writeFileSync(join(folder, 'flows'), flows.join(''));
    inside(name, 'sh', '-c', `conntrack -R ${join(folder, 'flows')} 2>/dev/null`);
    rmSync(folder, { recursive: true });
    assert.equal(inside(name, 'conntrack', '-C').trim(), '50000');
    const found = await find(socket, { destination: [10, 9, 7, 77] });
    assert.deepEqual(
      found.map((flow) => addressAt(flow, 32, 4)).toSorted(),
      Array.from({ length: 16 }, (_, i) => `10.1.116.${208 + i}`),
    );
    const destinations = Array.from({ length: 1000 }, (_, i) => ({ destination: [10, 9, i >> 8, i & 255] }));
    const many = await find(socket, ...destinations);
    assert.equal(many.length, 16_000);
    assert.deepEqual(new Set(await remove(socket, ...many)), new Set([0]));
    assert.equal(inside(name, 'conntrack', '-C').trim(), '34000');
  }));

test("settings of a named namespace are its own, and the caller's stay as they are", async () => {
  const name = makeNamespace();
  const settings = ['net/ipv4/ip_forward', 'net/ipv4/conf/all/rp_filter'];
  const before = await addon.readSettings(settings);
  assert.deepEqual(
    (await addon.readSettings(settings, name)).map(({ errno }) => errno),
    [0, 0],
  );
  for (const value of ['1', '0', '1']) {
    await addon.writeSetting('net/ipv4/ip_forward', value, name);
    assert.equal(inside(name, 'cat', '/proc/sys/net/ipv4/ip_forward').trim(), value);
    const [forwarding] = await addon.readSettings(settings, name);
    assert.deepEqual(forwarding, { value, writable: true, errno: 0 });
  }
  const refused = addon.writeSetting('net/ipv4/ip_forward', 'maybe', name);
  await assert.rejects(refused, { code: 'EINVAL', syscall: 'write' });
  assert.deepEqual(await addon.readSettings(settings), before);
});

test('a device whose name has a dot has settings like any other', async () => {
  const name = makeNamespace();
  inside(name, 'ip', 'link', 'add', 'eth0.100', 'type', 'dummy');
  await addon.writeSetting('net/ipv4/conf/eth0.100/arp_ignore', '1', name);
  assert.equal(inside(name, 'cat', '/proc/sys/net/ipv4/conf/eth0.100/arp_ignore').trim(), '1');
});

test('a setting that is read-only in its namespace says so before and after it is tried', () =>
  withConntrack(async (socket, name) => {
    await find(socket, {});
    const limit = 'net/netfilter/nf_conntrack_max';
    const [reading] = await addon.readSettings([limit], name);
    const shown = inside(name, 'cat', `/proc/sys/${limit}`).trim();
    assert.deepEqual(reading, { value: shown, writable: false, errno: 0 });
    await assert.rejects(addon.writeSetting(limit, '1', name), { code: 'EACCES', syscall: 'open' });
    assert.equal(inside(name, 'cat', `/proc/sys/${limit}`).trim(), shown);
  }));

test('the size of the table is readable anywhere, and not for a namespace to change', () =>
  withConntrack(async (socket, name) => {
    await find(socket, {});
    const size = 'module/nf_conntrack/parameters/hashsize';
    const shown = inside(name, 'cat', `/sys/${size}`).trim();
    const [reading] = await addon.readSettings([size], name);
    assert.equal(reading?.value, shown);
    await assert.rejects(addon.writeSetting(size, shown, name), { code: 'EOPNOTSUPP', syscall: 'write' });
  }));
