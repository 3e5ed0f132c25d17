import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Claims, type Touched } from '../../src/desired/claims.ts';
import { type Asked, ask } from '../../src/desired/front-ends.ts';
import type { EndpointSlice, Service } from '../../src/model/cluster.ts';
import { elementOpText } from '../../src/model/filter-text.ts';
import { type Element, element } from '../../src/model/filter.ts';
import { address, endpoint, factsOf, port, service, slice } from '../support/cluster.ts';

const id = '10.96.0.10:80/TCP';

/** Its endpoint is on another node. */
function replace(claims: Claims, of: Service, slices = [slice(of.name, ['10.244.9.9'])]): Touched {
  const policy = { scheduler: 'rr', drainTimeout: undefined, hasScheduler: () => true };
  return claims.replace(of.name, of.createdAt, ask(of, slices, factsOf([]), policy));
}

function claim(claims: Claims, of: Service): string[] {
  return replace(claims, of).services.map((key) => key.id);
}

const nothing: Asked = { frontEnds: [], shared: [] };

function withdraw(claims: Claims, name: string): string[] {
  return claims.replace(name, '', nothing).services.map((key) => key.id);
}

const older = service('shop/older', { createdAt: '2026-01-01T00:00:00Z' });
const younger = service('default/younger', { createdAt: '2026-01-02T00:00:00Z' });
const ageless = service('aaa/ageless', { createdAt: '' });

test('a claimed virtual service belongs to who claims it, and its address is wanted', () => {
  const claims = new Claims();
  assert.deepEqual(claim(claims, older), [id]);
  assert.equal(claims.ownerOf(id), 'shop/older');
  assert.ok(claims.wantsBound(address('10.96.0.10')));
  assert.deepEqual(
    [...claims.keys()].map((key) => key.id),
    [id],
  );
  assert.deepEqual([...claims.addresses()], ['10.96.0.10']);
});

test('what is claimed no more belongs to nobody, and its address is not wanted', () => {
  const claims = new Claims();
  claim(claims, older);
  assert.deepEqual(withdraw(claims, 'shop/older'), [id]);
  assert.equal(claims.ownerOf(id), undefined);
  assert.ok(!claims.wantsBound(address('10.96.0.10')));
  assert.deepEqual([...claims.keys()], []);
  assert.deepEqual(withdraw(claims, 'shop/older'), []);
});

test('a changed claim touches what was claimed before and what is claimed now', () => {
  const claims = new Claims();
  claim(claims, service('default/a', { ports: [port(80), port(443)] }));
  const touched = claim(claims, service('default/a', { ports: [port(443), port(8443)] }));
  assert.deepEqual(new Set(touched), new Set([id, '10.96.0.10:443/TCP', '10.96.0.10:8443/TCP']));
  assert.equal(claims.ownerOf(id), undefined);
  assert.equal(claims.ownerOf('10.96.0.10:8443/TCP'), 'default/a');
});

const disputes: readonly [what: string, claimants: readonly Service[], owner: string][] = [
  ['the older of two Services owns what both claim', [older, younger], 'shop/older'],
  ['a Service without a creation time is the youngest', [younger, ageless], 'default/younger'],
  [
    'of two as old the first by name owns',
    [service('default/b', { createdAt: '' }), service('default/a', { createdAt: '' })],
    'default/a',
  ],
  ['of three the oldest owns', [younger, ageless, older], 'shop/older'],
];

for (const [what, claimants, owner] of disputes) {
  test(`${what}, whoever came first`, () => {
    for (const order of [claimants, claimants.toReversed()]) {
      const claims = new Claims();
      for (const one of order) claim(claims, one);
      assert.equal(claims.ownerOf(id), owner);
      claim(claims, order[0]!);
      assert.equal(claims.ownerOf(id), owner, 'a repeated claim changes nothing');
    }
  });
}

test('when the owner withdraws the next one owns, and the address stays wanted', () => {
  const claims = new Claims();
  for (const one of [younger, older]) claim(claims, one);
  withdraw(claims, 'shop/older');
  assert.equal(claims.ownerOf(id), 'default/younger');
  assert.ok(claims.wantsBound(address('10.96.0.10')));
});

