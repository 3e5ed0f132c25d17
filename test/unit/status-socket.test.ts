/** The daemon's status over its socket: who may open it, whose it is, and what may go wrong on the way. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { askDaemon, runsHere, StatusError } from '../../src/cli/status-client.ts';
import { identityOf } from '../../src/kernel/network-namespace.ts';
import { statusJson } from '../../src/model/status-json.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { StatusServer, type StatusServerOptions } from '../../src/serve/status-server.ts';
import { kernelsReport, sampleReport } from '../support/status-report.ts';

const { signal } = new AbortController();
let folder: string;
let path: string;
let errors: string[];
let closers: (() => unknown)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  path = join(folder, 'run', 'status.sock');
  errors = [];
  closers = [];
});

afterEach(async () => {
  for (const close of closers) await close();
  rmSync(folder, { recursive: true, force: true });
});

function serve(options: Partial<StatusServerOptions> = {}): StatusServer {
  const server = new StatusServer({
    path,
    report: async () => sampleReport,
    onError: ({ message }) => errors.push(message),
    ...options,
  });
  closers.push(() => server.close());
  return server;
}

/** Somebody else's server at the path. */
async function pretend(answer: (server: Server) => void): Promise<void> {
  mkdirSync(join(folder, 'run'));
  const server = createServer();
  answer(server);
  server.listen(path);
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
}

/** The socket of a process that was killed. */
async function leaveSocket(): Promise<void> {
  mkdirSync(join(folder, 'run'));
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(statSync(path).isSocket());
}

/** A client that can do as it likes, once the server listens. */
async function connected(): Promise<Socket> {
  while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}

/** Closed, by whomever and however. */
function gone(socket: Socket): Promise<void> {
  return new Promise(
    (resolve) =>
      void socket
        .resume()
        .on('error', () => {})
        .on('close', resolve),
  );
}

function statusOf(method: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, method, path: url }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('error', reject).end();
  });
}

