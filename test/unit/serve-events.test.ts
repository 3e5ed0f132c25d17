import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Events, type EventsOptions } from '../../src/serve/events.ts';

interface Posted {
  readonly path: string;
  readonly body: {
    readonly metadata: { readonly name: string; readonly namespace: string };
    readonly eventTime: string;
    readonly note: string;
    readonly reason: string;
    readonly reportingInstance: string;
    readonly regarding: object;
  };
}

/** Events of node-a, and an API server that takes them unless the test says otherwise. */
function events(options: Partial<EventsOptions> = {}) {
  const clock = { time: 1_795_272_172_000.25, shift: 0 };
  const posted: Posted[] = [];
  const errors: string[] = [];
  const all = new Events({
    post: async (path, body) => void posted.push({ path, body: body as Posted['body'] }),
    nodeName: () => 'node-a',
    instance: () => 'kube-ipvs-node-a',
    now: () => clock.time + clock.shift,
    steadyNow: () => clock.time,
    random: () => 0,
    onError: (error) => errors.push(String(error)),
    ...options,
  });
  return { events: all, clock, posted, errors };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const web = { name: 'default/web', uid: '8f3c' };

test('the start is told of the node, in the namespace of what has none', async () => {
  const { events: all, posted } = events();
  all.started();
  await turn();
  assert.deepEqual(posted, [
    {
      path: '/apis/events.k8s.io/v1/namespaces/default/events',
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: 'node-a.18ea168757343801', namespace: 'default' },
        eventTime: '2026-11-21T14:42:52.000250Z',
        reportingController: 'kube-ipvs',
        reportingInstance: 'kube-ipvs-node-a',
        action: 'StartKubeProxy',
        reason: 'Starting',
        regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-a' },
        note: '',
        type: 'Normal',
      },
    },
  ]);
});

test('a health-check port that cannot be listened on is told of its Service', async () => {
  const { events: all, posted } = events();
  all.serviceHealthFailed(web, 32_000, 'listen EADDRINUSE: address already in use 0.0.0.0:32000');
  await turn();
  assert.deepEqual(posted, [
    {
      path: '/apis/events.k8s.io/v1/namespaces/default/events',
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: 'web.18ea168757343801', namespace: 'default' },
        eventTime: '2026-11-21T14:42:52.000250Z',
        reportingController: 'kube-ipvs',
        reportingInstance: 'kube-ipvs-node-a',
        action: 'Listen',
        reason: 'FailedToStartServiceHealthcheck',
        regarding: { apiVersion: 'v1', kind: 'Service', name: 'web', namespace: 'default', uid: '8f3c' },
        note: 'node node-a failed to start healthcheck "default/web" on port 32000: listen EADDRINUSE: address already in use 0.0.0.0:32000',
        type: 'Warning',
      },
    },
  ]);
});

test('each has its reason; a Service without a uid is told without', async () => {
  const { events: all, posted } = events();
  all.listenFailed('health', 'a');
  all.listenFailed('metrics', 'b');
  all.conflict({ name: 'prod/api', uid: '' }, 'c');
  all.missingScheduler(web, 'd');
  await turn();
  assert.deepEqual(
    posted.map(({ path, body: { reason, note, regarding } }) => [path.split('/')[5], reason, note, regarding]),
    [
      ['default', 'FailedToStartProxierHealthcheck', 'a', { apiVersion: 'v1', kind: 'Node', name: 'node-a' }],
      ['default', 'FailedToStartMetricServer', 'b', { apiVersion: 'v1', kind: 'Node', name: 'node-a' }],
      ['prod', 'VirtualServiceConflict', 'c', { apiVersion: 'v1', kind: 'Service', name: 'api', namespace: 'prod' }],
      [
        'default',
        'SchedulerNotFound',
        'd',
        { apiVersion: 'v1', kind: 'Service', name: 'web', namespace: 'default', uid: '8f3c' },
      ],
    ],
  );
});

test('no two have the same name, though nodes speak of the same Service at the same time', async () => {
  const names: string[] = [];
  for (const random of [0, 0.25, 0.999_998_9]) {
    const { events: all, posted } = events({ random: () => random });
    for (const port of [1, 2]) all.serviceHealthFailed(web, port, 'in use');
    await all.settled();
    names.push(...posted.map(({ body }) => body.metadata.name));
  }
  assert.equal(new Set(names).size, 6);
  for (const name of names) assert.match(name, /^web\.18ea16875[0-9a-f]{7}$/);
});

test('the same of the same object is told again after an hour, not before', async () => {
  const { events: all, posted, clock } = events();
  all.conflict(web, 'a');
  all.conflict(web, 'a');
  all.conflict(web, 'b');
  all.conflict({ ...web, uid: 'another' }, 'a');
  clock.time += 3_599_999;
  all.conflict(web, 'a');
  await turn();
  assert.equal(posted.length, 3);
  clock.time += 1;
  all.conflict(web, 'a');
  await turn();
  assert.equal(posted.length, 4);
  assert.equal(new Set(posted.map(({ body }) => body.metadata.name)).size, 4, 'each has a name of its own');
});

