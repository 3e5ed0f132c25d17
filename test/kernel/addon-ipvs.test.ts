/** The addon's IPVS socket on a real kernel, judged by ipvsadm. As root; fails where the kernel has no IPVS. */

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { after, test } from 'node:test';
import { type IpvsSocket, loadAddon } from '../../src/kernel/addon.ts';
import { runScript } from '../native/child.ts';
import { deleteNamespaces, inside, makeNamespace, savedServices } from '../native/namespace.ts';
import {
  concat,
  describeDestination,
  describeService,
  type IpvsFields,
  ipvsEntrySize,
  ipvsRecord,
  split,
} from '../native/record.ts';

const { EEXIST, EINVAL, ENOENT, EPERM, ESRCH } = constants.errno;
const addon = loadAddon();

after(deleteNamespaces);

async function withIpvs(body: (socket: IpvsSocket, name: string) => Promise<void>): Promise<void> {
  const name = makeNamespace();
  const socket = new addon.IpvsSocket({ netns: name });
  try {
    await body(socket, name);
  } finally {
    socket.close();
  }
}

async function apply(socket: IpvsSocket, ...ops: readonly IpvsFields[]): Promise<number[]> {
  return [...(await socket.apply(concat(ops.map(ipvsRecord)))).errnos];
}

