/** What the test API server does wrong when it is told to, and what it does with connections. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { listAt } from '../support/api-server/json.ts';
import { clusterOf } from '../support/api-server/load.ts';
import { eventLine, expectStatus, get, patch, startApiServer, watch } from '../support/api-server-client.ts';

const maps = '/api/v1/namespaces/default/configmaps';

function apply(server: ApiServer, ...names: readonly string[]): void {
  for (const name of names) server.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: {} });
}

function watchMaps(server: ApiServer): ReturnType<typeof watch> {
  return watch(server, `${maps}?watch=true&resourceVersion=${server.revision}`);
}

/** Whether it has come to an end by now, good or bad. */
function settling(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  const settle = (): void => void (state.settled = true);
  promise.then(settle, settle);
  return state;
}

/** A connection as it is, with a request under way on it. */
async function rawWatch(server: ApiServer): Promise<ReturnType<typeof connect>> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(`GET ${maps}?watch=true&resourceVersion=${server.revision} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'data');
  return socket;
}

describe('connections', () => {
  it('are refused by a server that stopped, which keeps its objects and its port', async (test) => {
    const server = await startApiServer(test);
    apply(server, 'a');
    const { url } = server;
    const { lines } = await watchMaps(server);
    await server.stop();
    await assert.rejects(lines, { code: 'ECONNRESET' });
    await assert.rejects(get(server, maps), { code: 'ECONNREFUSED' });
    await server.start();
    assert.equal(server.url, url);
    assert.equal(listAt(await expectStatus(200, get(server, maps)), 'items').length, 1);
  });

  it('are accepted by a server that hangs, and nothing is heard on them', async (test) => {
    const server = await startApiServer(test);
    server.hangs = true;
    const hanging = get(server, maps);
    const { settled } = settling(hanging);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await once(socket, 'connect');
    server.hangs = false;
    await expectStatus(200, get(server, maps));
    assert.equal(settled, false);
    assert.equal(server.audit.entries.length, 1);
    socket.destroy();
    server.drop('end');
    await assert.rejects(hanging, { code: 'ECONNRESET' });
  });

  it('that are frozen stay open and silent, while new ones work', async (test) => {
    const server = await startApiServer(test);
    const { lines } = await watchMaps(server);
    const frozen = settling(lines);
    server.freeze();
    apply(server, 'a');
    const fresh = await watchMaps(server);
    server.endWatches();
    assert.deepEqual(await fresh.events, []);
    assert.equal(frozen.settled, false);
    server.drop('reset');
    await assert.rejects(lines, { code: 'ECONNRESET' });
  });

  it('end with a FIN or with a RST', async (test) => {
    const server = await startApiServer(test);
    const ended = await rawWatch(server);
    server.drop('end');
    await once(ended, 'end');
    const reset = await rawWatch(server);
    server.drop('reset');
    const [error] = (await once(reset, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
  });
});

describe('requests', () => {
  it('fail as often as they were told to', async (test) => {
    const server = await startApiServer(test);
    server.faults.fail(2, { code: 429, retryAfter: 7, matches: (target) => target.kind === 'resource' });
    await expectText(server, '/livez', [200, undefined, 'ok']);
    for (let i = 0; i < 2; i++) {
      await expectText(server, maps, [429, '7', 'Too many requests, please try again later.\n']);
    }
    await expectStatus(200, get(server, maps));
    server.faults.fail(1, { code: 503 });
    const unavailable = await expectStatus(503, get(server, maps));
    assert.equal(unavailable['message'], 'the server is currently unable to handle the request');
    server.faults.fail(1, { code: 500 });
    await expectStatus(500, get(server, maps));
    await expectStatus(200, get(server, maps));
  });

  it('are never answered, or only half', async (test) => {
    const server = await startApiServer(test);
    server.faults.fail(1, { code: 'never' });
    const isAsked = server.audit.nextReceived(() => true);
    const unanswered = get(server, maps);
    const { settled } = settling(unanswered);
    await isAsked;
    server.faults.fail(1, { code: 'half' });
    await assert.rejects(get(server, '/api/v1/namespaces'), { code: 'ECONNRESET' });
    assert.deepEqual(
      server.audit.entries.map(({ resource, code }) => [resource, code]),
      [['namespaces', 200]],
    );
    assert.equal(settled, false);
    server.drop('end');
    await assert.rejects(unanswered, { code: 'ECONNRESET' });
  });

  it('of users who may not are refused', async (test) => {
    const server = await startApiServer(test, { authentication: true });
    const bearer = { Authorization: 'Bearer secret' };
    await expectStatus(401, get(server, maps, bearer));
    server.access.tokens.set('secret', 'system:serviceaccount:kube-system:kube-ipvs');
    await expectStatus(200, get(server, maps, bearer));
    server.access.rules = new Map([
      [
        'system:serviceaccount:kube-system:kube-ipvs',
        [{ verbs: ['list', 'watch'], groups: [''], resources: ['services'] }],
      ],
    ]);
    await expectStatus(200, get(server, '/api/v1/services', bearer));
    const refused = await expectStatus(403, get(server, `${maps}/x`, bearer));
    assert.deepEqual(
      [refused['message'], refused['reason'], refused['details']],
      [
        'configmaps "x" is forbidden: User "system:serviceaccount:kube-system:kube-ipvs" cannot get resource "configmaps" in API group "" in the namespace "default"',
        'Forbidden',
        { name: 'x', kind: 'configmaps' },
      ],
    );
    server.access.tokens.clear();
    await expectStatus(401, get(server, '/api/v1/services', bearer));
  });

  it('stand in the audit', async (test) => {
    const server = await startApiServer(test);
    apply(server, 'a');
    await expectStatus(200, get(server, `${maps}?limit=5`, { 'User-Agent': 'kube-ipvs/1' }));
    await expectStatus(200, patch(server, `${maps}/a`, 'merge-patch+json', { data: { x: 'y' } }));
    await expectStatus(404, get(server, '/apis/nobody.example/v1'));
    assert.deepEqual(
      server.audit.entries.map(({ verb, resource, namespace, name, code, user }) => [
        verb,
        resource,
        namespace,
        name,
        code,
        user,
      ]),
      [
        ['list', 'configmaps', 'default', '', 200, 'system:anonymous'],
        ['patch', 'configmaps', 'default', 'a', 200, 'system:anonymous'],
        ['get', '', '', '', 404, 'system:anonymous'],
      ],
    );
    const [{ query, userAgent, httpVersion, path }] = server.audit.entries as [(typeof server.audit.entries)[0]];
    assert.deepEqual([query, userAgent, httpVersion, path], [{ limit: '5' }, 'kube-ipvs/1', '1.1', maps]);
  });
});

async function expectText(
  server: ApiServer,
  path: string,
  expected: [number, string | undefined, string],
): Promise<void> {
  const { status, headers, body } = await get(server, path);
  assert.deepEqual([status, headers['retry-after'], body], expected);
}

describe('watches', () => {
  it('break in the middle of a line', async (test) => {
    const server = await startApiServer(test);
    let text = '';
    const broken = new Promise<Error>((resolve, reject) => {
      const path = `${server.url}${maps}?watch=true&resourceVersion=${server.revision}`;
      const sent = request(path, { agent: false }, (answer) => {
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        answer.on('error', resolve);
        answer.on('end', () => reject(new Error('it ended well')));
        apply(server, 'a');
        server.cut('ConfigMap', '{"type":"ADD');
      });
      sent.on('error', reject);
      sent.end();
    });
    assert.equal(((await broken) as NodeJS.ErrnoException).code, 'ECONNRESET');
    const [whole, half] = text.split('\n');
    assert.deepEqual([eventLine(JSON.parse(whole!)), half], ['ADDED a', '{"type":"ADD']);
    assert.equal(server.watches(), 0);
  });

  it('repeat themselves', async (test) => {
    const server = await startApiServer(test);
    server.faults.repeatsEvents = true;
    const { events } = await watchMaps(server);
    apply(server, 'a');
    server.endWatches();
    assert.deepEqual((await events).map(eventLine), ['ADDED a', 'ADDED a']);
  });

  it('say what is no event, and bring what is no object', async (test) => {
    const server = await startApiServer(test);
    const { lines } = await watchMaps(server);
    server.inject('ConfigMap', 'no JSON\n');
    server.plant('ConfigMap', 'default/odd', { metadata: 7, data: ['x'] });
    server.endWatches();
    const object = '{"kind":"ConfigMap","apiVersion":"v1","metadata":7,"data":["x"]}';
    assert.deepEqual(await lines, ['no JSON', `{"type":"ADDED","object":${object}}`]);
    const list = await expectStatus(200, get(server, maps));
    assert.deepEqual(list['items'], [{ metadata: 7, data: ['x'] }]);
  });

  it('end before their time', async (test) => {
    const server = await startApiServer(test);
    server.faults.longestWatch = 0.01;
    const { events } = await watchMaps(server);
    assert.deepEqual(await events, []);
    assert.equal(server.watches(), 0);
  });

  it('expire', async (test) => {
    const server = await startApiServer(test);
    const { events } = await watchMaps(server);
    server.expireWatches('ConfigMap');
    const [event, ...others] = await events;
    assert.deepEqual(
      [event!.type, event!.object['code'], event!.object['reason'], others],
      ['ERROR', 410, 'Expired', []],
    );
  });
});

it('a body may come in chunks of any size', async (test) => {
  const server = await startApiServer(test);
  apply(server, 'a');
  const whole = await get(server, maps);
  server.faults.chunkBytes = 1;
  const { events } = await watchMaps(server);
  apply(server, 'ä');
  server.endWatches();
  assert.deepEqual((await events).map(eventLine), ['ADDED ä']);
  assert.equal((await get(server, `${maps}/a`)).status, 200);
  const socket = await rawWatch(server);
  let raw = '';
  socket.setEncoding('latin1').on('data', (text: string) => (raw += text));
  apply(server, 'b');
  server.endWatches();
  socket.end();
  await once(socket, 'close');
  assert.match(raw, /^1\r\n\{\r\n1\r\n"\r\n1\r\nt\r\n/);
  assert.equal(whole.status, 200);
});

it('a long list is compressed for those who bear it', async (test) => {
  const server = await startApiServer(test);
  for (const object of clusterOf({ services: 100, endpoints: 10 })) server.apply(object);
  const { headers, text } = await get(server, '/apis/discovery.k8s.io/v1/endpointslices', {
    'Accept-Encoding': 'gzip',
  });
  assert.deepEqual([headers['content-encoding'], headers['vary']], ['gzip', 'Accept-Encoding']);
  assert.ok(text.includes('\u001f'));
  const plain = await expectStatus(200, get(server, '/apis/discovery.k8s.io/v1/endpointslices'));
  assert.equal(listAt(plain, 'items').length, 101);
});
