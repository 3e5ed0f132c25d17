/** `kube-ipvs status` as its users run it, with a daemon to ask. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { status } from '../../src/cli/status.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { StatusReport } from '../../src/model/status.ts';
import { hostOf } from '../support/configured.ts';
import { StatusServer } from '../../src/serve/status-server.ts';
import { bundle, kubeIpvs, startKubeIpvs } from '../support/program.ts';
import { sampleReport } from '../support/status-report.ts';

let folder: string;
let path: string;
let server: StatusServer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  path = join(folder, 'status.sock');
});

afterEach(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(report: () => StatusReport): Promise<void> {
  server = new StatusServer({ path, report: async () => report(), onError: assert.fail });
  await server.listening;
}

/** Runs `status` here, as often as a millisecond apart with -w. */
function start(...words: readonly string[]) {
  const { flags, given } = parseArguments(['status', '--status-socket', path, ...words]);
  const loaded = loadConfig({ flags, given }, hostOf({}, 'worker-1'));
  assert.ok('config' in loaded);
  const abort = new AbortController();
  const stdout: string[] = [];
  const stderr: string[] = [];
  const ended = status(
    {
      command: 'status',
      operands: [],
      flags,
      given,
      config: loaded.config,
      signal: abort.signal,
      stdin: Readable.from([]),
      stdout: { write: (text: string) => stdout.push(text) },
      stderr: { write: (text: string) => stderr.push(text) },
    },
    1,
  );
  return { stdout, stderr, abort, ended };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe('kube-ipvs status', () => {
  it('prints what the daemon says', async () => {
    await serve(() => sampleReport);
    const run = await kubeIpvs(['status', '--status-socket', path]);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    assert.match(
      run.stdout,
      /^Node: {8}worker-1\nAt: {10}2026-11-21T15:03:11Z\nDaemon: {6}kube-ipvs 0\.1\.0, pid 4711/,
    );
    assert.doesNotMatch(run.stdout, /WANTED/);
    assert.match((await kubeIpvs(['status', '--status-socket', path, '-o', 'wide'])).stdout, /WANTED/);
  });

  it('prints the report itself as JSON', async () => {
    await serve(() => sampleReport);
    const { stdout } = await kubeIpvs(['status', '--status-socket', path, '-o', 'json']);
    const told = JSON.parse(stdout) as StatusReport;
    assert.deepEqual([told.at, told.daemon?.pid, told.virtualServices.length], [sampleReport.at, 4711, 3]);
    assert.match(stdout, /^\{\n {2}"nodeName": "worker-1",\n/);
  });

  it('asks where the file of --config says that the daemon listens', async () => {
    await serve(() => sampleReport);
    const file = join(folder, 'config.conf');
    const identity = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    writeFileSync(file, `${identity}kubeIpvs: {statusSocket: ${path}, netns: no-such-namespace}\n`);
    const run = await kubeIpvs(['status', '--config', file]);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    assert.match(run.stdout, /^Node: {8}worker-1\n/);
    const other = await kubeIpvs(['status', '--config', file, '--status-socket', join(folder, 'none.sock')]);
    assert.equal(other.status, 1);
    assert.match(other.stderr, /^kube-ipvs: no daemon answers at \S+\/none\.sock, and there is no network namespace /);
  });

  it('fails with both reasons when there is neither a daemon nor a kernel to ask', async () => {
    const run = await kubeIpvs(['status', '--status-socket', path, '--netns', 'no-such-namespace']);
    assert.deepEqual([run.status, run.stdout], [1, '']);
    const expected = `kube-ipvs: no daemon answers at ${path}, and there is no network namespace no-such-namespace: `;
    assert.ok(run.stderr.startsWith(expected) && run.stderr.split('\n').length === 2, run.stderr);
  });

  it('watches: prints again when something else than time changed', async () => {
    let report = sampleReport;
    let asked = 0;
    await serve(() => {
      asked++;
      return { ...report, at: report.at + asked };
    });
    const { stdout, stderr, abort, ended } = start('-w');
    await until(() => asked >= 5);
    assert.equal(stdout.length, 1);
    report = { ...sampleReport, differences: [] };
    await until(() => stdout.length === 2);
    assert.match(stdout[1]!, /^\nNode: /);
    assert.doesNotMatch(stdout[1]!, /DIFFERENCES/);
    abort.abort();
    assert.deepEqual([await ended, stderr], [130, []]);
  });

  it('watches a daemon that goes and comes again', async () => {
    await serve(() => sampleReport);
    const { stdout, stderr, abort, ended } = start('--watch', '-o', 'json', '--netns', 'no-such-namespace');
    await until(() => stdout.length === 1);
    await server!.close();
    await until(() => stderr.length === 1);
    assert.match(stderr[0]!, /^kube-ipvs: no daemon answers at .*\n$/);
    await serve(() => ({ ...sampleReport, differences: [] }));
    await until(() => stdout.length === 2);
    abort.abort();
    assert.deepEqual([await ended, stderr.length], [130, 1]);
    for (const document of stdout) assert.match(document, /^\{"nodeName":"worker-1",.*\}\n$/);
  });

  it('ends quietly with 130 when it is interrupted', async () => {
    await serve(() => sampleReport);
    const child = startKubeIpvs(['status', '-w', '--status-socket', path]);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const closed = once(child, 'close');
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    assert.deepEqual([(await closed)[0], stderr], [130, '']);
  });

  it('ends when nobody reads what it prints', async () => {
    let asked = 0;
    await serve(() => ({ ...sampleReport, differences: [String(asked++)] }));
    const script = `"$0" status -w --status-socket "$1" | head -1; echo "\${PIPESTATUS[0]}"`;
    const child = spawn('bash', ['-c', script, bundle, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    await once(child, 'close');
    assert.equal(stdout, 'Node:        worker-1\n0\n');
  });
});
