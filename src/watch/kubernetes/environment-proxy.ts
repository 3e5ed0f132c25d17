/** The proxy that environment variables name, read as Go's programs read them (golang.org/x/net/http/httpproxy). */

import { cidrContains, parseAddress, parseCidr, withoutBrackets } from '../../model/address.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface NamedProxy {
  /** The variable that names it. */
  readonly variable: string;
  /** With a scheme, as `proxy-url` has it. */
  readonly url: string;
}

/** undefined: the server is to be asked directly. */
export function environmentProxy(server: URL, environment: Environment): NamedProxy | undefined {
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const variable = [name, name.toLowerCase()].find((one) => (environment[one] ?? '') !== '');
  if (variable === undefined || isLoopback(hostOf(server))) return undefined;
  const exceptions = environment['NO_PROXY'] || environment['no_proxy'] || '';
  if (exceptions.split(',').some((exception) => isExcepted(server, exception.trim().toLowerCase()))) return undefined;
  const written = environment[variable]!;
  return { variable, url: written.includes('://') ? written : `http://${written}` };
}

/** `*`, `10.0.0.0/8`, `10.0.0.1`, `example.com` with all below it, `.example.com` or `*.example.com` with what is below it; hosts may have a port. */
function isExcepted(server: URL, exception: string): boolean {
  if (exception === '') return false;
  if (exception === '*') return true;
  const host = hostOf(server);
  const address = parseAddress(host);
  const network = parseCidr(exception);
  if (network !== undefined) return address !== undefined && cidrContains(network, address);
  const [, name = exception, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(exception) ?? [];
  if (port !== undefined && port !== portOf(server)) return false;
  const excepted = parseAddress(withoutBrackets(name));
  if (excepted !== undefined || address !== undefined) return excepted === address;
  const domain = name.replace(/^\*\./, '.');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (host.startsWith('127.') && parseAddress(host) !== undefined);
}

function hostOf({ hostname }: URL): string {
  const host = withoutBrackets(hostname.toLowerCase());
  return parseAddress(host) ?? host;
}

function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}
