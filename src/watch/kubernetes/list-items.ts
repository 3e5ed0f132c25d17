/**
 * A list's JSON, as it arrives, cut at its items: each is then parsed on its own, so that neither memory nor the time between two
 * turns of the event loop grows with the page. What the cut gets wrong for JSON that is none, the parser of the parts refuses.
 */

import { joined, longestText } from './line-splitter.ts';
import { MalformedAnswer } from './malformed-answer.ts';

const byte = {
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
};

/** Brackets that are open where the list's items stand: `{"items":[`. */
const itemsDepth = 2;

/** Bytes of `"items": [`, with more space than anybody leaves; what is written otherwise stays in the frame, and is found there. */
const longestKey = 64;

export class ListItems {
  readonly #limit: number;
  #depth = 0;
  #isInItems = false;
  #isInString = false;
  /** The chunk ended behind a backslash. */
  #isEscaped = false;
  readonly #frame: Uint8Array[] = [];
  #frameLength = 0;
  #item: Uint8Array[] = [];
  #itemLength = 0;

  constructor(limit = longestText) {
    this.#limit = limit;
  }

  /** The texts of the items that end in this chunk. Throws for an item over the limit, and for one that is no object. */
  *push(chunk: Uint8Array): Generator<string> {
    for (let at = 0; at < chunk.length; ) {
      let start = at;
      if (!this.#isInItems) {
        at = this.#scan(chunk, at);
        this.#keepFrame(chunk.subarray(start, at));
        if (this.#depth === itemsDepth && chunk[at - 1] === byte.openBracket)
          this.#isInItems = this.#isBehindItemsKey();
        continue;
      }
      if (this.#depth === itemsDepth) {
        // commas and spaces between items belong to neither them nor the frame: it keeps `"items":[]`
        at = nextItem(chunk, at);
        start = at;
        this.#isInItems = chunk[at] !== byte.closeBracket;
        if (at === chunk.length || !this.#isInItems) continue;
        this.#depth++;
        at++;
      }
      at = this.#scan(chunk, at);
      this.#keepItem(chunk.subarray(start, at));
      if (this.#depth === itemsDepth) yield this.#takeItem();
    }
  }

  /** The text of the list without its items, once all of it arrived: JSON unless it ended early. */
  end(): string {
    return Buffer.concat(this.#frame).toString('utf8');
  }

  /** To where an item ends, to where a list at the depth of the items begins, or to the chunk's end. Each byte of a list comes by here. */
  #scan(chunk: Uint8Array, from: number): number {
    const isInItems = this.#isInItems;
    const { length } = chunk;
    let depth = this.#depth;
    let isInString = this.#isInString;
    let at = this.#isEscaped ? from + 1 : from;
    for (; at < length; at++) {
      const c = chunk[at]!;
      if (isInString) {
        if (c === byte.backslash) at++;
        else if (c === byte.quote) isInString = false;
      } else if (c === byte.quote) isInString = true;
      else if (c === byte.openBrace || c === byte.openBracket) {
        depth++;
        if (!isInItems && depth === itemsDepth && c === byte.openBracket) break;
      } else if (c === byte.closeBrace || c === byte.closeBracket) {
        depth--;
        if (isInItems && depth === itemsDepth) break;
      }
    }
    this.#depth = depth;
    this.#isInString = isInString;
    this.#isEscaped = at > length;
    return Math.min(at + 1, length);
  }

  /** Looks at the frame's end only: with all of it, one that begins with thousands of arrays would cost their square. */
  #isBehindItemsKey(): boolean {
    let first = this.#frame.length;
    for (let length = 0; first > 0 && length < longestKey; length += this.#frame[first]!.length) first--;
    return /"items"\s*:\s*\[$/.test(Buffer.concat(this.#frame.slice(first)).toString('latin1').slice(-longestKey));
  }

  #keepFrame(piece: Uint8Array): void {
    this.#frameLength += piece.length;
    if (this.#frameLength > this.#limit) throw tooLong("what is around the list's items", this.#limit);
    this.#frame.push(piece);
  }

  #keepItem(piece: Uint8Array): void {
    this.#itemLength += piece.length;
    if (this.#itemLength > this.#limit) throw tooLong('an item of the list', this.#limit);
    this.#item.push(piece);
  }

  #takeItem(): string {
    const text = joined(this.#item, this.#itemLength).toString('utf8');
    this.#item = [];
    this.#itemLength = 0;
    return text;
  }
}

/** Where the next item begins, or the list of items ends, or the chunk. */
function nextItem(chunk: Uint8Array, from: number): number {
  for (let at = from; at < chunk.length; at++) {
    const c = chunk[at]!;
    if (c === byte.openBrace || c === byte.closeBracket) return at;
    if (c > byte.space && c !== byte.comma) throw new MalformedAnswer('an item of the list is no object');
  }
  return chunk.length;
}

function tooLong(what: string, limit: number): MalformedAnswer {
  return new MalformedAnswer(`${what} has more than ${limit} bytes`);
}
