/**
 * The port that clients connect to. It passes bytes on to the server behind it, so that whatever can happen to connections can be
 * made to happen, TLS and HTTP/2 or not.
 */

import { createServer, type AddressInfo, type Server, type Socket, connect } from 'node:net';

interface Pair {
  readonly client: Socket;
  /** Undefined for a connection that hangs. */
  readonly server: Socket | undefined;
  isFrozen: boolean;
}

export class Front {
  /** New connections are accepted and then nothing is heard from them, for ever. */
  hangs = false;
  readonly #behind: string;
  readonly #bind: string;
  readonly #pairs = new Set<Pair>();
  #port: number;
  #listener: Server | undefined;

  /** `behind` is the path of a Unix socket. */
  constructor(bind: string, port: number, behind: string) {
    this.#bind = bind;
    this.#port = port;
    this.#behind = behind;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Listens, on the same port as before if it has. */
  async start(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(this.#port, this.#bind, resolve);
    });
    this.#port = (listener.address() as AddressInfo).port;
  }

  /** Refuses connections; those that there are end. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.drop('end');
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve));
  }

  /** The connections of now stay open, and nothing passes any more. */
  freeze(): void {
    for (const pair of this.#pairs) {
      const { client, server } = pair;
      if (server === undefined) continue;
      pair.isFrozen = true;
      client.unpipe(server);
      server.unpipe(client);
      client.pause();
      server.pause();
    }
  }

  /** Ends the connections of now: with a FIN, or with a RST. */
  drop(how: 'end' | 'reset'): void {
    for (const { client, server } of this.#pairs) {
      // libuv cannot reset what is being shut down (uv_tcp_close_reset), and Node 24 then spins for ever
      if (how === 'reset' && !client.writableEnded) client.resetAndDestroy();
      else client.destroy();
      server?.destroy();
    }
  }

  #accept(client: Socket): void {
    const server = this.hangs ? undefined : connect({ path: this.#behind, allowHalfOpen: true });
    const pair: Pair = { client, server, isFrozen: false };
    this.#pairs.add(pair);
    client.on('error', () => client.destroy());
    client.on('close', () => {
      this.#pairs.delete(pair);
      server?.destroy();
    });
    if (server === undefined) {
      client.resume();
      client.on('end', () => client.destroy());
      return;
    }
    server.on('error', () => server.destroy());
    server.on('close', () => {
      // what came before the end is still on its way to the client
      if (!pair.isFrozen) client.end(() => client.destroy());
    });
    client.pipe(server);
    server.pipe(client);
  }
}
