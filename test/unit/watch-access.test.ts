/** Who we are to an API server: Pods, kubeconfig files and flags; credentials that change; and what is wrong with them. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Environment } from '../../src/watch/kubernetes/environment-proxy.ts';
import type { AccessConfig } from '../../src/watch/kubernetes/http-client.ts';
import type { PodAccess } from '../../src/watch/kubernetes/kubeconfig.ts';
import { patience } from '../../src/watch/kubernetes/transport.ts';
import { type Answer, listening, type Served, serve } from '../support/http-servers.ts';
import { makeCertificates } from '../support/certificates.ts';
import { clientOf, get, textOf } from '../support/clients.ts';
import { kubeconfigFile } from '../support/kubeconfig-file.ts';

const certificates = makeCertificates();
const { folder } = certificates;
after(() => rmSync(folder, { recursive: true }));

const answerNothing: Answer = (_request, response) => void response.end();
const nowhere: PodAccess = { folder: '/nowhere', host: undefined, port: undefined };

/** What a server with TLS is told by a client of a kubeconfig with this user and cluster. */
async function told(user: object, cluster: (port: number) => object = () => ({})): Promise<Served> {
  const server = await serve('h2', answerNothing, certificates);
  const address = { server: `https://127.0.0.1:${server.port}`, ...cluster(server.port) };
  const client = await clientOf({ kubeconfig: kubeconfigFile(folder, address, user as Record<string, unknown>) });
  await textOf(await get(client, '/'));
  client.close();
  await server.close();
  return server.served[0]!;
}

const base64 = (bytes: Buffer) => bytes.toString('base64');

describe('a user of a kubeconfig is known by', () => {
  const rows: readonly (readonly [string, object, Partial<Served>, string | undefined])[] = [
    ['nothing', {}, { client: undefined }, undefined],
    ['a token', { token: 'secret' }, {}, 'Bearer secret'],
    ['name and password', { username: 'me', password: 'gr\u00fc\u00df' }, {}, 'Basic bWU6Z3LDvMOf'],
    ['a name without password', { username: 'me' }, {}, 'Basic bWU6'],
    [
      'a certificate in files',
      { 'client-certificate': '../client.crt', 'client-key': join(folder, 'client.key') },
      { client: 'node-a' },
      undefined,
    ],
    [
      'a certificate written down',
      {
        'client-certificate-data': base64(certificates.client.cert),
        'client-key-data': base64(certificates.client.key),
      },
      { client: 'node-a' },
      undefined,
    ],
  ];
  for (const [what, user, expected, authorization] of rows) {
    test(what, async () => {
      const served = await told(user);
      assert.equal(served.headers.authorization, authorization);
      assert.deepEqual({ client: served.client }, { client: undefined, ...expected });
      assert.equal(served.protocol, '2.0');
    });
  }
});

test('a user may ask in the name of another one, with groups, uid and whatever else is said of that one', async () => {
  const { headers } = await told({
    token: 'x',
    as: 'jane',
    'as-uid': '7',
    'as-groups': ['a', 'b'],
    'as-user-extra': { 'example.com/Scopes': ['one', 'two'] },
  });
  const names = ['user', 'uid', 'group', 'extra-example.com%2fscopes'];
  assert.deepEqual(
    names.map((name) => headers[`impersonate-${name}`]),
    ['jane', '7', 'a, b', 'one, two'],
  );
});

