/** The client on real sockets: HTTP/1.1 and HTTP/2, with TLS and without, and what becomes of connections that go wrong. */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { Http2ServerRequest } from 'node:http2';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { ApiClient, RequestReport } from '../../src/watch/kubernetes/api-client.ts';
import { patience } from '../../src/watch/kubernetes/transport.ts';
import { type Answer, listening, serve, type TestServer, wireTo } from '../support/http-servers.ts';
import { makeCertificates } from '../support/certificates.ts';
import { clientOf, curiosity, get, impatience, pieceOf, textOf } from '../support/clients.ts';
import { collectGarbage } from '../support/garbage.ts';
import { kubeconfigFile } from '../support/kubeconfig-file.ts';

const certificates = makeCertificates();
after(() => rmSync(certificates.folder, { recursive: true }));

const protocols = ['http', 'https', 'h2'] as const;
type Protocol = (typeof protocols)[number];

/** A client of the server, by way of another port when one is named. */
async function connect(
  protocol: Protocol,
  port: number,
  options: Parameters<typeof clientOf>[1] = {},
  host = '127.0.0.1',
): Promise<ApiClient> {
  if (protocol === 'http') return await clientOf({ master: `http://${host}:${port}` }, options);
  const file = kubeconfigFile(certificates.folder, { server: `https://${host}:${port}` });
  return await clientOf({ kubeconfig: file }, options);
}

type Found = (error: null, addresses: readonly LookupAddress[]) => void;

/** Answers `hello` and goes on. */
const streaming: Answer = (_request, response) => {
  response.writeHead(200);
  response.write('hello');
};

