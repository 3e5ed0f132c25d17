/** Which clients stand for all in `kube-ipvs explain`, where only some sources are allowed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientsOf, type ClientSetting } from '../../src/cli/explain/clients.ts';
import { ElementIndex } from '../../src/desired/packet-path.ts';
import type { Cidr } from '../../src/model/address.ts';
import { virtualServiceKey } from '../../src/model/virtual-service.ts';
import { address, cidr, factsOf } from '../support/cluster.ts';

const key = virtualServiceKey('TCP', address('203.0.113.5'), 80);

function settingOf(allowed: readonly Cidr[]): ClientSetting {
  return {
    facts: factsOf([], { podCIDRs: [cidr('10.244.0.0/24')] }),
    pods: { by: 'node' },
    allowed,
    sourceAt: () => undefined,
    endpointAt: () => undefined,
    terrain: {
      table: undefined,
      elements: new ElementIndex(4, []),
      destinations: () => undefined,
      isVirtual: () => false,
      isOwn: () => false,
      isTracked: true,
      forwards: true,
    },
  };
}

/** `label source` of the Pods that stand for all. */
function pods(allowed: readonly Cidr[]): string[] {
  return clientsOf({ key, from: ['pod'] }, settingOf(allowed)).map(({ label, source }) => `${label} ${source}`);
}

const rows: readonly [what: string, allowed: readonly string[], pods: readonly string[]][] = [
  ['the first address that is in none', ['10.244.0.8/29'], ['10.244.0.8/29 10.244.0.8', 'any other 10.244.0.0']],
  [
    'behind the last of those side by side',
    ['10.244.0.2/31', '10.244.0.0/31', '10.244.0.8/31'],
    ['10.244.0.2/31 10.244.0.2', '10.244.0.0/31 10.244.0.0', '10.244.0.8/31 10.244.0.8', 'any other 10.244.0.4'],
  ],
  [
    'no other where they are all',
    ['10.244.0.0/25', '10.244.0.128/25'],
    ['10.244.0.0/25 10.244.0.0', '10.244.0.128/25 10.244.0.128'],
  ],
  ['any where no Pod is among them', ['192.0.2.0/24'], ['any 10.244.0.0']],
];

for (const [what, allowed, expected] of rows) {
  test(`those that are not among the allowed are ${what}`, () => assert.deepEqual(pods(allowed.map(cidr)), expected));
}

test('networks side by side are looked at a few times each, however many there are', () => {
  let looks = 0;
  const addresses = Array.from({ length: 255 }, (_, i) => address(`10.244.0.${i}`));
  const allowed = addresses.map((one) => ({
    prefix: 32,
    get address() {
      looks++;
      return one;
    },
  }));
  assert.equal(pods(allowed).at(-1), 'any other 10.244.0.255');
  assert.ok(looks < 20 * allowed.length, `${looks} looks`);
});
