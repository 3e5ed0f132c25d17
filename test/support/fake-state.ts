/** All that a fake kernel holds of what a cluster asks, as text: IPVS, kube-ipvs0 and the elements of the packet filter. */

import { elementOpText } from '../../src/model/filter-text.ts';
import type { FakeKernel } from './fake-kernel.ts';
import { stateText, tablesText } from './kernel-state.ts';

export function stateOf(kernel: FakeKernel): string {
  const elements = ([4, 6] as const).flatMap((family) => kernel.filter.elements(family));
  return stateText([
    ...tablesText(kernel.text()).split('\n'),
    ...elements.map((element) => elementOpText({ kind: 'element', verb: 'add', element })),
  ]);
}
