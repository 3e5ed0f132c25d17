/** Small servers for tests of the client: they answer as the test says, and count their connections. */

import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Certificates } from './certificates.ts';

export interface Served {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly protocol: string;
  /** Common name of the client's certificate. */
  readonly client: string | undefined;
}

export type Answer = (request: http.IncomingMessage | http2.Http2ServerRequest, response: http.ServerResponse) => void;

export interface TestServer {
  readonly port: number;
  readonly served: readonly Served[];
  /** Connections there have been. */
  readonly connections: () => number;
  /** Sockets that are open. */
  readonly sockets: ReadonlySet<net.Socket>;
  /** Sessions of HTTP/2, in their order. */
  readonly sessions: readonly http2.ServerHttp2Session[];
  /** Resolves when the clients have gone. */
  close(): Promise<void>;
}

export async function serve(
  protocol: 'http' | 'https' | 'h2',
  answer: Answer,
  tls?: Certificates,
  address = '127.0.0.1',
): Promise<TestServer> {
  const served: Served[] = [];
  const sockets = new Set<net.Socket>();
  const sessions: http2.ServerHttp2Session[] = [];
  let connections = 0;
  const handle = (request: http.IncomingMessage | http2.Http2ServerRequest, response: unknown) => {
    const socket = request.socket as unknown as { getPeerCertificate?(): { subject?: { CN?: string } } };
    served.push({
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      protocol: request.httpVersion,
      client: socket.getPeerCertificate?.().subject?.CN,
    });
    answer(request, response as http.ServerResponse);
  };
  const options = tls && { ...tls.server, ca: tls.ca, requestCert: true, rejectUnauthorized: false };
  const server =
    protocol === 'http'
      ? http.createServer(handle)
      : protocol === 'https'
        ? https.createServer(options!, handle)
        : http2.createSecureServer(options!, handle);
  // who leaves an idle connection open is not helped
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = 0;
  server.on('connection', (socket: net.Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('session', (session: http2.ServerHttp2Session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  const port = await listening(server, address);
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { port, served, connections: () => connections, sockets, sessions, close };
}

/** Passes bytes on until it is frozen: then it takes connections and bytes, and says nothing, as a host that hangs. */
export interface Wire {
  readonly port: number;
  freeze(): void;
  close(): void;
}

export async function wireTo(target: number): Promise<Wire> {
  const sockets = new Set<net.Socket>();
  let isFrozen = false;
  const server = net.createServer((near) => {
    const far = net.connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (!isFrozen) to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        if (!isFrozen) to.destroy();
      });
    }
  });
  const port = await listening(server);
  return {
    port,
    freeze: () => {
      isFrozen = true;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The port of a server that listens on a loopback address. */
export async function listening(server: net.Server, address = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, address, resolve);
  });
  return (server.address() as net.AddressInfo).port;
}