test('when the loser withdraws nothing changes', () => {
  const claims = new Claims();
  for (const one of [younger, older]) claim(claims, one);
  withdraw(claims, 'default/younger');
  assert.equal(claims.ownerOf(id), 'shop/older');
  assert.deepEqual(claims.conflicts(), []);
});

test('a conflict names the virtual service, who has it and who has not', () => {
  const claims = new Claims();
  for (const one of [younger, older]) claim(claims, one);
  assert.deepEqual(claims.conflicts(), [{ service: id, owner: 'shop/older', loser: 'default/younger' }]);
});

test('a conflict stays while two are left of three', () => {
  const claims = new Claims();
  for (const one of [younger, service('a/youngest', { createdAt: '' }), older]) claim(claims, one);
  const losers = () => claims.conflicts().map(({ owner, loser }) => `${owner} before ${loser}`);
  assert.deepEqual(losers(), ['shop/older before default/younger', 'shop/older before a/youngest']);
  withdraw(claims, 'shop/older');
  assert.deepEqual(losers(), ['default/younger before a/youngest']);
});

test('two Services on two ports of one address dispute nothing, and the last to go frees the address', () => {
  const claims = new Claims();
  claim(claims, older);
  claim(claims, service('default/other', { ports: [port(443)] }));
  assert.deepEqual(claims.conflicts(), []);
  withdraw(claims, 'shop/older');
  assert.ok(claims.wantsBound(address('10.96.0.10')));
  withdraw(claims, 'default/other');
  assert.ok(!claims.wantsBound(address('10.96.0.10')));
});

/** `services 10.96.0.10 . tcp . 80`, in order. */
function texts(elements: Iterable<Element>): string[] {
  const text = (one: Element) => elementOpText({ kind: 'element', verb: 'add', element: one });
  return [...elements].map((one) => text(one).replace(/^.*kube-ipvs (\S+) \{ (.*) \}$/, '$1 $2')).toSorted();
}

function touched(claims: Claims, of: Service, slices?: EndpointSlice[]): string[] {
  return texts(replace(claims, of, slices).elements);
}

const vip = address('203.0.113.7');
/** Claim 203.0.113.7:80/TCP; the local clients of the first go to 10.96.0.1, of the second to 10.96.0.2. */
const first = service('default/first', {
  vips: ['10.96.0.1'],
  externalIPs: [vip],
  externalTrafficPolicy: 'Local',
  createdAt: '2026-01-01T00:00:00Z',
});
const second = service('default/second', {
  vips: ['10.96.0.2'],
  externalIPs: [vip],
  externalTrafficPolicy: 'Local',
  createdAt: '',
});
const open = service('default/open', {
  vips: ['10.96.0.3'],
  externalIPs: [vip],
  createdAt: '2025-01-01T00:00:00Z',
});
const own = (at: string) => [`cluster-ips ${at} . tcp . 80`, `services ${at} . tcp . 80`, `virtual-ips ${at}`];
const at = '203.0.113.7 . tcp . 80';

test('the elements of a claimed virtual service are wanted, and touched once', () => {
  const claims = new Claims();
  const all = [
    ...own('10.96.0.1'),
    `local-clients ${at} : 10.96.0.1 . 80`,
    `services ${at}`,
    'virtual-ips 203.0.113.7',
    `without-local ${at}`,
  ].toSorted();
  assert.deepEqual(touched(claims, first), all);
  assert.deepEqual(texts(claims.elements()), all);
  assert.deepEqual(touched(claims, first), [], 'a repeated claim touches none');
  assert.deepEqual(texts(claims.elements()), all);
});

test('of a virtual service that is claimed as before the elements stay the very ones that they were', () => {
  const claims = new Claims();
  const [known] = replace(claims, older).elements;
  const touched = replace(claims, service('shop/older', { createdAt: '2026-01-01T00:00:00Z' }), [
    slice('shop/older', ['10.244.9.8', '10.244.9.9']),
  ]);
  assert.deepEqual(
    touched.services.map((key) => key.id),
    [id],
  );
  assert.deepEqual(touched.elements, []);
  assert.ok(known !== undefined && claims.wantedElement(known.id) === known);
});

