/**
 * What goes wrong between us and a kernel, on purpose: for tests, with the real kernel as with the one in memory. A kernel's honest
 * refusals are its own business.
 */

import type { FaultRate } from '../model/fault-rate.ts';
import type { Answer, Op } from '../model/op.ts';
import { type Answers, KernelError } from './kernel.ts';
import { Random } from './random.ts';

export type Fault =
  /** Not applied, for a reason that says nothing of what is there. */
  | { readonly kind: 'refused'; readonly errno: string }
  /** The answer is lost. */
  | { readonly kind: 'lost'; readonly applied: boolean }
  /** The reply ends before this operation's answer: it and what follows it in the request are applied, and nobody is told. */
  | { readonly kind: 'cut' }
  /** The channel breaks at this operation: neither it nor what follows it in the request is applied. */
  | { readonly kind: 'broken'; readonly code: string };

export interface Faults {
  /** What happens to the next operation. */
  ofOperation(op: Op): Fault | undefined;
  /**
   * The code of the KernelError that the next read ends with. A dump that ends early is `DUMP_INTERRUPTED`, as one is that the kernel
   * itself marks so (NLM_F_DUMP_INTR): no part of it is ever told.
   */
  ofRead(): string | undefined;
  /** Milliseconds that the next exchange takes longer. */
  delay(): number;
}

/** Errnos that Linux 6.1 may have for any operation of the kind, whatever is there. */
const errnos: Readonly<Record<Op['kind'], readonly string[]>> = {
  service: ['ENOMEM', 'EBUSY', 'EINTR', 'EPERM'],
  destination: ['ENOMEM', 'EBUSY', 'EINTR', 'EPERM'],
  device: ['ENOMEM', 'EBUSY', 'ENFILE', 'EPERM'],
  binding: ['ENOMEM', 'ENOBUFS', 'EBUSY', 'EPERM'],
  table: ['ENOMEM', 'EBUSY', 'EINTR', 'EAGAIN', 'EPERM'],
  element: ['ENOMEM', 'EBUSY', 'EINTR', 'ENFILE', 'EPERM'],
  flow: ['ENOMEM', 'EBUSY', 'EAGAIN', 'EPERM'],
  setting: ['ENOMEM', 'EINTR', 'EROFS', 'EACCES'],
  timeouts: ['ENOMEM', 'EINTR', 'EPERM'],
};
const brokenBy = ['ENOBUFS', 'ENOMEM', 'EPERM', 'EPIPE'] as const;
const readsEndWith = ['DUMP_INTERRUPTED', 'ENOBUFS', 'ENOMEM', 'EPERM'] as const;
const longestDelay = 50;

/** A part of all operations and reads fails, in all the ways there are. */
export function randomFaults({ seed, rate }: FaultRate): Faults {
  const [operations, reads, exchanges] = [new Random(seed), new Random(seed + 1), new Random(seed + 2)];
  return {
    ofOperation: (op) => (operations.next() < rate ? randomFault(operations, op) : undefined),
    ofRead: () => (reads.next() < rate ? reads.pick(readsEndWith) : undefined),
    delay: () => (exchanges.next() < rate ? exchanges.next() * longestDelay : 0),
  };
}

function randomFault(random: Random, { kind }: Op): Fault {
  return random.pick<() => Fault>([
    () => ({ kind: 'refused', errno: random.pick(errnos[kind]) }),
    () => ({ kind: 'refused', errno: random.pick(errnos[kind]) }),
    () => ({ kind: 'lost', applied: random.next() < 0.5 }),
    () => ({ kind: 'cut' }),
    () => ({ kind: 'broken', code: random.pick(brokenBy) }),
  ])();
}

/** Sends those of the operations that faults let through, and answers what faults leave of the answers. */
export async function applyWith(
  faults: Faults,
  ops: readonly Op[],
  send: (ops: readonly Op[]) => Promise<Answers>,
): Promise<Answers> {
  const answers: Answer[] = ops.map(() => 'unknown');
  const sent: number[] = [];
  const heard = new Set<number>();
  let broken: string | undefined;
  for (let i = 0; i < ops.length && broken === undefined; i++) {
    const fault = faults.ofOperation(ops[i]!);
    switch (fault?.kind) {
      case undefined:
        sent.push(i);
        heard.add(i);
        break;
      case 'refused':
        answers[i] = { errno: fault.errno };
        break;
      case 'lost':
        if (fault.applied) sent.push(i);
        break;
      case 'cut':
        while (i < ops.length) sent.push(i++);
        break;
      case 'broken':
        broken = fault.code;
        break;
      default:
        fault satisfies never;
    }
  }
  const exchange = sent.length === 0 ? { answers: [], milliseconds: 0 } : await send(sent.map((i) => ops[i]!));
  if (broken !== undefined) throw injected(broken);
  sent.forEach((i, n) => {
    if (heard.has(i)) answers[i] = exchange.answers[n] ?? 'unknown';
  });
  return { answers, milliseconds: exchange.milliseconds };
}

/** Throws what the next read fails with; nothing where it does not fail. */
export function throwReadFault(faults: Faults): void {
  const code = faults.ofRead();
  if (code !== undefined) throw injected(code);
}

function injected(code: string): KernelError {
  return new KernelError(code, `the kernel could not be asked: ${code}, injected by --inject-kernel-faults`);
}
