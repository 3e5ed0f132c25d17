/** Where the API server is and who we are: a kubeconfig file, a Pod's service account, or nothing but an address. */

import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { documents } from '../documents.ts';
import { quoted } from '../problem.ts';
import { readShape } from '../shapes.ts';
import { SourceText } from '../source-text.ts';
import { readYaml } from '../yaml-text.ts';
import { AccessError } from './access-error.ts';
import { type Environment, environmentProxy } from './environment-proxy.ts';

/** Both empty: from inside a Pod. `master` takes the place of the kubeconfig's server. */
export interface AccessConfig {
  readonly kubeconfig: string;
  readonly master: string;
}

/** What a Pod has: where its kubelet put the service account, and what it said of the API server. */
export interface PodAccess {
  readonly folder: string;
  readonly host: string | undefined;
  readonly port: string | undefined;
}

/** A cluster and a user in the spelling of kubeconfig files (clientcmd/api/v1 of Kubernetes 1.36), paths absolute. */
export interface Kubeconfig {
  /** For messages: the file, or what stands in for it. */
  readonly origin: string;
  readonly server: URL;
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
  readonly userName: string;
}

const text = z.string().nullish();

const fileShape = z.object({
  'current-context': text,
  contexts: z
    .array(z.object({ name: z.string(), context: z.object({ cluster: text, user: text }).nullish() }))
    .nullish(),
  clusters: z.array(z.object({ name: z.string(), cluster: z.looseObject({}).nullish() })).nullish(),
  users: z.array(z.object({ name: z.string(), user: z.looseObject({}).nullish() })).nullish(),
});

const clusterShape = z.looseObject({
  server: text,
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'tls-server-name': text,
  'proxy-url': text,
  'disable-compression': z.boolean().nullish(),
  extensions: z.array(z.looseObject({ name: z.string() })).nullish(),
});

const userShape = z.looseObject({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-uid': text,
  'as-groups': z.array(z.string()).nullish(),
  'as-user-extra': z.record(z.string(), z.array(z.string()).nullish()).nullish(),
  exec: z
    .looseObject({
      command: z.string(),
      apiVersion: text,
      args: z.array(z.string()).nullish(),
      env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
      provideClusterInfo: z.boolean().nullish(),
    })
    .nullish(),
  'auth-provider': z.looseObject({ name: z.string() }).nullish(),
});

const pathFields = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile'];

/** Rejects with an {@link AccessError}. Where no `proxy-url` says otherwise, the proxy is what the environment names. */
export async function readKubeconfig(
  access: AccessConfig,
  pod: PodAccess,
  environment: Environment,
): Promise<Kubeconfig> {
  const written = await readWritten(access, pod);
  const proxy = written.cluster['proxy-url'] ? undefined : environmentProxy(written.server, environment);
  if (proxy === undefined) return written;
  checkProxy(proxy.url, proxy.variable);
  return { ...written, cluster: { ...written.cluster, 'proxy-url': proxy.url } };
}

