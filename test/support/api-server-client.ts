/** Requests to the test API server as tests write them. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ApiServer, type ApiServerOptions } from './api-server/api-server.ts';
import type { JsonObject } from './api-server/json.ts';
import { ask, type Question, type Reply } from './recorded.ts';

/** It ends with the test. */
export async function startApiServer(test: TestContext, options: ApiServerOptions = {}): Promise<ApiServer> {
  const server = await ApiServer.start(options);
  test.after(() => server.close());
  return server;
}

/** The parsed answer; fails unless its status is this one. */
export async function expectStatus(status: number, reply: Promise<Reply>): Promise<JsonObject> {
  const { status: got, body } = await reply;
  assert.equal(got, status, body);
  return JSON.parse(body) as JsonObject;
}

export function post(server: ApiServer, path: string, body: object): Promise<Reply> {
  return ask(server, path, { method: 'POST', body, headers: {} });
}

export function put(server: ApiServer, path: string, body: object): Promise<Reply> {
  return ask(server, path, { method: 'PUT', body, headers: {} });
}

export function remove(server: ApiServer, path: string, body?: object): Promise<Reply> {
  return ask(server, path, { method: 'DELETE', body, headers: {} });
}

export function patch(server: ApiServer, path: string, type: string, body: unknown): Promise<Reply> {
  return ask(server, path, { method: 'PATCH', body, headers: { 'Content-Type': `application/${type}` } });
}

/** What a program gets: JSON without spaces. */
export function get(server: ApiServer, path: string, headers: Question['headers'] = {}): Promise<Reply> {
  return ask(server, path, { headers });
}

export interface WatchEvent {
  readonly type: string;
  readonly object: JsonObject;
}

/** A watch, and the events that it has told when it is over. */
export interface Watching {
  /** Lines of its body, or the error that broke it off. */
  readonly lines: Promise<string[]>;
  readonly events: Promise<WatchEvent[]>;
}

/** When it gives a watch, the answer has begun: what changes from now on is told. */
export async function watch(server: ApiServer, path: string): Promise<Watching> {
  let reply: Promise<Reply> | undefined;
  await new Promise<void>((begun, failed) => {
    reply = ask(server, path, { headers: {} }, begun);
    reply.catch(failed);
  });
  const lines = reply!.then(({ body }) => body.split('\n').filter((line) => line !== ''));
  const events = lines.then((all) => all.map((line) => JSON.parse(line) as WatchEvent));
  // whoever wants one of them looks at that one
  lines.catch(() => {});
  events.catch(() => {});
  return { lines, events };
}

/** `ADDED web`, `BOOKMARK`, `ERROR 410`. */
export function eventLine({ type, object }: WatchEvent): string {
  const { metadata, code } = object as { metadata?: { name?: string }; code?: number };
  return [type, metadata?.name ?? code].filter((part) => part !== undefined).join(' ');
}
