/** The writing of answers: headers in Go's order, bodies at once or in pieces. */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { goJson, type Json, type JsonObject } from './json.ts';
import type { Refusal } from './statuses.ts';

export interface AnswerOptions {
  readonly request: IncomingMessage;
  /** Of HTTP/1.1; one of HTTP/2 is used only as far as it is the same. */
  readonly response: ServerResponse;
  readonly chunkBytes: number | undefined;
  readonly now: () => number;
  /** Hears the status code when the answer begins. */
  readonly begun: (code: number) => void;
}

/** Go's server sends a length when it knows the end by the time it has so many bytes. */
const goBuffer = 2048;
/** From there on an answer is compressed for those who bear it (endpoints/handlers/responsewriters). */
const gzipFrom = 128 * 1024;
/** A reader that leaves so much unread has lost its watch. */
const mostUnread = 64 * 1024 * 1024;
const pieceSize = 64 * 1024;

export class Answer {
  /** Requests that were authenticated carry the names of their place in the queues. */
  flowControlled = false;
  /** In the middle of its body, and with it the connection. */
  breaks = false;
  readonly #options: AnswerOptions;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /** As apiserver does for people (endpoints/handlers/negotiation). */
  get pretty(): boolean {
    const { request } = this.#options;
    const asked = new URL(request.url ?? '/', 'http://server').searchParams.get('pretty');
    if (asked !== null && asked !== '') return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(asked);
    return /^(curl|Wget|Mozilla\/5\.0)/.test(request.headers['user-agent'] ?? '');
  }

  get closed(): boolean {
    return this.#options.response.destroyed || this.#options.response.writableEnded;
  }

  /** Calls back once, when the connection or the stream is gone. */
  onClose(listener: () => void): void {
    this.#options.response.once('close', listener);
  }

  object(code: number, object: JsonObject): void {
    this.text(code, this.json(object), 'application/json');
  }

  json(value: Json): string {
    return this.pretty ? goJson(value, 2) : `${goJson(value)}\n`;
  }

  refusal({ code, status, retryAfter }: Refusal): void {
    this.text(code, this.json(status), 'application/json', retryAfter);
  }

  text(code: number, body: string | Uint8Array, contentType: string, retryAfter?: number): void {
    const { request, response } = this.#options;
    let bytes: Uint8Array = typeof body === 'string' ? Buffer.from(body) : body;
    const isLong = bytes.length > gzipFrom && /\bgzip\b/.test(String(request.headers['accept-encoding']));
    this.#begin(code, contentType, { retryAfter, gzipped: isLong });
    if (isLong) bytes = gzipSync(bytes, { level: 1 });
    if (this.breaks) return this.#break(bytes.subarray(0, bytes.length / 2));
    if (bytes.length <= goBuffer) response.setHeader('Content-Length', bytes.length);
    this.#write(bytes);
    response.end();
  }

  /** Pieces are gathered and sent as fast as they are read. */
  async pieces(pieces: Iterable<string>): Promise<void> {
    const { request, response } = this.#options;
    const isWhole = this.breaks || /\bgzip\b/.test(String(request.headers['accept-encoding']));
    if (isWhole) return this.text(200, [...pieces].join(''), 'application/json');
    let gathered = '';
    let isBegun = false;
    for (const piece of pieces) {
      gathered += piece;
      if (gathered.length < pieceSize) continue;
      if (!isBegun) this.#begin(200, 'application/json', {});
      isBegun = true;
      if (!this.#write(Buffer.from(gathered))) await this.#drained();
      if (this.closed) return undefined;
      gathered = '';
    }
    if (!isBegun) return this.text(200, gathered, 'application/json');
    this.#write(Buffer.from(gathered));
    response.end();
    return undefined;
  }

  /** Or closed. */
  #drained(): Promise<void> {
    const { response } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      if (this.closed) return resolve();
      response.on('drain', done);
      response.on('close', done);
    });
  }

  /** The headers of an answer that goes on: nothing of it waits. */
  open(): void {
    this.#begin(200, 'application/json', {});
    this.#options.response.flushHeaders();
  }

  push(text: string): void {
    const { response } = this.#options;
    if (this.closed) return;
    this.#write(Buffer.from(text));
    if (response.writableLength > mostUnread) this.#connection()?.destroy();
  }

  /** Until the reader has caught up, or is gone; undefined when nothing waits for it. */
  caughtUp(): Promise<void> | undefined {
    return this.#options.response.writableNeedDrain ? this.#drained() : undefined;
  }

  end(): void {
    if (!this.closed) this.#options.response.end();
  }

  /** The text is the last that is heard on this connection. */
  cut(text: string): void {
    if (!this.closed) this.#break(Buffer.from(text));
  }

  #break(bytes: Uint8Array): void {
    this.#options.response.write(bytes, () => setImmediate(() => this.#connection()?.destroy()));
  }

  #connection(): { destroy(): void } | null | undefined {
    const { response } = this.#options;
    if (response.req.httpVersionMajor < 2) return response.socket;
    return (response as unknown as Http2ServerResponse).stream.session;
  }

  #write(bytes: Uint8Array): boolean {
    const { response, chunkBytes } = this.#options;
    if (chunkBytes === undefined) return response.write(bytes);
    // Node.js 26 makes one chunk of what is written in a turn, unless the socket already waits for the rest
    const socket = response.req.httpVersionMajor < 2 ? response.socket : null;
    let took = true;
    socket?.cork();
    for (let i = 0; i < bytes.length; i += chunkBytes) took = response.write(bytes.subarray(i, i + chunkBytes));
    socket?.uncork();
    return took;
  }

  #begin(
    code: number,
    contentType: string,
    { retryAfter, gzipped }: { readonly retryAfter?: number | undefined; readonly gzipped?: boolean },
  ): void {
    const { response, now, begun } = this.#options;
    begun(code);
    response.statusCode = code;
    response.sendDate = false;
    // Go says nothing of connections that it keeps
    if (response.req.httpVersionMajor < 2) response.removeHeader('Connection');
    response.setHeader('Audit-Id', randomUUID());
    response.setHeader('Cache-Control', 'no-cache, private');
    if (gzipped === true) response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Content-Type', contentType);
    if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter);
    if (gzipped === true) response.setHeader('Vary', 'Accept-Encoding');
    if (this.flowControlled) {
      response.setHeader('X-Kubernetes-Pf-Flowschema-Uid', flowSchema);
      response.setHeader('X-Kubernetes-Pf-Prioritylevel-Uid', priorityLevel);
    }
    response.setHeader('Date', new Date(now()).toUTCString());
  }
}

const flowSchema = randomUUID();
const priorityLevel = randomUUID();