async function readWritten({ kubeconfig, master }: AccessConfig, pod: PodAccess): Promise<Kubeconfig> {
  if (kubeconfig !== '') return await readFileOf(kubeconfig, master);
  if (master !== '') {
    return { origin: '--master', server: serverUrl(master, '--master'), cluster: {}, user: {}, userName: '' };
  }
  const { folder, host, port } = pod;
  if (host === undefined || host === '' || port === undefined || port === '') {
    const why = 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in a Pod';
    throw new AccessError(`no API server is named: ${why}; give --kubeconfig or --master`);
  }
  return {
    origin: 'the service account of the Pod',
    server: serverUrl(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST'),
    cluster: { 'certificate-authority': join(folder, 'ca.crt') },
    user: { tokenFile: join(folder, 'token') },
    userName: 'of the service account',
  };
}

async function readFileOf(file: string, master: string): Promise<Kubeconfig> {
  const { contexts, clusters, users, ...config } = checked(fileShape, await readDocument(file), file, []);
  const current = config['current-context'] ?? '';
  if (current === '') {
    // kubectl --server serves without a context; nobody means that in a daemon's file
    throw new AccessError(`${file}: current-context is missing; write the name of one of its contexts`);
  }
  const context = contexts?.find(({ name }) => name === current)?.context;
  if (context === undefined || context === null) {
    throw new AccessError(`${file}: current-context is ${quoted(current)}, and no context has that name; add it`);
  }
  const clusterIndex = indexOf(clusters, context.cluster, file, `the cluster of context ${quoted(current)}`);
  const named = checked(clusterShape, clusters![clusterIndex]!.cluster ?? {}, file, [
    'clusters',
    clusterIndex,
    'cluster',
  ]);
  // the name is that of the file's server, and another one has its own (getCluster of clientcmd/client_config.go)
  const cluster = master === '' ? named : { ...named, 'tls-server-name': undefined };
  const field = `${file}: clusters[${clusterIndex}].cluster`;
  const server = master === '' ? serverUrl(cluster.server ?? '', `${field}.server`) : serverUrl(master, '--master');
  checkProxy(cluster['proxy-url'] ?? '', `${field}.proxy-url`);
  // without a user the server is asked as anonymous
  if ((context.user ?? '') === '')
    return { origin: file, server, cluster: absolute(cluster, file), user: {}, userName: '' };
  const userIndex = indexOf(users, context.user, file, `the user of context ${quoted(current)}`);
  const user = checked(userShape, users![userIndex]!.user ?? {}, file, ['users', userIndex, 'user']);
  checkImpersonation(user, `${file}: users[${userIndex}].user`);
  const access = { origin: file, server, cluster: absolute(cluster, file), userName: users![userIndex]!.name };
  return { ...access, user: await withExec(absolute(user, file), access) };
}

async function readDocument(file: string): Promise<unknown> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AccessError(`${file}: cannot be read (${code}); name a kubeconfig file with --kubeconfig`, {
      cause: error,
    });
  }
  // as client-go reads it: the first of several documents counts, and the last of a key that is there twice
  const [first] = documents(new SourceText(file, content));
  const reading = readYaml(first?.text ?? '', { lastOfKeyCounts: true });
  if ('value' in reading) return reading.value;
  const line = content.slice(0, (first?.start ?? 0) + reading.offset).split('\n').length;
  throw new AccessError(`${file}:${line}: is no YAML: ${reading.message}; mend the file`);
}

function checked<S extends z.ZodType>(
  shape: S,
  raw: unknown,
  file: string,
  path: readonly (string | number)[],
): z.output<S> {
  const read = readShape(shape, raw);
  if (read.ok) return read.value;
  const around = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  const findings = read.findings.map(({ message }) => (around === '' ? message : `${around.slice(1)}.${message}`));
  throw new AccessError(`${file}: ${findings.join('; ')}`);
}

function indexOf(
  entries: readonly { readonly name: string }[] | null | undefined,
  name: string | null | undefined,
  file: string,
  what: string,
): number {
  const index = entries?.findIndex((entry) => entry.name === name) ?? -1;
  if (index >= 0) return index;
  const found = name === undefined || name === null ? 'missing' : quoted(name);
  throw new AccessError(`${file}: ${what} is ${found}, and no entry has that name; add it`);
}

/** The URL; what is no URL of a server throws. `10.0.0.1:6443` is http, as client-go takes it (DefaultServerURL of rest/url_utils.go). */
function serverUrl(written: string, field: string): URL {
  const full = written.includes('://') ? written : `http://${written}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url !== undefined && (url.protocol === 'https:' || url.protocol === 'http:')) {
    // client-go joins paths so; and a path that begins with two of them would name another host
    url.pathname = url.pathname.replace(/\/{2,}/g, '/');
    return url;
  }
  throw new AccessError(`${field} is ${withoutPassword(written)}, no URL of an API server; write https://HOST:PORT`);
}

/** Those that client-go knows (clientcmd/client_config.go). */
const proxySchemes: ReadonlySet<string> = new Set(['http:', 'https:', 'socks5:', 'socks5h:']);

function checkProxy(written: string, field: string): void {
  if (written === '' || (URL.canParse(written) && proxySchemes.has(new URL(written).protocol))) return;
  throw new AccessError(
    `${field} is ${withoutPassword(written)}, no URL of a proxy; write http://, https:// or socks5://HOST:PORT`,
  );
}

