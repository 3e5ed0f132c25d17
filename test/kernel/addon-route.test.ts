/** The addon's route socket and monitor on a real kernel, judged by ip. As root; fails where the kernel has no dummy devices. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { after, test } from 'node:test';
import { type Address, addressBytes } from '../../src/model/address.ts';
import { loadAddon, type MonitorEvent, type RouteSocket } from '../../src/kernel/addon.ts';
import {
  deleteNamespaces,
  ip,
  makeNamespace,
  shownAddresses,
  shownDevice,
  shownLocalRoutes,
} from '../native/namespace.ts';
import { addressAt, concat, type RouteFields, routeRecord, routeRecordSize, split } from '../native/record.ts';

const { EADDRNOTAVAIL, EEXIST, EINVAL, ENETDOWN, ENODEV, ENOENT, ESRCH } = constants.errno;
const addon = loadAddon();

after(deleteNamespaces);

/** With a device kube-ipvs0 of the given index. */
async function withDevice(body: (socket: RouteSocket, device: number, name: string) => Promise<void>): Promise<void> {
  const name = makeNamespace();
  const socket = new addon.RouteSocket({ netns: name });
  try {
    assert.deepEqual(await route(socket, { kind: 'link', name: 'kube-ipvs0' }), [0]);
    const link = (await socket.links()).find((one) => one.name === 'kube-ipvs0');
    assert.ok(link !== undefined);
    await body(socket, link.index, name);
  } finally {
    socket.close();
  }
}

async function route(socket: RouteSocket, ...ops: readonly RouteFields[]): Promise<number[]> {
  return [...(await socket.apply(concat(ops.map(routeRecord)))).errnos];
}

const vip = [10, 96, 0, 1];
const vip6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const [edit, remove] = [2, 3];

test('a dummy device is added down, found, set up, and deleted', () =>
  withDevice(async (socket, device, name) => {
    assert.deepEqual(await route(socket, { kind: 'link', name: 'kube-ipvs0' }), [EEXIST]);
    const link = () => socket.links().then((links) => links.find(({ index }) => index === device));
    assert.deepEqual(await link(), { index: device, name: 'kube-ipvs0', kind: 'dummy', up: false, loopback: false });
    const shown = shownDevice(name, 'kube-ipvs0');
    assert.equal(shown.ifindex, device);
    assert.ok(!shown.flags.includes('UP'));
    const change = (linkChange: number) => ({ kind: 'link', verb: edit, name: 'kube-ipvs0', linkChange }) as const;
    assert.deepEqual(await route(socket, change(1), change(2)), [0, 0]);
    assert.equal((await link())?.up, true);
    assert.ok(shownDevice(name, 'kube-ipvs0').flags.includes('UP'));
    assert.deepEqual(shownAddresses(name, 'kube-ipvs0'), [], 'no link-local address of its own');
    assert.deepEqual(await route(socket, { kind: 'link', verb: remove, name: 'kube-ipvs0' }), [0]);
    assert.deepEqual(await route(socket, { kind: 'link', verb: remove, name: 'kube-ipvs0' }), [ENODEV]);
    assert.equal(await link(), undefined);
  }));

test('addresses of both families are bound and unbound on a device that is down', () =>
  withDevice(async (socket, device, name) => {
    const four = { kind: 'address', device, address: vip } as const;
    const sixth = { kind: 'address', device, family: 6, address: vip6 } as const;
    assert.deepEqual(await route(socket, four, sixth, four, sixth), [0, 0, EEXIST, EEXIST]);
    assert.deepEqual(shownAddresses(name, 'kube-ipvs0'), ['10.96.0.1/32 global', 'fd00::1/128 global']);
    const [record] = split(await socket.addresses(device), routeRecordSize);
    assert.deepEqual([record![1], record![2], record![3], addressAt(record!, 16, 4)], [2, 4, 32, '10.96.0.1']);
    assert.equal((await socket.addresses(device)).length, 2 * routeRecordSize);
    assert.deepEqual(
      await route(
        socket,
        { ...four, verb: remove },
        { ...sixth, verb: remove },
        { ...four, verb: remove },
        { ...sixth, verb: remove },
      ),
      [0, 0, EADDRNOTAVAIL, EADDRNOTAVAIL],
    );
    assert.deepEqual(shownAddresses(name, 'kube-ipvs0'), []);
  }));

test('10 000 addresses are bound and read back', () =>
  withDevice(async (socket, device, name) => {
    const addresses = Array.from({ length: 10_000 }, (_, i) => [10, 98, i >> 8, i & 255]);
    const errnos = await route(socket, ...addresses.map((address) => ({ kind: 'address', device, address }) as const));
    assert.deepEqual(new Set(errnos), new Set([0]));
    const found = split(await socket.addresses(device), routeRecordSize).map(
      (record) => `${addressAt(record, 16, 4)}/${record[3]} global`,
    );
    assert.deepEqual(found.toSorted(), shownAddresses(name, 'kube-ipvs0'));
    assert.equal(found.length, 10_000);
    assert.deepEqual(await route(socket, { kind: 'link', verb: remove, name: 'kube-ipvs0' }), [0]);
  }));