const vip = [10, 96, 0, 1];
const six = (last: number): number[] => [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
const vip6 = six(1);
const [add, edit, remove] = [1, 2, 3];
const [tcp, udp, sctp] = [6, 17, 132];

test('services of both families and all protocols are added, edited and deleted', () =>
  withIpvs(async (socket, name) => {
    const services = [tcp, udp, sctp].flatMap((protocol) => [
      { protocol, address: vip, port: 80 },
      { protocol, address: vip6, family: 6, port: 443 },
    ]);
    const of = (verb: number, more: object) => services.map((service) => ({ ...service, ...more, verb }));
    assert.deepEqual(await apply(socket, ...of(add, {})), [0, 0, 0, 0, 0, 0]);
    const names = ['-t 10.96.0.1:80', '-t [fd00::1]:443', '-u 10.96.0.1:80', '-u [fd00::1]:443'];
    const all = [...names, '--sctp-service 10.96.0.1:80', '--sctp-service [fd00::1]:443'];
    assert.deepEqual(savedServices(name), all.map((service) => `-A ${service} -s rr`).toSorted());
    // persistence for an hour
    assert.deepEqual(
      await apply(socket, ...of(edit, { scheduler: 'wlc', flags: 1, timeout: 3600 })),
      [0, 0, 0, 0, 0, 0],
    );
    assert.deepEqual(savedServices(name), all.map((service) => `-A ${service} -s wlc -p 3600`).toSorted());
    assert.deepEqual(await apply(socket, ...of(remove, { scheduler: '' })), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(savedServices(name), []);
  }));

test('persistence granularity and scheduler flags are set as given', () =>
  withIpvs(async (socket, name) => {
    const netmask = new Uint32Array(new Uint8Array([255, 255, 255, 0]).buffer)[0]!;
    assert.deepEqual(
      await apply(
        socket,
        { address: vip, flags: 1, timeout: 100, netmask },
        { address: vip6, family: 6, flags: 1, timeout: 100, netmask: 64 },
        { address: vip, protocol: udp, scheduler: 'mh', flags: 0x18 },
        { address: vip, protocol: udp, port: 53, flags: 4 },
      ),
      [0, 0, 0, 0],
    );
    assert.deepEqual(savedServices(name), [
      '-A -t 10.96.0.1:80 -s rr -p 100 -M 255.255.255.0',
      '-A -t [fd00::1]:80 -s rr -p 100 -M 64',
      '-A -u 10.96.0.1:53 -s rr -o',
      '-A -u 10.96.0.1:80 -s mh -b mh-fallback,mh-port',
    ]);
  }));

test('destinations are added, edited and deleted, with every forwarding method', () =>
  withIpvs(async (socket, name) => {
    const to = (last: number, more: object = {}): IpvsFields => ({
      address: vip,
      destination: [10, 244, 0, last],
      destinationPort: 8080,
      ...more,
    });
    const mixed = { address: vip6, family: 6, destination: [10, 244, 0, 9], destinationFamily: 4, destinationPort: 80 };
    assert.deepEqual(
      await apply(
        socket,
        { address: vip },
        { address: vip6, family: 6 },
        to(1, { weight: 5 }),
        to(2, { forwarding: 2, destinationPort: 80, weight: 0 }),
        to(3, { forwarding: 3, destinationPort: 80, upperThreshold: 100 }),
        { address: vip6, family: 6, destination: six(9), destinationPort: 8080, weight: 65_535 },
        { ...mixed, forwarding: 2 },
      ),
      [0, 0, 0, 0, 0, 0, 0],
    );
    assert.deepEqual(savedServices(name), [
      '-A -t 10.96.0.1:80 -s rr',
      '-A -t [fd00::1]:80 -s rr',
      '-a -t 10.96.0.1:80 -r 10.244.0.1:8080 -m -w 5',
      '-a -t 10.96.0.1:80 -r 10.244.0.2:80 -i -w 0 --tun-type ipip',
      '-a -t 10.96.0.1:80 -r 10.244.0.3:80 -g -w 1',
      '-a -t [fd00::1]:80 -r 10.244.0.9:80 -i -w 1 --tun-type ipip',
      '-a -t [fd00::1]:80 -r [fd00::9]:8080 -m -w 65535',
    ]);
    assert.match(inside(name, 'ipvsadm', '-L', '-n', '--thresholds'), /10\.244\.0\.3:80 +100 /);
    assert.deepEqual(
      await apply(socket, to(1, { verb: edit, weight: 0 }), to(2, { verb: remove, destinationPort: 80 }), {
        ...mixed,
        verb: remove,
      }),
      [0, 0, 0],
    );
    assert.deepEqual(
      savedServices(name).filter((line) => line.startsWith('-a')),
      [
        '-a -t 10.96.0.1:80 -r 10.244.0.1:8080 -m -w 0',
        '-a -t 10.96.0.1:80 -r 10.244.0.3:80 -g -w 1',
        '-a -t [fd00::1]:80 -r [fd00::9]:8080 -m -w 65535',
      ],
    );
  }));

test('each operation fails for itself, and the others are done', () =>
  withIpvs(async (socket, name) => {
    const destination = { address: vip, destination: [10, 244, 0, 1], destinationPort: 8080 };
    const errnos = await apply(
      socket,
      { address: vip },
      { address: vip },
      { address: vip, verb: edit, scheduler: 'no-such' },
      { address: [10, 96, 0, 2], verb: edit },
      { address: [10, 96, 0, 2], verb: remove },
      { ...destination, address: [10, 96, 0, 2] },
      destination,
      destination,
      { ...destination, destinationPort: 81, verb: edit },
      { ...destination, destinationPort: 81, verb: remove },
      { address: [10, 96, 0, 3], scheduler: 'no-such' },
      { ...destination, destination: [224, 0, 0, 1] },
      { address: [10, 96, 0, 4] },
    );
    assert.deepEqual(errnos, [0, EEXIST, ENOENT, ESRCH, ESRCH, ESRCH, 0, EEXIST, ENOENT, ENOENT, ENOENT, EINVAL, 0]);
    assert.deepEqual(savedServices(name), [
      '-A -t 10.96.0.1:80 -s rr',
      '-A -t 10.96.0.4:80 -s rr',
      '-a -t 10.96.0.1:80 -r 10.244.0.1:8080 -m -w 1',
    ]);
  }));

test('an IPv6 service of prefix length 0 tells whether there is its scheduler, and changes nothing', () =>
  withIpvs(async (socket, name) => {
    const probe = (scheduler: string) => ({ address: vip6, family: 6, netmask: 0, scheduler });
    assert.deepEqual(await apply(socket, probe('rr'), probe('no-such'), probe('wlc')), [EINVAL, ENOENT, EINVAL]);
    assert.deepEqual(savedServices(name), []);
  }));

test('of 10 000 operations with a bad one in the middle exactly that one fails', () =>
  withIpvs(async (socket, name) => {
    const address = (i: number) => [10, 100, i >> 8, i & 255];
    const ops = Array.from({ length: 10_000 }, (_, i) => ({
      address: address(i),
      scheduler: i === 5000 ? 'bad' : 'rr',
    }));
    const failed = (errnos: readonly number[]) => errnos.flatMap((errno, i) => (errno === 0 ? [] : [[i, errno]]));
    assert.deepEqual(failed(await apply(socket, ...ops)), [[5000, ENOENT]]);
    assert.equal(savedServices(name).length, 9999);
    // and the receive buffer holds the answers when all of them fail
    const again = await apply(socket, ...ops);
    assert.deepEqual(new Set(again.filter((_, i) => i !== 5000)), new Set([EEXIST]));
    assert.deepEqual(failed(await apply(socket, ...ops.map((op) => ({ ...op, verb: remove })))), [[5000, ESRCH]]);
    assert.deepEqual(savedServices(name), []);
  }));

test('what ipvsadm made is read, services by fwmark included', () =>
  withIpvs(async (socket, name) => {
    for (const line of [
      '-A -t 10.96.0.1:443 -s wrr -p 10800',
      '-a -t 10.96.0.1:443 -r 10.244.1.7:6443 -m -w 3',
      '-a -t 10.96.0.1:443 -r 10.244.1.8:443 -g -w 0',
      '-A -u [fd00::1]:53 -s sh',
      '-a -u [fd00::1]:53 -r [fd00::9]:5353 -m -w 1',
      '-A -f 5 -s rr',
      '-a -f 5 -r 10.244.1.7:80 -m -w 1',
    ]) {
      inside(name, 'ipvsadm', ...line.split(' '));
    }
    const services = new Map<string, Uint8Array>();
    for (const entry of split(await socket.services(), ipvsEntrySize)) services.set(describeService(entry), entry);
    assert.deepEqual([...services.keys()].toSorted(), [
      '10.96.0.1:443/6 wrr 10800',
      'fd00::1:53/17 sh 0',
      'mark 5 rr 0',
    ]);
    const keys = concat([
      ipvsRecord({ verb: 0, address: vip6, family: 6, protocol: udp, port: 53 }),
      ipvsRecord({ verb: 0, address: [10, 96, 0, 9] }),
      ipvsRecord({ verb: 0, address: vip, port: 443 }),
    ]);
    const { records, counts } = await socket.destinations(keys);
    assert.deepEqual([...counts], [1, 0, 2]);
    // the order within a service is the kernel's own
    const [first, ...rest] = split(records, ipvsEntrySize).map(describeDestination);
    assert.equal(first, 'fd00::1:53/17 fd00::9:5353 0 w1');
    assert.deepEqual(rest.toSorted(), ['10.96.0.1:443/6 10.244.1.7:6443 0 w3', '10.96.0.1:443/6 10.244.1.8:443 3 w0']);
    const found = await socket.service(keys);
    assert.deepEqual([...found.errnos], [0, ESRCH, 0]);
    assert.deepEqual(
      split(found.records, ipvsEntrySize).map((entry) => (entry[1] === 0 ? 'none' : describeService(entry))),
      ['fd00::1:53/17 sh 0', 'none', '10.96.0.1:443/6 wrr 10800'],
    );
  }));

test('version and timeouts are read, and timeouts set', () =>
  withIpvs(async (socket, name) => {
    const { version, connectionTableSize } = await socket.info();
    assert.equal(version, 0x010201);
    assert.ok(connectionTableSize >= 256);
    assert.deepEqual(await socket.timeouts(), { tcp: 900, tcpFin: 120, udp: 300 });
    assert.equal(await socket.setTimeouts({ tcp: 1000, tcpFin: 0, udp: 30 }), undefined);
    assert.deepEqual(await socket.timeouts(), { tcp: 1000, tcpFin: 120, udp: 30 });
    assert.match(inside(name, 'ipvsadm', '-L', '--timeout'), /1000 120 30/);
  }));

test('a namespace of its own is all a socket sees and changes', async () => {
  await withIpvs((socket, name) =>
    withIpvs(async (other, otherName) => {
      assert.deepEqual(await apply(socket, { address: vip }), [0]);
      assert.equal((await other.services()).length, 0);
      assert.deepEqual([savedServices(name).length, savedServices(otherName).length], [1, 0]);
      const byPath = new addon.IpvsSocket({ netns: `/run/netns/${name}` });
      assert.equal((await byPath.services()).length, ipvsEntrySize);
      byPath.close();
    }),
  );
});

test('without CAP_NET_ADMIN in the first user namespace, everything is EPERM and says so', () => {
  const { stdout, stderr } = runScript(
    `
    const socket = new addon.IpvsSocket();
    const code = (promise) => promise.then(() => 'done', (error) => error.code);
    const { errnos } = await socket.apply(ipvsRecord());
    console.log(JSON.stringify([[...errnos], await code(socket.services()), await code(socket.info())]));`,
    { through: ['unshare', '--user', '--map-root-user', '--net'] },
  );
  assert.equal(stdout.trim(), `[[${EPERM}],"EPERM","EPERM"]`, stderr);
});
