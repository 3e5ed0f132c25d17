/** The text of one manifest file, and where in it things are. */

import { lineStarts, positionIn } from '../model/line-starts.ts';

export class SourceText {
  /** As messages name it. */
  readonly file: string;
  readonly text: string;
  /** Offsets at which lines begin; made when first asked for: most files have nothing to complain about. */
  #lines: number[] | undefined;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** Line and column from 1. The first question costs a walk through the text. */
  position(offset: number): { readonly line: number; readonly column: number } {
    this.#lines ??= lineStarts(this.text);
    return positionIn(this.#lines, offset);
  }
}

/** A stretch of a file that is parsed on its own: a document, an item of a List, or what is around a List's items. */
export interface Passage {
  readonly source: SourceText;
  readonly text: string;
  /** Where the passage begins in the file. */
  readonly start: number;
  /** What was cut out of it: at this offset of the passage so many characters are missing. */
  readonly cut?: { readonly at: number; readonly length: number };
}

/** Offset in the file of an offset in the passage. */
export function fileOffset(passage: Passage, offset: number): number {
  const { start, cut } = passage;
  return start + offset + (cut !== undefined && offset >= cut.at ? cut.length : 0);
}

/**
 * Text of a file's bytes: UTF-8 with or without byte order mark. Line ends CR LF and CR become LF, which every YAML reader does and
 * which moves no column.
 */
export function decode(bytes: Uint8Array): { readonly text: string } | { readonly refusal: string } {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return { refusal: 'is UTF-16; save it as UTF-8' };
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0) return { refusal: `is no text (a zero byte at offset ${zero}); give YAML or JSON in UTF-8` };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text: text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text };
  } catch (error) {
    if (error instanceof TypeError) return { refusal: 'is no UTF-8 text; give YAML or JSON in UTF-8' };
    const { message } = error as Error;
    return { refusal: `cannot be held as one text (${message}); split it into smaller files` };
  }
}
