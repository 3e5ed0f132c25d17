/**
 * One small HTTP server: a request's path in, a short answer out. It reads no bodies, gives nobody much time, and tries again while it
 * cannot listen.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpRequest {
  /** Without the query, as it was sent. */
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface HttpAnswer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where a server listens. */
export interface ListenAddress {
  /** An IP address, `::` for every IPv6 one only; undefined: every address of both families. */
  readonly host: string | undefined;
  readonly port: number;
}

export interface HttpListenerOptions extends ListenAddress {
  /** May reject: the client is told 500, and `onError` the error. */
  readonly answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  readonly onListening?: () => void;
  /** Why it cannot listen, or what went wrong although it listens; once until it is something else. */
  readonly onError: (error: Error, isListening: boolean) => void;
  /** Each try to listen that fails and is not excused by `mayPass`, told already or not; after `onError`. */
  readonly onFailure?: (error: Error) => void;
  /** Whether a reason for not listening may pass by itself and is not told yet, by the number of failures so far; none by default. */
  readonly mayPass?: (error: NodeJS.ErrnoException, failures: number) => boolean;
  /** Milliseconds until it tries again, by the number of failures so far; 5 s by default, as in kube-proxy. */
  readonly retryDelay?: (failures: number) => number;
}

/**
 * Where Go listens when it is given the unspecified address of either family: on both (favoriteAddrFamily in net/ipsock_posix.go,
 * Go 1.25). kube-proxy's bind addresses are written for that.
 */
export function everywhereAsGo(host: string): string | undefined {
  return host === '' || host === '0.0.0.0' || host === '::' ? undefined : host;
}

/** As Go's http.NotFound. */
export const notFound: HttpAnswer = {
  code: 404,
  headers: { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' },
  body: '404 page not found\n',
};

/** A line of text that browsers do not take for something else. */
export function plainText(code: number, body: string): HttpAnswer {
  return { code, headers: notFound.headers, body };
}

const failed = plainText(500, 'internal server error; the log of kube-ipvs says more\n');

const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 15_000,
  maxHeaderSize: 16_384,
} as const;
/** Milliseconds without a byte in either direction: for clients that do not read what they asked for. */
const idleTimeout = 30_000;
const mostConnections = 256;

export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #server: Server;
  /** Those first whose last request is longest ago, or that have been there longest without one. */
  readonly #connections = new Set<Socket>();
  /** How many requests came since one was answered whole, where there are any. */
  readonly #asked = new Map<Socket, number>();
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #told: string | undefined;
  #isClosed = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#server = createServer(limits, (request, response) => void this.#respond(request, response));
    this.#server.on('connection', (socket) => this.#welcome(socket));
    this.#server.timeout = idleTimeout;
    answerHalfClosed(this.#server);
  }

  /** The port that it listens on, once it does: another than asked for when that was 0. */
  get port(): number | undefined {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : undefined;
  }

  /** Tries once; rejects with the reason. Resolves too when it is closed meanwhile. */
  async listen(): Promise<void> {
    await this.#tryToListen();
    this.#succeed();
  }

  /** Tries until it listens or is closed. */
  keepListening(): void {
    this.#tryToListen().then(
      () => this.#succeed(),
      (error: Error) => this.#fail(error),
    );
  }

  /** At once, whoever is connected. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #tryToListen(): Promise<void> {
    const server = this.#server;
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        for (const event of ends) server.off(event, settle);
        if (error === undefined) resolve();
        else reject(error);
      };
      for (const event of ends) server.on(event, settle);
      server.listen({ port, ...(host === undefined ? {} : { host, ipv6Only: host === '::' }) });
    });
  }

  #succeed(): void {
    if (this.#isClosed) return;
    this.#failures = 0;
    this.#told = undefined;
    // an accept that failed (EMFILE) leaves the server listening
    this.#server.on('error', (error) => this.#tell(error, true));
    this.#options.onListening?.();
  }

  #fail(error: Error): void {
    if (this.#isClosed) return;
    const { retryDelay = fiveSeconds, mayPass = never } = this.#options;
    const failures = ++this.#failures;
    if (!mayPass(error, failures)) {
      this.#tell(error, false);
      this.#options.onFailure?.(error);
    }
    this.#retry = setTimeout(() => this.keepListening(), retryDelay(failures));
  }

  #tell(error: Error, isListening: boolean): void {
    if (error.message === this.#told) return;
    this.#told = error.message;
    this.#options.onError(error, isListening);
  }

  /** Where there are too many it is not the newcomer who goes: whoever says nothing would keep out the kubelet and load balancers. */
  #welcome(socket: Socket): void {
    socket.once('close', () => this.#connections.delete(socket));
    this.#connections.add(socket);
    if (this.#connections.size <= mostConnections) return;
    const [mostSilent] = this.#connections;
    this.#connections.delete(mostSilent!);
    mostSilent!.destroy();
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    if (this.#connections.delete(socket)) this.#connections.add(socket);
    if (!this.#isItsTurn(socket, response)) return;
    const { code, headers, body } = await this.#answer(request);
    if (this.#isClosed || response.destroyed) return;
    const bytes = Buffer.from(body);
    response.writeHead(code, {
      ...headers,
      'Content-Length': bytes.length,
      ...(hasBody(request) ? { Connection: 'close' } : {}),
    });
    response.end(bytes);
  }

  /**
   * Who does not wait for an answer before asking again could have thousands made that nobody reads: the first is given, and the connection
   * ends, so that the others may be asked for anew (RFC 9112, 9.3.2).
   */
  #isItsTurn(socket: Socket, response: ServerResponse): boolean {
    const before = this.#asked.get(socket) ?? 0;
    this.#asked.set(socket, before + 1);
    if (before > 0) {
      socket.pause();
      return false;
    }
    response.once('close', () => {
      if (this.#asked.get(socket)! > 1) socket.destroySoon();
      this.#asked.delete(socket);
    });
    return true;
  }

  async #answer(request: IncomingMessage): Promise<HttpAnswer> {
    try {
      return await this.#options.answer(requestOf(request.url ?? '/'));
    } catch (error) {
      this.#tell(error instanceof Error ? error : new Error(String(error)), true);
      return failed;
    }
  }
}

/**
 * Clients that have said all may end their side and wait for the answer (`nc -N`), as Go lets them. The property is Node's own (socketOnEnd in
 * lib/_http_server.js, Node 20) and not documented.
 */
export function answerHalfClosed(server: Server): void {
  Object.assign(server, { httpAllowHalfOpen: true });
}

/** How a try to listen ends; `close` without having listened, when it was given up. */
const ends = ['listening', 'error', 'close'] as const;

function fiveSeconds(): number {
  return 5_000;
}

function never(): boolean {
  return false;
}

/** What is not read cannot be skipped on a connection that is to be used again. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Clients may send the whole URL, as proxies do (RFC 9112, 3.2.2). */
function requestOf(url: string): HttpRequest {
  const target = url.replace(/^https?:\/\/[^/?]*/i, '');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path: path === '' ? '/' : path, query: new URLSearchParams(mark < 0 ? '' : target.slice(mark)) };
}

/** Where one of kube-proxy's servers listens, as its flags say it, and who is told of that. */
export interface BindOptions extends Pick<HttpListenerOptions, 'onListening' | 'onError' | 'onFailure'> {
  /** The unspecified address of either family is every address of both. */
  readonly host: string;
  readonly port: number;
}

/** Listens once it is told to. */
export function bindAsGo(at: BindOptions, answer: HttpListenerOptions['answer']): HttpListener {
  return new HttpListener({ ...at, host: everywhereAsGo(at.host), answer });
}
