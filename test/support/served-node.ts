/** A node that serves one Service, default/web, for tests that speak of what happens next. */

import type { Wishes } from '../../src/reconcile/wanted.ts';
import { opText } from '../../src/model/text.ts';
import type { Store } from '../../src/store/store.ts';
import { service, setService, setSlice, slice, storeOf } from './cluster.ts';
import { FakeKernel, type FakeOptions } from './fake-kernel.ts';
import { noFaults } from './faults.ts';
import { NodeLoop } from './node-loop.ts';

export const device = 'ip link add kube-ipvs0 type dummy';
export const web = service('default/web');
export const webSlice = (...endpoints: Parameters<typeof slice>[1]) => setSlice(slice('default/web', endpoints));

export interface ServedNode {
  readonly kernel: FakeKernel;
  readonly store: Store;
  readonly node: NodeLoop;
}

export function started(store: Store, options: FakeOptions = {}, wishes: Partial<Wishes> = {}): ServedNode {
  const kernel = new FakeKernel({ faults: noFaults, ...options });
  return { kernel, store, node: new NodeLoop(kernel, store, wishes) };
}

/** default/web with these endpoints, all done and nothing counted yet. */
export async function serving(...endpoints: Parameters<typeof slice>[1]): Promise<ServedNode> {
  const served = started(storeOf(setService(web), webSlice(...endpoints)));
  await served.node.converge();
  served.node.applied.length = 0;
  served.kernel.reads = 0;
  served.kernel.writes = 0;
  return served;
}

/** What was applied to IPVS and kube-ipvs0, as text. */
export function texts(node: NodeLoop): string[] {
  return node.applied.map(opText).filter((line) => !line.startsWith('nft '));
}

/** What was applied to the packet filter, as text. */
export function filterTexts(node: NodeLoop): string[] {
  return node.applied.map(opText).filter((line) => line.startsWith('nft '));
}
