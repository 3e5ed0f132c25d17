/** What `cleanup --release` leaves for kube-proxy, and what of ours stays meanwhile. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planRelease } from '../../src/cli/takeover/release.ts';
import { noFaults } from '../support/faults.ts';
import { parseAddress } from '../../src/model/address.ts';
import { element, setSpecs, type Table } from '../../src/model/filter.ts';
import type { Op } from '../../src/model/op.ts';
import { opText } from '../../src/model/text.ts';
import { filterNames } from '../support/filter-names.ts';
import { FakeKernel } from '../support/fake-kernel.ts';

const state = `ip link add kube-ipvs0 type dummy
ip addr add 10.96.0.10/32 dev kube-ipvs0
-A -t 10.96.0.10:80 -s rr
-A -t 192.0.2.1:30080 -s rr
-A -t 192.0.2.1:8080 -s rr
`;
const full: Table = { family: 4, sets: Object.values(setSpecs), chains: [] };

/** A NodePort of ours, a ClusterIP of ours, and a virtual service of somebody else. */
async function node(table: Table): Promise<FakeKernel> {
  const kernel = FakeKernel.from(state, { faults: noFaults });
  const mark = element(4, 'services', [parseAddress('192.0.2.1')!, 'TCP', 30_080]);
  const ops: readonly Op[] = [
    { kind: 'table', verb: 'add', table },
    { kind: 'element', verb: 'add', element: mark },
  ];
  await kernel.apply(table === full ? ops : ops.slice(0, 1));
  return kernel;
}

/** Plans and does it. */
async function release(kernel: FakeKernel, ...chains: string[]) {
  const { steps, keptNat, stays } = await planRelease(kernel, filterNames(...chains));
  const ops = steps.flat();
  await kernel.apply(ops);
  return { ops: ops.map(({ kind, verb }) => `${verb} ${kind}`), keptNat, services: stays.services };
}

describe('a release', () => {
  it('knows NodePorts again when it is run again to remove what it kept', async () => {
    const kernel = await node(full);
    assert.deepEqual(await release(kernel), { ops: ['edit table'], keptNat: [4], services: 2 });
    assert.deepEqual(await release(kernel), { ops: [], keptNat: [4], services: 2 });
    assert.deepEqual(await release(kernel, 'ip nat KUBE-POSTROUTING'), {
      ops: ['delete table'],
      keptNat: [],
      services: 2,
    });
  });

  it('makes a table anew that lacks what it keeps, once', async () => {
    const kernel = await node({ ...full, sets: [] });
    assert.deepEqual((await release(kernel)).ops, ['add table']);
    assert.deepEqual((await release(kernel)).ops, []);
  });

  it('leaves addresses in place of routes, of what is served and no other device has', async () => {
    const routed = `ip link add kube-ipvs0 type dummy
ip addr add 10.96.5.5/24 dev eth0
ip addr add 10.96.0.11/32 dev kube-ipvs0
ip route add local 10.96.0.0/12 dev kube-ipvs0 table local
-A -t 10.96.0.10:80 -s rr
-A -u 10.96.0.10:80 -s rr
-A -t 10.96.0.11:80 -s rr
-A -t 10.96.5.5:80 -s rr
-A -t 192.0.2.1:8080 -s rr
`;
    const kernel = FakeKernel.from(routed, { faults: noFaults });
    const { steps, stays } = await planRelease(kernel, []);
    assert.deepEqual(steps.flat().map(opText), [
      'ip addr add 10.96.0.10/32 dev kube-ipvs0',
      'ip route delete local 10.96.0.0/12 dev kube-ipvs0 table local',
    ]);
    assert.equal(stays.services, 4);
  });
});
