import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Asked, ask, type Policy } from '../../src/desired/front-ends.ts';
import type { EndpointSlice, Service } from '../../src/model/cluster.ts';
import { destinationText, serviceText } from '../../src/model/text.ts';
import { endpoint, factsOf, port, service, slice } from '../support/cluster.ts';

const plain: Policy = { scheduler: 'rr', drainTimeout: undefined, hasScheduler: () => true };
const bare = factsOf([]);

function asked(of: Service, slices: readonly EndpointSlice[] = [], policy: Partial<Policy> = {}, node = bare): Asked {
  return ask(of, slices, node, { ...plain, ...policy });
}

/** Each virtual service as ipvsadm prints it, with its destinations behind it. */
function lines(of: Service, slices: readonly EndpointSlice[], scheduler = 'rr'): string[] {
  return asked(of, slices, { scheduler }).frontEnds.flatMap(({ service: one, destinations }) => [
    serviceText(one),
    ...destinations.map(destinationText),
  ]);
}

test('a port on a ClusterIP is one virtual service with its endpoints at weight 1, bound on the node', () => {
  assert.deepEqual(
    asked(service('default/a')).frontEnds.map(({ owner, bound }) => ({ owner, bound })),
    [{ owner: 'default/a', bound: true }],
  );
  assert.deepEqual(lines(service('default/a'), [slice('default/a', ['10.244.0.1', '10.244.0.2'])]), [
    '-t 10.96.0.10:80 -s rr',
    '-r 10.244.0.1:8080 -m -w 1',
    '-r 10.244.0.2:8080 -m -w 1',
  ]);
});

test('a Service without endpoints keeps its virtual service, which refuses', () => {
  assert.deepEqual(lines(service('default/a'), []), ['-t 10.96.0.10:80 -s rr']);
});

test('a Service without ports, or without addresses, asks for nothing', () => {
  assert.deepEqual(lines(service('default/a', { ports: [] }), []), []);
  assert.deepEqual(lines(service('default/a', { vips: [] }), []), []);
});

test('dual stack is one virtual service per family, each with the endpoints of its own', () => {
  const slices = [slice('default/a', ['10.244.0.1']), slice('default/a', ['fd00:244::1'], { name: 'default/a-2' })];
  assert.deepEqual(lines(service('default/a', { vips: ['10.96.0.10', 'fd00:96::10'] }), slices), [
    '-t 10.96.0.10:80 -s rr',
    '-r 10.244.0.1:8080 -m -w 1',
    '-t [fd00:96::10]:80 -s rr',
    '-r [fd00:244::1]:8080 -m -w 1',
  ]);
});

test('endpoints of the other family serve nobody', () => {
  assert.deepEqual(lines(service('default/a'), [slice('default/a', ['fd00:244::1'])]), ['-t 10.96.0.10:80 -s rr']);
});

test('several ports are several virtual services; one name on TCP and UDP is two', () => {
  const of = service('kube-system/dns', {
    ports: [
      port(53, { name: 'dns', protocol: 'UDP' }),
      port(53, { name: 'dns', protocol: 'TCP' }),
      port(5060, { name: 'sip', protocol: 'SCTP' }),
    ],
  });
  const member = slice('kube-system/dns', ['10.244.0.1'], {
    ports: [
      { name: 'dns', protocol: 'UDP', port: 5353 },
      { name: 'dns', protocol: 'TCP', port: 5354 },
      { name: 'sip', protocol: 'SCTP', port: 5060 },
    ],
  });
  assert.deepEqual(lines(of, [member]), [
    '-u 10.96.0.10:53 -s rr',
    '-r 10.244.0.1:5353 -m -w 1',
    '-t 10.96.0.10:53 -s rr',
    '-r 10.244.0.1:5354 -m -w 1',
    '--sctp-service 10.96.0.10:5060 -s rr',
    '-r 10.244.0.1:5060 -m -w 1',
  ]);
});

test('ClientIP affinity is persistence for its timeout, by single clients', () => {
  const of = service('default/a', { vips: ['10.96.0.10', 'fd00:96::10'], affinityTimeout: 10_800 });
  assert.deepEqual(lines(of, []), ['-t 10.96.0.10:80 -s rr -p 10800', '-t [fd00:96::10]:80 -s rr -p 10800']);
  assert.deepEqual(
    asked(of).frontEnds.map(({ service: { persistencePrefix } }) => persistencePrefix),
    [32, 128],
  );
});

test('mh hashes the source port too; no other scheduler gets flags', () => {
  assert.deepEqual(lines(service('default/a'), [], 'mh'), ['-t 10.96.0.10:80 -s mh -b mh-port']);
  assert.deepEqual(lines(service('default/a', { affinityTimeout: 60 }), [], 'mh'), [
    '-t 10.96.0.10:80 -s mh -p 60 -b mh-port',
  ]);
  for (const scheduler of ['sh', 'rr', 'dh', 'lblc']) {
    assert.deepEqual(lines(service('default/a'), [], scheduler), [`-t 10.96.0.10:80 -s ${scheduler}`]);
  }
});

test('internalTrafficPolicy Local takes local endpoints only, and none when there are none', () => {
  const of = service('default/a', { internalTrafficPolicy: 'Local' });
  const elsewhere = endpoint('10.244.1.1');
  const here = endpoint('10.244.0.1', { nodeName: 'node-a' });
  assert.deepEqual(lines(of, [slice('default/a', [elsewhere, here])]), [
    '-t 10.96.0.10:80 -s rr',
    '-r 10.244.0.1:8080 -m -w 1',
  ]);
  assert.deepEqual(lines(of, [slice('default/a', [elsewhere])]), ['-t 10.96.0.10:80 -s rr']);
});

test('an ip:port that two slices have is one destination', () => {
  const slices = [slice('default/a', ['10.244.0.1']), slice('default/a', ['10.244.0.1'], { name: 'default/a-2' })];
  assert.deepEqual(lines(service('default/a'), slices), ['-t 10.96.0.10:80 -s rr', '-r 10.244.0.1:8080 -m -w 1']);
});
