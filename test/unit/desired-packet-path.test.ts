/** How elements of the packet filter are found for a packet. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElementIndex } from '../../src/desired/packet-path.ts';
import { type Cidr, networkText } from '../../src/model/address.ts';
import { element, setSpecs } from '../../src/model/filter.ts';
import { address, cidr } from '../support/cluster.ts';

const portal = [address('203.0.113.5'), 'TCP', 80] as const;

test('the network that has a source is found without a look at all others', () => {
  let looks = 0;
  const watched = ({ address: first, prefix }: Cidr): Cidr => ({
    get address() {
      looks++;
      return first;
    },
    prefix,
  });
  const networks = Array.from({ length: 1000 }, (_, i) => cidr(`10.${i >> 8}.${i & 255}.0/${24 + (i & 3)}`));
  const index = new ElementIndex(
    4,
    networks.map((network) => element(4, 'allowedSources', [...portal, watched(network)])),
  );
  looks = 0;
  const holder = (source: string) => {
    const network = index.find(setSpecs.allowedSources.name, [...portal, address(source)])?.key.at(-1);
    return network && networkText(network as Cidr);
  };
  assert.equal(holder('10.0.255.31'), '10.0.255.0/27');
  assert.equal(holder('10.3.231.31'), '10.3.231.0/27');
  assert.equal(holder('10.3.231.32'), undefined);
  assert.equal(holder('10.3.228.255'), '10.3.228.0/24');
  assert.equal(holder('10.3.232.1'), undefined);
  assert.ok(looks < 50, `${looks} looks at networks`);
});
