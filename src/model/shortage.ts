/** What this process lacks for a moment, which says nothing of what was asked for. */

const codes: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS']);

export function isShortage(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codes.has(error.code);
}
