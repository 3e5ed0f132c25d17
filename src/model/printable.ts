/** Text of other people's making, on its way to a terminal or a log. */

/** Control characters, line separators and marks that change the direction of text, as \u escapes. */
export function printable(text: string): string {
  return text.replace(unprintable, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** So many characters of a longer text, and an ellipsis. */
export function abridged(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters)}…` : text;
}

const unprintable = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
