/** Whatever JavaScript hands in: a clear TypeError or RangeError that names the parameter, thrown at once; never a crash. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { chainRecord, elementRecord, ruleRecords, setRecord, step, tableRecord } from './nftables-record.ts';
import { concat, flowKey, flowRecord, ipvsRecord, routeRecord } from './record.ts';

const addon = loadAddon();
type UntypedClass = (new (...args: unknown[]) => object) & { readonly prototype: object };
const { IpvsSocket, RouteSocket, NftablesSocket, ConntrackSocket, AddressMonitor } = addon as unknown as Record<
  keyof typeof addon,
  UntypedClass
>;

function call(target: object, method: string, ...args: unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, method) as () => unknown, target, args);
}

/** A socket over any descriptor there is: not every kernel has netfilter. */
function scriptless(): object {
  return new ConntrackSocket({ fd: 0 });
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
    throws(() => new ConntrackSocket(options), name, message);
    throws(() => new NftablesSocket(withTable(options)), name, message);
    throws(() => new AddressMonitor(options, () => {}), name, message);
  }
});

/** Options that are no object stay what they are. */
function withTable(options: unknown): unknown {
  return typeof options === 'object' && options !== null ? { table: 'kube-ipvs', ...options } : options;
}

test('a table must be named, as it may be in records', () => {
  const bytes = 'options.table must be 1 to 31 bytes, none of them NUL';
  throws(() => new NftablesSocket(), 'TypeError', 'options must be an object');
  for (const table of [undefined, null, 1, {}]) {
    throws(() => new NftablesSocket({ table }), 'TypeError', 'options.table must be a string');
  }
  for (const table of ['', 'a\0b']) throws(() => new NftablesSocket({ table }), 'RangeError', bytes);
  for (const table of ['x'.repeat(32), 'é'.repeat(16)]) {
    throws(() => new NftablesSocket({ table }), 'RangeError', 'options.table must be at most 31 bytes long');
  }
  const throwing = {
    get table(): string {
      throw new Error('mine');
    },
  };
  assert.throws(() => new NftablesSocket(throwing), { message: 'mine' });
  call(new NftablesSocket({ table: 'x'.repeat(31) }), 'close');
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
  for (const Class of [IpvsSocket, RouteSocket, NftablesSocket, ConntrackSocket, AddressMonitor]) {
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
  const conntrack = scriptless();
  const nftables = new NftablesSocket({ table: 'kube-ipvs' });
  const monitor = new AddressMonitor({}, () => {});
  const own = new Map<object, object>([
    [IpvsSocket.prototype, ipvs],
    [RouteSocket.prototype, route],
    [ConntrackSocket.prototype, conntrack],
    [NftablesSocket.prototype, nftables],
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
  const conntrack = scriptless();
  const nftables = new NftablesSocket({ table: 'kube-ipvs' });
  const methods: [object, string, string, number][] = [
    [ipvs, 'apply', 'ops', 80],
    [ipvs, 'service', 'ops', 80],
    [ipvs, 'destinations', 'services', 80],
    [route, 'apply', 'ops', 72],
    [conntrack, 'flows', 'keys', 24],
    [conntrack, 'delete', 'flows', 96],
    [nftables, 'apply', 'objects', 128],
    [nftables, 'applyElements', 'elements', 136],
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
  for (const socket of [ipvs, route, nftables, conntrack]) call(socket, 'close');
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

test('a flow key or flow with an impossible field is refused, naming record, field and value', () => {
  const socket = scriptless();
  const wrong: [string, Uint8Array, string][] = [
    ['flows', flowKey({ family: 2 }), 'keys[0].family is 2; it must be 4 or 6'],
    ['flows', flowKey({ protocol: 1 }), 'keys[0].protocol is 1; it must be 6 (TCP), 17 (UDP) or 132 (SCTP)'],
    [
      'delete',
      concat([flowRecord(), flowRecord({ protocol: 0 })]),
      'flows[1].protocol is 0; it must be 6 (TCP), 17 (UDP) or 132 (SCTP)',
    ],
    ['delete', new Uint8Array(96), 'flows[0].family is 0; it must be 4 or 6'],
  ];
  for (const [method, bytes, message] of wrong) throws(() => call(socket, method, bytes), 'RangeError', message);
  call(socket, 'close');
});

test('settings are refused by name', () => {
  const forwarding = 'net/ipv4/ip_forward';
  const outside = ' must be a path below /proc/sys that begins with net/';
  const wrong: ['readSettings' | 'writeSetting', unknown[], 'TypeError' | 'RangeError', string][] = [
    ['readSettings', [], 'TypeError', 'names must be an array'],
    ['readSettings', [forwarding], 'TypeError', 'names must be an array'],
    ['readSettings', [{ length: 1 }], 'TypeError', 'names must be an array'],
    ['readSettings', [[forwarding, 1]], 'TypeError', 'names[1] must be a string'],
    ['readSettings', [Array.from({ length: 1 })], 'TypeError', 'names[0] must be a string'],
    ['readSettings', [Array(5000)], 'RangeError', 'names must hold at most 4096 strings'],
    ['readSettings', [[forwarding, 'kernel/modprobe']], 'RangeError', `names[1]${outside}`],
    ['readSettings', [['x'.repeat(5000)]], 'RangeError', 'names[0] must be at most 4096 bytes long'],
    ['readSettings', [[forwarding], 1], 'TypeError', 'netns must be a string'],
    ['readSettings', [[forwarding], '../x'], 'RangeError', 'netns must be a name under /run/netns or an absolute path'],
    ['writeSetting', [], 'TypeError', 'name must be a string'],
    ['writeSetting', [forwarding], 'TypeError', 'value must be a string'],
    ['writeSetting', [forwarding, 1], 'TypeError', 'value must be a string'],
    ['writeSetting', [forwarding, ''], 'RangeError', 'value must be text, not empty and without NUL'],
    ['writeSetting', [forwarding, '1\0'], 'RangeError', 'value must be text, not empty and without NUL'],
    ['writeSetting', [forwarding, 'x'.repeat(4097)], 'RangeError', 'value must be at most 4096 bytes long'],
    ['writeSetting', [forwarding, '1', null], 'TypeError', 'netns must be a string'],
    ['writeSetting', ['net/../kernel/modprobe', '/bin/false'], 'RangeError', `name${outside}`],
    ['writeSetting', ['net/ipv4/ip_forward\0', '1'], 'RangeError', `name${outside}`],
  ];
  for (const [name, args, error, message] of wrong) throws(() => call(addon, name, ...args), error, message);
  const getter = [forwarding];
  Object.defineProperty(getter, 0, {
    get() {
      throw new Error('mine');
    },
  });
  assert.throws(() => call(addon, 'readSettings', getter), { message: 'mine' });
});

test('names of packet filters are asked for in a namespace, or in none', async () => {
  for (const name of ['readNftablesNames', 'readLegacyNames', 'readSetNames'] as const) {
    throws(() => call(addon, name, 1), 'TypeError', 'netns must be a string');
    throws(() => call(addon, name, '../x'), 'RangeError', 'netns must be a name under /run/netns or an absolute path');
    await assert.rejects(addon[name]('no-such-namespace'), { code: 'ENOENT' });
    await assert.rejects(addon[name]('/proc/self/status'), { code: 'EINVAL' });
  }
});

test('a program to execute is refused by what it is given', () => {
  const wrong: [unknown[], 'TypeError' | 'RangeError', string | RegExp][] = [
    [[], 'TypeError', 'program must be a string'],
    [['', [], 0], 'RangeError', /^program must be /],
    [['/x\0y', [], 0], 'RangeError', /^program must be /],
    [['/x'], 'TypeError', 'arguments must be an array'],
    [['/x', [1], 0], 'TypeError', 'arguments[0] must be a string'],
    [['/x', ['a', 'b\0'], 0], 'RangeError', 'arguments[1] must have no NUL'],
    [['/x', ['a'.repeat(131_073)], 0], 'RangeError', 'arguments[0] must be at most 131072 bytes long'],
    [['/x', []], 'TypeError', /^capabilities must be /],
    [['/x', [], -1], 'RangeError', /^capabilities must be /],
    [['/x', [], 2 ** 32], 'RangeError', /^capabilities must be /],
  ];
  for (const [args, error, message] of wrong) throws(() => call(addon, 'execute', ...args), error, message);
});

test('a status to end with is refused where no process can have it', () => {
  throws(() => call(addon, 'exit'), 'TypeError', /^status must be /);
  for (const status of [-1, 256, 0.5]) throws(() => call(addon, 'exit', status), 'RangeError', /^status must be /);
});

test('an nf_tables record with an impossible field is refused, naming record, field and value', () => {
  const socket = new NftablesSocket({ table: 'kube-ipvs' });
  const name = 'must be 1 to 31 characters, padded with NUL';
  const rule = (count: number) => concat(ruleRecords(4, { chain: 'x', count }, step.verdict(0)));
  const wrong: [Uint8Array, string][] = [
    [tableRecord(5), 'objects[1].family is 5; it must be 4 or 6'],
    [chainRecord(4, { name: '' }), `objects[1].name is empty or not terminated; it ${name}`],
    [setRecord(4, { name: 'x'.repeat(32) }), `objects[1].name is empty or not terminated; it ${name}`],
    [rule(2), 'objects[1].expressions is 2; it must be how many follow, at most 128'],
    [rule(0), 'objects[2].kind is 5; it must not be 5 (expression) where no rule counts it'],
    [
      concat(ruleRecords(4, { chain: 'x' }, step.meta(1, 8))),
      'objects[2].register is 8; it must be 1 to 4 or, not aligned, 9 to 23',
    ],
  ];
  for (const [bytes, message] of wrong) {
    throws(() => call(socket, 'apply', concat([tableRecord(4), bytes])), 'RangeError', message);
  }
  const elements: [Uint8Array, string][] = [
    [elementRecord({ set: 's', key: [], verb: 'add' }), 'elements[0].key length is 0; it must be 1 to 40'],
    [
      elementRecord({ set: '', key: [1] }),
      'elements[0].set is empty or not terminated; it must be 1 to 23 characters, padded with NUL',
    ],
    [elementRecord({ set: 's', key: [1], verb: 'edit' }), 'elements[0].verb is 2; it must be 1 (add) or 3 (delete)'],
  ];
  for (const [bytes, message] of elements) {
    throws(() => call(socket, 'applyElements', bytes), 'RangeError', message);
  }
  call(socket, 'close');
});

test('family and set are checked', () => {
  const socket = new NftablesSocket({ table: 'kube-ipvs' });
  for (const method of ['objects', 'elements']) {
    for (const family of [undefined, null, '4', {}]) {
      throws(() => call(socket, method, family, 's'), 'TypeError', 'family must be a number');
    }
    for (const family of [0, 5]) throws(() => call(socket, method, family, 's'), 'RangeError', 'family must be 4 or 6');
    for (const family of [-4, 7, 4.5, Number.NaN]) {
      throws(() => call(socket, method, family, 's'), 'RangeError', /^family must be an integer from 0/);
    }
  }
  for (const set of [undefined, 1, null]) {
    throws(() => call(socket, 'elements', 4, set), 'TypeError', 'set must be a string');
  }
  const long = 'x'.repeat(24);
  throws(() => call(socket, 'elements', 4, long), 'RangeError', 'set must be at most 23 bytes long');
  for (const set of ['', '\0']) {
    throws(() => call(socket, 'elements', 4, set), 'RangeError', 'set must be 1 to 23 bytes, none of them NUL');
  }
  call(socket, 'close');
});

test('numbers are checked for kind and range', () => {
  const ipvs = new IpvsSocket();
  const route = new RouteSocket();
  for (const method of ['addresses', 'otherAddresses', 'localRoutes']) {
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
