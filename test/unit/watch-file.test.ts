/** Files and folders that change in all the ways that files do. Time passes as the tests say. */

import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock, type TestContext } from 'node:test';
import { FileWatch, type FileWatchOptions, quietMilliseconds } from '../../src/watch/file-watch.ts';
import { writeManifests } from '../support/manifest-files.ts';

const interval = 1000;

function watched(test: TestContext, paths: readonly string[], options: Partial<FileWatchOptions> = {}) {
  const told = { times: 0 };
  const watch = new FileWatch(paths, { ...options, onChange: () => told.times++ });
  test.after(() => watch.close());
  return { told, watch };
}

/** Time passes only as told: however busy the machine is, a look at a few files is one piece. */
function standStill(): void {
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(performance, 'now', () => 0);
}

/** A look that finds a change, and the one that finds it at rest. */
function twoLooks(): void {
  mock.timers.tick(interval);
  mock.timers.tick(quietMilliseconds);
}

/** As kubelet lays out a ConfigMap volume, `config.conf` in version `one`. */
async function configMapVolume(test: TestContext): Promise<string> {
  const folder = await writeManifests(test, { '..one/config.conf': 'mode: ipvs', '..two/config.conf': 'mode: nfts' });
  symlinkSync('..one', join(folder, '..data'));
  symlinkSync('..data/config.conf', join(folder, 'config.conf'));
  return folder;
}

/** As kubelet does it (pkg/volume/util/atomic_writer.go of Kubernetes 1.36). */
function showVersion(folder: string, version: string): void {
  symlinkSync(version, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
}

describe('a watched file or folder', () => {
  beforeEach(standStill);
  afterEach(() => mock.reset());

  const changes: readonly [what: string, change: (folder: string) => void][] = [
    ['a file that grows', (folder) => appendFileSync(join(folder, 'a.yaml'), 'more')],
    [
      'a file written in place with a text of the same length',
      (folder) => writeFileSync(join(folder, 'a.yaml'), 'eno'),
    ],
    [
      'an editor that renames a new file over the old one',
      (folder) => {
        writeFileSync(join(folder, '.a.yaml.swp'), 'one');
        renameSync(join(folder, '.a.yaml.swp'), join(folder, 'a.yaml'));
      },
    ],
    ['a file that goes', (folder) => unlinkSync(join(folder, 'a.yaml'))],
    ['a file that takes the place of a folder', (folder) => replace(join(folder, 'inner'), 'now a file')],
  ];
  for (const [what, change] of changes) {
    it(`tells of ${what}, once`, async (test) => {
      const folder = await writeManifests(test, { 'a.yaml': 'one', 'inner/b.yaml': 'two' });
      utimesSync(join(folder, 'a.yaml'), 1, 1);
      const { told: ofFolder } = watched(test, [folder]);
      const { told: ofFiles } = watched(test, [join(folder, 'a.yaml'), join(folder, 'inner')]);
      change(folder);
      twoLooks();
      assert.deepEqual([ofFolder.times, ofFiles.times], [1, 1]);
      for (let i = 0; i < 10; i++) twoLooks();
      assert.deepEqual([ofFolder.times, ofFiles.times], [1, 1]);
    });
  }

  function replace(folder: string, text: string): void {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, text);
  }

  it('tells when a ConfigMap volume shows its next version, and the first one again', async (test) => {
    const folder = await configMapVolume(test);
    const { told: ofFolder } = watched(test, [folder]);
    const { told: ofFile } = watched(test, [join(folder, 'config.conf')]);
    showVersion(folder, '..two');
    twoLooks();
    assert.deepEqual([ofFolder.times, ofFile.times], [1, 1]);
    showVersion(folder, '..one');
    twoLooks();
    assert.deepEqual([ofFolder.times, ofFile.times], [2, 2]);
  });

  it('tells when a path that was not there comes, goes and comes back', async (test) => {
    const folder = await writeManifests(test, {});
    const { told } = watched(test, [join(folder, 'later/a.yaml')]);
    mkdirSync(join(folder, 'later'));
    twoLooks();
    assert.equal(told.times, 0);
    writeFileSync(join(folder, 'later/a.yaml'), 'one');
    twoLooks();
    assert.equal(told.times, 1);
    rmSync(join(folder, 'later'), { recursive: true });
    twoLooks();
    assert.equal(told.times, 2);
    mkdirSync(join(folder, 'later'));
    writeFileSync(join(folder, 'later/a.yaml'), 'one');
    twoLooks();
    assert.equal(told.times, 3);
  });

  it('tells of files deep in a folder, and of folders behind symbolic links', async (test) => {
    const elsewhere = await writeManifests(test, { 'b.yaml': 'b' });
    const folder = await writeManifests(test, { 'x/y/a.yaml': 'a' });
    symlinkSync(elsewhere, join(folder, 'link'));
    const { told } = watched(test, [folder]);
    writeFileSync(join(folder, 'x/y/c.yaml'), 'c');
    twoLooks();
    assert.equal(told.times, 1);
    appendFileSync(join(elsewhere, 'b.yaml'), 'more');
    twoLooks();
    assert.equal(told.times, 2);
  });

  it('says nothing of names that begin with a dot', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    const { told } = watched(test, [folder]);
    writeFileSync(join(folder, '.a.yaml.swp'), 'half a file');
    twoLooks();
    assert.equal(told.times, 0);
  });

  it('does not wait for files of no interest that never stop changing, and says nothing of them', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a', 'inner/b.log': 'b' });
    const log = join(folder, 'inner/b.log');
    const isOfInterest = (name: string) => name.endsWith('.yaml');
    const { told: ofFolder } = watched(test, [folder], { isOfInterest });
    const { told: ofLog } = watched(test, [log], { isOfInterest });
    appendFileSync(join(folder, 'a.yaml'), 'more');
    for (let i = 0; i < 10; i++) {
      appendFileSync(log, 'more');
      mock.timers.tick(interval);
    }
    mock.timers.tick(quietMilliseconds);
    twoLooks();
    assert.deepEqual([ofFolder.times, ofLog.times], [1, 1]);
  });

  it('survives links in circles, links to nothing and files where folders should be', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    symlinkSync('.', join(folder, 'circle'));
    symlinkSync('itself', join(folder, 'itself'));
    symlinkSync('nowhere', join(folder, 'dangling'));
    const { told } = watched(test, [folder, join(folder, 'a.yaml/b.yaml'), join(folder, 'itself')]);
    twoLooks();
    assert.equal(told.times, 0);
    appendFileSync(join(folder, 'a.yaml'), 'more');
    twoLooks();
    assert.equal(told.times, 1);
  });
});

