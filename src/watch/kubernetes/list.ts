/** The body of a list's answer: its objects as they arrive, and what is said of the list itself. */

import { ListItems } from './list-items.ts';
import { MalformedAnswer } from './malformed-answer.ts';
import { versionOf } from './watch-event.ts';

export interface ListFrame {
  readonly version: string | undefined;
  /** Asks for the next page; '' on the last one. */
  readonly continue: string;
}

export interface ListBody {
  /** Rejects for what is no JSON object, and when the connection ends first. */
  readonly items: AsyncIterable<object>;
  /** After the items. Throws where the list ended early or is none. */
  frame(): ListFrame;
}

export function readList(body: AsyncIterable<Uint8Array>): ListBody {
  const splitter = new ListItems();
  return { items: objects(body, splitter), frame: () => frameOf(parsed(splitter.end())) };
}

async function* objects(body: AsyncIterable<Uint8Array>, splitter: ListItems): AsyncGenerator<object> {
  for await (const chunk of body) {
    for (const text of splitter.push(chunk)) yield parsed(text);
  }
}

function parsed(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MalformedAnswer(`the list is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null) throw new MalformedAnswer('the list is no JSON object');
  return value;
}

function frameOf(list: object): ListFrame {
  const { metadata, items } = list as {
    readonly metadata?: { readonly continue?: unknown } | null;
    readonly items?: unknown;
  };
  // Taken for an empty list it would delete everything. Go prints an empty one as null.
  if (items !== null && !Array.isArray(items)) throw new MalformedAnswer('the answer is no list: it has no items');
  if (items !== null && items.length > 0) throw new MalformedAnswer("the list's items are not where they belong");
  const token = metadata?.continue;
  return { version: versionOf(list), continue: typeof token === 'string' ? token : '' };
}
