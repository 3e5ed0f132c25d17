/** The addon's nf_tables socket on a real kernel, judged by nft. As root; fails where the kernel has no nf_tables. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { after, test } from 'node:test';
import { loadAddon, type NftablesSocket } from '../../src/kernel/addon.ts';
import { deleteNamespaces, inside, makeNamespace } from '../native/namespace.ts';
import {
  asDumped,
  chainRecord,
  type ElementFields,
  elementRecord,
  type Family,
  nftablesElementSize,
  nftablesObjectSize,
  ruleRecords,
  setRecord,
  step,
  tableRecord,
} from '../native/nftables-record.ts';
import { concat, split } from '../native/record.ts';
import {
  address,
  everything,
  someElements,
  port,
  tcp,
  network,
  equal,
  drop,
  input,
  jump,
  postrouting,
} from './nftables-everything.ts';

const { EBUSY, ECANCELED, EEXIST, EINVAL, ENOENT, EOPNOTSUPP } = constants.errno;
const addon = loadAddon();

after(deleteNamespaces);

async function withSocket(body: (socket: NftablesSocket, namespace: string) => Promise<void>): Promise<void> {
  const netns = makeNamespace();
  const socket = new addon.NftablesSocket({ netns, table: 'kube-ipvs' });
  try {
    await body(socket, netns);
  } finally {
    socket.close();
  }
}

async function apply(socket: NftablesSocket, ...objects: readonly Uint8Array[]): Promise<number[]> {
  return [...(await socket.apply(concat(objects))).errnos];
}

async function applyElements(socket: NftablesSocket, ...elements: readonly ElementFields[]): Promise<number[]> {
  return [...(await socket.applyElements(concat(elements.map(elementRecord)))).errnos];
}

async function mustApply(socket: NftablesSocket, ...objects: readonly Uint8Array[]): Promise<void> {
  assert.deepEqual(new Set(await apply(socket, ...objects)), new Set([0]));
}

/** Records as hexadecimal text, without verbs and handles. */
function texts(records: readonly Uint8Array[]): string[] {
  return records.map((record) => Buffer.from(asDumped(record)).toString('hex'));
}

async function objects(socket: NftablesSocket, family: Family): Promise<string[]> {
  return texts(split(await socket.objects(family), nftablesObjectSize));
}

async function elements(socket: NftablesSocket, family: Family, set: string): Promise<string[]> {
  return texts(split(await socket.elements(family, set), nftablesElementSize)).toSorted();
}