describe('the server of a cluster', () => {
  test('may be known by another name', async () => {
    const served = await told({ token: 'x' }, () => ({ 'tls-server-name': 'api.test' }));
    assert.equal(served.headers.authorization, 'Bearer x');
  });

  test('is not verified when the file says so', async () => {
    const served = await told({}, () => ({ 'certificate-authority': undefined, 'insecure-skip-tls-verify': true }));
    assert.equal(served.path, '/');
  });

  test('may have its authority written down', async () => {
    const data = { 'certificate-authority': undefined, 'certificate-authority-data': base64(certificates.ca) };
    assert.equal((await told({}, () => data)).path, '/');
  });

  test('may have a path of its own', async () => {
    const served = await told({}, (port) => ({ server: `https://localhost:${port}/k8s/clusters/c-1/` }));
    assert.equal(served.path, '/k8s/clusters/c-1/');
  });

  for (const [path, asked] of [
    ['//', '/version'],
    ['//api.example//c-1//', '/api.example/c-1/version'],
  ] as const) {
    test(`is no other because its path is ${path}`, async () => {
      const server = await serve('http', answerNothing);
      const address = { server: `http://127.0.0.1:${server.port}${path}` };
      const client = await clientOf({ kubeconfig: kubeconfigFile(folder, address, { token: 'x' }) });
      await textOf(await get(client, '/version'));
      assert.equal(server.served[0]!.path, asked);
      client.close();
      await server.close();
    });
  }

  test('is another with --master', async () => {
    const server = await serve('http', answerNothing);
    const kubeconfig = kubeconfigFile(folder, { server: 'https://127.0.0.1:1' }, { token: 'x' });
    const client = await clientOf({ kubeconfig, master: `127.0.0.1:${server.port}` });
    await textOf(await get(client, '/'));
    assert.equal(server.served[0]!.headers.authorization, 'Bearer x');
    client.close();
    await server.close();
  });

  test('is known by a name of its own with --master, and not by the one that the kubeconfig has for another', async () => {
    const server = await serve('h2', answerNothing, certificates);
    const named = { server: 'https://127.0.0.1:1', 'tls-server-name': 'elsewhere.test' };
    const kubeconfig = kubeconfigFile(folder, named, { token: 'x' });
    const client = await clientOf({ kubeconfig, master: `https://127.0.0.1:${server.port}` });
    await textOf(await get(client, '/'));
    assert.equal(server.served[0]!.headers.authorization, 'Bearer x');
    client.close();
    await server.close();
  });

  const proxyTo = (port: number, address: string) => {
    const asked: string[] = [];
    const proxy = net.createServer((near) => {
      near.once('data', (head) => {
        asked.push(head.toString().split('\r\n')[0]!);
        const far = net.connect(port, address, () => near.write('HTTP/1.1 200 OK\r\n\r\n'));
        near.pipe(far).pipe(near);
        near.on('error', () => far.destroy());
        far.on('error', () => near.destroy());
      });
    });
    return { proxy, asked };
  };

  const proxies: readonly (readonly [string, (proxy: string) => object, (proxy: string) => Environment])[] = [
    [
      'its kubeconfig',
      (proxy) => ({ 'proxy-url': proxy }),
      () => ({ HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' }),
    ],
    ['the environment', () => ({}), (proxy) => ({ HTTPS_PROXY: proxy })],
  ];
  for (const [what, fields, environment] of proxies) {
    test(`is reached through the proxy of ${what}`, async () => {
      const server = await serve('https', answerNothing, certificates);
      const { proxy, asked } = proxyTo(server.port, '127.0.0.1');
      const url = `http://127.0.0.1:${await listening(proxy)}`;
      // a name that nobody but the proxy knows
      const address = { server: `https://api.test:${server.port}`, ...fields(url) };
      const kubeconfig = kubeconfigFile(folder, address, { token: 'x' });
      const client = await clientOf({ kubeconfig }, { environment: environment(url) });
      await textOf(await get(client, '/version'));
      assert.deepEqual(asked, [`CONNECT api.test:${server.port} HTTP/1.1`]);
      assert.deepEqual([server.served[0]!.path, server.served[0]!.headers.authorization], ['/version', 'Bearer x']);
      client.close();
      proxy.close();
      await server.close();
    });
  }

  test('has an IPv6 address, and so has the proxy', async () => {
    const server = await serve('https', answerNothing, certificates, '::1');
    const { proxy, asked } = proxyTo(server.port, '::1');
    const url = `http://[::1]:${await listening(proxy, '::1')}`;
    const kubeconfig = kubeconfigFile(folder, { server: `https://[::1]:${server.port}`, 'proxy-url': url });
    const client = await clientOf({ kubeconfig });
    await textOf(await get(client, '/version'));
    assert.deepEqual(asked, [`CONNECT [::1]:${server.port} HTTP/1.1`]);
    assert.equal(server.served[0]!.path, '/version');
    client.close();
    proxy.close();
    await server.close();
  });

  test('is given up when the proxy does not open the way, which is left then, and at the end', async () => {
    const held: net.Socket[] = [];
    const proxy = net.createServer((socket) => held.push(socket.resume()));
    const address = { server: 'https://api.test', 'proxy-url': `http://127.0.0.1:${await listening(proxy)}` };
    const kubeconfig = kubeconfigFile(folder, address, { token: 'x' });
    const hasty = await clientOf({ kubeconfig }, { patience: { ...patience, connect: 200 } });
    await assert.rejects(get(hasty, '/'), { message: 'api.test: no way through the proxy within 200 ms' });
    hasty.close();
    const client = await clientOf({ kubeconfig });
    const asked = assert.rejects(get(client, '/'), /the client is closed/);
    while (held.length < 2) await setImmediate();
    client.close();
    await asked;
    // it waits for all that the clients left open
    await new Promise((resolve) => proxy.close(resolve));
  });

  for (const scheme of ['http', 'socks5h']) {
    test(`is given up when a proxy of ${scheme} takes the connection and says nothing`, async () => {
      const proxy = net.createServer();
      const held: net.Socket[] = [];
      proxy.on('connection', (socket) => held.push(socket.resume()));
      const address = { server: 'https://api.test', 'proxy-url': `${scheme}://127.0.0.1:${await listening(proxy)}` };
      const kubeconfig = kubeconfigFile(folder, address, { token: 'x' });
      const client = await clientOf({ kubeconfig }, { patience: { ...patience, answer: 200 } });
      await assert.rejects(get(client, '/'), { message: 'api.test: no answer within 200 ms' });
      client.close();
      for (const socket of held) socket.destroy();
      proxy.close();
    });
  }

  test('is not reached through what is no proxy', async () => {
    const kubeconfig = kubeconfigFile(folder, { server: 'https://api.test' }, { token: 'x' });
    const environment = { https_proxy: 'ftp://proxy:21' };
    await assert.rejects(clientOf({ kubeconfig }, { environment }), {
      message: 'https_proxy is "ftp://proxy:21", no URL of a proxy; write http://, https:// or socks5://HOST:PORT',
    });
  });
});

/** A server that accepts one token at a time. */
async function guarded(token: { accepted: string }) {
  return await serve(
    'h2',
    ({ headers }, response) => {
      response.writeHead(headers.authorization === `Bearer ${token.accepted}` ? 200 : 401).end();
    },
    certificates,
  );
}

test('a Pod is known by its service account; a token that was replaced is read when the old one is refused', async () => {
  const token = { accepted: 'first' };
  const server = await guarded(token);
  const account = mkdtempSync(join(folder, 'account-'));
  writeFileSync(join(account, 'ca.crt'), certificates.ca);
  writeFileSync(join(account, 'token'), 'first\n');
  const client = await clientOf({}, { pod: { folder: account, host: '127.0.0.1', port: String(server.port) } });
  const ask = async () => {
    const answer = await get(client, '/');
    await textOf(answer);
    return answer.status;
  };
  assert.equal(await ask(), 200);
  writeFileSync(join(account, 'token'), 'second\n');
  token.accepted = 'second';
  assert.deepEqual([await ask(), await ask()], [401, 200]);
  client.close();
  await server.close();
});

test('tokenFile of a kubeconfig goes before its token, and is read anew when it is refused', async () => {
  const token = { accepted: 'first' };
  const server = await guarded(token);
  const file = kubeconfigFile(
    folder,
    { server: `https://127.0.0.1:${server.port}` },
    { token: 'old', tokenFile: 'token' },
  );
  writeFileSync(join(dirname(file), 'token'), 'first');
  const client = await clientOf({ kubeconfig: file });
  const ask = async () => (await get(client, '/')).status;
  assert.equal(await ask(), 200);
  writeFileSync(join(dirname(file), 'token'), 'second');
  token.accepted = 'second';
  assert.deepEqual([await ask(), await ask()], [401, 200]);
  rmSync(join(dirname(file), 'token'));
  token.accepted = 'old';
  assert.deepEqual([await ask(), await ask()], [401, 200]);
  client.close();
  await server.close();
});

test('files that cannot be read any more are as good as what they said last, until that is refused', async () => {
  const token = { accepted: 'first' };
  const server = await guarded(token);
  for (const port of [1, server.port]) {
    const own = mkdtempSync(join(folder, 'own-'));
    writeFileSync(join(own, 'ca.crt'), certificates.ca);
    writeFileSync(join(own, 'token'), 'first');
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': join(own, 'ca.crt') };
    const client = await clientOf({ kubeconfig: kubeconfigFile(folder, cluster, { tokenFile: join(own, 'token') }) });
    const ask = async () => (await get(client, '/')).status;
    rmSync(own, { recursive: true });
    if (port === 1) {
      // whoever is not reached has the files read again
      await assert.rejects(ask(), /ECONNREFUSED/);
      await assert.rejects(ask(), /ECONNREFUSED/);
    } else {
      assert.equal(await ask(), 200);
      token.accepted = 'second';
      assert.equal(await ask(), 401);
      await assert.rejects(ask(), { code: 'NO_ACCESS', message: /ca\.crt cannot be read \(ENOENT\)/ });
    }
    client.close();
  }
  await server.close();
});

test('a certificate that was replaced is shown on a new connection once the old one is refused', async () => {
  let accepted = 'server';
  const server = await serve(
    'h2',
    (_request, response) => void response.writeHead(server.served.at(-1)!.client === accepted ? 200 : 401).end(),
    certificates,
  );
  const own = mkdtempSync(join(folder, 'pki-'));
  const replace = ({ cert, key }: { readonly cert: Buffer; readonly key: Buffer }) =>
    writeFileSync(join(own, 'current.pem'), Buffer.concat([cert, key]));
  replace(certificates.server);
  const pem = join(own, 'current.pem');
  const user = { 'client-certificate': pem, 'client-key': pem };
  const client = await clientOf({
    kubeconfig: kubeconfigFile(folder, { server: `https://127.0.0.1:${server.port}` }, user),
  });
  const ask = async () => (await get(client, '/')).status;
  assert.equal(await ask(), 200);
  replace(certificates.client);
  accepted = 'node-a';
  assert.deepEqual([await ask(), await ask()], [401, 200]);
  assert.equal(server.connections(), 2);
  client.close();
  await server.close();
});

test('a plugin gives the token, knows what it is for, and runs again only when its token is refused', async () => {
  const token = { accepted: 'token-1' };
  const server = await guarded(token);
  const file = kubeconfigFile(
    folder,
    { server: `https://127.0.0.1:${server.port}` },
    {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: './bin/plugin',
        args: ['an argument'],
        env: [{ name: 'NAME', value: 'value' }],
        interactiveMode: 'Never',
      },
    },
  );
  const runs = join(dirname(file), 'runs');
  const plugin = join(dirname(file), 'bin', 'plugin');
  mkdirSync(dirname(plugin));
  writeFileSync(
    plugin,
    [
      '#!/bin/sh',
      `echo "$1 $NAME $KUBERNETES_EXEC_INFO" >>${runs}`,
      `printf '{"kind":"ExecCredential","status":{"token":"token-%s"}}' "$(wc -l <${runs} | tr -d ' ')"`,
    ].join('\n'),
  );
  chmodSync(plugin, 0o755);
  const client = await clientOf({ kubeconfig: file });
  const ask = async () => (await get(client, '/')).status;
  assert.deepEqual([await ask(), await ask()], [200, 200]);
  token.accepted = 'token-2';
  assert.deepEqual([await ask(), await ask()], [401, 200]);
  const info = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false,"cluster":{"server":"https://127.0.0.1:${server.port}/"}}}`;
  assert.equal(readFileSync(runs, 'utf8'), `an argument value ${info}\n`.repeat(2));
  client.close();
  await server.close();
});

test('a plugin that asks for it is told of the cluster, as far as it needs to ask the server itself, and what is for it alone', async () => {
  const told = join(mkdtempSync(join(folder, 'plugin-')), 'told');
  const server = await serve('h2', answerNothing, certificates);
  const cluster = {
    server: `https://127.0.0.1:${server.port}`,
    'tls-server-name': 'api.test',
    extensions: [
      { name: 'other', extension: { audience: 'others' } },
      { name: 'client.authentication.k8s.io/exec', extension: { audience: 'nodes' } },
    ],
  };
  const script = `printf %s "$KUBERNETES_EXEC_INFO" >${told}; echo '{"status":{"token":"given"}}'`;
  const exec = { command: '/bin/sh', args: ['-c', script], provideClusterInfo: true };
  const client = await clientOf({ kubeconfig: kubeconfigFile(folder, cluster, { exec }) });
  await textOf(await get(client, '/'));
  assert.equal(server.served[0]!.headers.authorization, 'Bearer given');
  assert.deepEqual(JSON.parse(readFileSync(told, 'utf8')).spec.cluster, {
    server: `https://127.0.0.1:${server.port}/`,
    'tls-server-name': 'api.test',
    'certificate-authority-data': base64(certificates.ca),
    config: { audience: 'nodes' },
  });
  client.close();
  await server.close();
});