describe('the status server', () => {
  it('answers the report as it was made, undefined ones too', async () => {
    for (const report of [sampleReport, kernelsReport]) {
      const server = serve({ report: async () => report });
      assert.equal(await server.listening, true);
      assert.deepEqual(await askDaemon(path, { signal }), report);
      await server.close();
    }
    assert.deepEqual(errors, []);
  });

  it('answers a client that ends its side after the request', async () => {
    const report = async () => {
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
      return sampleReport;
    };
    serve({ report });
    const socket = await connected();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.end('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'close');
    assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 200 OK\r\n/);
  });

  it('answers a report that is large, or has nothing', async () => {
    const [service] = sampleReport.virtualServices;
    for (const size of [0, 1, 500, 1001]) {
      const virtualServices = Array.from({ length: size }, (_, i) => ({ ...service!, port: i }));
      const server = serve({ report: async () => ({ ...sampleReport, virtualServices }) });
      await server.listening;
      assert.deepEqual((await askDaemon(path, { signal }))?.virtualServices, virtualServices);
      await server.close();
    }
  });

  it('makes no more of a report than its client takes, and goes on when it takes more', async () => {
    const [service] = sampleReport.virtualServices;
    let made = 0;
    const counted = { ...service!, toJSON: () => (made++, service) };
    const virtualServices = Array.from({ length: 100_000 }, () => counted);
    serve({ report: async () => ({ ...sampleReport, virtualServices }) });
    const socket = await connected();
    socket.pause();
    socket.write('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n');
    for (let turns = 0; turns < 5_000; turns++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(made > 0 && made < virtualServices.length / 2, `${made}`);
    await gone(socket);
    assert.equal(made, virtualServices.length);
  });

  it('lets only its owner in, whatever the umask is, and leaves the umask as it was', async () => {
    const mask = process.umask(0);
    try {
      await serve().listening;
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(folder, 'run')).mode & 0o777, 0o700);
      assert.equal(process.umask(), 0);
    } finally {
      process.umask(mask);
    }
  });

  it('leaves a folder that is there as it is', async () => {
    mkdirSync(join(folder, 'run'));
    chmodSync(join(folder, 'run'), 0o755);
    await serve().listening;
    assert.equal(statSync(join(folder, 'run')).mode & 0o777, 0o755);
  });

  it('removes its socket when it is closed, twice safely', async () => {
    const server = serve();
    await server.listening;
    await Promise.all([server.close(), server.close()]);
    await server.close();
    assert.equal(existsSync(path), false);
  });

  it('is closed before it listens, too', async () => {
    const server = serve();
    await server.close();
    assert.equal(await server.listening, false);
    assert.equal(existsSync(path), false);
    assert.deepEqual(errors, []);
  });

  it('takes the place of a dead process', async () => {
    await leaveSocket();
    assert.equal(await serve().listening, true);
    assert.deepEqual(await askDaemon(path, { signal }), sampleReport);
    assert.deepEqual(errors, []);
  });

  it('leaves a living process its socket, says so once, and comes after it', async () => {
    const first = serve({ report: async () => kernelsReport });
    await first.listening;
    let tell = () => {};
    const told = new Promise<void>((resolve) => (tell = resolve));
    const second = serve({
      retryAfter: 5,
      onError: ({ message }) => {
        errors.push(message);
        tell();
      },
    });
    await told;
    assert.deepEqual(await askDaemon(path, { signal }), kernelsReport);
    await first.close();
    assert.equal(await second.listening, true);
    assert.deepEqual(await askDaemon(path, { signal }), sampleReport);
    assert.deepEqual(errors, [`another process answers at ${path}: end it, or choose another --status-socket`]);
  });

  it('touches nothing that is no socket', async () => {
    mkdirSync(join(folder, 'run'));
    writeFileSync(path, 'precious');
    const told = new Promise<Error>((resolve) => serve({ onError: resolve }));
    assert.equal((await told).message, `${path} is no socket: remove it, or choose another --status-socket`);
    assert.ok(statSync(path).isFile());
  });

  it('says why it cannot listen', async () => {
    writeFileSync(join(folder, 'run'), 'in the way');
    const told = new Promise<NodeJS.ErrnoException>((resolve) => serve({ onError: resolve }));
    assert.equal((await told).code, 'EEXIST');
  });

  it('answers nothing but GET /status', async () => {
    await serve().listening;
    assert.equal(await statusOf('GET', '/'), 404);
    assert.equal(await statusOf('GET', '/status/..'), 404);
    assert.equal(await statusOf('POST', '/status'), 405);
    assert.equal(await statusOf('GET', '/status'), 200);
  });

  it('lives on when a client goes away, in the middle of whatever', async () => {
    const waiting: ((report: StatusReport) => void)[] = [];
    const asked = new Promise<void>((resolve) => {
      serve({
        report: () =>
          new Promise((made) => {
            waiting.push(made);
            if (waiting.length === 1) resolve();
            else made(sampleReport);
          }),
      });
    });
    const client = await connected();
    client.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\n');
    await asked;
    client.destroy();
    await gone(client);
    waiting[0]!(sampleReport);
    const rude = await connected();
    rude.write('\0nonsense\r\n\r\n');
    await gone(rude);
    assert.deepEqual(await askDaemon(path, { signal }), sampleReport);
    assert.deepEqual(errors, []);
  });

  it('does not wait for ever for clients that ask and do not read', async () => {
    const [service] = sampleReport.virtualServices;
    const virtualServices = Array.from({ length: 3_000 }, (_, i) => ({ ...service!, port: i }));
    await serve({ idleTimeout: 200, report: async () => ({ ...sampleReport, virtualServices }) }).listening;
    for (let i = 0; i < 8; i++) {
      const client = (await connected()).pause().on('error', () => {});
      client.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\n');
      closers.push(() => client.destroy());
    }
    // until then whoever comes is turned away
    const answer = async (): Promise<StatusReport | undefined> =>
      askDaemon(path, { signal }).catch((error: unknown) => {
        assert.ok(error instanceof StatusError);
        return answer();
      });
    assert.equal((await answer())?.virtualServices.length, 3_000);
  });

  it('tells of a report that fails, the client and its owner', async () => {
    const server = serve({
      report: async () => {
        throw new Error('no report\u001b[31m');
      },
    });
    await server.listening;
    await assert.rejects(askDaemon(path, { signal }), {
      name: 'StatusError',
      message: `the daemon at ${path} answers with 500: no report\\u001b[31m; see its log`,
    });
    assert.deepEqual(errors, ['no report\u001b[31m']);
  });

  it('does not wait for clients when it is closed', async () => {
    let server: StatusServer | undefined;
    await new Promise<void>((resolve) => {
      server = serve({
        report: () => {
          resolve();
          return new Promise(() => {});
        },
      });
      closers.push(() => asked);
      const asked = server.listening.then(() => assert.rejects(askDaemon(path, { signal }), { name: 'StatusError' }));
    });
    const idle = await connected();
    await Promise.all([server!.close(), gone(idle)]);
  });
});

