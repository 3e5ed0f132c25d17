/** Whatever a watch or a list of an API server says: never an exception but the documented one, and never a fact that is none. */

import assert from 'node:assert/strict';
import { ListItems } from '../../src/watch/kubernetes/list-items.ts';
import { readList } from '../../src/watch/kubernetes/list.ts';
import { LineSplitter } from '../../src/watch/kubernetes/line-splitter.ts';
import { MalformedAnswer } from '../../src/watch/kubernetes/malformed-answer.ts';
import { readRefusal } from '../../src/watch/kubernetes/refusal.ts';
import { endpointSliceResource, nodeResource, type Resource, services } from '../../src/watch/kubernetes/resources.ts';
import { readWatchEvent } from '../../src/watch/kubernetes/watch-event.ts';
import { KnownObjects } from '../../src/watch/kubernetes/known-objects.ts';
import { assertFact } from '../support/fact-rules.ts';
import { assertPrintable, fuzz, type Mutator } from '../support/mutation.ts';
import { recording } from '../support/recording.ts';
import { settled, watched } from '../support/watched.ts';

const watches = ['services-watch', 'services-watchlist', 'endpointslices-watch', 'node-watchlist'].map(bodyOf);
const lists = ['services-list-page1', 'services-list-page2', 'endpointslices-list'].map(bodyOf);
const refusals = [
  'unauthorized',
  'list-continue-expired',
  'watch-resource-version-too-old',
  'watchlist-missing-match',
  'watchlist-unsupported-by-etcd-3.4',
].map(bodyOf);
const recorded = watches
  .flatMap((body) => body.toString().trim().split('\n'))
  .map((line) => (JSON.parse(line) as { readonly object: object }).object);
/** With nothing in them but what we read, so that mutations meet it. */
const bare = [
  {
    metadata: { name: 'web' },
    spec: {
      type: 'NodePort',
      clusterIP: '10.96.0.10',
      ports: [{ port: 80, nodePort: 30_080 }],
      externalIPs: ['192.0.2.9'],
    },
  },
  {
    metadata: { name: 'web-x', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: ['10.244.0.1'], conditions: { ready: true }, hints: { forZones: [{ name: 'a' }] } }],
  },
  {
    metadata: { name: 'worker-1' },
    spec: { podCIDR: '10.244.0.0/24' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
  },
];
const objects = [...recorded, ...bare, ...bare, ...bare];

function bodyOf(name: string): Buffer {
  return recording(name).body;
}

function resources(): readonly Resource[] {
  return [services, endpointSliceResource(), nodeResource('worker-1')];
}

fuzz('bytes are cut into lines where a line ends, however they arrive', 800, (mutator) => {
  const bytes = mutator.bytes(watches);
  const splitter = new LineSplitter();
  const lines = mutator.chunks(bytes).flatMap((chunk) => [...splitter.push(chunk)]);
  const expected = Buffer.from(bytes)
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line.replace(/\r$/, ''), 'latin1').toString())
    .filter((line) => line !== '');
  assert.deepEqual(lines, expected);
});

fuzz('a line of a watch is an event, whatever it is', 1_500, (mutator) => {
  for (const line of mutator.text(watches.map(String)).split('\n')) {
    const event = readWatchEvent(line);
    if ('message' in event) assertPrintable(event.message);
    if (!('object' in event)) continue;
    for (const resource of resources()) assertConsequence(resource, event.object);
  }
});

fuzz('an event of any shape is an event', 1_500, (mutator) => {
  const event = readWatchEvent(JSON.stringify(mutator.tree({ type: 'ADDED', object: mutator.pick(objects) })) ?? '');
  if ('object' in event) for (const resource of resources()) assertConsequence(resource, event.object);
});

fuzz('an object is a fact, unreadable or nothing for us', 5_000, (mutator) => {
  const object = mutator.tree(mutator.pick(objects));
  if (typeof object !== 'object' || object === null) return;
  // as it comes over the wire: `__proto__` is a key like others there
  const arrived = JSON.parse(JSON.stringify(object)) as object;
  for (const resource of resources()) assertConsequence(resource, arrived);
});

function assertConsequence(resource: Resource, object: object): void {
  const consequence = new KnownObjects(resource).set(resource.nameOf(object), object);
  assert.ok(consequence !== undefined);
  const { event, isRefused, problems, warnings } = consequence;
  if (event !== undefined) assertFact(event);
  if (isRefused) assert.ok(problems.length > 0, 'refused without a reason');
  assert.equal(event?.kind === 'unreadable', isRefused && consequence.name !== undefined);
  for (const { message } of [...problems, ...warnings]) assert.ok(message !== '' && message.length < 5_000, message);
}

