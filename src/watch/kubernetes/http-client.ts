/** The client of a real API server: credentials, one connection for all requests where that can be, and a limit to every wait. */

import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AccessError } from './access-error.ts';
import type { ApiAnswer, ApiClient, ApiRequest, RequestReport } from './api-client.ts';
import { type Credentials, CredentialSource } from './credentials.ts';
import { dial } from './dial.ts';
import type { Environment } from './environment-proxy.ts';
import { type AccessConfig, type PodAccess, readKubeconfig } from './kubeconfig.ts';
import { errorText, type Patience, patience, type Transport, type WireAnswer } from './transport.ts';

export { AccessError } from './access-error.ts';
export type { AccessConfig } from './kubeconfig.ts';

export interface ApiClientOptions {
  /** Each request once, when its answer began or could not. */
  readonly onRequest: (report: RequestReport) => void;
  /** `kube-ipvs/0.1.0 (linux/amd64)`. */
  readonly userAgent: string;
  /** What a Pod finds in place; another for tests. */
  readonly pod?: PodAccess;
  /** Variables that may name a proxy; those of this process by default. */
  readonly environment?: Environment;
  readonly patience?: Patience;
}

/**
 * A client of the API server that the flags or the Pod name. It connects when first asked. Rejects with an {@link AccessError} for a
 * kubeconfig that cannot be used, files that it names included; plugins are asked for credentials with the first request only.
 */
export async function openApiClient(access: AccessConfig, options: ApiClientOptions): Promise<ApiClient> {
  const pod = options.pod ?? {
    folder: '/var/run/secrets/kubernetes.io/serviceaccount',
    host: process.env.KUBERNETES_SERVICE_HOST,
    port: process.env.KUBERNETES_SERVICE_PORT,
  };
  const read = () => readKubeconfig(access, pod, options.environment ?? process.env);
  const limits = options.patience ?? patience;
  // Node's own quarter of a second is over where the way is long, and where the event loop is busy: no address would be reached but the last
  setDefaultAutoSelectFamilyAttemptTimeout(limits.address);
  const source = new CredentialSource(read, limits);
  if (!(await source.isDynamic())) await source.current();
  return new HttpApiClient(source, options, limits);
}

/** More than are made at a time: one for each resource, Events, and one that asks for a sign of life. */
const mostRequests = 8;

class HttpApiClient implements ApiClient {
  readonly #source: CredentialSource;
  readonly #options: ApiClientOptions;
  readonly #patience: Patience;
  readonly #closing = new AbortController();
  /** Requests under way, and answers that are not read to their end. */
  readonly #pending = new Set<AbortController>();
  /** Those that new requests do not go by any more are among them until their last answer ends. */
  readonly #transports = new Set<Transport>();
  /** The one in use, also while it is being connected. */
  #current: Promise<Transport> | undefined;
  #connectedTo: Transport | undefined;
  #host = '<unknown>';

  constructor(source: CredentialSource, options: ApiClientOptions, limits: Patience) {
    this.#source = source;
    this.#options = options;
    this.#patience = limits;
  }

  async request(request: ApiRequest): Promise<ApiAnswer> {
    const began = performance.now();
    const { answer: limit } = this.#patience;
    const { abort, end } = this.#begin(request.signal);
    const timer = setTimeout(() => abort.abort(new Error(`no answer within ${limit} ms`)), limit);
    const report = (code: RequestReport['code']) => {
      clearTimeout(timer);
      const milliseconds = performance.now() - began;
      this.#options.onRequest({ method: request.method, host: this.#host, code, milliseconds });
    };
    try {
      const answer = await this.#send(request, abort.signal);
      report(answer.status);
      return {
        status: answer.status,
        retryAfter: retryAfterOf(answer.headers['retry-after']),
        ...(answer.status >= 300 && answer.status < 400 && { location: answer.headers.location }),
        body: until(decoded(answer, abort), end),
      };
    } catch (error) {
      report('<error>');
      end();
      if (request.signal.aborted) throw request.signal.reason;
      if (error instanceof AccessError) throw error;
      throw new Error(`${this.#host}: ${errorText(error)}${hint(error)}`, { cause: error });
    }
  }

