/** Which virtual services kube-proxy's ipsets name. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { namedBy } from '../../src/cli/takeover/adoption.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';
import { address } from '../support/cluster.ts';

const saved = `create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
add KUBE-NODE-PORT-TCP 30080
create KUBE-6-NODE-PORT-UDP bitmap:port range 0-65535
add KUBE-6-NODE-PORT-UDP 30053
create KUBE-EXTERNAL-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add KUBE-EXTERNAL-IP 203.0.113.20,tcp:80
create KUBE-6-CLUSTER-IP hash:ip,port family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add KUBE-6-CLUSTER-IP fd00:96::10,udp:53
create KUBE-NODE-PORT-SCTP-HASH hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add KUBE-NODE-PORT-SCTP-HASH 192.0.2.1,sctp:30132
create mine hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add mine 203.0.113.99,tcp:80
`;

const rows: readonly (readonly [Protocol, string, number, boolean, string])[] = [
  ['TCP', '192.0.2.1', 30080, true, 'a NodePort at an address of the node'],
  ['TCP', '198.51.100.1', 30080, false, 'the port of a NodePort at an address that the node has not'],
  ['UDP', '192.0.2.1', 30080, false, 'the port of a NodePort of another protocol'],
  ['UDP', '2001:db8::1', 30053, true, 'an IPv6 NodePort'],
  ['TCP', '203.0.113.20', 80, true, 'an external IP'],
  ['TCP', '203.0.113.20', 81, false, 'another port of an external IP'],
  ['UDP', 'fd00:96::10', 53, true, 'an IPv6 ClusterIP'],
  ['SCTP', '192.0.2.1', 30132, true, 'a NodePort of SCTP'],
  ['TCP', '203.0.113.99', 80, false, 'what a set of somebody else names'],
];

for (const [protocol, at, port, isNamed, what] of rows) {
  it(`${what} is ${isNamed ? '' : 'not '}named`, () => {
    const isOf = namedBy(saved, new Set([address('192.0.2.1'), address('2001:db8::1')]));
    assert.equal(isOf({ protocol, address: address(at), port }), isNamed);
  });
}
