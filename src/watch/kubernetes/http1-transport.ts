/** HTTP/1.1: a connection for each request under way, kept for the next one. */

import * as http from 'node:http';
import * as https from 'node:https';
import type { Credentials } from './credentials.ts';
import { errorText, type Patience, type Transport, type WireAnswer, type WireRequest } from './transport.ts';

/** Milliseconds without traffic after which the kernel asks whether the other end is there, ten times in ten seconds (libuv). */
const keepAliveDelay = 15_000;

export class Http1Transport implements Transport {
  readonly #credentials: Credentials;
  readonly #patience: Patience;
  readonly #agent: http.Agent;
  /** Those that nobody has answered yet. */
  readonly #questions = new Set<AbortController>();
  /** The last question whether the server is there: one stands for all answers that are silent at about the same time. */
  #question: { readonly askedAt: number; readonly answer: Promise<void> } | undefined;
  #isRetired = false;

  constructor(credentials: Credentials, patience: Patience) {
    this.#credentials = credentials;
    this.#patience = patience;
    const { server, tls, proxy } = credentials;
    const plain = server.protocol === 'http:';
    this.#agent = proxy ?? (plain ? new http.Agent({ keepAlive: true }) : new https.Agent({ keepAlive: true, ...tls }));
  }

  get isOpen(): boolean {
    return !this.#isRetired;
  }

  get isSpent(): boolean {
    return this.#isRetired && Object.keys(this.#agent.sockets).length === 0;
  }

  async send(request: WireRequest): Promise<WireAnswer> {
    const response = await this.#exchange(request, this.#agent);
    const { statusCode, headers } = response;
    return { status: statusCode!, headers, body: this.#read(response, request) };
  }

  retire(): void {
    this.#isRetired = true;
    // those that are free now, and those that become so
    this.#agent.maxFreeSockets = 0;
    for (const socket of Object.values(this.#agent.freeSockets).flat()) socket?.destroy();
  }

  close(): void {
    this.#isRetired = true;
    for (const question of this.#questions) question.abort(new Error('the connection is closed'));
    this.#agent.destroy();
  }

  #exchange(request: WireRequest, agent: http.Agent | undefined): Promise<http.IncomingMessage> {
    const { server, tls } = this.#credentials;
    const { method, path, headers, body, signal } = request;
    const options = { method, path, headers, signal, ...tls, ...(agent && { agent }) };
    const module = server.protocol === 'http:' ? http : https;
    return new Promise((resolve, reject) => {
      const exchange = module.request(server, options, resolve);
      exchange.on('socket', (socket) => socket.setKeepAlive(true, keepAliveDelay));
      const fail = (error: Error) => reject(signal.aborted ? (signal.reason as Error) : error);
      exchange.on('error', fail);
      // all that Node says of an answer by which the server changes to another protocol (101)
      exchange.on('close', () => fail(new Error('the connection was closed without an answer')));
      // one that waits for a proxy to open the way has no socket, and tells no error until it has
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      exchange.end(body);
    });
  }

  async *#read(response: http.IncomingMessage, { signal, headers }: WireRequest): AsyncGenerator<Uint8Array> {
    const { silence } = this.#patience;
    let isOver = false;
    let chunks = 0;
    const ask = async () => {
      const before = chunks;
      try {
        await this.#sign(headers);
        if (!isOver) timer.refresh();
      } catch (error) {
        if (chunks > before) return;
        response.destroy(new Error(`the server is silent, and does not answer either (${errorText(error)})`));
      }
    };
    const timer = setTimeout(() => void ask(), silence);
    // also when nobody comes back for the rest
    response.once('close', () => {
      clearTimeout(timer);
      isOver = true;
    });
    try {
      for await (const chunk of response) {
        chunks++;
        timer.refresh();
        yield chunk as Uint8Array;
      }
      // an answer that names no length ends where its connection does, whoever ends that
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // Node's whole word for a connection that ended within an answer
      throw (error as Error).message === 'aborted' ? new Error('the connection was lost', { cause: error }) : error;
    } finally {
      response.destroy();
    }
  }

  #sign(headers: WireRequest['headers']): Promise<void> {
    const askedAt = performance.now();
    if (this.#question === undefined || askedAt - this.#question.askedAt > this.#patience.silence / 2) {
      this.#question = { askedAt, answer: this.#askForSign(headers) };
    }
    return this.#question.answer;
  }

  /** Any answer but that of a gateway whose server is gone. On a connection of its own: the others may hang with the silent one. */
  async #askForSign(headers: WireRequest['headers']): Promise<void> {
    const { server, tls, proxy } = this.#credentials;
    const once = server.protocol === 'http:' ? new http.Agent() : new https.Agent(tls);
    // one made of several signals would outlive its question, with all that hangs on it
    const abort = new AbortController();
    const { sign } = this.#patience;
    const timer = setTimeout(() => abort.abort(new Error(`nothing within ${sign} ms`)), sign);
    this.#questions.add(abort);
    try {
      const path = `${server.pathname.replace(/\/$/, '')}/version`;
      const question: WireRequest = { method: 'GET', path, headers, body: undefined, signal: abort.signal };
      const response = await this.#exchange(question, proxy ?? once);
      response.destroy();
      if (response.statusCode! >= 500) throw new Error(`HTTP ${response.statusCode}`);
    } finally {
      clearTimeout(timer);
      this.#questions.delete(abort);
      once.destroy();
    }
  }
}
