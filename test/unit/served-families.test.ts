/** Services of families that a node has, and has not. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inFamilies, servedFamilies } from '../../src/cli/served-families.ts';
import { address, deleteService, service, setService, setSlice, slice } from '../support/cluster.ts';
import { FakeKernel } from '../support/fake-kernel.ts';
import { logged } from '../support/logged.ts';

const name = 'net/ipv6/conf/all/disable_ipv6';

function kernelWith(disabled: string | undefined): FakeKernel {
  return new FakeKernel({ settings: new Map([[name, { value: disabled, writable: true }]]) });
}

describe('the families of a node', () => {
  it('are both where IPv6 is on', async () => {
    const { log, lines } = logged();
    assert.deepEqual(await servedFamilies(kernelWith('0'), log), [4, 6]);
    assert.deepEqual(lines, []);
  });

  for (const value of ['1', undefined]) {
    it(`are IPv4 only where disable_ipv6 is ${value ?? 'not there'}, which is said once`, async () => {
      const { log, lines } = logged();
      assert.deepEqual(await servedFamilies(kernelWith(value), log), [4]);
      assert.equal(lines.length, 1);
      assert.match(lines[0]!, /this node has no IPv6 \(net\.ipv6\.conf\.all\.disable_ipv6\)/);
    });
  }

  it('are both where the kernel does not say', async () => {
    const kernel = kernelWith('1');
    kernel.settings = () => Promise.reject(new Error('EMFILE'));
    assert.deepEqual(await servedFamilies(kernel, logged().log), [4, 6]);
  });
});

describe('a node without IPv6', () => {
  const told = (vips: readonly string[], others: Parameters<typeof service>[1] = {}) =>
    inFamilies(setService(service('default/web', { vips, ...others })), [4]);

  it('serves what a Service has of IPv4', () => {
    const addresses = (...texts: readonly string[]) => texts.map(address);
    assert.deepEqual(
      told(['fd00::1', '10.96.0.1'], {
        externalIPs: addresses('192.0.2.1', '2001:db8::1'),
        loadBalancerIPs: addresses('2001:db8::2', '192.0.2.2'),
      }),
      setService(
        service('default/web', {
          vips: ['10.96.0.1'],
          externalIPs: addresses('192.0.2.1'),
          loadBalancerIPs: addresses('192.0.2.2'),
        }),
      ),
    );
  });

  it('serves nothing of a Service of IPv6 only, also of one that was of both', () => {
    assert.deepEqual(told(['fd00::1']), deleteService('default/web'));
  });

  it('hears everything else as it is told', () => {
    const events = [setService(service('default/web', { vips: ['10.96.0.1'] })), deleteService('default/web')];
    for (const event of [...events, setSlice(slice('default/web', ['fd01::1']))]) {
      assert.equal(inFamilies(event, [4]), event);
    }
  });
});