describe('who asks for the status', () => {
  const ask = (timeout?: number) => askDaemon(path, { signal, ...(timeout === undefined ? {} : { timeout }) });
  const fails = (message: string | RegExp, timeout?: number) =>
    assert.rejects(ask(timeout), { name: 'StatusError', message });

  it('learns that there is no daemon where there is no socket, and where nobody listens any more', async () => {
    assert.equal(await ask(), undefined);
    await leaveSocket();
    assert.equal(await ask(), undefined);
  });

  it('is told whose the socket is when he may not open it', async () => {
    await serve().listening;
    const isRoot = process.geteuid!() === 0;
    chmodSync(join(folder, 'run'), 0);
    if (isRoot) process.seteuid!(65_534);
    try {
      await fails(`${path} may not be opened (EACCES): only the daemon's user may; ask as that user, or as root`);
    } finally {
      if (isRoot) process.seteuid!(0);
      chmodSync(join(folder, 'run'), 0o700);
    }
  });

  const json = JSON.parse(statusJson(sampleReport)) as Record<string, unknown>;
  for (const [what, body, message] of [
    ['no JSON', '<html>', /^what answers at .* is no kube-ipvs: no JSON$/],
    ['another JSON', '[]', /^what answers at .* is no kube-ipvs of this version/],
    ['a report cut short', statusJson(sampleReport).slice(0, -1), /no JSON$/],
    ['a time that is none', JSON.stringify({ ...json, at: 1e300 }), /of this version \(at: /],
    [
      'a report of another version',
      JSON.stringify({ ...json, virtualServices: [{ id: 'x' }] }),
      /of this version \(virtualServices\.0\.protocol: .*\): ask with the daemon's own$/,
    ],
  ] as const) {
    it(`is told when he is answered ${what}`, async () => {
      await pretend((server) => server.on('request', (_, response) => response.end(body)));
      await fails(message);
    });
  }

  it('does not mind what a later version has more', async () => {
    const more = JSON.stringify({ ...json, more: 1 });
    await pretend((server) => server.on('request', (_, response) => response.end(more)));
    assert.deepEqual(await ask(), sampleReport);
  });

  it('is told when he is answered with anything but HTTP', async () => {
    await pretend((server) => server.on('connection', (socket) => socket.end('hello\r\n\r\n')));
    await fails(/^the daemon at .* does not answer: .*; see its log$/);
  });

  it('is told when nobody says anything', async () => {
    await pretend((server) => server.on('request', () => {}));
    await fails(`the daemon at ${path} does not answer: it was silent for 0.02 s; see its log`, 20);
  });

  it('is told when the answer ends in the middle', async () => {
    await pretend((server) =>
      server.on('request', (_, response) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{', () => response.destroy());
      }),
    );
    await fails(/does not answer: /);
  });

  it('stops when he is told to', async () => {
    const abort = new AbortController();
    await pretend((server) => server.on('request', () => abort.abort(new Error('enough'))));
    await assert.rejects(askDaemon(path, { signal: abort.signal }), { message: 'enough' });
  });
});

describe('whether a daemon runs here', () => {
  const here = identityOf(undefined);
  const rows: readonly [
    sentence: string,
    networkNamespace: string | undefined,
    netns: string | undefined,
    is: boolean,
  ][] = [
    ['is so for one of this network namespace', here, undefined, true],
    ['is not so for one that works in another', '4:4026532999', undefined, false],
    ['is so for one that does not say where, where no namespace is named', undefined, undefined, true],
    ['is not so for one that does not say where, where one is named', undefined, 'nowhere', false],
    ['is not so where the named namespace is not there', here, 'nowhere', false],
  ];
  for (const [sentence, networkNamespace, netns, is] of rows) {
    it(sentence, async () => {
      const report = { ...sampleReport, daemon: { ...sampleReport.daemon!, networkNamespace } };
      await serve({ report: async () => report }).listening;
      assert.equal(await runsHere({ netns, statusSocket: path }, signal), is);
    });
  }

  it('is not so without one', async () => {
    assert.equal(await runsHere({ netns: undefined, statusSocket: path }, signal), false);
  });
});
