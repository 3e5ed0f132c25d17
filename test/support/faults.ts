/** What goes wrong between us and a kernel, on purpose. A kernel's honest refusals are the fake kernel's own business. */

import type { Op } from '../../src/model/op.ts';
import { Random } from './random.ts';

export type Fault =
  /** Not applied, for a reason that says nothing of what is there. */
  | { readonly kind: 'refused'; readonly errno: string }
  /** The answer is lost. */
  | { readonly kind: 'lost'; readonly applied: boolean }
  /** The channel breaks at this operation: neither it nor what follows it in the request is applied. */
  | { readonly kind: 'broken' };

export interface Faults {
  /** What happens to the next operation. */
  ofOperation(op: Op): Fault | undefined;
  /** Whether the channel breaks at the next read. */
  breaksRead(): boolean;
}

export const noFaults: Faults = {
  ofOperation: () => undefined,
  breaksRead: () => false,
};

const faults: readonly Fault[] = [
  { kind: 'refused', errno: 'ENOMEM' },
  { kind: 'refused', errno: 'EBUSY' },
  { kind: 'refused', errno: 'EINTR' },
  { kind: 'lost', applied: true },
  { kind: 'lost', applied: false },
  { kind: 'broken' },
];

/** A part of all operations and reads fails, in all the ways there are. */
export function randomFaults(seed: number, rate = 0.1): Faults {
  const random = new Random(seed);
  return {
    ofOperation: () => (random.next() < rate ? random.pick(faults) : undefined),
    breaksRead: () => random.next() < rate,
  };
}

/** We die after that many operations: nothing more reaches the kernel. */
export function crashAfter(operations: number): Faults {
  let left = operations;
  return {
    ofOperation: () => (left-- > 0 ? undefined : { kind: 'broken' }),
    breaksRead: () => left < 0,
  };
}

/** The operations on IPVS and kube-ipvs0 with these numbers, counted from 0, suffer; all others and all reads go well. */
export function faultsAt(chosen: ReadonlyMap<number, Fault>): Faults {
  let next = 0;
  const counts = ({ kind }: Op) => kind !== 'table' && kind !== 'element';
  return { ofOperation: (op) => (counts(op) ? chosen.get(next++) : undefined), breaksRead: () => false };
}
