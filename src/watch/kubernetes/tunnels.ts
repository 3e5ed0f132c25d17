/** Ways through a proxy, as client-node's agents open them (hpagent, socks-proxy-agent), as far as they are not to be left alone. */

import type { Agent } from 'node:http';
import { isIPv6 } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { withoutBrackets } from '../../model/address.ts';
import { whyNotOf } from './server-identity.ts';

interface Way {
  readonly host: string;
  readonly servername?: string;
}

type Opened = (error: Error | null, socket: unknown) => void;

/** hpagent's. */
interface Opener {
  readonly proxy: URL;
  /** Of the request that opens a way: read when it is made. */
  proxyRequestOptions: { readonly hostname?: string; readonly signal?: AbortSignal };
  createConnection(way: Way, opened: Opened): void;
}

/** socks-proxy-agent's, which waits for half a minute at most. */
interface SocksOpener {
  readonly proxy: { host: string };
}

/** A proxy that has not opened a way after `limit` milliseconds is left, and so are all when `closing` is raised. */
export function tamed(agent: Agent, limit: number, closing: AbortSignal): Agent {
  if (!('proxyRequestOptions' in agent)) {
    const { proxy } = agent as unknown as SocksOpener;
    proxy.host = withoutBrackets(proxy.host);
    return agent;
  }
  const opener = agent as unknown as Opener;
  const hostname = withoutBrackets(opener.proxy.hostname);
  const open = opener.createConnection.bind(opener);
  opener.createConnection = (way, opened) => {
    const abort = new AbortController();
    const leave = () => abort.abort(new Error('the client is closed'));
    const timer = setTimeout(() => abort.abort(new Error(`no way through the proxy within ${limit} ms`)), limit);
    closing.addEventListener('abort', leave);
    opener.proxyRequestOptions = { hostname, signal: abort.signal };
    open(named(way), (error, socket) => {
      clearTimeout(timer);
      closing.removeEventListener('abort', leave);
      opened(abort.signal.aborted ? (abort.signal.reason as Error) : error, socket);
    });
  };
  return agent;
}

/** In brackets an IPv6 address is what a proxy understands; the certificate has it without. */
function named(way: Way): Way {
  const { host, servername } = way;
  if (!isIPv6(host)) return way;
  const check = (_: string, certificate: PeerCertificate) => whyNotOf(servername || host, certificate);
  return Object.assign({}, way, { host: `[${host}]`, checkServerIdentity: check });
}
