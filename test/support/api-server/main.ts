/**
 * Runs the test API server until SIGTERM or SIGINT, for kubectl, benches and tests in other processes. Usage: see below. Prints
 * one line of JSON when it is ready: `{"url": …, "kubeconfig": PATH}`.
 */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadAll } from 'js-yaml';
import { ApiServer } from './api-server.ts';
import { isObject, type Json, listAt } from './json.ts';
import { churn, clusterOf, parseSize } from './load.ts';

const usage = `usage: main.js [--bind ADDRESS] [--port PORT] [--tls-dir DIR] [--objects FILE]... [--load SERVICESxENDPOINTS] [--changes PER_SECOND]
--tls-dir serves HTTPS and leaves ca.crt, client.crt, client.key there; the kubeconfig lies there, too.`;

function readArguments() {
  try {
    return parseArgs({
      options: {
        bind: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '0' },
        'tls-dir': { type: 'string' },
        objects: { type: 'string', multiple: true, default: [] },
        load: { type: 'string' },
        changes: { type: 'string' },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${String(error)}\n${usage}\n`);
    return process.exit(64);
  }
}

async function writeCredentials(server: ApiServer, folder: string): Promise<void> {
  const { certificates } = server;
  const { certificate, key } = certificates.client('kubernetes-admin', ['system:masters']);
  await writeFile(join(folder, 'ca.crt'), certificates.authority);
  await writeFile(join(folder, 'client.crt'), certificate);
  await writeFile(join(folder, 'client.key'), key, { mode: 0o600 });
}

/** Documents and Lists of them. */
async function objectsIn(file: string): Promise<object[]> {
  const documents = loadAll(await readFile(file, 'utf8')) as Json[];
  return documents.flatMap((document) => {
    const items = listAt(document, 'items');
    return (items.length > 0 ? items : [document]).filter(isObject);
  });
}

const { bind, port, 'tls-dir': tlsFolder, objects, load, changes } = readArguments();
const ending = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.abort());

const server = await ApiServer.start({ bind, port: Number(port), tls: tlsFolder !== undefined });
const folder = tlsFolder === undefined ? await mkdtemp(join(tmpdir(), 'api-server-config-')) : resolve(tlsFolder);
await mkdir(folder, { recursive: true });
const kubeconfig = join(folder, 'kubeconfig');
if (tlsFolder !== undefined) await writeCredentials(server, folder);
await writeFile(
  kubeconfig,
  server.kubeconfig(
    tlsFolder === undefined
      ? { kind: 'none' }
      : { kind: 'certificate', user: 'kubernetes-admin', groups: ['system:masters'] },
  ),
  { mode: 0o600 },
);
for (const file of objects) server.apply(...(await objectsIn(file)));
if (load !== undefined) for (const object of clusterOf(parseSize(load))) server.apply(object);
process.stdout.write(`${JSON.stringify({ url: server.url, kubeconfig })}\n`);
const changing =
  changes === undefined ? undefined : churn(server, { perSecond: Number(changes), signal: ending.signal });
if (!ending.signal.aborted) await new Promise((end) => ending.signal.addEventListener('abort', end, { once: true }));
await changing;
await server.close();
if (tlsFolder === undefined) await rm(folder, { recursive: true, force: true });
