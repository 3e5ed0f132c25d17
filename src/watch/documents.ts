/**
 * A file's text cut at places where it may be cut without being parsed: at document markers, between JSON values, and a List at
 * its items. Each passage is then parsed on its own, so that neither memory nor the time between two turns of the event loop
 * grows with the file.
 */

import type { Passage, SourceText } from './source-text.ts';

/**
 * The documents of a text, without empty ones. A line of `---` or `...` at the first column is a marker wherever it stands
 * (YAML 1.2 §9.1.2), also inside quotes and blocks. A line ends at LF: for `^` and `$` it would at U+2028 and U+2029 too, which
 * are text in YAML and JSON.
 */
export function documents(source: SourceText): Passage[] {
  const { text } = source;
  const passages: Passage[] = [];
  let start = 0;
  const cut = (end: number, next: number) => {
    const part = text.slice(start, end);
    // Directives (%YAML 1.1) go with the document behind the marker.
    if (isDirectives(part)) return;
    if (/^[ \t]*[^#\s]/m.test(part)) passages.push({ source, text: part, start });
    start = next;
  };
  for (const { index, 0: line } of text.matchAll(/(?<![^\n])(?:---|\.\.\.)(?:[ \t][^\n]*)?(?![^\n])/g)) {
    // So does what stands on the marker's line: `--- {kind: List}`, `--- |`.
    const bare = /^...[ \t]*(?:[ \t]#.*)?$/.test(line);
    cut(index, bare ? Math.min(index + line.length + 1, text.length) : index);
  }
  cut(text.length, text.length);
  return passages;
}

function isDirectives(text: string): boolean {
  if (!text.startsWith('%') && !text.includes('\n%')) return false;
  return text.split('\n', 100).every((line) => /^(?:%.*|[ \t]*(?:#.*)?)$/.test(line));
}

/**
 * The values of a text that may hold several JSON values behind one another, each on lines of its own, as two lists that kubectl
 * printed. Inside a JSON value no line break stands between a closing and an opening bracket.
 */
export function jsonValues(document: Passage): Passage[] {
  const { source, text, start } = document;
  const ends = [...text.matchAll(/[}\]]\s+(?=[{[])/g)]
    .filter(([gap]) => gap.includes('\n'))
    .map(({ index }) => index + 1);
  return [0, ...ends].map((at, i) => ({ source, text: text.slice(at, ends[i]), start: start + at }));
}

/** A block-style List as kubectl prints it. */
export interface ListPassages {
  /** The document without its items: `items:` is empty in it. */
  readonly frame: Passage;
  /** Each the text of a list with one element. */
  readonly items: readonly Passage[];
}

/**
 * Cuts a document whose top level has a block list `items:`. Undefined when it does not look like that. A wrong cut is not
 * possible for valid YAML: at the column of the list's dashes, or left of it, nothing but structure and comments can stand.
 * What is invalid is found by whoever parses the passages: a dash left of the others is in the frame. Costs a look at each line.
 */
export function cutList(document: Passage): ListPassages | undefined {
  const { source, text, start } = document;
  const head = /(?<![^\n])items:[ \t]*\n/.exec(text);
  if (head === null) return undefined;
  const listStart = head.index + head[0].length;
  const column = /^(?:[ \t]*(?:#.*)?\n)*( *)-(?:[ \n]|$)/.exec(text.slice(listStart, listStart + 1000))?.[1]?.length;
  if (column === undefined) return undefined;

  const items: Passage[] = [];
  let itemStart = -1;
  let at = listStart;
  const endItem = (end: number) => {
    if (itemStart >= 0) items.push({ source, text: text.slice(itemStart, end), start: start + itemStart });
    itemStart = end;
  };
  for (; at < text.length; at = nextLine(text, at)) {
    let first = at;
    while (first < at + column && text[first] === ' ') first++;
    const c = text[first];
    // Structure is never indented by a tab: the rest of an item is, or nothing, or a comment.
    if (c === '\n' || c === '#' || c === '\t' || c === undefined) continue;
    if (first < at + column) break;
    if (c === ' ') continue;
    if (c !== '-' || !isBlank(text[first + 1])) {
      if (column === 0) break;
      return undefined;
    }
    endItem(at);
  }
  endItem(at);
  const frame = { source, start, cut: { at: listStart, length: at - listStart } };
  return { frame: { ...frame, text: text.slice(0, listStart) + text.slice(at) }, items };
}

function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

function isBlank(c: string | undefined): boolean {
  return c === undefined || c === ' ' || c === '\n';
}
