/** What a real API server answered (test/support/recordings), and what one of ours answers, in the same words. */

import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { ApiServer } from './api-server/api-server.ts';
import { goJson, isObject, type Json } from './api-server/json.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Status line, headers as they came, an empty line, body. */
  readonly text: string;
}

export interface Question {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** From a person: answers are indented. */
const curl = { 'User-Agent': 'curl/8.5.0', Accept: '*/*' };

/** Over plain HTTP/1.1; `begun` hears when the answer begins. Rejects when it breaks off. */
export function ask(
  server: ApiServer,
  path: string,
  { method = 'GET', body, headers = curl }: Question = {},
  begun: () => void = () => {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sized = text === '' ? headers : { ...headers, 'Content-Length': Buffer.byteLength(text) };
    const sent = request(`${server.url}${path}`, { method, headers: sized, agent: false }, (answer) => {
      begun();
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      answer.on('error', reject);
      answer.on('end', () => {
        const status = `HTTP/${answer.httpVersion} ${answer.statusCode} ${answer.statusMessage}`;
        const pairs = answer.rawHeaders.flatMap((name, i, raw) => (i % 2 === 0 ? [`${name}: ${raw[i + 1]}`] : []));
        const all = [status, ...pairs, '', text].join('\r\n');
        resolve({ status: answer.statusCode!, headers: answer.headers, body: text, text: all });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

export function recordingPath(name: string): string {
  return fileURLToPath(new URL(`../../../test/support/recordings/${name}`, import.meta.url));
}

export function recording(name: string): Promise<string> {
  return readFile(recordingPath(name), 'utf8');
}

/**
 * Takes out what no two servers can have alike, and nothing else: uids (of objects, of audits, of the flow schema) become `uid-1`,
 * `uid-2` … in the order in which they appear, so that the same one stays the same; revisions become `revision-1` … in the order of
 * their numbers; so do cluster addresses but the first, and the node ports that the server chose; bookmarks may be of any revision
 * from the last event's on.
 */
export function normalised(text: string): string {
  const named = (prefix: string) => {
    const names = new Map<string, string>();
    return (value: string): string => {
      if (!names.has(value)) names.set(value, `${prefix}-${names.size + 1}`);
      return names.get(value)!;
    };
  };
  const chosen = (port: string): string => (port === '30080' ? port : portName(port));
  const portName = named('port');
  return withBookmarks(text)
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, named('uid'))
    .replace(/\b10\.(9[6-9]|10\d|11[01])\.\d+\.\d+\b(?<!10\.96\.0\.1)|fd00:10:96::[0-9a-f:]+/g, named('address'))
    .replace(/(?<="(?:nodePort|healthCheckNodePort)": ?)\d+/g, chosen)
    .replace(
      /"continue": "([\w-]+)"/g,
      (_, token: string) => `"continue": ${Buffer.from(token, 'base64url').toString()}`,
    )
    .replace(revisions, rankOf(text));
}

const revisions =
  /(?<="resourceVersion": ?")\d+(?=")|(?<="rv":)\d+|(?<=current: )\d+|(?<=too old resource version: 1 \()\d+/g;

function rankOf(text: string): (revision: string) => string {
  const decoded = withBookmarks(text).replace(/"continue": "([\w-]+)"/g, (_, token: string) =>
    Buffer.from(token, 'base64url').toString(),
  );
  const all = [...new Set(decoded.match(revisions))].map(Number).toSorted((a, b) => a - b);
  return (revision) => `revision-${all.indexOf(Number(revision)) + 1}`;
}

function withBookmarks(text: string): string {
  let last = 0;
  return text
    .split('\n')
    .map((line) => {
      const revision = Number(/"resourceVersion":"(\d+)"/.exec(line)?.[1] ?? 0);
      if (!line.startsWith('{"type":"BOOKMARK"')) {
        last = Math.max(last, revision);
        return line;
      }
      return line.replace(/(?<="resourceVersion":")\d+/, revision >= last ? 'not before' : 'before');
    })
    .join('\n');
}

/** As kubectl apply would create it: with what was applied in an annotation. */
export function asApplied(object: object): object {
  const { metadata, ...rest } = object as { readonly metadata: object };
  const applied = inOrder({ ...rest, metadata: { annotations: {}, ...metadata } });
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': `${goJson(applied)}\n` };
  return { ...rest, metadata: { ...metadata, annotations } };
}

function inOrder(value: Json): Json {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isObject(value)) return value;
  const fields = Object.keys(value).toSorted();
  return Object.fromEntries(fields.map((field) => [field, inOrder(value[field]!)]));
}
