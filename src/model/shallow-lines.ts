/**
 * YAML wants what stands in brackets or quotes to begin each of its lines deeper than the key in front of it, and js-yaml insists, and
 * refuses tabs in brackets as well. Go's readers do not, and so kube-proxy, kubectl and client-go take
 *
 *     nodePortAddresses: [
 *       10.0.0.0/8
 *     ]
 */

/** What was made of a text, perhaps with more blanks in it. */
export interface DeepenedReading<T> {
  readonly value: T;
  /** The text that was read. */
  readonly text: string;
  /** The offset in the text as it was written, of one in the text that was read. */
  readonly original: (offset: number) => number;
}

const room = ' '.repeat(16);

/** Characters that are read again at most: each shallow line takes a reading of its own. */
const most = 2 ** 25;

/** `read` throws what js-yaml does. Where deeper lines do not help, its first error is thrown: it tells where the mistake begins. */
export function readDeepened<T>(text: string, read: (text: string) => T): DeepenedReading<T> {
  let deepened = text;
  let first: unknown;
  let readAgain = 0;
  const deepenedAt: number[] = [];
  const original = (offset: number) => offset - room.length * deepenedAt.filter((at) => at < offset).length;
  for (;;) {
    try {
      return { value: read(deepened), text: deepened, original };
    } catch (error) {
      first ??= error;
      const at = shallowAt(error);
      readAgain += deepened.length;
      if (at === undefined || readAgain > most) throw first;
      const lineAt = Math.max(deepened.lastIndexOf('\n', at - 1), deepened.lastIndexOf('\r', at - 1)) + 1;
      const before = deepened.slice(lineAt, at);
      const isFirst = /^[ \t]*$/.test(before);
      const tab = before.lastIndexOf('\t');
      // what ends a document ends it in brackets too
      const endsDocument = /^(?:---|\.\.\.)(?:\s|$)/.test(deepened.slice(lineAt, lineAt + 4));
      if (endsDocument || (!isFirst && tab < 0)) throw first;
      if (isFirst) {
        deepened = deepened.slice(0, lineAt) + room + deepened.slice(lineAt);
        deepenedAt.push(lineAt);
      } else deepened = `${deepened.slice(0, lineAt + tab)} ${deepened.slice(lineAt + tab + 1)}`;
    }
  }
}

function shallowAt(error: unknown): number | undefined {
  const { reason, mark } = error as { readonly reason?: string; readonly mark?: { readonly position: number } };
  return reason === 'deficient indentation' ? mark?.position : undefined;
}
