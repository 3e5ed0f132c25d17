/** What an API server says instead of what it was asked for: an HTTP status with a Status object, or an ERROR event of a watch. */

import { quoted } from '../problem.ts';
import type { ApiAnswer } from './api-client.ts';

export interface Refusal {
  /** HTTP status, or `code` of the Status. */
  readonly code: number;
  /** A sentence of the server's making: print it with care. */
  readonly message: string;
  /** The server asks to be left alone so long; milliseconds. */
  readonly retryAfter: number | undefined;
  /** A resource version that this server has not reached yet (`ResourceVersionTooLarge`, apimachinery of Kubernetes 1.36). */
  readonly isAhead: boolean;
}

/** Bytes of an error's body that are read: a Status is short, and a proxy's page in its place is not worth more. */
const longestBody = 65_536;

/** Reads the body of an answer that is not 200. Rejects when the connection ends first. */
export async function readRefusal(answer: ApiAnswer): Promise<Refusal> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of answer.body) {
    pieces.push(piece);
    length += piece.length;
    if (length > longestBody) break;
  }
  const text = Buffer.concat(pieces).toString('utf8', 0, longestBody);
  const refusal = refusalOf(parsed(text), answer.status);
  if (refusal !== undefined) return { ...refusal, retryAfter: answer.retryAfter ?? refusal.retryAfter };
  const said = text.trim() === '' ? '' : `: ${quoted(text.trim())}`;
  const { location } = answer;
  const leads = `, a redirection to ${quoted(location ?? '')}; name the API server itself in the kubeconfig or with --master`;
  return {
    code: answer.status,
    message: `HTTP ${answer.status}${location === undefined ? said : leads}`,
    retryAfter: answer.retryAfter,
    isAhead: false,
  };
}

/** The refusal in a Status object; undefined when it is none. */
export function refusalOf(raw: unknown, httpStatus: number): Refusal | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined;
  const { kind, code, message, reason, details } = raw as Readonly<Record<string, unknown>>;
  if (kind !== 'Status') return undefined;
  const { retryAfterSeconds, causes } = (details ?? {}) as Readonly<Record<string, unknown>>;
  const words = [message, reason].find((word) => typeof word === 'string' && word !== '') as string | undefined;
  return {
    // a Status of a watch has no HTTP status of its own but 200
    code: typeof code === 'number' && code > 0 ? code : httpStatus,
    message: words ?? `HTTP ${httpStatus}`,
    retryAfter: typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0 ? retryAfterSeconds * 1000 : undefined,
    isAhead:
      (Array.isArray(causes) && causes.some((cause) => (cause as { reason?: unknown } | null)?.reason === tooLarge)) ||
      // servers before 1.20 name no cause
      (typeof message === 'string' && message.includes('Too large resource version')),
  };
}

const tooLarge = 'ResourceVersionTooLarge';

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
