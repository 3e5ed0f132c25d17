/** Gathers facts within a limit and judges them: what cannot be gathered becomes a finding, and ends nothing else. */

import { type Finding, warn } from './finding.ts';

export interface Examination {
  /** The check that a failure is told as. */
  readonly check: string;
  /** Milliseconds. */
  readonly limit: number;
  /** Given up when the signal is aborted. */
  readonly run: (signal: AbortSignal) => Promise<readonly Finding[]>;
}

/** Rejects when the reading takes longer than so many milliseconds. */
export async function within<T>(limit: number, reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limit / 1000} s`)), limit);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** All at once; findings in the order of the examinations. Rejects only when `signal` is aborted. */
export async function examine(examinations: readonly Examination[], signal: AbortSignal): Promise<Finding[]> {
  signal.throwIfAborted();
  const ends = examinations.map(() => new AbortController());
  const forward = () => {
    for (const end of ends) end.abort(signal.reason);
  };
  signal.addEventListener('abort', forward);
  try {
    const findings = await Promise.all(examinations.map((examination, i) => bounded(examination, ends[i]!)));
    signal.throwIfAborted();
    return findings.flat();
  } finally {
    signal.removeEventListener('abort', forward);
  }
}

async function bounded({ check, limit, run }: Examination, end: AbortController): Promise<readonly Finding[]> {
  const timer = setTimeout(() => end.abort(new Error(`no answer within ${limit / 1000} s`)), limit);
  const ended = new Promise<never>((_, reject) => {
    end.signal.addEventListener('abort', () => reject(end.signal.reason as Error), { once: true });
  });
  try {
    return await Promise.race([run(end.signal), ended]);
  } catch (error) {
    const cure = 'run as root on the node itself, and run again';
    return [warn(check, `cannot be examined: ${(error as Error).message}`, cure)];
  } finally {
    clearTimeout(timer);
  }
}