describe('no plugin is run for a user who has', () => {
  writeFileSync(join(folder, 'own-token'), 'secret');
  const rows: readonly (readonly [string, object, Partial<Served>, string | undefined])[] = [
    ['a token', { token: 'secret' }, {}, 'Bearer secret'],
    ['a file with one', { tokenFile: '../own-token' }, {}, 'Bearer secret'],
    ['name and password', { username: 'me', password: 'x' }, {}, 'Basic bWU6eA=='],
    [
      'a certificate',
      { 'client-certificate': '../client.crt', 'client-key': '../client.key' },
      { client: 'node-a' },
      undefined,
    ],
  ];
  for (const [what, own, expected, authorization] of rows) {
    test(what, async () => {
      const { headers, client } = await told({ ...own, exec: { command: '/bin/false' } });
      assert.equal(headers.authorization, authorization);
      assert.deepEqual({ client }, { client: undefined, ...expected });
    });
  }
});

test('a plugin that fails is told with its words, and run again with the next request', async () => {
  const exec = { command: '/bin/sh', args: ['-c', 'echo "no role for you" >&2; exit 1'] };
  const kubeconfig = kubeconfigFile(folder, { server: 'https://127.0.0.1:1' }, { exec });
  const client = await clientOf({ kubeconfig });
  const refusal = { code: 'NO_ACCESS', message: `${kubeconfig}: user "node" has no credentials: no role for you` };
  await assert.rejects(get(client, '/'), refusal);
  await assert.rejects(get(client, '/'), refusal);
  client.close();
});