/** Lines of `nft list table` without indentation and empty ones. */
function listed(namespace: string, family: 'ip' | 'ip6', table = 'kube-ipvs'): string[] {
  const lines = inside(namespace, 'nft', 'list', 'table', family, table).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

/** Names of what the table has, as `nft -j` tells them: `chain pre`, `set hosts`. */
function names(namespace: string): string[] {
  const { nftables } = JSON.parse(inside(namespace, 'nft', '-j', 'list', 'ruleset')) as {
    readonly nftables: readonly Record<string, { readonly name?: string; readonly table?: string }>[];
  };
  return nftables.flatMap((entry) =>
    Object.entries(entry).flatMap(([kind, { name }]) => (name === undefined ? [] : [`${kind} ${name}`])),
  );
}

for (const family of [4, 6] as const) {
  test(`a family ${family} table with everything is dumped as it was added`, () =>
    withSocket(async (socket) => {
      assert.deepEqual(await objects(socket, family), []);
      await mustApply(socket, ...everything(family));
      assert.deepEqual(await objects(socket, family), texts(everything(family)));
      assert.deepEqual(await objects(socket, family === 4 ? 6 : 4), []);
      await mustApply(socket, ...everything(family).slice(0, 10));
      assert.deepEqual(await objects(socket, family), texts(everything(family)), 'what exists is fine');
      const handles = split(await socket.objects(family), nftablesObjectSize)
        .filter((record) => record[1] === 4)
        .map((record) => record.slice(8, 16).join());
      assert.equal(new Set(handles).size, 15);
    }));

  test(`elements of family ${family} are dumped as they were added, and go`, () =>
    withSocket(async (socket) => {
      const fields = someElements(family);
      await mustApply(socket, ...everything(family));
      assert.deepEqual(await elements(socket, family, 'hosts'), []);
      assert.deepEqual(await applyElements(socket, ...fields, ...fields), Array(12).fill(0));
      for (const set of ['hosts', 'forward', 'allowed', 'devices', 'numbers']) {
        const own = fields.filter((field) => field.set === set).map(elementRecord);
        assert.deepEqual(await elements(socket, family, set), texts(own).toSorted(), set);
      }
      assert.deepEqual(
        await applyElements(socket, ...fields.map((field) => ({ ...field, verb: 'delete' }) as const)),
        Array(6).fill(0),
      );
      for (const { set } of fields) assert.deepEqual(await elements(socket, family, set), [], set);
      assert.deepEqual(await elements(socket, family, 'none'), []);
    }));
}

test('nft lists both tables as a person would have written them', () =>
  withSocket(async (socket, namespace) => {
    await mustApply(socket, ...everything(4), ...everything(6));
    await applyElements(socket, ...someElements(4), ...someElements(6));
    assert.deepEqual(listed(namespace, 'ip'), [
      'table ip kube-ipvs {',
      'set hosts {',
      'type ipv4_addr',
      'elements = { 10.0.0.1, 10.0.0.2 }',
      '}',
      'map forward {',
      'type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service',
      'elements = { 10.0.0.1 . tcp . 80 : 10.0.0.3 . 8080 }',
      '}',
      'set allowed {',
      'type ipv4_addr . inet_proto . inet_service . ipv4_addr',
      'flags interval',
      'elements = { 10.0.0.1 . tcp . 80 . 10.0.0.4-10.0.0.9 }',
      '}',
      'set devices {',
      'type ifname',
      'elements = { "eth0" }',
      '}',
      'set numbers {',
      'type mark',
      'elements = { 0x00004000 }',
      '}',
      'chain marks {',
      'meta mark set meta mark | 0x00004000',
      'meta mark set meta mark ^ 0x00004000',
      'meta mark set 0x00000001 return comment "back"',
      '}',
      'chain before {',
      'type nat hook prerouting priority dstnat - 10; policy accept;',
      'dnat ip to ip daddr . meta l4proto . th dport map @forward comment "forward to an endpoint"',
      '}',
      'chain in {',
      'type filter hook input priority filter - 5; policy drop;',
      'ct state new iifname "veth*" jump marks',
      'iifname != @devices goto marks',
      'ct original ip daddr @hosts accept',
      'ip saddr 10.0.0.7 drop',
      'meta mark @numbers reject',
      'reject with tcp reset',
      `reject comment "${'x'.repeat(63)}"`,
      '}',
      'chain after {',
      'type nat hook postrouting priority srcnat; policy accept;',
      'masquerade fully-random',
      'masquerade',
      'snat to 10.0.0.1',
      'meta l4proto tcp snat to 10.0.0.1-10.0.0.9:1024-2048 fully-random,persistent',
      '}',
      '}',
    ]);
    const six = listed(namespace, 'ip6');
    for (const line of [
      'elements = { fd00::1 . tcp . 80 : fd00::3 . 8080 }',
      'elements = { fd00::1 . tcp . 80 . fd00::4-fd00::9 }',
      'dnat ip6 to ip6 daddr . meta l4proto . th dport map @forward comment "forward to an endpoint"',
      'ct original ip6 daddr @hosts accept',
      'snat to fd00::1',
    ])
      assert.ok(six.includes(line), `${line} in\n${six.join('\n')}`);
  }));

test('a table that nft loaded is dumped as one of ours, and what no record can say by its name', () =>
  withSocket(async (socket, namespace) => {
    const commands = [
      'add table ip kube-ipvs',
      'add set ip kube-ipvs hosts { type ipv4_addr; }',
      'add set ip kube-ipvs odd { type ipv4_addr; flags timeout; timeout 1h; counter; }',
      'add element ip kube-ipvs odd { 10.0.0.1 timeout 2h comment "by hand", 10.0.0.2 }',
      'add chain ip kube-ipvs marks',
      'add chain ip kube-ipvs in { type filter hook input priority 0; policy accept; }',
      'add rule ip kube-ipvs in ip saddr @hosts counter jump marks comment "counted"',
    ];
    inside(namespace, 'nft', commands.join('; '));
    const counted = ruleRecords(
      4,
      { chain: 'in', comment: 'counted' },
      step.payload(network, 12, 4, 1),
      step.lookup(1, 'hosts'),
      { kind: 255, name: 'counter' },
      step.verdict(jump, 'marks'),
    );
    const found = await objects(socket, 4);
    assert.deepEqual(found.slice(-5), texts(counted));
    for (const record of [
      tableRecord(4),
      chainRecord(4, { name: 'marks' }),
      chainRecord(4, { name: 'in', type: 'filter', hook: input, policy: 'accept' }),
      setRecord(4, { name: 'hosts', keyType: 7, keyLength: 4 }),
    ])
      assert.ok(found.includes(texts([record])[0]!));
    const odd = [1, 2].map((last) => elementRecord({ set: 'odd', key: address(4, last) }));
    assert.deepEqual(await elements(socket, 4, 'odd'), texts(odd));
  }));

test('rules of a chain are replaced in one transaction, and elements stay', () =>
  withSocket(async (socket, namespace) => {
    const rule = (last: number) =>
      ruleRecords(
        4,
        { chain: 'in' },
        step.payload(network, 12, 4, 1),
        step.cmp(1, equal, address(4, last)),
        step.verdict(drop),
      );
    await mustApply(socket, ...everything(4));
    await applyElements(socket, ...someElements(4));
    await mustApply(socket, chainRecord(4, { name: 'in', verb: 'edit' }), ...rule(1), ...rule(2));
    const lines = listed(namespace, 'ip');
    const at = lines.indexOf('chain in {');
    assert.deepEqual(lines.slice(at + 2, at + 5), ['ip saddr 10.0.0.1 drop', 'ip saddr 10.0.0.2 drop', '}']);
    assert.ok(lines.includes('elements = { 10.0.0.1, 10.0.0.2 }'));
    assert.ok(lines.includes('meta mark set meta mark | 0x00004000'), 'rules of other chains stay');
  }));

test('an aborted transaction leaves everything as it was', () =>
  withSocket(async (socket) => {
    await mustApply(socket, ...everything(4));
    await applyElements(socket, ...someElements(4));
    const errnos = await apply(
      socket,
      chainRecord(4, { name: 'in', verb: 'edit' }),
      ...ruleRecords(4, { chain: 'in' }, step.verdict(drop)),
      setRecord(4, { name: 'new', keyType: 7, keyLength: 4 }),
      ...ruleRecords(4, { chain: 'none' }, step.verdict(drop), step.verdict(drop)),
      chainRecord(4, { name: 'other', verb: 'delete' }),
      chainRecord(4, { name: 'last' }),
    );
    const aborted = ECANCELED;
    assert.deepEqual(errnos, [aborted, aborted, aborted, aborted, ENOENT, ENOENT, ENOENT, ENOENT, aborted]);
    assert.deepEqual(await objects(socket, 4), texts(everything(4)));
    assert.equal((await elements(socket, 4, 'hosts')).length, 2);
  }));

test('what the kernel does not accept of objects has its errno', () =>
  withSocket(async (socket) => {
    await mustApply(socket, ...everything(4));
    const refused = async (...records: Uint8Array[]) => (await apply(socket, ...records))[0];
    assert.equal(await refused(chainRecord(4, { name: 'marks', verb: 'delete' })), EBUSY, 'jumped to');
    assert.equal(await refused(setRecord(4, { name: 'hosts', verb: 'delete' })), EBUSY, 'looked up');
    assert.equal(await refused(setRecord(4, { name: 'hosts', keyType: 13, keyLength: 2 })), EEXIST, 'of another type');
    // EEXIST on 6.1, EOPNOTSUPP on 6.18
    const moved = await refused(chainRecord(4, { name: 'in', type: 'filter', hook: postrouting, policy: 'drop' }));
    assert.ok(moved === EEXIST || moved === EOPNOTSUPP, 'of another hook');
    assert.equal(await refused(tableRecord(6, 'delete')), ENOENT);
    assert.equal(await refused(...ruleRecords(4, { chain: 'in' }, step.lookup(1, 'none'))), ENOENT);
    assert.equal(await refused(...ruleRecords(4, { chain: 'in' }, step.cmp(1, 7, [1]))), EINVAL);
  }));

test('of the elements of one message the refused one is named, and none is added', () =>
  withSocket(async (socket) => {
    await mustApply(socket, ...everything(4));
    await applyElements(socket, ...someElements(4));
    const hosts = Array.from({ length: 1000 }, (_, i) => ({ set: 'hosts', key: [10, 1, i >> 8, i & 255] }));
    const alone = (errno: number, count: number, at: number) =>
      Array.from({ length: count }, (_, i) => (i === at ? errno : ECANCELED));
    const absent: ElementFields = { set: 'hosts', key: [10, 9, 9, 9], verb: 'delete' };
    assert.deepEqual(await applyElements(socket, ...hosts, absent, ...hosts), alone(ENOENT, 2001, 1000));
    const doomed = hosts.map((element): ElementFields => ({ ...element, verb: 'delete' }));
    assert.deepEqual(await applyElements(socket, ...hosts, ...doomed.with(700, absent)), alone(ENOENT, 2000, 1700));
    const [, , forward, allowed] = someElements(4);
    const other = { ...forward!, data: [...address(4, 9), ...port(1)] };
    const more = { ...forward!, key: [...address(4, 8), ...tcp, ...port(80)] };
    assert.deepEqual(await applyElements(socket, more, other, more), alone(EEXIST, 3, 1), 'other data');
    const overlapping = {
      ...allowed!,
      key: [...address(4, 1), ...tcp, ...port(80), ...address(4, 1)],
      end: [...address(4, 1), ...tcp, ...port(80), ...address(4, 5)],
    };
    assert.deepEqual(await applyElements(socket, allowed!, overlapping), alone(EEXIST, 2, 1), 'overlapping');
    assert.deepEqual(await applyElements(socket, ...hosts, { set: 'none', key: [1] }, { set: 'none', key: [2] }), [
      ...Array(1000).fill(ECANCELED),
      ENOENT,
      ENOENT,
    ]);
    assert.equal((await elements(socket, 4, 'hosts')).length, 2);
    assert.equal((await elements(socket, 4, 'forward')).length, 1);
  }));

test('20 000 elements are added, read and deleted in one transaction each', () =>
  withSocket(async (socket, namespace) => {
    await mustApply(socket, ...everything(6));
    const fields = Array.from({ length: 20_000 }, (_, i) => ({
      family: 6,
      set: 'forward',
      key: [...address(6, 1), ...tcp, ...port(i)],
      data: [...address(6, 2), ...port(80)],
    }));
    assert.deepEqual(new Set(await applyElements(socket, ...fields)), new Set([0]));
    assert.deepEqual(await elements(socket, 6, 'forward'), texts(fields.map(elementRecord)).toSorted());
    // `nft list` of so many takes nft itself minutes in an emulated guest
    const shown = (number: number) =>
      inside(namespace, 'nft', 'get', 'element', 'ip6', 'kube-ipvs', 'forward', `{ fd00::1 . tcp . ${number} }`);
    assert.match(shown(19_999), /fd00::1 \. tcp \. 19999 : fd00::2 \. 80/);
    assert.throws(() => shown(20_000), /No such file or directory/);
    const gone = fields.map((field) => ({ ...field, verb: 'delete' }) as const);
    assert.deepEqual(new Set(await applyElements(socket, ...gone)), new Set([0]));
    assert.deepEqual(await elements(socket, 6, 'forward'), []);
  }));

test('tables, chains and sets of others are neither read nor touched', () =>
  withSocket(async (socket, namespace) => {
    const commands = [
      'add table ip kube-ipvs-2',
      'add table inet kube-ipvs',
      'add table ip other',
      'add set ip other hosts { type ipv4_addr; elements = { 192.0.2.1 }; }',
      'add chain ip other in { type filter hook input priority 0; }',
      'add rule ip other in ip saddr @hosts drop',
    ];
    inside(namespace, 'nft', commands.join('; '));
    const before = names(namespace);
    assert.deepEqual(await objects(socket, 4), []);
    assert.deepEqual(await elements(socket, 4, 'hosts'), []);
    await mustApply(socket, ...everything(4));
    assert.deepEqual(await objects(socket, 4), texts(everything(4)));
    assert.equal(names(namespace).length > before.length, true);
    await mustApply(socket, tableRecord(4, 'delete'));
    assert.deepEqual(names(namespace), before);
    assert.deepEqual(await objects(socket, 4), []);
  }));

test('reading beside a writer gives one state or the other, never a mixture', () =>
  withSocket(async (socket, netns) => {
    const writer = new addon.NftablesSocket({ netns, table: 'kube-ipvs' });
    const generation = (last: number) => [
      chainRecord(4, { name: 'in', verb: 'edit' }),
      ...Array.from({ length: 50 }, () =>
        ruleRecords(4, { chain: 'in' }, step.payload(network, 12, 4, 1), step.cmp(1, equal, address(4, last))),
      ).flat(),
    ];
    await mustApply(socket, ...everything(4), ...generation(0));
    const stop = new AbortController();
    const churn = (async () => {
      for (let i = 1; !stop.signal.aborted; i = (i % 200) + 1) {
        await mustApply(writer, ...generation(i));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (let i = 0; i < 20; i++) {
      const read = await socket.objects(4).catch((error: NodeJS.ErrnoException) => error.code);
      if (typeof read === 'string' || read === undefined) {
        assert.equal(read, 'DUMP_INTERRUPTED');
        continue;
      }
      const lasts = split(read, nftablesObjectSize)
        .filter((record) => record[1] === 5 && record[4] === 3 && record[64] === 10)
        .map((record) => record[67]!)
        .slice(-50);
      assert.equal(new Set(lasts).size, 1);
    }
    stop.abort();
    await churn;
    writer.close();
  }));
