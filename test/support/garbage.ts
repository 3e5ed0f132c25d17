/** What is left in memory once nobody holds it. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects all that can be collected now. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that something still leads to. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