describe('when it tells', () => {
  beforeEach(standStill);
  afterEach(() => mock.reset());

  it('is once, after the last of several changes', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    const { told } = watched(test, [folder]);
    appendFileSync(join(folder, 'a.yaml'), '1');
    mock.timers.tick(interval);
    for (let i = 0; i < 5; i++) {
      appendFileSync(join(folder, 'a.yaml'), '2');
      mock.timers.tick(quietMilliseconds);
      assert.equal(told.times, 0);
    }
    mock.timers.tick(quietMilliseconds);
    assert.equal(told.times, 1);
  });

  it('comes also for a file that never stops changing', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    const { told } = watched(test, [folder]);
    const look = () => {
      appendFileSync(join(folder, 'a.yaml'), '1');
      mock.timers.tick(quietMilliseconds);
    };
    mock.timers.tick(interval - quietMilliseconds);
    // what is written slowly is not read before its end
    for (let i = 0; i < 140; i++) look();
    assert.equal(told.times, 0);
    for (let i = 0; i < 20; i++) look();
    assert.equal(told.times, 1);
  });

  it('never comes for what was undone before anybody could have read it', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    const { told } = watched(test, [folder]);
    writeFileSync(join(folder, 'b.yaml'), 'b');
    mock.timers.tick(interval);
    unlinkSync(join(folder, 'b.yaml'));
    for (let i = 0; i < 3; i++) mock.timers.tick(quietMilliseconds);
    twoLooks();
    assert.equal(told.times, 0);
  });

  it('is later with many files, so that looking costs next to nothing', async (test) => {
    mock.restoreAll();
    const files = Object.fromEntries(Array.from({ length: 999 }, (_, i) => [`${i}.yaml`, 'a']));
    const folder = await writeManifests(test, files);
    const { told } = watched(test, [folder]);
    appendFileSync(join(folder, '7.yaml'), 'more');
    for (let i = 0; i < 4; i++) {
      mock.timers.tick(interval);
      await looked();
    }
    assert.equal(told.times, 0);
    mock.timers.tick(interval);
    await looked();
    mock.timers.tick(quietMilliseconds);
    await looked();
    assert.equal(told.times, 1);
  });

  it('is never again once it is closed, twice if need be', async (test) => {
    const folder = await writeManifests(test, { 'a.yaml': 'a' });
    const { told, watch } = watched(test, [folder]);
    appendFileSync(join(folder, 'a.yaml'), 'more');
    mock.timers.tick(interval);
    watch.close();
    watch.close();
    for (let i = 0; i < 3; i++) twoLooks();
    assert.equal(told.times, 0);
  });

  /** A look at many files takes turns of the event loop. */
  async function looked(): Promise<void> {
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
  }
});

it('tells by the clock of the machine too', async (test) => {
  const folder = await writeManifests(test, { 'a.yaml': 'a' });
  await new Promise<void>((resolve) => {
    const watch = new FileWatch([folder], { onChange: resolve, intervalMilliseconds: 1 });
    test.after(() => watch.close());
    appendFileSync(join(folder, 'a.yaml'), 'more');
  });
});
