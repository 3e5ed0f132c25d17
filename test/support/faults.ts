/** No faults, or some at places that a test chooses; those at random are the program's own (src/kernel/faults.ts). */

import type { Fault, Faults } from '../../src/kernel/faults.ts';
import type { Op } from '../../src/model/op.ts';

export const noFaults: Faults = {
  ofOperation: () => undefined,
  ofRead: () => undefined,
  delay: () => 0,
};

/** We die after that many operations: nothing more reaches the kernel. */
export function crashAfter(operations: number): Faults {
  let left = operations;
  return {
    ...noFaults,
    ofOperation: () => (left-- > 0 ? undefined : { kind: 'broken', code: 'EPIPE' }),
    ofRead: () => (left < 0 ? 'EPIPE' : undefined),
  };
}

/** The operations on IPVS and kube-ipvs0 with these numbers, counted from 0, suffer; all others and all reads go well. */
export function faultsAt(chosen: ReadonlyMap<number, Fault>): Faults {
  let next = 0;
  const counts = ({ kind }: Op) => kind !== 'table' && kind !== 'element';
  return { ...noFaults, ofOperation: (op) => (counts(op) ? chosen.get(next++) : undefined) };
}
