/**
 * What the daemon believes, for `kube-ipvs status`: HTTP over a unix socket that only its owner may open. GET /status answers a
 * StatusReport as JSON.
 */

import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { StatusReport } from '../model/status.ts';
import { statusJsonPieces } from '../model/status-json.ts';
import { answerHalfClosed } from './http-listener.ts';

export interface StatusServerOptions {
  /** Of the socket. Its folder is made, for its owner only, where there is none. */
  readonly path: string;
  report(): Promise<StatusReport>;
  /** Told why nobody can listen, once for each reason, and of each report that failed. */
  onError(error: Error): void;
  /** Milliseconds between one try to listen and the next. */
  readonly retryAfter?: number;
  /** Milliseconds without a byte in either direction, after which a client is given up. */
  readonly idleTimeout?: number;
}

/** A few operators at a time; others are turned away. */
const mostConnections = 8;

/**
 * Listens from its making on, and tries again for as long as it cannot. A living process that answers at the path keeps it; the socket that a
 * dead one left is replaced. Owns the socket's file.
 */
export class StatusServer {
  /** Becomes true when it listens, false when it is closed before. */
  readonly listening: Promise<boolean>;
  readonly #options: StatusServerOptions;
  readonly #server: Server;
  readonly #abort = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
      void this.#answer(request, response);
    });
    this.#server.maxConnections = mostConnections;
    this.#server.timeout = options.idleTimeout ?? 30_000;
    answerHalfClosed(this.#server);
    this.listening = this.#open();
  }

  /** Whether it listens where nobody can ask it any more: somebody has removed the socket's file. */
  get isLost(): boolean {
    return this.#server.listening && !existsSync(this.#options.path);
  }

  /** Ends every connection and removes the socket. */
  close(): Promise<void> {
    this.#closed ??= this.#shut();
    return this.#closed;
  }

  async #open(): Promise<boolean> {
    const { retryAfter = 10_000 } = this.#options;
    const { signal } = this.#abort;
    for (let told = ''; !signal.aborted; ) {
      try {
        await this.#listen();
        this.#server.on('error', (error) => this.#options.onError(error));
        return true;
      } catch (error) {
        const { message } = error as Error;
        if (message !== told && !signal.aborted) this.#options.onError(error as Error);
        told = message;
      }
      await setTimeout(retryAfter, undefined, { signal }).catch(() => {});
    }
    return false;
  }

  async #listen(): Promise<void> {
    const { path } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await makeWay(path);
    this.#abort.signal.throwIfAborted();
    const listening = once(this.#server, 'listening');
    // The file is made within the call, and nobody can open it before it has its mode.
    const mask = process.umask(0o177);
    try {
      this.#server.listen(path);
    } finally {
      process.umask(mask);
    }
    await listening;
  }

  async #shut(): Promise<void> {
    this.#abort.abort();
    if (!(await this.listening)) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (url !== '/status') return end(response, 404, 'text/plain', 'only /status is here');
    if (method !== 'GET') return end(response, 405, 'text/plain', 'only GET is answered');
    let report: StatusReport;
    try {
      report = await this.#options.report();
    } catch (error) {
      this.#options.onError(error as Error);
      return end(response, 500, 'text/plain', (error as Error).message);
    }
    begin(response, 200, 'application/json');
    for (const piece of statusJsonPieces(report)) {
      // what the client does not take is not made: a report of a large cluster is tens of megabytes
      if (response.write(piece)) await setImmediate();
      else if (!response.destroyed) await drained(response);
      if (response.destroyed) return;
    }
    response.end('\n');
  }
}

/** There is room again, or nobody who takes anything. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function begin(response: ServerResponse, status: number, type: string): void {
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, connection: 'close' });
}

function end(response: ServerResponse, status: number, type: string, text: string): void {
  begin(response, status, type);
  response.end(`${text}\n`);
}

/** Removes the socket of a process that is no more; throws when the path is anything else's. */
async function makeWay(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error(`${path} is no socket: remove it, or choose another --status-socket`);
  if (await isAnswered(path)) {
    throw new Error(`another process answers at ${path}: end it, or choose another --status-socket`);
  }
  rmSync(path, { force: true });
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // too busy to take more, or just ending
    if (code === 'EAGAIN' || code === 'ECONNRESET') return true;
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}
