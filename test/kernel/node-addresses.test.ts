/** NodePorts follow the node's addresses: a real kernel's notifications, through the loop, to its virtual services. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { Reconciler } from '../../src/reconcile/loop.ts';
import { Store } from '../../src/store/store.ts';
import { NodeAddresses } from '../../src/watch/node-addresses.ts';
import { node, port, service, setNode, setService, setSlice, slice } from '../support/cluster.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { plainWishes } from '../support/node-loop.ts';
import { ipvsLines } from '../support/witness.ts';

const web = service('default/web', { ports: [port(80, { nodePort: 30_080 })] });

describe('a node whose addresses come and go', () => {
  let namespace: KernelNamespace;
  let kernel: Kernel;
  let addresses: NodeAddresses;
  const told = new EventEmitter();

  before(async () => {
    namespace = new KernelNamespace('addresses');
    namespace.run('ip link add eth0 type dummy', 'ip link set eth0 up', 'ip addr add 192.168.1.10/24 dev eth0');
    kernel = openKernel({ netns: namespace.name });
    const store = new Store();
    for (const event of [setService(web), setSlice(slice('default/web', ['10.244.0.1'])), setNode(node())]) {
      store.apply(event);
    }
    for (const source of ['services', 'endpointSlices', 'node'] as const) store.apply({ kind: 'synced', source });
    const reconciler = new Reconciler(plainWishes, { kernel, store, now: () => performance.now() });
    await reconciler.verify();
    let turns = Promise.resolve();
    const turn = async () => {
      await reconciler.pass();
      told.emit('turn');
    };
    addresses = new NodeAddresses(kernel, {
      onEvent: (event) => {
        store.apply(event);
        turns = turns.then(turn);
      },
      onError: (error) => told.emit('error', error),
    });
    await nodePorts(['192.168.1.10']);
  });

  after(() => {
    addresses.close();
    kernel.close();
    namespace.close();
  });

  /** Waits, turn by turn, until these addresses have the NodePort and no others. */
  async function nodePorts(expected: readonly string[]): Promise<void> {
    const wanted = expected.map((address) => `-A -t ${address}:30080 -s rr`);
    for (;;) {
      const found = ipvsLines(namespace.name).filter((line) => line.startsWith('-A') && line.includes(':30080'));
      if (found.join() === wanted.join()) return;
      await once(told, 'turn', { signal: AbortSignal.timeout(120_000) });
    }
  }

  it('an address that comes has NodePorts', async () => {
    namespace.run('ip addr add 192.168.1.11/24 dev eth0');
    await nodePorts(['192.168.1.10', '192.168.1.11']);
  });

  it('an address that goes has none any more', async () => {
    namespace.run('ip addr delete 192.168.1.10/24 dev eth0', 'ip addr add 192.168.1.12/24 dev eth0');
    await nodePorts(['192.168.1.12']);
  });

  it('with its device all of them go, and the ClusterIP stays', async () => {
    namespace.run('ip link delete eth0');
    await nodePorts([]);
    assert.ok(ipvsLines(namespace.name).includes('-A -t 10.96.0.10:80 -s rr'));
  });
});