fuzz('a list is read to its end, or malformed; however it arrives it says the same', 1_200, async (mutator) => {
  const bytes = mutator.bytes(lists);
  const whole = await outcome([bytes]);
  assert.deepEqual(await outcome(mutator.chunks(bytes)), whole);
  if ('malformed' in whole) return;
  for (const item of whole.items) for (const resource of resources()) assertConsequence(resource, item);
});

type Outcome =
  | { readonly items: readonly object[]; readonly version: string | undefined }
  | { readonly malformed: true };

async function outcome(chunks: readonly Uint8Array[]): Promise<Outcome> {
  const list = readList(arriving(chunks));
  const items: object[] = [];
  try {
    for await (const item of list.items) items.push(item);
    return { items, version: list.frame().version };
  } catch (error) {
    assert.ok(error instanceof MalformedAnswer, String(error));
    return { malformed: true };
  }
}

async function* arriving(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

fuzz('a list without harm has the items that JSON has', 300, (mutator) => {
  const page = JSON.parse(lists[0]!.toString()) as { items: unknown[] };
  page.items = Array.from({ length: mutator.below(5) }, () => {
    const item = mutator.tree(mutator.pick(objects));
    return typeof item === 'object' && item !== null && !Array.isArray(item) ? item : {};
  });
  const splitter = new ListItems();
  const text = JSON.stringify(page, undefined, mutator.below(3));
  const items = mutator.chunks(Buffer.from(text)).flatMap((chunk) => [...splitter.push(chunk)]);
  assert.deepEqual(
    items.map((item) => JSON.parse(item) as unknown),
    (JSON.parse(text) as typeof page).items,
  );
});

fuzz('a list that is none is malformed: taken for an empty one it would delete everything', 1_000, async (mutator) => {
  const page = mutator.tree({
    ...(JSON.parse(String(mutator.pick(lists))) as object),
    items: mutator.pick([[], null]),
  });
  const text = JSON.stringify(page) ?? '';
  const { items } = ((text === '' ? undefined : JSON.parse(text)) ?? {}) as { readonly items?: unknown };
  const isList =
    items === null || (Array.isArray(items) && items.every((item) => typeof item === 'object' && item !== null));
  if (!isList) assert.deepEqual(await outcome([Buffer.from(text)]), { malformed: true });
});

fuzz('a refusal is a number and some words', 800, async (mutator) => {
  const refusal = await readRefusal({
    status: mutator.pick([400, 401, 403, 404, 410, 429, 500, 504]),
    retryAfter: undefined,
    body: arriving(mutator.chunks(mutator.bytes(refusals))),
  });
  assert.ok(typeof refusal.code === 'number' && refusal.code > 0);
  assert.equal(typeof refusal.message, 'string');
  assert.ok(refusal.retryAfter === undefined || refusal.retryAfter > 0);
});

const last = {
  metadata: { name: 'last', namespace: 'default', resourceVersion: '999999999' },
  spec: { clusterIP: '10.96.0.99', ports: [{ port: 80 }] },
};

fuzz(
  'a watch goes on behind a line that is odd, and is made again behind one that is no JSON',
  120,
  async (mutator) => {
    const { client, watch, events, remarks } = watched(services);
    try {
      (await client.next()).replay('services-watchlist', { ends: false }).end();
      const watching = (await client.next()).begin();
      const body = bodyWithout410(mutator);
      watching.send(body, '\n', { type: 'ADDED', object: last });
      await settled();
      if (watching.signal.aborted || client.waiting > 0) {
        // the answer was given up in the middle; what asks next gets all
        (await client.next()).begin().send({ type: 'ADDED', object: last });
        await settled();
      }
      events.forEach(assertFact);
      assert.ok(
        events.some(
          (event) => event.kind === 'service' && event.verb === 'set' && event.service.name === 'default/last',
        ),
      );
      remarks.forEach(assertPrintable);
    } finally {
      watch.close();
    }
  },
);

/** Lines of a watch, mutated, but none that says that the watch's version is too old: then a list comes next, which is another story. */
function bodyWithout410(mutator: Mutator): string {
  const text = mutator.text(watches.slice(0, 2).map(String));
  return text
    .split('\n')
    .filter((line) => readWatchEvent(line).type !== 'error')
    .join('\n');
}