const echo: Answer = (request, response) => {
  const pieces: Uint8Array[] = [];
  request.on('data', (piece: Uint8Array) => pieces.push(piece));
  request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(pieces).toString()}`));
};

async function closed(client: ApiClient, server: TestServer): Promise<void> {
  client.close();
  client.close();
  // a test that leaves a connection open does not end; the server would close those that are idle
  while (server.sockets.size > 0) await sleep(5);
  await server.close();
}

for (const protocol of protocols) {
  describe(`by ${protocol}`, () => {
    test('one request after the other goes by one connection, says who it is from, and is reported', async () => {
      const reports: RequestReport[] = [];
      const server = await serve(protocol, echo, certificates);
      const client = await connect(protocol, server.port, { reports });
      assert.equal(await textOf(await get(client, '/api/v1/services?limit=500')), 'GET /api/v1/services?limit=500 ');
      const { signal } = new AbortController();
      const body = { reason: 'gr\u00fc\u00df' };
      const contentType = 'application/merge-patch+json';
      const answer = await client.request({ method: 'PATCH', path: '/x', body, contentType, signal });
      assert.equal(await textOf(answer), 'PATCH /x {"reason":"gr\u00fc\u00df"}');
      assert.equal(await textOf(await client.request({ method: 'POST', path: '/y', body: 1, signal })), 'POST /y 1');
      // over TLS the first connection asks which protocol is spoken
      assert.equal(server.connections(), protocol === 'https' ? 2 : 1);
      assert.deepEqual(
        server.served.map(({ protocol: version }) => version),
        Array(3).fill(protocol === 'h2' ? '2.0' : '1.1'),
      );
      assert.deepEqual(
        server.served.map(({ headers }) => [headers['user-agent'], headers.accept, headers['content-type']]),
        [undefined, contentType, 'application/json'].map((type) => [
          'kube-ipvs/test (linux/amd64)',
          'application/json',
          type,
        ]),
      );
      assert.deepEqual(
        reports.map(({ method, host, code }) => [method, host, code]),
        ['GET', 'PATCH', 'POST'].map((method) => [method, `127.0.0.1:${server.port}`, 200]),
      );
      await closed(client, server);
    });

    test('a server with an IPv6 address is asked by it, in brackets', async () => {
      const server = await serve(protocol, echo, certificates, '::1');
      const client = await connect(protocol, server.port, {}, '[::1]');
      await textOf(await get(client, '/'));
      const { headers } = server.served[0]!;
      assert.equal(headers[':authority'] ?? headers.host, `[::1]:${server.port}`);
      await closed(client, server);
    });

    test('of two addresses of a name the first is reached although that takes its time, and the second is dead', async (test) => {
      const server = await serve(protocol, echo, certificates);
      const pause = new Int32Array(new SharedArrayBuffer(4));
      const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
      test.mock.method(dns, 'lookup', (_name: string, _options: object, found: Found) => {
        found(null, addresses);
        // an attempt has begun, and the event loop is busy with something else for so long
        Atomics.wait(pause, 0, 0, 500);
      });
      const client = await connect(protocol, server.port, {}, 'localhost');
      assert.equal(await textOf(await get(client, '/')), 'GET / ');
      await closed(client, server);
    });

    test('status and Retry-After are told, as seconds and as a date', async () => {
      const server = await serve(
        protocol,
        ({ url }, response) => {
          const when = url === '/seconds' ? '7' : 'Fri, 20 Nov 1998 18:29:09 GMT';
          response.writeHead(429, { 'retry-after': when }).end('later');
        },
        certificates,
      );
      const client = await connect(protocol, server.port);
      const seconds = await get(client, '/seconds');
      assert.deepEqual([seconds.status, seconds.retryAfter, await textOf(seconds)], [429, 7000, 'later']);
      const date = await get(client, '/date');
      assert.deepEqual([date.retryAfter, await textOf(date)], [0, 'later']);
      await closed(client, server);
    });

    test('an answer that a gateway zipped unasked is read while it is written, and where a redirection leads is told', async () => {
      const zip = createGzip();
      const answer: Answer = ({ url }, response) => {
        if (url === '/elsewhere') {
          response.writeHead(302, { location: 'https://else.test/' }).end();
          return;
        }
        response.writeHead(200, { 'content-encoding': 'gzip' });
        zip.pipe(response);
        zip.write('first');
        zip.flush();
      };
      const server = await serve(protocol, answer, certificates);
      const client = await connect(protocol, server.port);
      const elsewhere = await get(client, '/elsewhere');
      assert.deepEqual([elsewhere.location, await textOf(elsewhere)], ['https://else.test/', '']);
      const pieces = (await get(client, '/')).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'first');
      zip.write('second');
      zip.flush();
      assert.equal(await pieceOf(pieces), 'second');
      await pieces.return!();
      await closed(client, server);
    });

    test('an answer is read while it is written; when its reader leaves, the server is told', {
      timeout: 60_000,
    }, async () => {
      let left = () => {};
      const leaving = new Promise<void>((resolve) => (left = resolve));
      const answer: Answer = (request, response) => {
        response.once('close', left);
        streaming(request, response);
      };
      const server = await serve(protocol, answer, certificates);
      const client = await connect(protocol, server.port);
      for await (const piece of (await get(client, '/watch')).body) {
        assert.equal(Buffer.from(piece).toString(), 'hello');
        break;
      }
      await leaving;
      await closed(client, server);
    });

    test('a connection that is lost in the middle of an answer rejects its reading, and the next request has another', async () => {
      const server = await serve(protocol, streaming, certificates);
      const client = await connect(protocol, server.port);
      const pieces = (await get(client, '/watch')).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'hello');
      for (const socket of server.sockets) socket.destroy();
      await assert.rejects(pieces.next(), /the connection was lost/);
      const again = (await get(client, '/watch')).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(again), 'hello');
      await closed(client, server);
    });

    test('an aborted request rejects with the reason, before its answer and in the middle of it', async () => {
      const server = await serve(
        protocol,
        (request, response) => {
          if (request.url === '/watch') streaming(request, response);
        },
        certificates,
      );
      const reports: RequestReport[] = [];
      const client = await connect(protocol, server.port, { reports });
      const reason = new Error('enough');
      await assert.rejects(get(client, '/silence', AbortSignal.abort(reason)), reason);
      const early = new AbortController();
      const request = get(client, '/silence', early.signal);
      setImmediate(() => early.abort(reason));
      await assert.rejects(request, reason);
      const late = new AbortController();
      const pieces = (await get(client, '/watch', late.signal)).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'hello');
      late.abort(reason);
      await assert.rejects(pieces.next(), reason);
      assert.deepEqual(
        reports.map(({ code }) => code),
        ['<error>', '<error>', 200],
      );
      await closed(client, server);
    });

    test('closing the client rejects what is under way and what comes', async () => {
      const server = await serve(protocol, streaming, certificates);
      const client = await connect(protocol, server.port);
      const pieces = (await get(client, '/watch')).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'hello');
      client.close();
      await assert.rejects(pieces.next(), /the client is closed/);
      await assert.rejects(get(client, '/watch'), /the client is closed/);
      await closed(client, server);
    });

    test('closing the client while it connects rejects what was asked, at whatever moment', async () => {
      const server = await serve(protocol, echo, certificates);
      for (let moments = 0; moments < 20; moments++) {
        const client = await connect(protocol, server.port);
        const asked = assert.rejects(get(client, '/'), /the client is closed|the connection is closed/);
        for (let moment = 0; moment < moments; moment++) await Promise.resolve();
        client.close();
        await asked;
      }
      await server.close();
    });

    test('a server that takes a request and does not answer it is given up', async () => {
      const server = await serve(protocol, () => {}, certificates);
      const client = await connect(protocol, server.port, { patience: { ...patience, answer: 50 } });
      await assert.rejects(get(client, '/'), { message: `127.0.0.1:${server.port}: no answer within 50 ms` });
      await closed(client, server);
    });

    test('a watch that is silent goes on for as long as its server answers otherwise', async () => {
      const server = await serve(
        protocol,
        (request, response) => {
          if (request.url === '/version') response.end('{}');
          else streaming(request, response);
        },
        certificates,
      );
      const client = await connect(protocol, server.port, { patience: curiosity });
      const answer = await get(client, '/watch');
      const pieces = answer.body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'hello');
      const next = pieceOf(pieces);
      await asked(protocol, server, 3);
      client.close();
      await assert.rejects(next, /the client is closed/);
      await closed(client, server);
    });

    test('a server that hangs, or a host that is gone without a word, ends the watch, and the next request has another connection', async () => {
      const server = await serve(protocol, streaming, certificates);
      const wire = await wireTo(server.port);
      const client = await connect(protocol, wire.port, { patience: impatience });
      const pieces = (await get(client, '/watch')).body[Symbol.asyncIterator]();
      assert.equal(await pieceOf(pieces), 'hello');
      wire.freeze();
      await assert.rejects(pieces.next(), protocol === 'h2' ? /no answer to a ping/ : /the server is silent/);
      client.close();
      wire.close();
      await server.close();
    });
  });
}

/** So many signs of life were asked of the server, besides the watch. */
test('a server that is silent for weeks is asked again and again, and nothing is left of the questions', async () => {
  const questions: WeakRef<object>[] = [];
  const note = (message: unknown) => questions.push(new WeakRef((message as { readonly request: object }).request));
  const server = await serve('http', (request, response) =>
    request.url === '/version' ? response.end('{}') : streaming(request, response),
  );
  const client = await connect('http', server.port, { patience: curiosity });
  const pieces = (await get(client, '/watch')).body[Symbol.asyncIterator]();
  assert.equal(await pieceOf(pieces), 'hello');
  const next = pieceOf(pieces);
  subscribe('http.client.request.start', note);
  while (questions.length < 20) await sleep(10);
  unsubscribe('http.client.request.start', note);
  const left = () => questions.filter((question) => question.deref() !== undefined).length;
  for (let tries = 0; left() > 5 && tries < 50; tries++) {
    await sleep(20);
    collectGarbage();
  }
  assert.ok(left() <= 5, `${left()} of ${questions.length}`);
  client.close();
  await assert.rejects(next, /the client is closed/);
  await closed(client, server);
});

async function asked(protocol: Protocol, server: TestServer, count: number): Promise<void> {
  if (protocol !== 'h2') {
    const versions = () => server.served.filter(({ path }) => path === '/version').length;
    while (versions() < count) await new Promise((resolve) => setImmediate(resolve));
    return;
  }
  for (let pings = 0; pings < count; pings++) await once(server.sessions[0]!, 'ping');
}

test('requests at the same time share one connection of HTTP/2', async () => {
  const server = await serve('h2', streaming, certificates);
  const client = await connect('h2', server.port);
  const answers = await Promise.all(['/a', '/b', '/c'].map((path) => get(client, path)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal(server.connections(), 1);
  await closed(client, server);
});

test('a server that takes one request at a time by a connection has one for each', async () => {
  const answer: Answer = (request, response) => (request.url === '/' ? echo : streaming)(request, response);
  const server = await serve('h2', answer, certificates);
  const client = await connect('h2', server.port);
  await textOf(await get(client, '/'));
  await new Promise<void>((resolve) => {
    server.sessions[0]!.settings({ maxConcurrentStreams: 1 }, () => resolve());
  });
  const answers = await Promise.all(['/a', '/b'].map((path) => get(client, path)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  assert.equal(server.connections(), 2);
  const [running] = answers.map(({ body }) => body[Symbol.asyncIterator]());
  assert.equal(await pieceOf(running!), 'hello');
  const next = running!.next();
  assert.equal(await Promise.race([next, Promise.resolve('goes on')]), 'goes on');
  client.close();
  await assert.rejects(next);
  await closed(client, server);
});

test('when a server says goodbye its running answers go on, and new requests have a new connection', async () => {
  const server = await serve('h2', streaming, certificates);
  const client = await connect('h2', server.port);
  const running = (await get(client, '/watch')).body[Symbol.asyncIterator]();
  assert.equal(await pieceOf(running), 'hello');
  server.sessions[0]!.goaway();
  // one that is on its way when the goodbye comes may be refused
  while (server.sessions.length < 2) await get(client, '/watch').catch(() => {});
  const other = (await get(client, '/watch')).body[Symbol.asyncIterator]();
  assert.equal(await pieceOf(other), 'hello');
  const next = running.next();
  assert.equal(await Promise.race([next, Promise.resolve('goes on')]), 'goes on');
  client.close();
  await assert.rejects(next);
  await closed(client, server);
});

test('a connection that a server said goodbye to is closed with its last answer, whether or not the server closes it', async () => {
  const server = await serve(
    'h2',
    (request, response) => {
      response.end('goodbye');
      (request as Http2ServerRequest).stream.session!.goaway();
    },
    certificates,
  );
  const client = await connect('h2', server.port);
  while (server.sessions.length < 10) await get(client, '/').then(textOf, () => {});
  // both ends of each are in this process
  const own = () =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length - server.sockets.size;
  for (let tries = 0; own() > 2 && tries < 100; tries++) await sleep(10);
  assert.ok(own() <= 2, `${own()} of ${server.sessions.length}`);
  for (const socket of server.sockets) socket.destroy();
  await closed(client, server);
});

test('a server that cannot be reached is named with the reason', async () => {
  const server = createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  for (const protocol of protocols) {
    const reports: RequestReport[] = [];
    const client = await connect(protocol, port, { reports });
    const message = `127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`;
    await assert.rejects(get(client, '/'), { message });
    assert.deepEqual(
      reports.map(({ code, host }) => [code, host]),
      [['<error>', `127.0.0.1:${port}`]],
    );
    client.close();
  }
});

test('a server that changes to another protocol has given no answer, and is asked again', {
  timeout: 60_000,
}, async () => {
  const heads = ['101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other', '200 OK\r\nConnection: close'];
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(`HTTP/1.1 ${heads.shift()!}\r\n\r\nhello`));
  });
  const port = await listening(server);
  const client = await connect('http', port);
  await assert.rejects(get(client, '/'), { message: `127.0.0.1:${port}: the connection was closed without an answer` });
  assert.equal(await textOf(await get(client, '/')), 'hello');
  client.close();
  server.close();
});

test('an answer without a length, of which the rest does not come, is no whole one when it is aborted', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n{"items":['));
  });
  const client = await connect('http', await listening(server));
  const abort = new AbortController();
  const pieces = (await get(client, '/', abort.signal)).body[Symbol.asyncIterator]();
  assert.equal(await pieceOf(pieces), '{"items":[');
  const rest = pieces.next();
  const reason = new Error('it takes too long');
  abort.abort(reason);
  await assert.rejects(rest, reason);
  client.close();
  server.close();
});

test('a certificate of another authority, and one of another name, are refused with the cure', async () => {
  const server = await serve('h2', echo, certificates);
  const address = `https://127.0.0.1:${server.port}`;
  const stranger = await clientOf({ master: address });
  await assert.rejects(get(stranger, '/'), /give the certificate-authority that signed the certificate of the server$/);
  const named = { 'tls-server-name': 'other.test', 'certificate-authority': join(certificates.folder, 'ca.crt') };
  const misled = await clientOf({ kubeconfig: kubeconfigFile(certificates.folder, { server: address, ...named }) });
  await assert.rejects(get(misled, '/'), /name the server as its certificate does, or set tls-server-name$/);
  stranger.close();
  misled.close();
  await server.close();
});

test('a server without TLS is told from one with', async () => {
  const server = await serve('http', echo);
  const client = await connect('https', server.port);
  await assert.rejects(get(client, '/'), /the server speaks no TLS: write http:\/\/ if that is meant$/);
  await closed(client, server);
});
