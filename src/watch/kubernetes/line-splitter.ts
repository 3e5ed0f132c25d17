/** Bytes as they arrive → lines of text. A watch's answer has one JSON document a line. */

import { MalformedAnswer } from './malformed-answer.ts';

/** Bytes of the longest line, or item of a list, that is read: etcd takes objects of 1.5 MiB, so that whatever is longer is no API server's. */
export const longestText = 64 * 1024 * 1024;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export class LineSplitter {
  readonly #limit: number;
  /** The line that has no end yet. */
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(limit = longestText) {
    this.#limit = limit;
  }

  /**
   * The lines that end in this chunk, without their ends; empty ones are left out. Each byte is looked at once and copied at most
   * twice, however long the line and however small the chunks. Throws for a line over the limit.
   */
  *push(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#take();
      if (line !== '') yield line;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (this.#length > this.#limit) throw new MalformedAnswer(`a line has more than ${this.#limit} bytes`);
    this.#pieces.push(piece);
  }

  /** Decoded when it is whole: a character may lie across two chunks. */
  #take(): string {
    const line = joined(this.#pieces, this.#length);
    this.#pieces = [];
    this.#length = 0;
    const end = line.at(-1) === carriageReturn ? line.length - 1 : line.length;
    return line.toString('utf8', 0, end);
  }
}

/** The pieces as one buffer; a single piece is not copied. */
export function joined(pieces: readonly Uint8Array[], length: number): Buffer {
  const [first] = pieces;
  if (first === undefined) return Buffer.alloc(0);
  if (pieces.length > 1) return Buffer.concat(pieces, length);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}