test('an element is wanted as the owner of its virtual service says', () => {
  const claims = new Claims();
  replace(claims, second);
  const id = `ip local-clients ${at}`;
  assert.deepEqual(claims.wantedElement(id)?.data, ['10.96.0.2', 80]);
  assert.deepEqual(touched(claims, first), [...own('10.96.0.1'), `local-clients ${at} : 10.96.0.1 . 80`].toSorted());
  assert.deepEqual(claims.wantedElement(id)?.data, ['10.96.0.1', 80]);
  assert.deepEqual(touched(claims, second), []);
  assert.deepEqual(claims.wantedElement(id)?.data, ['10.96.0.1', 80]);
});

test('an element that the new owner does not ask for is wanted no more', () => {
  const claims = new Claims();
  replace(claims, first);
  assert.deepEqual(
    touched(claims, open),
    [
      ...own('10.96.0.3'),
      `local-clients ${at} : 10.96.0.1 . 80`,
      `masqueraded ${at}`,
      `without-local ${at}`,
    ].toSorted(),
  );
  assert.equal(claims.wantedElement(`ip without-local ${at}`), undefined);
  assert.ok(claims.wantedElement(`ip masqueraded ${at}`));
});

test('when the owner withdraws, the elements of the next owner are wanted', () => {
  const claims = new Claims();
  for (const one of [first, open]) replace(claims, one);
  assert.deepEqual(
    texts(claims.replace(open.name, '', nothing).elements),
    [
      ...own('10.96.0.3'),
      `local-clients ${at} : 10.96.0.1 . 80`,
      `masqueraded ${at}`,
      `without-local ${at}`,
    ].toSorted(),
  );
  assert.ok(claims.wantedElement(`ip without-local ${at}`));
  assert.equal(claims.wantedElement(`ip masqueraded ${at}`), undefined);
});

test('when a loser changes or withdraws, only what is its own is touched', () => {
  const claims = new Claims();
  for (const one of [first, open]) replace(claims, one);
  const here = slice(first.name, [endpoint('10.244.0.1', { nodeName: 'node-a' })]);
  assert.deepEqual(touched(claims, first, [here]), ['hairpins 10.244.0.1 . 10.244.0.1 . tcp . 8080']);
  const elements = texts(claims.replace(first.name, '', nothing).elements);
  assert.deepEqual(elements, [...own('10.96.0.1'), 'hairpins 10.244.0.1 . 10.244.0.1 . tcp . 8080'].toSorted());
});

test('a shared element is wanted while anybody asks for it', () => {
  const claims = new Claims();
  const a = service('default/a', { ports: [port(80)] });
  const b = service('default/b', { ports: [port(81)] });
  replace(claims, a);
  assert.ok(!touched(claims, b).includes('virtual-ips 10.96.0.10'));
  assert.ok(!texts(claims.replace(a.name, '', nothing).elements).includes('virtual-ips 10.96.0.10'));
  assert.ok(claims.wantedElement('ip virtual-ips 10.96.0.10'));
  assert.ok(texts(claims.replace(b.name, '', nothing).elements).includes('virtual-ips 10.96.0.10'));
  assert.deepEqual([...claims.elements()], []);
});

test('an element that nobody names in a Service is wanted for the node itself', () => {
  const claims = new Claims();
  const device = (name: string) => element(4, 'numberedDevices', [name]);
  const ask = (...names: readonly string[]) =>
    claims.replace('', '', { frontEnds: [], shared: names.map(device) }).elements.map(({ id }) => id);
  assert.deepEqual(ask('eth0', 'eth1'), ['ip numbered-devices eth0', 'ip numbered-devices eth1']);
  assert.deepEqual(ask('eth1', 'eth2'), ['ip numbered-devices eth0', 'ip numbered-devices eth2']);
  assert.deepEqual(ask(), ['ip numbered-devices eth1', 'ip numbered-devices eth2']);
});

test('every claimed virtual service is told once, also a disputed one', () => {
  const claims = new Claims();
  for (const one of [first, second, open]) replace(claims, one);
  const ids = [...claims.keys()].map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), [...new Set(ids)].toSorted());
  assert.equal(ids.length, 4);
});