test('at most 25 are told at once, and then one every ten seconds', async () => {
  const { events: all, posted, clock } = events();
  const flood = async () => {
    for (let i = 0; i < 20; i++) {
      all.conflict(web, `${posted.length} ${i} ${clock.time}`);
      await turn();
    }
    return posted.length;
  };
  await flood();
  assert.equal(await flood(), 25);
  clock.time += 9_999;
  assert.equal(await flood(), 25);
  clock.time += 1;
  assert.equal(await flood(), 26);
  clock.time += 35_000;
  assert.equal(await flood(), 29);
  clock.time += 5_000;
  assert.equal(await flood(), 30, 'the half of ten seconds before counts');
  clock.time += 86_400_000;
  await flood();
  assert.equal(await flood(), 55, 'no more than 25 are saved up');
});

test('when the clock is set back others are told as before', async () => {
  const { events: all, posted, clock } = events();
  for (let i = 0; i < 25; i++) all.conflict(web, String(i));
  await turn();
  clock.shift = -86_400_000;
  clock.time += 10_000;
  all.conflict(web, 'late');
  await turn();
  assert.equal(posted.length, 26);
  assert.equal(posted[25]!.body.eventTime, '2026-11-20T14:43:02.000250Z');
});

test('what could not be told for want of a turn may be told later', async () => {
  const { events: all, posted, clock } = events();
  for (let i = 0; i < 25; i++) all.conflict(web, String(i));
  await turn();
  all.conflict(web, 'late');
  clock.time += 10_000;
  all.conflict(web, 'late');
  await turn();
  assert.deepEqual(
    posted.slice(25).map(({ body }) => body.note),
    ['late'],
  );
});

test('one is posted at a time, and no more than 25 wait for it', async () => {
  let tried = 0;
  let take: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    take = resolve;
  });
  const post = () => (++tried === 1 ? first : Promise.resolve());
  const { events: all, clock } = events({ post });
  for (let i = 0; i < 100; i++) {
    all.conflict(web, String(i));
    clock.time += 10_000;
  }
  await turn();
  assert.equal(tried, 1);
  take();
  await turn();
  assert.equal(tried, 26);
});

test('what is not taken is dropped, told once until one is, and not tried again', async () => {
  let isDown = true;
  const tried: string[] = [];
  const { events: all, errors } = events({
    post: async (_path, body) => {
      tried.push((body as Posted['body']).note);
      if (isDown) throw new Error('503');
    },
  });
  for (const note of ['a', 'b', 'a']) all.conflict(web, note);
  await turn();
  assert.deepEqual([tried, errors], [['a', 'b'], ['Error: 503']]);
  isDown = false;
  all.conflict(web, 'c');
  await turn();
  isDown = true;
  all.conflict(web, 'd');
  await turn();
  assert.deepEqual(
    [tried, errors],
    [
      ['a', 'b', 'c', 'd'],
      ['Error: 503', 'Error: 503'],
    ],
  );
});

test('what is not taken may be told again after a minute', async () => {
  const refused = new Set(['a', 'b']);
  const tried: string[] = [];
  const { events: all, clock } = events({
    post: async (_path, body) => {
      const { note } = body as Posted['body'];
      tried.push(note);
      if (refused.delete(note)) throw new Error('503');
    },
  });
  const tell = async () => {
    for (const note of ['a', 'b', 'c']) all.conflict(web, note);
    await turn();
    return tried.splice(0);
  };
  assert.deepEqual(await tell(), ['a', 'b', 'c']);
  clock.time += 59_999;
  assert.deepEqual(await tell(), []);
  clock.time += 1;
  assert.deepEqual(await tell(), ['a', 'b']);
  clock.time += 60_000;
  assert.deepEqual(await tell(), [], 'they were taken');
});

test('after closing nothing is posted and nothing told', async () => {
  let refuse: (error: Error) => void = () => {};
  let tried = 0;
  const { events: all, errors } = events({
    post: () => {
      tried++;
      return new Promise((_, reject) => {
        refuse = reject;
      });
    },
  });
  all.conflict(web, 'a');
  all.conflict(web, 'b');
  all.close();
  all.close();
  all.conflict(web, 'c');
  refuse(new Error('closed'));
  await turn();
  assert.deepEqual([tried, errors], [1, []]);
});

test('notes and names are as long as the API server takes them, and in one piece', async () => {
  const { events: all, posted } = events({
    nodeName: () => `${'n'.repeat(229)}.example`,
    instance: () => 'ü'.repeat(100),
  });
  all.started();
  all.conflict(web, 'x'.repeat(1_024));
  all.conflict(web, 'é'.repeat(600));
  all.conflict(web, 'a\nb\u202e');
  await turn();
  const [start, whole, shortened, strange] = posted.map(({ body }) => body);
  assert.equal(start!.metadata.name, `${'n'.repeat(229)}.18ea168757343801`);
  assert.equal(start!.reportingInstance, `${'ü'.repeat(62)}…`);
  assert.equal(whole!.note, 'x'.repeat(1_024));
  assert.equal(shortened!.note, `${'é'.repeat(510)}…`);
  assert.equal(strange!.note, String.raw`a\u000ab\u202e`);
});
