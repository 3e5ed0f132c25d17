import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Claims } from '../../src/desired/claims.ts';
import { frontEnds } from '../../src/desired/front-ends.ts';
import type { Service } from '../../src/model/cluster.ts';
import { address, port, service } from '../support/cluster.ts';

const id = '10.96.0.10:80/TCP';

function claim(claims: Claims, of: Service): string[] {
  const found = frontEnds(of, [], { name: 'node-a', zone: undefined }, { scheduler: 'rr' });
  return claims.replace(of.name, of.createdAt, found).map((key) => key.id);
}

function withdraw(claims: Claims, name: string): string[] {
  return claims.replace(name, '', []).map((key) => key.id);
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