  close(): void {
    const reason = new Error('the client is closed');
    this.#closing.abort(reason);
    this.#source.close();
    for (const abort of this.#pending) abort.abort(reason);
    this.#pending.clear();
    for (const transport of this.#transports) transport.close();
    this.#transports.clear();
  }

  /** What aborts the request: its own signal, the client's end, a limit. */
  #begin(signal: AbortSignal): { readonly abort: AbortController; readonly end: () => void } {
    const abort = new AbortController();
    const end = () => {
      this.#pending.delete(abort);
      signal.removeEventListener('abort', forward);
    };
    const forward = () => {
      end();
      abort.abort(signal.reason);
    };
    if (signal.aborted) abort.abort(signal.reason);
    else if (this.#closing.signal.aborted) abort.abort(this.#closing.signal.reason);
    else {
      this.#pending.add(abort);
      signal.addEventListener('abort', forward);
    }
    return { abort, end };
  }

  async #send({ method, path, body, contentType }: ApiRequest, signal: AbortSignal): Promise<WireAnswer> {
    signal.throwIfAborted();
    const credentials = await abortable(this.#source.current(), signal);
    this.#host = credentials.server.host;
    let transport = await abortable(this.#connected(credentials), signal);
    // others who waited for it may have taken the last place; a server that ends each connection at once is not dialled for ever
    for (let more = mostRequests; !transport.isOpen && more > 0; more--)
      transport = await abortable(this.#connected(credentials), signal);
    const headers = {
      ...credentials.headers,
      'user-agent': this.#options.userAgent,
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': contentType ?? 'application/json' }),
    };
    const prefix = credentials.server.pathname.replace(/\/$/, '');
    const text = body === undefined ? undefined : JSON.stringify(body);
    signal.throwIfAborted();
    try {
      const answer = await transport.send({ method, path: `${prefix}${path}`, headers, body: text, signal });
      if (answer.status === 401) {
        // a client certificate belongs to the connection
        this.#leave(transport);
        this.#source.renew();
      }
      return answer;
    } catch (error) {
      this.#leave(transport);
      throw error;
    }
  }

  /** The connection in use, or a new one where it takes no more requests. All who ask meanwhile wait for the same one. */
  async #connected(credentials: Credentials): Promise<Transport> {
    for (;;) {
      this.#current ??= this.#dial(credentials);
      const transport = await this.#current;
      if (transport.isOpen) return transport;
      this.#leave(transport);
    }
  }

  async #dial(credentials: Credentials): Promise<Transport> {
    try {
      const transport = await dial(credentials, this.#patience, this.#closing.signal);
      for (const old of this.#transports) if (old.isSpent) this.#transports.delete(old);
      this.#transports.add(transport);
      this.#connectedTo = transport;
      if (this.#closing.signal.aborted) transport.close();
      return transport;
    } catch (error) {
      this.#current = undefined;
      this.#source.refresh();
      throw error;
    }
  }

  /** New requests get a new connection; answers that are under way keep theirs. */
  #leave(transport: Transport): void {
    if (this.#connectedTo !== transport) return;
    this.#connectedTo = undefined;
    this.#current = undefined;
    transport.retire();
  }
}

async function* until(body: AsyncIterable<Uint8Array>, end: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    end();
  }
}

/** Nobody asks for gzip, and yet gateways answer so. */
function decoded({ headers, body }: WireAnswer, abort: AbortController): AsyncIterable<Uint8Array> {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === 'gzip' || coding === 'x-gzip' ? unzipped(body, abort) : body;
}

async function* unzipped(body: AsyncIterable<Uint8Array>, abort: AbortController): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip();
  // the loop below hears of what goes wrong
  pipeline(Readable.from(body), unzip, () => {});
  try {
    for await (const chunk of unzip) yield chunk as Uint8Array;
  } finally {
    // it was read ahead: whoever leaves early would leave the connection waiting for more
    abort.abort(new Error('the answer is not read any more'));
  }
}

/** The promise, or the signal's reason when that comes first. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort!);
  }
}

/** Milliseconds; a date (RFC 9110 §10.2.3) counts from now. */
function retryAfterOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** What an operator can do about a failure whose words come from OpenSSL. */
function hint(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return '; give the certificate-authority that signed the certificate of the server';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return '; name the server as its certificate does, or set tls-server-name';
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return '; the server speaks no TLS: write http:// if that is meant';
    default:
      return '';
  }
}
