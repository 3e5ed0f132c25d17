/** Manifests that change while they are watched. Time passes as the tests say. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock, type TestContext } from 'node:test';
import { quietMilliseconds } from '../../src/watch/file-watch.ts';
import { ManifestWatch } from '../../src/watch/manifest-watch.ts';
import { list, serviceObject, sliceObject } from '../support/cluster-objects.ts';
import { Clock } from '../support/clock.ts';
import { eventText, serviceText, synced, writeManifests } from '../support/manifest-files.ts';

const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-a' } };

/** A watch and all that it said. */
class Watched {
  readonly clock = new Clock();
  readonly #folder: string;
  readonly #watch: ManifestWatch;
  #events: string[] = [];
  #remarks: string[] = [];
  #onReading: () => void = () => {};

  constructor(test: TestContext, folder: string) {
    this.#folder = folder;
    this.#watch = new ManifestWatch({
      paths: [folder],
      nodeName: 'node-a',
      now: this.clock.now,
      onEvent: (event) => this.#events.push(eventText(event)),
      onRemark: (level, message) => {
        this.#remarks.push(`${level} ${message}`.replaceAll(`${folder}/`, ''));
        if (/^manifests read|read again /.test(message)) this.#onReading();
      },
    });
    test.after(() => this.#watch.close());
  }

  get source() {
    return this.#watch.sources()[0]!;
  }

  close(): void {
    this.#watch.close();
  }

  /** What was said since the last call. */
  said(): { readonly events: readonly string[]; readonly remarks: readonly string[] } {
    const said = { events: this.#events, remarks: this.#remarks };
    this.#events = [];
    this.#remarks = [];
    return said;
  }

  /** What the reading that is under way says. */
  async reading() {
    await new Promise<void>((resolve) => (this.#onReading = resolve));
    return this.said();
  }

  /** Writes files (undefined: deletes), and what the watch says of it. */
  async change(files: Readonly<Record<string, string | undefined>>) {
    for (const [name, text] of Object.entries(files)) {
      if (text === undefined) rmSync(join(this.#folder, name));
      else {
        writeFileSync(join(this.#folder, `.${name}`), text);
        renameSync(join(this.#folder, `.${name}`), join(this.#folder, name));
      }
    }
    const reading = this.reading();
    mock.timers.tick(1000);
    mock.timers.tick(quietMilliseconds);
    return await reading;
  }
}

async function watching(test: TestContext, files: Readonly<Record<string, string>>) {
  const watched = new Watched(test, await writeManifests(test, files));
  return { watched, first: await watched.reading() };
}

const web = serviceObject('web', { clusterIPs: ['10.96.0.10'] });
const webSlice = (...addresses: readonly string[]) => sliceObject('web', addresses);
const everything = list([web, webSlice('10.244.0.1'), node]);
const started = ['set service default/web', 'set slice default/web-v4', 'set node node-a'];

describe('manifests that are watched', () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    // a look at files is one piece, however busy the machine is
    mock.method(performance, 'now', () => 0);
  });
  afterEach(() => mock.reset());

  it('are told at once, and that they were all', async (test) => {
    const { watched, first } = await watching(test, { 'cluster.json': everything });
    assert.deepEqual(first, {
      events: [...started, ...synced],
      remarks: ['info manifests read: 1 Services, 1 EndpointSlices, 1 Nodes, 3 changes'],
    });
    assert.deepEqual(watched.source, {
      name: 'manifests',
      phase: 'watching',
      synced: true,
      objects: 3,
      resourceVersion: undefined,
      since: 1000,
      heardAt: 1000,
      restarts: 0,
      lastError: undefined,
    });
  });

  it('are told again only where they differ', async (test) => {
    const { watched } = await watching(test, { 'cluster.json': everything });
    watched.clock.pass(500);
    const { events } = await watched.change({
      'cluster.json': list([web, webSlice('10.244.0.1', '10.244.0.2'), node]),
      'api.yaml': serviceText('api', '10.96.0.11'),
    });
    assert.deepEqual(events, ['set service default/api', 'set slice default/web-v4']);
    assert.deepEqual([watched.source.objects, watched.source.since, watched.source.heardAt], [4, 1000, 1500]);
  });

  it('are told in time beside a file of another kind that never stops changing', async (test) => {
    const folder = await writeManifests(test, { 'api.yaml': serviceText('api', '10.96.0.11'), 'app.log': '' });
    const watched = new Watched(test, folder);
    await watched.reading();
    writeFileSync(join(folder, 'api.yaml'), serviceText('new', '10.96.0.12'));
    const reading = watched.reading();
    for (let i = 0; i < 10; i++) {
      writeFileSync(join(folder, 'app.log'), `${i}`);
      mock.timers.tick(1000);
    }
    assert.deepEqual((await reading).events, ['set service default/new', 'delete service default/api']);
  });

  it('say nothing when the same is written in another way', async (test) => {
    const { watched } = await watching(test, { 'cluster.json': everything });
    assert.deepEqual((await watched.change({ 'cluster.json': `# no change\n${everything}` })).events, []);
  });

  it('are deleted when they vanish, after what comes in their place', async (test) => {
    const { watched } = await watching(test, {
      'cluster.json': everything,
      'api.yaml': serviceText('api', '10.96.0.11'),
    });
    const { events } = await watched.change({
      'api.yaml': undefined,
      'cluster.json': serviceText('new', '10.96.0.12'),
    });
    assert.deepEqual(events, [
      'set service default/new',
      'delete service default/api',
      'delete service default/web',
      'delete slice default/web-v4',
      'delete node ',
    ]);
  });

  it('may vanish altogether while the folder is there', async (test) => {
    const { watched } = await watching(test, { 'api.yaml': serviceText('api', '10.96.0.11') });
    const { events, remarks } = await watched.change({ 'api.yaml': undefined });
    assert.deepEqual(events, ['delete service default/api']);
    assert.match(remarks.join('\n'), /warn .*the folder holds no \*\.yaml/);
  });

  it('that become headless are deleted: no node needs them', async (test) => {
    const { watched } = await watching(test, { 'api.yaml': serviceText('api', '10.96.0.11') });
    assert.deepEqual((await watched.change({ 'api.yaml': serviceText('api', 'None') })).events, [
      'delete service default/api',
    ]);
  });
});

describe('manifests that cannot be read', () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    // a look at files is one piece, however busy the machine is
    mock.method(performance, 'now', () => 0);
  });
  afterEach(() => mock.reset());

  const again = 'they are read again when a file changes';
  const faults: readonly [what: string, text: string, remark: RegExp][] = [
    ['broken', 'kind: [', /^error cluster\.json:1:\d+: not YAML: /],
    ['no Kubernetes objects', 'just text', /^error cluster\.json:1:1: here is .*; write Kubernetes objects/],
    [
      'of a wrong shape',
      serviceText('web', '10.96.0.10').replace('[{port: 80}]', 'many'),
      /^error cluster\.json:4:\d+: Service default\/web: spec\.ports/,
    ],
    ['half written', '', /^error cluster\.json: the file is empty; when nothing is meant, write a comment/],
  ];
  for (const [what, text, remark] of faults) {
    it(`because they are ${what} change nothing until they are right`, async (test) => {
      const { watched } = await watching(test, {
        'cluster.json': everything,
        'api.yaml': serviceText('api', '10.96.0.11'),
      });
      watched.clock.pass(500);
      const refused = await watched.change({ 'cluster.json': text, 'api.yaml': undefined });
      assert.deepEqual(refused.events, []);
      assert.match(refused.remarks[0]!, remark);
      assert.deepEqual(refused.remarks.slice(1), [`error the manifests are applied as they were before: ${again}`]);
      const { phase, since, objects, restarts, lastError } = watched.source;
      assert.deepEqual([phase, since, objects, restarts], ['waiting', 1500, 4, 1]);
      assert.ok(
        lastError !== undefined && refused.remarks[0]!.endsWith(lastError.replace(/^.*\/(?=cluster\.json)/, '')),
      );
      assert.deepEqual((await watched.change({ 'cluster.json': everything })).events, ['delete service default/api']);
      assert.deepEqual([watched.source.phase, watched.source.lastError], ['watching', undefined]);
    });

    it(`because they are ${what} at the start are waited for`, async (test) => {
      const { watched, first } = await watching(test, {
        'cluster.json': text,
        'api.yaml': serviceText('api', '10.96.0.11'),
      });
      assert.deepEqual(first.events, []);
      assert.match(first.remarks[0]!, remark);
      assert.deepEqual(first.remarks.slice(1), [`error nothing is applied yet: ${again}`]);
      assert.deepEqual([watched.source.phase, watched.source.synced], ['waiting', false]);
      const { events } = await watched.change({ 'cluster.json': everything });
      assert.deepEqual(events, ['set service default/api', ...started, ...synced]);
      assert.equal(watched.source.synced, true);
    });
  }

  it('because a pipe or a device lies among them change nothing until it is gone', async (test) => {
    const folder = await writeManifests(test, { 'cluster.json': everything });
    const watched = new Watched(test, folder);
    await watched.reading();
    for (const [name, make] of [
      ['pipe.yaml', (path: string) => execFileSync('mkfifo', [path])],
      ['endless.yaml', (path: string) => symlinkSync('/dev/zero', path)],
    ] as const) {
      make(join(folder, name));
      const { events, remarks } = await watched.change({});
      assert.deepEqual(events, []);
      assert.deepEqual(remarks, [
        `error ${name}: a pipe, a socket or a device is no manifest; put a file there, or take it away`,
        `error the manifests are applied as they were before: ${again}`,
      ]);
      assert.deepEqual((await watched.change({ [name]: undefined })).events, []);
      assert.equal(watched.source.phase, 'watching');
    }
  });

  it('because they are not there yet are waited for', async (test) => {
    const outer = await writeManifests(test, {});
    const folder = join(outer, 'later');
    const watched = new Watched(test, folder);
    assert.match((await watched.reading()).remarks[0]!, /no such file or folder \(ENOENT\)/);
    renameSync(await writeManifests(test, { 'cluster.json': everything }), folder);
    assert.deepEqual((await watched.change({})).events, [...started, ...synced]);
  });

  it('are told of in a few lines, however much is wrong', async (test) => {
    const { first } = await watching(test, { 'many.yaml': '---\njust text\n'.repeat(50) });
    assert.deepEqual(
      [first.remarks.length, first.remarks[10], first.remarks[11]],
      [12, 'error … and 40 more', `error nothing is applied yet: ${again}`],
    );
  });

  it('are told of without characters that a terminal obeys', async (test) => {
    const { first } = await watching(test, { '\u001b[2J.yaml': '' });
    assert.match(first.remarks[0]!, /^error \\u001b\[2J\.yaml: the file is empty/);
  });

  it('are read again by themselves, later each time, when there is no file descriptor', async (test) => {
    const { watched } = await watching(test, { 'web.yaml': serviceText('web', '10.96.0.10') });
    const { mock: failing } = test.mock.method(fs, 'readFile', () =>
      Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' })),
    );
    syncBuiltinESMExports();
    const first = await watched.change({ 'web.yaml': serviceText('web', '10.96.0.12') });
    const second = watched.reading();
    mock.timers.tick(100);
    const third = (await second).remarks;
    failing.restore();
    syncBuiltinESMExports();
    const last = watched.reading();
    mock.timers.tick(200);
    assert.deepEqual((await last).events, ['set service default/web']);
    assert.deepEqual(
      [first.remarks.at(-1), third.at(-1)],
      ['100', '200'].map(
        (delay) => `error the manifests are applied as they were before: they are read again in ${delay} ms`,
      ),
    );
  });
});

describe('an object that an API server would refuse', () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    // a look at files is one piece, however busy the machine is
    mock.method(performance, 'now', () => 0);
  });
  afterEach(() => mock.reset());

  const good = serviceText('web', '10.96.0.10');
  const bad = serviceText('web', '10.96.0.300');

  it('is told as unreadable and the others are applied; it stays so until it changes', async (test) => {
    const { watched, first } = await watching(test, { 'web.yaml': bad, 'api.yaml': serviceText('api', '10.96.0.11') });
    assert.deepEqual(first.events, ['set service default/api', 'unreadable Service default/web', ...synced]);
    assert.match(
      first.remarks[1]!,
      /^error web\.yaml:4:\d+: Service default\/web: spec\.clusterIP is "10\.96\.0\.300"/,
    );
    assert.deepEqual((await watched.change({ 'web.yaml': `# still\n${bad}` })).events, []);
    assert.deepEqual((await watched.change({ 'web.yaml': good })).events, ['set service default/web']);
  });

  it('is deleted when it vanishes, though it could never be read', async (test) => {
    const { watched } = await watching(test, { 'web.yaml': bad, 'api.yaml': serviceText('api', '10.96.0.11') });
    assert.deepEqual((await watched.change({ 'web.yaml': undefined })).events, ['delete service default/web']);
  });

  it('keeps what was known of it, and says nothing when it is as it was before', async (test) => {
    const { watched } = await watching(test, { 'web.yaml': good });
    assert.deepEqual((await watched.change({ 'web.yaml': bad })).events, ['unreadable Service default/web']);
    assert.deepEqual((await watched.change({ 'web.yaml': good })).events, []);
    assert.deepEqual((await watched.change({ 'web.yaml': serviceText('web', '10.96.0.12') })).events, [
      'set service default/web',
    ]);
  });
});

describe('the watch itself', () => {
  it('says nothing once it is closed, twice if need be, in the middle of a reading', async (test) => {
    const watched = new Watched(test, await writeManifests(test, { 'cluster.json': everything }));
    watched.close();
    watched.close();
    const other = new Watched(test, await writeManifests(test, { 'cluster.json': everything }));
    await other.reading();
    assert.deepEqual(watched.said(), { events: [], remarks: [] });
  });

  it('takes no standard input', () => {
    const nothing = () => {};
    const options = { nodeName: 'node-a', onEvent: nothing, onRemark: nothing, now: () => 0 };
    assert.throws(() => new ManifestWatch({ ...options, paths: ['a.yaml', '-'] }), /standard input cannot be watched/);
  });
});
