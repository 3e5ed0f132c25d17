/** The text forms lose nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Address,
  addressBytes,
  addressFromBytes,
  type Family,
  familyOf,
  hostPrefix,
  parseAddress,
  parseCidr,
  cidrContains,
  cidrText,
} from '../../src/model/address.ts';
import { destination, destinationKey, type Forwarding } from '../../src/model/destination.ts';
import type { Binding, Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { serviceFlags, type VirtualService, virtualServiceKey } from '../../src/model/virtual-service.ts';
import { parseOp } from '../support/parse-op.ts';
import fc from '../support/property.ts';

const families = fc.constantFrom<Family>(4, 6);

function addressesOf(family: Family): fc.Arbitrary<Address> {
  const size = family === 4 ? 4 : 16;
  /** Zeros often, since runs of them are what IPv6 text is about. */
  const byte = fc.oneof(fc.constant(0), fc.nat(255));
  return fc
    .array(byte, { minLength: size, maxLength: size })
    .map((bytes) => addressFromBytes(Uint8Array.from(bytes), 0, family))
    .filter((address) => familyOf(address) === family);
}

const addresses = families.chain(addressesOf);
const ports = fc.nat(65_535);
const protocols = fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const);
const keys = fc
  .tuple(protocols, addresses, ports)
  .map(([protocol, address, port]) => virtualServiceKey(protocol, address, port));

const services: fc.Arbitrary<VirtualService> = fc
  .record({
    key: keys,
    scheduler: fc.constantFrom('rr', 'wlc', 'sh', 'mh', 'lblcr'),
    flags: fc.subarray(Object.values(serviceFlags)).map((bits) => bits.reduce<number>((sum, bit) => sum | bit, 0)),
    timeout: fc.integer({ min: 1, max: 2_000_000 }),
    prefix: fc.integer({ min: 1, max: 128 }),
    engine: fc.option(fc.constant({ persistenceEngine: 'sip' }), { nil: {} }),
  })
  .map(({ key, scheduler, flags, timeout, prefix, engine }) => {
    const host = hostPrefix(familyOf(key.address));
    const persistent = (flags & serviceFlags.persistent) !== 0;
    const persistencePrefix = persistent ? Math.min(prefix, host) : host;
    return { ...key, scheduler, flags, timeout: persistent ? timeout : 0, persistencePrefix, ...engine };
  });

const destinations = fc
  .record({
    address: addresses,
    port: ports,
    weight: fc.nat(65_535),
    forwarding: fc.constantFrom<Forwarding>('masquerade', 'local', 'tunnel', 'route', 'bypass'),
    limit: fc.option(fc.record({ upperThreshold: fc.integer({ min: 1, max: 2 ** 32 - 1 }) }), { nil: {} }),
  })
  .map(({ address, port, weight, forwarding, limit }) => ({
    ...destination(address, port, weight),
    forwarding,
    ...limit,
  }));

const bindings: fc.Arbitrary<Binding> = families.chain((family) =>
  fc
    .record({
      form: fc.constantFrom('address' as const, 'route' as const),
      address: addressesOf(family),
      prefix: fc.nat(hostPrefix(family)),
      source: fc.option(addressesOf(family), { nil: undefined }),
    })
    .map(({ source, ...binding }) =>
      binding.form === 'address' || source === undefined ? binding : { ...binding, source },
    ),
);

const ops: fc.Arbitrary<Op> = fc
  .oneof(
    fc.record({ kind: fc.constant('device' as const), verb: fc.constantFrom('add', 'delete') }),
    fc.record({
      kind: fc.constant('device' as const),
      verb: fc.constant('edit' as const),
      change: fc.constantFrom('addrgenmode none' as const, 'up' as const),
    }),
    fc.record({ kind: fc.constant('service' as const), verb: fc.constantFrom('add', 'edit'), service: services }),
    fc.record({ kind: fc.constant('service' as const), verb: fc.constant('delete' as const), service: keys }),
    fc.record({
      kind: fc.constant('destination' as const),
      verb: fc.constantFrom('add', 'edit'),
      service: keys,
      destination: destinations,
    }),
    fc.record({
      kind: fc.constant('destination' as const),
      verb: fc.constant('delete' as const),
      service: keys,
      destination: fc.tuple(addresses, ports).map(([address, port]) => destinationKey(address, port)),
    }),
    fc.record({ kind: fc.constant('binding' as const), verb: fc.constantFrom('add', 'delete'), binding: bindings }),
  )
  .map((op) => ({ ...op }));

test('the text of an operation is the operation', () => {
  fc.assert(
    fc.property(ops, (op) => {
      assert.deepEqual(parseOp(opText(op)), op);
    }),
  );
});

test('no two operations have one text', () => {
  fc.assert(
    fc.property(ops, ops, (a, b) => {
      assert.equal(opText(a) === opText(b), isSame(a, b));
    }),
  );
});

function isSame(a: Op, b: Op): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

test('an address is its bytes, and its text is the only one of it', () => {
  fc.assert(
    fc.property(addresses, (address) => {
      assert.equal(addressFromBytes(addressBytes(address), 0, familyOf(address)), address);
      assert.equal(parseAddress(address), address);
      assert.equal(parseAddress(address.toUpperCase()), address);
    }),
  );
});

test("IPv6 texts agree with the platform's own", () => {
  fc.assert(
    fc.property(addressesOf(6), (address) => {
      assert.equal(new URL(`http://[${address}]/`).hostname, `[${address}]`);
    }),
  );
});

test('a network contains exactly the addresses whose bits begin like its own', () => {
  fc.assert(
    fc.property(addresses, addresses, fc.nat(128), (base, other, length) => {
      const prefix = Math.min(length, hostPrefix(familyOf(base)));
      const network = parseCidr(`${base}/${prefix}`)!;
      const bits = (address: Address) =>
        [...addressBytes(address)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
      const begins = bits(other).startsWith(bits(base).slice(0, prefix));
      assert.equal(cidrContains(network, other), begins && familyOf(base) === familyOf(other));
      assert.ok(cidrContains(network, base));
      assert.deepEqual(parseCidr(cidrText(network)), network);
    }),
  );
});