test('IPv4 local routes lie over a device that is down, beside the route of an address', () =>
  withDevice(async (socket, device, name) => {
    const range = { kind: 'route', device, address: [10, 97], prefix: 16 } as const;
    const single = { kind: 'route', device, address: vip } as const;
    assert.deepEqual(await route(socket, { kind: 'address', device, address: vip }, range, single, single), [
      0,
      0,
      0,
      EEXIST,
    ]);
    assert.deepEqual(shownLocalRoutes(name, '-4', 'kube-ipvs0'), [
      '10.96.0.1 kernel',
      '10.96.0.1 static',
      '10.97.0.0/16 static',
    ]);
    const read = split(await socket.localRoutes(device), routeRecordSize);
    assert.deepEqual(read.map((record) => `${addressAt(record, 16, 4)}/${record[3]} ${record[9]}`).toSorted(), [
      '10.96.0.1/32 2',
      '10.96.0.1/32 4',
      '10.97.0.0/16 4',
    ]);
    assert.deepEqual(await route(socket, { ...single, verb: remove }, { ...single, verb: remove }), [0, ESRCH]);
    assert.deepEqual(shownLocalRoutes(name, '-4', 'kube-ipvs0'), ['10.96.0.1 kernel', '10.97.0.0/16 static']);
  }));

test('the last IPv4 address of a device takes the IPv4 routes over it along', () =>
  withDevice(async (socket, device, name) => {
    const address = { kind: 'address', device, address: vip } as const;
    await route(socket, { kind: 'route', device, address: [10, 97], prefix: 16 });
    assert.deepEqual(shownLocalRoutes(name, '-4', 'kube-ipvs0'), ['10.97.0.0/16 static']);
    assert.deepEqual(await route(socket, address, { ...address, verb: remove }), [0, 0]);
    assert.deepEqual(shownLocalRoutes(name, '-4', 'kube-ipvs0'), []);
  }));

test('a preferred source must be an address of the node', () =>
  withDevice(async (socket, device, name) => {
    const range = {
      kind: 'route',
      device,
      address: [10, 97],
      prefix: 16,
      source: [192, 0, 2, 1],
      protocol: 99,
    } as const;
    const { errnos, texts } = await socket.apply(routeRecord(range));
    assert.deepEqual([[...errnos], texts.map(({ index }) => index)], [[EINVAL], [0]]);
    assert.match(texts[0]!.text, /prefsrc/);
    ip('-n', name, 'address', 'add', '192.0.2.1/24', 'dev', 'lo');
    assert.deepEqual(await route(socket, range), [0]);
    const [record] = split(await socket.localRoutes(device), routeRecordSize);
    assert.deepEqual([addressAt(record!, 32, 4), record![9]], ['192.0.2.1', 99]);
    assert.deepEqual(await route(socket, { ...range, verb: remove, protocol: 4 }, { ...range, verb: remove }), [
      ESRCH,
      0,
    ]);
  }));

test('IPv6 local routes need a device that is up: lo, or ours once it is', () =>
  withDevice(async (socket, device, name) => {
    const range = { kind: 'route', family: 6, address: [0xfd, 1], prefix: 64 } as const;
    const { errnos, texts } = await socket.apply(routeRecord({ ...range, device }));
    assert.deepEqual([[...errnos], texts], [[ENETDOWN], [{ index: 0, text: 'Nexthop device is not up' }]]);
    assert.deepEqual(await route(socket, { ...range, device: 1 }), [0]);
    assert.deepEqual(shownLocalRoutes(name, '-6', 'lo'), ['::1 kernel', 'fd01::/64 static']);
    assert.deepEqual(await route(socket, { ...range, device: 1, verb: remove }), [0]);
    const change = (linkChange: number) => ({ kind: 'link', verb: edit, name: 'kube-ipvs0', linkChange }) as const;
    assert.deepEqual(await route(socket, change(1), change(2), { ...range, device }, { ...range, device }), [
      0,
      0,
      0,
      EEXIST,
    ]);
    assert.deepEqual(shownLocalRoutes(name, '-6', 'kube-ipvs0'), ['fd01::/64 static']);
    const read = split(await socket.localRoutes(device), routeRecordSize);
    assert.deepEqual(
      read.map((record) => `${addressAt(record, 16, 6)}/${record[3]}`),
      ['fd01::/64'],
    );
  }));

