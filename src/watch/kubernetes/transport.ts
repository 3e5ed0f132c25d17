/** Connections to one API server: what HTTP/1.1 and HTTP/2 have in common. */

import type { IncomingHttpHeaders } from 'node:http';
import type { ApiRequest } from './api-client.ts';

/** Several values of one name are sent as several fields. */
export type HeaderFields = Readonly<Record<string, string | string[]>>;

export interface WireRequest {
  readonly method: ApiRequest['method'];
  readonly path: string;
  /** Names in lower case. */
  readonly headers: HeaderFields;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Rejects when the connection ends before the answer does, when nothing is heard from a server that is gone, and when aborted. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Transport {
  /** It takes requests. */
  readonly isOpen: boolean;
  /** Retired, and nothing is under way. */
  readonly isSpent: boolean;
  send(request: WireRequest): Promise<WireAnswer>;
  /** Takes no more requests, and closes behind the last answer. */
  retire(): void;
  close(): void;
}

/**
 * Milliseconds. A server that hangs, or a connection whose other end is gone, is noticed within the sum of two of them, over HTTP/1.1
 * within half of `silence` more.
 */
export interface Patience {
  /** For the connection to be made, with TLS. */
  readonly connect: number;
  /** Of that, for one address of a name that has several, before the next one is tried. */
  readonly address: number;
  /** For an answer to begin. */
  readonly answer: number;
  /** HTTP/2: between two pings while anything is open. */
  readonly pingEvery: number;
  /** HTTP/1.1: without a word before the server is asked for one on another connection. A watch has a bookmark a minute. */
  readonly silence: number;
  /** For the answer to a ping, or to that question. */
  readonly sign: number;
  /** For a credential plugin to end; then it is ended. */
  readonly plugin: number;
}

export const patience: Patience = {
  connect: 15_000,
  address: 2_000,
  answer: 30_000,
  pingEvery: 15_000,
  silence: 25_000,
  sign: 15_000,
  plugin: 60_000,
};

/** With the words of all attempts: where a name has several addresses Node tells the failures as one without a message. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join(', ');
  return error instanceof Error ? error.message || error.name : String(error);
}
