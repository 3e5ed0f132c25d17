/** What the addon answers, as the core wants it: errnos as names, the kernel's words with their operation. */

import { constants } from 'node:os';
import type { Answer } from '../model/op.ts';
import type { NativeAnswers } from './addon.ts';

export function appendAnswers(answers: Answer[], { errnos, texts }: NativeAnswers): void {
  const start = answers.length;
  for (const errno of errnos) answers.push(errno === 0 ? 'done' : errno < 0 ? 'unknown' : { errno: errnoName(errno) });
  for (const { index, text } of texts) {
    const answer = answers[start + index];
    if (typeof answer === 'object') answers[start + index] = { ...answer, text };
  }
}

/** The same answer to each of some operations, which were not sent. */
export function unsent(count: number, errno: number): NativeAnswers {
  return { errnos: new Int32Array(count).fill(errno), texts: [], nanoseconds: 0 };
}

/** The answer to a request that ends or rejects; rejects with what is no errno. */
export async function answerOf(request: () => Promise<void>): Promise<NativeAnswers> {
  const start = process.hrtime.bigint();
  let errno = 0;
  try {
    await request();
  } catch (error) {
    const known = errnoNumbers.get((error as { code?: string }).code ?? '');
    if (known === undefined) throw error;
    errno = known;
  }
  return { errnos: Int32Array.of(errno), texts: [], nanoseconds: Number(process.hrtime.bigint() - start) };
}

export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}

const errnoNumbers = new Map(Object.entries(constants.errno));
/** Other names of EAGAIN and EOPNOTSUPP, which nobody uses for the kernel. */
const aliases: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'ENOTSUP']);
const errnoNames = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !aliases.has(name))
    .map(([name, number]) => [number, name]),
);