test('what a plugin gave is kept until it expires, and without such a time as long as nobody refuses it', async () => {
  for (const [expiry, expected] of [
    ['', 1],
    [',"expirationTimestamp":null', 1],
    [',"expirationTimestamp":"2999-01-01T00:00:00Z"', 1],
    [',"expirationTimestamp":"2020-01-01T00:00:00Z"', 2],
  ] as const) {
    const runs = join(mkdtempSync(join(folder, 'plugin-')), 'runs');
    const credential = `{"kind":"ExecCredential","status":{"token":"x"${expiry}}}`;
    const exec = { command: '/bin/sh', args: ['-c', `echo run >>${runs}; echo '${credential}'`] };
    const client = await clientOf({ kubeconfig: kubeconfigFile(folder, { server: 'https://127.0.0.1:1' }, { exec }) });
    // each connection that fails has the credentials looked at again
    await assert.rejects(get(client, '/'), /ECONNREFUSED/);
    await assert.rejects(get(client, '/'), /ECONNREFUSED/);
    assert.equal(readFileSync(runs, 'utf8'), 'run\n'.repeat(expected), expiry);
    client.close();
  }
});

test('a plugin for which no file descriptor is left is told of, and run with the next request once there are some', () => {
  const credential = '{"kind":"ExecCredential","status":{"token":"x"}}';
  const exec = { command: '/bin/sh', args: ['-c', `echo '${credential}'`] };
  const kubeconfig = kubeconfigFile(folder, { server: 'http://127.0.0.1:1', 'certificate-authority': '' }, { exec });
  const client = new URL('../support/clients.js', import.meta.url).href;
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { setImmediate } from 'node:timers/promises';
    import { clientOf, get } from '${client}';
    const client = await clientOf({ kubeconfig: '${kubeconfig}' });
    const taken = [];
    try {
      for (;;) taken.push(openSync('/dev/null'));
    } catch {}
    const ask = () => get(client, '/').catch(({ message }) => console.log(message));
    await ask();
    await setImmediate();
    for (const file of taken) closeSync(file);
    await ask();
    client.close();`;
  const { status, stdout, stderr } = spawnSync(
    '/bin/sh',
    ['-c', 'ulimit -n 1024; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(
    stdout,
    `${kubeconfig}: user "node" has no credentials: its plugin cannot be run: too many open files\n` +
      '127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n',
  );
});

/** A kubeconfig whose plugin is a script that never ends, and the numbers of the processes that it was so far. */
function hanging(script: string): { readonly kubeconfig: string; readonly ids: () => readonly number[] } {
  const runs = join(mkdtempSync(join(folder, 'plugin-')), 'runs');
  const exec = { command: '/bin/sh', args: ['-c', script], env: [{ name: 'RUNS', value: runs }] };
  return {
    kubeconfig: kubeconfigFile(folder, { server: 'https://127.0.0.1:1' }, { exec }),
    ids: () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').slice(0, -1).map(Number) : []),
  };
}

for (const [what, script] of [
  ['itself', 'echo $$ >>"$RUNS"; exec sleep 1000'],
  ['in what it has started', 'echo $$ >>"$RUNS"; sleep 1000; true'],
  ['in what it has left behind', 'echo $$ >>"$RUNS"; sleep 1000 & exit 1'],
] as const) {
  test(`a plugin that hangs ${what} is ended, told of, and run again with the next request`, async () => {
    const { kubeconfig, ids } = hanging(script);
    const client = await clientOf({ kubeconfig }, { patience: { ...patience, plugin: 2_000 } });
    const message = `${kubeconfig}: user "node" has no credentials: its plugin failed, or took too long, without a word`;
    await assert.rejects(get(client, '/'), { code: 'NO_ACCESS', message });
    await assert.rejects(get(client, '/'), { code: 'NO_ACCESS', message });
    assert.equal(ids().length, 2);
    for (const id of ids()) assert.throws(() => process.kill(id, 0), { code: 'ESRCH' });
    client.close();
    // what is left behind of its group
    if (script.includes('&')) for (const id of ids()) process.kill(-id, 'SIGKILL');
  });
}

test('a plugin that runs ends with the client', { timeout: 60_000 }, async () => {
  const { kubeconfig, ids } = hanging('echo $$ >>"$RUNS"; sleep 1000; true');
  const client = await clientOf({ kubeconfig }, { patience: { ...patience, plugin: 1_000_000 } });
  const asked = assert.rejects(get(client, '/'), /the client is closed/);
  while (ids().length === 0) await setImmediate();
  client.close();
  await asked;
  const [id] = ids();
  const isThere = () => {
    try {
      return process.kill(id!, 0);
    } catch {
      return false;
    }
  };
  while (isThere()) await setImmediate();
});

test('what a plugin said counts although something that it started outlives it', async () => {
  const pid = join(mkdtempSync(join(folder, 'plugin-')), 'pid');
  const script = `sleep 1000 & echo $! >${pid}; echo '{"status":{"token":"given"}}'`;
  const exec = { command: '/bin/sh', args: ['-c', script] };
  const server = await serve('h2', answerNothing, certificates);
  const kubeconfig = kubeconfigFile(folder, { server: `https://127.0.0.1:${server.port}` }, { exec });
  const client = await clientOf({ kubeconfig }, { patience: { ...patience, plugin: 1_000 } });
  await textOf(await get(client, '/'));
  assert.equal(server.served[0]!.headers.authorization, 'Bearer given');
  process.kill(Number(readFileSync(pid, 'utf8')));
  client.close();
  await server.close();
});

