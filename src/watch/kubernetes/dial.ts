/** From credentials to a connection: HTTP/2 where the server speaks it over TLS, otherwise HTTP/1.1. */

import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { withoutBrackets } from '../../model/address.ts';
import type { Credentials } from './credentials.ts';
import { Http1Transport } from './http1-transport.ts';
import { openHttp2 } from './http2-transport.ts';
import type { Patience, Transport } from './transport.ts';

/** Rejects when the server cannot be reached, when TLS fails, and when aborted. */
export async function dial(credentials: Credentials, patience: Patience, signal: AbortSignal): Promise<Transport> {
  signal.throwIfAborted();
  const { server, proxy } = credentials;
  if (server.protocol === 'http:' || proxy !== undefined) return new Http1Transport(credentials, patience);
  const limit = new AbortController();
  const abort = () => limit.abort(signal.reason);
  signal.addEventListener('abort', abort);
  const timer = setTimeout(
    () => limit.abort(new Error(`no connection within ${patience.connect} ms`)),
    patience.connect,
  );
  try {
    const socket = await connection(credentials, limit.signal);
    if (socket.alpnProtocol === 'h2') return await openHttp2(socket, credentials, patience);
    socket.destroy();
    return new Http1Transport(credentials, patience);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function connection({ server, tls }: Credentials, signal: AbortSignal): Promise<TLSSocket> {
  const host = withoutBrackets(server.hostname);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(server.port) || 443,
      // a name, as RFC 6066 wants it; an address is compared with the certificate all the same
      ...(isIP(host) === 0 && { servername: host }),
      ...tls,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    const abort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed before TLS was set up')));
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}