/** What goes into the log is read by more people than a kubeconfig. */
function withoutPassword(url: string): string {
  return quoted(url.replace(/^([^/]*\/\/)?.*@/, '$1…@'));
}

/** Without a name the server would take us for ourselves. */
function checkImpersonation(user: z.output<typeof userShape>, field: string): void {
  if ((user.as ?? '') !== '') return;
  const stray = (['as-uid', 'as-groups', 'as-user-extra'] as const).find(
    (name) => user[name] && Object.keys(user[name]).length > 0,
  );
  if (stray !== undefined)
    throw new AccessError(`${field}.${stray} stands without as; write the name of the user there`);
}

/** Paths of a kubeconfig file are relative to its folder. */
function absolute(fields: Readonly<Record<string, unknown>>, file: string): Record<string, unknown> {
  const resolved: Record<string, unknown> = { ...fields };
  // client-node's own name for what Kubernetes calls tokenFile; it would read it once and never again
  if (typeof resolved['token-file'] === 'string') resolved.tokenFile ??= resolved['token-file'];
  delete resolved['token-file'];
  for (const field of pathFields) {
    const path = resolved[field];
    if (typeof path !== 'string' || path === '') delete resolved[field];
    else if (!isAbsolute(path)) resolved[field] = join(dirname(file), path);
  }
  return resolved;
}

/** Whoever has one of these is asked for nothing more: its plugin is not run (UpdateTransportConfig of client-go's exec authenticator). */
const ownCredentials = ['token', 'tokenFile', 'username', 'password', 'client-certificate', 'client-certificate-data'];

/** What a credential plugin expects of its caller and client-node leaves out (client.authentication.k8s.io, KEP-541). */
async function withExec(user: Record<string, unknown>, access: Omit<Kubeconfig, 'user'>): Promise<Kubeconfig['user']> {
  if (user.exec === undefined || user.exec === null) return user;
  if (ownCredentials.some((field) => user[field])) return { ...user, exec: undefined };
  const exec = user.exec as Exec;
  const { command, env } = exec;
  const apiVersion = exec.apiVersion ?? 'client.authentication.k8s.io/v1';
  const cluster = exec.provideClusterInfo === true ? await toldOf(access) : { server: access.server.href };
  const about = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, cluster } };
  const own = { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(about) };
  const isRelative = command.includes('/') && !isAbsolute(command);
  const resolved = isRelative ? join(dirname(access.origin), command) : command;
  return { ...user, exec: { ...exec, command: resolved, env: [...(env ?? []), own] } };
}

type Exec = NonNullable<z.infer<typeof userShape>['exec']>;

/** What a plugin is told of a cluster as the file has it. */
const toldFields = ['tls-server-name', 'insecure-skip-tls-verify', 'proxy-url', 'disable-compression'];

/** All that a plugin needs to ask the server itself, and what the file has for it alone (Cluster of client.authentication.k8s.io/v1). */
async function toldOf({ origin, server, cluster }: Omit<Kubeconfig, 'user'>): Promise<object> {
  const authorities = await contentOf(origin, cluster, 'certificate-authority');
  const extensions = cluster.extensions as z.infer<typeof clusterShape>['extensions'];
  return {
    server: server.href,
    ...Object.fromEntries(toldFields.filter((field) => cluster[field]).map((field) => [field, cluster[field]])),
    'certificate-authority-data': authorities?.toString('base64') ?? cluster['certificate-authority-data'],
    config: extensions?.find(({ name }) => name === 'client.authentication.k8s.io/exec')?.extension,
  };
}

/** What is in the file that a field names; undefined where it names none. Rejects with an {@link AccessError}. */
export async function contentOf(
  origin: string,
  fields: Readonly<Record<string, unknown>>,
  field: string,
): Promise<Buffer | undefined> {
  const path = fields[field];
  if (typeof path !== 'string') return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AccessError(`${origin}: ${field} ${path} cannot be read (${code}); put a file in PEM form there`, {
      cause: error,
    });
  }
}