test('a plugin that reads finds nobody to answer', async () => {
  const plugin = { command: '/bin/sh', args: ['-c', `cat; echo '{"status":{"token":"given"}}'`] };
  assert.equal((await told({ exec: plugin })).headers.authorization, 'Bearer given');
});

describe('whoever gives no credentials', () => {
  const plugin = (output: string) => ({ exec: { command: '/bin/echo', args: [output] } });
  const rows: readonly (readonly [string, object, string])[] = [
    [
      'as a plugin whose output is none',
      plugin('{"kind":"ExecCredential"}'),
      'what its plugin printed is no ExecCredential with a status',
    ],
    ['as a plugin that says nothing', plugin(''), 'what its plugin printed is no ExecCredential with a status'],
    [
      'as a plugin that has none',
      plugin('{"kind":"ExecCredential","status":{}}'),
      'its plugin gave neither a token nor a certificate',
    ],
    [
      'as a provider that nobody knows',
      { 'auth-provider': { name: 'mine' } },
      'the auth-provider "mine" gave none; use exec or a token',
    ],
    [
      'as a provider without the config that it needs',
      { 'auth-provider': { name: 'gcp' } },
      'the config of the auth-provider "gcp" cannot be used; use exec or a token',
    ],
    [
      'as another one of that kind',
      { 'auth-provider': { name: 'azure', config: null } },
      'the config of the auth-provider "azure" cannot be used; use exec or a token',
    ],
  ];
  for (const [what, user, why] of rows) {
    test(`${what} is told, and nobody is asked without them`, async () => {
      const server = await serve('h2', answerNothing, certificates);
      const kubeconfig = kubeconfigFile(folder, { server: `https://127.0.0.1:${server.port}` }, { ...user });
      const client = await clientOf({ kubeconfig });
      const message = `${kubeconfig}: user "node" has no credentials: ${why}`;
      await assert.rejects(get(client, '/'), { code: 'NO_ACCESS', message });
      assert.deepEqual(server.served, []);
      client.close();
      await server.close();
    });
  }
});

