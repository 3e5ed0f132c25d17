/** Sockets in workers, closed, collected, and at the end of a process with work under way. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { constants, networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { runScript } from './child.ts';
import { elementRecord, tableRecord } from './nftables-record.ts';
import { flowKey, flowRecord, ipvsRecord, routeRecord } from './record.ts';

const addon = loadAddon();

test('calls run in the order they were made, off the event loop', async () => {
  const route = new addon.RouteSocket();
  const order: string[] = [];
  await Promise.all([
    route.links().then(() => order.push('links')),
    route.addresses(0).then(() => order.push('addresses')),
    route.localRoutes(0).then(() => order.push('routes')),
    route.links().then(() => order.push('links again')),
  ]);
  assert.deepEqual(order, ['links', 'addresses', 'routes', 'links again']);
  route.close();
});

test('links and addresses are what the machine has', async () => {
  const route = new addon.RouteSocket();
  const links = await route.links();
  const shown = networkInterfaces();
  for (const name of Object.keys(shown)) assert.ok(links.some((link) => link.name === name && link.up));
  const lo = links.find(({ name }) => name === 'lo');
  assert.deepEqual({ ...lo, up: true }, { index: 1, name: 'lo', kind: '', up: true, loopback: true });
  const count = Object.values(shown).flat().length;
  const all = await route.addresses(0);
  assert.ok(all.length / 72 >= count);
  assert.equal((await route.otherAddresses(1)).length, all.length - (await route.addresses(1)).length);
  route.close();
});

test('a device that is not there is ENODEV', async () => {
  const route = new addon.RouteSocket();
  await assert.rejects(route.addresses(999_999), { code: 'ENODEV', syscall: 'RTM_GETADDR' });
  route.close();
});

test('after close every call is rejected with ERR_CLOSED; closing twice is fine', async () => {
  const ipvs = new addon.IpvsSocket();
  const route = new addon.RouteSocket();
  // over any descriptor: not every kernel has netfilter
  const conntrack = new addon.ConntrackSocket({ fd: 0 });
  const nftables = new addon.NftablesSocket({ table: 'kube-ipvs', fd: 0 });
  const sockets = [ipvs, route, conntrack, nftables];
  for (const socket of [...sockets, ...sockets]) socket.close();
  await assert.rejects(ipvs.apply(ipvsRecord()), { code: 'ERR_CLOSED' });
  await assert.rejects(ipvs.services(), { code: 'ERR_CLOSED' });
  await assert.rejects(ipvs.info(), { code: 'ERR_CLOSED' });
  await assert.rejects(route.links(), { code: 'ERR_CLOSED' });
  await assert.rejects(conntrack.flows(flowKey()), { code: 'ERR_CLOSED' });
  await assert.rejects(conntrack.delete(flowRecord()), { code: 'ERR_CLOSED' });
  await assert.rejects(route.apply(routeRecord({ kind: 'link', name: 'x' })), { code: 'ERR_CLOSED' });
  await assert.rejects(nftables.apply(tableRecord(4)), { code: 'ERR_CLOSED' });
  await assert.rejects(nftables.applyElements(elementRecord({ set: 's', key: [1] })), { code: 'ERR_CLOSED' });
  await assert.rejects(nftables.objects(4), { code: 'ERR_CLOSED' });
  await assert.rejects(nftables.elements(4, 's'), { code: 'ERR_CLOSED' });
});

test('closing lets the exchange under way end and rejects what waits behind it', async () => {
  const route = new addon.RouteSocket();
  const running = route.links();
  const waiting = [route.links(), route.addresses(0)];
  route.close();
  await Promise.all(waiting.map((promise) => assert.rejects(promise, { code: 'ERR_CLOSED' })));
  assert.ok((await running).length > 0);
});

test('records are copied when a call is made, not when it runs', () => {
  const { stdout, status } = runScript(
    `
    const socket = new addon.IpvsSocket({ fd: 3 });
    const ops = concat([ipvsRecord(), ipvsRecord({ destination: [10, 1, 0, 1], weight: 4242 }), ipvsRecord()]);
    const first = socket.info().catch(() => {});
    const answers = socket.apply(ops);
    ops.fill(255);
    await first;
    const { errnos, texts } = await answers;
    console.log(JSON.stringify([[...errnos], texts]));`,
    { mode: 'obedient' },
  );
  assert.deepEqual(JSON.parse(stdout), [[0, 34, 0], [{ index: 1, text: 'weight 4242 is not liked' }]]);
  assert.equal(status, 0);
});

test('a transaction is copied when it is asked for, and settled after those before it', () => {
  const { stdout, status, stderr } = runScript(
    `
    const socket = new addon.NftablesSocket({ fd: 3, table: 'kube-ipvs' });
    const objects = concat([tableRecord(4), ...ruleRecords(4, { chain: 'x' }, { kind: 8 }), chainRecord(4, { name: 'x' })]);
    const elements = concat(Array.from({ length: 10_000 }, (_, i) => elementRecord({ set: 's', key: [10, 0, i >> 8, i & 255] })));
    const order = [];
    const answers = [socket.apply(objects), socket.applyElements(elements), socket.apply(new Uint8Array(0))];
    for (const [i, answer] of answers.entries()) answer.then(() => order.push(i));
    objects.fill(255);
    elements.fill(255);
    const settled = await Promise.all(answers);
    console.log(JSON.stringify([settled.map(({ errnos }) => [errnos.length, ...new Set(errnos)]), order]));`,
    { mode: 'obedient' },
  );
  assert.deepEqual(
    JSON.parse(stdout),
    [
      [[4, 0], [10_000, 0], [0]],
      [0, 1, 2],
    ],
    stderr,
  );
  assert.equal(status, 0);
});

test('of 10 000 operations with a bad one in the middle exactly that one has an errno', () => {
  const { stdout } = runScript(
    `
    const socket = new addon.IpvsSocket({ fd: 3 });
    const ops = Array.from({ length: 10_000 }, (_, i) =>
      ipvsRecord({ destination: [10, 1, i >> 8, i & 255], weight: i === 5000 ? 4242 : 1 }));
    const { errnos, texts, nanoseconds } = await socket.apply(concat(ops));
    console.log(JSON.stringify([errnos.length, [...errnos].flatMap((errno, i) => errno === 0 ? [] : [[i, errno]]), texts, nanoseconds > 0]));`,
    { mode: 'obedient' },
  );
  assert.deepEqual(JSON.parse(stdout), [
    10_000,
    [[5000, 34]],
    [{ index: 5000, text: 'weight 4242 is not liked' }],
    true,
  ]);
});

test('a resizable or shared buffer is read as far as it goes', () => {
  const { stdout } = runScript(
    `
    const socket = new addon.IpvsSocket({ fd: 3 });
    const shared = new Uint8Array(new SharedArrayBuffer(160));
    shared.set(concat([ipvsRecord(), ipvsRecord()]));
    const buffer = new ArrayBuffer(160, { maxByteLength: 320 });
    const tracking = new Uint8Array(buffer);
    tracking.set(shared);
    buffer.resize(80);
    const offset = new Uint8Array(400).subarray(7, 87);
    offset.set(ipvsRecord());
    const lengths = [];
    for (const ops of [shared, tracking, offset, Buffer.from(ipvsRecord()), new Uint8Array(0)]) lengths.push((await socket.apply(ops)).errnos.length);
    console.log(lengths.join());`,
    { mode: 'obedient' },
  );
  assert.equal(stdout.trim(), '2,1,1,1,0');
});

test('flows are looked for and deleted over a scripted kernel, in the order asked', () => {
  const { stdout, stderr } = runScript(
    `
    const socket = new addon.ConntrackSocket({ fd: 3 });
    const order = [];
    const found = socket.flows(flowKey()).then((flows) => { order.push('flows'); return flows; });
    const { errnos } = await socket.delete(concat([flowRecord(), flowRecord({ id: 7 })])).finally(() => order.push('delete'));
    console.log(JSON.stringify([order, (await found).length, [...errnos]]));`,
    { mode: 'obedient' },
  );
  assert.equal(stdout.trim(), '[["flows","delete"],0,[0,0]]', stderr);
});

test('settings are read as they are, each for itself', async () => {
  const names = ['net/ipv4/ip_forward', 'net/no/such', 'net/ipv4'];
  const settings = await addon.readSettings(names);
  const shown = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
  assert.deepEqual(settings, [
    { value: shown, writable: true, errno: 0 },
    { value: undefined, writable: false, errno: constants.errno.ENOENT },
    { value: undefined, writable: false, errno: constants.errno.EISDIR },
  ]);
  assert.deepEqual(await addon.readSettings([]), []);
});

test('a setting that cannot be written, and a namespace that is not there, say which call failed', async () => {
  const wrong: [Promise<unknown>, string, string][] = [
    [addon.writeSetting('net/no/such', '1'), 'ENOENT', 'open'],
    [addon.writeSetting('net/ipv4/ip_forward', '1', 'no-such-namespace'), 'ENOENT', 'open'],
    [addon.readSettings(['net/ipv4/ip_forward'], '/proc/self/status'), 'EINVAL', 'setns'],
  ];
  await Promise.all(wrong.map(([promise, code, syscall]) => assert.rejects(promise, { code, syscall })));
});

test('many settings are read at once, and their process may end meanwhile', () => {
  const reads = `Array.from({ length: 100 }, () => addon.readSettings(['net/ipv4/ip_forward', 'net/ipv4/ip_default_ttl']))`;
  const whole = runScript(`
    const all = await Promise.all(${reads});
    console.log(all.every((settings) => settings.every(({ errno }) => errno === 0)));`);
  assert.equal(whole.stdout.trim(), 'true', whole.stderr);
  const cut = runScript(`${reads}; process.exit(7);`);
  assert.deepEqual([cut.status, cut.signal], [7, null], cut.stderr);
});

test('a worker may be terminated while it reads settings and looks for flows', () => {
  const { stdout, stderr, status } = runScript(`
    const body = \`
      const read = () => { addon.readSettings(['net/ipv4/ip_forward']).then(read, () => {}); };
      for (let i = 0; i < 10; i++) read();
      const socket = new addon.ConntrackSocket({ fd: 0, timeoutMs: 5 });
      const look = () => { socket.flows(flowKey()).then(look, look); };
      look();
      parentPort.postMessage('busy');\`;
    let ended = 0;
    for (let i = 0; i < 10; i++) {
      const worker = work(body);
      await new Promise((done) => worker.once('message', done));
      if (i % 2) await new Promise((done) => setTimeout(done, i));
      await worker.terminate();
      ended++;
    }
    console.log(ended);`);
  assert.equal(stdout.trim(), '10', stderr);
  assert.equal(status, 0);
});

test('sockets work in many workers at once', () => {
  const { stdout, stderr, status } = runScript(`
    const body = \`
      const route = new addon.RouteSocket();
      const monitor = new addon.AddressMonitor({}, () => {});
      for (let i = 0; i < 50; i++) await Promise.all([route.links(), route.addresses(0)]);
      parentPort.postMessage((await route.links()).length);\`;
    const counts = await Promise.all(Array.from({ length: 8 }, () => new Promise((done, failed) => {
      const worker = work(body);
      let count;
      worker.on('message', (value) => { count = value; });
      worker.on('error', failed);
      worker.on('exit', () => done(count));
    })));
    const links = (await new addon.RouteSocket().links()).length;
    console.log(counts.every((count) => count === links));`);
  assert.equal(stdout.trim(), 'true', stderr);
  assert.equal(status, 0);
});

test('a worker may be terminated with work under way and waiting, and with an open monitor', () => {
  const { stdout, stderr, status } = runScript(`
    const body = \`
      const sockets = Array.from({ length: 4 }, () => new addon.RouteSocket());
      const monitor = new addon.AddressMonitor({}, () => {});
      monitor.ref();
      const nftables = new addon.NftablesSocket({ table: 'x' });
      const elements = concat(Array.from({ length: 10_000 }, () => elementRecord({ set: 'none', key: [1] })));
      for (let i = 0; i < 20; i++) nftables.applyElements(elements).catch(() => {});
      for (const socket of sockets) {
        const again = () => { socket.localRoutes(0).then(again, () => {}); };
        again();
        for (let i = 0; i < 20; i++) socket.links();
      }
      parentPort.postMessage('busy');\`;
    let ended = 0;
    for (let i = 0; i < 20; i++) {
      const worker = work(body);
      await new Promise((done) => worker.once('message', done));
      if (i % 2) await new Promise((done) => setTimeout(done, i));
      await worker.terminate();
      ended++;
    }
    console.log(ended);`);
  assert.equal(stdout.trim(), '20', stderr);
  assert.equal(status, 0);
});

test('process.exit with work under way and a monitor open ends the process with its status', () => {
  for (const script of [
    `const route = new addon.RouteSocket(); for (let i = 0; i < 50; i++) route.localRoutes(0); process.exit(7);`,
    `const route = new addon.RouteSocket(); route.links(); new addon.AddressMonitor({}, () => {}).ref(); setImmediate(() => process.exit(7));`,
    `new addon.IpvsSocket(); new addon.AddressMonitor({}, () => {}); process.exitCode = 7;`,
    `const nftables = new addon.NftablesSocket({ table: 'x' }); for (let i = 0; i < 50; i++) nftables.objects(4).catch(() => {}); process.exit(7);`,
    `const route = new addon.RouteSocket(); route.links().then(() => process.exit(7));`,
  ]) {
    const { status, signal, stderr } = runScript(script);
    assert.deepEqual([status, signal], [7, null], stderr);
  }
});

test('process.exit does not wait longer for a silent kernel than its time-out', () => {
  const ended = runScript(
    `const socket = new addon.IpvsSocket({ fd: 3, timeoutMs: 500 }); socket.info(); setTimeout(() => process.exit(7), 50);`,
    { mode: 'silent' },
  );
  assert.equal(ended.status, 7);
  assert.ok(ended.milliseconds < 10_000);
});

test('a socket nobody holds any more still answers, and then gives its descriptor back', () => {
  const { stdout, stderr } = runScript(
    `
    const { readdirSync } = await import('node:fs');
    const open = () => readdirSync('/proc/self/fd').length;
    const settled = async () => { for (let i = 0; i < 20; i++) { gc(); await new Promise((done) => setImmediate(done)); } };
    await new addon.RouteSocket().links();
    await settled();
    const before = open();
    const answers = Array.from({ length: 50 }, () => {
      const socket = new addon.RouteSocket();
      socket.links();
      return socket.links();
    });
    const during = open();
    gc();
    const links = await Promise.all(answers);
    await settled();
    console.log(JSON.stringify([during - before >= 50, links.every((list) => list.length > 0), open() <= before]));`,
    { flags: ['--expose-gc'] },
  );
  assert.equal(stdout.trim(), '[true,true,true]', stderr);
});

test('a `then` on Object.prototype that closes the socket does no harm', () => {
  const { stdout, status } = runScript(`
    const socket = new addon.RouteSocket();
    const results = [socket.links(), socket.links(), socket.links()];
    let calls = 0;
    Object.defineProperty(Object.prototype, 'then', { configurable: true, get() { if (calls++ < 50) { socket.close(); socket.links().catch(() => {}); } return undefined; } });
    const settled = await Promise.allSettled(results);
    delete Object.prototype.then;
    console.log(settled[0].status, settled[2].status, settled[2].reason.code);`);
  assert.equal(stdout.trim(), 'fulfilled rejected ERR_CLOSED');
  assert.equal(status, 0);
});
