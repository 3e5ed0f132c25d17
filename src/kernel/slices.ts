/** A dump's records, so many at a time that to decode them holds up nobody. */

import { inPieces } from '../model/pieces.ts';

/** Records that are decoded at once. */
const sliceSize = 8;

/** Hands the dump over slice by slice, each of whole records. */
export async function inSlices(
  dump: Uint8Array,
  recordSize: number,
  decode: (slice: Uint8Array) => void,
): Promise<void> {
  await inPieces(slices(dump, sliceSize * recordSize), decode);
}

function* slices(dump: Uint8Array, length: number): Generator<Uint8Array> {
  for (let start = 0; start < dump.length; start += length) yield dump.subarray(start, start + length);
}