for (const [what, around] of [
  ['documents', (text: string) => `# of a template\n---\n${text}---\nkind: Other\n`],
  ['keys that are there twice', (text: string) => `preferences: {}\ncurrent-context: none\n${text}preferences: {}\n`],
] as const) {
  test(`a file with more ${what} is read as kubectl reads it`, async () => {
    const server = await serve('http', answerNothing);
    const text = [
      'current-context: c',
      'contexts: [{name: c, context: {cluster: k, user: u}}]',
      `clusters: [{name: k, cluster: {server: "http://127.0.0.1:${server.port}"}}]`,
      'users: [{name: u, user: {token: x}}]\n',
    ].join('\n');
    const kubeconfig = join(mkdtempSync(join(folder, 'kubeconfig-')), 'config');
    writeFileSync(kubeconfig, around(text));
    const client = await clientOf({ kubeconfig });
    await textOf(await get(client, '/'));
    assert.equal(server.served[0]!.headers.authorization, 'Bearer x');
    client.close();
    await server.close();
  });
}

describe('what is wrong is told with file, field and cure:', () => {
  const work = mkdtempSync(join(tmpdir(), 'kube-ipvs-kubeconfig-'));
  after(() => rmSync(work, { recursive: true }));
  const server = 'https://127.0.0.1:6443';
  const good = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
  };
  const ofCluster = (cluster: object) => ({ ...good, clusters: [{ name: 'k', cluster: { server, ...cluster } }] });
  const ofUser = (user: object) => ({ ...good, users: [{ name: 'u', user }] });
  writeFileSync(join(work, 'empty'), '');
  writeFileSync(join(work, 'text'), 'some text');
  const rows: readonly (readonly [string, object | string, string | RegExp])[] = [
    ['no YAML', 'a: b\n{c', /^FILE:2: is no YAML: .*; mend the file$/],
    ['nothing in the file', '', 'FILE:1: is no YAML: expected a document, but the input is empty; mend the file'],
    [
      'no current context',
      { ...good, 'current-context': '' },
      'FILE: current-context is missing; write the name of one of its contexts',
    ],
    [
      'a context that is not there',
      { ...good, 'current-context': 'x' },
      'FILE: current-context is "x", and no context has that name; add it',
    ],
    [
      'a cluster that is not there',
      { ...good, clusters: [] },
      'FILE: the cluster of context "c" is "k", and no entry has that name; add it',
    ],
    [
      'a user that is not there',
      { ...good, users: [] },
      'FILE: the user of context "c" is "u", and no entry has that name; add it',
    ],
    [
      'a server that is no URL',
      ofCluster({ server: 'ftp://x' }),
      'FILE: clusters[0].cluster.server is "ftp://x", no URL of an API server; write https://HOST:PORT',
    ],
    [
      'a proxy that is no URL',
      ofCluster({ 'proxy-url': 'proxy:3128' }),
      'FILE: clusters[0].cluster.proxy-url is "proxy:3128", no URL of a proxy; write http://, https:// or socks5://HOST:PORT',
    ],
    [
      'a proxy that is no URL, with a password that is nobody else’s business',
      ofCluster({ 'proxy-url': 'http://me:pass/w@rd@proxy:99999' }),
      'FILE: clusters[0].cluster.proxy-url is "http://…@proxy:99999", no URL of a proxy; write http://, https:// or socks5://HOST:PORT',
    ],
    [
      'a server that is no URL, likewise',
      ofCluster({ server: 'ftp://me:password@server' }),
      'FILE: clusters[0].cluster.server is "ftp://…@server", no URL of an API server; write https://HOST:PORT',
    ],
    [
      'groups of nobody',
      ofUser({ token: 'x', 'as-groups': ['a'] }),
      'FILE: users[0].user.as-groups stands without as; write the name of the user there',
    ],
    [
      'a field of another type',
      ofCluster({ 'insecure-skip-tls-verify': 'yes' }),
      'FILE: clusters[0].cluster.insecure-skip-tls-verify is the text "yes"; write true or false, without quotes',
    ],
    [
      'a file of authorities that is not there',
      ofCluster({ 'certificate-authority': 'none.crt' }),
      'FILE: certificate-authority FOLDER/none.crt cannot be read (ENOENT); put a file in PEM form there',
    ],
    ['a list in place of a map', '[]', 'FILE: the object is a list; write a map (lines of name: value)'],
    [
      'authorities that are none',
      ofCluster({ 'certificate-authority-data': base64(Buffer.from('-----BEGIN CERTIFICATE-----\nx')) }),
      /^FILE: certificate-authority cannot be used \(.*\); give it in PEM form$/,
    ],
    [
      'a certificate alone',
      ofUser({ 'client-certificate': join(folder, 'client.crt') }),
      'FILE: user "u" has a certificate without its key; give client-key too',
    ],
    [
      'a certificate with the key of another',
      ofUser({ 'client-certificate': join(folder, 'client.crt'), 'client-key': join(folder, 'server.key') }),
      /^FILE: client-certificate and client-key of user "u" cannot be used \(.*key values mismatch\); give it in PEM form$/,
    ],
    [
      'a token file without a token',
      ofUser({ tokenFile: 'empty' }),
      'FILE: tokenFile FOLDER/empty has no token (empty); let it hold a token of a service account (automountServiceAccountToken in a Pod)',
    ],
    [
      'a token of several lines',
      ofUser({ token: 'one\ntwo' }),
      'FILE: the token or name of user "u" has characters that no header may have',
    ],
  ];
  for (const [what, content, expected] of rows) {
    test(what, async () => {
      const file = join(work, 'config');
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
      const place = (words: string) => words.replace('FILE', file).replace('FOLDER', work);
      const message = typeof expected === 'string' ? place(expected) : new RegExp(place(expected.source));
      await assert.rejects(clientOf({ kubeconfig: file }, { pod: nowhere }), { code: 'NO_ACCESS', message });
    });
  }

  const flags: readonly (readonly [string, Partial<AccessConfig>, PodAccess, string])[] = [
    [
      'a file that is not there',
      { kubeconfig: '/nowhere/config' },
      nowhere,
      '/nowhere/config: cannot be read (ENOENT); name a kubeconfig file with --kubeconfig',
    ],
    [
      'an address that is none',
      { master: 'https://' },
      nowhere,
      '--master is "https://", no URL of an API server; write https://HOST:PORT',
    ],
    [
      'neither flags nor a Pod',
      {},
      nowhere,
      'no API server is named: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in a Pod; give --kubeconfig or --master',
    ],
    [
      'a Pod without a service account',
      {},
      { folder: '/nowhere', host: '10.96.0.1', port: '443' },
      'the service account of the Pod: certificate-authority /nowhere/ca.crt cannot be read (ENOENT); put a file in PEM form there',
    ],
  ];
  for (const [what, access, pod, message] of flags) {
    test(what, async () => {
      await assert.rejects(clientOf(access, { pod }), { code: 'NO_ACCESS', message });
    });
  }
});
