import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { mock, type TestContext, test } from 'node:test';
import {
  everywhereAsGo,
  type HttpAnswer,
  HttpListener,
  type HttpListenerOptions,
  type HttpRequest,
  plainText,
} from '../../src/serve/http-listener.ts';
import { ask, connected, freePort, occupied, received } from '../support/http.ts';
import { Told } from '../support/told.ts';

type Wishes = Partial<HttpListenerOptions>;

/** Listens on a free port of 127.0.0.1 and says what it was asked. */
async function listening(context: TestContext, wishes: Wishes = {}) {
  const errors: string[] = [];
  const answer = ({ path, query }: HttpRequest): HttpAnswer => plainText(200, `${path} ${query.toString()}`);
  const onError = ({ message }: Error) => errors.push(message);
  const listener = new HttpListener({ host: '127.0.0.1', port: 0, answer, onError, ...wishes });
  context.after(() => listener.close());
  await listener.listen();
  return { errors, port: listener.port!, close: () => listener.close() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('path and query are told apart, and the answer has its length', async (context) => {
  const { port } = await listening(context);
  assert.deepEqual(await ask({ port, path: '/a/b?c=d&verbose' }), {
    code: 200,
    headers: ['Content-Type: text/plain; charset=utf-8', 'X-Content-Type-Options: nosniff', 'Content-Length: 17'],
    body: '/a/b c=d&verbose=',
  });
});

test('a request may name the whole URL', async (context) => {
  const { port } = await listening(context);
  assert.equal((await ask({ port, path: 'http://node-a:10256/healthz?x=y' })).body, '/healthz x=y');
  assert.equal((await ask({ port, path: 'http://node-a:10256' })).body, '/ ');
});

test('HEAD is answered without a body', async (context) => {
  const { port } = await listening(context);
  const { code, headers, body } = await ask({ port, path: '/a', method: 'HEAD' });
  assert.deepEqual([code, headers.at(-1), body], [200, 'Content-Length: 3', '']);
});

test('an answer that fails is 500, told once, and the next is answered', async (context) => {
  let calls = 0;
  const { port, errors } = await listening(context, {
    answer: () => {
      if (++calls < 3) throw new Error('no such thing');
      return plainText(200, 'ok');
    },
  });
  assert.equal((await ask({ port })).code, 500);
  assert.equal((await ask({ port })).code, 500);
  assert.equal((await ask({ port })).code, 200);
  assert.deepEqual(errors, ['no such thing']);
});

const nonsense: readonly [what: string, sent: string, answered: RegExp][] = [
  ['what is no HTTP', '\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a request without Host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'more headers than anybody needs',
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
  ],
  ['a request to tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n', /^$/],
];

for (const [what, sent, answered] of nonsense) {
  test(`${what} ends its connection and nothing else`, async (context) => {
    const { port, errors } = await listening(context);
    const socket = await connected(port);
    const heard = received(socket);
    socket.write(sent);
    assert.match(await heard, answered);
    assert.equal((await ask({ port, path: '/next' })).body, '/next ');
    assert.deepEqual(errors, []);
  });
}

test('a client of HTTP 1.0 needs no Host, and is done after one answer', async (context) => {
  const { port } = await listening(context);
  const socket = await connected(port);
  const heard = received(socket);
  socket.write('OPTIONS /probe HTTP/1.0\r\n\r\n');
  assert.match(await heard, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\n\/probe $/);
});

test('a client that ends its side after the request is answered, also later', async (context) => {
  const { port } = await listening(context, {
    answer: async ({ path }) => {
      await turn();
      await turn();
      return plainText(200, path);
    },
  });
  for (const [sent, answered] of [
    ['GET /a HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\/a$/],
    ['GET /b HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\/b$/],
    ['GET /c HTTP/1.1\r\nHost: a', /^HTTP\/1\.1 400 /],
    ['', /^$/],
  ] as const) {
    const socket = await connected(port);
    const heard = received(socket);
    socket.end(sent);
    assert.match(await heard, answered);
  }
});

test('more connections than 256 are not kept: those go that have been silent for longest', async (context) => {
  const { port } = await listening(context);
  const sockets: Socket[] = [];
  for (let i = 0; i < 256; i++) sockets.push(await connected(port));
  const [first, second, third] = sockets;
  const gone = Promise.all([received(second!), received(third!)]);
  first!.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(first!, 'data');
  const newcomer = await connected(port);
  assert.equal((await ask({ port, path: '/b' })).body, '/b ', 'whoever comes is served');
  assert.deepEqual(await gone, ['', '']);
  for (const [socket, path] of [
    [first!, '/c'],
    [sockets[3]!, '/d'],
    [newcomer, '/e'],
  ] as const) {
    const heard = received(socket);
    socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
    assert.match(await heard, new RegExp(`${path} $`), 'and so are all others that are there');
  }
  for (const socket of sockets) socket.destroy();
});

test('of requests that do not wait for one another the first is answered, and the connection ends', async (context) => {
  const asked: string[] = [];
  const { port } = await listening(context, {
    answer: async ({ path }) => {
      asked.push(path);
      await turn();
      return plainText(200, path.repeat(100_000));
    },
  });
  const socket = await connected(port);
  const heard = received(socket);
  socket.write(Array.from({ length: 1_000 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  assert.match(await heard, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n(?:\/0){100000}$/);
  assert.deepEqual(asked, ['/0']);
});

test('requests of one connection that wait for one another are all answered', async (context) => {
  const { port } = await listening(context);
  const socket = await connected(port);
  for (const path of ['/a', '/b', '/c']) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), new RegExp(`${path} $`));
  }
  socket.destroy();
});

test('a body is not waited for, and its connection is not used again', async (context) => {
  const { port } = await listening(context);
  const socket = await connected(port);
  const heard = received(socket);
  socket.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nthe beginning');
  assert.match(await heard, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*\r\n\r\n\/a $/);
});

test('closing ends idle connections and requests that are not finished, at once', async (context) => {
  let asked: () => void = () => {};
  const wasAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const { port, close } = await listening(context, {
    answer: () => {
      asked();
      return new Promise(() => {});
    },
  });
  const idle = await connected(port);
  const unfinished = await connected(port);
  const waiting = await connected(port);
  unfinished.write('GET / HT');
  waiting.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await wasAsked;
  const ended = Promise.all([received(idle), received(unfinished), received(waiting)]);
  close();
  close();
  assert.deepEqual(await ended, ['', '', '']);
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
});

test('an address that is taken is an error of the one try', async (context) => {
  const other = await occupied();
  await assert.rejects(listening(context, { port: other.port }), { code: 'EADDRINUSE' });
  await other.close();
});

/** Tries to listen where somebody else does, with a clock that the test moves. */
async function waiting(context: TestContext, wishes: Wishes = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const other = await occupied();
  const told = new Told();
  const listener = new HttpListener({
    host: '127.0.0.1',
    port: other.port,
    answer: () => plainText(200, 'here'),
    onListening: () => told.add('listening'),
    onError: ({ message }) => told.add(message),
    ...wishes,
  });
  context.after(() => listener.close());
  listener.keepListening();
  return { told, port: other.port, release: () => other.close(), close: () => listener.close() };
}

test('an address that is taken is tried again after 5 s', async (context) => {
  const { told, port, release } = await waiting(context);
  assert.equal(await told.next(), `listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
  await release();
  mock.timers.tick(4_999);
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
  mock.timers.tick(1);
  assert.equal(await told.next(), 'listening');
  assert.equal((await ask({ port })).body, 'here');
});

test('it is told once, however often it is tried', async (context) => {
  const tries = new Told();
  const retryDelay = (failures: number) => {
    tries.add(`${failures} failed`);
    return 100 * failures;
  };
  const { told, release } = await waiting(context, { retryDelay });
  for (const failures of [1, 2, 3]) {
    assert.equal(await tries.next(), `${failures} failed`);
    if (failures === 3) await release();
    mock.timers.tick(100 * failures);
  }
  assert.match(await told.next(), /EADDRINUSE/);
  assert.equal(await told.next(), 'listening');
});

test('a listener that is closed between two tries does not try again', async (context) => {
  const { told, port, release, close } = await waiting(context);
  await told.next();
  close();
  await release();
  mock.timers.tick(60_000);
  await turn();
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
  assert.equal(told.count, 0);
});

test('a listener that is closed before it listens never does', async () => {
  const port = await freePort();
  const told: string[] = [];
  const listener = new HttpListener({
    host: '127.0.0.1',
    port,
    answer: () => plainText(200, 'here'),
    onListening: () => told.push('listening'),
    onError: ({ message }) => told.push(message),
  });
  const listened = listener.listen();
  listener.close();
  await listened;
  await assert.rejects(ask({ port }), { code: 'ECONNREFUSED' });
  assert.deepEqual(told, []);
});

test('the unspecified address of either family is both families, as for Go', () => {
  const hosts = ['0.0.0.0', '::', '', '127.0.0.1', '::1'].map(everywhereAsGo);
  assert.deepEqual(hosts, [undefined, undefined, undefined, '127.0.0.1', '::1']);
});

test('without a host both families are listened on, with "::" IPv6 only', async (context) => {
  const port = await freePort();
  const first = await listening(context, { host: '0.0.0.0', port });
  const second = await listening(context, { host: '::', port });
  first.close();
  second.close();
  const both = await listening(context, { host: undefined });
  assert.equal((await ask({ port: both.port, path: '/v4' })).body, '/v4 ');
});
