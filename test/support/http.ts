/** HTTP as a client of the daemon's servers sees it. */

import { createServer, connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

export interface Heard {
  readonly code: number;
  /** `name: value`, in the order of arrival, without those that every answer of Node has. */
  readonly headers: readonly string[];
  readonly body: string;
}

export interface Question {
  readonly port?: number;
  /** In place of host and port. */
  readonly socketPath?: string;
  readonly path?: string;
  readonly method?: string;
  readonly host?: string;
}

const everywhere = new Set(['date', 'connection', 'keep-alive']);

/** Asks once, on a connection of its own. */
export async function ask({ path = '/', method = 'GET', host = '127.0.0.1', ...place }: Question): Promise<Heard> {
  const asked = request({ host, ...place, path, method, agent: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const headers: string[] = [];
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i]!;
    if (!everywhere.has(name.toLowerCase())) headers.push(`${name}: ${answer.rawHeaders[i + 1]}`);
  }
  return { code: answer.statusCode!, headers, body: Buffer.concat(chunks).toString() };
}

/** A TCP connection; what it sends and receives is for the test to say. */
export async function connected(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the other side ends. */
export async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

/** Somebody else who listens: on a port that nobody has, unless one is given. */
export async function occupied(port?: number, host = '127.0.0.1'): Promise<{ port: number; close(): Promise<void> }> {
  const taken = port ?? (await freePort());
  const server = createServer().listen(taken, host);
  await once(server, 'listening');
  return {
    port: taken,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Below those that the kernel gives to clients and to who asks for any (net.ipv4.ip_local_port_range), and below node ports. */
const ports = { first: 20_000, count: 10_000 } as const;

/** A port that nobody listens on, and that no other test is told of as long as this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.first + Math.floor(Math.random() * ports.count);
    try {
      // the name of an abstract socket is taken by one process, and is free again when that ends, however it does
      const name = createServer().listen(`\0kube-ipvs-test-port-${port}`).unref();
      await once(name, 'listening');
      const server = await occupied(port);
      await server.close();
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}
