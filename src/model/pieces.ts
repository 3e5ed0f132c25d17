/** Long work in pieces: what is done for each of many items holds up the event loop only for a moment at a time. */

import { setImmediate } from 'node:timers/promises';

/** Milliseconds of work without a turn of the event loop. */
const stretch = 10;

/** Items between two looks at the clock, which costs as much as some of them. */
const batch = 4;

/** Does it for each item, in order. Others run in between, and must not change what the items come from. */
export async function inPieces<Item>(items: Iterable<Item>, each: (item: Item) => void): Promise<void> {
  let began = performance.now();
  let done = 0;
  for (const item of items) {
    each(item);
    done++;
    if (done % batch !== 0 || performance.now() - began < stretch) continue;
    await setImmediate();
    began = performance.now();
  }
}
