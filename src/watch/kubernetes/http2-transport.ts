/** HTTP/2: one connection for all requests. Pings tell within half a minute that the other end is gone, which TCP tells in minutes. */

import * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Credentials } from './credentials.ts';
import { errorText, type Patience, type Transport, type WireAnswer, type WireRequest } from './transport.ts';

/**
 * Bytes that a server may send before they are read, for one answer and for all. With the protocol's 64 KiB a list would wait for a
 * round trip each 64 KiB; together they leave room for the others while one is not read.
 */
const answerWindow = 4 * 1024 * 1024;
const connectionWindow = 16 * 1024 * 1024;

/** Megabytes that Node holds for a session before it refuses new requests; 10 by default, less than the windows. */
const sessionMemory = 64;

/** The session over a connection that negotiated `h2`. Resolves when it can take requests. */
export function openHttp2(socket: TLSSocket, credentials: Credentials, patience: Patience): Promise<Http2Transport> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(credentials.server, {
      createConnection: () => socket,
      maxSessionMemory: sessionMemory,
      settings: { initialWindowSize: answerWindow, enablePush: false },
    });
    session.on('error', reject);
    session.once('close', () => reject(new Error('the connection was closed')));
    session.once('connect', () => {
      session.setLocalWindowSize(connectionWindow);
      resolve(new Http2Transport(session, socket, credentials, patience));
    });
  });
}

class Http2Transport implements Transport {
  readonly #session: http2.ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #host: string;
  readonly #patience: Patience;
  readonly #pings: NodeJS.Timeout;
  #open = 0;
  #isRetired = false;
  #isAwaited = false;
  /** Why the session ended, where it knows. */
  #lost: Error | undefined;

  constructor(session: http2.ClientHttp2Session, socket: TLSSocket, { server }: Credentials, patience: Patience) {
    this.#session = session;
    this.#socket = socket;
    this.#host = server.host;
    this.#patience = patience;
    session.on('error', (error: Error) => (this.#lost ??= error));
    session.on('goaway', () => this.retire());
    this.#pings = setInterval(() => this.#ping(), patience.pingEvery).unref();
    session.on('close', () => clearInterval(this.#pings));
  }

  /** Not while the server has as many requests as it takes: those above wait, and a watch never ends of itself. One may always wait. */
  get isOpen(): boolean {
    const { closed, destroyed, remoteSettings } = this.#session;
    const isFull = this.#open > 0 && this.#open >= (remoteSettings.maxConcurrentStreams ?? Infinity);
    return !this.#isRetired && !closed && !destroyed && !isFull;
  }

  get isSpent(): boolean {
    return this.#socket.destroyed;
  }

  send({ method, path, headers, body, signal }: WireRequest): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(
        // Node's own leaves an IPv6 address without its brackets
        { ':method': method, ':authority': this.#host, ':path': path, ...headers },
        { endStream: body === undefined },
      );
      this.#open++;
      const abort = () => {
        stream.close(http2.constants.NGHTTP2_CANCEL);
        // one that was never sent is not told to be closed
        reject(signal.reason as Error);
      };
      const failure = (error?: Error) => (signal.aborted ? (signal.reason as Error) : this.#failure(error));
      signal.addEventListener('abort', abort, { once: true });
      stream.once('close', () => {
        this.#open--;
        if (this.#isRetired) this.retire();
        signal.removeEventListener('abort', abort);
        reject(failure());
      });
      stream.on('error', (error: Error) => reject(failure(error)));
      stream.once('response', (head) => {
        resolve({ status: head[':status']!, headers: head, body: read(stream, failure) });
      });
      if (body !== undefined) stream.end(body);
    });
  }

  /**
   * A session that is closed says so before it sends what it was asked last, and the server may then refuse that. Nor does it end before the
   * other end closes, which may never do so.
   */
  retire(): void {
    this.#isRetired = true;
    if (this.#open === 0) this.close();
  }

  close(): void {
    clearInterval(this.#pings);
    this.#session.destroy();
    this.#socket.destroy();
  }

  #failure(error: Error | undefined): Error {
    const cause = this.#lost ?? error;
    return new Error(cause === undefined ? 'the connection was lost' : `the connection was lost: ${errorText(cause)}`);
  }

  #ping(): void {
    if (this.#open === 0 || this.#isAwaited || this.#session.destroyed) return;
    const { sign } = this.#patience;
    const timer = setTimeout(() => this.#session.destroy(new Error(`no answer to a ping within ${sign} ms`)), sign);
    this.#isAwaited = this.#session.ping(() => {
      this.#isAwaited = false;
      clearTimeout(timer);
    });
    if (!this.#isAwaited) clearTimeout(timer);
  }
}

async function* read(stream: http2.ClientHttp2Stream, failure: (error?: Error) => Error): AsyncGenerator<Uint8Array> {
  try {
    // when nobody comes back for the rest, this destroys the stream
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    throw failure(error as Error);
  }
  // Where the connection is lost Node ends its streams as if they had been cancelled, without an error.
  if (stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) throw failure();
}
