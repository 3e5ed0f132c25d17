import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { ClusterEvent, NodeAddress } from '../../src/model/cluster.ts';
import { type AddressSource, NodeAddresses, retryDelay } from '../../src/watch/node-addresses.ts';
import { address } from '../support/cluster.ts';

/** A kernel whose addresses and answers the test decides. */
class Source implements AddressSource {
  readonly pending: { answer(found: readonly NodeAddress[]): void; fail(): void }[] = [];
  change: () => void = () => {};
  closed = 0;

  nodeAddresses(): Promise<readonly NodeAddress[]> {
    return new Promise((answer, reject) => this.pending.push({ answer, fail: () => reject(new Error('ENOBUFS')) }));
  }

  watchAddresses(onChange: () => void): { close(): void } {
    this.change = onChange;
    return { close: () => this.closed++ };
  }

  async answer(...texts: readonly string[]): Promise<void> {
    this.pending.shift()!.answer(texts.map((text) => ({ address: address(text), device: 'eth0', loopback: false })));
    await turn();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function watched() {
  const source = new Source();
  const events: string[] = [];
  const errors: unknown[] = [];
  const onEvent = (event: ClusterEvent) =>
    events.push(event.kind === 'nodeAddresses' ? event.addresses.map(({ address: one }) => one).join(' ') : event.kind);
  const addresses = new NodeAddresses(source, { onEvent, onError: (error) => errors.push(error) });
  return { source, events, errors, addresses };
}

test('the first read is told, and that it was all', async () => {
  const { source, events, addresses } = watched();
  await source.answer('192.168.1.10');
  assert.deepEqual(events, ['192.168.1.10', 'synced']);
  addresses.close();
  assert.equal(source.closed, 1);
});

test('a notification leads to another read, told only when it differs', async () => {
  const { source, events, addresses } = watched();
  await source.answer('192.168.1.10');
  source.change();
  await source.answer('192.168.1.10');
  source.change();
  await source.answer('192.168.1.10', '192.168.1.11');
  assert.deepEqual(events, ['192.168.1.10', 'synced', '192.168.1.10 192.168.1.11']);
  addresses.close();
});

test('all is told once more to who knows nothing of it, over the same notifications', async () => {
  const { source, events, addresses } = watched();
  await source.answer('192.168.1.10');
  addresses.tellAgain();
  await source.answer('192.168.1.10');
  source.change();
  await source.answer('192.168.1.10');
  assert.deepEqual(events, ['192.168.1.10', 'synced', '192.168.1.10', 'synced']);
  assert.equal(source.closed, 0);
  addresses.close();
});

test('any number of notifications during a read lead to one more', async () => {
  const { source, events, addresses } = watched();
  source.change();
  source.change();
  source.change();
  await source.answer('192.168.1.10');
  await source.answer('192.168.1.11');
  assert.equal(source.pending.length, 0);
  assert.deepEqual(events, ['192.168.1.10', 'synced', '192.168.1.11']);
  addresses.close();
});

test('a failed read is told and made again', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { source, events, errors, addresses } = watched();
    source.pending.shift()!.fail();
    await turn();
    assert.equal(errors.length, 1);
    mock.timers.tick(retryDelay);
    await source.answer('192.168.1.10');
    assert.deepEqual(events, ['192.168.1.10', 'synced']);
    addresses.close();
  } finally {
    mock.timers.reset();
  }
});

test('reads that go on failing are told once, and made once a second, however many notifications come', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { source, errors, addresses } = watched();
    const fail = async () => {
      assert.equal(source.pending.length, 1);
      source.pending.shift()!.fail();
      await turn();
    };
    await fail();
    for (let i = 0; i < 3; i++) {
      source.change();
      await fail();
    }
    for (let second = 0; second < 3; second++) {
      mock.timers.tick(retryDelay);
      await fail();
      assert.equal(source.pending.length, 0);
    }
    assert.equal(errors.length, 1);
    mock.timers.tick(retryDelay);
    await source.answer('192.168.1.10');
    source.change();
    await fail();
    assert.equal(errors.length, 2);
    addresses.close();
  } finally {
    mock.timers.reset();
  }
});

test('after closing nothing is told', async () => {
  const { source, events, addresses } = watched();
  addresses.close();
  await source.answer('192.168.1.10');
  source.change();
  assert.deepEqual([events, source.pending.length], [[], 0]);
});

test('a read that fails since the kernel was left is told nobody', async () => {
  const { source, errors, addresses } = watched();
  addresses.close();
  source.pending.shift()!.fail();
  await turn();
  assert.deepEqual(errors, []);
});
