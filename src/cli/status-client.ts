/** Asks a running daemon for its status, over its local socket. */

import { request } from 'node:http';
import * as z from 'zod';
import type { Config } from '../config/config.ts';
import { identityOf } from '../kernel/network-namespace.ts';
import { printable } from '../model/printable.ts';
import type { StatusReport } from '../model/status.ts';

/** A daemon is there, or may be, and its status cannot be had. The message names the socket, what happened and what to do. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
}

export interface AskOptions {
  readonly signal: AbortSignal;
  /** Milliseconds of silence. */
  readonly timeout?: number;
}

/** The status of the daemon that listens at the path; undefined when there is none. Rejects with a {@link StatusError}. */
export async function askDaemon(path: string, options: AskOptions): Promise<StatusReport | undefined> {
  let answer: Answer;
  try {
    answer = await get(path, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    switch (code) {
      case 'ENOENT':
      case 'ECONNREFUSED':
        return undefined;
      case 'EACCES':
      case 'EPERM':
        throw new StatusError(
          `${path} may not be opened (${code}): only the daemon's user may; ask as that user, or as root`,
        );
      default:
        throw new StatusError(`the daemon at ${path} does not answer: ${message}; see its log`);
    }
  }
  if (answer.status !== 200) {
    const reason = printable(answer.text.trim().slice(0, 200));
    throw new StatusError(`the daemon at ${path} answers with ${answer.status}: ${reason}; see its log`);
  }
  return reportOf(path, answer.text);
}

/**
 * Whether a daemon would make again what is removed here. One that does not say what it should runs all the same, in the namespace that
 * nobody named.
 */
export async function runsHere(
  { netns, statusSocket }: Pick<Config, 'netns' | 'statusSocket'>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const report = await askDaemon(statusSocket, { signal });
    if (report === undefined) return false;
    const there = report.daemon?.networkNamespace;
    return there === undefined ? netns === undefined : there === identityOf(netns);
  } catch (error) {
    if (error instanceof StatusError) return netns === undefined;
    throw error;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function get(path: string, { signal, timeout = 10_000 }: AskOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, path: '/status', signal, timeout }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on('timeout', () => asked.destroy(new Error(`it was silent for ${timeout / 1000} s`)));
    asked.on('error', reject);
    asked.end();
  });
}

function reportOf(path: string, text: string): StatusReport {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new StatusError(`what answers at ${path} is no kube-ipvs: no JSON`);
  }
  const read = reportShape.safeParse(json);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const where = issue === undefined ? '' : ` (${printable(issue.path.join('.'))}: ${printable(issue.message)})`;
  throw new StatusError(`what answers at ${path} is no kube-ipvs of this version${where}: ask with the daemon's own`);
}

/** null where the report has undefined. */
function optional<T>(shape: z.ZodType<T>) {
  return shape.nullable().transform((value) => value ?? undefined);
}

/** Milliseconds since 1970, as far as a Date reaches. */
const time = z.number().min(0).max(8.64e15);

const connections = z.object({ active: z.number(), inactive: z.number() });

const destination = z.object({
  id: z.string(),
  weight: optional(z.number()),
  wantedWeight: optional(z.number()),
  state: z.enum(['serving', 'draining', 'pending', 'extra']),
  connections: optional(connections),
  drainingFor: optional(z.number()),
});

const virtualService = z.object({
  id: z.string(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
  address: z.string(),
  port: z.number(),
  scheduler: optional(z.string()),
  options: z.string(),
  owner: optional(z.string()),
  state: z.enum(['in sync', 'pending', 'failing', 'ours', 'foreign']),
  destinations: z.array(destination),
});

const source = z.object({
  name: z.string(),
  phase: z.enum(['listing', 'watching', 'waiting']),
  synced: z.boolean(),
  objects: z.number(),
  resourceVersion: optional(z.string()),
  since: time,
  heardAt: optional(time),
  restarts: z.number(),
  lastError: optional(z.string()),
});

const daemon = z.object({
  version: z.string(),
  pid: z.number(),
  startedAt: time,
  // one of a version that did not say is asked too
  networkNamespace: z
    .string()
    .nullish()
    .transform((value) => value ?? undefined),
  ready: z.boolean(),
  lastPass: optional(z.object({ at: time, milliseconds: z.number(), operations: z.number(), failures: z.number() })),
  lastScrub: optional(time),
  sources: z.array(source),
  dirtyKeys: z.number(),
  oldestDirtyMilliseconds: z.number(),
  failures: z.array(z.string()),
  remarks: z.array(z.string()),
});

const reportShape: z.ZodType<StatusReport> = z.object({
  nodeName: z.string(),
  at: time,
  daemon: optional(daemon),
  virtualServices: z.array(virtualService),
  differences: z.array(z.string()),
});
