/** What a request needs to be let in, by @kubernetes/client-node's KubeConfig, kept for a minute and fetched anew when it is refused. */

import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Agent, validateHeaderValue } from 'node:http';
import type { RequestOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import { quoted } from '../problem.ts';
import { AccessError } from './access-error.ts';
import { keepUntilRefused, limitPlugins } from './credential-plugins.ts';
import { contentOf, type Kubeconfig } from './kubeconfig.ts';
import { whyNotOf } from './server-identity.ts';
import type { HeaderFields, Patience } from './transport.ts';
import { tamed } from './tunnels.ts';

/** Options of node:tls. */
export interface TlsOptions {
  readonly ca?: NonNullable<RequestOptions['ca']>;
  readonly cert?: NonNullable<RequestOptions['cert']>;
  readonly key?: NonNullable<RequestOptions['key']>;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
  readonly checkServerIdentity: typeof whyNotOf;
}

export interface Credentials {
  readonly server: URL;
  readonly headers: HeaderFields;
  readonly tls: TlsOptions;
  /** Leads through the proxy; undefined without one. */
  readonly proxy: Agent | undefined;
}

type Limits = Pick<Patience, 'plugin' | 'connect'>;

/** Milliseconds: as long as client-go keeps a token that it read from a file (transport/token_source.go). */
const lifetime = 60_000;

/** Credentials of one kubeconfig. Files are read again after a minute, or once they are forgotten. */
export class CredentialSource {
  readonly #read: () => Promise<Kubeconfig>;
  readonly #limits: Limits;
  readonly #closing = new AbortController();
  /** It holds what plugins and providers gave until that expires. */
  #config: Promise<LoadedConfig> | undefined;
  #credentials: Promise<Credentials> | undefined;
  #fetchedAt = 0;
  /** Those that files gave last; undefined once the server refused them. */
  #good: Credentials | undefined;

  constructor(read: () => Promise<Kubeconfig>, limits: Limits) {
    this.#read = read;
    this.#limits = limits;
  }

  /** Rejects with an AccessError for what is wrong with files and plugins. Asked by many at once it is fetched once. */
  current(): Promise<Credentials> {
    if (this.#credentials !== undefined && performance.now() - this.#fetchedAt < lifetime) return this.#credentials;
    const credentials = this.#fetched();
    this.#credentials = credentials;
    this.#fetchedAt = performance.now();
    credentials.catch(() => {
      if (this.#credentials === credentials) this.#credentials = undefined;
    });
    return credentials;
  }

  /** Reads the files anew when next asked: perhaps a certificate was replaced. */
  refresh(): void {
    this.#credentials = undefined;
  }

  /** Begins anew with the kubeconfig itself: the server did not accept what it said. */
  renew(): void {
    this.#credentials = undefined;
    this.#config = undefined;
    this.#good = undefined;
  }

  /** Ends plugins that run, and leaves proxies that were asked for a way. */
  close(): void {
    this.#closing.abort(new Error('the client is closed'));
  }

  /** Whether asking runs a program or another server, which may fail now and not later. */
  async isDynamic(): Promise<boolean> {
    return isDynamic(await this.#loaded());
  }

  /** A file that cannot be read for a while takes nothing away, as in client-go (cachingTokenSource of transport/token_source.go). */
  async #fetched(): Promise<Credentials> {
    const config = await this.#loaded();
    try {
      this.#good = await apply(config);
    } catch (error) {
      if (this.#good === undefined || isDynamic(config)) throw error;
    }
    return this.#good;
  }

  #loaded(): Promise<LoadedConfig> {
    if (this.#config !== undefined) return this.#config;
    const config = this.#read().then((kubeconfig) => load(kubeconfig, this.#limits, this.#closing.signal));
    this.#config = config;
    config.catch(() => {
      if (this.#config === config) this.#config = undefined;
    });
    return config;
  }
}

interface LoadedConfig {
  readonly kubeconfig: Kubeconfig;
  readonly keeper: KubeConfig;
  /** Of a proxy. */
  readonly tame: (agent: Agent) => Agent;
}

function isDynamic({ kubeconfig: { user } }: LoadedConfig): boolean {
  return (user.exec ?? user['auth-provider'] ?? undefined) !== undefined;
}

async function load(kubeconfig: Kubeconfig, limits: Limits, closing: AbortSignal): Promise<LoadedConfig> {
  // Not the package's index: with all of its API classes it takes half a second and 75 MB. Bundled, this file takes a fifth of that.
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const { server, userName } = kubeconfig;
  // It refuses http without this field, where there is no TLS to verify.
  const skips = server.protocol === 'http:' || kubeconfig.cluster['insecure-skip-tls-verify'] === true;
  const cluster = { ...kubeconfig.cluster, server: server.href, 'insecure-skip-tls-verify': skips };
  // tokenFile it ignores; see readToken
  const { tokenFile: _tokenFile, ...known } = kubeconfig.user;
  // it would write undefined for a password that is not there
  const user = known.username ? { ...known, password: known.password ?? '' } : known;
  const keeper = new KubeConfig();
  keeper.loadFromString(
    JSON.stringify({
      clusters: [{ name: 'cluster', cluster }],
      users: [{ name: userName || 'nobody', user }],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: userName || 'nobody' } }],
      'current-context': 'context',
    }),
  );
  limitPlugins(keeper, limits.plugin, closing);
  return { kubeconfig, keeper, tame: (agent) => tamed(agent, limits.connect, closing) };
}

async function apply({ kubeconfig, keeper, tame }: LoadedConfig): Promise<Credentials> {
  const { origin, server, cluster, user, userName } = kubeconfig;
  // client-node would not say which field names a file that cannot be read
  await contentOf(origin, cluster, 'certificate-authority');
  await contentOf(origin, user, 'client-certificate');
  await contentOf(origin, user, 'client-key');
  const options: RequestOptions = { headers: {} };
  try {
    await keeper.applyToHTTPSOptions(options);
  } catch (error) {
    throw new AccessError(`${origin}: user "${userName}" has no credentials: ${whyNone(error as Error, user)}`);
  }
  keepUntilRefused(keeper);
  const headers = headersOf(options);
  const token = await readToken(kubeconfig);
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  checkGiven(headers, options, kubeconfig);
  Object.assign(headers, impersonation(user));
  checkHeaders(headers, kubeconfig);
  const { ca, cert, key, servername, rejectUnauthorized } = options as RequestOptions & {
    readonly servername?: string;
  };
  const isHttps = server.protocol === 'https:';
  const tls: TlsOptions = {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(servername && { servername }),
    ...(isHttps && rejectUnauthorized === false && { rejectUnauthorized }),
    checkServerIdentity: whyNotOf,
  };
  checkTls(tls, kubeconfig);
  return { server, headers, tls, proxy: cluster['proxy-url'] ? tame(options.agent as Agent) : undefined };
}

/** What client-node says of what it cannot use, a plugin's output or a provider's config, speaks of its own variables. */
function whyNone(error: Error, user: Kubeconfig['user']): string {
  if (error instanceof SyntaxError || error instanceof TypeError) {
    if (user.exec) return 'what its plugin printed is no ExecCredential with a status';
    const provider = providerOf(user);
    if (provider) return `the config of the auth-provider ${quoted(provider.name)} cannot be used; use exec or a token`;
  }
  return error.message.trim() || 'its plugin failed, or took too long, without a word';
}

/** A plugin that gives nothing, and a provider that client-node does not know, would leave us anonymous without a word. */
function checkGiven(headers: HeaderFields, { cert }: RequestOptions, { origin, user, userName }: Kubeconfig): void {
  if (headers.authorization !== undefined || cert !== undefined) return;
  const none = `${origin}: user "${userName}" has no credentials: `;
  if (user.exec) throw new AccessError(`${none}its plugin gave neither a token nor a certificate`);
  const provider = providerOf(user);
  if (provider)
    throw new AccessError(`${none}the auth-provider ${quoted(provider.name)} gave none; use exec or a token`);
}

function providerOf(user: Kubeconfig['user']): { readonly name: string } | null | undefined {
  return user['auth-provider'] as { readonly name: string } | null | undefined;
}

/** In whose name we ask (transport/round_trippers.go of client-go); client-node knows no groups. */
function impersonation(user: Kubeconfig['user']): HeaderFields {
  const groups = (user['as-groups'] ?? []) as string[];
  const extra = Object.entries((user['as-user-extra'] ?? {}) as Readonly<Record<string, string[] | null>>);
  return {
    ...(user['as-uid'] ? { 'impersonate-uid': user['as-uid'] as string } : {}),
    ...(groups.length > 0 ? { 'impersonate-group': groups } : {}),
    ...Object.fromEntries(extra.map(([key, values]) => [`impersonate-extra-${fieldName(key)}`, values ?? []])),
  };
}

/** As much of a key as may stand in the name of a header; the rest percent-encoded. */
function fieldName(key: string): string {
  return encodeURIComponent(key.toLowerCase()).replace(/[()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers ?? {})) all[name.toLowerCase()] = String(value).trim();
  if (typeof auth === 'string') all.authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  return all;
}

/** The file of a token that is replaced time and again goes before the token written down, as in client-go. */
async function readToken({ origin, user }: Kubeconfig): Promise<string | undefined> {
  const { tokenFile } = user;
  if (typeof tokenFile !== 'string') return undefined;
  let token = '';
  let found = 'empty';
  let cause: unknown;
  try {
    token = (await readFile(tokenFile, 'utf8')).trim();
  } catch (error) {
    found = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    cause = error;
  }
  if (token !== '') return token;
  if (typeof user.token === 'string' && user.token !== '') return undefined;
  const cure = 'let it hold a token of a service account (automountServiceAccountToken in a Pod)';
  throw new AccessError(`${origin}: tokenFile ${tokenFile} has no token (${found}); ${cure}`, { cause });
}

function checkHeaders(headers: HeaderFields, { origin, userName }: Kubeconfig): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      for (const text of [value].flat()) validateHeaderValue(name, text);
    } catch {
      throw new AccessError(
        `${origin}: the token or name of user "${userName}" has characters that no header may have`,
      );
    }
  }
}

/** OpenSSL says what it is; that it is these files only we know. */
function checkTls({ ca, cert, key }: TlsOptions, { origin, userName }: Kubeconfig): void {
  const check = (what: string, use: () => unknown) => {
    try {
      use();
    } catch (error) {
      throw new AccessError(`${origin}: ${what} cannot be used (${(error as Error).message}); give it in PEM form`);
    }
  };
  // OpenSSL takes an authority that it cannot read for none
  if (ca !== undefined) check('certificate-authority', () => new X509Certificate(ca as Buffer));
  if (cert === undefined && key === undefined) return;
  // node:tls would show none, and leave us anonymous without a word
  if (key === undefined) {
    throw new AccessError(`${origin}: user "${userName}" has a certificate without its key; give client-key too`);
  }
  check(`client-certificate and client-key of user "${userName}"`, () =>
    createSecureContext({ ...(cert && { cert }), key }),
  );
}