for (const { family, addresses, address, prefix } of [
  { family: 4, addresses: ['192.0.2.1', '192.0.2.2'], address: [10, 97], prefix: 16 },
  { family: 6, addresses: ['2001:db8::1', '2001:db8::2'], address: [0xfd, 1], prefix: 64 },
] as const) {
  test(`an IPv${family} route is given another preferred source in its place, and none is made where there is none`, () =>
    withDevice(async (socket, device, name) => {
      ip('-n', name, 'link', 'set', 'kube-ipvs0', 'up');
      for (const one of addresses) {
        ip('-n', name, 'address', 'add', one, 'dev', 'lo', ...(family === 6 ? ['nodad'] : []));
      }
      const range = (source: string) =>
        ({
          kind: 'route',
          family,
          device,
          address,
          prefix,
          source: [...addressBytes(source as Address)],
        }) as const;
      const sources = async () =>
        split(await socket.localRoutes(device), routeRecordSize)
          .filter((record) => record[2] === family && record[9] === 4)
          .map((record) => addressAt(record, 32, family));
      const [one, other] = addresses;
      assert.deepEqual(await route(socket, { ...range(one), verb: edit }), [ENOENT]);
      assert.deepEqual(await route(socket, range(one), { ...range(other), verb: edit }), [0, 0]);
      assert.deepEqual(await sources(), [other]);
    }));
}

test('a dump is whole or refused while the table changes under it', () =>
  withDevice(async (socket, device, name) => {
    const writer = new addon.RouteSocket({ netns: name });
    const addresses = (third: number) =>
      Array.from(
        { length: 1000 },
        (_, i) => ({ kind: 'address', device, address: [10, third, i >> 8, i & 255] }) as const,
      );
    await route(socket, ...addresses(1));
    const stop = new AbortController();
    const churn = (async () => {
      const more = addresses(2).slice(0, 200);
      while (!stop.signal.aborted) {
        await route(writer, ...more);
        await route(writer, ...more.map((op) => ({ ...op, verb: remove })));
      }
    })();
    for (let i = 0; i < 20; i++) {
      const read = await socket.addresses(device).catch((error: NodeJS.ErrnoException) => error.code);
      if (read instanceof Uint8Array) {
        assert.equal(split(read, routeRecordSize).filter((record) => record[17] === 1).length, 1000);
      } else {
        assert.equal(read, 'DUMP_INTERRUPTED');
      }
    }
    stop.abort();
    await churn;
    writer.close();
  }));

test('a monitor tells of devices and addresses as they come and go', async () => {
  const name = makeNamespace();
  const told: MonitorEvent[] = [];
  const monitor = new addon.AddressMonitor({ netns: name }, (events) => told.push(...events));
  const line = (event: MonitorEvent): string => {
    if (event.kind === 'overrun') return 'overrun';
    if (event.kind === 'link') return `${event.verb} ${event.name}`;
    return `${event.verb} ${addressAt(event.record, 16, event.record[2]!)}/${event.record[3]}`;
  };
  ip('-n', name, 'link', 'add', 'eth7', 'type', 'dummy');
  ip('-n', name, 'address', 'add', '192.0.2.7/24', 'dev', 'eth7');
  ip('-n', name, 'address', 'add', 'fd00::7/64', 'dev', 'eth7', 'nodad');
  ip('-n', name, 'address', 'delete', '192.0.2.7/24', 'dev', 'eth7');
  ip('-n', name, 'link', 'delete', 'eth7');
  const end = Date.now() + 120_000;
  while (!told.some((event) => line(event) === 'delete eth7') && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const heard = told.length;
  ip('-n', name, 'link', 'add', 'quiet', 'type', 'dummy');
  const { ifindex } = (JSON.parse(ip('-n', name, '-j', 'link', 'show', 'quiet')) as { readonly ifindex: number }[])[0]!;
  monitor.ignore(ifindex);
  ip('-n', name, 'address', 'add', '192.0.2.8/24', 'dev', 'quiet');
  ip('-n', name, 'address', 'add', '192.0.2.9/24', 'dev', 'lo');
  while (!told.slice(heard).some((event) => line(event) === 'add 192.0.2.9/24') && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const after = told.slice(heard).map(line);
  assert.ok(after.includes('add 192.0.2.9/24'), 'of other devices it goes on to tell');
  assert.ok(!after.includes('add 192.0.2.8/24'), 'of a device that it ignores it does not');
  monitor.close();
  const lines = told.map(line);
  const wanted = [
    'add eth7',
    'add 192.0.2.7/24',
    'add fd00::7/64',
    'delete 192.0.2.7/24',
    'delete fd00::7/64',
    'delete eth7',
  ];
  assert.deepEqual(
    [...new Set(lines)].filter((text) => wanted.includes(text)),
    wanted,
  );
  const count = told.length;
  ip('-n', name, 'link', 'add', 'eth8', 'type', 'dummy');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(told.length, count, 'a closed monitor is silent');
});
