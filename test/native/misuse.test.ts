/** Whatever JavaScript hands in: a clear TypeError or RangeError that names the parameter, thrown at once; never a crash. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { concat, ipvsRecord, routeRecord } from './record.ts';

const addon = loadAddon();
type UntypedClass = (new (...args: unknown[]) => object) & { readonly prototype: object };
const { IpvsSocket, RouteSocket, AddressMonitor } = addon as unknown as Record<keyof typeof addon, UntypedClass>;

function call(target: object, method: string, ...args: unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, method) as () => unknown, target, args);
}

function throws(what: () => unknown, name: 'TypeError' | 'RangeError', message: string | RegExp): void {
  assert.throws(what, { name, message });
}

test('options that are no options are refused by name', () => {
  const wrong: [unknown, 'TypeError' | 'RangeError', string | RegExp][] = [
    [null, 'TypeError', 'options must be an object'],
    [1, 'TypeError', 'options must be an object'],
    ['node', 'TypeError', 'options must be an object'],
    [{ netns: 1 }, 'TypeError', 'options.netns must be a string'],
    [{ netns: null }, 'TypeError', 'options.netns must be a string'],
    [{ netns: '' }, 'RangeError', /^options\.netns must be a name/],
    [{ netns: 'a/b' }, 'RangeError', /^options\.netns must be a name/],
    [{ netns: '../init' }, 'RangeError', /^options\.netns must be a name/],
    [{ netns: '..' }, 'RangeError', /^options\.netns must be a name/],
    [{ netns: 'a\0b' }, 'RangeError', /^options\.netns must be a name/],
    [{ netns: 'x'.repeat(10_000) }, 'RangeError', /^options\.netns must be a name/],
    [{ fd: '3' }, 'TypeError', 'options.fd must be a number'],
    [{ fd: -1 }, 'RangeError', /^options\.fd must be an integer from 0/],
    [{ fd: 2 ** 31 }, 'RangeError', /^options\.fd must be an integer/],
    [{ fd: 1.5 }, 'RangeError', /^options\.fd must be an integer/],
    [{ fd: 0, netns: 'x' }, 'TypeError', 'options.fd and options.netns exclude each other'],
    [{ timeoutMs: 0 }, 'RangeError', /^options\.timeoutMs must be an integer from 1/],
    [{ timeoutMs: Number.NaN }, 'RangeError', /^options\.timeoutMs must be an integer/],
    [{ timeoutMs: Infinity }, 'RangeError', /^options\.timeoutMs must be an integer/],
    [{ timeoutMs: 10n }, 'TypeError', 'options.timeoutMs must be a number'],
  ];
  for (const [options, name, message] of wrong) {
    throws(() => new IpvsSocket(options), name, message);
    throws(() => new RouteSocket(options), name, message);
    throws(() => new AddressMonitor(options, () => {}), name, message);
  }
});

test('an option whose getter throws passes that on', () => {
  const options = {
    get netns(): string {
      throw new Error('mine');
    },
  };
  assert.throws(() => new IpvsSocket(options), { message: 'mine' });
});

test('a namespace that is not there, and a descriptor that is none, say which call failed', () => {
  const wrong: [object, string, string][] = [
    [{ netns: 'no-such-namespace' }, 'ENOENT', 'open'],
    [{ netns: '/no/such/path' }, 'ENOENT', 'open'],
    [{ netns: '/proc/self/status' }, 'EINVAL', 'setns'],
    [{ fd: 999_999 }, 'EBADF', 'fcntl'],
  ];
  for (const [options, code, syscall] of wrong) assert.throws(() => new IpvsSocket(options), { code, syscall });
});

test('classes are not functions', () => {
  for (const Class of [IpvsSocket, RouteSocket, AddressMonitor]) {
    throws(() => Reflect.apply(Class, undefined, []), 'TypeError', /call it with new/);
    throws(() => Reflect.apply(Class, {}, []), 'TypeError', /call it with new/);
  }
});

test('a monitor without a function to call is refused', () => {
  for (const listener of [undefined, null, {}, 'f']) {
    throws(() => new AddressMonitor({}, listener), 'TypeError', 'onEvent must be a function');
  }
});

test('methods refuse every receiver that is not their own', () => {
  const ipvs = new IpvsSocket();
  const route = new RouteSocket();
  const monitor = new AddressMonitor({}, () => {});
  const own = new Map<object, object>([
    [IpvsSocket.prototype, ipvs],
    [RouteSocket.prototype, route],
    [AddressMonitor.prototype, monitor],
  ]);
  const foreign = [undefined, null, 1, 'x', {}, [], () => {}, new Proxy(ipvs, {}), Object.create(ipvs), globalThis];
  for (const [prototype, mine] of own) {
    const others = [...own.values()].filter((object) => object !== mine);
    for (const method of Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor')) {
      const body = Reflect.get(prototype, method) as () => unknown;
      for (const receiver of [...foreign, ...others, prototype, Object.create(prototype)]) {
        assert.throws(() => Reflect.apply(body, receiver, [new Uint8Array(0)]), { name: 'TypeError' }, method);
      }
    }
  }
  for (const object of own.values()) call(object, 'close');
});

test('records must be whole, in a Uint8Array that has its memory', () => {
  const ipvs = new IpvsSocket();
  const route = new RouteSocket();
  const methods: [object, string, string, number][] = [
    [ipvs, 'apply', 'ops', 80],
    [ipvs, 'service', 'ops', 80],
    [ipvs, 'destinations', 'services', 80],
    [route, 'apply', 'ops', 72],
  ];
  for (const [socket, method, name, size] of methods) {
    for (const value of [
      undefined,
      null,
      1,
      'x',
      {},
      [],
      new ArrayBuffer(size),
      new Int8Array(size),
      new Uint32Array(size),
      new DataView(new ArrayBuffer(size)),
      new Uint8ClampedArray(size),
    ]) {
      throws(() => call(socket, method, value), 'TypeError', `${name} must be a Uint8Array`);
    }
    for (const length of [1, size - 1, size + 1]) {
      const message = `${name} must hold whole records of ${size} bytes; it has ${length} bytes`;
      throws(() => call(socket, method, new Uint8Array(length)), 'TypeError', message);
    }
    const detached = new Uint8Array(size);
    structuredClone(detached, { transfer: [detached.buffer] });
    throws(() => call(socket, method, detached), 'TypeError', `${name} must not be detached`);
  }
  call(ipvs, 'close');
  call(route, 'close');
});

test('an IPVS record with an impossible field is refused, naming record, field and value', () => {
  const socket = new IpvsSocket();
  const wrong: [Uint8Array, string][] = [
    [ipvsRecord({ verb: 0 }), 'ops[1].verb is 0; it must be 1 (add), 2 (edit) or 3 (delete)'],
    [ipvsRecord({ kind: 3 }), 'ops[1].kind is 3; it must be 1 (service) or 2 (destination)'],
    [ipvsRecord({ family: 7 }), 'ops[1].family is 7; it must be 4 or 6'],
    [ipvsRecord({ protocol: 1 }), 'ops[1].protocol is 1; it must be 6 (TCP), 17 (UDP) or 132 (SCTP)'],
    [
      ipvsRecord({ scheduler: '' }),
      'ops[1].scheduler is empty or not terminated; it must be 1 to 15 characters, padded with NUL',
    ],
    [
      ipvsRecord({ scheduler: 'x'.repeat(16) }),
      'ops[1].scheduler is empty or not terminated; it must be 1 to 15 characters, padded with NUL',
    ],
    [
      ipvsRecord({ destination: [1], forwarding: 5 }),
      'ops[1].forwarding is 5; it must be 0 to 4 (an IP_VS_CONN_F_ method)',
    ],
    [
      ipvsRecord({ destination: [1], destinationFamily: 9 }),
      "ops[1].destination family is 9; it must be 4, 6 or 0 (the service's)",
    ],
  ];
  for (const [bytes, message] of wrong)
    throws(() => call(socket, 'apply', concat([ipvsRecord(), bytes])), 'RangeError', message);
  throws(
    () => call(socket, 'service', ipvsRecord({ destination: [1] })),
    'RangeError',
    'ops[0].kind is 2; it must be 1 (service)',
  );
  throws(
    () => call(socket, 'destinations', ipvsRecord({ family: 5 })),
    'RangeError',
    'services[0].family is 5; it must be 4 or 6',
  );
  call(socket, 'close');
});

test('a route record with an impossible field is refused, naming record, field and value', () => {
  const socket = new RouteSocket();
  const wrong: [Uint8Array, RegExp][] = [
    [routeRecord({ kind: 'address', verb: 2, device: 1 }), /^ops\[0\]\.verb is 2;/],
    [routeRecord({ kind: 'link', family: 4, name: 'x' }), /^ops\[0\]\.family is 4;/],
    [routeRecord({ kind: 'link' }), /^ops\[0\]\.name is empty or not terminated;/],
    [routeRecord({ kind: 'link', name: 'x'.repeat(16) }), /^ops\[0\]\.name is empty or not terminated;/],
    [routeRecord({ kind: 'address', family: 0 }), /^ops\[0\]\.family is 0;/],
    [routeRecord({ kind: 'address', prefix: 33, device: 1 }), /^ops\[0\]\.prefix length is 33;/],
    [routeRecord({ kind: 'route', family: 6, prefix: 129, device: 1 }), /^ops\[0\]\.prefix length is 129;/],
    [routeRecord({ kind: 'address' }), /^ops\[0\]\.device is 0;/],
    [routeRecord({ kind: 'address', device: 2 ** 31 }), /^ops\[0\]\.device is 2147483648;/],
  ];
  for (const [bytes, message] of wrong) throws(() => call(socket, 'apply', bytes), 'RangeError', message);
  call(socket, 'close');
});

test('numbers are checked for kind and range', () => {
  const ipvs = new IpvsSocket();
  const route = new RouteSocket();
  for (const method of ['addresses', 'localRoutes']) {
    for (const value of [undefined, null, '1', {}])
      throws(() => call(route, method, value), 'TypeError', 'ifindex must be a number');
    for (const value of [-1, 0.5, Number.NaN, 2 ** 31, -Infinity])
      throws(() => call(route, method, value), 'RangeError', /^ifindex must be an integer from 0/);
  }
  throws(() => call(ipvs, 'setTimeouts'), 'TypeError', 'timeouts must be an object');
  throws(() => call(ipvs, 'setTimeouts', { tcp: 1, udp: 1 }), 'TypeError', 'timeouts.tcpFin must be a number');
  throws(
    () => call(ipvs, 'setTimeouts', { tcp: 1, tcpFin: 1, udp: -1 }),
    'RangeError',
    /^timeouts\.udp must be an integer/,
  );
  call(ipvs, 'close');
  call(route, 'close');
});
