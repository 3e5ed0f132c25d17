/** Long work in pieces: progress, abort, and turns of the event loop in between. */

import { setImmediate } from 'node:timers/promises';

export interface Pace {
  /** Counts work as done. A promise when it is time for a pause: await it before going on. */
  step(amount: number): Promise<void> | undefined;
}

/** Milliseconds of work without a pause. */
const stretch = 20;

export function pace(
  total: number,
  signal: AbortSignal | undefined,
  onProgress: ((done: number, total: number) => void) | undefined,
): Pace {
  let done = 0;
  let last = performance.now();
  const pause = async () => {
    onProgress?.(Math.min(done, total), total);
    await setImmediate();
    signal?.throwIfAborted();
    last = performance.now();
  };
  return {
    step(amount) {
      done += amount;
      return performance.now() - last < stretch ? undefined : pause();
    },
  };
}
