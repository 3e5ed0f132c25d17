/** The test API server as a program of its own. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Kubectl } from '../support/kubectl.ts';
import { recordingPath } from '../support/recorded.ts';

const main = fileURLToPath(new URL('../support/api-server/main.js', import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly kubeconfig: string;
}

async function start(test: TestContext, args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { url, kubeconfig } = JSON.parse((await lines.next()).value as string) as { url: string; kubeconfig: string };
  return { child, url, kubeconfig };
}

it('serves what it was given until it is told to end', async (test) => {
  const folder = await mkdtemp(join(tmpdir(), 'api-server-test-'));
  test.after(() => rm(folder, { recursive: true, force: true }));
  const args = ['--tls-dir', folder, '--objects', recordingPath('objects.yaml'), '--load', '3x2', '--changes', '100'];
  const { child, url, kubeconfig } = await start(test, args);
  assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual((await readdir(folder)).toSorted(), ['ca.crt', 'client.crt', 'client.key', 'kubeconfig']);
  const kubectl = await Kubectl.with(test, await readFile(kubeconfig, 'utf8'));
  assert.equal(
    await kubectl.run(['get', 'services', '-A', '-o', 'jsonpath={.items[*].metadata.name}']),
    'kubernetes service-0 service-1 service-2 edge ext headless web',
  );
  const lines = kubectl.lines(test, ['get', 'endpointslices', '-A', '--watch-only', '-o', 'name']);
  assert.match((await lines.next()).value as string, /^endpointslice\S*\/\S+$/);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

it('leaves nothing behind', async (test) => {
  const { child, kubeconfig } = await start(test, []);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  await assert.rejects(readFile(kubeconfig), { code: 'ENOENT' });
});
